"""A request adapted to what its model can take, with a notice for each thing left out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from runner.core.events import Notice
from runner.engine.route import Route
from runner.gateways import Capabilities, Request

if TYPE_CHECKING:
    from runner.engine.structured import ReplySchema

_SAMPLING = ("temperature", "top_p", "top_k")


def adapted(
    request: Request, route: Route, capabilities: Capabilities, reply_schema: ReplySchema | None = None
) -> tuple[Request, list[Notice]]:
    """The request as the route's model can take it, and the notices; the reply must keep `reply_schema`."""
    notices: list[Notice] = []
    if request.tools and not capabilities.tools:
        notices.append(Notice("tools_off", f"{route} cannot call tools: answering without them"))
        request = replace(request, tools=(), tool_choice="auto")
    if unsupported := _unsupported(request, capabilities):
        if named := [key for key in unsupported if key != "thinking" or request.options[key] not in (False, "none")]:
            notices.append(Notice("options_off", f"{route} takes no {', '.join(named)}: left out"))
        options = {key: value for key, value in request.options.items() if key not in unsupported}
        choice = "auto" if "tool_choice" in unsupported else request.tool_choice
        request = replace(request, options=options, tool_choice=choice)
    if reply_schema is not None and capabilities.structured:
        request = replace(request, schema=reply_schema.schema)
    elif reply_schema is not None:
        request = replace(request, system=f"{request.system}\n\n{reply_schema.instruction}".strip())
    return request, notices


def _unsupported(request: Request, capabilities: Capabilities) -> list[str]:
    """The options, and perhaps `tool_choice`, that were set and that this model or its dialect has no word for."""
    lacking = set(capabilities.lacks)
    if not capabilities.sampling:
        lacking.update(_SAMPLING)
    if not capabilities.thinking:
        lacking.add("thinking")
    keys = [*request.options] + ["tool_choice"] * (request.tool_choice not in ("auto", "none"))
    return [key for key in keys if key in lacking]
