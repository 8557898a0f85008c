"""One case of a VICS file on its way in: batches, each a transaction that says how far it came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework.facts import storable
from tutela.casework.formats import beside, profile, vics_record, vics_rows
from tutela.casework.formats.vics_contents import resolve
from tutela.casework.formats.vics_head import Head
from tutela.casework.formats.vics_place import text_of
from tutela.casework.formats.vics_stream import PhotoDNACount
from tutela.casework.formats.vics_survey import Survey
from tutela.casework.formats.vics_target import Placed, Target
from tutela.casework.model import NewAuthority
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.hashlist.format import RowError, shown
from tutela.hashlist.formats import vics_media
from tutela.store.bulk import insert_rows
from tutela.store.database import Database
from tutela.store.tables.casework import Case, Note

BATCH_ENTRIES: Final = 1000
BATCH_BYTES: Final = 8 << 20
REFUSED_SHOWN: Final = 100


class ImportedCase(msgspec.Struct, frozen=True, kw_only=True):
    """What an import put into one case.

    `entries` = taken + `refused`; `claimed` is what the file says it has (some tools count
    otherwise); `photodna` values are kept and never compared, `placeholders` of them name no
    picture. `counts` holds `places`, `places repeated`, `without a place`, `graded`, `keys left
    out`. `already` tells that this file had been imported to its end before. `named` records name a
    file beside, and `beside` tells whether at least one of those is there.
    """

    case_id: CaseId
    number: str
    entries: int
    media: int
    refused: int
    refusals: tuple[tuple[int, str, str], ...]
    claimed: int | None
    photodna: int
    placeholders: int
    counts: dict[str, int]
    already: bool
    named: int
    beside: bool


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the file does not say, or says to others: see `import_vics`."""

    number: str | None = None
    title: str | None = None
    authority: NewAuthority | None = None
    scheme: str | None = None
    keeps_media: bool = False


class _State(msgspec.Struct):
    """How far the import of one case of a file came; kept in the case, in each transaction."""

    model: tuple[str, str, str]
    fields: str
    done: int = 0
    complete: bool = False
    media_id_most: int = 0
    new_media: int = 0
    refused: int = 0
    refusals: list[tuple[int, str, str]] = []
    counts: dict[str, int] = {}


