"""Matching for platforms: `/v1/match`. docs/reference/match-api.md says what goes in and out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import Response
from litestar.params import QueryParameter, RawBody

from tutela.access.model import Permission
from tutela.api.office import Asked, hasher, matching, who
from tutela.core import matchform
from tutela.core.errors import InputError
from tutela.core.matching import Answer, Known, Question, checked_size, known
from tutela.edge.routes import changes

JSON = "application/json"
Lists = Annotated[
    list[str] | None, QueryParameter(name="list", description="Ask these lists only.")
]

_decode = msgspec.json.Decoder(Question).decode
_encode = msgspec.json.Encoder().encode


@changes(
    "/v1/match",
    needs=Permission.MATCH,
    remembers=True,
    takes={JSON: Question, matchform.MEDIA_TYPE: None, "application/octet-stream": None},
    gives={JSON: Answer, matchform.MEDIA_TYPE: None},
)
def match(request: Asked, body: RawBody, lists: Lists = None) -> Response[bytes]:
    """Tell what contents meet on the lists that the member may use.

    The body is hashes as JSON or in the compact form, or a file, as its content type says. Hashes
    are answered in the form in which they were asked.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    asks = matching(request)
    if kind == matchform.MEDIA_TYPE:
        answer = asks.answer(who(request), matchform.contents_of(body), lists or ())
        return Response(matchform.answer(answer), media_type=matchform.MEDIA_TYPE)
    if kind == JSON:
        answer = asks.answer(who(request), _contents(body), lists or ())
    else:
        content, read = hasher(request).known(body)
        answer = asks.answer(who(request), [content], lists or ())
        answer = msgspec.structs.replace(answer, file=read)
    return Response(_encode(answer), media_type=JSON)


def _contents(body: bytes) -> Sequence[Known]:
    try:
        contents = _decode(body).contents
    except msgspec.DecodeError as error:
        raise InputError(f"the question cannot be read: {error}", code="malformed") from None
    checked_size(len(contents), sum(len(content.fingerprints) for content in contents))
    return [known(content) for content in contents]


ROUTES = [match]
