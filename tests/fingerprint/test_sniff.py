from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.fingerprint.picture import looks_like_picture


def test_every_format_is_told_by_its_first_bytes(small_pictures):
    for name, data in small_pictures.items():
        assert looks_like_picture(data[:64]) == name.split("_")[0]


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"BM",
        b"BMW drivers' handbook, 1999",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        b"\0\0\0\x18ftypisom\0\0\2\0isomiso2mp41",
        b"P6 100000 100000 255\n",
        b"PK\3\4",
    ],
)
def test_other_files_are_none(head):
    assert looks_like_picture(head) == ""


def test_a_general_brand_is_told_by_its_compatible_ones():
    head = b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"
    assert looks_like_picture(head) == "avif"
    assert looks_like_picture(head.replace(b"avif", b"heic")) == "heif"


@given(st.binary(max_size=64))
def test_any_bytes_get_an_answer(head):
    assert isinstance(looks_like_picture(head), str)
