"""All rows of a case, for programs: JSON lines, or one table a type in a zip of CSV files.

Each row says its version and type: `{"v": 1, "type": "media", ...}`. Ids are numbers of this
installation. Only what belongs to the case is given; never votes of other organisations.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, BinaryIO, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import iso_precise
from tutela.report.cells import cell
from tutela.store.columns import Table
from tutela.store.tables.casework import (
    Authority,
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Note,
    Series,
    SeriesMedia,
    Sighting,
    Stack,
    Tag,
    Victim,
    VictimMedia,
)
from tutela.store.tables.grading import Grade, View

VERSION: Final = 1
# Rows that a database hands over at a time.
_TOGETHER: Final = 1000

Row = dict[str, Any]
_encode = msgspec.json.Encoder().encode


class Kind(NamedTuple):
    """One type of rows: its columns in order, and how they are asked for."""

    name: str
    columns: tuple[str, ...]
    query: Select[Any]


def kinds(case_id: CaseId) -> list[Kind]:
    """Return all types of rows of a case, in the order in which they are written."""
    own = select(CaseMedia.media_id).where(CaseMedia.case_id == case_id)
    return [
        _kind("case", Case, lambda q: q.where(Case.id == case_id)),
        _kind(
            "authority",
            Authority,
            lambda q: q.join(Case, Case.authority_id == Authority.id).where(Case.id == case_id),
        ),
        _kind("exhibit", Exhibit, lambda q: q.where(Exhibit.case_id == case_id)),
        _kind("media", Media, lambda q: q.where(Media.id.in_(own))),
        _kind("fact", MediaFact, lambda q: q.where(MediaFact.media_id.in_(own))),
        _kind("case_media", CaseMedia, lambda q: q.where(CaseMedia.case_id == case_id)),
        _kind(
            "sighting",
            Sighting,
            lambda q: q.join(Exhibit, Exhibit.id == Sighting.exhibit_id).where(
                Exhibit.case_id == case_id
            ),
        ),
        _kind("stack", Stack, lambda q: q.where(Stack.case_id == case_id)),
        _kind("hit", MediaHit, lambda q: q.where(MediaHit.case_id == case_id)),
        _kind("grade", Grade, lambda q: q.where(Grade.case_id == case_id)),
        _kind(
            "series",
            Series,
            lambda q: q.where(
                Series.id.in_(select(SeriesMedia.series_id).where(SeriesMedia.media_id.in_(own)))
            ),
        ),
        _kind("series_media", SeriesMedia, lambda q: q.where(SeriesMedia.media_id.in_(own))),
        _kind(
            "victim",
            Victim,
            lambda q: q.where(
                Victim.id.in_(select(VictimMedia.victim_id).where(VictimMedia.media_id.in_(own)))
            ),
        ),
        _kind("victim_media", VictimMedia, lambda q: q.where(VictimMedia.media_id.in_(own))),
        _kind("tag", Tag, lambda q: q.where(Tag.case_id == case_id)),
        _kind("note", Note, lambda q: q.where(Note.case_id == case_id)),
        _kind("view", View, lambda q: q.where(View.case_id == case_id)),
    ]


def rows(tx: Connection, who: Principal, case_id: CaseId) -> Iterator[Row]:
    """Yield all rows of a case.

    Raises:
        AccessError: `who` may not export this case.
    """
    require(tx, who, Permission.EXPORT, case_id)
    for kind in kinds(case_id):
        yield from _of(tx, kind)


def write_jsonl(
    tx: Connection, who: Principal, case_id: CaseId, stream: BinaryIO
) -> dict[str, int]:
    """Write all rows as JSON lines; return how many there are of each type."""
    counts: dict[str, int] = {}
    for row in rows(tx, who, case_id):
        stream.write(_encode(row) + b"\n")
        counts[row["type"]] = counts.get(row["type"], 0) + 1
    return counts


def write_csv(tx: Connection, who: Principal, case_id: CaseId, stream: BinaryIO) -> dict[str, int]:
    """Write a zip with one CSV file (RFC 4180) a type, header first; return counts by type."""
    require(tx, who, Permission.EXPORT, case_id)
    counts: dict[str, int] = {}
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind in kinds(case_id):
            # A fixed time: the same case gives the same bytes.
            member = zipfile.ZipInfo(f"{kind.name}.csv", (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            with (
                archive.open(member, "w", force_zip64=True) as opened,
                io.TextIOWrapper(opened, "utf-8", newline="") as text,
            ):
                table = csv.writer(text, lineterminator="\r\n")
                table.writerow(kind.columns)
                for row in _of(tx, kind):
                    table.writerow([cell(row[name]) for name in kind.columns])
                    counts[kind.name] = counts.get(kind.name, 0) + 1
    return counts


def _kind(name: str, table: type[Table], chosen: Callable[[Select[Any]], Select[Any]]) -> Kind:
    core = table.__table__
    query = chosen(select(*core.columns)).order_by(*core.primary_key)
    return Kind(name, ("v", "type", *(column.key for column in core.columns)), query)


def _of(tx: Connection, kind: Kind) -> Iterator[Row]:
    for row in tx.execute(kind.query.execution_options(yield_per=_TOGETHER)):
        yield {"v": VERSION, "type": kind.name} | {
            column: _plain(value) for column, value in zip(kind.columns[2:], row, strict=True)
        }


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    return iso_precise(value) if isinstance(value, datetime) else value
