"""python-threatexchange's files: CSV with a header, and the `simple.<TYPE>.te` dataset.

Layouts as version 1.2.17 writes them: `dataset -P --csv` (signal_type, signal_str, collab,
category, tags), `api fb_threatexchange query`
(any of its columns, among them indicator and type), and
`CliIndicatorSerialization.store` (indicator, descriptor id, added on, labels; no header, one type
for each file, which the file's name says).

An indicator marked as a negative example (NEGATIVE_CLASS, NON_MALICIOUS, false_positive) is kept as
withdrawn: it never matches.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from tutela.core.entry import ListEntry, Provenance, State
from tutela.core.errors import ListFormatError, UsageError
from tutela.core.media import PDQ, PHOTODNA, Digests, Fingerprint
from tutela.hashlist.format import BadRow, ExportOptions, Received, RowError, Written
from tutela.hashlist.formats.csv import header_of
from tutela.hashlist.text import named_fields, records, write_records
from tutela.hashlist.value import DIGEST_BYTES, values

# ThreatExchange indicator types and pytx signal names, and the algorithm that they name.
TYPES = {
    "HASH_PDQ": PDQ,
    "HASH_MD5": "md5",
    "HASH_SHA1": "sha1",
    "HASH_SHA256": "sha256",
    "HASH_VIDEO_MD5": "md5",
    "HASH_VIDEO_SHA256": "sha256",
    "HASH_PHOTODNA": PHOTODNA,
    "PDQ": PDQ,
    "VIDEO_MD5": "md5",
    "VIDEO_SHA256": "sha256",
    "PHOTODNA": PHOTODNA,
}
_WRITTEN = {
    "md5": "HASH_MD5",
    "sha1": "HASH_SHA1",
    "sha256": "HASH_SHA256",
    PDQ: "HASH_PDQ",
    PHOTODNA: "HASH_PHOTODNA",
}
_NEGATIVE = {"NEGATIVE_CLASS", "NON_MALICIOUS"}
_HEADERS = (("indicator", "type"), ("signal_str", "signal_type"))
_TE_NAME = re.compile(r"simple\.([^.]+)\.te$")
_FIELDS = ["indicator", "descriptor_id", "added_on", "tags"]
_HMA_FIELDS = ["indicator", "indicator_id", "descriptor_id", "added_on", "tags"]


class Csv:
    """ThreatExchange CSV with a header."""

    name = "threatexchange"
    about = "CSV of python-threatexchange (`dataset --csv` or `query`)"
    takes_algorithm = False
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file whose header names an indicator and its type."""
        return _columns(header_of(head, ",")) is not None

    def read(self, stream: BinaryIO, received: Received) -> Iterator[ListEntry | BadRow]:
        """Yield one entry for each record after the header; `row` counts them from 1.

        Raises:
            ListFormatError: the header names no indicator and type (`header`).
        """
        header: list[str] = []
        columns = ("", "")
        for row, fields in records(stream):
            if row == 0:
                header = fields if isinstance(fields, list) else []
                found = _columns(header)
                if found is None:
                    raise ListFormatError(
                        "the header names no indicator and type",
                        code="header",
                        hint="columns are indicator,type or signal_str,signal_type, and more",
                    )
                columns = found
                continue
            if isinstance(fields, BadRow):
                yield fields
                continue
            try:
                rest = named_fields(header, fields)
                indicator, kind = rest.pop(columns[0]), rest.pop(columns[1])
                yield _entry(indicator, kind, rest, received, row)
            except RowError as error:
                yield error.at(row, ",".join(fields))

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write one row for each hash: indicator, type, status and tags, as `query` does."""
        written = Written()
        write = write_records(stream)
        write(("indicator", "type", "status", "tags"))
        for entry in entries:
            status = "MALICIOUS" if entry.state is State.ACTIVE else "NON_MALICIOUS"
            rows = list(_indicators(entry, options.algorithm))
            for algorithm, value in rows:
                write((value, _WRITTEN[algorithm], status, " ".join(_tags(entry))))
            _account(written, entry, len(rows))
        return written


class Dataset:
    """The `simple.<TYPE>.te` file of one indicator type, without a header."""

    name = "te"
    about = "dataset file of python-threatexchange, simple.<TYPE>.te"
    takes_algorithm = True
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file by its name alone: the content does not say its type."""
        return _TE_NAME.search(name) is not None

    def read(self, stream: BinaryIO, received: Received) -> Iterator[ListEntry | BadRow]:
        """Yield one entry for each record; `row` counts them from 1.

        Raises:
            ListFormatError: neither the file's name nor the import says the type (`no_type`).
        """
        match = _TE_NAME.search(received.source)
        kind = received.algorithm or (match[1] if match else "")
        if not kind:
            raise ListFormatError(
                "the type of the indicators is in the file's name, which is another",
                code="no_type",
                hint="name it simple.HASH_PDQ.te, or say --algorithm pdq",
            )
        for before, fields in records(stream):
            row = before + 1
            if isinstance(fields, BadRow):
                yield msgspec.structs.replace(fields, row=row)
                continue
            try:
                rest = named_fields(_HMA_FIELDS if len(fields) == 5 else _FIELDS, fields)
                yield _entry(rest.pop("indicator"), kind, rest, received, row)
            except RowError as error:
                yield error.at(row, ",".join(fields))

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write the values of one algorithm; raise UsageError when none is named."""
        if options.algorithm not in _WRITTEN:
            raise UsageError(
                "a .te file holds one type of hash",
                code="no_type",
                hint=f"say --algorithm; one of {', '.join(_WRITTEN)}",
            )
        written = Written()
        write = write_records(stream)
        for number, entry in enumerate(entries):
            tags = _tags(entry)
            if entry.state is not State.ACTIVE and "false_positive" not in tags:
                tags.append("false_positive")
            rest = _own(entry)
            known = str(rest.get("descriptor_id", number)), str(rest.get("added_on", ""))
            rows = list(_indicators(entry, options.algorithm))
            for _, value in rows:
                write((value, *known, " ".join(tags)))
            _account(written, entry, len(rows))
        return written


def _columns(header: list[str]) -> tuple[str, str] | None:
    return next((pair for pair in _HEADERS if set(pair) <= set(header)), None)


def _entry(
    indicator: str, kind: str, rest: dict[str, str], received: Received, row: int
) -> ListEntry:
    algorithm = TYPES.get(kind.upper(), kind if kind in _WRITTEN else "")
    if not algorithm:
        raise RowError("unknown_type", f"{kind[:40]!r} is not a hash of a picture or file")
    return said_of(values(algorithm, indicator.strip()), kind, rest, received.provenance(row))


def said_of(
    values: tuple[Digests, tuple[Fingerprint, ...]],
    kind: str,
    rest: dict[str, str],
    provenance: Provenance,
) -> ListEntry:
    """Return the entry of an indicator of the type `kind`, with what else is said of it."""
    verdict = {rest.get("category", ""), rest.get("status", "")}
    withdrawn = verdict & _NEGATIVE or "false_positive" in rest.get("tags", "").split(" ")
    kept = {name: value for name, value in rest.items() if value} | {"type": kind}
    return ListEntry(
        provenance,
        *values,
        state=State.WITHDRAWN if withdrawn else State.ACTIVE,
        extra=msgspec.json.encode({"threatexchange": kept}),
    )


def _indicators(entry: ListEntry, algorithm: str) -> Iterator[tuple[str, str]]:
    for name in DIGEST_BYTES:
        value = getattr(entry.digests, name)
        if value and algorithm in ("", name):
            yield name, value.hex()
    for found in entry.fingerprints:
        if found.algorithm in _WRITTEN and algorithm in ("", found.algorithm):
            yield found.algorithm, found.bits.hex()


def _own(entry: ListEntry) -> dict[str, object]:
    if b'"threatexchange"' not in entry.extra:
        return {}
    held = msgspec.json.decode(entry.extra).get("threatexchange")
    return held if isinstance(held, dict) else {}


def _tags(entry: ListEntry) -> list[str]:
    return [tag for tag in str(_own(entry).get("tags", "")).split(" ") if tag]


def _account(written: Written, entry: ListEntry, rows: int) -> None:
    if not rows:
        written.lost["entry without this type of hash"] += 1
        return
    written.entries += 1
    written.lost["provenance"] += 1
    if entry.classifications:
        written.lost["classification"] += 1
    if rows > 1:
        written.lost["link between the hashes of one entry"] += 1
    digests = sum(getattr(entry.digests, name) is not None for name in DIGEST_BYTES)
    if digests + len(entry.fingerprints) > rows:
        written.lost["hash of another type"] += 1
