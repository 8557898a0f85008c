"""Lawful deletion of a case: asked by one person, granted by another, and nothing left to see.

What goes: objects in the vault that no other case needs (their keys are destroyed), sightings,
hits, stacks, tags, notes, and words of the exhibits. Media that no other case has keep no
fingerprint, place or camera; those that nobody ever graded keep no digest either. What stays: the
case's number and totals, grades and votes that were given, and the log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from sqlalchemy import Connection, Select, delete, exists, func, select, update
from sqlalchemy.orm import aliased

from tutela.access import approvals
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import blind
from tutela.casework.among import among
from tutela.casework.model import CaseState
from tutela.casework.standing import lock_stacks
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import ApprovalId, CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.evidence.vault import objects
from tutela.evidence.vault.vault import Vault
from tutela.store import Database
from tutela.store.tables.casework import (
    Case,
    CaseMedia,
    Exhibit,
    Media,
    MediaFact,
    MediaHit,
    Note,
    SeriesMedia,
    Sighting,
    Stack,
    Tag,
    VictimMedia,
)
from tutela.store.tables.grading import Grade, SecondReading

KIND = "case.delete"
_TOGETHER = 5000
_ATTEMPTS = 20
_NOTHING_SEEN = {
    "pdq": None,
    "pdq_quality": None,
    "scene": None,
    "camera_make": None,
    "camera_model": None,
    "camera_serial": None,
    "captured_at": None,
    "latitude": None,
    "longitude": None,
}
_NO_DIGEST = {"sha256": None, "sha1": None, "md5": None, "kind": "", "size_bytes": 0}


# Removes what is kept of a case elsewhere, and returns ids of keys to destroy.
Forget = Callable[[Connection, CaseId, datetime], list[str]]


class Deleted(msgspec.Struct, frozen=True):
    """How much went: media and sightings of the case, and objects whose keys are destroyed."""

    media: int
    sightings: int
    objects: int


def ask(tx: Connection, who: Principal, case_id: CaseId, reason: str) -> ApprovalId:
    """Ask for the deletion of a case; another person has to grant it.

    Raises:
        AccessError: `who` may not delete this case, not even with another.
        UsageError: the case is under legal hold or deleted already, or no reason is given.
    """
    require(tx, who, Permission.DELETE_CASE, case_id)
    _deletable(tx, case_id)
    return approvals.ask(tx, who, KIND, f"case:{case_id}", {}, reason)


def delete_case(  # noqa: PLR0913, PLR0917 as granted, with all that has to go
    database: Database,
    who: Principal,
    case_id: CaseId,
    approval_id: ApprovalId,
    vault: Vault | None,
    forget: Forget,
) -> Deleted:
    """Delete a case, as granted.

    `forget` removes what rooms above keep of it, in the same transaction.

    The database is committed before keys are destroyed; should the power fail in between, `tutela
    vault check --repair` destroys them.

    Raises:
        AccessError: `who` may not, or nobody else has granted it (code `second_person`).
        UsageError: the case is under legal hold or deleted already.
        ConflictError: evidence is being added to it all the time.
    """
    with database.write() as tx:
        require(tx, who, Permission.DELETE_CASE, case_id)
        _lock(tx, case_id)
        _deletable(tx, case_id)
        approvals.carry_out(tx, who, approval_id, KIND, f"case:{case_id}")
        object_ids = objects.shred_case(tx, who, case_id)
        media, sightings = _counts(tx, case_id)
        alone = _of_this_case_alone(tx, case_id)
        _remove(tx, case_id)
        for start in range(0, len(alone), _TOGETHER):
            _reduce(tx, alone[start : start + _TOGETHER])
        object_ids += forget(tx, case_id, now())
        done = Deleted(media, sightings, len(object_ids))
        facts = msgspec.structs.asdict(done)
        log.record(tx, who, "case.deleted", f"case:{case_id}", approval=approval_id, **facts)
    if vault and object_ids:
        vault.shred(object_ids)
    return done


def _lock(tx: Connection, case_id: CaseId) -> None:
    """Lock stacks, media and the case, in the order of everybody (docs/explanation/grading.md).

    What was added before the case was locked is not locked yet, and cannot be any more: then all
    locks are given back and taken anew. SQLite has one writer and needs none of this.
    """
    if tx.dialect.name != "postgresql":
        return
    stacks = select(Stack.id).where(Stack.case_id == case_id)
    media = select(CaseMedia.media_id).where(CaseMedia.case_id == case_id)
    for _ in range(_ATTEMPTS):
        point = tx.begin_nested()
        lock_stacks(tx, tx.execute(stacks).scalars())
        locked = objects.lock_of_case(tx, case_id)
        _locked(tx, case_id)
        if sorted(tx.execute(media).scalars()) == locked:
            point.commit()
            return
        point.rollback()
    raise ConflictError(
        "evidence is being added to the case", hint="stop that, and delete it afterwards"
    )


def _locked(tx: Connection, case_id: CaseId) -> tuple[str, bool]:
    """Return state and legal hold; both stay, and others may still refer to the case."""
    row = tx.execute(
        select(Case.state, Case.legal_hold)
        .where(Case.id == case_id)
        .with_for_update(key_share=True)
    ).one()
    return row.state, row.legal_hold


def _deletable(tx: Connection, case_id: CaseId) -> None:
    state, held = _locked(tx, case_id)
    if held:
        raise UsageError(
            "the case is under legal hold",
            code="legal_hold",
            hint="somebody of its team asks for the end of the hold, and another grants it",
        )
    if state == CaseState.DELETED:
        raise UsageError("the case is deleted already", code="case_state")


def _counts(tx: Connection, case_id: CaseId) -> tuple[int, int]:
    media = select(func.count()).where(CaseMedia.case_id == case_id)
    sightings = select(func.count()).where(Sighting.exhibit_id.in_(_exhibits(case_id)))
    return tx.execute(media).scalar_one(), tx.execute(sightings).scalar_one()


def _exhibits(case_id: CaseId) -> Select[int]:
    return select(Exhibit.id).where(Exhibit.case_id == case_id)


def _of_this_case_alone(tx: Connection, case_id: CaseId) -> list[int]:
    elsewhere = aliased(CaseMedia)
    other = exists().where(
        elsewhere.media_id == CaseMedia.media_id, elsewhere.case_id != CaseMedia.case_id
    )
    rows = tx.execute(
        select(CaseMedia.media_id)
        .where(CaseMedia.case_id == case_id, ~other)
        .order_by(CaseMedia.media_id)
    )
    return list(rows.scalars())


def _remove(tx: Connection, case_id: CaseId) -> None:
    """Take out what only says where things lay and what they looked like in this case."""
    tx.execute(delete(Sighting).where(Sighting.exhibit_id.in_(_exhibits(case_id))))
    alone = blind.asked_for_alone(tx, case_id)
    tx.execute(delete(SecondReading).where(among(tx, SecondReading.id, alone)))
    for table in (MediaHit, Tag, Note, CaseMedia, Stack):
        tx.execute(delete(table).where(table.case_id == case_id))
    for number in tx.execute(_exhibits(case_id)).scalars().all():
        tx.execute(
            update(Exhibit)
            .where(Exhibit.id == number)
            .values(label=f"deleted {number}", source="", device="", extra={})
        )
    tx.execute(
        update(Case).where(Case.id == case_id).values(state=CaseState.DELETED, title="", extra={})
    )


def _reduce(tx: Connection, media_ids: list[int]) -> None:
    """Leave of media that no case has any more only what grades and the log point at."""
    for table in (MediaFact, SeriesMedia, VictimMedia):
        tx.execute(delete(table).where(among(tx, table.media_id, media_ids)))
    graded = exists().where(Grade.media_id == Media.id)
    these = among(tx, Media.id, media_ids)
    tx.execute(update(Media).where(these).values(**_NOTHING_SEEN))
    tx.execute(update(Media).where(these, ~graded).values(**_NO_DIGEST))
