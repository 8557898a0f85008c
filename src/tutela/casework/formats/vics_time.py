"""Times as VICS writers write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

_DOTNET = re.compile(r"/Date\((-?\d{1,15})(?:[+-]\d{4})?\)/", re.ASCII)
_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) ?([AP]M)"
    r"(?: ?\((?:UTC|GMT)([+-]\d{1,2})?(?::(\d\d))?\))?",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse(value: object) -> datetime | None:
    """Return the moment that a VICS value says, in UTC; None where it says none.

    Read are ISO 8601 with any number of fraction digits, `/Date(ms)/` of .NET, and
    `M/D/YYYY h:mm:ss AM(UTC-5)`. A time without a zone is read as UTC, so that it can be sorted.
    """
    if not isinstance(value, str):
        return None
    text = value.strip()
    try:
        if found := _DOTNET.fullmatch(text):
            return _EPOCH + timedelta(milliseconds=int(found[1]))
        if found := _AMERICAN.fullmatch(text):
            return _american(found)
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


def _american(found: re.Match[str]) -> datetime:
    month, day, year, hour, minute, second = (int(found[n]) for n in range(1, 7))
    if not 1 <= hour <= 12:
        raise ValueError("a twelve-hour clock")
    hour = hour % 12 + (12 if found[7].upper() == "PM" else 0)
    hours, minutes = int(found[8] or 0), int(found[9] or 0)
    offset = timedelta(hours=hours, minutes=-minutes if hours < 0 else minutes)
    zone = timezone(offset)
    return datetime(year, month, day, hour, minute, second, tzinfo=zone).astimezone(UTC)
