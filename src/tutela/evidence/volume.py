"""Telling a disk image from other files with a few reads: partition tables and file systems.

Nothing here follows anything; it decides whether the forensic library is let loose on a content,
and an executable or picture that ends its first sector with 55 AA must not be taken for a disk.
Sources: ECMA-107 (FAT boot sector), Microsoft FAT specification 1.03, UEFI 2.10 section 5 (MBR
and GPT), Linux kernel documentation `filesystems/ext4/super.rst`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Literal

FileSystem = Literal["ext", "ntfs", "fat", ""]
Table = Literal["mbr", "gpt", ""]
ReadAt = Callable[[int, int], bytes]

SECTOR_BYTES = 512
_EXT_SUPERBLOCK = 1024
_SECTOR_SIZES = (512, 1024, 2048, 4096)
_PROTECTIVE = 0xEE


def file_system(read_at: ReadAt, start: int) -> FileSystem:
    """Return which file system begins at byte `start`, as far as its first 2 KiB say."""
    head = read_at(start, 2048)
    if _is_ext(head[_EXT_SUPERBLOCK:]):
        return "ext"
    if len(head) < SECTOR_BYTES or head[510:512] != b"\x55\xaa":
        return ""
    sector_bytes, cluster_sectors = struct.unpack_from("<HB", head, 11)
    if sector_bytes not in _SECTOR_SIZES or head[0] not in (0xEB, 0xE9):
        return ""
    if head[3:11] == b"NTFS    ":
        return "ntfs"
    reserved, tables = struct.unpack_from("<HB", head, 14)
    named = head[54:57] == b"FAT" or head[82:87] == b"FAT32"
    power = cluster_sectors and not cluster_sectors & (cluster_sectors - 1)
    return "fat" if named and power and reserved and tables in (1, 2) else ""


def partition_table(read_at: ReadAt, size_bytes: int) -> Table:
    """Return which partition table a content of `size_bytes` begins with."""
    first = read_at(0, SECTOR_BYTES)
    if len(first) < SECTOR_BYTES or first[510:] != b"\x55\xaa":
        return ""
    entries = [
        (status, kind, start, count)
        for status, kind, start, count in (
            struct.unpack_from("<B3xB3x2I", first, 446 + 16 * number) for number in range(4)
        )
        if kind or start or count
    ]
    if any(kind == _PROTECTIVE for _, kind, _, _ in entries) and _gpt_header(read_at):
        return "gpt"
    return "mbr" if _is_plausible(entries, read_at, size_bytes // SECTOR_BYTES) else ""


def _is_ext(superblock: bytes) -> bool:
    if len(superblock) < 104 or superblock[56:58] != b"\x53\xef":
        return False
    inodes, blocks = struct.unpack_from("<2I", superblock)
    first_block, block_log, _, blocks_in_group, _, inodes_in_group = struct.unpack_from(
        "<6I", superblock, 20
    )
    revision = struct.unpack_from("<I", superblock, 76)[0]
    counts = inodes and blocks and blocks_in_group and inodes_in_group
    return bool(counts) and first_block <= 1 and block_log <= 6 and revision <= 1


def _gpt_header(read_at: ReadAt) -> bool:
    return any(read_at(sector_bytes, 8) == b"EFI PART" for sector_bytes in (512, 4096))


def _is_plausible(entries: list[tuple[int, int, int, int]], read_at: ReadAt, sectors: int) -> bool:
    """Tell whether this may be the table of a disk: used entries lie inside, one after another."""
    if not entries:
        return False
    position = 1
    for status, kind, start, count in sorted(entries, key=lambda entry: entry[2]):
        if status not in (0, 0x80) or not kind or not count or not position <= start < sectors:
            return False
        position = start + count
    # An image that was cut off still has partitions that begin inside it.
    return position <= sectors or any(
        file_system(read_at, start * SECTOR_BYTES) for _, _, start, _ in entries
    )
