"""Chats of a Cellebrite report (`report.xml`, from a UFDR archive or beside it).

`model type="Chat"` holds participants and `InstantMessage` models. Deleted messages are those that
the extraction recovered: `deleted_state`. Source: reports' own `xmlns` report/2.0, as public
readers of it (IPED, CASE) take it apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

from tutela.chat import fields
from tutela.chat.charset import utf8
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.limits import MEDIA_REFS
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.times import moment
from tutela.chat.xmlread import elements

_START_BYTES: Final = 16_384
_FIELDS: Final = frozenset(("field", "modelField", "multiModelField", "multiField", "nodeField"))
_GONE: Final = frozenset(("deleted", "trash"))
_ROLES: Final = frozenset(("From", "To", "Participants"))
_RECIPIENTS: Final = 200
_FIELDS_KEPT: Final = 64


class Ufdr:
    """See `Format`."""

    name = "ufdr"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By the element that all of it stands in, and its namespace or first attributes."""
        start = head[:_START_BYTES].lstrip()
        return (
            start.startswith(b"<")
            and b"<project" in start
            and (b"cellebrite" in start.lower() or b"<decodedData" in start)
        )

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        return elements(utf8(stream), lambda: _Report(opening))


class _Model:
    """A `model` that is open."""

    __slots__ = ("attributes", "field", "fields", "media", "parties", "within")

    def __init__(self, attributes: dict[str, str], within: str) -> None:
        self.attributes = attributes
        self.within = within  # the field of the model around it
        self.field: list[str] = []
        self.fields: dict[str, str] = {}
        self.parties: dict[str, list[tuple[str, str]]] = {}
        self.media: list[MediaRef] = []

    @property
    def type(self) -> str:
        return self.attributes.get("type", "")


class _Report:
    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._entries = Entries(opening)
        self._done: list[Message | Left] = []
        self._models: list[_Model] = []
        self._messages = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "model":
            within = self._models[-1].field[-1:] if self._models else []
            self._models.append(_Model(attributes, within[0] if within else ""))
        elif name in _FIELDS and self._models:
            self._models[-1].field.append(attributes.get("name", ""))

    def end(self, name: str, text: str) -> None:
        if not self._models:
            return
        model = self._models[-1]
        if name == "model":
            self._models.pop()
            self._ended(model, self._models[-1] if self._models else None)
        elif name in _FIELDS:
            model.field = model.field[:-1]
        elif name == "value" and model.field and len(model.fields) < _FIELDS_KEPT:
            model.fields.setdefault(model.field[-1], text.strip())

    def taken(self) -> list[Message | Left]:
        done, self._done = self._done, []
        return done

    def _ended(self, model: _Model, around: _Model | None) -> None:
        if model.type == "Party" and around is not None:
            if model.within in _ROLES:
                parties = around.parties.setdefault(model.within, [])
                if len(parties) < _RECIPIENTS:
                    parties.append(_party(model))
        elif model.type == "Attachment" and around is not None:
            if len(around.media) <= MEDIA_REFS:
                around.media.append(_attachment(model))
        elif model.type == "InstantMessage":
            quoting = next((one for one in self._models if one.type == "InstantMessage"), None)
            if quoting is not None:  # what a message answers stands in it once more
                quoting.fields.setdefault("\0reply", _id(model))
                return
            self._messages += 1
            self._done.append(self._message(model))

    def _message(self, model: _Model) -> Message | Left:
        chat = next((one for one in self._models if one.type == "Chat"), None)
        sender = model.parties.get("From", [("", "")])[0]
        system = not sender[0] or model.fields.get("Type", "").lower() == "system"
        text = model.fields.get("Body", "")
        if not text and not model.media and not sender[0] and not model.fields:
            return malformed(f"message {self._messages}")
        return self._entries.message(
            self._chat(chat, model),
            "" if system else sender[0],
            text,
            id=_id(model),
            name="" if system else sender[1],
            time=moment(model.fields.get("TimeStamp"), self._opening.zone),
            deleted=model.attributes.get("deleted_state", "").lower() in _GONE,
            system=system,
            media=model.media,
            reply_to=model.fields.get("\0reply", ""),
            to=_alone(model, chat),
            troubles=(Trouble.ENCODING,) if "\ufffd" in text else (),
        )

    def _chat(self, chat: _Model | None, message: _Model) -> str:
        if chat is None:
            return message.fields.get("ChatId", "") or self._opening.conversation
        return chat.attributes.get("id", "") or chat.fields.get("Id", "") or "chat"


def _party(model: _Model) -> tuple[str, str]:
    name = model.fields.get("Name", "")
    return model.fields.get("Identifier", "") or name, name


def _id(model: _Model) -> str:
    return model.attributes.get("id", "") or model.fields.get("Identifier", "")


def _alone(message: _Model, chat: _Model | None) -> list[str]:
    """Return the recipients, but none where they are all the others of the chat."""
    to = [identifier for identifier, _ in message.parties.get("To", [])]
    if chat is None:
        return to
    sender = {identifier for identifier, _ in message.parties.get("From", [])}
    others = {identifier for identifier, _ in chat.parties.get("Participants", [])} - sender
    return [] if others <= set(to) else to


def _attachment(model: _Model) -> MediaRef:
    path = model.fields.get("attachment_extracted_path", "").replace("\\", "/")
    name = path or model.fields.get("Filename", "")
    return MediaRef(
        name=name[:1_000], kind=fields.kind_of(model.fields.get("ContentType", ""), name)
    )
