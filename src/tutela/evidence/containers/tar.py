"""Tar archives: old, ustar, GNU and pax, plain or inside a compressed stream.

Headers are read one after another with bounded memory; the standard library ends silently at a
damaged header, and loads extended headers of any size. Sources: POSIX.1-2017 `pax` (ustar and pax
interchange formats), GNU tar manual, "Basic Tar Format" and "Storing Sparse Files".
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO, NamedTuple

from tutela.core.errors import ContainerError
from tutela.evidence.container import Budget, Container, ContainerLimits, Format, Member, Source
from tutela.evidence.stream import mosaic, window
from tutela.evidence.tarheader import (
    BLOCK,
    Cursor,
    decimal,
    number,
    old_sparse,
    pax_records,
    pax_sparse,
    placed,
)

_ZEROS = bytes(BLOCK)
_EXTENDED_BYTES = 1 << 20  # of a long name or a set of pax records
_ZERO_BLOCKS = 2048  # after the end mark, before we stop looking for another archive

_SKIPPED = {b"1": "hardlink", b"2": "symlink", b"3": "device", b"4": "device", b"6": "fifo"}
_FOLDER, _DUMP_FOLDER, _LABEL = b"5", b"D", b"V"
_NAME, _LINK, _PAX, _PAX_GLOBAL, _SPARSE = b"L", b"K", b"xX", b"g", b"S"


class Entry(NamedTuple):
    """One archived thing; `data_at` and `stored_bytes` tell where its bytes lie in the archive.

    `pieces` of a sparse file are (position in the file, position in the archive, bytes).
    """

    name: bytes
    kind: bytes
    link: bytes
    start: int
    data_at: int
    stored_bytes: int
    size_bytes: int
    pieces: list[tuple[int, int, int]] | None
    modified: datetime | None

    @property
    def next_at(self) -> int:
        """Where the next header begins."""
        return self.data_at + (self.stored_bytes + BLOCK - 1) // BLOCK * BLOCK


class Tar:
    """An open plain tar archive; see `Container`."""

    kind = "tar"
    splittable = True

    def __init__(self, source: Source, limits: ContainerLimits, budget: Budget) -> None:
        self._source = source
        self._limits = limits
        self._budget = budget

    def members(self) -> Iterator[Member]:
        """Yield the members up to the end mark."""
        self._source.stream.seek(0)
        cursor = Cursor(self._source.stream)
        for entry in entries(cursor, self._limits.members):
            if entry.data_at + entry.stored_bytes > self._source.size_bytes:
                yield member_of(entry, self._budget, truncated=True)
                raise ContainerError("ends in the middle of a file", code="truncated")
            yield member_of(entry, self._budget)

    def open(self, member: Member) -> BinaryIO:
        """Return a window on the member's bytes, with zeros in the holes of a sparse one."""
        self._source.stream.seek(0)
        entry = read_entry(Cursor(self._source.stream, member.locator[0]))
        if entry is None:
            raise ContainerError("there is no entry where there was one", code="damaged")
        if entry.pieces is not None:
            return mosaic(self._source.stream, entry.pieces, entry.size_bytes)
        return window(self._source.stream, entry.data_at, entry.size_bytes)


def entries(cursor: Cursor, most: int) -> Iterator[Entry]:
    """Yield all entries but folders; the cursor then stands at the entry's data.

    Raises:
        ContainerError: `truncated`, `damaged` or `member_limit`, after what could be read.
    """
    ended, zeros, count = False, 0, 0
    while True:
        start = cursor.position
        try:
            entry = read_entry(cursor)
        except ContainerError:
            if ended:  # what lies after the end mark need not be an archive
                return
            raise
        if entry is None:
            if cursor.position == start:
                break
            ended, zeros = True, zeros + 1
            if zeros > _ZERO_BLOCKS:
                return
            continue
        ended, zeros, count = False, 0, count + 1
        if count > most:
            raise ContainerError("holds too many entries", code="member_limit")
        if not _is_folder(entry):
            yield entry
        cursor.go_to(entry.next_at)
    if not ended:
        raise ContainerError("ends without an end mark", code="truncated")


