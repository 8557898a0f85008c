"""Some recorded contents of a scan as rows: media, sightings, hits, kept objects; each once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework import contents, known
from tutela.casework.among import among
from tutela.casework.facts import storable
from tutela.casework.model import CaseInfo, ExhibitInfo, MediaState
from tutela.core.entry import Role
from tutela.core.errors import IntegrityError
from tutela.core.hit import Hit
from tutela.core.ids import MediaId
from tutela.core.principal import Principal
from tutela.evidence.vault import objects
from tutela.evidence.vault.objects import NewObject
from tutela.evidence.vault.sealed import CHUNK_BYTES, HEADER_BYTES, TAG_BYTES
from tutela.evidence.vault.vault import Vault
from tutela.scan import rows as words
from tutela.scan import wire
from tutela.scan.journal import Recorded
from tutela.scan.wire import Outcome, Status
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import CaseMedia, Exhibit, Media, MediaHit, Sighting

# Recorded contents by their place, each with its number in walk order.
Places = dict[bytes, tuple[int, Recorded]]


def write(
    tx: Connection,
    who: Principal,
    exhibit: ExhibitInfo,
    places: Places,
    vault: Vault | None,
) -> list[str]:
    """Write what is not written yet; return ids of vault objects that nobody needs.

    Raises:
        AccessError: `who` may not add evidence to the case.
        UsageError: the case is closed, or its authority is not valid any more.
        IntegrityError: a place holds something else than when it was written.
    """
    require(tx, who, Permission.EVIDENCE_ADD, exhibit.case_id)
    case = cases.working(tx, exhibit.case_id)
    fresh = _fresh(tx, exhibit, places)
    medias = contents.upsert(tx, [one.outcome for _, one in places.values()])
    # Hits are written for all: the lists may have changed since the scan was begun.
    write_hits(tx, case, _hits([one for _, one in places.values()], medias))
    surplus: list[str] = []
    if fresh:
        insert_rows(
            tx, Sighting, [_sighting(exhibit, p, n, one, medias) for p, (n, one) in fresh.items()]
        )
        _count(tx, case, exhibit, [one.outcome for _, one in fresh.values()], medias)
        if vault:
            kept = kept_objects([one for _, one in fresh.values()], medias, vault)
            surplus = objects.record(tx, who, case.id, kept)
    events = known.on_arrival(tx, who, case, sorted(medias.values()))
    if fresh or events:
        cases.touch(tx, case.id)
        log.record_many(tx, who, [_added(exhibit, fresh), *events])
    return surplus


def by_place(first: int, recorded: Iterable[Recorded]) -> Places:
    """Give each of some contents its place and its number; `first` is the first one's."""
    return {_place(one): (number, one) for number, one in enumerate(recorded, first)}


def _fresh(tx: Connection, exhibit: ExhibitInfo, places: Places) -> Places:
    """Return what is not written yet, and make sure that the rest is as it was.

    Raises:
        IntegrityError: a place holds something else than when it was written.
    """
    rows = tx.execute(
        select(Sighting.place, Sighting.status, Media.sha256)
        .outerjoin(Media, Media.id == Sighting.media_id)
        .where(
            Sighting.exhibit_id == exhibit.id, contents.among_digests(tx, Sighting.place, places)
        )
    )
    fresh = dict(places)
    for place, status, sha256 in rows:
        _, one = fresh.pop(place)
        if (one.outcome.status, one.outcome.digests.sha256) != (status, sha256):
            raise IntegrityError(
                f"the evidence of {exhibit.label} changed while it was being added",
                code="evidence_changed",
                hint="add it again under another label, from a source that cannot change",
            )
    return fresh


def _count(
    tx: Connection,
    case: CaseInfo,
    exhibit: ExhibitInfo,
    outcomes: Sequence[Outcome],
    medias: dict[bytes, MediaId],
) -> None:
    """Count new sightings: each media's in the case, and the exhibit's."""
    met = Counter(medias[o.digests.sha256] for o in outcomes if o.digests.sha256)
    first = {medias[o.digests.sha256]: o for o in reversed(outcomes) if o.digests.sha256}
    insert_rows(
        tx,
        CaseMedia,
        [_case_media(case, media_id, first[media_id]) for media_id in sorted(met)],
        ignore_existing=True,
    )
    by_count: dict[int, list[int]] = {}
    for media_id, count in met.items():
        by_count.setdefault(count, []).append(media_id)
    for count, some in sorted(by_count.items()):
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case.id, among(tx, CaseMedia.media_id, some))
            .values(sightings=CaseMedia.sightings + count)
        )
    status = Counter(o.status for o in outcomes)
    tx.execute(
        update(Exhibit)
        .where(Exhibit.id == exhibit.id)
        .values(
            seen=Exhibit.seen + len(outcomes),
            hashed=Exhibit.hashed + status[Status.HASHED],
            skipped=Exhibit.skipped + status[Status.SKIPPED],
            failed=Exhibit.failed + status[Status.FAILED],
            size_bytes=Exhibit.size_bytes + sum(o.size_bytes or 0 for o in outcomes),
        )
    )


