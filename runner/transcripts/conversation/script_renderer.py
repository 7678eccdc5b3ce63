"""Rendering the templates of a script: what the user says, and what is expected."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.config.agent import Agent, PromptSource
from runner.config.template.render import is_template, render
from runner.transcripts.model import Expectation, LazyLocation, ReplayInputs, ScriptTurn, Transcript


class ScriptRenderer:
    """Renders the templates of one transcript's script, from its variables and what regexes captured (`values`)."""

    def __init__(self, transcript: Transcript, values: Mapping[str, Any], clock: Callable[[], datetime]) -> None:
        self.values = dict(values)
        self._folder = transcript.path.parent
        self._clock = clock

    def user_text(self, turn: ScriptTurn) -> str:
        """The user's text. Raises ConfigError."""
        return self._rendered(turn.user, turn)

    def expectations(self, expectations: Sequence[Expectation]) -> list[Expectation]:
        """The expectations with every template in their values rendered. Raises ConfigError."""
        return [
            expectation._replace(expected=self._rendered_value(expectation)) if expectation.templated else expectation
            for expectation in expectations
        ]

    def _rendered_value(self, expectation: Expectation) -> Any:
        def rendered(value: Any) -> Any:
            if isinstance(value, str):
                return self._rendered(value, expectation)
            if isinstance(value, Mapping):
                return {rendered(key): rendered(item) for key, item in value.items()}
            return [rendered(item) for item in value] if isinstance(value, list) else value

        return rendered(expectation.expected)

    def _rendered(self, text: str, lazy_location: LazyLocation) -> str:
        if not is_template(text):
            return text
        return render(PromptSource(text, self._folder, lazy_location.location), self.values, now=self._clock)


def script_renderer(
    transcript: Transcript, agent: Agent, inputs: ReplayInputs, clock: Callable[[], datetime]
) -> ScriptRenderer:
    """The renderer of a transcript: the values are the defaults of the agent's variables, and those of the inputs."""
    defaults = {name: variable.default for name, variable in agent.variables.items()}
    return ScriptRenderer(transcript, {**defaults, **inputs.variables}, clock)
