"""What day it is in a log whose lines have a time only."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from typing import Final

from tutela.chat.format import Opening
from tutela.chat.times import calendar

_MONTHS: Final = "janfebmaraprmayjunjulaugsepoctnovdec"
# `--- Day changed Thu Jan 02 2020`, `--- Log opened Wed Jan 01 10:00:00 2020`,
# `Session Start: ...`, `**** BEGIN LOGGING AT ...`.
_TURN: Final = re.compile(
    r"(?:--- (?:Day changed|Log opened|Log closed)|Session (?:Start|Time|Close):"
    r"|\*{4} (?:BEGIN|ENDING) LOGGING AT)"
    r"\s(.{6,60})"
)
_WORDS: Final = re.compile(
    r"\b([A-Z][a-z]{2}) {1,2}(\d{1,2}),?(?: \d{2}:\d{2}(?::\d{2})?)? (\d{4})\b"
)
_ISO: Final = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")
_NAME_CHARS: Final = 200
# A clock that goes back by more than this has passed midnight.
_MIDNIGHT: Final = timedelta(hours=6)


class Days:
    """Follows the days of a log, from the name of its file or its own lines."""

    def __init__(self, opening: Opening) -> None:
        self._zone = opening.zone
        found = _ISO.search(opening.name.rpartition("/")[2][-_NAME_CHARS:])
        self._day = _date(*map(int, found.groups())) if found else None
        self._last: datetime | None = None

    @staticmethod
    def of(line: str) -> date | None:
        """Return the day that a line of the client names; None for any other line."""
        said = _TURN.match(line)
        if said is None:
            return None
        words = _WORDS.search(said[1])
        if words is not None:
            month = _MONTHS.find(words[1].lower()) // 3 + 1
            return _date(int(words[3]), month, int(words[2]))
        iso = _ISO.search(said[1])
        return _date(*map(int, iso.groups())) if iso else None

    def turn_to(self, line: str) -> bool:
        """Take a line that names the day; tell whether it was one."""
        day = self.of(line)
        if day is None:
            return False
        self._day, self._last = day, None
        return True

    def time(self, found: re.Match[str]) -> datetime | None:
        """Return the time of a line: year, month, day (or none), hour, minute, second and zone."""
        year, month, day, hour, minute, second, utc = found.groups()
        clock = int(hour), int(minute), int(second or 0)
        zone = UTC if utc else self._zone
        if year is not None:
            return calendar((int(year), int(month), int(day), *clock), zone)
        if self._day is None:
            return None
        time = self._at(self._day, clock)
        if time is not None and self._last is not None and self._last - time > _MIDNIGHT:
            self._day += timedelta(days=1)
            time = self._at(self._day, clock)
        self._last = time or self._last
        return time

    def _at(self, day: date, clock: tuple[int, int, int]) -> datetime | None:
        return calendar((day.year, day.month, day.day, *clock), self._zone)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
