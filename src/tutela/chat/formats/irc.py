"""Logs of IRC, as the common clients and bouncers write them.

`[12:00] <nick> text` (mIRC, ZNC), `12:00 <nick> text` (irssi), dates before the time (ISO),
`nick` between tabs (WeeChat). A nick that is changed stays one author, called by the nick that
was first. What clients write of joins and topics is a message of the system.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import BinaryIO, Final

from tutela.chat.charset import text_of, utf8
from tutela.chat.entries import Entries, malformed
from tutela.chat.format import Opening
from tutela.chat.formats.irc_dates import Days
from tutela.chat.lines import lines
from tutela.chat.model import Left, Message, Trouble

_LINE: Final = re.compile(
    r"\[?(?:(\d{4})-(\d{2})-(\d{2})[ T])?(\d{1,2}):(\d{2})(?::(\d{2}))?(?:[.,]\d{1,6})?"
    r"(Z|UTC)?\]?[ \t]"
)
_SPOKEN: Final = re.compile(r"[ \t]*<[ @+%&~!]?([^<>\s]{1,64})>[ \t]?")
_WEECHAT: Final = re.compile(r"[@+%&~!]?([A-Za-z\[\]\\`_^{|}][^\s<>]{0,63})\t")
_ACTION: Final = re.compile(r"[ \t]*\*[ \t]+([^\s*<>:]{1,64})[ \t]")
# ` -!- `, `*** `, `--> `, `<-- `, `-- `: the client speaks.
_CLIENT: Final = re.compile(r"[ \t]*(?:-!-|\*{3}|-->|<--|--|==|!!!)[ \t]")
_RENAMED: Final = re.compile(
    r"([^\s<>]{1,64}) (?:is now known as|is now called|changed nick to) ([^\s<>]{1,64})\s{0,8}\Z"
)
# mIRC says it with the star of an action.
_OF_CLIENT: Final = re.compile(
    r"[ \t]*\*[ \t]+(?:Joins|Parts|Quits|Disconnected)\b"
    r"|[ \t]*\*[ \t]+\S{1,64} (?:\(\S{1,200}\) )?"
    r"(?:has (?:joined|left|quit)|is now known as|sets mode)\b"
)
_FIRST_LINES: Final = 30
_HEAD_CHARS: Final = 400
NICKS: Final = 100_000


class _Nicks:
    """Who goes by which nick; an author is called by the first."""

    def __init__(self) -> None:
        self._author: dict[str, str] = {}
        self._used: set[str] = set()

    def author(self, nick: str) -> str:
        """Return who speaks, a new author where nobody goes by this nick."""
        known = self._author.get(nick)
        if known is None:
            known = nick
            # Somebody began with this nick, and goes by another one now.
            for number in range(2, 100):
                if known not in self._used:
                    break
                known = f"{nick}~{number}"
            if len(self._author) < NICKS:
                self._author[nick] = known
                self._used.add(known)
        return known

    def rename(self, old: str, new: str) -> str:
        """Let an author go by a new nick, and return who that is."""
        author = self.author(old)
        self._author.pop(old, None)
        if len(self._author) < NICKS:
            self._author[new] = author
        return author


class Irc:
    """See `Format`."""

    name = "irc"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By a time and a nick in most of the first lines."""
        found = total = 0
        for raw in head.split(b"\n", _FIRST_LINES)[:_FIRST_LINES]:
            line = text_of(raw[:_HEAD_CHARS])[0]
            if not line.strip() or Days.of(line) is not None:
                continue
            total += 1
            time = _LINE.match(line)
            found += time is not None and any(
                form.match(line, time.end()) for form in (_SPOKEN, _CLIENT, _ACTION, _WEECHAT)
            )
        return found > 0 and 2 * found >= total

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`."""
        log = _Log(opening)
        for line in lines(utf8(stream)):
            text, repaired = text_of(line.raw or b"")
            if not text.strip() or log.turns_to(text[:_HEAD_CHARS]):
                continue
            yield log.message(text, repaired=repaired) or malformed(f"line {line.number}")


class _Log:
    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._entries = Entries(opening)
        self._nicks = _Nicks()
        self._days = Days(opening)

    def turns_to(self, line: str) -> bool:
        """Take a line that says what day it is; tell whether it was one."""
        return self._days.turn_to(line)

    def message(self, line: str, *, repaired: bool) -> Message | None:
        found = _LINE.match(line)
        if found is None:
            return None
        time = self._days.time(found)
        at = found.end()
        spoken = _SPOKEN.match(line, at)
        system = spoken is None and (
            _CLIENT.match(line, at) is not None or _OF_CLIENT.match(line, at) is not None
        )
        if system:
            return self._system(line[at:].strip(), time, repaired=repaired)
        spoken = spoken or _ACTION.match(line, at) or _WEECHAT.match(line, at)
        if spoken is None:
            return self._system(line[at:].strip(), time, repaired=repaired)
        nick = spoken[1]
        return self._entries.message(
            self._opening.conversation,
            self._nicks.author(nick),
            line[spoken.end() :],
            name=nick,
            time=time,
            troubles=(Trouble.ENCODING,) if repaired else (),
        )

    def _system(self, text: str, time: datetime | None, *, repaired: bool) -> Message:
        renamed = _RENAMED.search(text[:_HEAD_CHARS]) if len(text) <= _HEAD_CHARS else None
        author = self._nicks.rename(renamed[1], renamed[2]) if renamed else ""
        return self._entries.message(
            self._opening.conversation,
            author,
            text,
            time=time,
            system=True,
            name=renamed[2] if renamed else "",
            troubles=(Trouble.ENCODING,) if repaired else (),
        )
