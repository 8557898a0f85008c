"""Times: UTC-aware only."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present time, UTC-aware."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """Write `moment` as RFC 3339 in UTC with a `Z`; raise ValueError if it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone")
    text = moment.astimezone(UTC).isoformat(timespec="seconds")
    return text.removesuffix("+00:00") + "Z"


def iso_precise(moment: datetime) -> str:
    """Write `moment` as `iso` does, with microseconds."""
    if moment.tzinfo is None:
        raise ValueError("a time without a time zone")
    text = moment.astimezone(UTC).isoformat(timespec="microseconds")
    return text.removesuffix("+00:00") + "Z"
