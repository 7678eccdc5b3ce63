"""The calendar on a clock that stands still: Thursday, 5 March 2026, half past nine in New York."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from runner.core.errors import UsageError
from runner.core.messages import ToolCall, ToolResult
from runner.tools import Context, CurrentDateTime, DateResolver, Toolbox
from thoroughness import examples

NOW = datetime(2026, 3, 5, 9, 30, tzinfo=timezone(timedelta(hours=-5)))


def resolved(expression: str, now: datetime = NOW, tool: Any = DateResolver, **more: str) -> ToolResult:
    box = Toolbox([tool])
    return box.call(ToolCall("1", "resolve_date", {"date": expression, **more}), Context(clock=lambda: now))


def test_the_tutorials_question() -> None:
    assert resolved("July 4th, 2025").output == {"date": "2025-07-04", "weekday": "Friday"}


@pytest.mark.parametrize(
    ("expression", "day"),
    [
        ("today", "2026-03-05"),
        ("Tomorrow", "2026-03-06"),
        ("yesterday.", "2026-03-04"),
        ("the day after tomorrow", "2026-03-07"),
        ("  day  before yesterday ", "2026-03-03"),
        # weekdays: this = the first from today on, next = that of the following week, last = the newest past
        ("Friday", "2026-03-06"),
        ("this Friday", "2026-03-06"),
        ("next Friday", "2026-03-13"),
        ("last Friday", "2026-02-27"),
        ("Thursday", "2026-03-05"),
        ("next thursday", "2026-03-12"),
        ("last Thursday", "2026-02-26"),
        ("Monday", "2026-03-09"),
        ("next Monday", "2026-03-09"),
        ("last monday", "2026-03-02"),
        ("on sun", "2026-03-08"),
        ("next Sunday", "2026-03-15"),
        ("Tues", "2026-03-10"),
        ("coming wed", "2026-03-11"),
        ("past Tuesday", "2026-03-03"),
        ("Friday next week", "2026-03-13"),
        ("Monday this week", "2026-03-02"),
        ("Monday last week", "2026-02-23"),
        # offsets
        ("in 3 days", "2026-03-08"),
        ("3 days ago", "2026-03-02"),
        ("in two weeks", "2026-03-19"),
        ("in a month", "2026-04-05"),
        ("a year ago", "2025-03-05"),
        ("in a fortnight", "2026-03-19"),
        ("3 weeks from now", "2026-03-26"),
        ("a week from Friday", "2026-03-13"),
        ("2 weeks before July 4", "2026-06-20"),
        ("5 days before tomorrow", "2026-03-01"),
        ("10 days after 2025-02-20", "2025-03-02"),
        ("1 month after 2025-01-31", "2025-02-28"),
        # absolute
        ("2025-07-04", "2025-07-04"),
        ("20250704", "2025-07-04"),
        ("2025-W27-5", "2025-07-04"),
        ("2025/7/4", "2025-07-04"),
        ("4 July 2025", "2025-07-04"),
        ("Jul 4, 2025", "2025-07-04"),
        ("4th of July 2025", "2025-07-04"),
        ("July 4", "2026-07-04"),
        ("March 4", "2027-03-04"),
        ("Friday, March 13", "2026-03-13"),
        ("the 15th", "2026-03-15"),
        ("04.07.2025", "2025-07-04"),
        ("13/07/2025", "2025-07-13"),
        ("07/13/2025", "2025-07-13"),
        ("5/5/2025", "2025-05-05"),
        ("february 29", "2028-02-29"),
        ("29th of February", "2028-02-29"),
        # of a month
        ("last Monday of March", "2026-03-30"),
        ("first Tuesday of July 2027", "2027-07-06"),
        ("second monday of february", "2027-02-08"),
        ("the 9th of next month", "2026-04-09"),
        ("end of this month", "2026-03-31"),
        ("last day of February 2028", "2028-02-29"),
        ("third friday of last month", "2026-02-20"),
    ],
)
def test_an_expression_that_means_one_day(expression: str, day: str) -> None:
    result = resolved(expression)
    assert result.output == {"date": day, "weekday": date.fromisoformat(day).strftime("%A")}


@pytest.mark.parametrize(
    ("expression", "day", "time"),
    [
        ("tomorrow at 5pm", "2026-03-06", "17:00"),
        ("next Friday, 17:30", "2026-03-13", "17:30"),
        ("July 4th, 2025 at 12 am", "2025-07-04", "00:00"),
        ("2025-07-04T10:00:00Z", "2025-07-04", "10:00+00:00"),
        ("in 5 hours", "2026-03-05", "14:30"),
        ("now", "2026-03-05", "09:30"),
    ],
)
def test_a_time_is_given_where_one_is_named(expression: str, day: str, time: str) -> None:
    output = resolved(expression).output
    assert (output["date"], output["time"]) == (day, time)


@pytest.mark.parametrize(
    "expression",
    [
        "blorp",
        "",
        " ",
        "the day",
        "day",
        "Elixir",
        "32 July 2025",
        "2025-02-30",
        "2025-13-01",
        "Feb 29 2025",
        "March",
        "may",
        "2025",
        "5",
        "12",
        "10:30",
        "next week",
        "this month",
        "next year",
        "may 45",
        "July 4 25",
        "1 of 2",
        "sun 5",
        "second",
        "now or never",
        "march of time",
        "may I ask",
        "my birthday",
        "Christmas",
        "next Elixir meetup",
        "version 5",
        "room 101",
        "31st of next month",
        "fifth Monday of February 2026",
        "13/13/2025",
        "99/99",
        "tomorrow at 25:00",
        "tomorrow at 13pm",
        "in 99999999999 years",
        "in 9999999999999 days",
        "3 days after blorp",
        "Monday, March 13 2026",
        "x" * 5000,
        "\0",
        "٣",
        "2025-07-04; rm -rf /",
        "{{ now() }}",
        "0000-00-00",
    ],
)
def test_what_means_no_one_day_fails_and_is_never_guessed(expression: str) -> None:
    result = resolved(expression)
    assert result.failed
    assert isinstance(result.output, str) and len(result.output) < 400


def test_an_ambiguous_order_is_stated_with_both_readings() -> None:
    result = resolved("04/07/2025")
    assert result.failed
    assert "ambiguous: 2025-04-07 (Monday) or 2025-07-04 (Friday)" in result.output


def test_a_contradiction_is_named() -> None:
    assert "2026-03-13 is a Friday" in resolved("Monday, March 13 2026").output


def test_a_reference_stands_in_for_today() -> None:
    assert resolved("next Friday", reference="2025-07-01").output["date"] == "2025-07-11"
    assert resolved("in 2 days", reference="next Monday").output["date"] == "2026-03-11"
    assert resolved("in 3 hours", reference="2025-07-01 22:00").output == {
        "date": "2025-07-02", "weekday": "Wednesday", "time": "01:00",
    }  # fmt: skip
    assert "'blorp'" in resolved("tomorrow", reference="blorp").output


def test_the_clocks_own_zone_decides_what_today_is() -> None:
    late = datetime(2026, 3, 5, 23, 30, tzinfo=UTC)
    assert resolved("today", late).output["date"] == "2026-03-05"
    assert resolved("today", late.astimezone(timezone(timedelta(hours=9)))).output["date"] == "2026-03-06"


def test_other_languages_are_spoken_when_asked_for() -> None:
    assert resolved("nächsten Monat am 3").failed
    assert resolved("4. Juli 2025").failed
    assert resolved("4. Juli 2025", tool=DateResolver(languages=["en", "de"])).output["date"] == "2025-07-04"


DAYS = st.dates(date(1900, 1, 1), date(2200, 12, 31))


@settings(max_examples=examples(60), deadline=None)
@given(DAYS, DAYS)
def test_written_dates_resolve_to_themselves_from_any_today(day: date, today: date) -> None:
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    for written in (f"{day:%Y-%m-%d}", f"{day:%d.%m.%Y}", f"{day.day} {day:%B %Y}", f"{day:%B} {day.day}, {day.year}"):
        assert resolved(written, now).output == {"date": day.isoformat(), "weekday": f"{day:%A}"}


@settings(max_examples=examples(60), deadline=None)
@given(DAYS, st.sampled_from(["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]))
def test_weekday_rules_hold_on_any_day(today: date, name: str) -> None:
    now = datetime(today.year, today.month, today.day, 12, tzinfo=UTC)
    this, following, past = (
        date.fromisoformat(resolved(f"{which}{name}", now).output["date"]) for which in ("", "next ", "last ")
    )
    assert {f"{each:%A}" for each in (this, following, past)} == {name}
    assert 0 <= (this - today).days < 7
    assert 1 <= (today - past).days <= 7
    week = following.isocalendar()[:2]
    assert week == (today + timedelta(7)).isocalendar()[:2]


@settings(max_examples=examples(100), deadline=None)
@given(st.text(max_size=40))
@example("0001-01-01")
@example("last Monday of January 1")
def test_no_text_breaks_it(text: str) -> None:
    result = resolved(text)
    assert result.failed or result.output["date"]
    assert "failed:" not in str(result.output)


def test_now_in_any_zone() -> None:
    box = Toolbox([CurrentDateTime])
    context = Context(clock=lambda: NOW)
    assert box.call(ToolCall("1", "current_datetime", {}), context).output == {
        "datetime": "2026-03-05T09:30:00-05:00", "date": "2026-03-05", "time": "09:30", "weekday": "Thursday",
    }  # fmt: skip
    there = box.call(ToolCall("1", "current_datetime", {"timezone": "Pacific/Auckland"}), context).output
    assert there["datetime"] == "2026-03-06T03:30:00+13:00"
    own = Toolbox([CurrentDateTime(timezone="Europe/Berlin")])
    assert own.call(ToolCall("1", "current_datetime", {}), context).output["time"] == "15:30"


@pytest.mark.parametrize("name", ["Mars/Olympus", "../../etc/passwd", "/etc/localtime", "\0", "Europe"])
def test_a_zone_that_does_not_exist_fails(name: str) -> None:
    result = Toolbox([CurrentDateTime]).call(ToolCall("1", "current_datetime", {"timezone": name}), Context())
    assert result.failed and "is no time zone" in result.output
    with pytest.raises(UsageError, match="is no time zone"):
        CurrentDateTime(timezone=name)


def test_dateparser_is_imported_only_for_what_needs_it() -> None:
    program = (
        "import sys; from datetime import datetime, timezone; from runner.tools.builtin.date_parser import resolve;"
        "now = datetime(2026, 3, 5, tzinfo=timezone.utc);"
        "[resolve(each, now) for each in ('2025-07-04', 'next Friday', 'in 3 days', 'tomorrow at 5pm')];"
        "print('dateparser' in sys.modules); resolve('July 4th, 2025', now); print('dateparser' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
