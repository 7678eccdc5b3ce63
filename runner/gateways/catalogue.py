"""The dialects and the known servers, as data: one row a dialect, and one preset a server that speaks it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Dialect(NamedTuple):
    """What is known of a dialect without importing its gateway, which `gateway` names as `module:Class`."""

    gateway: str
    over_http: bool = True
    """Its gateway takes an url, a key and headers."""
    capabilities_offline: bool = False
    """Its gateway knows what a model can do without asking a server."""
    answers_from_script: bool = False
    """It answers from the agent file's `script:`, which its gateway takes as first argument."""
    runs_weights: bool = False
    """It runs files of weights on this machine: a model is a known name, a path or a name at the hub."""


DIALECTS: Mapping[str, Dialect] = {
    "anthropic": Dialect("runner.gateways.dialects.anthropic:Anthropic", capabilities_offline=True),
    "gemini": Dialect("runner.gateways.dialects.gemini:Gemini", capabilities_offline=True),
    "local": Dialect(
        "runner.gateways.local.gateway:Local", over_http=False, capabilities_offline=True, runs_weights=True
    ),
    "ollama": Dialect("runner.gateways.dialects.ollama:Ollama"),
    "openai": Dialect("runner.gateways.dialects.openai:OpenAI"),
    "responses": Dialect("runner.gateways.dialects.responses:Responses", capabilities_offline=True),
    "scripted": Dialect("runner.gateways.scripted:Scripted", over_http=False, answers_from_script=True),
}

_OF_A_PACKAGE = Dialect("")


@dataclass(frozen=True, slots=True)
class GatewayPreset:
    """A known HTTP server. `url` may hold ${env:NAME}; `key_from` names the variable that holds the key.

    `url_from` names the variable that overrides the url. `quirks` are how the server departs from its dialect, in that
    dialect's own words.
    """

    dialect: str
    url: str = ""
    key_from: str = ""
    url_from: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    quirks: Mapping[str, Any] = field(default_factory=dict)


_OF_OPENAI: Mapping[str, Any] = {
    "reasoning": ("o1", "o3", "o4", "gpt-5"),
    "refused": ("top_k",),
    "windows": {
        "gpt-3.5-turbo": 16_385,
        "gpt-4": 8_192,
        "gpt-4-turbo": 128_000,
        "gpt-4o": 128_000,
        "gpt-4.1": 1_047_576,
        "gpt-5": 400_000,
        "o1": 200_000,
        "o3": 200_000,
        "o4-mini": 200_000,
    },
}
_LISTS_WINDOWS: dict[str, Any] = {"lists_windows": True}

CATALOGUE: Mapping[str, GatewayPreset] = {
    "anthropic": GatewayPreset("anthropic", "https://api.anthropic.com", "ANTHROPIC_API_KEY", quirks={"cache": True}),
    "azure": GatewayPreset(
        "openai",
        "${env:AZURE_OPENAI_ENDPOINT}/openai/v1",
        "AZURE_OPENAI_API_KEY",
        quirks={**_OF_OPENAI, "key_header": "api-key"},
    ),
    "cerebras": GatewayPreset(
        "openai",
        "https://api.cerebras.ai/v1",
        "CEREBRAS_API_KEY",
        quirks={
            "refused": ("top_k", "frequency_penalty", "presence_penalty"),
            "renamed": {"max_tokens": "max_completion_tokens"},
        },
    ),
    "deepseek": GatewayPreset(
        "openai",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
        quirks={
            "refused": ("top_k",),
            "echo": "reasoning_content",
            "structured": False,
            "images": False,
            "windows": {"deepseek-": 131_072},
        },
    ),
    "fireworks": GatewayPreset(
        "openai", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", quirks=_LISTS_WINDOWS
    ),
    "gemini": GatewayPreset("gemini", "https://generativelanguage.googleapis.com/v1beta", "GEMINI_API_KEY"),
    "groq": GatewayPreset(
        "openai",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        quirks={
            **_LISTS_WINDOWS,
            "refused": ("top_k", "frequency_penalty", "presence_penalty"),
            "renamed": {"max_tokens": "max_completion_tokens"},
        },
    ),
    "huggingface": GatewayPreset("openai", "https://router.huggingface.co/v1", "HF_TOKEN"),
    "llamacpp": GatewayPreset(
        "openai", "http://localhost:8080/v1", "LLAMA_API_KEY", quirks={**_LISTS_WINDOWS, "alternate": True}
    ),
    "lmstudio": GatewayPreset("openai", "http://localhost:1234/v1", quirks=_LISTS_WINDOWS),
    "local": GatewayPreset("local"),
    "mistral": GatewayPreset(
        "openai",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        quirks={
            **_LISTS_WINDOWS,
            "alternate": True,
            "include_usage": False,
            "name_results": True,
            "plain_ids": True,
            "refused": ("top_k",),
            "renamed": {"seed": "random_seed"},
            "text_with_calls": False,
        },
    ),
    "moonshot": GatewayPreset(
        "openai", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", quirks={"echo": "reasoning_content"}
    ),
    "ollama": GatewayPreset("ollama", "http://localhost:11434", url_from="OLLAMA_HOST"),
    "openai": GatewayPreset(
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        url_from="OPENAI_BASE_URL",
        quirks={**_OF_OPENAI, "cache": True},
    ),
    "openrouter": GatewayPreset(
        "openai",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
        quirks=_LISTS_WINDOWS | {"echo": "reasoning_details"},
    ),
    "responses": GatewayPreset(
        "responses",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        url_from="OPENAI_BASE_URL",
        quirks={"reasoning": _OF_OPENAI["reasoning"], "windows": _OF_OPENAI["windows"], "cache": True},
    ),
    "scripted": GatewayPreset("scripted"),
    "together": GatewayPreset("openai", "https://api.together.xyz/v1", "TOGETHER_API_KEY", quirks=_LISTS_WINDOWS),
    "vllm": GatewayPreset("openai", "http://localhost:8000/v1", "VLLM_API_KEY", quirks=_LISTS_WINDOWS),
    "xai": GatewayPreset("openai", "https://api.x.ai/v1", "XAI_API_KEY", quirks={"refused": ("top_k",)}),
}


def dialect_of(gateway: str, presets: Mapping[str, GatewayPreset]) -> Dialect:
    """The dialect that a gateway of `presets`, else of the catalogue, speaks."""
    preset = presets.get(gateway) or CATALOGUE.get(gateway)
    return dialect_named(preset.dialect if preset else gateway)


def is_of_a_package(gateway: str, presets: Mapping[str, GatewayPreset]) -> bool:
    """Whether an installed package would have to be imported to ask the gateway: it is not ours."""
    return dialect_of(gateway, presets) is _OF_A_PACKAGE


def dialect_named(name: str) -> Dialect:
    """The dialect of that name; one of a package has every default."""
    return DIALECTS.get(name, _OF_A_PACKAGE)
