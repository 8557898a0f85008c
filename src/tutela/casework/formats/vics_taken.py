"""Takes the files beside a VICS file into its case: read by the confined workers of a scan.

Nothing that the VICS file says of a file is believed. Its digests are those that were read here; if
they are not those of the record, the file is not that media: it is reported, and not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, delete, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework import contents, intake, known, sightings
from tutela.casework.facts import storable
from tutela.casework.formats import beside
from tutela.casework.formats.vics_named import MARK, NOT_READ, place_of
from tutela.casework.model import CaseInfo, ExhibitInfo
from tutela.casework.standing import lock_media
from tutela.core.errors import IntegrityError
from tutela.core.ids import MediaId
from tutela.core.media import PDQ
from tutela.core.principal import Principal
from tutela.evidence.folder import Found
from tutela.evidence.vault import objects
from tutela.evidence.vault.vault import Vault
from tutela.scan.journal import Recorded
from tutela.scan.session import Session
from tutela.scan.wire import Outcome, Status
from tutela.store.bulk import update_rows
from tutela.store.database import Database
from tutela.store.tables.casework import CaseMedia, Media, MediaHit, Sighting

BATCH: Final = 500
DIGESTS: Final = {"sha256": "SHA-256", "sha1": "SHA-1", "md5": "MD5"}


class _Read(NamedTuple):
    """A file that was read, and the media that it is said to be (a row with its digests)."""

    row: Any
    recorded: Recorded

    @property
    def outcome(self) -> Outcome:
        """How the reading ended."""
        return self.recorded.outcome


def walk(database: Database, exhibit: ExhibitInfo, folder: Path) -> Iterator[Found]:
    """Yield the files that are not read yet, as the walk of a scan does."""
    after = 0
    while True:
        with database.read() as tx:
            rows = tx.execute(
                select(Sighting.id, Sighting.path)
                .where(_unread(exhibit), Sighting.id > after)
                .order_by(Sighting.id)
                .limit(BATCH)
            ).all()
        if not rows:
            return
        for row in rows:
            yield beside.found(folder, row.path)
        after = rows[-1].id


def take(  # noqa: PLR0913 what, where from, where to, and who watches
    database: Database,
    who: Principal,
    exhibit: ExhibitInfo,
    folder: Path,
    session: Session,
    *,
    vault: Vault | None = None,
    watch: Callable[[int], None] = lambda _read: None,
) -> ExhibitInfo:
    """Take the files of a scan over `walk` into the case of the exhibit.

    `watch` is told how many are done. The scan's journal may be forgotten when this returns, not
    before.

    Raises:
        AccessError: `who` may not add evidence to this case.
        UsageError: the case is closed, or its authority not valid.
        IntegrityError: a file that is named was not met.
        KeyboardInterrupt: the scan was stopped; what is written stays.
    """
    done, top = 0, len(beside.top(folder)) + 1
    refused: list[str] = []
    stream = session.pipeline.run()
    while batch := list(islice(stream, BATCH)):
        with database.write() as tx:
            surplus = _write(tx, who, exhibit, _by_place(batch, top), vault, refused)
        if vault and surplus:
            vault.shred(surplus)
        done += len(batch)
        watch(done)
    with database.write() as tx:
        left = tx.execute(select(Sighting.path).where(_unread(exhibit)).limit(1)).first()
        if left is not None:
            raise IntegrityError("a file that is named was not met", code="totals")
        # Not earlier: another name may have had the same content, and been what it says.
        surplus = objects.unneeded(tx, refused)
        ended = intake.finish(tx, who, exhibit)
    if vault and surplus:
        vault.shred(surplus)
    return ended


def _unread(exhibit: ExhibitInfo) -> Any:
    return (Sighting.exhibit_id == exhibit.id) & (Sighting.reason == NOT_READ)


def _by_place(batch: Iterable[Recorded], top: int) -> dict[bytes, Recorded]:
    return {place_of(one.found.path[top:].decode("utf-8", "replace")): one for one in batch}


def _write(  # noqa: PLR0913, PLR0917 one call, above
    tx: Connection,
    who: Principal,
    exhibit: ExhibitInfo,
    places: dict[bytes, Recorded],
    vault: Vault | None,
    refused: list[str],
) -> list[str]:
    require(tx, who, Permission.EVIDENCE_ADD, exhibit.case_id)
    case = cases.working(tx, exhibit.case_id)
    read = _said(tx, exhibit, places)
    troubles = _troubles(tx, exhibit, read)
    good = [one for one in read if one.outcome.digests.sha256 and one.row.id not in troubles]
    for one in read:
        if one.row.id in troubles:
            refused += one.recorded.kept.values()
    medias = _adopted(tx, good)
    recorded = [one.recorded for one in good]
    sightings.write_hits(tx, case, ((medias[_sha256(one)], one.recorded.hits) for one in good))
    update_rows(tx, Sighting, [_row(one, troubles.get(one.row.id)) for one in read])
    surplus: list[str] = []
    if vault:
        kept = sightings.kept_objects(recorded, medias, vault)
        surplus = objects.record(tx, who, case.id, kept)
    events = known.on_arrival(tx, who, case, sorted(medias.values()))
    if read:
        cases.touch(tx, case.id)
        log.record_many(tx, who, [_added(case, exhibit, read), *events])
    return surplus


def _said(tx: Connection, exhibit: ExhibitInfo, places: dict[bytes, Recorded]) -> list[_Read]:
    """Return what was read with what it is said to be; the media are locked."""
    named = (Sighting.exhibit_id == exhibit.id) & contents.among_digests(tx, Sighting.place, places)
    there = contents.known(tx, [one.outcome.digests.sha256 for one in places.values()])
    media = tx.execute(select(Sighting.media_id).where(named)).scalars()
    lock_media(tx, {*there.values(), *(number for number in media if number is not None)})
    rows = tx.execute(
        select(Sighting.id, Sighting.place, Sighting.media_id, Media.sha256, Media.sha1, Media.md5)
        .join(Media, Media.id == Sighting.media_id)
        .where(named, Sighting.reason == NOT_READ)
        .order_by(Sighting.id)
    )
    return [_Read(row, places[row.place]) for row in rows]


def _troubles(
    tx: Connection, exhibit: ExhibitInfo, read: Sequence[_Read]
) -> dict[int, tuple[str, str]]:
    """Return, by row, why a file is not the media that it is said to be: reason and detail."""
    found: dict[int, tuple[str, str]] = {}
    there = contents.known(tx, [one.outcome.digests.sha256 for one in read])
    elsewhere = _elsewhere(tx, exhibit, read)
    for one in read:
        sha256 = one.outcome.digests.sha256
        if not sha256:
            continue
        if differing := _differing(one):
            found[one.row.id] = ("mismatch", differing)
        elif there.get(sha256, one.row.media_id) != one.row.media_id:
            found[one.row.id] = ("other_media", "its content is known as another media")
        elif (
            one.row.sha256 is None
            and not (one.row.sha1 and one.row.md5)
            and one.row.media_id in elsewhere
        ):
            # MD5 and SHA-1 can be forged: alone they bind no content to grades of others.
            found[one.row.id] = ("weak_digest", "one weak digest, and another case has it too")
        else:
            there[sha256] = one.row.media_id
    return found


def _differing(one: _Read) -> str:
    return ", ".join(
        f"{name} {getattr(one.outcome.digests, key).hex()} where {said.hex()} is said"
        for key, name in DIGESTS.items()
        if (said := getattr(one.row, key)) and said != getattr(one.outcome.digests, key)
    )


def _elsewhere(tx: Connection, exhibit: ExhibitInfo, read: Sequence[_Read]) -> set[int]:
    rows = tx.execute(
        select(CaseMedia.media_id).where(
            CaseMedia.case_id != exhibit.case_id,
            CaseMedia.media_id.in_({one.row.media_id for one in read if not one.row.sha256}),
        )
    )
    return set(rows.scalars())


def _adopted(tx: Connection, good: Sequence[_Read]) -> dict[bytes, MediaId]:
    """Write into media what was read of them; return them by SHA-256."""
    bare = [one for one in good if not (one.row.sha256 and one.row.sha1 and one.row.md5)]
    read = {
        one.row.media_id: {name: getattr(one.outcome.digests, name) for name in DIGESTS}
        for one in bare
    }
    update_rows(tx, Media, [{"id": number, **digests} for number, digests in read.items()])
    stale = MediaHit.media_id.in_(
        select(Media.id).where(
            Media.id.in_([one.row.media_id for one in good]), contents.stated(Media.id)
        )
    )
    tx.execute(delete(MediaHit).where(stale, MediaHit.algorithm == PDQ))
    return contents.upsert(tx, [one.outcome for one in good])


def _sha256(one: _Read) -> bytes:
    return one.outcome.digests.sha256 or b""


def _row(one: _Read, trouble: tuple[str, str] | None) -> dict[str, Any]:
    reason, detail = trouble or (one.outcome.reason, one.outcome.detail)
    return {
        "id": one.row.id,
        "status": (Status.FAILED if trouble else one.outcome.status).value,
        "reason": storable(reason),
        "detail": storable(detail),
        "size_bytes": one.outcome.size_bytes,
        "extra": {MARK: True},
    }


def _added(case: CaseInfo, exhibit: ExhibitInfo, read: Sequence[_Read]) -> Event:
    places = hashlib.sha256(b"".join(one.row.place for one in read)).hexdigest()
    return Event(
        "evidence.added",
        f"exhibit:{exhibit.id}",
        {"case": case.id, "sightings": len(read), "places_sha256": places},
    )
