"""One hash per line: MD5, SHA-1, SHA-256 or PDQ in hexadecimal; `type hash`; or `hash  name`.

The second form is what python-threatexchange's local_file exchange reads and writes; the third is
what md5sum, sha1sum and sha256sum print (GNU coreutils manual, "md5sum invocation").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tutela.core.entry import ListEntry, State
from tutela.core.errors import ListFormatError
from tutela.hashlist.format import (
    ExportOptions,
    Read,
    Received,
    Remark,
    RowError,
    Written,
    way_out,
)
from tutela.hashlist.text import decoded, lines, too_long
from tutela.hashlist.value import ALGORITHMS, DIGEST_BYTES, values

_BY_LENGTH = {32: "md5", 40: "sha1"}
_AMBIGUOUS = 64  # digits of both SHA-256 and PDQ
# Two spaces, or a space and an asterisk, then a name of any bytes; a backslash says that the name
# is escaped. No tool prints PDQ so: 64 digits before a name are SHA-256.
_CHECKSUM = re.compile(
    rb"\\?([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{64}) [ *][^\0]*[^\0\s][^\0]*"
)
_CHECKSUM_ALGORITHM = _BY_LENGTH | {_AMBIGUOUS: "sha256"}
_SAMPLE_LINES = 8


class Lines:
    """Hashes of one algorithm, one on each line; blank lines and lines with # are no rows."""

    name = "lines"
    about = "one hash per line, `type hash`, or what md5sum, sha1sum and sha256sum print"
    takes_algorithm = True
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file whose first lines end in long hexadecimal words."""
        sample = [line for line in head.split(b"\n")[:_SAMPLE_LINES] if _is_row(line)]
        return not head.strip() or any(
            _CHECKSUM.match(line) or _ends_in_hash(line.split()) for line in sample
        )

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each line; `row` is the line number.

        Raises:
            ListFormatError: 64 digits stand alone and no algorithm is given
                (`ambiguous_algorithm`).
        """
        for row, line in lines(stream):
            if line is None:
                yield too_long().at(row, "")
                continue
            if not _is_row(line):
                continue
            try:
                checksum = _CHECKSUM.fullmatch(line)
                if checksum:
                    text = checksum[1].decode("ascii")
                    algorithm = received.algorithm or _CHECKSUM_ALGORITHM[len(text)]
                else:
                    algorithm, text = _parse(decoded(line).strip(), received.algorithm)
                digests, fingerprints = values(algorithm, text)
            except RowError as error:
                yield error.at(row, line)
                continue
            if checksum:
                yield Remark("file names beside hashes, left out")
            yield ListEntry(received.provenance(row), digests, fingerprints)

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write the values of one algorithm, or every value as `type hash` when none is named."""
        written = Written()
        for entry in entries:
            if entry.state is not State.ACTIVE:
                written.lost["withdrawn entry"] += 1
                continue
            rows = [
                (algorithm, text)
                for algorithm, text in _values(entry)
                if options.algorithm in ("", algorithm)
            ]
            if not rows:
                written.lost["entry without this algorithm"] += 1
                continue
            for algorithm, text in rows:
                line = text if options.algorithm else f"{algorithm} {text}"
                stream.write(line.encode() + b"\n")
            written.entries += 1
            written.lost.update(_lost(entry, len(rows)))
        return written


def _parse(text: str, algorithm: str) -> tuple[str, str]:
    kind, _, value = text.partition(" ")
    if value:
        kind, value = kind.lower().replace("-", ""), value.strip()
        if kind not in ALGORITHMS:
            raise RowError("unknown_type", f"unknown type of hash {kind[:40]!r}")
        if algorithm not in ("", kind):
            raise RowError("other_type", f"the line says {kind}, the import says {algorithm}")
        return kind, value
    if algorithm:
        return algorithm, text
    if len(text) == _AMBIGUOUS and _is_hex(text.encode("utf-8", "replace")):
        raise ListFormatError(
            "64 hexadecimal digits can be SHA-256 or PDQ, and the file does not say which",
            code="ambiguous_algorithm",
            hint=way_out("--algorithm sha256 (or --algorithm pdq)"),
        )
    if len(text) not in _BY_LENGTH:
        raise RowError("wrong_length", f"no hash has {len(text)} characters")
    return _BY_LENGTH[len(text)], text


def _values(entry: ListEntry) -> Iterator[tuple[str, str]]:
    for name in DIGEST_BYTES:
        value = getattr(entry.digests, name)
        if value:
            yield name, value.hex()
    for found in entry.fingerprints:
        if found.algorithm in ALGORITHMS:
            yield found.algorithm, found.bits.hex()


def _lost(entry: ListEntry, rows: int) -> Iterator[str]:
    """Name what a line does not carry; a row each, so an entry of several hashes falls apart."""
    yield "provenance"
    if entry.classifications:
        yield "classification"
    if entry.extra:
        yield "extra"
    if rows > 1:
        yield "link between the hashes of one entry"
    digests = sum(getattr(entry.digests, name) is not None for name in DIGEST_BYTES)
    if digests + len(entry.fingerprints) > rows:
        yield "hash of another algorithm"


def _is_row(line: bytes) -> bool:
    line = line.strip()
    return bool(line) and not line.startswith(b"#")


def _ends_in_hash(words: list[bytes]) -> bool:
    return len(words) in (1, 2) and len(words[-1]) in (32, 40, 64) and _is_hex(words[-1])


def _is_hex(word: bytes) -> bool:
    return not word.strip(b"0123456789abcdefABCDEF")
