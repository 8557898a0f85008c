"""Writing a VICS hash set as strict readers want it.

IPED compares the context letter for letter, wants it first and `value` second and nothing else, and
takes a category only as a JSON integer.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from tutela.core.entry import Classification, ListEntry, State
from tutela.core.media import PDQ, PHOTODNA, Fingerprint
from tutela.hashlist.format import ExportOptions, Written
from tutela.hashlist.formats.vics_media import ALTERNATIVES
from tutela.hashlist.formats.vics_model import Model
from tutela.hashlist.model import UNCLASSIFIED

_FLAGS = (
    "IsPrecategorized",
    "VictimIdentified",
    "OffenderIdentified",
    "IsDistributed",
    "IsSuspected",
    "SelfGenerated",
)
_TRUE = (True, "true", "1")
_FALSE = (False, "false", "0")
_OURS = ("MediaID", "Category", "MD5", "SHA1", "PhotoDNA")


class _Held(msgspec.Struct):
    """What an entry of a VICS file carries beside our fields, each value as it came."""

    vics: dict[str, msgspec.Raw] = {}


_HELD = msgspec.json.Decoder(_Held)


def write(entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions) -> Written:
    """Write the hash set; see `Vics.write`."""
    model = Model.to_write(options.model, options.profile, options.schemes)
    key, context = model.root
    encode = msgspec.json.Encoder().encode
    stream.write(f'{{"{key}":"{context}","value":['.encode())
    written = Written()
    for number, entry in enumerate(entries, 1):
        if entry.state is not State.ACTIVE:
            written.lost["withdrawn entry"] += 1
            continue
        stream.write(b",\n" if written.entries else b"\n")
        stream.write(encode(_media(entry, number, model, written)))
        written.entries += 1
    stream.write(b"\n]}\n")
    return written


def flag(value: object) -> bool | None:
    """Read a VICS flag: JSON booleans, strings in any case, 1 and 0; None for anything else."""
    if isinstance(value, str):
        value = value.strip().lower()
    if value in _TRUE:
        return True
    return False if value in _FALSE else None


def _media(entry: ListEntry, number: int, model: Model, written: Written) -> dict[str, Any]:
    written.lost["provenance"] += 1
    held = _HELD.decode(entry.extra).vics if entry.extra else {}
    if entry.extra and not held:
        written.lost["extra of another format"] += 1
    digests = entry.digests
    media: dict[str, Any] = {
        "MediaID": held.get("MediaID", number),
        "Category": _category(entry.classifications, model, written),
        "MD5": (digests.md5 or b"").hex().upper(),
    }
    if digests.sha1:
        media["SHA1"] = digests.sha1.hex().upper()
    more = [("SHA256", digests.sha256.hex())] if digests.sha256 else []
    for found in entry.fingerprints:
        _fingerprint(found, model, media, more, written)
    for key, value in held.items():
        if key not in _OURS:
            media[key] = _flag(value) if key in _FLAGS else value
    if "PhotoDNA" in held:
        media.setdefault("PhotoDNA", held["PhotoDNA"])
    if more:
        media[ALTERNATIVES] = _kept(held) + [
            {"MD5": media["MD5"], "HashName": name, "HashValue": value} for name, value in more
        ]
    return media


def _category(
    classifications: tuple[Classification, ...], model: Model, written: Written
) -> int | None:
    """Return the number under the very scheme that is written; no other is translated."""
    numbers = [int(c.code) for c in classifications if c.scheme == model.scheme]
    graded = [c for c in classifications if c != UNCLASSIFIED]
    if len(graded) > len(numbers[:1]):
        written.lost["classification of another scheme"] += 1
    return numbers[0] if numbers else None


def _fingerprint(
    found: Fingerprint,
    model: Model,
    media: dict[str, Any],
    more: list[tuple[str, str]],
    written: Written,
) -> None:
    if found.variant != "original" or found.frame or found.algorithm not in (PDQ, PHOTODNA):
        written.lost["fingerprint of another kind"] += 1
    elif found.algorithm == PDQ:
        more.append(("PDQ", found.bits.hex()))
        if found.quality != 100:
            written.lost["PDQ quality"] += 1
    else:
        text = base64.b64encode(found.bits).decode()
        if model.version == "2.0" and "PhotoDNA" not in media:
            media["PhotoDNA"] = text
        else:
            more.append(("PhotoDNA", text))


def _kept(held: dict[str, msgspec.Raw]) -> list[Any]:
    kept: Any = msgspec.json.decode(held[ALTERNATIVES]) if ALTERNATIVES in held else []
    return kept if isinstance(kept, list) else [kept]


def _flag(value: msgspec.Raw) -> object:
    read = flag(msgspec.json.decode(value))
    return value if read is None else str(read).lower()
