"""The places of a VICS record: what of a MediaFile is ours, and the rest exactly as it came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from tutela.casework.facts import storable
from tutela.casework.formats import vics_time
from tutela.hashlist.format import RowError
from tutela.hashlist.formats.vics_write import flag
from tutela.hashlist.value import DIGEST_BYTES

INSIDE: Final = "Tutela Inside"
FILES: Final = 200_000
# What an index of a database takes in every case.
NAME_CHARACTERS: Final = 200

_encode = msgspec.json.Encoder(decimal_format="number").encode


class File(msgspec.Struct, frozen=True):
    """One place where a media lay; `rest` is JSON text, empty where it can be made again."""

    label: str
    path: str
    inside: tuple[str, ...]
    place: bytes
    modified_at: datetime | None
    deleted: bool
    rest: str


def read(rest: dict[str, Any], digests: dict[str, bytes]) -> tuple[File, ...]:
    """Take the places out of a record; `digests` are those of its content.

    Raises:
        RowError: there are more than a record may have, or one is nested too deeply.
    """
    held = rest.get("MediaFiles")
    if not isinstance(held, list) or not all(isinstance(item, dict) for item in held):
        return ()
    if len(held) > FILES:
        raise RowError("too_long", f"a media with more than {FILES:,} places")
    rest.pop("MediaFiles")
    content = b"\0".join(digests.get(name, b"") for name in sorted(DIGEST_BYTES))
    return tuple(_file(item, content, digests) for item in held)


def _file(item: dict[str, Any], content: bytes, digests: dict[str, bytes]) -> File:
    rest = dict(item)
    if str(rest.get("MD5", "")).strip().lower() == digests.get("md5", b"").hex():
        rest.pop("MD5", None)
    name, folder = (_word(item, key) for key in ("FileName", "FilePath"))
    inside = _inside(rest)
    path = folder if inside else path_of(name, folder)
    made = names(path, inside) == (name, folder) and storable(path) == path
    if made and "FileName" in rest and "FilePath" in rest:
        rest.pop("FileName", None)
        rest.pop("FilePath", None)
    label = _word(item, "SourceID")
    if len(label) > NAME_CHARACTERS:
        label = f"{label[:160]} {hashlib.sha256(label.encode()).hexdigest()[:16]}"
    if rest.get("SourceID") == label and storable(label) == label:
        del rest["SourceID"]
    for key in ("Deleted", "Unallocated"):
        if key in rest and (read := flag(rest[key])) is not None:
            rest[key] = read
    deleted = rest.get("Deleted") is True
    if "Deleted" in rest and isinstance(rest["Deleted"], bool):
        del rest["Deleted"]
    written = item.get("Written", item.get("Modified"))
    text = text_of(rest) if rest else ""
    place = hashlib.sha256(
        content + text_of([label, path, inside, deleted, text]).encode()
    ).digest()
    return File(
        label=storable(label),
        path=storable(path),
        inside=inside,
        place=place,
        modified_at=vics_time.parse(written),
        deleted=deleted,
        rest=text,
    )


def names(path: str, inside: Sequence[str]) -> tuple[str, str]:
    """Return `FileName` and `FilePath` of a place: the folder part of the path stays with it."""
    return name_of(inside[-1] if inside else path), path


def _inside(rest: dict[str, Any]) -> tuple[str, ...]:
    """Take the way inside a container, which only our own export writes."""
    held = rest.get(INSIDE)
    if not isinstance(held, list) or not all(isinstance(part, str) for part in held):
        return ()
    del rest[INSIDE]
    return tuple(storable(part) for part in held)


def _word(item: dict[str, Any], key: str) -> str:
    if key not in item:
        key = next((other for other in item if other.lower() == key.lower()), key)
    value = item.get(key)
    return value if isinstance(value, str) else ""


def path_of(name: str, folder: str) -> str:
    """Return the whole path of a MediaFile, whether its `FilePath` has the name in it or not."""
    if not folder or not name:
        return folder or name
    if folder == name or folder.endswith(("\\" + name, "/" + name)):
        return folder
    separator = "/" if "/" in folder and "\\" not in folder else "\\"
    return folder.rstrip("\\/") + separator + name


def name_of(path: str) -> str:
    """Return the last part of a path of either kind."""
    return path.replace("\\", "/").rpartition("/")[2]


def text_of(value: object) -> str:
    """Return JSON text of a value, as it is kept."""
    try:
        return storable(_encode(value).decode())
    except (RecursionError, ValueError, msgspec.MsgspecError):
        raise RowError("too_deep", "the record is nested too deeply") from None
