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
    refused = [key for key in _SAMPLING if key in request.options] if not capabilities.sampling else []
    if refused:
        notices.append(Notice("options_off", f"{route} takes no {', '.join(refused)}: left out"))
        kept = {key: value for key, value in request.options.items() if key not in refused}
        request = replace(request, options=kept)
    if wanted is not None and capabilities.structured:
        request = replace(request, schema=wanted.schema)
    elif wanted is not None:
        request = replace(request, system=f"{request.system}\n\n{wanted.instruction}".strip())
    return request, notices
