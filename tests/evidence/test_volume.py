"""Only disks are taken for disks."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.evidence.volume import file_system, partition_table

BOOT = b"\x55\xaa"


def reader(data: bytes):
    return lambda position, size: data[position : position + size]


def told(data: bytes, size: int | None = None) -> tuple[str, str]:
    return file_system(reader(data), 0), partition_table(reader(data), size or len(data))


def mbr(*entries: tuple[int, int, int, int]) -> bytes:
    table = b"".join(struct.pack("<B3xB3x2I", *entry) for entry in entries)
    return bytes(446) + table.ljust(64, b"\0") + BOOT


def test_programs_pictures_and_texts_are_no_disks():
    samples = [Path(sys.executable).resolve(), *Path("/usr/share/backgrounds").rglob("*.*")]
    samples += [*Path("/usr/share/doc").glob("*/copyright")][:50]
    assert len(samples) > 60
    for path in samples:
        if path.is_file():
            with path.open("rb") as file:
                assert told(file.read(8192), path.stat().st_size) == ("", ""), path


@given(st.binary(min_size=510, max_size=510), st.integers(0, 1 << 40))
def test_noise_that_ends_its_first_sector_in_55_aa_is_no_disk(noise, size):
    assert told(noise + BOOT + bytes(2000), size) == ("", "")


def test_a_hundred_thousand_sectors_of_noise_are_no_disks():
    random = Random(5)
    for _ in range(100_000):
        assert partition_table(reader(random.randbytes(510) + BOOT), 1 << 40) == ""


def test_an_empty_table_is_none():
    assert told(mbr() + bytes(4096)) == ("", "")


@pytest.mark.parametrize(
    "entries",
    [
        [(0, 7, 1, 99)],
        [(0x80, 0x83, 10, 20), (0, 0x82, 30, 70)],
        [(0, 0x0C, 50, 50), (0, 0x83, 1, 49)],
        [(0, 5, 1, 99)],
    ],
)
def test_a_table_whose_partitions_lie_inside_is_one(entries):
    assert told(mbr(*entries), 100 * 512) == ("", "mbr")


@pytest.mark.parametrize(
    "entries",
    [
        [(1, 7, 1, 99)],
        [(0, 0, 1, 99)],
        [(0, 7, 0, 99)],
        [(0, 7, 1, 0)],
        [(0, 7, 1, 100)],
        [(0, 7, 100, 1)],
        [(0, 7, 1, 50), (0, 7, 40, 50)],
        [(0, 7, 1, 99), (0xFF, 0xFF, 0xFFFFFFFF, 0xFFFFFFFF)],
    ],
)
def test_a_table_whose_partitions_do_not_fit_is_none(entries):
    assert told(mbr(*entries), 100 * 512) == ("", "")


def test_a_disk_that_was_cut_is_one_if_a_file_system_begins_inside(kitchen):
    whole = kitchen["ext4"].parts[0].read_bytes()
    disk = mbr((0, 0x83, 2, len(whole) // 512)).ljust(1024, b"\0") + whole
    assert told(disk) == ("", "mbr")
    assert told(disk[: len(disk) // 2]) == ("", "mbr")
    assert told(disk[:1024] + bytes(len(disk) // 2)) == ("", "")


@pytest.mark.parametrize("sector_bytes", [512, 4096])
def test_a_gpt_is_told_by_its_protective_entry_and_its_header(sector_bytes):
    data = mbr((0, 0xEE, 1, 0xFFFFFFFF)).ljust(sector_bytes, b"\0") + b"EFI PART" + bytes(999)
    assert told(data) == ("", "gpt")
    assert told(data.replace(b"EFI", b"ELF")) == ("", "")


@pytest.mark.parametrize(
    ("kind", "wanted"), [("fat", "fat"), ("fat32", "fat"), ("ntfs", "ntfs"), ("ext4", "ext")]
)
def test_file_systems_are_told_and_one_broken_field_is_enough_to_doubt(kitchen, kind, wanted):
    head = kitchen[kind].parts[0].read_bytes()[:4096]
    assert told(head)[0] == wanted
    spoilt = {"fat": (13, 3), "ntfs": (3, 0), "ext": (1024 + 24, 200)}[wanted]
    broken = bytearray(head)
    broken[spoilt[0]] = spoilt[1]
    assert told(bytes(broken))[0] == ""
    assert told(head[:500]) == ("", "")
