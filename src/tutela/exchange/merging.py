"""One batch of candidates meets what is on a list already: new entries, gains, nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Connection, select

from tutela.audit.log import Event
from tutela.core.ids import EntryId
from tutela.core.principal import Principal
from tutela.exchange import candidate, head
from tutela.exchange.candidate import Candidate
from tutela.exchange.head import Turn
from tutela.exchange.model import EntryState, ListView
from tutela.store.bulk import insert_returning, update_rows, upsert_rows
from tutela.store.tables.exchange import EntryCode, ListedEntry

COUNTS: Final = ("added", "changed", "unchanged", "kept_withdrawn")
_AT_ONCE: Final = 500
_STAYS = frozenset({EntryState.WITHDRAWN, EntryState.DELETED})

_Gain = tuple[dict[str, Any], dict[tuple[str, str], str]]


class Batch:
    """What becomes of some candidates of one list.

    `counts` has one number for each of `COUNTS`, which add up to the candidates; `numbers` are
    their entries, known after `write`.
    """

    def __init__(self, tx: Connection, view: ListView, candidates: Sequence[Candidate]) -> None:
        self._tx, self._view = tx, view
        self._names = [candidate.identity(one) for one in candidates]
        self.counts = dict.fromkeys(COUNTS, 0)
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
                self._entries[name] = old.id
                self._meet(whole, old, codes.get(old.id, {}))

    @property
    def numbers(self) -> list[EntryId]:
        """The entries of the candidates, in their order."""
        return [EntryId(self._entries[name]) for name in self._names]

    def write(self, who: Principal, state: EntryState, origin: str) -> list[Event]:
        """Write what is new; return events for the caller to log."""
        if not self._fresh and not self._gained:
            return []
        turn = head.take(self._tx, len(self._fresh) + len(self._gained))
        facts = {"list": self._view.id, "state": state.value, "origin": origin}
        numbers = self._write_fresh(who, state, origin, turn)
        self._write_gained(turn.change + len(numbers), turn)
        events = [Event("entry.added", f"entry:{number}", facts) for number in numbers]
        return events + [
            Event("entry.changed", f"entry:{number}", {"list": self._view.id})
            for number in self._gained
        ]

    def _meet(self, one: Candidate, old: Any, codes: dict[tuple[str, str], str]) -> None:
        if EntryState(old.state) in _STAYS:
            self.counts["kept_withdrawn"] += 1
        elif (gain := candidate.gain(one, old, codes)) is not None:
            self._gained[old.id] = gain
            self.counts["changed"] += 1
        else:
            self.counts["unchanged"] += 1

    def _write_fresh(self, who: Principal, state: EntryState, origin: str, turn: Turn) -> list[int]:
        same = {
            "list_id": self._view.id,
            "state": state.value,
            "source_id": who.organisation_id,
            "origin": origin,
            "changed_at": turn.at,
            "created_at": turn.at,
        }
        rows = [
            {**candidate.row(one, name), **same, "change": change}
            for change, (name, one) in enumerate(self._fresh, turn.change)
        ]
        numbers = insert_returning(self._tx, ListedEntry, rows)
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
        for start in range(0, len(names), _AT_ONCE):
            rows = self._tx.execute(
                select(ListedEntry.__table__).where(
                    ListedEntry.list_id == self._view.id,
                    ListedEntry.identity.in_(names[start : start + _AT_ONCE]),
                )
            )
            found |= {row.identity: row for row in rows}
        return found

    def _codes(self, entries: Sequence[int]) -> dict[int, dict[tuple[str, str], str]]:
        found: dict[int, dict[tuple[str, str], str]] = {}
        for start in range(0, len(entries), _AT_ONCE):
            rows = self._tx.execute(
                select(
                    EntryCode.entry_id, EntryCode.jurisdiction, EntryCode.scheme, EntryCode.code
                ).where(EntryCode.entry_id.in_(entries[start : start + _AT_ONCE]))
            )
            for entry_id, jurisdiction, scheme, code in rows:
                found.setdefault(entry_id, {})[jurisdiction, scheme] = code
        return found
