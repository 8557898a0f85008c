"""Words of VICS records: facts, tags, series and notes. Said twice, they stand once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, select

from tutela.casework.formats.vics_target import Placed, Target
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import MediaFact, Note, Series, SeriesMedia, Tag


def write(tx: Connection, who: Principal, target: Target, placed: Placed) -> None:
    """Write facts, series, tags and notes."""
    insert_rows(
        tx,
        MediaFact,
        _unique(
            ({"media_id": m, "name": name, "value": value}, (m, name))
            for m, entry in placed
            for name, value in entry.facts.items()
        ),
        ignore_existing=True,
    )
    insert_rows(
        tx,
        Tag,
        _unique(
            ({"case_id": target.case_id, "media_id": m, "name": name}, (m, name))
            for m, entry in placed
            for name in entry.tags
        ),
        ignore_existing=True,
    )
    series = _series(tx, who, {name for _, entry in placed for name in entry.series})
    insert_rows(
        tx,
        SeriesMedia,
        _unique(
            ({"series_id": series[name], "media_id": m, "reason": "vics"}, (m, name))
            for m, entry in placed
            for name in entry.series
        ),
        ignore_existing=True,
    )
    moment = now()
    notes = [
        {
            "case_id": target.case_id,
            "subject": f"media:{m}",
            "text": note.text,
            "written_by": None,
            "written_at": note.at or moment,
        }
        for m, entry in placed
        for note in entry.notes
    ]
    insert_rows(tx, Note, _new_notes(tx, target.case_id, notes))


def _new_notes(
    tx: Connection, case_id: CaseId, notes: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the notes that their subject does not have: many records of a content repeat one."""
    subjects = sorted({note["subject"] for note in notes})
    rows = tx.execute(
        select(Note.subject, Note.text).where(Note.case_id == case_id, Note.subject.in_(subjects))
    )
    there = {(row.subject, row.text) for row in rows}
    pairs = ((note, (note["subject"], note["text"])) for note in notes)
    return _unique((note, key) for note, key in pairs if key not in there)


def _series(tx: Connection, who: Principal, names: set[str]) -> dict[str, int]:
    moment = now()
    rows = [
        {"name": name, "created_at": moment, "created_by": who.account_id} for name in sorted(names)
    ]
    insert_rows(tx, Series, rows, ignore_existing=True)
    found = tx.execute(select(Series.name, Series.id).where(Series.name.in_(sorted(names))))
    return {row.name: row.id for row in found}


def _unique(rows: Iterable[tuple[dict[str, Any], object]]) -> list[dict[str, Any]]:
    first: dict[object, dict[str, Any]] = {}
    for row, key in rows:
        first.setdefault(key, row)
    return list(first.values())
