"""Finds the files in a `multipart/form-data` body (RFC 7578, RFC 2046 section 5.1).

Strict: the guard must see what the application behind it will see, so a body that could be read in
two ways is refused. An upload hides in whatever part is named a file, says that it is no plain
text, or is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message

from tutela.core.errors import InputError

PARTS_LIMIT = 200
_HEADERS_LIMIT = 16 << 10
_BOUNDARY = re.compile(rb"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


def boundary_of(content_type: str) -> bytes:
    """Return the boundary that a Content-Type names.

    Raises:
        InputError: it names none, or more than one.
    """
    header = Message()
    header["content-type"] = content_type
    named = [value for name, value in header.get_params([]) if name.lower() == "boundary"]
    boundary = named[0].encode("latin-1", "replace") if len(named) == 1 else b""
    if not _BOUNDARY.fullmatch(boundary):
        raise _malformed()
    return boundary


def files(body: bytes, boundary: bytes) -> Iterator[bytes]:
    """Yield the content of every part that may be an upload.

    Raises:
        InputError: the body is not multipart as it should be, or has too many parts.
    """
    delimiter = b"--" + boundary
    if not body.startswith(delimiter):
        raise _malformed()
    at = len(delimiter)
    for _ in range(PARTS_LIMIT + 1):
        if body[at : at + 2] == b"--":
            if body[at + 2 :].strip(b"\r\n"):
                raise _malformed()
            return
        if body[at : at + 2] != b"\r\n":
            raise _malformed()
        end = body.find(b"\r\n" + delimiter, at)
        head_end = body.find(b"\r\n\r\n", at)
        if end < 0 or not at <= head_end <= end - 4 or head_end - at > _HEADERS_LIMIT:
            raise _malformed()
        content = body[head_end + 4 : end]
        if _may_be_upload(body[at + 2 : head_end + 2], content):
            yield content
        at = end + 2 + len(delimiter)
    raise InputError(f"an upload of more than {PARTS_LIMIT} parts", code="too_many_parts")


def _may_be_upload(head: bytes, content: bytes) -> bool:
    headers = Message()
    for line in head.split(b"\r\n"):
        if not line:
            continue
        name, colon, value = line.partition(b":")
        if not colon or not name or name != name.strip() or b"\n" in line or b"\r" in line:
            raise _malformed()
        headers[name.decode("latin-1")] = value.strip().decode("latin-1")
    if "content-transfer-encoding" in headers:
        # Deprecated (RFC 7578, section 4.7): some decode it and some do not.
        raise InputError("an upload with a transfer encoding", code="encoded")
    disposition = dict(headers.get_params([], header="content-disposition"))
    named = any(name.lower().rstrip("*") == "filename" for name in disposition)
    if named or headers.get("content-type", "text/plain").partition(";")[0] != "text/plain":
        return True
    try:
        content.decode()
    except UnicodeDecodeError:
        return True
    return False


def _malformed() -> InputError:
    return InputError("an upload that is not multipart as it should be", code="malformed")
