"""Times as exports write them, to UTC. None where they say nothing that is a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# Seconds of Unix time reach these in the year 5138; larger numbers are milli- or microseconds.
_MILLIS: Final = 100_000_000_000
_MICROS: Final = 100_000_000_000_000
_ISO_CHARS: Final = 40
_DIGITS: Final = 17


def moment(value: str | float | None, zone: tzinfo) -> datetime | None:
    """Return a time that is written as ISO 8601 or as a number of Unix time, in UTC."""
    if isinstance(value, str):
        value = value.strip()
        # Eight digits are a date without dashes.
        if value.isascii() and value.isdigit() and 8 < len(value) <= _DIGITS:
            return epoch(int(value))
        return iso(value, zone)
    return None if value is None else epoch(value)


def iso(text: str, zone: tzinfo) -> datetime | None:
    """Return a time of ISO 8601; one without an offset is in `zone`."""
    if len(text) > _ISO_CHARS:
        return None
    try:
        return _utc(datetime.fromisoformat(text), zone)
    except (ValueError, OverflowError):
        return None


def epoch(number: float) -> datetime | None:
    """Return a number of seconds, milli- or microseconds since 1970, told apart by their size."""
    try:
        if number >= _MICROS:
            number /= 1_000_000
        elif number >= _MILLIS:
            number /= 1_000
        return _EPOCH + timedelta(seconds=number)
    except (ValueError, OverflowError):
        return None


def calendar(parts: tuple[int, int, int, int, int, int], zone: tzinfo) -> datetime | None:
    """Return the time of year, month, day, hour, minute and second on the clocks of `zone`."""
    year, *rest = parts
    if year < 100:
        year += 2000
    try:
        return _utc(datetime(year, *rest), zone)  # type: ignore[arg-type] # noqa: DTZ001 - given its zone there
    except (ValueError, OverflowError):
        return None


def _utc(time: datetime, zone: tzinfo) -> datetime:
    if time.tzinfo is None:
        time = time.replace(tzinfo=zone)
    return time if time.tzinfo is UTC else time.astimezone(UTC)
