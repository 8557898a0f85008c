"""Signs of risk in conversations: `/v1/chat`. docs/how-to/score-chat-as-a-platform.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec
from litestar.params import FromPath, RawBody
from litestar.response import Stream

from tutela.access.model import Permission
from tutela.api.office import Asked, chat, limits, who
from tutela.core import chatting
from tutela.core.chatting import Answered, Message, Question, Standing
from tutela.core.errors import InputError
from tutela.edge.routes import changes, reads, removes

JSON = "application/json"
T = TypeVar("T")

_UNKNOWN: Final = "Object contains unknown field"
_OTHER: Final = "a value of another kind is expected"
# How the decoder's messages begin, and what is said instead.
_WRONG: Final = (
    *(
        (f"Object missing required field `{name}`", f"the field {name} is missing")
        for name in ("messages", "conversation", "id", "author")
    ),
    ("Invalid enum value", "a value that is not one of those allowed"),
    ("Expected `str` of length", "a name that is empty or too long"),
    ("Expected `array` of length", "a list that is too long"),
    ("Expected `str` matching regex", f"no name of a conversation: {chatting.NAMED}"),
    ("Expected `datetime` with a timezone", "a time without its zone"),
    ("Invalid RFC3339", "no time as RFC 3339 writes it"),
)
# Beyond an unknown field the place is the decoder's own, and stands at the end.
_PLACE: Final = re.compile(r" - at `(\$(?:\.[a-z_]+|\[\d+\])*)`\Z")

_question = msgspec.json.Decoder(Question)
_message = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


@changes(
    "/v1/chat",
    needs=Permission.CHAT_SCORE,
    request_max_body_size=chatting.LONGEST_BODY,
    takes={JSON: Question, chatting.LINES: Message},
    gives={chatting.LINES: Answered},
)
def score(request: Asked, body: RawBody) -> Stream:
    """Score messages of conversations, in their order; answers stream, a line for each.

    A message by which several pairs reach the point has a line for each of them.

    The body is JSON, or a message a line. No text is kept, and none is in an answer. What crosses
    the point is for a person to look at; it is no finding about anybody.
    """
    service = chat(request)
    answers = _Lines(service.take(who(request), _messages(request, body)))
    limits(request).long_answer(who(request).account_id, answers)
    return Stream(answers, media_type=chatting.LINES)


@reads("/v1/chat/{conversation:path}", needs=Permission.CHAT_SCORE)
def standing(request: Asked, conversation: FromPath[str]) -> Standing:
    """Tell what a conversation that this program sent adds up to, with its reasons."""
    return chat(request).standing(who(request), conversation.removeprefix("/"))


@removes("/v1/chat/{conversation:path}", needs=Permission.CHAT_SCORE)
def forget(request: Asked, conversation: FromPath[str]) -> dict[str, bool]:
    """Forget a conversation that this program sent."""
    chat(request).forget(who(request), conversation.removeprefix("/"))
    return {"forgotten": True}


class _Lines:
    """Answers as lines; an object of its own, for its end to be seen."""

    def __init__(self, answers: Iterator[Sequence[Answered]]) -> None:
        self._answers = answers

    def __iter__(self) -> Iterator[bytes]:
        for some in self._answers:
            yield _encoder.encode_lines(some)


def _messages(request: Asked, body: bytes) -> Sequence[Message]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == JSON:
        return _decoded(_question, body, "the question").messages
    if kind != chatting.LINES:
        raise InputError(
            "messages come as JSON or as lines of JSON",
            code="media_type",
            hint=f"Content-Type: {JSON} or {chatting.LINES}",
        )
    return [
        _decoded(_message, line, f"message {number}")
        for number, line in enumerate(body.splitlines(), 1)
        if line.strip()
    ]


def _decoded(decoder: msgspec.json.Decoder[T], content: bytes, what: str) -> T:
    """Read JSON; the error says where it is wrong, never what stands there."""
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        said = _said(error) if isinstance(error, msgspec.ValidationError) else "it is no JSON"
        raise InputError(f"{what} cannot be read: {said}", code="malformed") from None


def _said(error: msgspec.ValidationError) -> str:
    """Return what is wrong and where, in words of ours: the decoder's quote what was sent."""
    text = str(error)
    if text.startswith(_UNKNOWN):  # what follows is the name, which may look like a place
        return "it has a field that is not known"
    said = next((ours for theirs, ours in _WRONG if text.startswith(theirs)), _OTHER)
    place = _PLACE.search(text)
    return f"{said}, at {place[1]}" if place else said


ROUTES = [score, standing, forget]
