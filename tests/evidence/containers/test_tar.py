"""Traps of tar archives, plain and as a stream."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import ContainerError
from tutela.evidence import opening
from tutela.evidence.container import ContainerLimits, Member

LIMITS = ContainerLimits()
END = bytes(1024)


def header(name: bytes, size: int | bytes = 0, kind: bytes = b"0", **fields: bytes) -> bytes:
    """Write an ustar header; `size` as bytes is taken as it is."""
    text = size if isinstance(size, bytes) else b"%011o\0" % size
    block = bytearray(512)
    block[0:100] = name.ljust(100, b"\0")
    block[100:124] = b"0000644\0" * 3
    block[124:136] = text
    block[136:148] = fields.get("mtime", b"%011o\0" % 1_700_000_000)
    block[156:157] = kind
    block[157:257] = fields.get("link", b"").ljust(100, b"\0")
    block[257:265] = fields.get("magic", b"ustar\00000")
    block[345:500] = fields.get("prefix", b"").ljust(155, b"\0")
    block[386 : 386 + len(fields.get("sparse", b""))] = fields.get("sparse", b"")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def padded(data: bytes) -> bytes:
    return data.ljust((len(data) + 511) // 512 * 512, b"\0")


def member(name: bytes, data: bytes, kind: bytes = b"0", **fields: bytes) -> bytes:
    return header(name, len(data), kind, **fields) + padded(data)


def pax(**records: bytes) -> bytes:
    text = b""
    for key, value in records.items():
        line = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
        length = len(line) + 1
        while len(b"%d" % length) + len(line) != length:
            length += 1
        text += b"%d" % length + line
    return member(b"pax", text, b"x")


def opened(data: bytes, limits: ContainerLimits = LIMITS, kind: str = "tar"):
    stream = io.BytesIO(data if kind == "tar" else gzip.compress(data, 1))
    container = opening.open_container([stream], limits)
    assert container is not None
    assert container.kind == kind
    return container


def read(data: bytes, kind: str = "tar") -> list[tuple[bytes, bytes]]:
    container = opened(data, kind=kind)
    return [(m.name, container.open(m).read()) for m in container.members() if not m.reason]


both = pytest.mark.parametrize("kind", ["tar", "gzip"])


@both
def test_names_are_only_names_and_keep_their_bytes(kind):
    names = [b"/etc/passwd", b"../../x", b"\xff\xfe", b"a\nb", b"./x", b"x" * 100]
    data = b"".join(member(n, n) for n in names) + END
    assert read(data, kind) == [(n, n) for n in names]


@both
def test_long_names_of_every_dialect(kind):
    long = b"d/" * 200 + b"\xffname"
    data = (
        member(b"@LongLink", long + b"\0", b"L", magic=b"ustar  \0")
        + member(b"short", b"gnu", magic=b"ustar  \0")
        + pax(path=long)
        + member(b"short", b"pax")
        + member(b"end", b"ustar", prefix=b"p" * 150)
        + member(b"old", b"prefix is not a prefix here", magic=b"ustar  \0", prefix=b"zzz")
        + END
    )
    assert read(data, kind) == [
        (long, b"gnu"),
        (long, b"pax"),
        (b"p" * 150 + b"/end", b"ustar"),
        (b"old", b"prefix is not a prefix here"),
    ]


@both
def test_what_is_not_a_file_is_skipped_and_never_followed(kind):
    data = (
        member(b"file", b"x")
        + header(b"hard", 0, b"1", link=b"file")
        + header(b"soft", 0, b"2", link=b"/etc/\xffpasswd")
        + header(b"tty", 0, b"3")
        + header(b"disk", 0, b"4")
        + header(b"pipe", 0, b"6")
        + header(b"folder", 0, b"5")
        + header(b"old folder/", 0, b"\0", magic=b"\0" * 8)
        + member(b"dump", b"Yx\0\0", b"D")
        + member(b"strange", b"content", b"?")
        + END
    )
    found = [(m.name, m.reason, m.detail) for m in opened(data, kind=kind).members()]
    assert found == [
        (b"file", "", ""),
        (b"hard", "hardlink", "file"),
        (b"soft", "symlink", "/etc/\\xffpasswd"),
        (b"tty", "device", ""),
        (b"disk", "device", ""),
        (b"pipe", "fifo", ""),
        (b"strange", "", ""),
    ]


@pytest.mark.parametrize("form", ["gnu", "posix 0.0", "posix 0.1", "posix 1.0"])
@both
def test_sparse_files_of_every_format_are_whole_again(tmp_path, form, kind):
    dialect, _, version = form.partition(" ")
    with (tmp_path / "sparse").open("wb") as file:
        for n in range(30):
            file.seek(n * 300_000 + 4096)
            file.write(bytes([n + 1]) * 5000)
        file.truncate(10_000_001)
    (tmp_path / "after").write_bytes(b"after")
    options = [f"--sparse-version={version}"] if version else []
    subprocess.run(
        ["tar", "-S", "-H", dialect, *options, "-cf", "out.tar", "sparse", "after"],
        cwd=tmp_path,
        check=True,
    )
    data = (tmp_path / "out.tar").read_bytes()
    assert len(data) < 1_000_000
    found = dict(read(data, kind))
    assert found == {b"sparse": (tmp_path / "sparse").read_bytes(), b"after": b"after"}
    sparse = next(iter(opened(data).members()))
    assert sparse.size_bytes == 10_000_001
    assert sparse.stored_bytes is not None
    assert sparse.stored_bytes < 1_000_000


@both
def test_a_sparse_bomb_fails_before_it_is_read(kind):
    names = {"GNU__sparse__major": b"0", "GNU__sparse__minor": b"1", "GNU__sparse__map": b"0,1"}
    bomb = pax(**names, GNU__sparse__size=b"%d" % 2**60) + member(b"bomb", b"x")
    found = list(opened(bomb + member(b"b", b"y") + END, kind=kind).members())
    assert [(m.name, m.reason) for m in found] == [(b"bomb", "expansion_limit"), (b"b", "")]


@pytest.mark.parametrize("pieces", [b"5,5,0,5", b"0,99", b"0,5,3,5", b"90,20", b"0,-1", b"0,x"])
def test_a_sparse_map_that_does_not_fit_is_damaged(pieces):
    records = {"GNU__sparse__map": pieces, "GNU__sparse__size": b"100"}
    with pytest.raises(ContainerError) as raised:
        list(opened(member(b"a", b"") + pax(**records) + member(b"b", b"1234567890")).members())
    assert raised.value.code == "damaged"


@both
def test_an_extended_header_of_absurd_size_is_refused_unread(kind):
    bomb = header(b"@LongLink", 4 << 30, b"L", magic=b"ustar  \0") + bytes(1 << 20)
    container = opened(member(b"first", b"1") + bomb, kind=kind)
    members = container.members()
    assert next(members).name == b"first"
    tracemalloc.start()
    try:
        with pytest.raises(ContainerError) as raised:
            next(members)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()
    assert raised.value.code == "damaged"


@pytest.mark.parametrize(
    "records",
    [b"0 a=b\n", b"1 a=b\n", b"5 a=b", b"99 a=b\n", b"x a=b\n", b"6 abc\n", b" a=b\n", b"7"],
)
def test_damaged_pax_records_end_in_an_error(records):
    data = member(b"a", b"") + member(b"pax", records, b"x") + member(b"b", b"") + END
    with pytest.raises(ContainerError) as raised:
        list(opened(data).members())
    assert raised.value.code == "damaged"


@pytest.mark.parametrize(
    ("size", "code"),
    [
        (b"\x80" + (1 << 60).to_bytes(11, "big"), "truncated"),
        (b"\x80" + b"\xff" * 11, "truncated"),
        (b"\xff" * 12, "damaged"),
        (b"-1\0".rjust(12), "damaged"),
        (b"77777777777\0", "truncated"),
        (b"9".rjust(12), "damaged"),
    ],
)
@both
def test_absurd_sizes_end_the_listing(kind, size, code):
    container = opened(member(b"a", b"1") + header(b"b", size) + END, kind=kind)
    with pytest.raises(ContainerError) as raised:
        list(container.members())
    assert raised.value.code == code


def test_a_size_in_base_256_is_read():
    data = header(b"a", b"\x80" + (5).to_bytes(11, "big")) + padded(b"12345") + END
    assert read(data) == [(b"a", b"12345")]


def test_a_damaged_header_keeps_what_came_before_and_is_told():
    """The standard library ends silently there."""
    data = bytearray(member(b"a", b"1") + member(b"b", b"2") + END)
    data[1024 + 3] ^= 1
    members = opened(bytes(data)).members()
    assert next(members).name == b"a"
    with pytest.raises(ContainerError) as raised:
        next(members)
    assert raised.value.code == "damaged"
    with tarfile.open(fileobj=io.BytesIO(data)) as peer:
        assert peer.getnames() == ["a"]


@both
def test_an_archive_without_an_end_mark_is_told(kind):
    members = opened(member(b"a", b"1"), kind=kind).members()
    assert next(members).name == b"a"
    with pytest.raises(ContainerError) as raised:
        next(members)
    assert raised.value.code == "truncated"


def test_a_file_cut_in_the_middle_is_a_failed_member():
    whole = member(b"a", b"1" * 100) + member(b"b", b"2" * 2000)
    found: list[Member] = []
    with pytest.raises(ContainerError) as raised:
        found.extend(opened(whole[:2000]).members())
    assert raised.value.code == "truncated"
    members = opened(whole[:2000]).members()
    assert [next(members).outcome, next(members).reason] == ["file", "truncated"]


@both
def test_archives_behind_each_other_are_all_read_and_what_is_no_archive_is_left(kind):
    one, two = member(b"a", b"1") + END, member(b"b", b"2") + END
    assert read(one + two + bytes(5120) + one + b"garbage" * 999, kind) == [
        (b"a", b"1"),
        (b"b", b"2"),
        (b"a", b"1"),
    ]


def test_endless_zeros_after_the_end_are_not_read_through():
    class Zeros(io.RawIOBase):
        """A terabyte of zeros after a small archive."""

        def __init__(self) -> None:
            self.head = member(b"a", b"1")
            self.at = self.most = 0

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = 0) -> int:
            self.at = offset if whence == 0 else (1 << 40) + offset
            return self.at

        def read(self, size: int = -1) -> bytes:
            data = self.head[self.at : self.at + size].ljust(size, b"\0")
            self.at += size
            if self.at < 1 << 39:
                self.most = max(self.most, self.at)
            return data

    zeros = Zeros()
    container = opening.open_container([zeros], LIMITS)
    assert container is not None
    assert [m.name for m in container.members()] == [b"a"]
    assert zeros.most < 4 << 20


@pytest.mark.parametrize(
    ("mtime", "wanted"),
    [
        (b"14524770400\0", "2023-11-14 22:13:20+00:00"),
        (b"\x80" + b"\xff" * 11, "None"),
        (b"garbage!!!!!", "None"),
    ],
)
def test_times_are_utc_or_none(mtime, wanted):
    (found,) = opened(member(b"a", b"", mtime=mtime) + END).members()
    assert str(found.modified) == wanted


@pytest.mark.parametrize("text", [b"nan", b"inf", b"-1e300", b"x", b"1700000000.5"])
def test_pax_times_may_be_anything(text):
    data = member(b"z", b"") + pax(mtime=text) + member(b"a", b"") + END
    _, found = opened(data).members()
    assert str(found.modified) in ("None", "2023-11-14 22:13:20.500000+00:00")


@pytest.mark.parametrize(
    "head",
    [b"", bytes(512), bytes(10240), os.urandom(512), b"a" * 512, b"#!/bin/sh\n".ljust(512)],
)
def test_other_content_is_not_taken_for_an_archive(head):
    assert opening.open_container([io.BytesIO(head)], LIMITS) is None


@given(
    st.lists(
        st.tuples(
            st.text(
                st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1, max_size=130
            ),
            st.binary(max_size=1500),
        ),
        max_size=6,
        unique_by=lambda pair: pair[0],
    ),
    st.sampled_from([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
    st.sampled_from(["tar", "gzip"]),
)
def test_what_the_standard_library_packs_is_unpacked(files, form, kind):
    out = io.BytesIO()
    wanted = []
    with tarfile.open(fileobj=out, mode="w", format=form) as made:
        for name, data in [("first", b"1"), *files]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            try:
                made.addfile(info, io.BytesIO(data))
            except ValueError:  # the name is too long for ustar
                continue
            wanted.append((name.encode(), data))
    assert read(out.getvalue(), kind) == wanted
