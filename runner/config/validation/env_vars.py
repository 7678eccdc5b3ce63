"""Environment variables in agent files: `${env:NAME}` or `${env:NAME:-default}` in urls, headers, `env:` and paths.

Anything that looks like a placeholder elsewhere is an error, so that none is ever sent to a model as it stands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from runner.config.diagnostics import MOST_SHOWN, Diagnostic, Severity
from runner.config.layers import Layers
from runner.config.yaml.document import NodePath, dotted_path
from runner.core.secrets import looks_secret, mark_secret
from runner.gateways.catalogue import CATALOGUE
from runner.tools.catalogue import KINDS, tool_kind

# Each pattern stops where another placeholder begins: otherwise a text of many beginnings would be searched to its end
# from each of them.
_PLACEHOLDER = r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)(?::-((?:[^}$]|\$(?!\{))*))?\}"
_LOOKALIKE = r"\$\{(?:[^}\n$]|\$(?!\{))*\}?"
# What other tools write: templates, shells and {env:NAME}. In a field that is filled in, a placeholder was meant.
_OTHER_SYNTAX = r"\$\{(?:[^}\n$]|\$(?!\{))*\}?|\{\{[^{}\n]*\}\}|\$[A-Z_][A-Z0-9_]+\b|\{env[:.][^{}\n]*\}"
_PLAIN_ADDRESS = r"https?://[^@?#\s]+/*"
_LOOKALIKE_IN_PROSE = r"\$\{(?:env\b(?:[^}\n$]|\$(?!\{))*|[A-Z][A-Z0-9_]*(?::-(?:[^}\n$]|\$(?!\{))*)?)\}"

_MAX_SHOWN = 200
_PROSE = frozenset({"system_prompt", "description", "greeting", "prompt", "script", "reply"})
_GATEWAY_FIELDS = frozenset({"url", "headers"})
_SECRET_FIELDS = frozenset({"headers", "env", "query"})


def _is_filled_in(path: NodePath) -> bool:
    """Whether placeholders count in the field at `path`, as in `tools[0].http.headers.X` or `gateways.groq.url`."""
    match path:
        case ("tools", _, kind, option, *_):
            return kind in KINDS and option in tool_kind(str(kind)).env_fields
        case ("gateways", _, field, *_):
            return field in _GATEWAY_FIELDS
    return False


def without_variables(text: str) -> str:
    """The text as it is where no variable is set: the defaults of its placeholders are the file's own words."""
    return re.sub(_PLACEHOLDER, lambda match: match[2] or " ", text)


def _is_address(match: re.Match[str], value: str) -> bool:
    """Whether the value of a placeholder in a url is no more than where it leads."""
    from runner.core.cleartext import is_address_part  # lazy: few urls come from the environment

    return is_address_part(match[1], value, match.string[: match.start()], match.string[match.end() :])


def _is_private(path: NodePath, in_address: bool) -> bool:
    """Whether what fills the field at `path` is kept out of all that is written, whatever it looks like."""
    return not _SECRET_FIELDS.isdisjoint(path) or (path[-1] == "url" and not in_address)


class Substitution:
    """Fills the placeholders of one agent; keeps what it could not fill, and which secrets came in."""

    def __init__(self, layers: Layers, environ: Mapping[str, str], missing: Severity) -> None:
        self._layers = layers
        self._environ = environ
        self._missing = missing
        self.diagnostics: list[Diagnostic] = []
        self.secrets: dict[str, str] = {}
        self.from_user: set[NodePath] = set()
        """Paths whose text begins with a value of the user's own environment."""
        self.unfilled: set[NodePath] = set()
        """Paths whose variable is not set."""
        self.sent: dict[NodePath, str] = {}
        """Paths that hold more of the environment than an address, and a variable that fills them."""

    def fill(self, value: Any, path: NodePath = ()) -> Any:
        """The value with its placeholders filled in."""
        if isinstance(value, str):
            return self._text(value, path) if "$" in value or "{" in value else value
        if isinstance(value, dict):
            return {key: self.fill(inner, (*path, key)) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.fill(inner, (*path, index)) for index, inner in enumerate(value)]
        return value

    def gateway_diagnostics(self, value: Any) -> Iterable[Diagnostic]:
        """What the gateways of the filled `value` would send in clear text."""
        if not (isinstance(value, dict) and value.get("gateways")):
            return ()
        self._mark_addresses(value["gateways"])
        from runner.config.validation.cleartext import cleartext_diagnostics, gateway_servers  # lazy: few have any

        return cleartext_diagnostics(self._layers, gateway_servers(value, self._environ), self.sent, self.unfilled)

    def _mark_addresses(self, gateways: Any) -> None:
        """Keep out of all that is written what `url_from` names and is no more an address than a key would be."""
        known = {preset.url_from for preset in CATALOGUE.values()}
        for preset in gateways.values() if isinstance(gateways, dict) else ():
            name = str(preset.get("url_from", "")) if isinstance(preset, dict) else ""
            value = self._environ.get(name, "")
            if value and name not in known and not re.fullmatch(_PLAIN_ADDRESS, value):
                self.secrets[f"env:{name}"] = value
                mark_secret(name)

    def _text(self, text: str, path: NodePath) -> str:
        if not _is_filled_in(path):
            self._report_placeholders(text, path, _LOOKALIKE_IN_PROSE if path[0] in _PROSE else _LOOKALIKE)
            return text
        rest = re.sub(_PLACEHOLDER, lambda match: " " * len(match.group()), text)
        self._report_placeholders(rest, path, _OTHER_SYNTAX)
        return re.sub(_PLACEHOLDER, lambda match: self._value(match, path), text)

    def _value(self, match: re.Match[str], path: NodePath) -> str:
        name, default = match.groups()
        value = self._environ.get(name)
        if default is not None and not value:
            return str(default)
        in_address = path[-1] == "url" and _is_address(match, value or "")
        if not in_address:
            self.sent.setdefault(path, name)
        if value is None:
            self.unfilled.add(path)
            self._report(path, match, f"{dotted_path(path)}: the environment variable {name} is not set", self._missing)
            return ""
        if match.start() == 0:
            self.from_user.add(path)
        if looks_secret(value) or (len(value) > 3 and _is_private(path, in_address)):
            self.secrets[f"env:{name}"] = value
            mark_secret(name)
        return value

    def _report_placeholders(self, text: str, path: NodePath, pattern: str) -> None:
        why = "is not filled in here"
        if _is_filled_in(path):
            why = "is no placeholder: write ${env:NAME} or ${env:NAME:-default}"
        for match in islice(re.finditer(pattern, text), MOST_SHOWN + 1):
            shown = match.group() if len(match.group()) <= _MAX_SHOWN else f"{match.group()[:_MAX_SHOWN]}…"
            self._report(path, match, f"{dotted_path(path)}: {shown} {why}", "error")

    def _report(self, path: NodePath, match: re.Match[str], message: str, severity: Severity) -> None:
        self.diagnostics.append(self._layers.diagnostic(path, message, severity=severity, within=match.span()))
