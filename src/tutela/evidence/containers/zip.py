"""Zip archives, also with something before them (self-extracting, appended to a picture).

The central directory is read entry by entry, never as a whole: the standard library loads all of
it, and gives up an archive for one name that is not valid UTF-8. Source: PKWARE APPNOTE.TXT 6.3.10,
sections 4.3 (records), 4.4 (fields), 4.5 (extra fields), 5.8 (LZMA).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from tutela.core.errors import ContainerError
from tutela.evidence import expand
from tutela.evidence.container import Budget, Container, ContainerLimits, Format, Member, Source
from tutela.evidence.stream import buffered, window

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_LOCATOR64 = struct.Struct("<4sIQI")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LONGEST_COMMENT = 65535
_FULL_16, _FULL_32 = 0xFFFF, 0xFFFFFFFF

_ENCRYPTED = 0x1 | 0x40 | 0x2000  # plain, strong, masked directory
_SIZES_FOLLOW = 0x8

_STORED, _DEFLATE, _BZIP2, _LZMA, _ZSTANDARD = 0, 8, 12, 14, 93
_DECODERS = {_DEFLATE: expand.deflate, _BZIP2: expand.bzip2, _ZSTANDARD: expand.zstandard}

_EXTRA_ZIP64, _EXTRA_NTFS, _EXTRA_UNIX_TIME = 0x1, 0xA, 0x5455
_NTFS_EPOCH = datetime(1601, 1, 1, tzinfo=UTC)


class _Directory(NamedTuple):
    """Where the central directory lies, how many entries it claims, and what lies before all."""

    start: int
    size_bytes: int
    entries: int
    shift: int


class _Entry(NamedTuple):
    """What a header says of a file; `next_at` is where the following header would be."""

    name: bytes
    flags: int
    method: int
    crc: int
    stored_bytes: int
    size_bytes: int
    header_at: int
    modified: datetime | None
    next_at: int


class Zip:
    """An open zip archive; see `Container`."""

    kind = "zip"
    splittable = True

    def __init__(self, source: Source, limits: ContainerLimits, budget: Budget) -> None:
        self._source = source
        self._limits = limits
        self._budget = budget
        self._directory = _find_directory(source)

    def members(self) -> Iterator[Member]:
        """Yield the members; without a central directory, those that the front still shows."""
        entries = self._from_front() if self._directory is None else self._from_directory()
        for count, (locator, entry) in enumerate(entries):
            if count >= self._limits.members:
                raise ContainerError("holds too many entries", code="member_limit")
            if not (entry.name.endswith(b"/") and entry.size_bytes == 0):
                yield self._member(locator, entry)

    def open(self, member: Member) -> BinaryIO:
        """Return a window on a stored member, or the expanded bytes of a compressed one."""
        entry = self._entry(member.locator)
        header = self._source.read_at(entry.header_at, _LOCAL.size)
        if len(header) < _LOCAL.size or not header.startswith(b"PK\3\4"):
            raise ContainerError("there is no file where the directory says", code="damaged")
        *_, name_bytes, extra_bytes = _LOCAL.unpack(header)
        start = entry.header_at + _LOCAL.size + name_bytes + extra_bytes
        packed = window(self._source.stream, start, entry.stored_bytes)
        if entry.method == _STORED:
            return packed
        return buffered(_Checked(_expansion(packed, entry.method), entry))

    def _member(self, locator: tuple[int, ...], entry: _Entry) -> Member:
        reason = detail = ""
        if entry.flags & _ENCRYPTED:
            reason = "encrypted"
        elif entry.method not in (_STORED, _LZMA) and entry.method not in _DECODERS:
            reason, detail = "unsupported_method", f"compression method {entry.method}"
        elif entry.header_at + entry.stored_bytes > self._source.size_bytes:
            reason, detail = "truncated", "reaches beyond the end of the archive"
        elif entry.method == _STORED and entry.stored_bytes != entry.size_bytes:
            reason, detail = "damaged", "two sizes for a file that is not compressed"
        elif not self._budget.spend(entry.size_bytes):
            reason, detail = "expansion_limit", self._budget.exceeded().message
        return Member(
            entry.name,
            locator,
            entry.size_bytes,
            entry.stored_bytes,
            "failed" if reason else "file",
            reason,
            detail,
            entry.modified,
        )

    def _entry(self, locator: tuple[int, ...]) -> _Entry:
        shift = self._directory.shift if self._directory else 0
        read = _read_local if self._directory is None else _read_central
        entry = read(self._source, locator[0], shift)
        if entry is None:
            raise ContainerError("there is no entry where there was one", code="damaged")
        return entry

    def _from_directory(self) -> Iterator[tuple[tuple[int, ...], _Entry]]:
        directory = self._directory
        assert directory is not None
        position, count = directory.start, 0
        while position < directory.start + directory.size_bytes:
            entry = _read_central(self._source, position, directory.shift)
            if entry is None:
                raise ContainerError(
                    f"the directory is damaged after {count} entries", code="damaged"
                )
            yield (position,), entry
            count += 1
            position = entry.next_at
        if count & _FULL_16 != directory.entries & _FULL_16:
            raise ContainerError(
                f"the directory has {count} entries and says {directory.entries}", code="damaged"
            )

    def _from_front(self) -> Iterator[tuple[tuple[int, ...], _Entry]]:
        position = 0
        while (entry := _read_local(self._source, position, 0)) is not None:
            if entry.flags & _SIZES_FOLLOW and not entry.stored_bytes:
                break
            if entry.next_at > self._source.size_bytes:
                break
            yield (position,), entry
            position = entry.next_at
        raise ContainerError(
            "the central directory is missing; only what the front shows was read",
            code="truncated",
        )


class _Checked(io.RawIOBase):
    """Expanded bytes of a member, compared with the size and checksum that its header gives."""

    def __init__(self, expansion: expand.Expansion, entry: _Entry) -> None:
        super().__init__()
        self._expansion = expansion
        self._left_bytes = entry.size_bytes
        self._crc_wanted = entry.crc
        self._crc = 0
        self._complete = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")[: self._left_bytes]
        count = self._expansion.readinto(view)
        self._crc = zlib.crc32(view[:count], self._crc)
        self._left_bytes -= count
        if len(view) and not count:
            raise ContainerError("holds less than its header says", code="damaged")
        if not self._left_bytes and not self._complete:
            self._complete = True
            if self._expansion.read(1):
                raise ContainerError("holds more than its header says", code="damaged")
            if self._crc != self._crc_wanted:
                raise ContainerError("does not have the checksum of its header", code="damaged")
        return count


def _expansion(packed: BinaryIO, method: int) -> expand.Expansion:
    if method != _LZMA:
        return expand.Expansion(packed, _DECODERS[method])
    head = packed.read(4)
    properties = packed.read(5)
    if len(properties) < 5 or head[2:] != b"\5\0":
        raise ContainerError("impossible LZMA properties", code="damaged")
    return expand.Expansion(packed, lambda: expand.raw_lzma(properties))


def _read_central(source: Source, position: int, shift: int) -> _Entry | None:
    """Read one entry of the central directory; None if there is none at `position`."""
    fixed = source.read_at(position, _CENTRAL.size)
    if len(fixed) < _CENTRAL.size or not fixed.startswith(b"PK\1\2"):
        return None
    (_, _, _, flags, method, _, _, crc, stored, size, names, extras, comments, *rest) = (
        _CENTRAL.unpack(fixed)
    )
    header_at = rest[-1]
    variable = source.read_at(position + _CENTRAL.size, names + extras)
    if len(variable) < names + extras:
        return None
    fields = _extra_fields(variable[names:])
    size, stored, header_at = _widened(fields, size, stored, header_at)
    return _Entry(
        variable[:names],
        flags,
        method,
        crc,
        stored,
        size,
        header_at + shift,
        _modified(fields),
        position + _CENTRAL.size + names + extras + comments,
    )


def _read_local(source: Source, position: int, _shift: int) -> _Entry | None:
    """Read one local header; None if there is none at `position`."""
    fixed = source.read_at(position, _LOCAL.size)
    if len(fixed) < _LOCAL.size or not fixed.startswith(b"PK\3\4"):
        return None
    _, _, flags, method, _, _, crc, stored, size, names, extras = _LOCAL.unpack(fixed)
    variable = source.read_at(position + _LOCAL.size, names + extras)
    fields = _extra_fields(variable[names:])
    size, stored, _ = _widened(fields, size, stored, 0)
    following = position + _LOCAL.size + names + extras + stored
    if flags & _SIZES_FOLLOW:
        following += _descriptor_bytes(source, following)
    name, modified = variable[:names], _modified(fields)
    return _Entry(name, flags, method, crc, stored, size, position, modified, following)


def _descriptor_bytes(source: Source, position: int) -> int:
    """Return the length of a data descriptor (APPNOTE 4.3.9), told by what follows it."""
    for size in (16, 12, 24, 20):
        if source.read_at(position + size, 2) == b"PK":
            return size
    return 16


def _widened(fields: dict[int, bytes], size: int, stored: int, header_at: int) -> tuple[int, ...]:
    """Replace the values that do not fit into 32 bits by those of the ZIP64 field, in its order."""
    wide = fields.get(_EXTRA_ZIP64, b"")
    values = []
    for value in (size, stored, header_at):
        if value == _FULL_32 and len(wide) >= 8:
            values.append(int.from_bytes(wide[:8], "little"))
            wide = wide[8:]
        else:
            values.append(value)
    return tuple(values)


def _extra_fields(data: bytes) -> dict[int, bytes]:
    fields = {}
    while len(data) >= 4:
        kind, size = struct.unpack_from("<2H", data)
        fields[kind] = data[4 : 4 + size]
        data = data[4 + size :]
    return fields


def _modified(fields: dict[int, bytes]) -> datetime | None:
    """Return the time of change where an extra field gives it in UTC; DOS times have no zone."""
    unix = fields.get(_EXTRA_UNIX_TIME, b"")
    if len(unix) >= 5 and unix[0] & 1:
        return datetime.fromtimestamp(int.from_bytes(unix[1:5], "little", signed=True), UTC)
    ntfs = fields.get(_EXTRA_NTFS, b"")
    if len(ntfs) >= 16 and ntfs[4:8] == b"\1\0\x18\0":
        ticks = int.from_bytes(ntfs[8:16], "little")
        try:
            return _NTFS_EPOCH + timedelta(microseconds=ticks // 10)
        except OverflowError:
            return None
    return None


def _find_directory(source: Source) -> _Directory | None:
    """Find the end record at the end of the file; None if there is none that fits."""
    tail_at = max(0, source.size_bytes - _LONGEST_COMMENT - _END.size)
    tail = source.read_at(tail_at, _LONGEST_COMMENT + _END.size)
    found = len(tail)
    while (found := tail.rfind(b"PK\5\6", 0, found)) >= 0:
        directory = _directory_at(source, tail_at + found, tail[found : found + _END.size])
        if directory is not None:
            return directory
    return None


def _directory_at(source: Source, position: int, record: bytes) -> _Directory | None:
    if len(record) < _END.size:
        return None
    _, disk, first_disk, _, entries, size, start, _ = _END.unpack(record)
    end = position
    locator = source.read_at(max(0, position - _LOCATOR64.size), _LOCATOR64.size)
    if _FULL_32 in (size, start) or entries == _FULL_16:
        if not locator.startswith(b"PK\6\7"):
            return None
        _, _, wide_at, _ = _LOCATOR64.unpack(locator)
        for end in (wide_at, position - _LOCATOR64.size - _END64.size):
            wide = source.read_at(max(0, end), _END64.size)
            if len(wide) == _END64.size and wide.startswith(b"PK\6\6"):
                *_, disk, first_disk, _, entries, size, start = _END64.unpack(wide)
                break
        else:
            return None
    shift = end - size - start
    if (
        disk
        or first_disk
        or shift < 0
        or (entries and source.read_at(start + shift, 4) != b"PK\1\2")
    ):
        return None
    return _Directory(start + shift, size, entries, shift)


def _recognises(source: Source) -> bool:
    if source.head.startswith((b"PK\3\4", b"PK\5\6")):
        return True
    # Something lies before the archive, if there is one: its directory must fit to the byte.
    return _find_directory(source) is not None


def _open(source: Source, limits: ContainerLimits, budget: Budget) -> Container:
    return Zip(source, limits, budget)


FORMAT = Format("zip", _recognises, _open)