def read_entry(cursor: Cursor) -> Entry | None:
    """Read the headers of one entry; None at a block of zeros, or at the end of the archive.

    Raises:
        ContainerError: `truncated` or `damaged`.
    """
    start = cursor.position
    name = link = b""
    pax: list[tuple[bytes, bytes]] = []
    while True:
        header = cursor.read(BLOCK)
        if cursor.position == start or (header == _ZEROS and cursor.position == start + BLOCK):
            return None
        if len(header) < BLOCK:
            raise ContainerError("ends in the middle of a header", code="truncated")
        if not _checks(header):
            raise ContainerError("a header is damaged", code="damaged")
        kind, size = header[156:157], number(header[124:136])
        if kind not in (_NAME, _LINK, _PAX_GLOBAL) and kind not in _PAX:
            break
        data = _extended(cursor, size)
        if kind == _NAME:
            name = data.rstrip(b"\0")
        elif kind == _LINK:
            link = data.rstrip(b"\0")
        elif kind in _PAX:
            pax = pax_records(data)
    return _entry(cursor, header, start, (name, link), pax)


def member_of(entry: Entry, budget: Budget, *, truncated: bool = False) -> Member:
    """Return an entry as a member; holes of a sparse file are paid from `budget`."""
    outcome, reason, detail = "file", "", ""
    if entry.kind in _SKIPPED:
        outcome, reason = "skipped", _SKIPPED[entry.kind]
        detail = entry.link.decode("utf-8", "backslashreplace")
    elif truncated:
        outcome, reason = "failed", "truncated"
    elif not budget.spend(max(0, entry.size_bytes - entry.stored_bytes)):
        outcome, reason, detail = "failed", "expansion_limit", budget.exceeded().message
    return Member(
        entry.name,
        (entry.start,),
        entry.size_bytes,
        entry.stored_bytes,
        outcome,  # type: ignore[arg-type]  # one of the three words, chosen just above
        reason,
        detail,
        entry.modified,
    )


def begins(head: bytes) -> bool:
    """Tell whether content that begins with these 512 bytes is a tar archive."""
    return len(head) == BLOCK and head[0] != 0 and _checks(head)


def _checks(header: bytes) -> bool:
    """Tell whether a block of 512 bytes is a header: its sum is the one that it gives."""
    try:
        wanted = int(header[148:156].strip(b" \0") or b"-1", 8)
    except ValueError:
        return False
    # Some old systems summed signed bytes; every high byte then counts 256 less.
    plain = sum(header[:148]) + 8 * 0x20 + sum(header[156:BLOCK])
    signed = plain - 256 * sum(b > 127 for b in header[:148] + header[156:BLOCK])
    return wanted in (plain, signed)


def _is_folder(entry: Entry) -> bool:
    old = entry.kind in b"\x000" and entry.name.endswith(b"/") and not entry.size_bytes
    return entry.kind in (_FOLDER, _DUMP_FOLDER, _LABEL) or old


def _entry(
    cursor: Cursor,
    header: bytes,
    start: int,
    names: tuple[bytes, bytes],
    records: list[tuple[bytes, bytes]],
) -> Entry:
    pax = dict(records)
    kind = header[156:157]
    stored = decimal(pax[b"size"]) if b"size" in pax else number(header[124:136])
    if kind in _SKIPPED or kind == _FOLDER:
        stored = 0
    size, holed = stored, None
    if kind == _SPARSE:
        size, holed = old_sparse(cursor, header)
    data_at = cursor.position
    if any(key.startswith(b"GNU.sparse.") for key in pax):
        size, holed = pax_sparse(cursor, records, stored)
    pieces = None
    if holed is not None:
        pieces = placed(holed, cursor.position, size, data_at + stored)
    return Entry(
        pax.get(b"GNU.sparse.name") or pax.get(b"path") or names[0] or _header_name(header),
        kind,
        pax.get(b"linkpath") or names[1] or _text(header[157:257]),
        start,
        data_at,
        stored,
        size,
        pieces,
        _modified(pax.get(b"mtime"), header),
    )


def _extended(cursor: Cursor, size: int) -> bytes:
    if size > _EXTENDED_BYTES:
        raise ContainerError(f"an extended header of {size} bytes", code="damaged")
    padded = (size + BLOCK - 1) // BLOCK * BLOCK
    return cursor.exactly(padded)[:size]


def _header_name(header: bytes) -> bytes:
    name, prefix = _text(header[:100]), _text(header[345:500])
    return prefix + b"/" + name if prefix and header[257:263] == b"ustar\0" else name


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _modified(pax: bytes | None, header: bytes) -> datetime | None:
    try:
        seconds = float(pax) if pax else number(header[136:148])
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError, ContainerError):
        return None


def _recognises(source: Source) -> bool:
    return begins(source.head[:BLOCK])


def _open(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
    return Tar(source, limits, budget)


FORMAT = Format("tar", _recognises, _open)
