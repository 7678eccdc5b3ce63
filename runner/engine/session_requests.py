"""The model calls of a session: each request made of the conversation, and asked again with less if it is too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from runner.core.cancel import Cancel
from runner.core.chunks import Chunk, DoneChunk
from runner.core.errors import PromptTooLong, UsageError
from runner.core.events import Notice
from runner.core.policy import ContextPolicy
from runner.core.window import WindowContents
from runner.engine.adapted_request import adapted
from runner.engine.broker import Broker
from runner.engine.prompt_window import Prompt, PromptWindow
from runner.engine.route import Route
from runner.gateways import Capabilities, Request
from runner.tools import Tools

if TYPE_CHECKING:
    from runner.engine.structured import ReplySchema


class SessionRequests:
    """Asks the model on behalf of a session; a notice is given once in the same words."""

    def __init__(
        self,
        tools: Tools,
        tool_choice: str,
        reply_schema: ReplySchema | None,
        policy: ContextPolicy,
        *,
        stream: bool,
        id: str,
    ) -> None:
        self._tools = tools
        self._tool_choice = tool_choice
        self._reply_schema = reply_schema
        self._window = PromptWindow(policy)
        self._stream = stream
        self._id = id
        self._noticed: set[tuple[str, str]] = set()

    def reply(self, broker: Broker, prompt: Prompt, cancel: Cancel, seconds: float | None) -> Iterator[Chunk | Notice]:
        """The chunks of one reply; a prompt that the server finds too long is shortened once. Raises GatewayError."""
        sent: list[tuple[Route, WindowContents]] = []

        def request_for(route: Route, capabilities: Capabilities) -> tuple[Request, Sequence[Notice]]:
            request = self._request(broker, prompt, route, capabilities)
            request, notices = adapted(request, route, capabilities, self._reply_schema)
            view, left_out = self._window.fit(prompt, request, route)
            if not capabilities.images and any(message.files for message in view.messages):
                raise UsageError(f"{route} takes no images", fix="ask a model that does, or leave the file out")
            sent[:] = [(route, view)]
            request = replace(request, messages=view.messages + prompt.extra)
            return request, self._unnoticed([*notices, *left_out])

        began = monotonic()
        shortened = started = False
        while True:
            left = None if seconds is None else max(0.0, seconds - (monotonic() - began))
            try:
                for chunk in broker.reply(request_for, cancel, left):
                    started = started or not isinstance(chunk, Notice)
                    if type(chunk) is DoneChunk and chunk.usage is not None:
                        yield from self._window.learn(*sent[0], chunk.usage.input_tokens)
                    yield chunk
                return
            except PromptTooLong as error:
                if shortened or started or not sent or not self._window.shrink(*sent[0], error.window):
                    raise
                shortened = True
                why = error.why or error.what
            yield Notice("evicted", f"the server finds the prompt too long ({why}): asking with less")

    def _request(self, broker: Broker, prompt: Prompt, route: Route, capabilities: Capabilities) -> Request:
        """The request without its messages."""
        choice_met = self._tool_choice != "none" and bool(prompt.turns[-1].exchanges)  # else it would call for ever
        return Request(
            route.model,
            (),
            system=prompt.system,
            tools=self._tools.specs,
            tool_choice="auto" if choice_met else self._tool_choice,
            options=route.options,
            window=self._window.tokens(capabilities),
            stream=self._stream,
            timeouts=broker.timeouts,
            conversation=self._id,
        )

    def _unnoticed(self, notices: Sequence[Notice]) -> list[Notice]:
        """Those that the user has not been given yet in these words."""
        new = [notice for notice in notices if (notice.kind, notice.text) not in self._noticed]
        self._noticed.update((notice.kind, notice.text) for notice in new)
        return new
