"""The prompt of a request: which messages fit the model's context window, by an estimate corrected by the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from runner.core.errors import UsageError
from runner.core.events import Notice
from runner.core.history import Turn
from runner.core.messages import Message, ToolSpec
from runner.core.policy import DEFAULT_WINDOW, ContextPolicy
from runner.core.tokens import IMAGE, Calibration, estimate, estimate_tools
from runner.core.window import Room, Start, WindowContents, fit
from runner.engine.route import Route
from runner.gateways import Capabilities, Request


class Prompt(NamedTuple):
    """What a model is asked to answer; the `extra` messages go with this one request only, after the history."""

    system: str
    turns: Sequence[Turn]
    extra: tuple[Message, ...] = ()


class PromptWindow:
    """Fits a session's prompts into the context window of the model that is asked, as its policy says.

    For each route it keeps what the server's own token counts and errors have shown.
    """

    def __init__(self, policy: ContextPolicy) -> None:
        self.policy = policy
        self._calibrations: dict[str, Calibration] = {}
        self._targets: dict[str, int] = {}
        self._starts: dict[str, tuple[Start, Turn]] = {}
        self._tool_tokens: tuple[tuple[ToolSpec, ...], int] = (), 0

    def tokens(self, capabilities: Capabilities) -> int:
        """The window's size in tokens."""
        return self.policy.max_tokens or capabilities.window or DEFAULT_WINDOW

    def fit(self, prompt: Prompt, request: Request, route: Route) -> tuple[WindowContents, list[Notice]]:
        """The messages that fit into the request's window, and notices of what was left out.

        Raises ContextOverflowError, and UsageError where the policy allows nothing to be left out.
        """
        window = request.window or DEFAULT_WINDOW
        fixed = estimate(request.system) + self._count_tools(request.tools)
        fixed += sum(estimate(message.text) for message in prompt.extra)
        room = Room(
            fixed,
            self._room(window, request.options),
            self._calibration(route),
            self._targets.get(str(route)),
            self.policy.keep,
        )
        view = fit(prompt.turns, room, self._start(route, prompt.turns))
        self._starts[str(route)] = view.start, prompt.turns[view.start.turn]
        if (view.evicted or view.truncated) and self.policy.overflow == "error":
            raise UsageError(
                "the conversation no longer fits the context window",
                why=f"the window has {window} tokens and context.overflow is error",
                fix="start a new session, raise context.max_tokens, or set context.overflow: evict",
            )
        return view, list(_notices(view))

    def learn(self, route: Route, view: WindowContents, counted: int) -> Iterator[Notice]:
        """Let the server's token count correct the estimate, unless it shows that the server has cut the prompt."""
        calibration = self._calibration(route)
        images = sum(len(message.files) for message in view.messages)
        images += sum(len(result.files) for message in view.messages for result in message.results)
        expected = calibration(view.estimated - IMAGE * images)
        if route.gateway.capabilities(route.model).truncates and 0 < counted < expected * 0.5 and expected > 512:
            yield Notice(
                "server_truncated",
                f"{route.gateway.name} read only {counted} of about {expected} tokens: the prompt's front was dropped",
                {"counted": counted, "expected": expected},
            )
        elif not images:  # each model counts them in its own way
            calibration.learn(view.estimated, counted)

    def shrink(self, route: Route, view: WindowContents, window: int | None) -> bool:
        """Send this route less from now on; False if nothing more can be left out.

        `window`: the size in tokens that its server names, None if it names none.
        """
        sent = self._calibration(route)(view.estimated)
        room = self._room(window, route.options) if window else sent
        self._targets[str(route)] = room if room < sent else sent * 3 // 4
        return view.can_shrink and self.policy.overflow == "evict"

    def _count_tools(self, tools: tuple[ToolSpec, ...]) -> int:
        """The tools' tokens, estimated anew only when they are others: they are the same for most requests."""
        if self._tool_tokens[0] is not tools:
            self._tool_tokens = tools, estimate_tools(tools)
        return self._tool_tokens[1]

    def _room(self, window: int, options: Mapping[str, Any]) -> int:
        """Tokens of the window that the prompt may take; the rest is the reply's."""
        return window - min(int(options.get("max_tokens") or self.policy.reserve), window // 2)

    def _start(self, route: Route, turns: Sequence[Turn]) -> Start:
        """Where the route's last prompt began, if that is still a turn of the conversation."""
        start, turn = self._starts.get(str(route), (Start(), None))
        if start.turn >= len(turns) or turns[start.turn] is not turn:
            return Start()
        return start if start.turn == len(turns) - 1 else start._replace(exchange=0)

    def _calibration(self, route: Route) -> Calibration:
        return self._calibrations.setdefault(str(route), Calibration())


def _notices(view: WindowContents) -> Iterator[Notice]:
    if view.evicted:
        text = f"{view.evicted} older messages no longer fit the window"
        yield Notice("evicted", text, {"messages": view.evicted})
    if view.truncated:
        yield Notice("abridged", "the newest tool results do not fit the window: cut in the middle")
