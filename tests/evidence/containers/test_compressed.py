"""Traps of compressed files."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import struct
import sys
import time
import tracemalloc

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
PACKERS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zstd": zstd.compress,
}
every = pytest.mark.parametrize("kind", PACKERS)
framed = pytest.mark.parametrize("kind", [k for k in PACKERS if k != "lzma"])


def opened(data: bytes, name: bytes = b"", budget: Budget | None = None):
    container = opening.open_container([io.BytesIO(data)], LIMITS, name=name, budget=budget)
    assert container is not None
    return container


def read(data: bytes) -> bytes:
    container = opened(data)
    (content,) = [container.open(m).read() for m in container.members()]
    return content


@pytest.mark.parametrize(
    ("kind", "name", "wanted"),
    [
        ("gzip", b"photo.jpg.gz", b"photo.jpg"),
        ("gzip", b"PHOTO.JPG.GZ", b"PHOTO.JPG"),
        ("gzip", b"backup.tgz", b"backup.tar"),
        ("bzip2", b"disk.dd.bz2", b"disk.dd"),
        ("xz", b"\xff.xz", b"\xff"),
        ("lzma", b"a.lzma", b"a"),
        ("zstd", b"a.zst", b"a"),
        ("gzip", b".gz", b"content"),
        ("gzip", b"disguised.jpg", b"content"),
        ("gzip", b"", b"content"),
    ],
)
def test_the_only_member_is_named_after_the_file(kind, name, wanted):
    container = opened(PACKERS[kind](b"x"), name)
    assert container.kind == kind
    (member,) = container.members()
    assert member.name == wanted
    assert member.size_bytes is None


@given(st.sampled_from(list(PACKERS)), st.binary(max_size=5000))
def test_content_comes_back(kind, data):
    assert read(PACKERS[kind](data)) == data


@framed
def test_frames_behind_each_other_are_one_content(kind):
    pack = PACKERS[kind]
    parts = [os.urandom(70_000), b"", b"x" * 200_000, b"y"]
    assert read(b"".join(pack(part) for part in parts)) == b"".join(parts)


@framed
def test_padding_and_what_is_not_ours_behind_the_last_frame_are_left_alone(kind):
    packed = PACKERS[kind](b"content")
    assert read(packed + bytes(512)) == b"content"
    assert read(packed + b"something else" * 9999) == b"content"


def test_skippable_frames_are_skipped():
    skipped = struct.pack("<2I", 0x184D2A53, 9) + b"whatever!"
    assert read(skipped + zstd.compress(b"a") + skipped + zstd.compress(b"b")) == b"ab"


@every
def test_a_stream_that_is_cut_says_so_after_what_it_gave(kind):
    packed = PACKERS[kind](os.urandom(1 << 20))
    container = opened(packed[:-5000])
    (member,) = container.members()
    data, size = container.open(member), 0
    with pytest.raises(ContainerError) as raised:
        while block := data.read1(1 << 16):
            size += len(block)
    assert raised.value.code == "truncated"
    assert size > 100_000 or kind == "bzip2"


@every
def test_a_bomb_ends_at_the_budget_in_little_time_and_memory(kind):
    bomb = PACKERS[kind](bytes(64 << 20))
    budget = Budget(8 << 20)
    container = opened(bomb, budget=budget)
    (member,) = container.members()
    started = time.process_time()
    tracemalloc.start()
    size = 0
    try:
        data = container.open(member)
        with pytest.raises(ContainerError) as raised:
            while block := data.read(1 << 16):
                size += len(block)
        assert tracemalloc.get_traced_memory()[1] < 16 << 20  # xz keeps a dictionary of 8 MiB
    finally:
        tracemalloc.stop()
    assert raised.value.code == "expansion_limit"
    assert size <= 8 << 20
    assert time.process_time() - started < 5


def test_a_dictionary_of_gigabytes_is_refused():
    packed = bytearray(lzma.compress(b"x" * 1000, lzma.FORMAT_ALONE))
    packed[1:5] = (3 << 30).to_bytes(4, "little")
    with pytest.raises(ContainerError) as raised:
        read(bytes(packed))
    assert raised.value.code == "damaged"


def test_containers_inside_are_found_layer_by_layer():
    data = b"core"
    for pack in PACKERS.values():
        data = pack(data)
    kinds = []
    stream = io.BytesIO(data)
    while container := opening.open_container([stream], LIMITS):
        kinds.append(container.kind)
        (member,) = container.members()
        stream = io.BytesIO(container.open(member).read())
    assert kinds == list(reversed(PACKERS))
    assert stream.getvalue() == b"core"


@pytest.mark.parametrize(
    "data",
    [
        b"\x1f\x8b",
        b"\x1f\x8b\x08" + b"\xff" * 20,
        b"BZh9 is how this text begins",
        b"\x5d\x00\x00\x80\x00" + b"text is no size",
        b"\x5d\x00\x00\x01\x00" + b"\xff" * 8,
        b"]" * 100,
        b"\x28\xb5\x2f",
    ],
)
def test_other_content_is_not_taken_for_compressed(data):
    assert opening.open_container([io.BytesIO(data)], LIMITS) is None