class Import:
    """One case of a file on its way in."""

    def __init__(
        self, database: Database, who: Principal, found: Survey, index: int, folder: Path
    ) -> None:
        self._database = database
        self._who = who
        self._found = found
        self._folder = folder
        self._named, self._beside = 0, False
        self._key = f"{found.sha256}:{index}"
        self._entries = found.cases[index].media
        self._photodna = PhotoDNACount()
        self._already = False

    def open(self, head: Head, options: Options) -> None:
        """Find or make the case, and how far an earlier run came."""
        self._head = head
        with self._database.write() as tx:
            found = tx.execute(
                select(Case.id).where(Case.number == head.number)
            ).scalar_one_or_none()
            case_id = CaseId(found) if found else self._new(tx, head, options)
            require(tx, self._who, Permission.EVIDENCE_ADD, case_id)
            case = cases.working(tx, case_id)
            self._target = Target(
                case_id,
                case.scheme,
                self._who.organisation_id or case.organisation_id,
                self._found.model,
                f"vics {self._found.sha256}",
            )
            extra = _locked(tx, case_id)
            held = extra.get("vics", {}).get("imports", {}).get(self._key)
            if held is None:
                state = _State(model=self._found.model, fields=head.rest)
                self._said(tx, head)
                self._save(tx, extra, state)
                self._state = state
            else:
                self._state = msgspec.convert(held, _State)
                self._already = self._state.complete

    def take(self, records: Iterator[Any]) -> Iterator[int]:
        """Take the records of the case in batches; yield after each how many are done."""
        before = self._state.done
        number = 0
        batch: list[tuple[int, Any]] = []
        size = 0
        for number, record in enumerate(records, 1):
            entry = self._read(record)
            if number <= before:
                continue
            batch.append((number, entry))
            size += (
                len(entry.rest) + 256 * len(entry.files)
                if isinstance(entry, vics_record.Entry)
                else 0
            )
            if len(batch) == BATCH_ENTRIES or size > BATCH_BYTES:
                self._write(batch)
                batch, size = [], 0
                yield number
        if batch:
            self._write(batch)
        yield number

    def finish(self) -> ImportedCase:
        """Say that the import is complete."""
        state = self._state
        if not state.complete:
            with self._database.write() as tx:
                state.complete = True
                vics_rows.finish(tx, self._target.case_id, self._target.source)
                self._save(tx, _locked(tx, self._target.case_id), state)
                log.record(
                    tx,
                    self._who,
                    "case.imported",
                    f"case:{self._target.case_id}",
                    format="vics",
                    source_sha256=self._found.sha256,
                    entries=self._entries,
                    refused=state.refused,
                    claimed=self._head.claimed,
                )
        return ImportedCase(
            case_id=self._target.case_id,
            number=self._head.number,
            entries=self._entries,
            media=state.new_media,
            refused=state.refused,
            refusals=tuple(state.refusals),
            claimed=self._head.claimed,
            photodna=self._photodna.values,
            placeholders=self._photodna.placeholders,
            counts=dict(state.counts),
            already=self._already,
            named=self._named,
            beside=self._beside,
        )

    def _new(self, tx: Connection, head: Head, options: Options) -> CaseId:
        if options.authority is None:
            raise UsageError(
                f"there is no case {head.number} yet, and no authority was given to make it",
                code="authority",
                hint="say under which legal basis the case is worked on here",
            )
        scheme = options.scheme or head.scheme or profile.scheme_of(self._found.model)
        if not scheme:
            raise UsageError(
                "nothing in the file says under which scheme the case is graded",
                code="scheme",
                hint="say which: tutela case import ... --scheme NAME",
            )
        return cases.create(
            tx,
            self._who,
            head.number,
            head.title,
            options.authority,
            scheme,
            keeps_media=options.keeps_media,
        )

    def _said(self, tx: Connection, head: Head) -> None:
        """Write what the head says: exhibits, and notes on the case."""
        for said in head.exhibits:
            more = {"skipped": said.skipped, "failed": said.failed, "source": said.source}
            vics_rows.exhibit(tx, self._target, said.label, device=said.device, vics=more)
        subject = f"case:{self._target.case_id}"
        rows = [
            {
                "case_id": self._target.case_id,
                "subject": subject,
                "text": note.text,
                "written_by": None,
                "written_at": note.at,
            }
            for note in head.notes
            if note.at
        ]
        insert_rows(tx, Note, rows)

    def _read(self, record: Any) -> Any:
        """Return the entry of a record, or (error, excerpt)."""
        try:
            entry = vics_record.read(record)
        except RowError as error:
            return error, vics_media.excerpt(record)
        self._photodna.add(entry)
        if entry.relative:
            self._named += 1
            # One is enough to know that they were handed over: then all are asked for.
            self._beside = self._beside or beside.lies(self._folder, entry.relative)
        return entry

    def _write(self, batch: list[tuple[int, Any]]) -> None:
        with self._database.write() as tx:
            require(tx, self._who, Permission.EVIDENCE_ADD, self._target.case_id)
            good = [(n, e) for n, e in batch if isinstance(e, vics_record.Entry)]
            # Media before the case, as everybody locks them (docs/explanation/grading.md).
            media, made = resolve(tx, [entry for _, entry in good], self._target.source)
            extra = _locked(tx, self._target.case_id)
            cases.working(tx, self._target.case_id)  # once nobody can delete it any more
            state = msgspec.convert(extra["vics"]["imports"][self._key], _State)
            if state.done != self._state.done:
                raise ConflictError(
                    "another import of the same file is under way", hint="wait until it has ended"
                )
            placed = []
            for (row, entry), found in zip(good, media, strict=True):
                if isinstance(found, RowError):
                    _refuse(state, row, found, b"")
                else:
                    placed.append((found, entry))
            for row, entry in batch:
                if isinstance(entry, tuple):
                    _refuse(state, row, *entry)
            counts, events = vics_rows.write(tx, self._who, self._target, placed)
            state.counts = dict(Counter(state.counts) + counts)
            state.new_media += len(made)
            most = max((entry.number for _, entry in good), default=-1)
            state.media_id_most = max(state.media_id_most, most)
            state.done = batch[-1][0]
            self._save(tx, extra, state)
            log.record_many(tx, self._who, [*events, self._leaf(batch, placed)])
        self._state = state

    def _leaf(self, batch: list[tuple[int, Any]], placed: Placed) -> Event:
        return Event(
            "evidence.imported",
            f"case:{self._target.case_id}",
            {
                "format": "vics",
                "source_sha256": self._found.sha256,
                "first": batch[0][0],
                "last": batch[-1][0],
                "places_sha256": vics_rows.places_digest(placed),
            },
        )

    def _save(self, tx: Connection, extra: dict[str, Any], state: _State) -> None:
        vics = dict(extra.get("vics", {}))
        imports = dict(vics.get("imports", {}))
        imports[self._key] = msgspec.to_builtins(state)
        root = {
            k: v
            for k, v in self._found.root.items()
            if k not in ("@odata.context", "odata.metadata")
        }
        vics |= {"imports": imports}
        if root:
            vics.setdefault("root", text_of(root))
        tx.execute(
            update(Case)
            .where(Case.id == self._target.case_id)
            .values(extra=dict(extra) | {"vics": vics})
        )


def _locked(tx: Connection, case_id: CaseId) -> dict[str, Any]:
    """Return what a case keeps of other systems; other imports into it wait."""
    row = tx.execute(select(Case.extra).where(Case.id == case_id).with_for_update()).scalar_one()
    return dict(row)


def _refuse(state: _State, row: int, error: RowError, text: bytes) -> None:
    state.refused += 1
    if len(state.refusals) < REFUSED_SHOWN:
        state.refusals.append((row, error.code, storable(shown(text) or str(error))))
