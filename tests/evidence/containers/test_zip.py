"""Traps of zip archives."""

from __future__ import annotations

import io
import struct
import sys
import tracemalloc
import zipfile
import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import ContainerError
from tutela.evidence import opening
from tutela.evidence.container import Budget, ContainerLimits

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

LIMITS = ContainerLimits()


@dataclass
class Entry:
    """An entry as bytes say it; everything may lie."""

    name: bytes
    data: bytes = b""
    method: int = 0
    flags: int = 0
    packed: bytes | None = None
    size: int | None = None
    crc: int | None = None
    extra: bytes = b""
    at: int | None = None
    fields: dict[str, int] = field(default_factory=dict)

    def body(self) -> bytes:
        if self.packed is not None:
            return self.packed
        if self.method == 8:
            deflate = zlib.compressobj(wbits=-15)
            return deflate.compress(self.data) + deflate.flush()
        return self.data

    def numbers(self) -> tuple[int, int, int]:
        crc = zlib.crc32(self.data) if self.crc is None else self.crc
        return crc, len(self.body()), len(self.data) if self.size is None else self.size

    def local(self) -> bytes:
        sizes = (len(self.name), len(self.extra))
        head = struct.pack(
            "<4s5H3I2H", b"PK\3\4", 20, self.flags, self.method, 0, 0, *self.numbers(), *sizes
        )
        return head + self.name + self.extra + self.body()

    def central(self, at: int) -> bytes:
        sizes = (len(self.name), len(self.extra), 0)
        head = struct.pack(
            "<4s6H3I5H2I",
            *(b"PK\1\2", 20, 20, self.flags, self.method, 0, 0, *self.numbers(), *sizes),
            *(0, 0, 0, at if self.at is None else self.at),
        )
        return head + self.name + self.extra


def archive(*entries: Entry, comment: bytes = b"") -> bytes:
    body, directory = b"", b""
    for entry in entries:
        directory += entry.central(len(body))
        if entry.at is None:
            body += entry.local()
    count = len(entries)
    end = struct.pack(
        "<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), len(comment)
    )
    return body + directory + end + comment


def opened(data: bytes, limits: ContainerLimits = LIMITS, budget: Budget | None = None):
    container = opening.open_container([io.BytesIO(data)], limits, budget=budget)
    assert container is not None
    assert container.kind == "zip"
    return container


def read(data: bytes, limits: ContainerLimits = LIMITS) -> list[tuple[bytes, bytes]]:
    container = opened(data, limits)
    return [(m.name, container.open(m).read()) for m in container.members()]


def test_names_are_only_names_and_keep_their_bytes():
    names = [
        b"/etc/passwd",
        b"../../../outside",
        b"..\\windows\\x",
        b"C:\\x",
        b"\xff\xfe\x80",
        b"a\0b",
        b"line\nbreak\x1b[31m",
        b"",
        b"./././x",
        b"x" * 65_000,
    ]
    assert read(archive(*(Entry(n, n) for n in names))) == [(n, n) for n in names]


def test_a_name_that_is_not_the_utf8_it_says_harms_nothing():
    assert read(archive(Entry(b"\xff", b"1", flags=0x800), Entry(b"b", b"2"))) == [
        (b"\xff", b"1"),
        (b"b", b"2"),
    ]


def test_two_members_of_one_name_are_both_there():
    assert read(archive(Entry(b"a", b"1"), Entry(b"a", b"2"))) == [(b"a", b"1"), (b"a", b"2")]


def test_folders_are_not_counted_unless_they_hold_bytes():
    assert read(archive(Entry(b"d/"), Entry(b"e/", b"hidden"))) == [(b"e/", b"hidden")]


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2001])
def test_encrypted_members_fail_by_themselves(flags):
    first, second = opened(archive(Entry(b"a", b"x", flags=flags), Entry(b"b", b"y"))).members()
    assert (first.outcome, first.reason) == ("failed", "encrypted")
    assert second.outcome == "file"


@pytest.mark.parametrize("method", [1, 6, 9, 98, 99])
def test_unknown_methods_fail_by_themselves(method):
    (member,) = opened(archive(Entry(b"a", b"x", method=method))).members()
    assert (member.reason, member.detail) == ("unsupported_method", f"compression method {method}")


