"""What every format does alike with an entry: number it, cut it, believe its time or not.

Memory is bounded: of conversations and names only so many are remembered, the first to come being
the first forgotten. What is lost with them is whether a later message goes back in time, or shares
a name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from tutela.chat.format import Opening
from tutela.chat.limits import MEDIA_REFS, NAME_CHARS, TEXT_CHARS
from tutela.chat.model import AgeBand, Left, MediaRef, Message, Trouble

# Chat as we know it is younger; clocks of devices that lost their power say 1970 or 1980.
EARLIEST: Final = datetime(1990, 1, 1, tzinfo=UTC)
LATEST: Final = timedelta(days=2)
REMEMBERED: Final = 200_000  # conversations and names, all together
RECIPIENTS: Final = 100
_NUL, _REPLACED = "\0", "\ufffd"
_NO_SPEAKER: Final = ""  # stands for a name that two share


class _Seen:
    """What is remembered of a conversation."""

    __slots__ = ("names", "time")

    def __init__(self) -> None:
        self.time: datetime | None = None
        self.names: dict[str, str] = {}


class Entries:
    """Makes the messages of one source."""

    def __init__(self, opening: Opening) -> None:
        self._latest = opening.now + LATEST
        self._seen: dict[str, _Seen] = {}
        self._remembered = 0
        self._number = 0
        self._prefix = opening.prefix + "#"

    def message(  # noqa: PLR0913 what a message may have
        self,
        conversation: str,
        author: str,
        text: str,
        *,
        id: str = "",  # noqa: A002 - as the field is called
        name: str = "",
        time: datetime | None = None,
        deleted: bool = False,
        system: bool = False,
        media: Sequence[MediaRef] = (),
        reply_to: str = "",
        to: Sequence[str] = (),
        age_band: AgeBand = AgeBand.UNKNOWN,
        troubles: Sequence[Trouble] = (),
    ) -> Message:
        """Return one message, in its bounds, with what had to be repaired."""
        self._number += 1
        found = list(troubles)
        if len(text) > TEXT_CHARS or len(media) > MEDIA_REFS or len(to) > RECIPIENTS:
            text, media, to = text[:TEXT_CHARS], media[:MEDIA_REFS], to[:RECIPIENTS]
            found.append(Trouble.CUT)
        if _NUL in text:
            text = text.replace(_NUL, _REPLACED)
            found.append(Trouble.ENCODING)
        conversation, author = key(conversation), key(author)
        name = shown(name) or author[:NAME_CHARS]
        seen = self._seen.get(conversation) or self._meet(conversation)
        if time is None or not EARLIEST <= time <= self._latest:
            time = None
            found.append(Trouble.NO_TIME)
        else:
            if seen.time is not None and time < seen.time:
                found.append(Trouble.TIME_BACK)
            seen.time = time
        if author and seen.names.get(name) != author and self._collides(seen, name, author):
            found.append(Trouble.NAME_COLLISION)
        return Message(
            conversation=conversation,
            id=key(id) or f"{self._prefix}{self._number}",
            author=author,
            text=text,
            name=name,
            time=time,
            deleted=deleted,
            system=system,
            media=tuple(media),
            reply_to=key(reply_to) if reply_to else "",
            to=tuple(map(key, to)) if to else (),
            age_band=age_band,
            troubles=tuple(dict.fromkeys(found)) if found else (),
        )

    def _meet(self, conversation: str) -> _Seen:
        seen = self._seen[conversation] = _Seen()
        self._remember()
        return seen

    def _collides(self, seen: _Seen, name: str, author: str) -> bool:
        """Whether a name is another's too; it is the first's until then."""
        if name in seen.names:
            seen.names[name] = _NO_SPEAKER
            return True
        seen.names[name] = author
        self._remember()
        return False

    def _remember(self) -> None:
        self._remembered += 1
        while self._remembered > REMEMBERED:
            oldest = next(iter(self._seen))
            self._remembered -= 1 + len(self._seen.pop(oldest).names)


def malformed(place: str, count: int = 1) -> Left:
    """Return what is said of an entry that cannot be read."""
    return Left(reason=Trouble.MALFORMED, place=place, count=count)


def key(text: str) -> str:
    """Return an id in its bounds; of two long ones that differ, the results differ too."""
    if _NUL in text:
        text = text.replace(_NUL, _REPLACED)
    if len(text) <= NAME_CHARS:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
    return f"{text[: NAME_CHARS - 17]}~{digest}"


def shown(name: str) -> str:
    """Return a name in its bounds."""
    name = name[: 2 * NAME_CHARS].strip()[:NAME_CHARS]
    return name.replace(_NUL, _REPLACED) if _NUL in name else name
