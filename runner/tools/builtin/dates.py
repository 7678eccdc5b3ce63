"""The date tools, on the session's clock: `resolve_date` and `current_datetime`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.core.errors import UsageError
from runner.core.messages import ToolSpec
from runner.tools.context import Context, ToolFailed


class DateResolver:
    """`resolve_date`: what day an expression means, seen from the session's today.

    `languages`: two-letter codes of the languages that expressions may be in, English first.
    """

    spec = ToolSpec(
        "resolve_date",
        "Resolve a date expression, relative or absolute, to a calendar date and its weekday. "
        "'next Friday' is the Friday of the following week; 'Friday' is the first one from today on.",
        {
            "type": "object",
            "properties": {
                "date": {
                    "type": "string",
                    "description": "The expression as it was said: 'tomorrow', 'next Friday', 'July 4th, 2025'.",
                },
                "reference": {
                    "type": "string",
                    "description": "The day that a relative expression counts from; today if left out.",
                },
            },
            "required": ["date"],
            "additionalProperties": False,
        },
    )

    def __init__(self, languages: Sequence[str] = ("en",)) -> None:
        self._languages = tuple(languages)

    def run(self, arguments: Mapping[str, Any], context: Context) -> dict[str, str]:
        from runner.tools.builtin.date_parser import Unresolved, resolve  # lazy: at the first question of this kind

        now = context.clock()
        try:
            if reference := arguments.get("reference"):
                start = resolve(reference, now, self._languages)
                now = datetime.combine(start.date, start.time or now.time()).replace(tzinfo=now.tzinfo)
            day = resolve(arguments["date"], now, self._languages)
        except Unresolved as problem:
            raise ToolFailed(str(problem)) from None
        resolved = {"date": day.date.isoformat(), "weekday": day.weekday}
        return resolved if day.time is None else resolved | {"time": day.time.isoformat("minutes")}


class CurrentDateTime:
    """`current_datetime`: the session's now. `timezone`: an IANA name that stands in for the clock's own zone."""

    spec = ToolSpec(
        "current_datetime",
        "The current date, time and weekday.",
        {
            "type": "object",
            "properties": {
                "timezone": {
                    "type": "string",
                    "description": "An IANA time zone such as 'Europe/Berlin'; the user's own if left out.",
                },
            },
            "additionalProperties": False,
        },
    )

    def __init__(self, timezone: str = "") -> None:
        self._timezone = timezone
        if timezone:
            try:
                _zone(timezone)
            except ToolFailed as problem:
                raise UsageError(f"current_datetime: {problem}") from None

    def run(self, arguments: Mapping[str, Any], context: Context) -> dict[str, str]:
        from runner.tools.builtin.date_parser import WEEKDAYS  # lazy, as above

        now = context.clock()
        if name := arguments.get("timezone") or self._timezone:
            now = now.astimezone(_zone(name))
        return {
            "datetime": now.isoformat(timespec="seconds"),
            "date": now.date().isoformat(),
            "time": now.strftime("%H:%M"),
            "weekday": WEEKDAYS[now.weekday()],
        }


def _zone(name: str) -> Any:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # lazy: most sessions live in one zone

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolFailed(f"{name!r} is no time zone; use an IANA name such as 'Europe/Berlin'.") from None
