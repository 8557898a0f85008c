"""What the database knows of the vault: which object is whose, and which are shredded.

Order of things. In: the object is put and flushed, then recorded. Out: it is marked as shredded and
committed, then its key is destroyed. A crash in between leaves an object that nobody knows, or one
that should be gone; `check` finds both and repairs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, exists, or_, select, update
from sqlalchemy.orm import aliased

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit.log import Event, record_many
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import Case, CaseMedia, Media
from tutela.store.tables.vault import VaultObject

# Values in one IN (...): far below what either database takes.
_AT_ONCE = 500

T = TypeVar("T")


class NewObject(NamedTuple):
    """An object that was put and flushed, of `size_bytes` before encryption."""

    media_id: MediaId
    kind: str
    object_id: str
    size_bytes: int


class Known(NamedTuple):
    """An object as the database knows it; `sha256` of its plain bytes, for originals."""

    object_id: str
    kind: str
    size_bytes: int
    sha256: bytes | None
    shredded: bool


def record(
    tx: Connection, who: Principal, case_id: CaseId, objects: Sequence[NewObject]
) -> list[str]:
    """Record objects, and return ids of those that are not needed; shred them after the commit.

    A media that has an object of the kind already keeps it. The log tells of them as evidence of
    the exhibit, by who adds that.

    Raises:
        AccessError: `who` may not add evidence to the case.
    """
    require(tx, who, Permission.EVIDENCE_ADD, case_id)
    moment = now()
    rows = [
        {
            "id": one.object_id,
            "media_id": one.media_id,
            "kind": one.kind,
            "size_bytes": one.size_bytes,
            "created_at": moment,
            "shredded_at": None,
        }
        for one in objects
    ]
    insert_rows(tx, VaultObject, rows, ignore_existing=True)
    return unneeded(tx, [one.object_id for one in objects])


def unneeded(tx: Connection, object_ids: Iterable[str]) -> list[str]:
    """Return those of some objects that are no media's; shred them after the commit."""
    asked = list(dict.fromkeys(object_ids))
    there: set[str] = set()
    for some in _batches(asked):
        there.update(
            tx.scalars(
                select(VaultObject.id).where(
                    VaultObject.id.in_(some), VaultObject.shredded_at.is_(None)
                )
            )
        )
    return [one for one in asked if one not in there]


def of_media(tx: Connection, media_id: MediaId, kind: str) -> str | None:
    """Return the id of a media's object of one kind; the caller has asked who may see it."""
    return of_medias(tx, [media_id], kind).get(media_id)


def of_medias(tx: Connection, media_ids: Iterable[MediaId], kind: str) -> dict[MediaId, str]:
    """Return ids of objects of one kind, by media; the caller has asked who may see them."""
    found: dict[MediaId, str] = {}
    for some in _batches(media_ids):
        rows = tx.execute(
            select(VaultObject.media_id, VaultObject.id).where(
                VaultObject.media_id.in_(some),
                VaultObject.kind == kind,
                VaultObject.shredded_at.is_(None),
            )
        )
        found.update((MediaId(row.media_id), row.id) for row in rows)
    return found


def of_content(tx: Connection, sha256: bytes, kind: str) -> str | None:
    """Return the id of the object of one kind that the content with this digest has."""
    return tx.scalar(
        select(VaultObject.id)
        .join(Media, Media.id == VaultObject.media_id)
        .where(Media.sha256 == sha256, VaultObject.kind == kind, VaultObject.shredded_at.is_(None))
    )


def deletable(tx: Connection, case_id: CaseId) -> list[MediaId]:
    """Return the media of a case whose objects nobody else needs.

    Another case needs them if it is not deleted and keeps media, or is under legal hold.

    Raises:
        UsageError: code `legal_hold`: the case itself is.
    """
    held = tx.scalar(select(Case.legal_hold).where(Case.id == case_id))
    if held:
        raise _held()
    other, elsewhere = aliased(Case), aliased(CaseMedia)
    needed = exists().where(
        elsewhere.media_id == CaseMedia.media_id,
        elsewhere.case_id == other.id,
        other.id != case_id,
        or_(other.legal_hold.is_(True), (other.state != "deleted") & other.keeps_media.is_(True)),
    )
    kept = exists().where(
        VaultObject.media_id == CaseMedia.media_id, VaultObject.shredded_at.is_(None)
    )
    rows = tx.scalars(
        select(CaseMedia.media_id)
        .where(CaseMedia.case_id == case_id, kept, ~needed)
        .order_by(CaseMedia.media_id)
    )
    return [MediaId(media_id) for media_id in rows]


