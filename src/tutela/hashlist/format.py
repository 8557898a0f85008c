"""The role of a list format: recognise a file, read its rows, write entries.

A reader never stops at a bad row: it yields a `BadRow` with the reason and goes on. Only a file
that cannot be read as a whole raises `ListFormatError`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, Protocol

import msgspec

from tutela.core.entry import ListEntry, Provenance, Role
from tutela.core.errors import ListFormatError, UsageError

QUARANTINE_TEXT = 512  # characters of an offending row that are kept
HEAD_BYTES = 1 << 16  # what a format may look at to recognise a file


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What the importer knows of a file that the file itself does not say.

    `algorithm` names the hashes of a format that does not name them; `scheme` and `code` classify
    entries that carry no classification; `role_of` gives single codes a role of their own, because
    one file may mix alert and non-pertinent categories.
    """

    list: str
    source: str
    received_at: datetime
    received_from: str = ""
    role: Role = Role.ALERT
    role_of: dict[str, Role] = {}
    algorithm: str = ""
    scheme: str = ""
    code: str = ""

    def provenance(self, row: int) -> Provenance:
        """Return the provenance of record `row` (from 1) of the file."""
        return Provenance(self.list, self.source, row, self.received_at, self.received_from)


class BadRow(msgspec.Struct, frozen=True):
    """A record that was put into quarantine: its number, why, and its text (bounded)."""

    row: int
    code: str
    reason: str
    text: str = ""


class Remark(msgspec.Struct, frozen=True):
    """Something to count that costs no row, such as a placeholder that was left out."""

    code: str


class RowError(Exception):
    """A record cannot be read; readers turn it into a `BadRow`.

    Args:
        code: A stable word, such as `wrong_length`.
        reason: One sentence without a full stop.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def at(self, row: int, text: str | bytes) -> BadRow:
        """Return the quarantined row, with `text` cut and made printable."""
        return BadRow(row, self.code, self.reason, shown(text))


class ExportOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a writer may be told: the algorithm to write, a data model and its profile (VICS).

    `schemes` are the classification schemes of the list; the library fills them in.
    """

    algorithm: str = ""
    model: str = ""
    profile: str = ""
    schemes: tuple[str, ...] = ()


class Written(msgspec.Struct):
    """How many entries were written, and how many lost what (the format cannot carry it)."""

    entries: int = 0
    lost: Counter[str] = msgspec.field(default_factory=Counter)


Read = ListEntry | BadRow | Remark


class Format(Protocol):
    """One way to write a hash list.

    `takes_algorithm` tells whether the import may have to say what the hashes are; a format that is
    not `writable` can only be read.
    """

    name: str
    about: str
    takes_algorithm: bool
    writable: bool

    def sniff(self, head: bytes, name: str) -> bool:
        """Tell whether a file named `name` that starts with `head` (no BOM) is of this format."""

    def read(self, stream: BinaryIO, received: Received) -> Iterator[Read]:
        """Yield an entry or a bad row for every record of a seekable `stream`.

        Raises:
            ListFormatError: the file as a whole cannot be read.
        """

    def write(
        self, entries: Iterable[ListEntry], stream: BinaryIO, options: ExportOptions
    ) -> Written:
        """Write `entries` to `stream` and count what the format cannot carry.

        Raises:
            UsageError: the format cannot be written, or not with these options.
        """


def shown(text: str | bytes) -> str:
    """Return `text` as printable UTF-8 of at most `QUARANTINE_TEXT` characters."""
    if isinstance(text, str):
        text = text[:QUARANTINE_TEXT].encode("utf-8", "surrogateescape")
    return text[: 4 * QUARANTINE_TEXT].decode("utf-8", "backslashreplace")[:QUARANTINE_TEXT]


def formats() -> tuple[Format, ...]:
    """Return every format, in the order in which a file is tried."""
    from tutela.hashlist.formats import (  # noqa: PLC0415 - the formats import their role from here
        csv,
        icse,
        jsonl,
        lines,
        threatexchange,
        vics,
    )

    return (
        jsonl.Jsonl(),
        vics.Vics(),
        threatexchange.Dataset(),
        threatexchange.Csv(),
        icse.Icse(),
        csv.Csv(),
        lines.Lines(),
    )


def named(name: str, *, to_write: bool = False) -> Format:
    """Return the format called `name`; raise UsageError when there is none, or none `to_write`."""
    known = {form.name: form for form in formats()}
    fit = [form.name for form in known.values() if form.writable or not to_write]
    if name not in fit:
        code, problem = "unknown_format", f"unknown list format {name!r}"
        if name in known:
            code, problem = "read_only", f"the format {name} can only be read"
        raise UsageError(problem, code=code, hint=f"choose one of {', '.join(sorted(fit))}")
    return known[name]


def recognise(head: bytes, name: str) -> Format:
    """Return the format of a file by its first bytes and, where it has no header, its name.

    Raises:
        ListFormatError: no format takes it (`unknown_format`), or it is UTF-16 (`encoding`).
    """
    refuse_utf16(head)
    head = head.removeprefix(b"\xef\xbb\xbf")
    for form in formats():
        if form.sniff(head, name):
            return form
    raise ListFormatError(
        f"the format of {name} is not recognised",
        code="unknown_format",
        hint=way_out(
            f"--format F, where F is one of {', '.join(sorted(f.name for f in formats()))}"
        ),
    )


def way_out(option: str) -> str:
    """Return the hint to import a file with `option`, which a scan that met it does not have."""
    return f"say which: tutela list import FILE --name NAME --role ROLE {option}"


def refuse_utf16(head: bytes) -> None:
    """Raise ListFormatError if `head` starts like UTF-16 or UTF-32, as some exports do."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(head) > 3 and head[1:4:2] == b"\0\0"):
        raise ListFormatError(
            "the file is UTF-16 or UTF-32, not UTF-8",
            code="encoding",
            hint="convert it first, for example with iconv -f UTF-16 -t UTF-8",
        )
