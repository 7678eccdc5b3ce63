"""A Python function as a tool: its schema from the signature and the docstring, its arguments as the hints say."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cached_property, update_wrapper
from typing import Any, overload

from runner.core.cancel import Cancel
from runner.core.errors import UsageError
from runner.core.messages import Effects, ToolSpec
from runner.tools.context import Context, ToolFailed
from runner.tools.function_schema import (
    HintSchema,
    UnsupportedHint,
    ValueMismatch,
    convert_at,
    hint_schema,
    json_default,
    object_schema,
)

_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class FunctionTool:
    """A function that a model may call; it stays callable as it was.

    Its effects are taken for "read" unless declared: it is not asked for, and never run again by a replay.
    `declares_effects` tells which it is, because what an agent file names counts as "exec" without.
    """

    kind = "python"
    separator = ""

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        description: str = "",
        effects: Effects | None = None,
        timeout: float | None = None,
        inline: bool = False,
    ) -> None:
        update_wrapper(self, function)
        self.timeout = timeout
        self.inline = inline
        self._function = function
        self._name = name or getattr(function, "__name__", "")
        self._description = description
        self._effects: Effects = effects or "read"
        self.declares_effects = effects is not None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<tool {self._name}>"

    @cached_property
    def spec(self) -> ToolSpec:
        """What the model is told. Raises UsageError for a signature that JSON cannot express."""
        summary, descriptions = _parse_docstring(self._function.__doc__)
        properties = {name: descriptions.get(name, {}) | self._schema(name) for name in self._hint_schemas}
        required = [name for name in properties if self._parameters[name].default is inspect.Parameter.empty]
        return ToolSpec(self._name, self._description or summary, object_schema(properties, required), self._effects)

    def run(self, arguments: Mapping[str, Any], context: Context) -> Any:
        """Call the function with the arguments as its hints say; an async one is run to its end."""
        arguments_by_name = {name: self._convert(name, value) for name, value in arguments.items()}
        arguments_by_name |= dict.fromkeys(self._context_names, context)
        positional = [
            arguments_by_name.pop(name)
            for name, parameter in self._parameters.items()
            if parameter.kind is inspect.Parameter.POSITIONAL_ONLY and name in arguments_by_name
        ]
        returned = self._function(*positional, **arguments_by_name)
        return _run_awaitable(returned, context.cancel) if inspect.isawaitable(returned) else returned

    def _convert(self, name: str, value: Any) -> Any:
        try:
            return convert_at(name, self._hint_schemas[name].convert, value)
        except ValueMismatch as mismatch:
            raise ToolFailed(f"The arguments do not fit, so it was not run:\n{mismatch}") from None

    def _schema(self, name: str) -> dict[str, Any]:
        default = self._parameters[name].default
        return {
            **self._hint_schemas[name].schema,
            **({} if default is inspect.Parameter.empty else json_default(default)),
        }

    @cached_property
    def _parameters(self) -> dict[str, inspect.Parameter]:
        return dict(inspect.signature(self._function).parameters)

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self._function, include_extras=True)
        except (NameError, TypeError, AttributeError) as error:
            raise self._unusable(f"its type hints cannot be read: {error}") from None

    @cached_property
    def _context_names(self) -> tuple[str, ...]:
        return tuple(name for name in self._parameters if self._hints.get(name) is Context)

    @cached_property
    def _hint_schemas(self) -> dict[str, HintSchema]:
        schemas = {}
        for name, parameter in self._parameters.items():
            if parameter.kind in _VARIADIC:
                raise self._unusable(f"a model cannot fill {parameter}; name each parameter")
            if name not in self._context_names:
                try:
                    schemas[name] = hint_schema(self._hints.get(name, Any))
                except UnsupportedHint as error:
                    raise self._unusable(f"parameter {name!r}: {error}") from None
        return schemas

    def _unusable(self, why: str) -> UsageError:
        code = getattr(inspect.unwrap(self._function), "__code__", None)
        where = f"{code.co_filename}:{code.co_firstlineno}" if code else ""
        return UsageError(f"the function {self._name!r} cannot be a tool", where=where, why=why)


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(
    *,
    name: str = "",
    description: str = "",
    effects: Effects = "read",
    timeout: float | None = None,
    inline: bool = False,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...
def tool(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a tool: `@tool`, or `@tool(name=…, description=…, effects=…, timeout=…, inline=…)`.

    The schema comes from the hints, the descriptions from the docstring or from `Annotated[T, "…"]`. `effects` is none,
    read, write or exec; `timeout` is in seconds; `inline` runs it in the session's own thread, for talking to the user.
    A parameter hinted `Context` is filled in and not shown to the model.
    """
    if function is None:
        return lambda decorated: FunctionTool(decorated, **options)
    return FunctionTool(function, **options)


def _parse_docstring(docstring: str | None) -> tuple[str, Mapping[str, dict[str, Any]]]:
    """A docstring's prose, and its descriptions of the parameters: Google, NumPy, reST or Epydoc."""
    text = inspect.cleandoc(docstring or "")
    if "\n" not in text:
        return text, {}
    import docstring_parser  # lazy: only sections need parsing

    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    descriptions = {param.arg_name: {"description": param.description} for param in parsed.params if param.description}
    return "\n\n".join(filter(None, (parsed.short_description, parsed.long_description))) or text, descriptions


def _run_awaitable(awaitable: Any, cancel: Cancel) -> Any:
    """Run an awaitable to its end, or until the session is stopped."""
    import asyncio  # lazy: 70 ms that only async tools pay

    async def wait() -> Any:
        task = asyncio.ensure_future(awaitable)
        loop = asyncio.get_running_loop()
        with cancel.on_cancel(lambda: loop.call_soon_threadsafe(task.cancel)):
            return await task

    try:
        return asyncio.run(wait())
    except asyncio.CancelledError:
        cancel.check()
        raise
