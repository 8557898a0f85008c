from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.client.multipart import PARTS_LIMIT, boundary_of, files
from tutela.core.errors import InputError


def form(parts) -> tuple[str, bytes]:
    request = httpx.Request("POST", "http://x", files=parts)
    return request.headers["content-type"], request.read()


def found(content_type: str, body: bytes) -> list[bytes]:
    return list(files(body, boundary_of(content_type)))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=5))
def test_every_file_comes_out_as_it_went_in(contents):
    parts = [(f"f{n}", (f"n{n}.bin", content)) for n, content in enumerate(contents)]
    assert found(*form(parts)) == contents


def test_texts_are_no_uploads_and_what_only_says_so_is():
    parts = [
        ("title", (None, "a holiday")),
        ("hidden", (None, b"\xff\xd8\xff\xe0")),
        ("typed", (None, b"looks like text", "image/svg+xml")),
        ("file", ("x.txt", b"a text file", "text/plain")),
    ]
    assert found(*form(parts)) == [b"\xff\xd8\xff\xe0", b"looks like text", b"a text file"]


def part(head: bytes, content: bytes = b"x", end: bytes = b"--") -> bytes:
    return b"--B\r\n" + head + b"\r\n\r\n" + content + b"\r\n--B" + end + b"\r\n"


HEAD = b'Content-Disposition: form-data; name="f"; filename="x"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--B",
        b"preamble\r\n" + part(HEAD),
        part(HEAD)[:-4],
        part(HEAD) + b"epilogue",
        part(HEAD, end=b"x"),
        b"--B\n" + HEAD + b"\n\nx\n--B--",
        part(b"no colon"),
        part(b" folded: x\r\n" + HEAD),
        part(HEAD + b"\r\nContent-Transfer-Encoding: base64"),
        part(HEAD + b"\r\nX: " + b"y" * 20_000),
        b"--B\r\n\r\n--B--",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(body):
    with pytest.raises(InputError):
        list(files(body, b"B"))


def test_too_many_parts_are_refused():
    body = b"".join(b"--B\r\n" + HEAD + b"\r\n\r\nx\r\n" for _ in range(PARTS_LIMIT + 1)) + b"--B--"
    with pytest.raises(InputError) as error:
        list(files(body, b"B"))
    assert error.value.code == "too_many_parts"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=" + "a" * 71,
    ],
)
def test_a_boundary_is_named_once(content_type):
    with pytest.raises(InputError):
        boundary_of(content_type)


@given(st.binary(max_size=400))
def test_no_body_breaks_it(body):
    try:
        list(files(b"--B" + body, b"B"))
    except InputError:
        return