def _sighting(
    exhibit: ExhibitInfo, place: bytes, ordinal: int, one: Recorded, medias: dict[bytes, MediaId]
) -> dict[str, Any]:
    outcome, sha256 = one.outcome, one.outcome.digests.sha256
    return {
        "exhibit_id": exhibit.id,
        "media_id": medias[sha256] if sha256 else None,
        "ordinal": ordinal,
        "place": place,
        "path": storable(words.text_of(one.found.path)),
        "inside": [storable(words.text_of(name)) for name in outcome.inside],
        "status": outcome.status.value,
        "reason": storable(outcome.reason),
        "detail": storable(outcome.detail),
        "size_bytes": outcome.size_bytes,
        "modified_at": outcome.modified or _file_time(one),
        "deleted": False,
        "extra": {},
    }


def _file_time(one: Recorded) -> datetime | None:
    """Return when a file of a folder was changed, as its file system says."""
    if one.outcome.order or not one.found.mtime_ns:
        return None
    try:
        return datetime.fromtimestamp(one.found.mtime_ns / 1e9, UTC)
    except (OverflowError, ValueError, OSError):  # file systems can hold any number
        return None


def _case_media(case: CaseInfo, media_id: MediaId, outcome: Outcome) -> dict[str, Any]:
    picture = bool(outcome.fingerprints)
    why = "undecodable" if outcome.status is Status.FAILED else "no_picture"
    return {
        "case_id": case.id,
        "media_id": media_id,
        "state": (MediaState.OPEN if picture else MediaState.SET_ASIDE).value,
        "code": None,
        "stack_id": None,
        "position": None,
        "priority": 0,
        "reasons": [] if picture else [[why, {}]],
        "sightings": 0,
        "sampled": False,
        "extra": {},
    }


def _hits(
    recorded: Iterable[Recorded], medias: dict[bytes, MediaId]
) -> Iterator[tuple[MediaId, list[Hit]]]:
    for one in recorded:
        if sha256 := one.outcome.digests.sha256:
            yield medias[sha256], one.hits


def write_hits(tx: Connection, case: CaseInfo, given: Iterable[tuple[MediaId, list[Hit]]]) -> None:
    """Write what lists say of media of a case; what they have said before stays as it is."""
    found: dict[tuple[int, str, int, str], dict[str, Any]] = {}
    for media_id, hits in given:
        quiet = words.silenced(hits)
        for hit in hits:
            key = media_id, hit.list, hit.entry_number, hit.algorithm
            found.setdefault(
                key,
                {
                    "case_id": case.id,
                    "media_id": media_id,
                    "list_name": hit.list,
                    "role": hit.role.value,
                    "strength": hit.strength.value,
                    "algorithm": hit.algorithm,
                    "distance_bits": hit.distance_bits,
                    "variant": hit.variant,
                    "entry_number": hit.entry_number,
                    "classifications": [[c.scheme, c.code] for c in hit.entry.classifications],
                    "silenced": quiet and hit.role is Role.ALERT,
                },
            )
    insert_rows(tx, MediaHit, list(found.values()), ignore_existing=True)


def kept_objects(
    recorded: Sequence[Recorded], medias: dict[bytes, MediaId], vault: Vault
) -> list[NewObject]:
    """Return what the scan has kept, once for each media and kind."""
    kept: dict[tuple[MediaId, str], NewObject] = {}
    for one in recorded:
        if sha256 := one.outcome.digests.sha256:
            for kind, object_id in one.kept.items():
                size_bytes = _plain_bytes(vault, object_id)
                new = NewObject(medias[sha256], kind, object_id, size_bytes)
                kept.setdefault((new.media_id, kind), new)
    return list(kept.values())


def _plain_bytes(vault: Vault, object_id: str) -> int:
    """Return the size of an object before encryption."""
    sealed = vault.object_path(bytes.fromhex(object_id)).stat().st_size - HEADER_BYTES
    chunks = -(-sealed // (CHUNK_BYTES + TAG_BYTES))
    return sealed - chunks * TAG_BYTES


def _added(exhibit: ExhibitInfo, fresh: Places) -> Event:
    """Return the leaf of a batch: how many places, and a digest over all of them."""
    places = hashlib.sha256(b"".join(fresh)).hexdigest()
    return Event(
        "evidence.added",
        f"exhibit:{exhibit.id}",
        {"case": exhibit.case_id, "sightings": len(fresh), "places_sha256": places},
    )


def _place(one: Recorded) -> bytes:
    """Return what tells a place from all others of its exhibit, also two of one name."""
    parts = [one.found.path, wire.pack_order(one.outcome.order), *one.outcome.inside]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.digest()
