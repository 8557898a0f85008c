"""What the matching service keeps: noisy entries, counts of matches, prefixes that were asked."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from tutela.store.columns import Table


class MatchQuarantine(Table):
    """An entry that was noisy. `entry` is its number on the list, also of one that was imported.

    `cause` is `resembles` (too many different contents met it) or `reports` (members say that it is
    a false positive), `count` how many; `state` is `quarantined` or `released`. Each release
    doubles what it takes to be quarantined again.
    """

    __tablename__ = "match_quarantine"

    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"), primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True)
    cause: Mapped[str]
    state: Mapped[str]
    count: Mapped[int]
    releases: Mapped[int]
    at: Mapped[datetime]
    released_by: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    released_at: Mapped[datetime | None]


class MatchCount(Table):
    """How often an entry answered an organisation on a day (UTC, its first moment).

    In a flood not all entries are told apart: the rest is counted as entry 0 of its list.
    """

    __tablename__ = "match_counts"

    list_id: Mapped[int] = mapped_column(ForeignKey("published_lists.id"), primary_key=True)
    entry: Mapped[int] = mapped_column(primary_key=True)
    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    exact: Mapped[int]
    indicative: Mapped[int]


class PrefixesAsked(Table):
    """Which prefixes of digests an organisation asked for on a day (UTC, its first moment).

    `asked` has one bit for each prefix of `bits` bits, the first one the highest of its byte.
    `alarmed_at` is when it had asked too much: the organisation is refused for the rest of the day.
    """

    __tablename__ = "match_prefixes"

    organisation_id: Mapped[int] = mapped_column(ForeignKey("organisations.id"), primary_key=True)
    day: Mapped[datetime] = mapped_column(primary_key=True)
    algorithm: Mapped[str] = mapped_column(primary_key=True)
    bits: Mapped[int] = mapped_column(primary_key=True)
    asked: Mapped[bytes]
    alarmed_at: Mapped[datetime | None]
