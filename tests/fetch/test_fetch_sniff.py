"""Pages that lie about their type are seen through."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tutela.fetch.sniff import Kind, hides_page, sniff


def picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), "teal").save(out, kind)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF", "ICO"])
@pytest.mark.parametrize("said", ["", "text/html", "application/octet-stream", "video/mp4"])
def test_a_picture_is_one_whatever_it_is_called(kind: str, said: str):
    assert sniff(picture(kind), said) is Kind.IMAGE


@pytest.mark.parametrize(
    "first",
    [
        b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
        b"\x00\x00\x00\x14ftypqt  ",
        b"\x1aE\xdf\xa3\x01\x00",
        b"RIFF\x00\x00\x00\x00AVI LIST",
        b"FLV\x01\x05",
        b"\x00\x00\x01\xba!",
        b"G\x40\x00\x10".ljust(188, b"\xff") * 5,
        b"OggS\x00\x02",
    ],
)
def test_a_video_is_one_whatever_it_is_called(first: bytes):
    assert sniff(first, "image/jpeg") is Kind.VIDEO
    assert sniff(first, "text/html") is Kind.VIDEO


@pytest.mark.parametrize(
    "first",
    [
        b"<!DOCTYPE html><title>x</title>",
        b"\xef\xbb\xbf \n<HTML lang=de>",
        b"<!-- <b> --><?xml version='1.0'?>\n<html xmlns='x'>",
        b"<script>1</script>",
        b"<p>",
        "<html>".encode("utf-16"),
    ],
)
@pytest.mark.parametrize("said", ["", "image/jpeg", "text/plain", "video/mp4"])
def test_a_page_is_one_whatever_it_is_called(first: bytes, said: str):
    assert sniff(first, said) is Kind.HTML


@pytest.mark.parametrize(
    ("first", "said", "kind"),
    [
        (b"plain words", "text/plain", Kind.TEXT),
        (b"plain words", "text/html; charset=utf-8", Kind.HTML),
        (b"plain words", "image/png", Kind.TEXT),
        (b"BMW and others", "", Kind.TEXT),
        (b"G" * 1000, "", Kind.VIDEO),
        (b"{}", "application/json", Kind.TEXT),
        (b"", "text/html", Kind.HTML),
        (b"%PDF-1.7\n\x00\x01", "application/pdf", Kind.OTHER),
        (b"PK\x03\x04\x00\x00", "application/zip", Kind.OTHER),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "audio/wav", Kind.OTHER),
        (b"\x00\x00\x00\x20ftypM4A ", "audio/mp4", Kind.OTHER),
        (b"\x00\x01\x02 unknown", "image/x-camera", Kind.IMAGE),
        (b"\x00\x01\x02 unknown", "video/x-phone", Kind.VIDEO),
        (b"\x00\x01\x02 unknown", "text/html", Kind.OTHER),
    ],
)
def test_what_else_there_is(first: bytes, said: str, kind: Kind):
    assert sniff(first, said) is kind


def test_a_page_that_begins_as_a_picture_is_told():
    both = b"GIF89a/*<!DOCTYPE html><html><body>"
    assert sniff(both, "text/html") is Kind.IMAGE
    assert hides_page(both, "text/html; charset=utf-8")
    assert not hides_page(both, "image/gif")
    assert not hides_page(picture("PNG"), "text/html")


@given(st.binary(max_size=5000), st.text(max_size=20))
def test_anything_has_a_kind(first: bytes, said: str):
    assert isinstance(sniff(first, said), Kind)
