"""Our own CSV, version 1, and any CSV whose header names its hashes.

A plain entry (one PDQ value, one classification) stands in plain columns; what does not fit there
stands as JSON in `fingerprints`, `classifications` and `extra`, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO, TypeVar

import msgspec

from tutela.core.entry import Classification, ListEntry, Provenance, State
from tutela.core.errors import ListFormatError
from tutela.core.media import PDQ, PHOTODNA, Digests, Fingerprint
from tutela.hashlist.format import BadRow, ExportOptions, Read, Received, RowError, Written
from tutela.hashlist.formats.jsonl import ClassificationRow, FingerprintRow, json_object, one_line
from tutela.hashlist.text import named_fields, records, write_records
from tutela.hashlist.value import DIGEST_BYTES, accepted, check, digest, fingerprint, sound

VERSION = "1"
COLUMNS = (
    "v",
    "md5",
    "sha1",
    "sha256",
    "pdq",
    "pdq_quality",
    "photodna",
    "fingerprints",
    "scheme",
    "code",
    "classifications",
    "state",
    "list",
    "source",
    "row",
    "received_at",
    "received_from",
    "extra",
)
_HASHES = {"md5", "sha1", "sha256", "pdq", "photodna", "fingerprints"}
_T = TypeVar("_T")
_FINGERPRINTS = msgspec.json.Decoder(tuple[FingerprintRow, ...])
_CLASSIFICATIONS = msgspec.json.Decoder(tuple[ClassificationRow, ...])


class Csv:
    """Comma-separated values with a header line."""

    name = "csv"
    about = "Tutela's own CSV, lossless; also any CSV whose header names md5, sha1, sha256 or pdq"
    takes_algorithm = False
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file whose first line names a hash column."""
        return bool(_HASHES & set(header_of(head, ",")))

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each record after the header; `row` counts them from 1.

        Raises:
            ListFormatError: the header is missing or names no hash (`header`), or the file is of
                another version (`version`).
        """
        header: list[str] = []
        for row, fields in records(stream):
            if row == 0:
                header = _header(fields)
                continue
            if isinstance(fields, BadRow):
                yield fields
                continue
            try:
                yield from _entry(named_fields(header, fields), received, row)
            except RowError as error:
                yield error.at(row, ",".join(fields))
            except ValueError as error:
                yield RowError("field", f"a field cannot be read: {error}").at(
                    row, ",".join(fields)
                )

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write every entry whole."""
        del options
        written = Written()
        write = write_records(stream)
        write(COLUMNS)
        for entry in entries:
            write(_fields(entry))
            written.entries += 1
        return written


def header_of(head: bytes, delimiter: str) -> list[str]:
    """Return the column names in the first line of `head`, folded to one spelling."""
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    return [folded(name) for name in first.split(delimiter)]


def folded(name: str) -> str:
    """Return a column name in lower case, without quotes; `SHA-1` and `SHA 1` are `sha1`."""
    name = name.strip().strip('"').strip().lower()
    plain = name.replace("-", "").replace("_", "").replace(" ", "")
    return plain if plain in _HASHES else name


def _header(fields: list[str] | BadRow) -> list[str]:
    header = [] if isinstance(fields, BadRow) else [folded(name) for name in fields]
    if not _HASHES & set(header) or len(set(header)) < len(header):
        raise ListFormatError(
            "the first line is not a header that names a hash column, each column once",
            code="header",
            hint=f"columns of this format: {', '.join(COLUMNS)}",
        )
    return header


def _entry(row: dict[str, str], received: Received, number: int) -> Iterator[Read]:
    take = row.pop
    if take("v", VERSION) != VERSION:
        raise ListFormatError(
            f"record {number} is of another version of the format", code="version"
        )
    refused: list[RowError] = []
    entry = ListEntry(
        _provenance(row, received, number),
        _digests(row, refused),
        _fingerprints(row, refused),
        _classifications(row),
        _state(take("state", "")),
        _extra(row),
    )
    yield from accepted(check(entry), refused)


def _provenance(row: dict[str, str], received: Received, number: int) -> Provenance:
    take = row.pop
    name, source, own = take("list", ""), take("source", ""), take("row", "")
    when, sender = take("received_at", ""), take("received_from", "")
    if not when:
        given = Provenance(name, source, int(own or number), received.received_at, sender)
        return _filled(given, received.provenance(number))
    moment = datetime.fromisoformat(when)
    if moment.tzinfo is None:
        raise RowError("time", "received_at has no time zone")
    return Provenance(name, source, int(own), moment.astimezone(UTC), sender)


