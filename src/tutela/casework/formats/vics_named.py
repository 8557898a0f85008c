"""Which files a VICS file names beside it: one row for each, before any of them is read.

They are sightings of an exhibit of their own, failed as `not_read` until they are. So the totals
add up at any moment, and whatever stopped the reading, it is known what is left.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.facts import storable
from tutela.casework.formats import beside, vics_contents, vics_record, vics_survey
from tutela.casework.formats.vics_record import Entry
from tutela.casework.formats.vics_stream import Hashed
from tutela.casework.model import ExhibitInfo, ExhibitState
from tutela.core.errors import ConflictError, InputError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.hashlist.format import RowError
from tutela.scan.wire import Status
from tutela.store.bulk import insert_rows
from tutela.store.database import Database
from tutela.store.tables.casework import CaseMedia, Exhibit, Sighting

# What marks such an exhibit and its rows: they are copies, and no places on a seized thing.
MARK: Final = "beside"
NOT_READ: Final = "not_read"
CLAIMED: Final = "claimed_twice"
BATCH: Final = 1000


class Wanted(msgspec.Struct, frozen=True):
    """Files of one case of a VICS file: its SHA-256, the number of its first record, and how many.

    `folder` is what the paths in the file begin at.
    """

    case_id: CaseId
    file: Path
    folder: Path
    sha256: str
    first: int
    records: int


def begin(database: Database, who: Principal, wanted: Wanted) -> ExhibitInfo:
    """Write a row for each file that the case names, and return the exhibit of these rows.

    Begun again, it goes on; what could not be read before is tried once more.

    Raises:
        AccessError: `who` may not add evidence to the case.
        UsageError: the case is closed, or its authority not valid.
        ConflictError: the VICS file is not the one that was imported.
    """
    with database.write() as tx:
        require(tx, who, Permission.EVIDENCE_ADD, wanted.case_id)
        cases.working(tx, wanted.case_id)
        exhibit, planned = _exhibit(tx, who, wanted)
    if not planned:
        _plan(database, exhibit, wanted)
    return exhibit


def place_of(path: str) -> bytes:
    """Return what tells a named file from all others of its exhibit."""
    return hashlib.sha256(path.encode("utf-8", "surrogatepass")).digest()


def _exhibit(tx: Connection, who: Principal, wanted: Wanted) -> tuple[ExhibitInfo, bool]:
    label = f"Files {wanted.sha256[:12]}"
    query = select(Exhibit.__table__).where(
        Exhibit.case_id == wanted.case_id, Exhibit.label == label
    )
    row = tx.execute(query).one_or_none()
    if row is not None:
        again = update(Sighting).where(
            Sighting.exhibit_id == row.id,
            Sighting.status == Status.FAILED.value,
            Sighting.reason.not_in((NOT_READ, CLAIMED)),
        )
        if tx.execute(again.values(reason=NOT_READ, detail="")).rowcount:
            state = ExhibitState.ADDING.value
            tx.execute(update(Exhibit).where(Exhibit.id == row.id).values(state=state))
            row = tx.execute(query).one()
        return cases.exhibit_info(row), row.extra[MARK]["planned"]
    texts = {"label": label, "device": "", "source": storable(str(wanted.folder))}
    made = tx.execute(
        insert(Exhibit)
        .values(
            case_id=wanted.case_id,
            state=ExhibitState.ADDING.value,
            started_at=now(),
            finished_at=None,
            extra={MARK: {"planned": False}},
            **texts,
            **dict.fromkeys(("seen", "hashed", "skipped", "failed", "size_bytes"), 0),
        )
        .returning(Exhibit.id)
    ).scalar_one()
    log.record(tx, who, "exhibit.begun", f"exhibit:{made}", texts=texts, case=wanted.case_id)
    return cases.exhibit_info(tx.execute(query).one()), False


def _plan(database: Database, exhibit: ExhibitInfo, wanted: Wanted) -> None:
    with wanted.file.open("rb") as opened:
        stream = Hashed(opened)
        records = vics_survey.media(stream)
        named = _named(islice(records, wanted.first, wanted.first + wanted.records))
        while batch := list(islice(named, BATCH)):
            with database.write() as tx:
                insert_rows(tx, Sighting, _rows(tx, exhibit, batch), ignore_existing=True)
        if stream.finished() != wanted.sha256:
            raise ConflictError(
                f"{wanted.file.name} changed since it was imported",
                hint="import it again; nothing of its media was read",
            )
    with database.write() as tx:
        tx.execute(
            update(Exhibit).where(Exhibit.id == exhibit.id).values(extra={MARK: {"planned": True}})
        )


def _named(records: Iterable[Any]) -> Iterator[tuple[int, Entry]]:
    """Yield the records that name a file, with their numbers; what was refused names none."""
    for number, record in enumerate(records):
        try:
            entry = vics_record.read(record)
        except RowError:
            continue
        if entry.relative:
            yield number, entry


def _rows(
    tx: Connection, exhibit: ExhibitInfo, batch: Sequence[tuple[int, Entry]]
) -> list[dict[str, Any]]:
    media = vics_contents.located(tx, [entry for _, entry in batch])
    here = _of_case(tx, exhibit.case_id, media)
    paths = [_path(entry.relative) for _, entry in batch]
    taken = _taken(tx, exhibit, paths)
    rows: list[dict[str, Any]] = []
    for (number, entry), media_id, path in zip(batch, media, paths, strict=True):
        if media_id not in here:
            continue  # refused, as its own row of the import says
        place = place_of(path)
        twice = taken.setdefault(place, media_id) != media_id
        rows.append(
            {
                "exhibit_id": exhibit.id,
                "media_id": media_id,
                "ordinal": number,
                "place": place_of(f"{path}\0{media_id}") if twice else place,
                "path": path,
                "inside": [],
                "status": Status.FAILED.value,
                "reason": CLAIMED if twice else NOT_READ,
                "detail": "another media is said to be this file" if twice else "",
                "size_bytes": entry.size_bytes or None,
                "modified_at": None,
                "deleted": False,
                "extra": {MARK: True},
            }
        )
    return rows


def _path(relative: str) -> str:
    """Return one spelling of a path that stays in its folder, any other as it came."""
    try:
        relative = "/".join(beside.parts_of(relative))
        relative.encode()
    except (InputError, UnicodeEncodeError):
        relative = relative.encode("utf-8", "backslashreplace").decode()
    return storable(relative)


def _of_case(
    tx: Connection, case_id: CaseId, media: Iterable[MediaId | None]
) -> set[MediaId | None]:
    ids = sorted({number for number in media if number is not None})
    rows = tx.execute(
        select(CaseMedia.media_id).where(CaseMedia.case_id == case_id, CaseMedia.media_id.in_(ids))
    )
    return {MediaId(number) for number in rows.scalars()}


def _taken(
    tx: Connection, exhibit: ExhibitInfo, paths: Iterable[str]
) -> dict[bytes, MediaId | None]:
    places = sorted({place_of(path) for path in paths})
    rows = tx.execute(
        select(Sighting.place, Sighting.media_id).where(
            Sighting.exhibit_id == exhibit.id, Sighting.place.in_(places)
        )
    )
    return {row.place: row.media_id for row in rows}
