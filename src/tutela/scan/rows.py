r"""Rows: what a scan says, one dictionary a row, version 1 (docs/reference/rows.md).

Names from evidence are bytes and may be hostile. `path` and `inside` hold them as text, with
`\xNN` for bytes that are not UTF-8; then `path_base64` or `inside_base64` holds the exact bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from tutela.core.entry import Role
from tutela.core.hit import Hit, Strength
from tutela.core.media import Digests
from tutela.core.time import iso
from tutela.scan.journal import Recorded
from tutela.scan.wire import Status

VERSION = 1
TYPES = {Status.HASHED: "file", Status.SKIPPED: "skipped", Status.FAILED: "failed"}

# Every field that a row may have, in the order of a table's columns.
COLUMNS = (
    *("v", "type", "path", "inside", "size_bytes", "reason", "detail", "kind"),
    *("md5", "sha1", "sha256", "pdq", "quality", "modified"),
    *("list", "role", "strength", "algorithm", "distance_bits", "variant", "frame"),
    *("classification", "entry", "silenced", "path_base64", "inside_base64"),
    *("seen", "hashed", "skipped", "failed", "media", "pictures", "hits"),
    *("contents_with_alerts", "hits_by_list", "reasons"),
)

# How a query picture lies to the listed one, in a person's words.
TURNS = {
    "rotate90": "turned left",
    "rotate180": "turned upside down",
    "rotate270": "turned right",
    "flipx": "flipped upside down",
    "flipy": "mirrored",
    "transpose": "mirrored and turned left",
    "transverse": "mirrored and turned right",
}

DIGESTS = ("sha256", "sha1+md5", "sha1", "md5")

Row = dict[str, Any]


def rows_of(recorded: Recorded) -> Iterator[Row]:
    """Yield the row of one content, then a row for each of its hits."""
    place = _place(recorded)
    yield _content_row(recorded, place)
    quiet = silenced(recorded.hits)
    for hit in recorded.hits:
        yield _hit_row(recorded, hit, place, silent=quiet and hit.role is Role.ALERT)


def silenced(hits: list[Hit]) -> bool:
    """Tell whether an ignorable or allow list silences the alerts of a content.

    It does (by SHA-256 only, which matching has seen to) unless an alert is exact.
    """
    exact_alert = any(h.role is Role.ALERT and h.strength is Strength.EXACT for h in hits)
    return not exact_alert and any(h.role is not Role.ALERT for h in hits)


def alerts(hits: list[Hit]) -> list[Hit]:
    """Return the hits that ask for a person: alerts that are not silenced."""
    return [] if silenced(hits) else [hit for hit in hits if hit.role is Role.ALERT]


def text_of(name: bytes) -> str:
    r"""Return a name as text for data: UTF-8, with `\xNN` for bytes that are not."""
    return name.decode("utf-8", "backslashreplace")


def shown(text: str) -> str:
    """Return text for a person's eyes: control and direction characters are spelled out.

    A hostile file name must not move the cursor, recolour the terminal or reverse its ending.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown_match(row: Mapping[str, Any]) -> str:
    """Return how a hit came about, for a person's eyes: `pdq, 6 bits, mirrored`."""
    parts = [row["algorithm"]]
    if row["algorithm"] not in DIGESTS:
        parts.append(f"{row['distance_bits']} bits")
    if row["variant"] in TURNS:
        parts.append(TURNS[row["variant"]])
    if row["frame"]:
        parts.append(f"frame {row['frame']}")
    return ", ".join(parts)


def shown_place(row: Mapping[str, Any]) -> str:
    """Return a row's place for a person's eyes: the path, and the way inside it."""
    return shown(" > ".join([row["path"], *row.get("inside", ())]))


def _place(recorded: Recorded) -> Row:
    path, inside = recorded.found.path, recorded.outcome.inside
    place: Row = {"path": text_of(path), "inside": [text_of(name) for name in inside]}
    if not _is_utf8(path):
        place["path_base64"] = base64.b64encode(path).decode()
    if not all(_is_utf8(name) for name in inside):
        place["inside_base64"] = [base64.b64encode(name).decode() for name in inside]
    return place


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _content_row(recorded: Recorded, place: Row) -> Row:
    outcome = recorded.outcome
    row: Row = {"v": VERSION, "type": TYPES[outcome.status], **place}
    row["size_bytes"] = outcome.size_bytes
    if outcome.reason:
        row["reason"] = outcome.reason
    if outcome.reason or outcome.detail:
        row["detail"] = outcome.detail
    row["kind"] = outcome.kind
    row |= _digest_fields(outcome.digests)
    first = next((f for f in outcome.fingerprints if f.variant == "original" and not f.frame), None)
    if first is not None:
        row[first.algorithm] = first.bits.hex()
        row["quality"] = first.quality
    if outcome.modified is not None:
        row["modified"] = iso(outcome.modified)
    return row


def _digest_fields(digests: Digests) -> Row:
    return {
        name: value.hex()
        for name in ("md5", "sha1", "sha256")
        if (value := getattr(digests, name)) is not None
    }


def _hit_row(recorded: Recorded, hit: Hit, place: Row, *, silent: bool) -> Row:
    source = hit.entry.provenance
    row: Row = {"v": VERSION, "type": "hit", **place}
    row |= _digest_fields(Digests(sha256=recorded.outcome.digests.sha256))
    row |= {
        "list": hit.list,
        "role": hit.role.value,
        "strength": hit.strength.value,
        "algorithm": hit.algorithm,
        "distance_bits": hit.distance_bits,
        "variant": hit.variant,
        "frame": hit.frame,
        "classification": [{"scheme": c.scheme, "code": c.code} for c in hit.entry.classifications],
        "entry": {
            "number": hit.entry_number,
            "source": source.source,
            "row": source.row,
            "received_at": iso(source.received_at),
            "received_from": source.received_from,
        },
    }
    if silent:
        row["silenced"] = True
    return row