def test_zstandard_members_are_read():
    data = b"text " * 1000
    assert read(archive(Entry(b"a", data, 93, packed=zstd.compress(data)))) == [(b"a", data)]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry(b"a", b"x" * 99, 8, size=98), "more"),
        (Entry(b"a", b"x" * 99, 8, size=100), "less"),
        (Entry(b"a", b"x" * 99, 8, crc=1), "checksum"),
        (Entry(b"a", b"", 8, crc=1), "checksum"),
        (Entry(b"a", b"x" * 99, 8, packed=b"\xff\xff"), "damaged"),
    ],
)
def test_content_that_is_not_what_the_header_says_is_damaged(entry, said):
    container = opened(archive(entry))
    (member,) = container.members()
    with pytest.raises(ContainerError, match=said) as raised:
        container.open(member).read()
    assert raised.value.code == "damaged"


def test_a_stored_member_with_two_sizes_fails():
    (member,) = opened(archive(Entry(b"a", b"xyz", size=2))).members()
    assert member.reason == "damaged"


def test_a_bomb_fails_before_it_is_expanded():
    bomb = archive(Entry(b"bomb", bytes(20 << 20), 8), Entry(b"honest", b"x"))
    limits = ContainerLimits(free_bytes=1 << 20, expansion=10)
    first, second = opened(bomb, limits).members()
    assert (first.outcome, first.reason) == ("failed", "expansion_limit")
    assert second.outcome == "file"


def test_a_bomb_that_lies_about_its_size_stops_there():
    container = opened(archive(Entry(b"bomb", bytes(20 << 20), 8, size=10)))
    (member,) = container.members()
    tracemalloc.start()
    try:
        with pytest.raises(ContainerError):
            container.open(member).read()
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("method", [0, 8])
def test_entries_that_share_one_content_are_bounded_together(method):
    """David Fifield's overlapping bomb: each entry is honest, the sum is not."""
    first = Entry(b"0", bytes(1 << 20), method)
    crc, _, size = first.numbers()
    packed = first.body()
    others = [
        Entry(b"%d" % n, b"", method, at=0, packed=packed, size=size, crc=crc)
        for n in range(1, 500)
    ]
    bomb = archive(first, *others)
    members = list(opened(bomb, ContainerLimits(free_bytes=1 << 20, expansion=10)).members())
    assert len(members) == 500
    assert {m.reason for m in members} == {"", "expansion_limit"}
    allowed = max(1 << 20, 10 * len(bomb))
    assert sum(m.size_bytes or 0 for m in members if m.outcome == "file") <= allowed


def test_containers_inside_each_other_spend_one_budget():
    inner = archive(Entry(b"zeros", bytes(600_000), 8))
    outer = archive(*(Entry(b"%d.zip" % n, inner) for n in range(9)))
    budget = Budget(2_000_000)
    container = opened(outer, budget=budget)
    outcomes = []
    for member in container.members():
        nested = opened(container.open(member).read(), budget=budget)
        outcomes += [m.reason for m in nested.members()]
    assert outcomes == [""] * 3 + ["expansion_limit"] * 6


def test_an_archive_behind_a_picture_and_before_a_comment_is_found():
    data = (
        b"\xff\xd8\xff\xe0"
        + bytes(range(256)) * 400
        + archive(Entry(b"a", b"1"), comment=b"PK\5\6 a comment that looks like an end " * 3)
    )
    assert read(data) == [(b"a", b"1")]


def test_an_empty_archive_is_one():
    assert read(archive()) == []
    assert read(archive(comment=b"x" * 65_535)) == []


@pytest.mark.parametrize("data", [b"text PK\5\6 text", b"PK\5\6".rjust(99), b"PK\1\2" + bytes(99)])
def test_signatures_alone_make_no_archive(data):
    assert opening.open_container([io.BytesIO(data)], LIMITS) is None


def test_a_directory_damaged_in_the_middle_keeps_what_came_before():
    data = bytearray(archive(*(Entry(b"%d" % n, b"x") for n in range(9))))
    fifth = [n for n in range(len(data)) if data[n : n + 4] == b"PK\1\2"][5]
    data[fifth] ^= 1
    names = []
    with pytest.raises(ContainerError) as raised:
        names.extend(m.name for m in opened(bytes(data)).members())
    assert raised.value.code == "damaged"
    container = opened(bytes(data)).members()
    assert [next(container).name for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]