def shred_case(tx: Connection, who: Principal, case_id: CaseId) -> list[str]:
    """Mark as shredded what only this case needed; call it before the case's media are removed.

    See `shred_media`.
    """
    require(tx, who, Permission.DELETE_CASE, case_id)
    lock_of_case(tx, case_id)
    return shred_media(tx, who, case_id, deletable(tx, case_id))


def lock_of_case(tx: Connection, case_id: CaseId) -> list[int]:
    """Lock the media of a case and return them: who adds one to a case now waits, or was seen.

    The case itself is locked after this and never before: graders do so too.
    """
    return list(
        tx.scalars(
            select(Media.id)
            .join(CaseMedia, CaseMedia.media_id == Media.id)
            .where(CaseMedia.case_id == case_id)
            .order_by(Media.id)
            .with_for_update(of=Media)
        )
    )


def shred_media(
    tx: Connection, who: Principal, case_id: CaseId, media_ids: Sequence[MediaId]
) -> list[str]:
    """Mark all objects of some media as shredded, thumbnails and sheets too; return their ids.

    Commit, then give the ids to `Vault.shred`. The log gets one leaf a media.

    Raises:
        AccessError: `who` may not delete this case.
        UsageError: code `legal_hold`: a case that has one of the media is under legal hold.
    """
    require(tx, who, Permission.DELETE_CASE, case_id)
    by_media: dict[int, list[str]] = {}
    moment = now()
    for some in _batches(media_ids):
        held = select(CaseMedia.media_id).join(Case, Case.id == CaseMedia.case_id)
        of_these = CaseMedia.media_id.in_(some)
        if tx.execute(held.where(of_these, Case.legal_hold.is_(True)).limit(1)).first():
            raise _held()
        live = VaultObject.media_id.in_(some), VaultObject.shredded_at.is_(None)
        for row in tx.execute(select(VaultObject.media_id, VaultObject.id).where(*live)):
            by_media.setdefault(row.media_id, []).append(row.id)
        tx.execute(update(VaultObject).where(*live).values(shredded_at=moment))
    if by_media:
        record_many(tx, who, (_leaf(media_id, ids, case_id) for media_id, ids in by_media.items()))
    return [one for ids in by_media.values() for one in ids]


def mark_shredded(tx: Connection, who: Principal, object_ids: Sequence[str]) -> int:
    """Mark objects that the vault says were shredded, as after a restore; return how many.

    Raises:
        AccessError: `who` does not look after this installation.
    """
    require(tx, who, Permission.POLICY)
    events: list[Event] = []
    for some in _batches(object_ids):
        live = VaultObject.id.in_(some), VaultObject.shredded_at.is_(None)
        events += [
            _leaf(row.media_id, [row.id])
            for row in tx.execute(select(VaultObject.media_id, VaultObject.id).where(*live))
        ]
        tx.execute(update(VaultObject).where(*live).values(shredded_at=now()))
    if events:
        record_many(tx, who, events)
    return len(events)


def known(tx: Connection, prefix: str) -> Iterator[Known]:
    """Yield the objects whose id begins with `prefix` (at least one hexadecimal digit)."""
    after = f"{int(prefix, 16) + 1:0{len(prefix)}x}"
    within = [VaultObject.id >= prefix]
    if len(after) == len(prefix):
        within.append(VaultObject.id < after)
    rows = tx.execute(
        select(
            VaultObject.id,
            VaultObject.kind,
            VaultObject.size_bytes,
            Media.sha256,
            VaultObject.shredded_at,
        )
        .join(Media, Media.id == VaultObject.media_id)
        .where(*within)
    )
    for row in rows:
        sha256 = row.sha256 if row.kind == "original" else None
        yield Known(row.id, row.kind, row.size_bytes, sha256, row.shredded_at is not None)


def _leaf(media_id: int, object_ids: list[str], case_id: CaseId | None = None) -> Event:
    data = {"objects": len(object_ids)} | ({"case": case_id} if case_id is not None else {})
    return Event("vault.shredded", f"media:{media_id}", data)


def _held() -> UsageError:
    return UsageError(
        "nothing under legal hold is deleted",
        code="legal_hold",
        hint="a supervisor of the case's team can lift the hold",
    )


def _batches(values: Iterable[T]) -> Iterator[list[T]]:
    whole = list(values)
    for at in range(0, len(whole), _AT_ONCE):
        yield whole[at : at + _AT_ONCE]
