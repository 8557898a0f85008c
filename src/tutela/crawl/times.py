"""When something was posted, as sites write it; None where that cannot be said for sure.

A day and a month that could be taken for each other are not guessed. "Yesterday" counts from the
page's own date, where the page tells it; our clock says nothing about a page.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from tutela.crawl.tree import Node

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan", "feb", "mar mär maer mrz", "apr", "may mai", "jun", "jul", "aug", "sep",
            "oct okt", "nov", "dec dez",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip
_DAYS = ("mo", "tu di", "we mi", "th do", "fr", "sa", "su so")
_MONTH = (
    r"(?P<month>jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]{0,7}\.?"
)
_CLOCK = (
    r"(?:[,;\s]{0,4}(?:at|um|@|-|\u2013|»)?[,\s]{0,4}(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?"
    r"\s{0,2}(?P<half>[ap]\.?m)?\.?\s{0,2}(?P<zone>z\b|utc\b|gmt\b|[+-]\d{2}:?\d{2})?)?"
)
_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<mon>\d{2})-(?P<day>\d{2})(?:[t\s]\s?(?P<hour>\d{2}):(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:[.,]\d{1,9})?)?\s?(?P<half>[ap]m)?\s?(?P<zone>z|utc|gmt|[+-]\d{2}:?\d{2})?)?"
)
_MONTH_FIRST = re.compile(
    rf"\b{_MONTH}\s{{0,2}}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?\s{{0,2}}(?P<year>\d{{4}}){_CLOCK}"
)
_DAY_FIRST = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s-]{{0,2}}{_MONTH},?[\s-]{{0,2}}(?P<year>\d{{4}}){_CLOCK}"
)
_NUMBERS = re.compile(
    r"\b(?P<one>\d{1,2})(?P<mark>[-/.])(?P<two>\d{1,2})(?P=mark)(?P<year>\d{4}|\d{2})"
    r"(?:\s?\((?P<weekday>[a-z]{2,3})\))?" + _CLOCK
)
_RELATIVE = re.compile(r"\b(?P<word>today|yesterday|heute|gestern)\b" + _CLOCK)
_AGO = re.compile(r"\b(?P<number>\d{1,4}|an?) (?P<unit>second|minute|hour|day|week)s? ago\b")
_UNIX = re.compile(r"\d{10}(?:\d{3})?")
_UNIX_ATTRIBUTES = ("data-utc", "data-time", "data-timestamp", "data-unixtime", "unixtime")
_WORDLESS = frozenset(("class", "id", "style"))
_TEXT_CHARACTERS = 300

_NOW = re.compile(
    r"(?:it is currently|current time:?|server time:?|the time is now|time now is|aktuelle zeit:?)"
    r"\s{0,3}([^\n]{6,60})"
)
_ZONE = re.compile(
    r"(?:all times are|time ?zone:?|alle zeiten sind)\s{0,3}(?:utc|gmt)"
    r"\s{0,2}(?:([+-])\s?(\d{1,2})(?::?(\d{2}))?)?"
)


class Clock:
    """What a page says about its own time.

    Args:
        told: Text of the page outside its posts, in lower case: a post cannot set the clock.
    """

    def __init__(self, told: str = "") -> None:
        self._zone: timezone = UTC
        zone = _ZONE.search(told)
        if zone is not None and zone[1]:
            offset = timedelta(hours=int(zone[2]), minutes=int(zone[3] or 0))
            if offset < timedelta(hours=15):
                self._zone = timezone(offset if zone[1] == "+" else -offset)
        self.now: datetime | None = None
        now = _NOW.search(told)
        if now is not None:
            self.now = self.read(now[1])

    def of(self, node: Node) -> datetime | None:
        """Return the time that an element says: by an attribute for machines, else in words."""
        if len(node.attributes) > len(_WORDLESS & node.attributes.keys()):
            for name in _UNIX_ATTRIBUTES:
                told = node.get(name)
                if told and _UNIX.fullmatch(told):
                    return _unix(told)
            for name in ("datetime", "content", "title", "data-datetime"):
                moment = self.read(node.get(name))
                if moment is not None:
                    return moment
        return self.read(node.words(_TEXT_CHARACTERS))

    def read(self, text: str) -> datetime | None:
        """Return the first time that a text says, in UTC."""
        if not text:
            return None
        text = text[:_TEXT_CHARACTERS].lower()
        for pattern in (_ISO, _MONTH_FIRST, _DAY_FIRST, _NUMBERS):
            found = pattern.search(text)
            if found is not None:
                try:
                    return self._moment(found.groupdict())
                except (ValueError, OverflowError):
                    return None
        if _UNIX.fullmatch(text.strip()):
            return _unix(text.strip())
        return self._relative(text)

    def _moment(self, parts: dict[str, str | None]) -> datetime | None:
        year = int(parts["year"] or 0)
        if year < 100:
            year += 2000
        if "one" in parts:
            order = _order(parts, year)
            if order is None:
                return None
            month, day = order
        else:
            named = parts.get("month")
            month = _MONTHS[named] if named else int(parts["mon"] or 0)
            day = int(parts["day"] or 0)
        if not 1990 <= year < 2100:
            return None
        zone = _zone(parts.get("zone")) or self._zone
        moment = datetime(year, month, day, *_clock(parts), tzinfo=zone)
        return moment if zone is UTC else moment.astimezone(UTC)

    def _relative(self, text: str) -> datetime | None:
        if self.now is None:
            return None
        found = _RELATIVE.search(text)
        if found is not None:
            if found["hour"] is None:
                return None
            day = self.now.astimezone(self._zone)
            if found["word"] in {"yesterday", "gestern"}:
                day -= timedelta(days=1)
            try:
                hour, minute, second = _clock(found.groupdict())
                return day.replace(
                    hour=hour, minute=minute, second=second, microsecond=0
                ).astimezone(UTC)
            except ValueError:
                return None
        ago = _AGO.search(text)
        if ago is not None:
            number = 1 if ago["number"].startswith("a") else int(ago["number"])
            return self.now - timedelta(**{f"{ago['unit']}s": number})
        return None


def _unix(digits: str) -> datetime | None:
    moment = datetime.fromtimestamp(int(digits[:10]), UTC)
    return moment if 1990 <= moment.year < 2100 else None


def _clock(parts: dict[str, str | None]) -> tuple[int, int, int]:
    hour, minute = int(parts.get("hour") or 0), int(parts.get("minute") or 0)
    half = (parts.get("half") or "").replace(".", "")
    if half:
        if not 1 <= hour <= 12:
            raise ValueError("no such hour")
        hour = hour % 12 + (12 if half == "pm" else 0)
    return hour, minute, min(int(parts.get("second") or 0), 59)


def _zone(told: str | None) -> timezone | None:
    if not told:
        return None
    if told in {"z", "utc", "gmt"}:
        return UTC
    digits = told[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if told[0] == "+" else -offset)


def _order(parts: dict[str, str | None], year: int) -> tuple[int, int] | None:
    """Return month and day of two numbers, None where both readings hold."""
    one, two = int(parts["one"] or 0), int(parts["two"] or 0)
    ways = [(month, day) for month, day in ((one, two), (two, one)) if month <= 12]
    weekday = parts.get("weekday")
    if weekday:
        ways = [way for way in ways if _falls_on(year, way, weekday)]
    elif one == two:
        ways = ways[:1]
    elif parts["mark"] == ".":
        ways = [way for way in ways if way == (two, one)]
    elif parts.get("half"):  # who writes a.m. and p.m. writes the month first
        ways = [way for way in ways if way == (one, two)] or ways
    return ways[0] if len(set(ways)) == 1 else None


def _falls_on(year: int, way: tuple[int, int], weekday: str) -> bool:
    try:
        day = datetime(year, way[0], way[1], tzinfo=UTC).weekday()
    except ValueError:
        return False
    return any(weekday.startswith(name) for name in _DAYS[day].split())
