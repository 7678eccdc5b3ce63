"""Talking to the user in the middle of a turn."""

from __future__ import annotations

from typing import Annotated

from runner.tools.context import Context, ToolFailed
from runner.tools.function import tool


@tool(inline=True)
def ask_user(
    context: Context,
    question: Annotated[str, "One question, complete in itself."],
    choices: Annotated[tuple[str, ...], "The possible answers; leave it out for a free answer."] = (),
) -> str:
    """Ask the user a question and wait for the answer."""
    try:
        return context.ask(question, choices)
    except EOFError:
        raise ToolFailed("Nobody is there to answer. Go on without it, or say what you would need to know.") from None


@tool(effects="none")
def tell_user(context: Context, text: Annotated[str, "What the user should know now."]) -> str:
    """Tell the user something at once, while the work goes on."""
    context.notify(text)
    return "told"
