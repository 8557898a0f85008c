"""Writes a case as VICS 2.0 Cases, as a stream: one chunk of media in memory at a time.

What an import kept is written back as it came, key by key. What VICS has no place for stands in
properties whose names begin with `Tutela`, which our import takes up again. A grade is written as a
`Category` only where the profile's numbers are those of its scheme; it is never translated.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, BinaryIO, Final, Protocol

import msgspec
from sqlalchemy import Connection, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.formats import profile as profiles
from tutela.casework.formats import vics_document, vics_head, vics_named
from tutela.casework.formats.profile import Profile
from tutela.casework.formats.vics_material import chunks
from tutela.casework.formats.vics_record import NOTE
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.core.time import iso_precise
from tutela.hashlist.formats.vics_model import Model
from tutela.store.tables.access import Organisation
from tutela.store.tables.casework import Case, CaseMedia, Exhibit, Note

# Names of cases of our own: stable, so that two exports of a case have one CaseID.
NAMESPACE: Final = uuid.UUID("6f1d3c52-7a0e-5d0b-9a53-0f6b2c1d8e47")

_encode = msgspec.json.Encoder(decimal_format="number").encode


class Beside(Protocol):
    """Where the files of media go that an export takes along."""

    def put(self, media_id: MediaId, number: int, kind: str) -> str:
        """Write a file and return its relative path; empty where the media is not kept."""


class Written(msgspec.Struct):
    """How many contents, records and places were written, and files beside them."""

    media: int = 0
    records: int = 0
    places: int = 0
    files: int = 0


def write(  # noqa: PLR0913 what, for whom, where, and how
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    stream: BinaryIO,
    *,
    profile: str = "",
    beside: Beside | None = None,
) -> Written:
    """Write a case to `stream`; `profile` is the one it came with, or fits its scheme, by default.

    Raises:
        AccessError: `who` may not export this case.
        UsageError: there is no such profile.
    """
    require(tx, who, Permission.EXPORT, case_id)
    row = tx.execute(select(Case.__table__).where(Case.id == case_id)).one()
    kept = dict(row.extra).get("vics", {})
    imports = list(kept.get("imports", {}).values())
    chosen = _chosen(profile, row.scheme, imports)
    key, context = Model("2.0", chosen.name, "cases").root
    stream.write(f'{{"{key}":"{context}",'.encode())
    root = vics_document.held(kept.get("root", ""))
    stream.writelines(_encode(name) + b":" + _encode(value) + b"," for name, value in root.items())
    stream.write(b'"value":[\n{')
    head = _head(tx, row, imports[0]["fields"] if imports else "")
    stream.writelines(
        _encode(name) + b":" + _encode(value) + b",\n" for name, value in head.items()
    )
    stream.write(b'"Media":[')
    # MediaIDs of a file are kept while they cannot meet those of another file.
    following = imports[0]["media_id_most"] + 1 if len(imports) == 1 else 1
    written = Written()
    for record in _records(
        tx, row, chosen, following if imports else 1, len(imports) == 1, beside, written
    ):
        stream.write(b",\n" if written.records > 1 else b"\n")
        stream.write(_encode(record))
    stream.write(b"\n]}]}\n")
    return written


def case_id_of(organisation: str, number: str) -> str:
    """Return the CaseID of a case of our own."""
    return f"{{{str(uuid.uuid5(NAMESPACE, f'{organisation}/{number}')).upper()}}}"


def _chosen(name: str, scheme: str, imports: list[dict[str, Any]]) -> Profile:
    if name:
        return profiles.named(name)
    known = profiles.profiles()
    came = {one["model"][1] for one in imports if one["model"][0] == "2.0"}
    if len(came) == 1 and next(iter(came)) in known:
        return known[next(iter(came))]
    fitting = [profile for profile in known.values() if profile.scheme == scheme]
    return fitting[0] if fitting else known["Default"]


def _head(tx: Connection, row: Any, fields: str) -> dict[str, Any]:
    organisation = tx.execute(
        select(Organisation.name).where(Organisation.id == row.organisation_id)
    ).scalar_one()
    held = vics_document.held(fields)
    metadata = vics_document.listed(held.pop("CaseMetadata", None))
    origin = {
        name: held.pop(name, None) for name in ("SourceApplicationName", "SourceApplicationVersion")
    }
    case_id = held.pop("CaseID", None) or case_id_of(organisation, row.number)
    head: dict[str, Any] = {"CaseID": case_id, "CaseNumber": row.number}
    head["ContactOrganization"] = held.pop("ContactOrganization", organisation)
    head |= {
        "SourceApplicationName": vics_head.OWN_NAME,
        "SourceApplicationVersion": version("tutela"),
    }
    count = select(func.count()).select_from(CaseMedia).where(CaseMedia.case_id == row.id)
    head["TotalMediaFiles"] = tx.execute(count).scalar_one()
    head["TotalPrecategorized"] = tx.execute(count.where(CaseMedia.state == "known")).scalar_one()
    head |= held
    said = [(vics_head.TITLE, row.title), (vics_head.SCHEME, row.scheme)]
    said += [
        (name, vics_document.text(origin[key]))
        for name, key in (
            (vics_head.ORIGIN, "SourceApplicationName"),
            (vics_head.ORIGIN_VERSION, "SourceApplicationVersion"),
        )
        if vics_document.text(origin[key])
    ]
    said += [(vics_head.EXHIBIT, text) for text in _exhibits(tx, row.id)]
    said += [(NOTE, text) for text in _notes(tx, row.id)]
    head["CaseMetadata"] = metadata + [
        {"CaseID": case_id, "PropertyName": name, "PropertyValue": value} for name, value in said
    ]
    return head


def _exhibits(tx: Connection, case_id: CaseId) -> Iterator[str]:
    rows = tx.execute(
        select(Exhibit.__table__).where(Exhibit.case_id == case_id).order_by(Exhibit.label)
    )
    for row in rows:
        if vics_named.MARK in row.extra:
            continue  # copies beside the file that it came with: no exhibit that was seized
        said = dict(row.extra).get("vics", {})
        yield _encode(
            vics_head.ExhibitSaid(
                label=row.label,
                device=row.device,
                source=said.get("source", row.source),
                skipped=said.get("skipped", row.skipped),
                failed=said.get("failed", row.failed),
            )
        ).decode()


def _notes(tx: Connection, case_id: CaseId) -> Iterator[str]:
    rows = tx.execute(
        select(Note.text, Note.written_at)
        .where(Note.case_id == case_id, Note.subject == f"case:{case_id}")
        .order_by(Note.written_at, Note.id)
    )
    for row in rows:
        yield f"{iso_precise(row.written_at)} {row.text}"


def _records(  # noqa: PLR0913, PLR0917 one call, above
    tx: Connection,
    case: Any,
    chosen: Profile,
    following: int,
    keeps_numbers: bool,  # noqa: FBT001 likewise
    beside: Beside | None,
    written: Written,
) -> Iterator[dict[str, Any]]:
    for material in chunks(tx, case.id):
        written.media += 1
        for index, record in enumerate(vics_document.records(material, case.scheme, chosen)):
            number = record["MediaID"] if keeps_numbers else None
            if number is None:
                number, following = following, following + 1
            record["MediaID"] = number
            if beside and index == 0:
                relative = beside.put(material.media_id, written.media, material.kind)
                if relative:
                    written.files += 1
                    record["RelativeFilePath"] = relative
            written.records += 1
            written.places += len(record["MediaFiles"])
            yield record
