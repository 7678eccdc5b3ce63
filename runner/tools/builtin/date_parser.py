"""Date expressions in English to calendar days: rules for what has one meaning, dateparser for the rest, no guesses.

A week begins on Monday. "Friday" and "this Friday" are the first Friday from today on, "next Friday" is that of the
following week, "last Friday" the newest before today. A date without a year is the first one from today on.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONGEST = 100
_MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_NEAR = {"last": -1, "this": 0, "next": 1}
_PLAIN = {"today": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}

_WEEKDAY = r"(?P<weekday>mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_MONTH = rf"(?P<month>(?P<name>{'|'.join(_MONTHS)})(?: (?P<year>\d{{4}}))?|(?P<near>this|next|last) month)"
_COUNT = rf"(?P<count>\d+|an?|{'|'.join(_NUMBERS)})"
_OFFSET = rf"{_COUNT} (?P<unit>day|week|fortnight|month|year)s?"
_TIME = re.compile(r"(?P<day>.+?),?(?: at)? (?P<hour>\d{1,2})(?::(?P<minute>\d\d))? ?(?P<half>[ap]m)?")
_NUMERIC = re.compile(r"(\d{1,2})([/.-])(\d{1,2})(?:\2(\d{4}))?")
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_NOT_ONE_DAY = re.compile(r"(?:this|next|last|coming|past) (?:week|weekend|month|quarter|year|decade)")
_WORD = re.compile(r"[^\W\d_]{3}|\d(?:st|nd|rd|th)\b")
_STRANGE = re.compile(r"[^\w ,.:/'+-]")
_SHORT_YEAR = re.compile(r".*\d.*[ ']\d\d")


class Unresolved(ValueError):
    """The expression means no one day; the text says why, and what to write instead."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day, and the time of it where the expression names one."""

    date: date
    time: time | None = None

    @property
    def weekday(self) -> str:
        return WEEKDAYS[self.date.weekday()]


def resolve(expression: str, now: datetime, languages: Sequence[str] = ("en",)) -> Day:
    """The day that the expression means, seen from `now`. Raises Unresolved."""
    text = re.sub(r"\s+", " ", expression).strip(" .,;!?").removeprefix("the ").removeprefix("on ")
    if not text or len(text) > _LONGEST:
        raise _unknown(expression[:_LONGEST])
    try:
        return _resolve(text.casefold(), now, languages)
    except (OverflowError, ValueError) as error:
        raise error if isinstance(error, Unresolved) else Unresolved(f"{expression!r} is no day: {error}") from None


def _resolve(text: str, now: datetime, languages: Sequence[str]) -> Day:
    if (stamp := _iso(text)) is not None:
        return stamp
    timed = _TIME.fullmatch(text)
    if timed and (timed["minute"] or timed["half"]):
        return Day(_resolve(timed["day"], now, languages).date, _time(timed))
    for rule in _RULES:
        if (found := rule(text, now.date())) is not None:
            return Day(found)
    if offset := re.fullmatch(rf"(?:in )?{_OFFSET} (?P<way>from|after|before) (?P<anchor>.+)", text):
        anchor = now.date() if offset["anchor"] == "now" else _resolve(offset["anchor"], now, languages).date
        return Day(_shifted(anchor, offset, -1 if offset["way"] == "before" else 1))
    return _parsed(text, now, languages)


def _iso(text: str) -> Day | None:
    if match := _YEAR_FIRST.fullmatch(text):
        year, month, day = map(int, match.groups())
        return Day(date(year, month, day))
    try:
        if re.match(r"\d{4}-?\d\d-?\d\dt", text):
            stamp = datetime.fromisoformat(text.upper())
            return Day(stamp.date(), stamp.timetz())
        return Day(date.fromisoformat(text.upper()))
    except ValueError:
        return None


def _time(match: re.Match[str]) -> time:
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError(f"there is no hour {hour}{match['half']}")
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    return time(hour, int(match["minute"] or 0))


def _plain(text: str, today: date) -> date | None:
    return today + timedelta(_PLAIN[text]) if text in _PLAIN else None


def _numeric(text: str, today: date) -> date | None:
    """Day and month by their numbers: dots put the day first; slashes do what only one order allows."""
    match = _NUMERIC.fullmatch(text)
    if match is None:
        return None
    first, second, year = int(match[1]), int(match[3]), match[4]
    readings = {_this_year_or_next(today, second, first, year)} if second <= 12 else set()
    if match[2] != "." and first <= 12:
        readings.add(_this_year_or_next(today, first, second, year))
    if len(readings) > 1:
        either = " or ".join(f"{each} ({WEEKDAYS[each.weekday()]})" for each in sorted(readings))
        raise Unresolved(f"{text!r} is ambiguous: {either}. Ask which one is meant, or write YYYY-MM-DD.")
    return readings.pop() if readings else None


