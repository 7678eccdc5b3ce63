"""From what a session wants to ask to what the model can take, with a notice for each thing left out."""

from __future__ import annotations

from dataclasses import replace

from runner.core.events import Notice
from runner.engine.broker import Route
from runner.engine.structured import ReplySchema
from runner.gateways import Capabilities, Request

_SAMPLING = ("temperature", "top_p", "top_k")


def within(
    capabilities: Capabilities, request: Request, route: Route, wanted: ReplySchema | None = None
) -> tuple[Request, list[Notice]]:
    """The request as the route's model can take it; `wanted` is the schema that its reply must keep."""
    notices: list[Notice] = []
    if request.tools and not capabilities.tools:
        notices.append(Notice("tools_off", f"{route} cannot call tools: answering without them"))
        request = replace(request, tools=(), tool_choice="auto")
    if refused := _refused(capabilities, request):
        if told := [key for key in refused if key != "thinking" or request.options[key] not in (False, "none")]:
            notices.append(Notice("options_off", f"{route} takes no {', '.join(told)}: left out"))
        options = {key: value for key, value in request.options.items() if key not in refused}
        choice = "auto" if "tool_choice" in refused else request.tool_choice
        request = replace(request, options=options, tool_choice=choice)
    if wanted is not None and capabilities.structured:
        request = replace(request, schema=wanted.schema)
    elif wanted is not None:
        request = replace(request, system=f"{request.system}\n\n{wanted.instruction}".strip())
    return request, notices


def _refused(capabilities: Capabilities, request: Request) -> list[str]:
    """What was asked for that this model, or its dialect, has no word for."""
    off = set(capabilities.lacks)
    if not capabilities.sampling:
        off.update(_SAMPLING)
    if not capabilities.thinking:
        off.add("thinking")
    asked = [*request.options] + ["tool_choice"] * (request.tool_choice not in ("auto", "none"))
    return [key for key in asked if key in off]