def _filled(given: Provenance, context: Provenance) -> Provenance:
    return Provenance(
        given.list or context.list,
        given.source or context.source,
        given.row,
        given.received_at,
        given.received_from or context.received_from,
    )


def _digests(row: dict[str, str], refused: list[RowError]) -> Digests:
    return Digests(
        **{name: sound(digest, name, row.pop(name, "").strip(), refused) for name in DIGEST_BYTES}
    )


def _fingerprints(row: dict[str, str], refused: list[RowError]) -> tuple[Fingerprint, ...]:
    quality = row.pop("pdq_quality", "").strip()
    found: list[Fingerprint | None] = []
    if plain := sound(fingerprint, PDQ, row.pop("pdq", "").strip(), refused):
        found.append(Fingerprint(PDQ, plain.bits, int(quality or 100)))
    found.append(sound(fingerprint, PHOTODNA, row.pop("photodna", "").strip(), refused))
    if text := row.pop("fingerprints", ""):
        rows = _decoded(_FINGERPRINTS, text, "fingerprints")
        found += [one.value(refused) for one in rows]
    return tuple(one for one in found if one)


def _classifications(row: dict[str, str]) -> tuple[Classification, ...]:
    scheme, code, more = (row.pop(c, "") for c in ("scheme", "code", "classifications"))
    found: tuple[Classification, ...] = ()
    if scheme or code:
        found = (Classification(scheme, code),)
    if more:
        rows = _decoded(_CLASSIFICATIONS, more, "classifications")
        found += tuple(Classification(c.scheme, c.code) for c in rows)
    return found


def _decoded(decoder: msgspec.json.Decoder[_T], text: str, column: str) -> _T:
    try:
        return decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise RowError("json", f"column {column}: {error}") from None


def _state(text: str) -> State:
    try:
        return State(text or State.ACTIVE)
    except ValueError:
        raise RowError("state", f"unknown state {text[:40]!r}") from None


def _extra(row: Mapping[str, str]) -> bytes:
    """Keep `extra`, and put columns that are not ours beside it under `csv`."""
    extra = json_object(row.get("extra", "").encode())
    foreign = {name: value for name, value in row.items() if name != "extra" and value}
    if not foreign:
        return extra
    held = msgspec.json.decode(extra, type=dict[str, msgspec.Raw]) if extra else {}
    return msgspec.json.encode(held | {"csv": foreign})


def _fields(entry: ListEntry) -> list[str | int]:
    digests, came = entry.digests, entry.provenance
    values, quality, more = _plain_pdq(entry.fingerprints)
    one = entry.classifications[0] if len(entry.classifications) == 1 else None
    plain = one is not None and bool(one.scheme or one.code)
    return [
        VERSION,
        (digests.md5 or b"").hex(),
        (digests.sha1 or b"").hex(),
        (digests.sha256 or b"").hex(),
        values,
        quality,
        "",
        msgspec.json.encode([FingerprintRow.of(f) for f in more]).decode() if more else "",
        one.scheme if one and plain else "",
        one.code if one and plain else "",
        _json_classifications(entry.classifications) if not plain else "",
        "" if entry.state is State.ACTIVE else entry.state.value,
        came.list,
        came.source,
        came.row,
        came.received_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        came.received_from,
        one_line(entry.extra).decode(),
    ]


def _plain_pdq(
    fingerprints: tuple[Fingerprint, ...],
) -> tuple[str, str, tuple[Fingerprint, ...]]:
    """Return (PDQ, quality, the rest) of fingerprints whose first is a plain PDQ value."""
    if fingerprints:
        first = fingerprints[0]
        if first == Fingerprint(PDQ, first.bits, first.quality):
            quality = "" if first.quality == 100 else str(first.quality)
            return first.bits.hex(), quality, fingerprints[1:]
    return "", "", fingerprints


def _json_classifications(classifications: tuple[Classification, ...]) -> str:
    if not classifications:
        return ""
    rows = [ClassificationRow(c.scheme, c.code) for c in classifications]
    return msgspec.json.encode(rows).decode()
