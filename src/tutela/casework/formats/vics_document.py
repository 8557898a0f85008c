"""A media of a case as VICS records: what we know, and what its records said that is not ours.

A media that came in several records goes out in as many, each with its own places and keys.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tutela.casework.formats import vics_exif
from tutela.casework.formats.profile import Profile
from tutela.casework.formats.vics_material import Material, SightingSaid
from tutela.casework.formats.vics_place import INSIDE, names
from tutela.casework.formats.vics_record import GRADE, KINDS, NOTE, SERIES, TAG, UNDECODABLE
from tutela.casework.formats.vics_rows import NO_LABEL
from tutela.core.time import iso_precise
from tutela.hashlist.formats.vics_model import Model

Raw = msgspec.Raw
MIME: Final = {kind: mime for mime, kind in reversed(KINDS.items())}
_HELD = msgspec.json.Decoder(dict[str, Raw])
_LISTED = msgspec.json.Decoder(list[Raw])
_EMPTY_MD5: Final = bytes.fromhex("d41d8cd98f00b204e9800998ecf8427e")


def held(text: str) -> dict[str, Any]:
    """Return a kept JSON object, each value as it came."""
    return dict(_HELD.decode(text)) if text else {}


def listed(value: Raw | None) -> list[Any]:
    """Return the elements of a kept list; something else is the one element of its list."""
    if value is None:
        return []
    raw = bytes(value)
    if raw == b"null":
        return []
    return list(_LISTED.decode(raw)) if raw.startswith(b"[") else [value]


def text(value: Raw | None) -> str:
    """Return a kept string; empty for anything else."""
    decoded = msgspec.json.decode(bytes(value)) if value is not None else ""
    return decoded if isinstance(decoded, str) else ""


def records(material: Material, scheme: str, profile: Profile) -> Iterator[dict[str, Any]]:
    """Yield the records of a media; `MediaID` is None where it is to be numbered."""
    category, told = grades(material, scheme, profile)
    for index, rest in enumerate(material.rests or ("",)):
        places = [s for s in material.sightings if s.entry == index]
        yield _record(material, rest, places, category, told)


def grades(material: Material, scheme: str, profile: Profile) -> tuple[int | None, list[str]]:
    """Return the `Category`, and the grades that it does not say, as `scheme:code`."""
    known = dict(material.imported)
    known.pop(scheme, None)
    if material.code is not None:
        known[scheme] = material.code
    for own in (profile.scheme, Model("2.0", profile.name, "cases").scheme):
        code = known.get(own, "")
        if own and code.isascii() and code.isdigit():
            del known[own]
            return int(code), [f"{name}:{code}" for name, code in sorted(known.items())]
    return None, [f"{name}:{code}" for name, code in sorted(known.items())]


def _record(
    material: Material,
    rest: str,
    places: list[SightingSaid],
    category: int | None,
    told: list[str],
) -> dict[str, Any]:
    kept = held(rest)
    md5 = (material.md5 or b"").hex().upper()
    record: dict[str, Any] = {"MediaID": kept.pop("MediaID", None)}
    ungraded = kept.pop("Category", None)
    record["Category"] = ungraded if category is None else category
    record |= {"MD5": md5, "SHA1": (material.sha1 or b"").hex().upper()}
    if material.size_bytes or material.md5 == _EMPTY_MD5:
        record["MediaSize"] = material.size_bytes
    if not rest:
        record |= _own(material)
    record |= _words(material)
    alternatives = _hashes(material, md5, own=not rest)
    alternatives += listed(kept.pop("AlternativeHashes", None))
    if alternatives:
        record["AlternativeHashes"] = alternatives
    if not rest:
        said = vics_exif.properties(material.facts, material.width, material.height)
        record["Exifs"] = [_property(md5, name, value) for name, value in said]
    metadata = listed(kept.pop("MediaMetadata", None)) + [
        _property(md5, name, value) for name, value in _metadata(material, told)
    ]
    record |= kept
    if metadata:
        record["MediaMetadata"] = metadata
    record["MediaFiles"] = [_place(place, md5) for place in places]
    return record


def _own(material: Material) -> dict[str, Any]:
    """Return what a media says that no other system told us of."""
    return {
        "MimeType": MIME.get(material.kind, "image" if material.is_picture else ""),
        "DateUpdated": iso_precise(material.first_seen_at),
        "IsPrecategorized": material.state == "known",
        "VictimIdentified": material.victim_identified,
        "OffenderIdentified": None,
        "IsDistributed": None,
        "IsSuspected": None,
        "SelfGenerated": None,
    }


def _words(material: Material) -> dict[str, str]:
    return {
        "Series": ", ".join(name for name in material.series if _listable(name)),
        "Tags": ", ".join(name for name in material.tags if _listable(name)),
        "Comments": "\n\n".join(note for _, note in material.notes),
    }


def _listable(name: str) -> bool:
    return "," not in name and name == name.strip()


def _metadata(material: Material, told: list[str]) -> Iterator[tuple[str, str]]:
    if material.kind in MIME and not material.is_picture:
        yield UNDECODABLE, "true"
    for grade in told:
        yield GRADE, grade
    for own, listing in ((SERIES, material.series), (TAG, material.tags)):
        for name in listing:
            if not _listable(name):
                yield own, name
    for at, note in material.notes:
        yield NOTE, f"{iso_precise(at)} {note}"


def _hashes(material: Material, md5: str, *, own: bool) -> list[dict[str, str]]:
    pairs = [("SHA256", material.sha256)] + ([("PDQ", material.pdq)] if own else [])
    return [
        {"MD5": md5, "HashName": name, "HashValue": value.hex()} for name, value in pairs if value
    ]


def _property(md5: str, name: str, value: str) -> dict[str, str]:
    return {"MD5": md5, "PropertyName": name, "PropertyValue": value}


def _place(place: SightingSaid, md5: str) -> dict[str, Any]:
    kept = held(place.rest)
    name, path = names(place.path, place.inside)
    record: dict[str, Any] = {"MD5": md5}
    folded = {key.lower() for key in kept}
    if "filename" not in folded and "filepath" not in folded:
        record |= {"FileName": name, "FilePath": path}
    if place.inside:
        record[INSIDE] = list(place.inside)
    if not place.rest and place.modified_at:
        record["Written"] = iso_precise(place.modified_at)
    if "deleted" not in folded:
        record["Deleted"] = place.deleted
    if "sourceid" not in folded and place.label != NO_LABEL:
        record["SourceID"] = place.label
    return record | kept
