"""One batch of VICS records as rows of a case, in one transaction; said once, however often asked.

Everything that belongs to a content (media, facts, series) is shared between cases; everything
that a file says about it (places, the rest of its record, grades, tags, notes) belongs to the case.
A grade of another system is kept with where it came from. It is no vote.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework.formats import vics_grades, vics_words
from tutela.casework.formats.vics_place import File
from tutela.casework.formats.vics_target import Placed, Target
from tutela.casework.model import ExhibitState, MediaState
from tutela.core.ids import CaseId, ExhibitId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_returning, insert_rows, update_rows
from tutela.store.tables.casework import (
    CaseMedia,
    Exhibit,
    Sighting,
)

# Where a file does not say which exhibit something lay on.
NO_LABEL = "VICS"
# JSON text of unknown keys that one content may carry in one case, over all its records.
KEPT_BYTES = 1 << 20


def write(
    tx: Connection, who: Principal, target: Target, placed: Placed
) -> tuple[Counter[str], list[Event]]:
    """Write what records say of their media; return counts, and events for the log."""
    counts: Counter[str] = Counter()
    exhibits = _exhibits(tx, target, {_label(f) for _, entry in placed for f in entry.files})
    held = _case_media(tx, target.case_id, placed)
    numbers = _keep_rests(held, placed, counts)
    seen = _sightings(tx, exhibits, placed, numbers, counts)
    for media_id, many in seen.items():
        held[media_id]["sightings"] += many
    given, events = vics_grades.write(tx, who, target, placed)
    for media_id, code in given.items():
        if held[media_id]["state"] in (MediaState.OPEN, MediaState.SET_ASIDE):
            held[media_id] |= {"state": MediaState.GRADED.value, "code": code}
    vics_words.write(tx, who, target, placed)
    update_rows(tx, CaseMedia, list(held.values()))
    counts["graded"] += len(given)
    return counts, events


def exhibit(
    tx: Connection, target: Target, label: str, *, device: str = "", **more: Any
) -> ExhibitId:
    """Return the exhibit of this label, made where there is none."""
    found = tx.execute(
        select(Exhibit.id).where(Exhibit.case_id == target.case_id, Exhibit.label == label)
    ).scalar_one_or_none()
    if found is not None:
        return ExhibitId(found)
    row = {
        "case_id": target.case_id,
        "label": label,
        "source": target.source,
        "device": device,
        "state": ExhibitState.ADDING.value,
        **dict.fromkeys(("seen", "hashed", "skipped", "failed", "size_bytes"), 0),
        "started_at": now(),
        "finished_at": None,
        "extra": more,
    }
    return ExhibitId(insert_returning(tx, Exhibit, [row])[0])


def _exhibits(tx: Connection, target: Target, labels: set[str]) -> dict[str, ExhibitId]:
    return {label: exhibit(tx, target, label) for label in sorted(labels)}


def _label(file: File) -> str:
    return file.label or NO_LABEL


def _case_media(tx: Connection, case_id: CaseId, placed: Placed) -> dict[MediaId, dict[str, Any]]:
    """Return what the case has of these media, each with a row that is there by now."""
    ids = sorted({media_id for media_id, _ in placed})
    fresh = {
        "case_id": case_id,
        "state": MediaState.OPEN.value,
        "code": None,
        "stack_id": None,
        "position": None,
        "priority": 0,
        "reasons": [],
        "sightings": 0,
        "sampled": False,
        "extra": {},
    }
    rows = [fresh | {"media_id": media_id} for media_id in ids]
    insert_rows(tx, CaseMedia, rows, ignore_existing=True)
    found = tx.execute(
        select(
            CaseMedia.case_id,
            CaseMedia.media_id,
            CaseMedia.state,
            CaseMedia.code,
            CaseMedia.sightings,
            CaseMedia.extra,
        ).where(CaseMedia.case_id == case_id, CaseMedia.media_id.in_(ids))
    )
    return {MediaId(row.media_id): dict(row._mapping) for row in found}  # noqa: SLF001 SQLAlchemy's public name


def _keep_rests(
    held: dict[MediaId, dict[str, Any]], placed: Placed, counts: Counter[str]
) -> list[int]:
    """Append the rest of each record to its media; return which record of its media it is."""
    numbers, sizes = [], {}
    for media_id, row in held.items():
        row["extra"] = dict(row["extra"])
        row["extra"]["vics"] = list(row["extra"].get("vics", ()))
        sizes[media_id] = sum(map(len, row["extra"]["vics"]))
    for media_id, entry in placed:
        rests = held[media_id]["extra"]["vics"]
        sizes[media_id] += len(entry.rest)
        if rests and sizes[media_id] > KEPT_BYTES:
            counts["keys left out"] += 1
        else:
            rests.append(entry.rest)
        numbers.append(len(rests) - 1)
    return numbers


def _sightings(
    tx: Connection,
    exhibits: dict[str, ExhibitId],
    placed: Placed,
    numbers: Sequence[int],
    counts: Counter[str],
) -> Counter[MediaId]:
    rows: dict[tuple[int, bytes], dict[str, Any]] = {}
    for (media_id, entry), number in zip(placed, numbers, strict=True):
        counts["without a place"] += not entry.files
        for file in entry.files:
            counts["places"] += 1
            exhibit_id = exhibits[_label(file)]
            extra: dict[str, Any] = {"vics": file.rest} if file.rest else {}
            if number:
                extra["entry"] = number
            rows.setdefault(
                (exhibit_id, file.place),
                {
                    "exhibit_id": exhibit_id,
                    "media_id": media_id,
                    "ordinal": 0,
                    "place": file.place,
                    "path": file.path,
                    "inside": list(file.inside),
                    "status": "hashed",
                    "reason": "",
                    "detail": "",
                    "size_bytes": entry.size_bytes,
                    "modified_at": file.modified_at,
                    "deleted": file.deleted,
                    "extra": extra,
                },
            )
    for key in _there(tx, rows):
        del rows[key]
    last: dict[int, int] = dict(_seen(tx, exhibits.values()))
    added: dict[int, Counter[str]] = {}
    for row in rows.values():
        total = added.setdefault(row["exhibit_id"], Counter())
        row["ordinal"] = last[row["exhibit_id"]] + total["seen"]
        total.update(seen=1, size_bytes=row["size_bytes"])
    insert_rows(tx, Sighting, list(rows.values()))
    for touched, total in added.items():
        tx.execute(
            update(Exhibit)
            .where(Exhibit.id == touched)
            .values(
                seen=Exhibit.seen + total["seen"],
                hashed=Exhibit.hashed + total["seen"],
                size_bytes=Exhibit.size_bytes + total["size_bytes"],
            )
        )
    counts["places repeated"] += counts["places"] - len(rows)
    return Counter(row["media_id"] for row in rows.values())


def _there(tx: Connection, rows: Iterable[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    asked: dict[int, list[bytes]] = {}
    for exhibit_id, place in rows:
        asked.setdefault(exhibit_id, []).append(place)
    return [
        (exhibit_id, place)
        for exhibit_id, places in asked.items()
        for start in range(0, len(places), 5000)
        for (place,) in tx.execute(
            select(Sighting.place).where(
                Sighting.exhibit_id == exhibit_id,
                Sighting.place.in_(places[start : start + 5000]),
            )
        )
    ]


def _seen(tx: Connection, exhibits: Iterable[ExhibitId]) -> Iterator[tuple[int, int]]:
    for row in tx.execute(select(Exhibit.id, Exhibit.seen).where(Exhibit.id.in_(list(exhibits)))):
        yield row.id, row.seen


def places_digest(placed: Placed) -> str:
    """Return SHA-256 over the places of a batch, for the log."""
    digest = hashlib.sha256()
    for _, entry in placed:
        for file in entry.files:
            digest.update(file.place)
    return digest.hexdigest()


def finish(tx: Connection, case_id: CaseId, source: str) -> None:
    """Say that all exhibits of a file are complete, and that the case has changed."""
    tx.execute(
        update(Exhibit)
        .where(
            Exhibit.case_id == case_id,
            Exhibit.source == source,
            Exhibit.state == ExhibitState.ADDING,
        )
        .values(state=ExhibitState.COMPLETE, finished_at=now())
    )
    cases.touch(tx, case_id)
