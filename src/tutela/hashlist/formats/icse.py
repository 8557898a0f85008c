"""INTERPOL ICSE hash export: semicolons, MD5, SHA-1, PhotoDNA in hexadecimal, and a baseline flag.

Read only; the layout is the one that IPED's hash database reads (HashDBTool, "ICSE").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import msgspec

from tutela.core.entry import Classification, ListEntry
from tutela.core.errors import ListFormatError, UsageError
from tutela.core.media import PHOTODNA, Digests, Fingerprint
from tutela.hashlist.format import (
    BadRow,
    ExportOptions,
    Read,
    Received,
    Remark,
    RowError,
    Written,
)
from tutela.hashlist.formats.csv import folded, header_of
from tutela.hashlist.text import named_fields, records
from tutela.hashlist.value import accepted, digest, photodna, sound

SCHEME = "interpol-baseline"
_NEEDED = {"md5", "baseline"}
_CODES = dict.fromkeys(("y", "yes", "t", "true", "1"), "baseline") | dict.fromkeys(
    ("n", "no", "f", "false", "0"), "not-baseline"
)


class Icse:
    """Semicolon-separated values of ICSE."""

    name = "icse"
    about = "INTERPOL ICSE hash export (CSV with semicolons), read only"
    takes_algorithm = False
    writable = False

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file whose header has MD5 and Baseline between semicolons."""
        return set(header_of(head, ";")) >= _NEEDED

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each record after the header; `row` counts them from 1.

        Raises:
            ListFormatError: the header is not that of ICSE (`header`).
        """
        header: list[str] = []
        for row, fields in records(stream, ";"):
            if row == 0:
                header = [] if isinstance(fields, BadRow) else [folded(name) for name in fields]
                if not set(header) >= _NEEDED or len(set(header)) < len(header):
                    raise ListFormatError("the header is not that of ICSE", code="header")
                continue
            if isinstance(fields, BadRow):
                yield fields
                continue
            try:
                yield from _entry(named_fields(header, fields), received, row)
            except RowError as error:
                yield error.at(row, ";".join(fields))

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Refuse: only INTERPOL writes this format."""
        del entries, stream, options
        raise UsageError("the format icse can only be read", code="read_only")


def _entry(row: dict[str, str], received: Received, number: int) -> Iterator[Read]:
    refused: list[RowError] = []
    digests = Digests(
        **{
            name: sound(digest, name, row.pop(name, "").strip(), refused)
            for name in ("md5", "sha1")
        }
    )
    fingerprints: tuple[Fingerprint, ...] = ()
    if value := row.get("photodna", "").strip():
        try:
            fingerprints = (Fingerprint(PHOTODNA, photodna(value)),)
            del row["photodna"]
        except RowError as error:
            yield Remark(f"PhotoDNA values refused ({error.code}), kept as text")
    classifications: tuple[Classification, ...] = ()
    code = _CODES.get(row.get("baseline", "").strip().lower())
    if code:
        classifications = (Classification(SCHEME, code),)
    rest = {name: value for name, value in row.items() if value}
    extra = msgspec.json.encode({"icse": rest}) if rest else b""
    entry = ListEntry(
        received.provenance(number), digests, fingerprints, classifications, extra=extra
    )
    yield from accepted(entry, refused)
