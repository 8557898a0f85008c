"""Which prefixes members asked for today: who asks for too many wants the list, not a look-up."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Row, Select, select

from tutela.audit import log
from tutela.core.errors import AccessError
from tutela.core.ids import OrganisationId
from tutela.core.prefixes import PrefixQuestion
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange.match_counts import day_of
from tutela.store import Database
from tutela.store.bulk import insert_rows, upsert_rows
from tutela.store.tables.matching import PrefixesAsked

# So many prefixes in a row are no chance, as long as few of all were asked: with one in four it
# happens by chance once in some ten thousand days of 2**17 prefixes.
RUN = 16
_FEW = 4

_Space = tuple[str, int]  # algorithm and bits


@dataclass
class _Day:
    """What one member asked on a day: a bit for each prefix, by algorithm and length."""

    day: datetime
    asked: dict[_Space, bytearray] = field(default_factory=dict)
    changed: set[_Space] = field(default_factory=set)
    count: int = 0
    alarmed: bool = False

    def add(self, space: _Space, prefix: int) -> bool:
        """Note a prefix; tell whether it is one of a row of neighbours."""
        bits = self.asked.setdefault(space, _bits(1 << space[1]))
        if _has(bits, prefix):
            return False
        bits[prefix >> 3] |= 0x80 >> (prefix & 7)
        self.changed.add(space)
        self.count += 1
        size = 1 << space[1]
        if self.count * _FEW > size:
            return False
        run, below, above = 1, prefix - 1, prefix + 1
        while run < RUN and below >= 0 and _has(bits, below):
            run, below = run + 1, below - 1
        while run < RUN and above < size and _has(bits, above):
            run, above = run + 1, above + 1
        return run >= RUN

    def take(self, rows: Iterable[Row[str, int, bytes, datetime | None]]) -> None:
        """Take in what is written."""
        for algorithm, length, asked, alarmed_at in rows:
            mine = self.asked.setdefault((algorithm, length), _bits(1 << length))
            both = int.from_bytes(mine) | int.from_bytes(asked.ljust(len(mine), b"\0"))
            mine[:] = both.to_bytes(len(mine))
            self.alarmed |= alarmed_at is not None
        self.count = sum(int.from_bytes(asked).bit_count() for asked in self.asked.values())


class PrefixLog:
    """Notes prefixes in memory and writes them in turns. Threads may share it.

    Args:
        database: Where they are written, so that neither a restart nor another server forgets.
        per_day: So many different ones may a member ask for in a day.
    """

    def __init__(self, database: Database, per_day: int) -> None:
        self._database, self._per_day = database, per_day
        self._days: dict[OrganisationId | None, _Day] = {}
        self._lock = threading.Lock()

    def note(self, who: Principal, question: PrefixQuestion, moment: datetime) -> None:
        """Note prefixes that a member asks for, before it is answered.

        Raises:
            AccessError: code `too_many`: it asked for too many today, or for one after another. The
                first time the log tells.
        """
        with self._lock:
            day = self._day(who.organisation_id, moment)
            if not day.alarmed:
                space = question.algorithm, question.bits
                in_a_row = [day.add(space, prefix) for prefix in question.prefixes]
                if any(in_a_row) or day.count > self._per_day:
                    self._alarm(who, day, question)
            if day.alarmed:
                raise AccessError(
                    "too many prefixes were asked for today",
                    code="too_many",
                    hint="tomorrow it goes on; an operator can raise [match] prefixes_per_day",
                )

    def settle(self, moment: datetime) -> None:
        """Write what was noted, and take in what other servers wrote.

        Raises:
            ServiceError: the database does not answer; all is kept for the next time.
        """
        with self._lock:
            today = day_of(moment)
            # What is older was written in the turn after it was asked.
            changed = {who: day for who, day in self._days.items() if day.changed}
            for organisation_id, day in changed.items():
                self._write(organisation_id, day)
            for organisation_id in [who for who, day in self._days.items() if day.day != today]:
                del self._days[organisation_id]

    def _day(self, organisation_id: OrganisationId | None, moment: datetime) -> _Day:
        today = day_of(moment)
        day = self._days.get(organisation_id)
        if day is None or day.day != today:
            if day is not None and day.changed:
                self._write(organisation_id, day)
            day = self._days[organisation_id] = _Day(today)
            self._read(organisation_id, day)
        return day

    def _read(self, organisation_id: OrganisationId | None, day: _Day) -> None:
        """Take in what is written of a day."""
        with self._database.read() as tx:
            rows = tx.execute(_written(organisation_id, day.day)).all()
        day.take(rows)

    def _write(self, organisation_id: OrganisationId | None, day: _Day) -> None:
        with self._database.write() as tx:
            self._merge(tx, organisation_id, day, None)
        day.changed.clear()

    def _alarm(self, who: Principal, day: _Day, question: PrefixQuestion) -> None:
        """Refuse a member for the rest of the day, and let the log tell."""
        day.alarmed = True
        day.changed.add((question.algorithm, question.bits))
        with self._database.write() as tx:
            self._merge(tx, who.organisation_id, day, now())
            log.record(
                tx,
                who,
                "prefix.enumerated",
                f"organisation:{who.organisation_id}",
                algorithm=question.algorithm,
                bits=question.bits,
                asked=day.count,
            )
        day.changed.clear()

    @staticmethod
    def _merge(
        tx: Connection,
        organisation_id: OrganisationId | None,
        day: _Day,
        alarmed_at: datetime | None,
    ) -> None:
        """Write what changed, together with what other servers wrote of the same day."""
        keys = [
            {
                "organisation_id": organisation_id,
                "day": day.day,
                "algorithm": algorithm,
                "bits": bits,
            }
            for algorithm, bits in sorted(day.changed)
        ]
        empty = {"asked": b"", "alarmed_at": None}
        insert_rows(tx, PrefixesAsked, [key | empty for key in keys], ignore_existing=True)
        rows = tx.execute(_written(organisation_id, day.day).with_for_update()).all()
        day.take(rows)
        alarms = {(row.algorithm, row.bits): row.alarmed_at for row in rows}
        upsert_rows(
            tx,
            PrefixesAsked,
            [
                {
                    **key,
                    "asked": bytes(day.asked[space]),
                    "alarmed_at": alarms[space] or alarmed_at,
                }
                for key, space in zip(keys, sorted(day.changed), strict=True)
            ],
        )


def _written(
    organisation_id: OrganisationId | None, day: datetime
) -> Select[str, int, bytes, datetime | None]:
    return (
        select(
            PrefixesAsked.algorithm,
            PrefixesAsked.bits,
            PrefixesAsked.asked,
            PrefixesAsked.alarmed_at,
        )
        .where(PrefixesAsked.organisation_id == organisation_id, PrefixesAsked.day == day)
        .order_by(PrefixesAsked.algorithm, PrefixesAsked.bits)
    )


def _bits(size: int) -> bytearray:
    return bytearray((size + 7) >> 3)


def _has(bits: bytearray, place: int) -> bool:
    return bool(bits[place >> 3] & 0x80 >> (place & 7))
