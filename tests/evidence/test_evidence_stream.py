"""Streams by position: windows, sparse mosaics, copies that can be sought."""

from __future__ import annotations

import io
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import ContainerError
from tutela.evidence.stream import descriptor, mosaic, seekable, size_of, window


class Forward(io.RawIOBase):
    """Bytes that come once."""

    def __init__(self, data: bytes, fail: type[BaseException] | None = None) -> None:
        self._data = io.BytesIO(data)
        self._fail = fail

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        if self._fail:
            raise self._fail
        return self._data.readinto(buffer)


@given(st.binary(max_size=300), st.integers(0, 300), st.integers(0, 300), st.data())
def test_a_window_reads_as_the_slice_does(base, start, size, data):
    size = min(size, max(0, len(base) - start))
    wanted = io.BytesIO(base[start : start + size])
    got = window(io.BytesIO(base), start, size)
    assert size_of(got) == size
    for _ in range(4):
        position = data.draw(st.integers(0, 310))
        count = data.draw(st.integers(-1, 310))
        got.seek(position)
        wanted.seek(position)
        assert got.read(count) == wanted.read(count)
        assert got.tell() == max(position, wanted.tell())


def test_a_window_over_a_base_that_is_too_short_says_so():
    data = window(io.BytesIO(b"12345"), 2, 10)
    with pytest.raises(ContainerError) as raised:
        data.read()
    assert raised.value.code == "truncated"


def test_a_position_before_the_start_is_refused():
    raw = window(io.BytesIO(b"12345"), 0, 5).raw
    with pytest.raises(ValueError, match="before the start"):
        raw.seek(-1)
    with pytest.raises(ValueError, match="before the start"):
        raw.seek(-6, io.SEEK_END)
    assert raw.seek(-1, io.SEEK_END) == 4


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8), st.data())
def test_a_mosaic_reads_as_the_filled_file_does(gaps, data):
    base = bytes(range(1, 200))
    whole, pieces, there = bytearray(), [], 0
    for gap, length in gaps:
        whole += bytes(gap)
        pieces.append((len(whole), there, length))
        whole += base[there : there + length]
        there += length
    whole += bytes(data.draw(st.integers(0, 9)))
    got = mosaic(io.BytesIO(base), pieces, len(whole))
    assert got.read() == bytes(whole)
    position, count = data.draw(st.integers(0, len(whole))), data.draw(st.integers(0, 30))
    got.seek(position)
    assert got.read(count) == bytes(whole[position : position + count])


def test_a_descriptor_has_a_place_of_its_own(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    number = os.open(tmp_path / "a", os.O_RDONLY)
    try:
        one, two = descriptor(number), descriptor(number)
        one.seek(4)
        assert two.read(3) == b"012"
        assert one.read(3) == b"456"
        assert os.lseek(number, 0, os.SEEK_CUR) == 0
        one.close()
        assert two.read() == b"3456789"
    finally:
        os.close(number)


def test_what_can_be_sought_is_not_copied():
    data = io.BytesIO(b"x")
    assert seekable(data, 0) is data


@pytest.mark.parametrize("size", [0, 1, 65_536, 100_000])
def test_a_copy_holds_everything_up_to_the_limit(size):
    data = os.urandom(size)
    copy = seekable(io.BufferedReader(Forward(data)), size)
    assert copy.seekable()
    assert copy.read() == data


@pytest.mark.parametrize("limit", [0, 99_999])
def test_a_copy_beyond_the_limit_is_refused(limit):
    with pytest.raises(ContainerError) as raised:
        seekable(io.BufferedReader(Forward(bytes(100_000))), limit)
    assert raised.value.code == "nested_too_large"
    assert raised.value.hint


def test_a_copy_for_which_memory_is_short_is_refused():
    with pytest.raises(ContainerError) as raised:
        seekable(Forward(b"", MemoryError), 10)
    assert raised.value.code == "nested_too_large"
