"""What would go to another machine without TLS: an error at its own line, before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from runner.config.diagnostics import Diagnostic
from runner.config.layers import Layers
from runner.config.yaml.document import NodePath, dotted_path
from runner.core.addresses import host_of, is_cleartext
from runner.core.cleartext import found_in_clear

_SENT_FIELDS = frozenset({"url", "headers", "query", "body"})
_REFUSED = "may not be sent to another machine in clear text"
_FIX = "use an https:// url"


def cleartext_diagnostics(
    layers: Layers,
    servers: Iterable[tuple[NodePath, str, Mapping[str, Any]]],
    sent: Mapping[NodePath, str],
    unfilled: Set[NodePath],
) -> Iterator[Diagnostic]:
    """Of each server, given as its path, its url and its headers: what may not go to it in the clear.

    `sent` are the paths that a variable of the environment fills with more than an address.
    """
    for root, url, headers in servers:
        no_host_yet = (*root, "url") in unfilled and not host_of(url)
        if "://" not in url or not is_cleartext(url) or no_host_yet:
            continue
        filled = [path for path in sent if path[: len(root)] == root and path[len(root)] in _SENT_FIELDS]
        for path in filled:
            yield layers.diagnostic(path, f"{dotted_path(path)}: the value of {sent[path]} {_REFUSED}", _FIX)
        part, what = found_in_clear(url, headers, {})
        path = (*root, "url") if part == "url" else (*root, "headers", part)
        if part and path not in filled:
            yield layers.diagnostic(path, f"{dotted_path(path)}: {what} {_REFUSED}", _FIX)


def gateway_servers(
    value: Mapping[str, Any], environ: Mapping[str, str]
) -> Iterator[tuple[NodePath, str, Mapping[str, Any]]]:
    """The servers under `gateways:`, with the addresses that the environment may give them instead of the file."""
    gateways = value["gateways"]
    for name, preset in gateways.items() if isinstance(gateways, dict) else ():
        if isinstance(preset, dict):
            override = environ.get(str(preset.get("url_from", "")), "")
            headers = preset.get("headers")
            url = str(override or preset.get("url") or "")
            yield ("gateways", name), url, headers if isinstance(headers, dict) else {}