def _weekday(text: str, today: date) -> date | None:
    which, week = r"(?:(?P<which>this|next|last|coming|past) )?", r"(?: (?P<week>this|next|last) week)?"
    match = re.fullmatch(which + _WEEKDAY + week, text)
    if match is None or (match["which"] and match["week"]):
        return None
    weekday = _number_of(match)
    monday = today - timedelta(today.weekday())
    if match["which"] == "next" or match["week"]:
        return monday + timedelta(weekday + 7 * _NEAR[match["week"] or "next"])
    ahead = (weekday - today.weekday()) % 7
    return today + timedelta(ahead - 7 if match["which"] in ("last", "past") else ahead)


def _of_month(text: str, today: date) -> date | None:
    """Such as "the 5th of next month", "last Monday of March 2027" and "end of this month"."""
    match = re.fullmatch(rf"(?P<what>.+?) (?:of|in) {_MONTH}", text)
    if match is None:
        return None
    what = match["what"]
    if match["near"]:
        first = _month_later(today.replace(day=1), _NEAR[match["near"]])
        return _in_month(what, first)
    month = _MONTHS.index(match["name"]) + 1
    years = [int(match["year"])] if match["year"] else range(today.year, today.year + 9)
    for year in years:
        found = _in_month(what, date(year, month, 1))
        if found and (match["year"] or found >= today):
            return found
    return None


def _in_month(what: str, first: date) -> date | None:
    last = first.replace(day=monthrange(first.year, first.month)[1])
    if what in ("end", "last day"):
        return last
    if what in ("start", "beginning"):
        return first
    if match := re.fullmatch(r"(\d\d?)(?:st|nd|rd|th)?", what):
        return first + timedelta(int(match[1]) - 1) if 1 <= int(match[1]) <= last.day else None
    if match := re.fullmatch(rf"(?P<place>{'|'.join(_ORDINALS)}|last) {_WEEKDAY}", what):
        weekday = _number_of(match)
        if match["place"] == "last":
            return last - timedelta((last.weekday() - weekday) % 7)
        found = first + timedelta((weekday - first.weekday()) % 7 + 7 * _ORDINALS.index(match["place"]))
        return found if found <= last else None
    return None


def _offset(text: str, today: date) -> date | None:
    match = re.fullmatch(rf"(?P<ahead>in )?{_OFFSET}(?P<back> ago)?", text)
    if match is None or bool(match["ahead"]) == bool(match["back"]):
        return None
    return _shifted(today, match, -1 if match["back"] else 1)


def _shifted(start: date, match: re.Match[str], sign: int) -> date:
    count, unit = match["count"], match["unit"]
    number = 1 if count in ("a", "an") else _NUMBERS.index(count) if count in _NUMBERS else int(count)
    number *= sign
    if unit in ("month", "year"):
        return _month_later(start, number * (12 if unit == "year" else 1))
    return start + timedelta(number * {"day": 1, "week": 7, "fortnight": 14}[unit])


def _month_later(start: date, months: int) -> date:
    years, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    if not 1 <= years <= 9999:
        raise OverflowError("the year is out of range")
    return date(years, month + 1, min(start.day, monthrange(years, month + 1)[1]))


_RULES: tuple[Callable[[str, date], date | None], ...] = (_plain, _numeric, _weekday, _of_month, _offset)


def _parsed(text: str, now: datetime, languages: Sequence[str]) -> Day:
    """dateparser's answer, where it is no guess."""
    if _NOT_ONE_DAY.fullmatch(text):
        raise Unresolved(f"{text!r} is no single day. Say which, such as 'Monday next week' or '5th of next month'.")
    vague = _SHORT_YEAR.fullmatch(text) or not _WORD.search(text)
    if vague or _STRANGE.search(text) or re.search(r" (?:from|after|before) ", text):
        raise _unknown(text)
    from dateparser.date import DateDataParser  # lazy: 250 ms

    settings = {
        "RELATIVE_BASE": now.replace(tzinfo=None),
        "PREFER_DATES_FROM": "future",
        "REQUIRE_PARTS": ["day"],
        "RETURN_TIME_AS_PERIOD": True,
        "PARSERS": ["relative-time", "absolute-time"],
    }
    data = DateDataParser(languages=list(languages), settings=settings).get_date_data(text)
    if data.date_obj is None:
        raise _unknown(text)
    day = Day(data.date_obj.date(), data.date_obj.timetz() if data.period == "time" else None)
    if (named := re.match(rf"{_WEEKDAY}\b", text)) and _number_of(named) != day.date.weekday():
        raise Unresolved(f"{text!r} contradicts itself: {day.date} is a {day.weekday}.")
    return day


def _this_year_or_next(today: date, month: int, day: int, year: str | None) -> date:
    """The day of that year, or the first one from today on."""
    if year:
        return date(int(year), month, day)
    this = date(today.year, month, day)
    return this if this >= today else date(today.year + 1, month, day)


def _number_of(match: re.Match[str]) -> int:
    return next(n for n, name in enumerate(WEEKDAYS) if name.casefold().startswith(match["weekday"]))


def _unknown(text: str) -> Unresolved:
    return Unresolved(f"{text!r} is no date that can be resolved. Write YYYY-MM-DD, or something like 'next Friday'.")
