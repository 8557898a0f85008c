"""One batch of candidates meets what is on a list already: new entries, gains, nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, LargeBinary, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY

from tutela.audit.log import Event
from tutela.casework.among import among
from tutela.core.ids import EntryId
from tutela.core.principal import Principal
from tutela.exchange import candidate, head
from tutela.exchange.candidate import Candidate
from tutela.exchange.head import Turn
from tutela.exchange.model import EntryState, ListView, MemberPermission
from tutela.store.bulk import Columns, insert_returning, update_rows, upsert_rows
from tutela.store.tables.exchange import EntryCode, ListedEntry

COUNTS: Final = ("added", "changed", "unchanged", "kept_withdrawn", "waiting")
NOT_THEIRS: Final = "it is on the list already, and only who manages the list changes it"
_AT_ONCE: Final = 500
_STAYS = frozenset({EntryState.DECLINED, EntryState.WITHDRAWN, EntryState.DELETED})

_Gain = tuple[dict[str, Any], dict[tuple[str, str], str]]


class Batch:
    """What becomes of some candidates of one list.

    `counts` has one number for each of `COUNTS`, which add up to the candidates but for those that
    are `refused`: who only contributes changes nothing that others rely on, only own proposals.
    `numbers` are their entries, known after `write`; None for a refused one.
    """

    def __init__(
        self, tx: Connection, who: Principal, view: ListView, candidates: Sequence[Candidate]
    ) -> None:
        self._tx, self._who, self._view = tx, who, view
        self._manages = view.permission is MemberPermission.MANAGE
        self._names = [candidate.identity(one) for one in candidates]
        self.counts = dict.fromkeys(COUNTS, 0)
        self.refused = 0
        self._fresh: list[tuple[bytes, Candidate]] = []
        self._gained: dict[int, _Gain] = {}
        self._entries: dict[bytes, int] = {}
        same: dict[bytes, list[Candidate]] = {}
        for name, one in zip(self._names, candidates, strict=True):
            same.setdefault(name, []).append(one)
        known = self._known(list(same))
        codes = self._codes([row.id for row in known.values()])
        for name, those in same.items():
            self.counts["unchanged"] += len(those) - 1
            whole = candidate.together(those)
            if (old := known.get(name)) is None:
                self._fresh.append((name, whole))
                self.counts["added"] += 1
            else:
                self._meet(name, whole, old, codes.get(old.id, {}))

    @property
    def numbers(self) -> list[EntryId | None]:
        """The entries of the candidates, in their order."""
        found = (self._entries.get(name) for name in self._names)
        return [None if number is None else EntryId(number) for number in found]

    def write(self, origin: str) -> list[Event]:
        """Write what is new; return events for the caller to log."""
        if not self._fresh and not self._gained:
            return []
        state = EntryState.ACTIVE if self._manages else EntryState.PROPOSED
        turn = head.take(self._tx, len(self._fresh) + len(self._gained))
        facts = {"list": self._view.id, "state": state.value, "origin": origin}
        numbers = self._write_fresh(state, origin, turn)
        self._write_gained(turn.change + len(numbers), turn)
        events = [Event("entry.added", f"entry:{number}", facts) for number in numbers]
        facts = {"list": self._view.id}
        return events + [
            Event("entry.changed", f"entry:{number}", facts) for number in self._gained
        ]

    def _meet(
        self, name: bytes, one: Candidate, old: Any, codes: dict[tuple[str, str], str]
    ) -> None:
        state = EntryState(old.state)
        gain = None if state in _STAYS else candidate.gain(one, old, codes)
        proposed = state is EntryState.PROPOSED
        own = proposed and old.source_id == self._who.organisation_id
        if gain is not None and not self._manages and not own:
            self.refused += 1
            return
        self._entries[name] = old.id
        if gain is not None:
            self._gained[old.id] = gain
        if state in _STAYS:
            self.counts["kept_withdrawn"] += 1
        elif self._manages and proposed:
            self.counts["waiting"] += 1
        else:
            self.counts["unchanged" if gain is None else "changed"] += 1

    def _write_fresh(self, state: EntryState, origin: str, turn: Turn) -> list[int]:
        if not self._fresh:
            return []
        same = {
            "list_id": self._view.id,
            "state": state.value,
            "source_id": self._who.organisation_id,
            "origin": origin,
            "changed_at": turn.at,
            "created_at": turn.at,
        }
        rows = [candidate.row(one, name) for name, one in self._fresh]
        each: dict[str, list[Any]] = {column: [row[column] for row in rows] for column in rows[0]}
        each["change"] = list(range(turn.change, turn.change + len(rows)))
        numbers = insert_returning(self._tx, ListedEntry, Columns(each, same))
        codes = [
            {
                "entry_id": number,
                "jurisdiction": code.jurisdiction,
                "scheme": code.scheme,
                "code": code.code,
            }
            for number, (_, one) in zip(numbers, self._fresh, strict=True)
            for code in one.codes
        ]
        upsert_rows(self._tx, EntryCode, codes)
        for number, (name, _) in zip(numbers, self._fresh, strict=True):
            self._entries[name] = number
        return numbers

    def _write_gained(self, first: int, turn: Turn) -> None:
        rows = [
            {"id": number, "change": change, "changed_at": turn.at, **values}
            for change, (number, (values, _)) in enumerate(self._gained.items(), first)
        ]
        update_rows(self._tx, ListedEntry, rows)
        codes = [
            {"entry_id": number, "jurisdiction": jurisdiction, "scheme": scheme, "code": code}
            for number, (_, said) in self._gained.items()
            for (jurisdiction, scheme), code in said.items()
        ]
        upsert_rows(self._tx, EntryCode, codes)

    def _known(self, names: Sequence[bytes]) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for named in _among_names(self._tx, names):
            rows = self._tx.execute(
                select(ListedEntry.__table__).where(ListedEntry.list_id == self._view.id, named)
            )
            found |= {row.identity: row for row in rows}
        return found

    def _codes(self, entries: Sequence[int]) -> dict[int, dict[tuple[str, str], str]]:
        found: dict[int, dict[tuple[str, str], str]] = {}
        rows = self._tx.execute(
            select(
                EntryCode.entry_id, EntryCode.jurisdiction, EntryCode.scheme, EntryCode.code
            ).where(among(self._tx, EntryCode.entry_id, entries))
        )
        for entry_id, jurisdiction, scheme, code in rows:
            found.setdefault(entry_id, {})[jurisdiction, scheme] = code
        return found


def _among_names(tx: Connection, names: Sequence[bytes]) -> Iterator[ColumnElement[bool]]:
    """Yield conditions that together find all names.

    A list that has just grown is unknown to PostgreSQL's planner, which then reads all of it: once,
    and hashing the names, since they are one array. SQLite goes by the index, and has a limit.
    """
    if tx.dialect.name == "postgresql":
        yield ListedEntry.identity == func.any(literal(list(names), ARRAY(LargeBinary)))
        return
    for start in range(0, len(names), _AT_ONCE):
        yield ListedEntry.identity.in_(names[start : start + _AT_ONCE])
