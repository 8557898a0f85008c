"""What an open file is or holds, and the files of an archive that messages refer to; confined."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import BinaryIO, Final

from tutela.chat.charset import text_of
from tutela.chat.format import HEAD_BYTES
from tutela.chat.model import Left
from tutela.chat.readwire import Fetch, Find, Look, Looked, Piece
from tutela.chat.recognise import is_media, recognise
from tutela.core.errors import ContainerError, InputError
from tutela.evidence.container import ContainerLimits, Member, Source
from tutela.evidence.containers.zip import Zip
from tutela.evidence.stream import descriptor, size_of

# What is found in one archive.
FINDS: Final = 100_000
_PIECE_BYTES: Final = 1 << 20
_ARCHIVE: Final = (b"PK\3\4", b"PK\5\6")
_LIMITS: Final = ContainerLimits(members=2_000_000)
_OTHER_ARCHIVES: Final = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!")


def archive(stream: BinaryIO) -> Zip:
    """Return a seekable stream as a zip archive."""
    size = size_of(stream)
    return Zip(Source((stream,), size, b""), _LIMITS, _LIMITS.budget(size))


def look(wanted: Look, file: int, beat: Callable[[], None]) -> Looked:
    """Return which exports an open file is or holds, and what of it is none."""
    stream = descriptor(file)
    head = stream.read(HEAD_BYTES)
    if not head.startswith(_ARCHIVE):
        form = recognise(head, wanted.name)
        if form:
            return Looked(finds=(Find(form, size_bytes=size_of(stream)),))
        return Looked(left=(Left(reason=_reason(head), place=wanted.name),))
    opened = archive(stream)
    finds: list[Find] = []
    left: dict[str, Left] = {}
    for name, found in _members(opened, beat):
        if isinstance(found, Find) and len(finds) < FINDS:
            finds.append(found)
            continue
        reason = found if isinstance(found, str) else "too_many"
        known = left.get(reason)
        place = known.place if known else f"{wanted.name}/{name}" if name else wanted.name
        left[reason] = Left(reason=reason, place=place, count=1 + (known.count if known else 0))
    return Looked(True, tuple(finds), tuple(left.values()))  # noqa: FBT003 - it is one


def _members(opened: Zip, beat: Callable[[], None]) -> Iterator[tuple[str, Find | str]]:
    """Yield name, and what each member is, or why it is none."""
    try:
        for member in opened.members():
            beat()
            name = text_of(member.name)[0].replace("\\", "/")[:1_000]
            yield name, _member(opened, member, name)
    except ContainerError as error:
        yield "", error.code


def _member(opened: Zip, member: Member, name: str) -> Find | str:
    if member.outcome != "file":
        return member.reason
    try:
        head = opened.open(member).read(HEAD_BYTES)
    except InputError as error:
        return error.code
    if head.startswith(_ARCHIVE):
        return "archive"
    found = recognise(head, name)
    if found:
        return Find(found, name, member.locator, member.size_bytes or 0)
    return _reason(head)


def fetched(wanted: Fetch, file: int, beat: Callable[[], None]) -> Iterator[Piece]:
    """Yield the members that are wanted, piece by piece; one that is too large, or damaged, not."""
    ranks = {
        name: (number, rank)
        for number, names in enumerate(wanted.names)
        for rank, name in enumerate(names)
    }
    places: dict[int, tuple[int, Member]] = {}
    opened = archive(descriptor(file))
    with contextlib.suppress(ContainerError):  # what the directory showed until then
        for member in opened.members():
            beat()
            known = ranks.get(text_of(member.name)[0].replace("\\", "/"))
            if known is None or member.outcome != "file":
                continue
            number, rank = known
            if number not in places or rank < places[number][0]:
                places[number] = rank, member
    for number, (_, member) in sorted(places.items()):
        if (member.size_bytes or 0) > wanted.most_bytes:
            continue
        with contextlib.suppress(ContainerError):
            stream = opened.open(member)
            while data := stream.read(_PIECE_BYTES):
                yield Piece(number, data)
            yield Piece(number, b"", last=True)


def _reason(head: bytes) -> str:
    """Say why a file is no export."""
    if not head:
        return "empty"
    if is_media(head):
        return "media"
    return "archive" if head.startswith(_OTHER_ARCHIVES) else "no_conversation"
