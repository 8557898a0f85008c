"""Our own JSON Lines, version 1: one entry on each line, nothing lost on the way there and back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Literal

import msgspec

from tutela.core.entry import Classification, ListEntry, Provenance, State
from tutela.core.media import Digests, Fingerprint
from tutela.hashlist.format import ExportOptions, Read, Received, RowError, Written
from tutela.hashlist.text import lines, too_long
from tutela.hashlist.value import accepted, check, digest, fingerprint, sound

VERSION = 1
_SIGNS = (re.compile(rb'"type"\s*:\s*"entry"'), re.compile(rb'"v"\s*:'))


class FingerprintRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A fingerprint as written: its bits in hexadecimal."""

    algorithm: str
    bits: str
    quality: int = 100
    variant: str = "original"
    frame: int = 0

    @classmethod
    def of(cls, found: Fingerprint) -> FingerprintRow:
        """Return the row of a fingerprint."""
        return cls(found.algorithm, found.bits.hex(), found.quality, found.variant, found.frame)

    def value(self, refused: list[RowError]) -> Fingerprint | None:
        """Return the fingerprint, None if it joins the `refused`, or raise RowError."""
        if not self.bits:
            raise RowError("wrong_length", f"{self.algorithm} has no bits")
        plain = sound(fingerprint, self.algorithm, self.bits, refused)
        if plain is None:
            return None
        return Fingerprint(self.algorithm, plain.bits, self.quality, self.variant, self.frame)


class ProvenanceRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where the entry came from before this file; a missing row says: from this file."""

    list: str
    source: str
    row: int
    received_at: datetime
    received_from: str = ""

    def value(self) -> Provenance:
        """Return the provenance, or raise RowError when its time has no zone."""
        if self.received_at.tzinfo is None:
            raise RowError("time", "received_at has no time zone")
        when = self.received_at.astimezone(UTC)
        return Provenance(self.list, self.source, self.row, when, self.received_from)


class ClassificationRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A code under a scheme."""

    scheme: str
    code: str


class EntryRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One line of the file; docs/reference/list-formats.md describes it."""

    v: Literal[1]
    type: Literal["entry"]
    md5: str = ""
    sha1: str = ""
    sha256: str = ""
    fingerprints: tuple[FingerprintRow, ...] = ()
    classifications: tuple[ClassificationRow, ...] = ()
    state: State = State.ACTIVE
    provenance: ProvenanceRow | None = None
    extra: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, entry: ListEntry) -> EntryRow:
        """Return the row of an entry."""
        came = entry.provenance
        return cls(
            1,
            "entry",
            (entry.digests.md5 or b"").hex(),
            (entry.digests.sha1 or b"").hex(),
            (entry.digests.sha256 or b"").hex(),
            tuple(map(FingerprintRow.of, entry.fingerprints)),
            tuple(ClassificationRow(c.scheme, c.code) for c in entry.classifications),
            entry.state,
            ProvenanceRow(came.list, came.source, came.row, came.received_at, came.received_from),
            msgspec.Raw(one_line(entry.extra)) if entry.extra else msgspec.UNSET,
        )

    def entry(self, received: Received, row: int) -> Iterator[Read]:
        """Yield the entry and what to remark on it, or raise RowError."""
        refused: list[RowError] = []
        came = self.provenance.value() if self.provenance else received.provenance(row)
        values = [found.value(refused) for found in self.fingerprints]
        entry = ListEntry(
            came,
            Digests(
                sound(digest, "md5", self.md5, refused),
                sound(digest, "sha1", self.sha1, refused),
                sound(digest, "sha256", self.sha256, refused),
            ),
            tuple(value for value in values if value),
            tuple(Classification(c.scheme, c.code) for c in self.classifications),
            self.state,
            json_object(bytes(self.extra)) if isinstance(self.extra, msgspec.Raw) else b"",
        )
        yield from accepted(check(entry), refused)


class Jsonl:
    """One JSON object per line."""

    name = "jsonl"
    about = "Tutela's own JSON Lines, lossless"
    takes_algorithm = False
    writable = True

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the role's signature
        """Take a file whose first line is a JSON object of type `entry`."""
        first = head.lstrip().split(b"\n", 1)[0]
        return first.startswith(b"{") and all(key.search(first) for key in _SIGNS)

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield one entry for each line; `row` is the line number unless the line says its own."""
        decode = msgspec.json.Decoder(EntryRow).decode
        for row, line in lines(stream):
            if line is None:
                yield too_long().at(row, "")
                continue
            if not line.strip():
                continue
            try:
                yield from decode(line).entry(received, row)
            except RowError as error:
                yield error.at(row, line)
            except UnicodeDecodeError:
                yield RowError("not_utf8", "the line is not UTF-8").at(row, line)
            except (msgspec.DecodeError, RecursionError) as error:
                yield RowError("json", f"not a row of version {VERSION}: {error}").at(row, line)

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write every entry whole."""
        del options
        written = Written()
        encode = msgspec.json.Encoder().encode_into
        buffer = bytearray()
        for entry in entries:
            encode(EntryRow.of(entry), buffer)
            buffer += b"\n"
            stream.write(buffer)
            written.entries += 1
        return written


def json_object(text: bytes) -> bytes:
    """Return `text` if it is a JSON object or empty; raise RowError otherwise."""
    if text:
        try:
            msgspec.json.decode(text, type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise RowError("json", "extra is not a JSON object") from None
    return text


def one_line(text: bytes) -> bytes:
    """Return a JSON text without the line breaks that may stand between its tokens."""
    return msgspec.json.format(text, indent=-1) if b"\n" in text or b"\r" in text else text
