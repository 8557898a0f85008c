"""Tells where two cases differ, in two installations: what an exchange of cases has to keep.

Compared is what VICS and our properties in it can say: number, title, scheme, exhibits, contents,
places, grades, words, and every key that we do not know. Not compared is what belongs to one
installation: numbers of rows, authority, accounts, history, votes, views, hits and stacks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from tutela.casework.formats import profile as profiles
from tutela.casework.formats import vics_document
from tutela.casework.formats.vics_material import Material, chunks
from tutela.casework.formats.vics_named import MARK
from tutela.core.ids import CaseId
from tutela.core.time import iso_precise
from tutela.store.tables.casework import Case, Exhibit, Note

_encode = msgspec.json.Encoder(decimal_format="number", order="deterministic").encode


def portrait(tx: Connection, case_id: CaseId) -> dict[str, Any]:
    """Return a case as plain values: its head, and one line a media under a hash of its digests."""
    row = tx.execute(select(Case.__table__).where(Case.id == case_id)).one()
    exhibits = tx.execute(
        select(Exhibit.label, Exhibit.device, Exhibit.extra)
        .where(Exhibit.case_id == case_id)
        .order_by(Exhibit.label)
    )
    notes = tx.execute(
        select(Note.written_at, Note.text)
        .where(Note.case_id == case_id, Note.subject == f"case:{case_id}")
        .order_by(Note.written_at, Note.text)
    )
    return {
        "number": row.number,
        "title": row.title,
        "scheme": row.scheme,
        "exhibits": [[e.label, e.device] for e in exhibits if MARK not in e.extra],
        "notes": [[iso_precise(n.written_at), n.text] for n in notes],
        "media": dict(_media(tx, case_id, row.scheme)),
    }


def differences(first: dict[str, Any], second: dict[str, Any], most: int = 20) -> list[str]:
    """Return where two portraits differ, in words; at most `most` of them."""
    found = [
        f"{key}: {first[key]!r} and {second[key]!r}"
        for key in first
        if key != "media" and first[key] != second[key]
    ]
    for name in sorted(first["media"].keys() | second["media"].keys()):
        mine, theirs = first["media"].get(name, {}), second["media"].get(name, {})
        found += [
            f"media {name}, {key}: {mine.get(key)!r} and {theirs.get(key)!r}"
            for key in sorted(mine.keys() | theirs.keys())
            if mine.get(key) != theirs.get(key)
        ]
    return found[:most]


def _media(tx: Connection, case_id: CaseId, scheme: str) -> Iterator[tuple[str, dict[str, Any]]]:
    default = profiles.named("Default")
    for material in chunks(tx, case_id):
        digests = [(value or b"").hex() for value in (material.sha256, material.sha1, material.md5)]
        name = hashlib.sha256(":".join(digests).encode()).hexdigest()[:16]
        yield name, _portrait(material, scheme, default)


def _portrait(material: Material, scheme: str, profile: profiles.Profile) -> dict[str, Any]:
    category, told = vics_document.grades(material, scheme, profile)
    return {
        "size_bytes": material.size_bytes,
        "is_picture": material.is_picture,
        "size": [material.width, material.height],
        "code": material.code,
        "grades": [category, told],
        "facts": material.facts,
        "series": sorted(material.series),
        "tags": sorted(material.tags),
        "notes": [[iso_precise(at), note] for at, note in material.notes],
        "places": sorted(
            [s.label, s.path, *s.inside, str(s.modified_at), str(s.deleted)]
            for s in material.sightings
        ),
        "records": sorted(
            _plain(record) for record in vics_document.records(material, scheme, profile)
        ),
    }


def _plain(record: dict[str, Any]) -> str:
    """Return a record as sorted JSON; number and path are those of a file, and not of the case."""
    of_a_file = {"MediaID": None, "RelativeFilePath": None}
    value: Any = msgspec.json.decode(_encode(record | of_a_file))
    value["MediaFiles"] = sorted(value["MediaFiles"], key=lambda place: str(sorted(place.items())))
    return _encode(value).decode()
