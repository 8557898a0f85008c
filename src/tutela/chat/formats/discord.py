"""JSON of DiscordChatExporter: one channel a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from tutela.chat import fields
from tutela.chat.charset import utf8
from tutela.chat.decoding import decoded
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.jsonwalk import Path, Walk, What
from tutela.chat.limits import MEDIA_REFS
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.times import moment

_GUILD: Final = re.compile(rb'"guild"\s{0,8}:\s{0,8}\{')
_CHANNEL: Final = re.compile(rb'"channel"\s{0,8}:\s{0,8}\{')
_SPOKEN: Final = frozenset(("", "Default", "Reply", "ChatInputCommand", "ContextMenuCommand"))
_REMOTE: Final = ("http://", "https://")


class _Person(msgspec.Struct):
    id: str = ""
    name: str = ""
    nickname: str | None = None


class _Attachment(msgspec.Struct, rename="camel"):
    url: str = ""
    file_name: str = ""
    file_size_bytes: int = 0


class _Reference(msgspec.Struct, rename="camel"):
    message_id: str | None = None


class _Row(msgspec.Struct):
    id: str
    author: _Person
    type: str = ""
    timestamp: str = ""
    content: str | None = None
    attachments: list[_Attachment] = []
    mentions: list[_Person] = []
    reference: _Reference | None = None


_ROW: Final = msgspec.json.Decoder(_Row)
_CHANNEL_ID: Final = msgspec.json.Decoder(str | int)
_MESSAGES: Final = ("messages", "*")
_PLAN: Final = {
    (): What.ENTER,
    ("channel",): What.ENTER,
    ("channel", "id"): What.GIVE,
    ("messages",): What.ENTER,
    _MESSAGES: What.GIVE,
}


class Discord:
    """See `Format`."""

    name = "discord"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By the server and the channel that it begins with."""
        return (
            head.lstrip().startswith(b"{")
            and _GUILD.search(head) is not None
            and _CHANNEL.search(head) is not None
        )

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        entries = Entries(opening)
        conversation = opening.conversation

        def plan(path: Path) -> What:
            return _PLAN.get(path, What.SKIP)

        for cut in Walk(utf8(stream), plan).cuts():
            if cut.path != _MESSAGES:
                known = decoded(_CHANNEL_ID, cut.raw or b"")
                conversation = fields.word_of(known[0]) if known else conversation
                continue
            row = decoded(_ROW, cut.raw) if cut.raw is not None else None
            if row is None:
                yield malformed(f"message {cut.number + 1}")
            else:
                yield _message(row[0], conversation, entries, opening, repaired=row[1])


def _message(
    row: _Row, conversation: str, entries: Entries, opening: Opening, *, repaired: bool
) -> Message:
    return entries.message(
        conversation,
        row.author.id or row.author.name,
        row.content or "",
        id=row.id,
        name=row.author.nickname or row.author.name,
        time=moment(row.timestamp, opening.zone),
        system=row.type not in _SPOKEN,
        media=[_ref(one) for one in row.attachments[: MEDIA_REFS + 1]],
        reply_to=(row.reference.message_id or "") if row.reference else "",
        to=[one.id for one in row.mentions if one.id],
        troubles=(Trouble.ENCODING,) if repaired else (),
    )


def _ref(one: _Attachment) -> MediaRef:
    # Where media were not saved beside the export, the address is not a place in it.
    name = one.file_name if one.url.startswith(_REMOTE) or not one.url else one.url
    return MediaRef(
        name=name[:1_000],
        kind=fields.kind_of("", one.file_name or name),
        size_bytes=min(max(one.file_size_bytes, 0), 1 << 62),
    )
