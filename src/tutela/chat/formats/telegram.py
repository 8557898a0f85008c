"""JSON of Telegram Desktop: one chat (`result.json`), or all chats of an account."""

from __future__ import annotations

import io
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
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.times import moment
from tutela.core.errors import InputError

_LISTS: Final = ("chats", "left_chats")
_KINDS: Final = ("chat", "group", "channel", "saved_messages", "_user")
_CHATS: Final = re.compile(rb'"(?:left_)?chats"\s{0,8}:\s{0,8}\{\s{0,8}"about"')
_NOT_INCLUDED: Final = "(File not included"


class _Part(msgspec.Struct):
    text: str = ""
    type: str = ""
    user_id: int | str | None = None


class _Row(msgspec.Struct, rename={"sender": "from"}):
    id: int | str
    type: str = ""
    date: str = ""
    date_unixtime: str | int | None = None
    sender: str | None = None
    from_id: str | int | None = None
    actor: str | None = None
    actor_id: str | int | None = None
    action: str = ""
    text: str | list[str | _Part] = ""
    photo: str | None = None
    photo_file_size: int = 0
    file: str | None = None
    file_size: int = 0
    mime_type: str | None = None
    media_type: str | None = None
    reply_to_message_id: int | str | None = None


_ROW: Final = msgspec.json.Decoder(_Row)
_HEAD: Final = msgspec.json.Decoder(str | int)


def _plan(path: Path) -> What:
    """Enter the chats, give their heads and messages."""
    inner = path[3:] if path[:1] and path[0] in _LISTS and path[1:3] == ("list", "*") else None
    if inner is None:
        if path in ((), ("chats",), ("left_chats",), ("chats", "list"), ("left_chats", "list")):
            return What.ENTER
        inner = path
    if inner in ((), ("messages",)):
        return What.ENTER
    return What.GIVE if inner in (("id",), ("messages", "*")) else What.SKIP


class Telegram:
    """See `Format`."""

    name = "telegram"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By the keys that a chat begins with, or the list of chats."""
        if not head.lstrip().startswith(b"{"):
            return False
        if _CHATS.search(head) is not None:
            return True
        found: dict[str, bytes] = {}

        def plan(path: Path) -> What:
            if path:
                found.setdefault(path[0], b"")
            return What.ENTER if path in ((), ("messages",)) else What.GIVE

        try:
            for cut in Walk(io.BytesIO(head), plan).cuts():
                found[cut.path[0]] = cut.raw or b""
        except InputError:
            pass  # the head ends somewhere
        kind = found.get("type", b"").strip(b'"').decode("ascii", "replace")
        return {"id", "messages"} <= found.keys() and kind.endswith(_KINDS)

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        entries = Entries(opening)
        conversation, number, chats, named = opening.conversation, 0, 0, False
        for cut in Walk(utf8(stream), _plan).cuts():
            if cut.path[-1] == "id":
                known = decoded(_HEAD, cut.raw or b"")
                named = bool(known)
                conversation = fields.word_of(known[0]) if known else conversation
                continue
            number += 1
            if not cut.number:  # a chat begins
                chats += 1
                if not named and chats > 1:
                    conversation = f"{opening.conversation}~{chats}"
                named = False
            row = decoded(_ROW, cut.raw) if cut.raw is not None else None
            if row is None:
                yield malformed(f"message {number}")
            else:
                yield _message(row[0], conversation, entries, opening, repaired=row[1])


def _message(
    row: _Row, conversation: str, entries: Entries, opening: Opening, *, repaired: bool
) -> Message:
    service = row.type == "service"
    who = row.actor_id if service else row.from_id
    name = (row.actor if service else row.sender) or ""
    text, to = _text(row.text)
    return entries.message(
        conversation,
        fields.word_of(who) or name,
        text or (row.action if service else ""),
        id=fields.word_of(row.id),
        name=name,
        # Seconds, where they are given: the written date has no zone.
        time=moment(row.date_unixtime or row.date, opening.zone),
        system=service,
        media=_media(row),
        reply_to=fields.word_of(row.reply_to_message_id),
        to=to,
        troubles=(Trouble.ENCODING,) if repaired else (),
    )


def _text(text: str | list[str | _Part]) -> tuple[str, list[str]]:
    """Return a text, which may come in parts, and who is mentioned in it by number."""
    if isinstance(text, str):
        return text, []
    to = [
        f"user{fields.word_of(part.user_id)}"
        for part in text
        if isinstance(part, _Part) and part.type == "mention_name" and part.user_id is not None
    ]
    return "".join(part if isinstance(part, str) else part.text for part in text), to


def _media(row: _Row) -> list[MediaRef]:
    found = []
    if row.photo is not None:
        found.append(_ref(row.photo, "photo", row.photo_file_size))
    if row.file is not None or row.media_type is not None:
        found.append(_ref(row.file or "", row.mime_type or row.media_type or "", row.file_size))
    return found


def _ref(name: str, said: str, size: int) -> MediaRef:
    known = "" if name.startswith(_NOT_INCLUDED) else name
    kind = fields.kind_of(said.partition("_")[0], known)
    return MediaRef(name=known[:1_000], kind=kind, size_bytes=min(max(size, 0), 1 << 62))