def test_a_directory_shorter_than_it_says_is_told():
    data = bytearray(archive(Entry(b"a"), Entry(b"b")))
    struct.pack_into("<H", data, len(data) - 12, 3)
    members = opened(bytes(data)).members()
    assert [next(members).name, next(members).name] == [b"a", b"b"]
    with pytest.raises(ContainerError, match="2 entries and says 3"):
        next(members)


def test_an_archive_without_its_end_is_read_from_the_front():
    whole = archive(Entry(b"a", b"1"), Entry(b"b", b"2" * 500, 8), Entry(b"c", b"3" * 99))
    container = opened(whole[: whole.index(b"PK\1\2") - 5])
    members = container.members()
    got = [next(members), next(members)]
    assert [(m.name, container.open(m).read()) for m in got] == [(b"a", b"1"), (b"b", b"2" * 500)]
    with pytest.raises(ContainerError) as raised:
        next(members)
    assert raised.value.code == "truncated"


@pytest.mark.parametrize("at", [10**6, 2**32 - 2])
def test_a_member_said_to_lie_beyond_the_end_fails(at):
    (member,) = opened(archive(Entry(b"a", b"x", at=at)) + b"").members()
    assert (member.outcome, member.reason) == ("failed", "truncated")


def test_a_member_that_lies_where_no_file_is_fails_when_opened():
    container = opened(archive(Entry(b"a", b"xxxxxx"), Entry(b"b", b"x", at=7)))
    _, member = container.members()
    with pytest.raises(ContainerError) as raised:
        container.open(member)
    assert raised.value.code == "damaged"


def test_more_entries_and_larger_numbers_than_the_old_format_has():
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for number in range(66_000):
            made.writestr(f"{number}", b"")
        with made.open("wide", "w", force_zip64=True) as file:
            file.write(b"wide")
    container = opened(out.getvalue())
    tracemalloc.start()
    count = 0
    for member in container.members():
        count += 1
        if member.name == b"wide":
            assert container.open(member).read() == b"wide"
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 66_001
    assert peak < 1 << 20  # the standard library takes about 40 MiB for such a directory


@pytest.mark.parametrize(
    ("extra", "wanted"),
    [
        (struct.pack("<2HBi", 0x5455, 5, 1, 1_700_000_000), "2023-11-14T22:13:20+00:00"),
        (struct.pack("<2HBi", 0x5455, 5, 1, -1), "1969-12-31T23:59:59+00:00"),
        (
            struct.pack("<2HI2H3Q", 0xA, 32, 0, 1, 24, 133_444_736_000_000_000, 0, 0),
            "2023-11-14T22:13:20+00:00",
        ),
        (struct.pack("<2HI2H3Q", 0xA, 32, 0, 1, 24, 2**64 - 1, 0, 0), None),
        (struct.pack("<2HB", 0x5455, 1, 0), None),
        (b"\x55", None),
        (b"", None),
    ],
)
def test_only_times_with_a_zone_are_given(extra, wanted):
    (member,) = opened(archive(Entry(b"a", extra=extra))).members()
    assert member.modified == (datetime.fromisoformat(wanted) if wanted else None)
    assert member.modified is None or member.modified.tzinfo is UTC


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20),
        st.binary(max_size=400),
        max_size=6,
    ),
    st.sampled_from([0, 8, 12, 14]),
    st.binary(max_size=50),
    st.binary(max_size=50),
)
def test_what_the_standard_library_packs_is_unpacked(files, method, before, comment):
    out = io.BytesIO()
    files = {name: data for name, data in files.items() if not name.endswith("/")}
    with zipfile.ZipFile(out, "w", method) as made:
        for name, data in files.items():
            made.writestr(name, data)
        made.comment = comment
    data = before + out.getvalue()
    with zipfile.ZipFile(io.BytesIO(data)) as made:
        wanted = [(i.orig_filename, made.read(i)) for i in made.infolist()]
    assert [(n.decode(), d) for n, d in read(data)] == [(n, d) for n, d in wanted]
