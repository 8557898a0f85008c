"""Writes a small FAT16 disk image from files in memory.

The demonstration runs on a machine with nothing but Tutela: no mkfs, no mount, no root. Source:
Microsoft, "FAT: General Overview of On-Disk Format", 1.03. Names are 8.3, in one folder.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

SECTOR = 512
CLUSTER = 4 * SECTOR
ROOT_ENTRIES = 512
# FAT16 is defined by having at least this many clusters, and fewer than 65,525.
CLUSTERS = 4200
FAT_SECTORS = -(-(CLUSTERS + 2) * 2 // SECTOR)
CHAIN_END = 0xFFFF
DIRECTORY = 0x10


def image(folder: str, files: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a disk image with `files` (8.3 names, upper case) in `folder`.

    Raises:
        ValueError: the files do not fit.
    """
    fat = [0xFFF8, CHAIN_END]
    clusters = bytearray()

    def store(data: bytes) -> int:
        count = max(1, -(-len(data) // CLUSTER))
        first = len(fat)
        if first + count > CLUSTERS:
            raise ValueError("the files do not fit on the disk")
        fat.extend([*range(first + 1, first + count), CHAIN_END])
        clusters.extend(data.ljust(count * CLUSTER, b"\0"))
        return first

    entries = [_entry(name, 0x20, store(data), len(data)) for name, data in files.items()]
    listing = store(
        _entry(".", DIRECTORY, len(fat), 0) + _entry("..", DIRECTORY, 0, 0) + b"".join(entries)
    )
    root = _entry(folder, DIRECTORY, listing, 0).ljust(ROOT_ENTRIES * 32, b"\0")
    table = struct.pack(f"<{len(fat)}H", *fat).ljust(FAT_SECTORS * SECTOR, b"\0")
    data = bytes(clusters).ljust(CLUSTERS * CLUSTER, b"\0")
    return _boot_sector() + table + root + data


def _boot_sector() -> bytes:
    sectors = 1 + FAT_SECTORS + ROOT_ENTRIES * 32 // SECTOR + CLUSTERS * CLUSTER // SECTOR
    fields = struct.pack(
        "<3s8sHBHBHHBHHHIIBBBI11s8s",
        b"\xeb\x3c\x90",
        b"TUTELA  ",
        SECTOR,
        CLUSTER // SECTOR,
        1,
        1,
        ROOT_ENTRIES,
        sectors if sectors < 65536 else 0,
        0xF8,
        FAT_SECTORS,
        32,
        2,
        0,
        sectors if sectors >= 65536 else 0,
        0x80,
        0,
        0x29,
        0x7E7E7E7E,
        b"DEMO       ",
        b"FAT16   ",
    )
    return fields.ljust(510, b"\0") + b"\x55\xaa"


def _entry(name: str, attributes: int, cluster: int, size: int) -> bytes:
    stem, _, suffix = (name, "", "") if name in (".", "..") else name.partition(".")
    short = stem.ljust(8).encode() + suffix.ljust(3).encode()
    # 2026-01-01 12:00:00 in DOS form: nothing of the demonstration depends on today.
    date, time = (46 << 9) | (1 << 5) | 1, 12 << 11
    return struct.pack(
        "<11sBBBHHHHHHHI", short, attributes, 0, 0, time, date, date, 0, time, date, cluster, size
    )
