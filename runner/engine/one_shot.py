"""One answer without a session: the conversation is what the caller gives, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from runner.core.chunks import Chunk
from runner.core.events import Notice
from runner.core.history import Exchange
from runner.core.messages import Message
from runner.core.policy import Limits
from runner.engine.adapted_request import adapted
from runner.engine.limits import TurnLimits
from runner.engine.route import Route
from runner.engine.structured import ReplySchema
from runner.engine.tool_calls import ToolCalls
from runner.engine.turn import TurnLoop
from runner.engine.usage import SessionUsage
from runner.gateways import Capabilities, Request
from runner.tools import Context, Toolbox

if TYPE_CHECKING:
    from runner.engine.broker import Broker


def generate(
    broker: Broker, messages: Sequence[Message], tools: Sequence[Any], schema: Mapping[str, Any] | None, limits: Limits
) -> Any:
    """What `Broker.generate` returns."""
    toolbox = Toolbox(tools, seconds=limits.tool_seconds, output_bytes=limits.tool_output_bytes)
    system = "\n\n".join(message.text for message in messages if message.role == "system")
    first = tuple(message for message in messages if message.role != "system")
    exchanges: list[Exchange] = []
    context = Context()
    reply_schema = ReplySchema(schema) if schema is not None else None

    def ask_model(extra: tuple[Message, ...], seconds: float | None) -> Iterator[Chunk | Notice]:
        exchanged = (message for exchange in exchanges for message in exchange.messages)
        conversation = (*first, *exchanged, *extra)

        def request_for(route: Route, capabilities: Capabilities) -> tuple[Request, Sequence[Notice]]:
            request = Request(
                route.model,
                conversation,
                system=system,
                tools=toolbox.specs,
                options=route.options,
                window=capabilities.window,
                timeouts=broker.timeouts,
            )
            return adapted(request, route, capabilities, reply_schema)

        return broker.reply(request_for, context.cancel, seconds)

    try:
        turn_limits = TurnLimits(limits, SessionUsage(broker.price))
        loop = TurnLoop(ask_model, exchanges, ToolCalls(toolbox, context, turn_limits), turn_limits, reply_schema)
        for _ in loop.run():
            pass
    finally:
        toolbox.close()
    text = exchanges[-1].reply.text
    return reply_schema.value(text) if reply_schema else text
