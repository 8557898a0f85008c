"""One Media record of a VICS file, as a list entry.

What is ours (hashes, PhotoDNA, category) is taken out; every other key stays in `extra` under
`vics` as it came, so that an export gives it back. Flags are not interpreted: a file may set
`IsPrecategorized` on everything, so no verdict is ever derived from one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec

from tutela.core.entry import Classification, ListEntry
from tutela.core.media import PDQ, PHOTODNA, Digests, Fingerprint
from tutela.hashlist.format import QUARANTINE_TEXT, Read, Received, Remark, RowError
from tutela.hashlist.formats.vics_model import Model
from tutela.hashlist.value import DIGEST_BYTES, EXTRA_LIMIT, accepted, digest, fingerprint, sound

# Python refuses to read numbers of thousands of digits, and a category is none.
_NUMBER = re.compile(r"\d{1,10}", re.ASCII)
ALTERNATIVES = "AlternativeHashes"
_ENCODER = msgspec.json.Encoder(decimal_format="number")
# Names of alternative hashes, folded, and what they are to us.
_NAMES = {"md5": "md5", "sha1": "sha1", "sha256": "sha256", "photodna": PHOTODNA, "pdq": PDQ}


def read(record: Any, model: Model, received: Received, row: int) -> Iterator[Read]:
    """Yield the entry of one record, and remarks on what of it was left aside.

    Raises:
        RowError: the record names no content, contradicts itself, or is an ungraded case medium.
    """
    if not isinstance(record, dict):
        raise RowError("not_an_object", "a record of value is not an object")
    rest = record.copy()
    code = category(_take(rest, "Category"))
    if model.kind == "cases" and code in ("", "0"):
        raise RowError("not_graded", "the medium of a case carries no grade, so it lists nothing")
    refused: list[RowError] = []
    digests: dict[str, bytes] = {}
    for key, name in (("MD5", "md5"), ("SHA1", "sha1"), ("SHA256", "sha256")):
        value = sound(digest, name, _text(_take(rest, key), key), refused)
        if value:
            digests[name] = value
    found: list[Fingerprint] = []
    if "PhotoDNA" in rest:
        yield from _photodna(rest, "PhotoDNA", found)
    if rest.get(ALTERNATIVES):
        yield from _alternatives(rest, digests, found, refused)
    entry = ListEntry(
        received.provenance(row),
        Digests(**digests),
        tuple(found),
        (Classification(model.scheme, code),) if code else (),
        extra=_extra(rest),
    )
    yield from accepted(entry, refused)


def excerpt(record: Any) -> bytes:
    """Return the beginning of a record as JSON, for the quarantine."""
    if isinstance(record, dict):
        record = {key: record[key] for key in list(record)[:32]}
    try:
        return _ENCODER.encode(record)[: 4 * QUARANTINE_TEXT]
    except (RecursionError, ValueError, msgspec.MsgspecError):
        return b""


def _take(rest: dict[str, Any], key: str) -> Any:
    """Take a key out of a record, whatever its case: writers differ (`Md5`, `sourceID`)."""
    if key not in rest:
        key = next((k for k in rest if k.lower() == key.lower()), key)
    return rest.pop(key, None)


def _text(value: Any, key: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError("type", f"{key} is not a string")
    return value.strip()


def category(value: Any) -> str:
    """Return a category as its number; empty for null, absent and empty; or raise RowError."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return ""
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value() and value < 1 << 31:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise RowError("category", f"Category is not a number: {str(value)[:40]!r}")
    return str(value)


def _photodna(holder: dict[str, Any], key: str, found: list[Fingerprint]) -> Iterator[Remark]:
    """Move a PhotoDNA value to `found`; one that is none stays, a placeholder goes."""
    value = holder.get(key)
    if value is None or value == "":
        return
    try:
        new = fingerprint(PHOTODNA, _text(value, key))
    except RowError as error:
        if error.code == "placeholder":
            del holder[key]
            yield Remark("PhotoDNA placeholders of one repeated byte, left out")
        else:
            yield Remark(f"PhotoDNA values refused ({error.code}), kept as text")
        return
    del holder[key]
    if new not in found:
        found.append(new)


def _alternatives(
    rest: dict[str, Any],
    digests: dict[str, bytes],
    found: list[Fingerprint],
    refused: list[RowError],
) -> Iterator[Remark]:
    """Read the alternative hashes that are ours; the others stay as they came."""
    held = rest[ALTERNATIVES]
    if not isinstance(held, list):
        return
    kept = []
    for item in held:
        name = _name(item)
        if name == PHOTODNA:
            item = item.copy()  # noqa: PLW2901 - the record itself is still wanted as it came
            yield from _photodna(item, "HashValue", found)
            if "HashValue" not in item:
                continue
        elif name in DIGEST_BYTES:
            value = sound(digest, name, _text(item.get("HashValue"), "HashValue"), refused)
            if value and digests.setdefault(name, value) != value:
                raise RowError("contradiction", f"two different values of {item['HashName']}")
            continue
        elif name == PDQ and item.get("HashValue"):
            new = sound(fingerprint, PDQ, _text(item["HashValue"], "HashValue"), refused)
            if new:
                found.append(new)
            continue
        kept.append(item)
    if kept:
        rest[ALTERNATIVES] = kept
    else:
        del rest[ALTERNATIVES]


def _name(item: Any) -> str:
    if not isinstance(item, dict) or not isinstance(item.get("HashName"), str):
        return ""
    return _NAMES.get(item["HashName"].strip().lower().replace("-", ""), "")


def _extra(rest: dict[str, Any]) -> bytes:
    if not rest:
        return b""
    try:
        extra = _ENCODER.encode({"vics": rest})
    except RecursionError:
        raise RowError("too_deep", "the record is nested too deeply") from None
    if len(extra) > EXTRA_LIMIT:
        raise RowError("too_long", f"the record carries more than {EXTRA_LIMIT} bytes")
    return extra
