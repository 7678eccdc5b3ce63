"""The urls of servers: where they come from, which can be connected to, and through which proxy."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from runner.core.addresses import host_of, is_loopback, without_credentials
from runner.core.errors import Rejected
from runner.gateways.catalogue import CATALOGUE, GatewayPreset

_VARIABLE = re.compile(r"\$\{env:(\w+)\}")


def preset_url(preset: GatewayPreset) -> str:
    """The url of a preset: from the user's environment where the preset names a variable, or its own."""
    override = os.environ.get(preset.url_from, "") if preset.url_from else ""
    return override or _VARIABLE.sub(lambda match: os.environ.get(match[1], "").rstrip("/"), preset.url)


def check_url(name: str, url: str) -> None:
    """Raise Rejected for what no connection can be made to."""
    labels = host_of(url).strip(".").split(".")
    try:
        usable = urlsplit(url).scheme in ("http", "https") and urlsplit(url).port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url) or not all(0 < len(label) < 64 for label in labels):
        raise Rejected(
            f"{name} has no address that can be asked" if url else f"{name} has no address",
            why=f"its url is {without_credentials(url)!r}",
            fix=_url_fix(name),
        )


def _url_fix(name: str) -> str:
    preset = CATALOGUE.get(name)
    if preset and os.environ.get(preset.url_from):
        return f"export {preset.url_from}=http://… or https://…"
    for variable in _VARIABLE.findall(preset.url) if preset else ():
        if not os.environ.get(variable):
            return f"export {variable}=https://…"
    return "set the gateway's url to one that begins with http:// or https://"


def proxy_for(url: str) -> str:
    """The proxy that the environment names for this url; this machine is asked without one."""
    if is_loopback(host_of(url)) or not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass  # lazy: few have proxies

    proxies = getproxies()
    proxy = proxies.get(urlsplit(url).scheme) or proxies.get("all") or ""
    if not proxy or proxy_bypass(host_of(url)):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"
