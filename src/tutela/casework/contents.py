"""Media as a scan found them: one row for each content, completed where another system told less.

A content that an import knew without its SHA-256 is the same media if SHA-1 and MD5 agree; by MD5
alone nothing is joined, for MD5 can be forged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Connection,
    LargeBinary,
    delete,
    exists,
    func,
    literal,
    select,
)

from tutela.casework import facts
from tutela.casework.among import among
from tutela.casework.standing import lock_media
from tutela.core.ids import MediaId
from tutela.core.media import PDQ
from tutela.core.time import now
from tutela.scan.wire import Outcome
from tutela.store.bulk import insert_rows, update_rows
from tutela.store.tables.casework import Media, MediaFact


def upsert(tx: Connection, outcomes: Iterable[Outcome]) -> dict[bytes, MediaId]:
    """Make sure that each content with a SHA-256 is a media; return their ids by SHA-256."""
    by_digest: dict[bytes, Outcome] = {}
    for outcome in outcomes:
        sha256 = outcome.digests.sha256
        # The same bytes may have failed in one place and not in another: the better one counts.
        if sha256 and (sha256 not in by_digest or not by_digest[sha256].fingerprints):
            by_digest[sha256] = outcome
    there = known(tx, by_digest)
    # As graders do, before anything is changed: then nobody waits in a circle.
    lock_media(tx, there.values())
    _adopt(tx, {s: o for s, o in by_digest.items() if s not in there})
    missing = sorted(by_digest.keys() - there.keys())
    insert_rows(tx, Media, [_row(by_digest[s]) for s in missing], ignore_existing=True)
    found = known(tx, by_digest)
    _complete(tx, [(found[s], by_digest[s]) for s in found if by_digest[s].fingerprints])
    _keep_facts(tx, {found[s]: by_digest[s] for s in found})
    return {sha256: MediaId(media_id) for sha256, media_id in found.items()}


def among_digests(tx: Connection, column: Any, values: Iterable[bytes]) -> ColumnElement[bool]:
    """Return the condition that a column has one of some values of bytes.

    On PostgreSQL it is one bound value, whatever their number: else the driver parses anew each
    time. Not more than some thousands, for SQLite has a parameter for each.
    """
    wanted = sorted(values)
    if tx.dialect.name == "postgresql":
        equal: ColumnElement[bool] = column == func.any(literal(wanted, ARRAY(LargeBinary)))
        return equal
    within: ColumnElement[bool] = column.in_(wanted)
    return within


def stated(media_id: Any) -> ColumnElement[bool]:
    """Return the condition that the fingerprint of a media is what another system said it is."""
    return exists().where(MediaFact.media_id == media_id, MediaFact.name == facts.STATED)


def known(tx: Connection, digests: Iterable[bytes | None]) -> dict[bytes, int]:
    """Return the media of some SHA-256 digests."""
    wanted = {digest for digest in digests if digest}
    rows = tx.execute(select(Media.sha256, Media.id).where(among_digests(tx, Media.sha256, wanted)))
    return {sha256: media_id for sha256, media_id in rows if sha256}


def _adopt(tx: Connection, wanted: Mapping[bytes, Outcome]) -> None:
    """Give its SHA-256 to media that are known by SHA-1 and MD5 only."""
    pairs = {(o.digests.sha1, o.digests.md5): s for s, o in wanted.items()}
    rows = tx.execute(
        select(Media.id, Media.sha1, Media.md5)
        .where(
            Media.sha256.is_(None),
            Media.sha1.is_not(None),
            among_digests(tx, Media.md5, {md5 for _, md5 in pairs if md5}),
        )
        .order_by(Media.id.desc())
    )
    # Should there be two such rows, the oldest is the media.
    adopted = {pairs[sha1, md5]: media_id for media_id, sha1, md5 in rows if (sha1, md5) in pairs}
    update_rows(
        tx, Media, [{"id": media_id, "sha256": sha256} for sha256, media_id in adopted.items()]
    )


def _row(outcome: Outcome) -> dict[str, Any]:
    digests = outcome.digests
    return {
        "sha256": digests.sha256,
        "sha1": digests.sha1,
        "md5": digests.md5,
        "size_bytes": outcome.size_bytes or 0,
        "first_seen_at": now(),
        **_seen(outcome),
    }


def _seen(outcome: Outcome) -> dict[str, Any]:
    """Return what reading the content has shown."""
    first = next((f for f in outcome.fingerprints if f.algorithm == PDQ and not f.frame), None)
    return {
        "kind": outcome.kind,
        "is_picture": bool(outcome.fingerprints),
        "width": outcome.width or None,
        "height": outcome.height or None,
        "pdq": first.bits if first else None,
        "pdq_quality": first.quality if first else None,
        "scene": outcome.scene,
        **facts.columns(outcome.facts),
    }


def _complete(tx: Connection, found: Sequence[tuple[int, Outcome]]) -> None:
    """Fill in media that were there without being read: imported ones, or read without facts.

    What we see of a picture takes the place of what another system said of it.
    """
    ids = [media_id for media_id, _ in found]
    bare = tx.execute(
        select(Media.id).where(
            among(tx, Media.id, ids),
            Media.pdq.is_(None) | Media.width.is_(None) | stated(Media.id),
        )
    )
    wanted = set(bare.scalars())
    said = MediaFact.name == facts.STATED
    tx.execute(delete(MediaFact).where(among(tx, MediaFact.media_id, ids), said))
    rows = [{"id": number, **_seen(outcome)} for number, outcome in found if number in wanted]
    update_rows(tx, Media, rows)


def _keep_facts(tx: Connection, found: Mapping[int, Outcome]) -> None:
    rows = [
        {"media_id": media_id, "name": facts.storable(name), "value": facts.storable(value)}
        for media_id, outcome in sorted(found.items())
        for name, value in outcome.facts
    ]
    insert_rows(tx, MediaFact, rows, ignore_existing=True)
