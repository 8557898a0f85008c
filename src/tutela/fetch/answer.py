"""What the head of an answer says, as far as it is wanted."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from aiohttp import ClientResponse

from tutela.core import time
from tutela.core.errors import FetchError
from tutela.fetch.address import Address, moved

_MOVED = (301, 302, 303, 307, 308)
_LONGEST_WAIT_S = 86_400
_TYPE_CHARACTERS = 200
_DIGITS = 18


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The head of an answer.

    Attributes:
        status: The status code, never 1xx.
        location: Where a redirect leads; None where it is none. It was checked as an address is,
            and not as a target: `may_follow` and the authority decide.
        content_type: As it says, printable ASCII of 200 characters at most; may be a lie.
        content_length: Of the body on the wire; None where it does not say.
        retry_after_s: For how long it asks not to be asked again, a day at most; None likewise.
        encoding: The layers of compression, as it says.
        is_framed: Whether the body says where it ends; otherwise it ends with the connection, and
            one that was cut looks whole.
    """

    status: int
    location: Address | None = None
    content_type: str = ""
    content_length: int | None = None
    retry_after_s: int | None = None
    encoding: str = ""
    is_framed: bool = False


def head_of(response: ClientResponse, asked: Address) -> Head:
    """Return the head of an answer to a request for `asked`.

    Raises:
        FetchError: `bad_address`: it redirects to what is no address, with the `status`; `headers`:
            it is no answer to what was asked.
    """
    status, headers = response.status, response.headers
    if not 200 <= status <= 599:
        raise FetchError("what answers does not speak HTTP", code="headers")
    location = None
    if status in _MOVED and "Location" in headers:
        try:
            location = moved(asked, headers["Location"])
        except FetchError as error:
            raise FetchError(
                f"it redirects: {error.message}", code=error.code, status=status
            ) from None
    length = headers.get("Content-Length", "")
    kind = "".join(c for c in headers.get("Content-Type", "") if " " <= c <= "~")
    return Head(
        status=status,
        location=location,
        content_type=kind[:_TYPE_CHARACTERS],
        content_length=int(length) if length.isdecimal() and len(length) <= _DIGITS else None,
        retry_after_s=_wait_s(headers.get("Retry-After", "").strip()),
        encoding=",".join(headers.getall("Content-Encoding", [])),
        is_framed=bool(length) or "chunked" in headers.get("Transfer-Encoding", "").lower(),
    )


def _wait_s(said: str) -> int | None:
    """Read seconds or a date (RFC 9110, section 10.2.3)."""
    if said.isdecimal():
        return min(int(said[:_DIGITS]), _LONGEST_WAIT_S)
    try:
        date: datetime = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
    return min(max(int((date - time.now()).total_seconds()), 0), _LONGEST_WAIT_S)
