"""One batch of VICS records as rows of a case, in one transaction; said once, however often asked.

Everything that belongs to a content (media, facts, series) is shared between cases; everything
that a file says about it (places, the rest of its record, grades, tags, notes) belongs to the case.
A grade of another system is kept with where it came from. It is no vote.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, select, update

from tutela.audit.log import Event
from tutela.casework import case as cases
from tutela.casework.formats import profile
from tutela.casework.formats.vics_record import Entry, File
from tutela.casework.model import ExhibitState, MediaState
from tutela.core.ids import CaseId, ExhibitId, MediaId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.hashlist.formats.vics_model import Model
from tutela.store.bulk import insert_returning, insert_rows, update_rows
from tutela.store.tables.casework import (
    CaseMedia,
    Exhibit,
    MediaFact,
    Note,
    Series,
    SeriesMedia,
    Sighting,
    Tag,
)
from tutela.store.tables.grading import Grade

# Where a file does not say which exhibit something lay on.
NO_LABEL = "VICS"
# JSON text of unknown keys that one content may carry in one case, over all its records.
KEPT_BYTES = 1 << 20


class Target(NamedTuple):
    """Where records go: the case, its scheme, whose it is, and the file they come from."""

    case_id: CaseId
    scheme: str
    organisation_id: OrganisationId
    model: Model
    source: str


Placed = Sequence[tuple[MediaId, Entry]]


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
    given, events = _grades(tx, who, target, placed)
    for media_id, code in given.items():
        if held[media_id]["state"] in (MediaState.OPEN, MediaState.SET_ASIDE):
            held[media_id] |= {"state": MediaState.GRADED.value, "code": code}
    _words(tx, who, target, placed)
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


def _grades(
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


def _words(tx: Connection, who: Principal, target: Target, placed: Placed) -> None:
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
