"""Grades of another system: kept with where they came from, in the log, and no votes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from tutela.audit.log import Event
from tutela.casework.formats import profile
from tutela.casework.formats.vics_target import Placed, Target
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.grading import Grade


def write(
    tx: Connection, who: Principal, target: Target, placed: Placed
) -> tuple[dict[MediaId, str], list[Event]]:
    """Write imported grades; return codes in the case's own scheme, and one event a grade."""
    codes = profile.codes(tx, profile.scheme_of(target.model))
    wanted: dict[tuple[MediaId, str], str] = {}
    for media_id, entry in placed:
        if entry.category:
            known = entry.category in codes
            scheme = profile.scheme_of(target.model) if known else target.model.scheme
            wanted[media_id, scheme] = entry.category
        for scheme, code in entry.codes:
            wanted[media_id, scheme] = code
    there = _imported(tx, target.case_id, {media_id for media_id, _ in wanted})
    wanted = {key: code for key, code in wanted.items() if there.get(key) != code}
    origin = {
        "model": target.model.version,
        "profile": target.model.profile,
        "file_kind": target.model.kind,
        "source": target.source,
    }
    moment = now()
    rows = [
        {
            "media_id": media_id,
            "case_id": target.case_id,
            "organisation_id": target.organisation_id,
            "account_id": who.account_id,
            "scheme": scheme,
            "code": code,
            "facets": origin,
            "law": "",
            "basis": "imported",
            "at": moment,
        }
        for (media_id, scheme), code in wanted.items()
    ]
    insert_rows(tx, Grade, rows)
    own = profile.codes(tx, target.scheme)
    given = {
        m: code for (m, scheme), code in wanted.items() if scheme == target.scheme and code in own
    }
    return given, [_event(target, row) for row in rows]


def _event(target: Target, row: dict[str, Any]) -> Event:
    """Return the leaf of an imported grade; its scheme and code are words of others."""
    return Event(
        "grade.imported",
        f"media:{row['media_id']}",
        {"case": target.case_id, "basis": "imported"},
        {"scheme": row["scheme"], "code": row["code"]},
    )


def _imported(
    tx: Connection, case_id: CaseId, media: set[MediaId]
) -> dict[tuple[MediaId, str], str | None]:
    rows = tx.execute(
        select(Grade.media_id, Grade.scheme, Grade.code)
        .where(
            Grade.case_id == case_id, Grade.basis == "imported", Grade.media_id.in_(sorted(media))
        )
        .order_by(Grade.id)
    )
    return {(MediaId(row.media_id), row.scheme): row.code for row in rows}
