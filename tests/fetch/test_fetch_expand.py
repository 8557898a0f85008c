"""Expansion gives back what was compressed, however it is cut, and never more than allowed."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import FetchError
from tutela.fetch.expand import PIECE_BYTES, Cap, Expander

ROOMY = Cap(size_bytes=1 << 30, ratio=1 << 30)
ENCODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "bare": ("deflate", lambda data: zlib.compress(data, wbits=-15)),
    "br": ("br", lambda data: brotli.compress(data, quality=4)),
    "zstd": ("zstd", zstd.compress),
    "identity": ("identity", bytes),
}
kinds = st.sampled_from(sorted(ENCODERS))


def expanded(encoding: str, pieces: list[bytes], cap: Cap = ROOMY) -> bytes:
    expander = Expander(encoding, cap)
    out = []
    for piece in pieces:
        for part in expander.feed(piece):
            assert 0 < len(part) <= PIECE_BYTES
            out.append(part)
    expander.finish()
    return b"".join(out)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def code_of(encoding: str, pieces: list[bytes], cap: Cap = ROOMY) -> str:
    with pytest.raises(FetchError) as caught:
        expanded(encoding, pieces, cap)
    return caught.value.code


@given(kinds, st.binary(max_size=3000), st.sampled_from([1, 300]), st.integers(1, 5000))
def test_what_was_compressed_comes_back_however_it_is_cut(
    kind: str, unit: bytes, times: int, size: int
):
    encoding, encode = ENCODERS[kind]
    data = unit * times
    assert expanded(encoding, cut(encode(data), max(size, len(data) // 500))) == data


@given(kinds, st.binary(min_size=1, max_size=2000), st.data())
def test_a_body_that_ends_early_is_damaged(kind: str, data: bytes, draw: st.DataObject):
    if kind == "identity":
        return
    encoding, encode = ENCODERS[kind]
    whole = encode(data)
    kept = draw.draw(st.integers(1, len(whole) - 1))
    assert code_of(encoding, [whole[:kept]]) == "damaged"


@given(st.sampled_from(["gzip", "deflate", "br", "zstd"]), st.lists(st.binary(max_size=200)))
def test_noise_is_an_error_with_a_code_or_something_bounded(encoding: str, pieces: list[bytes]):
    out, code = b"", ""
    try:
        out = expanded(encoding, pieces, Cap(size_bytes=10_000, floor_bytes=1000))
    except FetchError as error:
        code = error.code
    assert code in {"", "damaged", "bomb", "too_large"}
    assert len(out) <= 10_000


@given(kinds, st.binary(max_size=3000), st.integers(0, 3000))
def test_the_limit_of_the_size_is_exact(kind: str, data: bytes, most: int):
    encoding, encode = ENCODERS[kind]
    cap = Cap(size_bytes=most, ratio=1 << 30)
    if len(data) <= most:
        assert expanded(encoding, [encode(data)], cap) == data
    else:
        assert code_of(encoding, [encode(data)], cap) == "too_large"


@pytest.mark.parametrize("kind", sorted(set(ENCODERS) - {"identity"}))
def test_a_bomb_ends_soon_and_takes_no_memory(kind: str):
    encoding, encode = ENCODERS[kind]
    bomb = encode(bytes(256 << 20))
    expander = Expander(encoding, Cap(size_bytes=1 << 30))
    came = 0
    tracemalloc.start()
    with pytest.raises(FetchError) as caught:
        for piece in cut(bomb, 1024):
            for part in expander.feed(piece):
                came += len(part)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.code == "bomb"
    assert came <= max(128 << 10, 100 * len(bomb))
    assert peak < 4 << 20


def test_a_short_page_of_one_line_is_no_bomb():
    page = b"<p>the same line</p>\n" * 5000
    assert expanded("gzip", [gzip.compress(page)], Cap(size_bytes=1 << 20)) == page


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,br", "compress", "gzip;q=1", "br\x00"])
def test_what_is_not_expanded(encoding: str):
    with pytest.raises(FetchError) as caught:
        Expander(encoding, ROOMY)
    assert caught.value.code == "encoding"


@pytest.mark.parametrize("encoding", ["", " ", "identity", "Identity, identity"])
def test_what_is_not_compressed_is_handed_on(encoding: str):
    assert expanded(encoding, [b"page", b" two"]) == b"page two"


def test_an_empty_body_is_whole_whatever_it_says():
    assert expanded("gzip", []) == b""


@given(st.sampled_from(["gzip", "zstd"]), st.lists(st.binary(max_size=50)), st.integers(1, 99))
def test_several_frames_are_one_body(kind: str, parts: list[bytes], size: int):
    encoding, encode = ENCODERS[kind]
    body = b"".join(map(encode, parts))
    assert expanded(encoding, cut(body, size)) == b"".join(parts)


@given(st.sampled_from(["gzip", "zlib", "zstd"]), st.integers(1, 99))
def test_what_follows_the_end_is_ignored_however_it_is_cut(kind: str, size: int):
    encoding, encode = ENCODERS[kind]
    body = encode(b"page") + b"<!-- counter -->" + encode(b"more")
    assert expanded(encoding, cut(body, size)) == b"page"


@given(st.integers(1, 99))
def test_what_follows_the_end_of_brotli_is_damage_however_it_is_cut(size: int):
    assert code_of("br", cut(brotli.compress(b"page") + b"<!-- counter -->", size)) == "damaged"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_row_of_empty_frames_ends(kind: str):
    encoding, encode = ENCODERS[kind]
    assert code_of(encoding, cut(encode(b"") * 5000, 1 << 16)) == "bomb"


def test_a_window_that_is_not_for_http_is_refused():
    options = {zstd.CompressionParameter.window_log: 27}
    wide = zstd.ZstdCompressor(options=options)
    body = wide.compress(b"page" * 1000) + wide.flush()
    assert code_of("zstd", [body]) == "damaged"
