r"""One Media record of a VICS case: what of it is ours, and the rest exactly as it came.

The rest is kept as JSON text, because a database would change numbers, the order of keys and what
`\u0000` means. An export writes it back. Flags are made JSON booleans wherever they say true or
false in any way; no verdict is ever derived from one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from tutela.casework.facts import columns, storable
from tutela.casework.formats import vics_exif, vics_place, vics_time
from tutela.casework.formats.vics_place import NAME_CHARACTERS, File, text_of
from tutela.core.media import PDQ, PHOTODNA
from tutela.hashlist.format import RowError
from tutela.hashlist.formats import vics_media
from tutela.hashlist.formats.vics_write import flag
from tutela.hashlist.value import DIGEST_BYTES, fingerprint, from_hex

FLAGS: Final = (
    *("IsPrecategorized", "VictimIdentified", "OffenderIdentified", "IsDistributed"),
    *("IsSuspected", "SelfGenerated"),
)
# MediaMetadata that our own export adds; an import takes them out again.
GRADE, SERIES, TAG, NOTE = "Tutela Grade", "Tutela Series", "Tutela Tag", "Tutela Note"
# A file of a picture format that shows nothing: nobody has to grade it.
UNDECODABLE = "Tutela Undecodable"
OURS: Final = frozenset((GRADE, SERIES, TAG, NOTE, UNDECODABLE))
REST_BYTES: Final = 4 << 20  # of one record, beside what we take out of it
KINDS: Final = {
    **{f"image/{kind}": kind for kind in ("jpeg", "png", "gif", "webp", "tiff", "bmp", "avif")},
    "image/jpg": "jpeg",
    "image/heic": "heif",
    "image/heif": "heif",
}

_WHOLE = re.compile(r"\d{1,18}", re.ASCII)


class Note(msgspec.Struct, frozen=True):
    """A comment; `at` is known where our own export wrote it."""

    text: str
    at: datetime | None = None


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    r"""One Media record.

    `number` is its MediaID, -1 where it has none; `codes` are grades in our words, (scheme, code).
    `relative` names the file beside, empty where there is none; `pdq` is what another system says
    of the picture, None where it says nothing or no value.
    """

    number: int
    digests: dict[str, bytes]
    size_bytes: int
    kind: str
    is_picture: bool
    width: int | None
    height: int | None
    facts: dict[str, str]
    columns: dict[str, Any]
    category: str
    codes: tuple[tuple[str, str], ...]
    series: tuple[str, ...]
    tags: tuple[str, ...]
    notes: tuple[Note, ...]
    files: tuple[File, ...]
    photodna: str
    pdq: bytes | None
    relative: str
    rest: str


def read(record: Any) -> Entry:
    """Return what a record says.

    Raises:
        RowError: it names no content, contradicts itself, or is monstrous.
    """
    if not isinstance(record, dict):
        raise RowError("not_an_object", "a record of Media is not an object")
    rest = dict(record)
    digests = _digests(rest)
    metadata = _ours(rest)
    said = _properties(rest.get("Exifs"))
    facts = {name: storable(value) for name, value in vics_exif.facts(said).items()}
    width, height = vics_exif.size(said)
    mime = rest.get("MimeType")
    mime = mime.strip().lower() if isinstance(mime, str) else ""
    photodna, pdq = _photodna(rest), _pdq(rest)
    relative = rest.get("RelativeFilePath")
    number = rest.get("MediaID")
    return Entry(
        number=number if type(number) is int and 0 <= number < 1 << 53 else -1,
        digests=digests,
        size_bytes=_size(rest),
        kind=KINDS.get(mime, ""),
        is_picture=(mime == "image" or mime.startswith("image/"))
        and all(name != UNDECODABLE for name, _ in metadata),
        width=width,
        height=height,
        facts=facts,
        columns=columns(facts.items()),
        category=_category(rest),
        codes=tuple(_codes(metadata)),
        series=_names(rest, "Series", metadata, SERIES),
        tags=_names(rest, "Tags", metadata, TAG),
        notes=_notes(rest, metadata),
        files=vics_place.read(rest, digests),
        photodna=photodna,
        pdq=pdq,
        relative=relative if isinstance(relative, str) else "",
        rest=_rest(rest),
    )


def _take(rest: dict[str, Any], key: str) -> Any:
    """Take a key out, whatever its case."""
    if key not in rest:
        key = next((other for other in rest if other.lower() == key.lower()), key)
    return rest.pop(key, None)


def _digests(rest: dict[str, Any]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for key, name in (("MD5", "md5"), ("SHA1", "sha1")):
        _add(found, name, _take(rest, key))
    held = rest.get(vics_media.ALTERNATIVES)
    if isinstance(held, list):
        kept = []
        for item in held:
            said = item.get("HashName") if isinstance(item, dict) else None
            name = said.strip().lower().replace("-", "") if isinstance(said, str) else ""
            if name in DIGEST_BYTES and set(item) <= {"MD5", "HashName", "HashValue"}:
                _add(found, name, item.get("HashValue"))
            else:
                kept.append(item)
        rest.pop(vics_media.ALTERNATIVES)
        if kept:
            rest[vics_media.ALTERNATIVES] = kept
    if not found:
        raise RowError("no_hash", "the record holds no hash")
    return found


def _add(found: dict[str, bytes], name: str, value: object) -> None:
    if value is None or value == "":
        return
    if not isinstance(value, str):
        raise RowError("type", f"{name} is not a string")
    digest = from_hex(name, value.strip(), DIGEST_BYTES[name])
    if any(digest) and found.setdefault(name, digest) != digest:
        raise RowError("contradiction", f"two different values of {name}")


def _size(rest: dict[str, Any]) -> int:
    value = rest.get("MediaSize")
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 62:
        return 0
    del rest["MediaSize"]
    return value


def _category(rest: dict[str, Any]) -> str:
    """Return the category; in a case null and 0 mean that it is not graded (and 0 is kept)."""
    try:
        code = vics_media.category(rest.get("Category"))
    except RowError:
        return ""
    if code != "0":
        rest.pop("Category", None)
    return "" if code == "0" else code


def _properties(held: object) -> list[tuple[str, str]]:
    """Return named properties in a list that is as it should be; others are passed over."""
    found = []
    for item in held if isinstance(held, list) else ():
        if not isinstance(item, dict):
            continue
        name, value = item.get("PropertyName"), item.get("PropertyValue")
        if isinstance(name, str) and isinstance(value, str):
            found.append((name, value))
    return found


def _ours(rest: dict[str, Any]) -> list[tuple[str, str]]:
    """Take the properties of our own export out of the metadata."""
    held = rest.get("MediaMetadata")
    if not isinstance(held, list):
        return []
    ours, others = split(held, OURS)
    rest.pop("MediaMetadata")
    if others:
        rest["MediaMetadata"] = others
    return ours


def split(held: list[Any], names: frozenset[str]) -> tuple[list[tuple[str, str]], list[Any]]:
    """Return the properties of these names, and everything else as it came."""
    ours: list[tuple[str, str]] = []
    others: list[Any] = []
    for item in held:
        (pair,) = _properties([item]) or [("", "")]
        if pair[0] in names and (pair[0] == NOTE or len(pair[1]) <= NAME_CHARACTERS):
            ours.append(pair)
        else:
            others.append(item)
    return ours, others


def _codes(metadata: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for name, value in metadata:
        scheme, _, code = value.partition(":")
        if name == GRADE and scheme and code:
            yield storable(scheme), storable(code)


def _names(
    rest: dict[str, Any], key: str, metadata: list[tuple[str, str]], own: str
) -> tuple[str, ...]:
    """Return a comma list, and the names that our export could not put into one."""
    value = rest.get(key)
    listed: list[str] = []
    if value is None or isinstance(value, str):
        listed = [part.strip() for part in (value or "").split(",")]
        if max(map(len, listed)) > NAME_CHARACTERS:
            listed = []  # no list of names: it stays in the rest
        else:
            rest.pop(key, None)
    listed += [value for name, value in metadata if name == own]
    return tuple(dict.fromkeys(storable(name) for name in listed if name))


def _notes(rest: dict[str, Any], metadata: list[tuple[str, str]]) -> tuple[Note, ...]:
    own = tuple(note_of(value) for name, value in metadata if name == NOTE)
    value = rest.get("Comments")
    if value is not None and not isinstance(value, str):
        return own
    rest.pop("Comments", None)
    if own or not value or not value.strip():
        return own
    return (Note(storable(value)),)


def note_of(value: str) -> Note:
    """Return the note of a property that our export wrote: a time, a blank, the text."""
    first, _, text = value.partition(" ")
    at = vics_time.parse(first)
    return Note(storable(text), at) if at else Note(storable(value))


def _photodna(rest: dict[str, Any]) -> str:
    """Return a PhotoDNA value for counting; it stays in the rest, and is never compared."""
    for value in [rest.get("PhotoDNA"), *_alternatives(rest, PHOTODNA)]:
        if isinstance(value, str) and value.strip():
            try:
                return fingerprint(PHOTODNA, value.strip()).bits.hex()
            except RowError as error:
                return error.code
    return ""


def _pdq(rest: dict[str, Any]) -> bytes | None:
    """Return the first PDQ value that is one; it stays in the rest."""
    for value in _alternatives(rest, PDQ):
        if isinstance(value, str):
            try:
                return fingerprint(PDQ, value.strip()).bits
            except RowError:
                continue
    return None


def _alternatives(rest: dict[str, Any], name: str) -> list[object]:
    held = rest.get(vics_media.ALTERNATIVES)
    return [
        item.get("HashValue")
        for item in (held if isinstance(held, list) else ())
        if isinstance(item, dict) and str(item.get("HashName")).strip().lower() == name
    ]


def _rest(rest: dict[str, Any]) -> str:
    for key in FLAGS:
        if key in rest and (read := flag(rest[key])) is not None:
            rest[key] = read
    text = text_of(rest)
    if len(text) > REST_BYTES:
        raise RowError("too_long", f"the record carries more than {REST_BYTES:,} bytes")
    return text
