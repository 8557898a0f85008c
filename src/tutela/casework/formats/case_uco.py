"""Writes a case as CASE/UCO JSON-LD (CASE 1.x, UCO 1.x), as a stream.

One node an exhibit (a provenance record), one a place (a file with its hashes), one a grade (an
annotation: somebody's word, no property of the file). Identifiers are made from what they name, so
two exports of a case have the same. Terms: https://ontology.caseontology.org (investigation),
https://ontology.unifiedcyberontology.org (core, observable, types, action, identity, tool).
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.metadata import version
from typing import Any, BinaryIO, Final

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework.formats.vics_case_write import case_id_of
from tutela.casework.formats.vics_document import MIME
from tutela.casework.formats.vics_material import Material, SightingSaid, chunks
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import iso
from tutela.store.tables.access import Organisation
from tutela.store.tables.casework import Authority, Case, Exhibit, Sighting

Node = dict[str, Any]

CONTEXT: Final = {
    "kb": "urn:uuid:",
    "case-investigation": "https://ontology.caseontology.org/case/investigation/",
    "uco-action": "https://ontology.unifiedcyberontology.org/uco/action/",
    "uco-core": "https://ontology.unifiedcyberontology.org/uco/core/",
    "uco-identity": "https://ontology.unifiedcyberontology.org/uco/identity/",
    "uco-location": "https://ontology.unifiedcyberontology.org/uco/location/",
    "uco-observable": "https://ontology.unifiedcyberontology.org/uco/observable/",
    "uco-tool": "https://ontology.unifiedcyberontology.org/uco/tool/",
    "uco-types": "https://ontology.unifiedcyberontology.org/uco/types/",
    "uco-vocabulary": "https://ontology.unifiedcyberontology.org/uco/vocabulary/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_METHODS: Final = (("MD5", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256"))
_encode = msgspec.json.Encoder().encode


class _Names:
    """Identifiers in one case."""

    def __init__(self, organisation: str, number: str) -> None:
        self._space = uuid.UUID(case_id_of(organisation, number)[1:-1])

    def __call__(self, kind: str, *what: object) -> str:
        words = _encode([kind, *map(str, what)]).decode()
        return f"kb:{uuid.uuid5(self._space, words)}"

    def place(self, place: bytes) -> str:
        return self("place", place.hex())


def write(tx: Connection, who: Principal, case_id: CaseId, stream: BinaryIO) -> dict[str, int]:
    """Write a case to `stream`; return how many nodes of each type there are.

    Raises:
        AccessError: `who` may not export this case.
    """
    require(tx, who, Permission.EXPORT, case_id)
    counts: dict[str, int] = {}
    stream.write(b'{"@context":' + _encode(CONTEXT) + b',\n"@graph":[')
    for number, node in enumerate(_nodes(tx, case_id)):
        stream.write((b",\n" if number else b"\n") + _encode(node))
        kind = node["@type"] if isinstance(node["@type"], str) else node["@type"][0]
        counts[kind] = counts.get(kind, 0) + 1
    stream.write(b"\n]}\n")
    return counts


def _nodes(tx: Connection, case_id: CaseId) -> Iterator[Node]:
    row = tx.execute(
        select(Case.__table__, Organisation.name.label("organisation"))
        .join(Organisation, Organisation.id == Case.organisation_id)
        .where(Case.id == case_id)
    ).one()
    names = _Names(row.organisation, row.number)
    authority = tx.execute(
        select(Authority.__table__).where(Authority.id == row.authority_id)
    ).one()
    exhibits = tx.execute(
        select(Exhibit.__table__).where(Exhibit.case_id == case_id).order_by(Exhibit.id)
    ).all()
    yield from _head(names, row, authority, exhibits)
    for exhibit in exhibits:
        yield from _exhibit(tx, names, exhibit)
    for material in chunks(tx, case_id):
        yield from _media(names, material, row.scheme)


def _head(names: _Names, case: Any, authority: Any, exhibits: Iterable[Any]) -> Iterator[Node]:
    organisation, tool, allowed = (names(kind) for kind in ("organisation", "tool", "authority"))
    yield {
        "@id": names("investigation"),
        "@type": "case-investigation:Investigation",
        "uco-core:name": case.number,
        "uco-core:description": case.title,
        "case-investigation:investigationForm": "case",
        "case-investigation:relevantAuthorization": {"@id": allowed},
        "uco-core:object": _references(
            [organisation, tool, *(names("exhibit", e.label) for e in exhibits)]
        ),
    }
    yield {
        "@id": allowed,
        "@type": "case-investigation:Authorization",
        "uco-core:description": f"{authority.scope}; granted by {authority.granted_by}",
        "case-investigation:authorizationType": authority.legal_basis,
        "case-investigation:authorizationIdentifier": authority.reference,
        "uco-core:startTime": _time(authority.valid_from),
        "uco-core:endTime": _time(authority.valid_until),
    }
    yield {
        "@id": organisation,
        "@type": "uco-identity:Organization",
        "uco-core:name": case.organisation,
    }
    yield {
        "@id": tool,
        "@type": "uco-tool:Tool",
        "uco-core:name": "Tutela",
        "uco-tool:version": version("tutela"),
    }


def _exhibit(tx: Connection, names: _Names, exhibit: Any) -> Iterator[Node]:
    record, action = names("exhibit", exhibit.label), names("intake", exhibit.label)
    places = tx.execute(
        select(Sighting.place)
        .where(Sighting.exhibit_id == exhibit.id, Sighting.media_id.is_not(None))
        .order_by(Sighting.id)
        .execution_options(yield_per=1000)
    ).scalars()
    objects = itertools.chain([action], map(names.place, places))
    yield {
        "@id": record,
        "@type": "case-investigation:ProvenanceRecord",
        "uco-core:name": exhibit.label,
        "uco-core:description": exhibit.device,
        "case-investigation:exhibitNumber": exhibit.label,
        "uco-core:object": _references(objects),
    }
    node = {
        "@id": action,
        "@type": "case-investigation:InvestigativeAction",
        "uco-core:name": "intake",
        "uco-core:description": (
            f"{exhibit.seen} seen: {exhibit.hashed} hashed, {exhibit.skipped} skipped, "
            f"{exhibit.failed} failed"
        ),
        "uco-action:startTime": _time(exhibit.started_at),
        "uco-action:performer": {"@id": names("organisation")},
        "uco-action:instrument": {"@id": names("tool")},
        "uco-action:result": {"@id": record},
    }
    if exhibit.finished_at:
        node["uco-action:endTime"] = _time(exhibit.finished_at)
    yield node


def _media(names: _Names, material: Material, scheme: str) -> Iterator[Node]:
    content = [_content(names, material), *_picture(material)]
    identity = names("content", *(getattr(material, name) for _, name in _METHODS))
    files = []
    for sighting in material.sightings:
        name = names.place(sighting.place)
        files.append(name)
        yield {
            "@id": name,
            "@type": "uco-observable:File",
            "uco-core:hasFacet": [_file(names, material, sighting), *_of(names, name, content)],
        }
    if not files:
        files.append(identity)
        yield {
            "@id": identity,
            "@type": "uco-observable:ObservableObject",
            "uco-core:hasFacet": _of(names, identity, content),
        }
    if material.latitude is not None and material.longitude is not None:
        yield from _location(names, material, identity, files)
    given = dict(material.imported) | ({scheme: material.code} if material.code else {})
    for name, code in sorted(given.items()):
        yield {
            "@id": names("grade", identity, name),
            "@type": "uco-core:Annotation",
            "uco-core:statement": f"graded {code} under {name}",
            "uco-core:tag": [f"{name}:{code}", material.state],
            "uco-core:object": _references(files),
        }


def _of(names: _Names, owner: str, facets: list[Node]) -> list[Node]:
    """Return facets with identifiers that no other object's facets have."""
    return [{"@id": names("facet", owner, facet["@type"])} | facet for facet in facets]


