"""One answer without a session: the conversation is what the caller gives, and nothing of it is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runner.core.chunks import Chunk
from runner.core.events import Notice
from runner.core.history import Exchange
from runner.core.messages import Message
from runner.core.policy import Limits
from runner.engine.broker import Broker, Route
from runner.engine.drafts import within
from runner.engine.structured import ReplySchema
from runner.engine.turn import Loop
from runner.engine.usage import Spent
from runner.gateways import Capabilities, Request
from runner.tools import Context, Toolbox


def answer(
    broker: Broker, messages: Sequence[Message], tools: Sequence[Any], schema: Mapping[str, Any] | None, limits: Limits
) -> Any:
    """What `Broker.generate` gives."""
    toolbox = Toolbox(tools, seconds=limits.tool_seconds, output_bytes=limits.tool_output_bytes)
    system = "\n\n".join(message.text for message in messages if message.role == "system")
    said = tuple(message for message in messages if message.role != "system")
    exchanges: list[Exchange] = []
    context = Context()
    wanted = ReplySchema(schema) if schema is not None else None

    def ask(aside: tuple[Message, ...], seconds: float | None) -> Iterator[Chunk | Notice]:
        past = (message for exchange in exchanges for message in exchange.messages)
        conversation = (*said, *past, *aside)

        def draft(route: Route, capabilities: Capabilities) -> tuple[Request, Sequence[Notice]]:
            request = Request(
                route.model,
                conversation,
                system=system,
                tools=toolbox.specs,
                options=route.options,
                window=capabilities.window,
                timeouts=broker.timeouts,
            )
            return within(capabilities, request, route, wanted)

        return broker.reply(draft, context.cancel, seconds)

    try:
        spent = Spent(broker.price)
        loop = Loop(ask, exchanges, toolbox, context=context, limits=limits, reply_schema=wanted, spent=spent)
        for _ in loop.run():
            pass
    finally:
        toolbox.close()
    text = exchanges[-1].reply.text
    return wanted.value(text) if wanted else text
