"""The user's own `config.yaml`, held to the same rules as an agent file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runner.config.agent import Permissions, UserConfig
from runner.config.diagnostics import Diagnostic, sorted_diagnostics
from runner.config.layers import Layers
from runner.config.paths import path_kind
from runner.config.validation.env_vars import Substitution
from runner.config.validation.schema import schema_violations
from runner.config.yaml.parser import load_documents
from runner.core.dirs import config_folder
from runner.core.errors import ConfigError
from runner.core.secrets import Secrets
from runner.gateways import GatewayPreset


def user_config_path(environ: Mapping[str, str]) -> Path:
    """Where the user's configuration is looked for; AGENT_RUN_CONFIG_HOME names another folder."""
    return config_folder(environ) / "config.yaml"


def load_user_config(environ: Mapping[str, str] | None = None) -> tuple[UserConfig, Secrets]:
    """The user's configuration and the secrets in it; empty if there is none. Raises ConfigError."""
    environ = os.environ if environ is None else environ
    path = user_config_path(environ)
    if not path_kind(path):  # nor where the home folder cannot be read
        return UserConfig(), Secrets()
    documents = load_documents(path)
    if not documents:
        return UserConfig(path), Secrets()
    layers = Layers(documents[:1], documents[0].value)
    substitution = Substitution(layers, environ, "error")
    value = substitution.fill(layers.value) if isinstance(layers.value, dict) else layers.value
    diagnostics = layers.violation_diagnostics(schema_violations(layers.value, "agent", "user"))
    diagnostics += substitution.diagnostics
    diagnostics += substitution.gateway_diagnostics(value)
    if not diagnostics:
        diagnostics += _rule_diagnostics(layers, value)
    if diagnostics:
        raise ConfigError(sorted_diagnostics(diagnostics))
    return _user_config(path, value), Secrets(substitution.secrets)


def _rule_diagnostics(layers: Layers, value: Mapping[str, Any]) -> list[Diagnostic]:
    from runner.config.validation.permissions import rule_error  # lazy: few have any

    return [
        layers.diagnostic(("permissions", decision, index), f"permissions.{decision}[{index}]: {why}")
        for decision, rules in value.get("permissions", {}).items()
        for index, rule in enumerate(rules)
        if (why := rule_error(rule))
    ]


def _user_config(path: Path, value: Mapping[str, Any]) -> UserConfig:
    default = value.get("default", {})
    return UserConfig(
        path,
        gateway=default.get("gateway", ""),
        model=default.get("model", ""),
        gateways={name: GatewayPreset(**fields) for name, fields in value.get("gateways", {}).items()},
        permissions=parse_permissions(value.get("permissions", {})),
        hosts=tuple(value.get("hosts", ())),
    )


def parse_permissions(value: Mapping[str, Any]) -> Permissions:
    """The rules under `permissions:`."""
    return Permissions(**{decision: tuple(rules) for decision, rules in value.items()})