def _content(names: _Names, material: Material) -> Node:
    hashes = [
        {
            "@id": names("hash", method, value.hex()),
            "@type": "uco-types:Hash",
            "uco-types:hashMethod": {
                "@type": "uco-vocabulary:HashNameVocab",
                "@value": method,
            },
            "uco-types:hashValue": {"@type": "xsd:hexBinary", "@value": value.hex()},
        }
        for method, attribute in _METHODS
        if (value := getattr(material, attribute))
    ]
    facet: Node = {"@type": "uco-observable:ContentDataFacet", "uco-observable:hash": hashes}
    facet["uco-observable:sizeInBytes"] = material.size_bytes
    if material.kind in MIME:
        facet["uco-observable:mimeType"] = MIME[material.kind]
    return facet


def _picture(material: Material) -> Iterator[Node]:
    if material.width and material.height:
        yield {
            "@type": "uco-observable:RasterPictureFacet",
            "uco-observable:pictureWidth": material.width,
            "uco-observable:pictureHeight": material.height,
        }


def _file(names: _Names, material: Material, sighting: SightingSaid) -> Node:
    path = "/".join([sighting.path, *sighting.inside])
    facet: Node = {
        "@id": names("facet", names.place(sighting.place), "file"),
        "@type": "uco-observable:FileFacet",
        "uco-observable:fileName": path.replace("\\", "/").rpartition("/")[2],
        "uco-observable:filePath": path,
        "uco-observable:isDirectory": False,
        "uco-observable:sizeInBytes": material.size_bytes,
    }
    if sighting.modified_at:
        facet["uco-observable:modifiedTime"] = _time(sighting.modified_at)
    return facet


def _location(names: _Names, material: Material, identity: str, files: list[str]) -> Iterator[Node]:
    """Yield where a picture says that it was taken; the relation says that it is only said."""
    location = names("location", identity)
    yield {
        "@id": location,
        "@type": "uco-location:Location",
        "uco-core:hasFacet": [
            {
                "@id": names("facet", location),
                "@type": "uco-location:LatLongCoordinatesFacet",
                "uco-location:latitude": _decimal(material.latitude),
                "uco-location:longitude": _decimal(material.longitude),
            }
        ],
    }
    for file in files:
        yield {
            "@id": names("relation", file, location),
            "@type": "uco-observable:ObservableRelationship",
            "uco-core:source": {"@id": file},
            "uco-core:target": {"@id": location},
            "uco-core:kindOfRelationship": "Said_To_Be_Taken_At",
            "uco-core:isDirectional": True,
        }


def _references(names: Iterable[str]) -> list[Node]:
    return [{"@id": name} for name in names]


def _time(moment: datetime) -> Node:
    return {"@type": "xsd:dateTime", "@value": iso(moment)}


def _decimal(value: float | None) -> Node:
    return {"@type": "xsd:decimal", "@value": f"{value:.7f}"}
