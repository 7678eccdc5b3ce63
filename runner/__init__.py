"""agent-run: agents as YAML files, run and regression-tested. The public names, each imported at its first use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from runner.config.agent import Agent
    from runner.config.loader import load_agent
    from runner.core.errors import AgentRunError, ConfigError, ContextOverflowError, GatewayError, StreamIncomplete
    from runner.core.messages import Attachment, Message, ToolCall, ToolResult, Usage
    from runner.engine.broker import Broker
    from runner.engine.session import ChatSession
    from runner.tools import tool

_MODULES = {
    "Agent": "runner.config.agent",
    "AgentRunError": "runner.core.errors",
    "Attachment": "runner.core.messages",
    "Broker": "runner.engine.broker",
    "ChatSession": "runner.engine.session",
    "ConfigError": "runner.core.errors",
    "ContextOverflowError": "runner.core.errors",
    "GatewayError": "runner.core.errors",
    "Message": "runner.core.messages",
    "StreamIncomplete": "runner.core.errors",
    "ToolCall": "runner.core.messages",
    "ToolResult": "runner.core.messages",
    "Usage": "runner.core.messages",
    "load_agent": "runner.config.loader",
    "tool": "runner.tools",
}

__all__ = [
    "Agent",
    "AgentRunError",
    "Attachment",
    "Broker",
    "ChatSession",
    "ConfigError",
    "ContextOverflowError",
    "GatewayError",
    "Message",
    "StreamIncomplete",
    "ToolCall",
    "ToolResult",
    "Usage",
    "__version__",
    "load_agent",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)
