"""Where a page ends and the next begins, and how numbers in addresses are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from tutela.core.errors import UsageError
from tutela.exchange.model import Listed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
NUMBER = re.compile(r"[0-9]{1,18}")
PLACE = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})")
# The last second of the year 9999, beyond which no time can be kept.
LAST_SECOND = 253_402_300_799


class Place(msgspec.Struct, frozen=True, order=True):
    """A place in the order of changes: after the entry `number`, changed at `moment`.

    What is changed meanwhile moves to the end of that order, so a place stays good for ever: a
    client that goes on from it days later misses nothing.
    """

    moment: datetime
    number: int

    @classmethod
    def of(cls, listed: Listed) -> Place:
        """Return the place right after an entry."""
        return cls(listed.changed_at, listed.id)

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `str` wrote.

        Raises:
            UsageError: it is none.
        """
        found = PLACE.fullmatch(text)
        if found is None or int(found[1]) > LAST_SECOND * 1_000_000:
            raise UsageError(
                "this is no place in a list that was given here",
                code="parameter",
                hint="begin again without it",
            )
        return cls(EPOCH + timedelta(microseconds=int(found[1])), int(found[2]))

    def __str__(self) -> str:
        """Return it as text for an address."""
        return f"{(self.moment - EPOCH) // timedelta(microseconds=1)}.{self.number}"

    @property
    def after(self) -> tuple[datetime, int]:
        """What `exchange.changes.between` takes."""
        return self.moment, self.number


def number(text: str | None, name: str, *, default: int, least: int, most: int) -> int:
    """Read a number of an address.

    Raises:
        UsageError: it is none, or below `least` or beyond `most`.
    """
    if text is None or not text:
        return default
    if NUMBER.fullmatch(text) is None or not least <= int(text) <= most:
        raise UsageError(f"{name} is a whole number from {least} to {most:,}", code="parameter")
    return int(text)


def at_second(seconds: int) -> datetime:
    """Return the beginning of a second since 1970."""
    return EPOCH + timedelta(seconds=seconds)


def second_of(moment: datetime) -> int:
    """Return the second since 1970 that a moment lies in."""
    return (moment - EPOCH) // SECOND


def end_of(moment: datetime) -> datetime:
    """Return the last moment of the second that a moment lies in: protocols tell seconds only."""
    return moment.replace(microsecond=999_999)
