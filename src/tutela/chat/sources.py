"""The exports in a file, a folder or an archive; what is none is counted by reason.

What a file holds is found out by the confined reader, never here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from tutela.chat.model import Left
from tutela.chat.reader import FILES, Reader
from tutela.chat.readwire import Find
from tutela.chat.source import Source, SourcePart
from tutela.core.errors import InputError
from tutela.evidence.folder import Found, open_found, walk

# What says nothing of a conversation: its folder or archive does.
_PLAIN_NAMES: Final = frozenset(("_chat", "chat", "result", "report", "messages"))
_NUMBERED: Final = re.compile(r"message_(\d{1,6})\.json")


class _Thread:
    """The files of one conversation, `message_1.json` and its fellows."""

    def __init__(self) -> None:
        self.parts: list[tuple[int, Found, Find, str]] = []

    def add(self, number: int, found: Found, find: Find, name: str) -> None:
        self.parts.append((number, found, find, name))


def sources(path: Path, reader: Reader) -> Iterator[Source | Left]:
    """Yield every export at or below `path` in a fixed order, and what is none, with its reason.

    A folder's files come before its subfolders, both sorted bytewise; members of a zip archive in
    the order of its directory. The files of an Instagram thread are one source, which comes behind
    the other exports of their folder. Archives within archives are not opened.

    Reasons beside those of `evidence.folder` and the archive's own: `media` (a file beside an
    export), `no_conversation`, `empty`, `archive`, `too_many`; or how the reader broke: `memory`,
    `silent`, `crashed`, `error`, `protocol`.

    Raises:
        UsageError: there is nothing at `path`.
        SandboxError: the reader cannot be started anew.
    """
    real = Path(os.path.realpath(path))
    walking = _Walk(real if real.is_dir() else real.parent, reader)
    folder = b""
    for found in walk([path]):
        if (here := found.path.rpartition(b"/")[0]) != folder:
            yield from walking.threads()
            folder = here
        yield from walking.of(found)
    yield from walking.threads()


class _Walk:
    def __init__(self, root: Path, reader: Reader) -> None:
        self._root = root
        self._reader = reader
        self._threads: dict[PurePosixPath, _Thread] = {}

    def of(self, found: Found) -> Iterator[Source | Left]:
        """Yield the exports of one directory entry, but for those that are parts of a thread."""
        path = Path(os.fsdecode(found.path))
        name = os.fsencode(path.relative_to(self._root)).decode("utf-8", "replace")
        if found.outcome != "file":
            yield Left(reason=found.reason, place=name)
            return
        try:
            files = open_found(found)
        except InputError as error:
            yield Left(reason=error.code, place=name)
            return
        try:
            looked = self._reader.look(files[0], name)
        finally:
            for file in files:
                os.close(file)
        for find in looked.finds:
            inner = f"{name}/{find.name}" if looked.archive else name
            if not self._is_part(found, find, inner):
                part = SourcePart(file=0, name=inner, member=find.member)
                yield self._source(inner, find.format, (found,), (part,), find.size_bytes)
        if looked.archive:
            yield from self.threads()
        yield from looked.left

    def _is_part(self, found: Found, find: Find, name: str) -> bool:
        """Keep a part of a thread until all of its folder are there."""
        place = PurePosixPath(name)
        numbered = _NUMBERED.fullmatch(place.name)
        if find.format != "instagram" or numbered is None:
            return False
        thread = self._threads.setdefault(place.parent, _Thread())
        thread.add(int(numbered[1]), found, find, name)
        return True

    def threads(self) -> Iterator[Source]:
        """Yield the threads that were gathered; more files than may be open are several."""
        threads, self._threads = self._threads, {}
        for thread in threads.values():
            ordered = sorted(thread.parts, key=lambda part: (-part[0], part[3]))
            for at in range(0, len(ordered), FILES):
                yield self._thread(ordered[at : at + FILES])

    def _thread(self, ordered: list[tuple[int, Found, Find, str]]) -> Source:
        files = tuple({found.path: found for _, found, _, _ in ordered}.values())
        at = {found.path: number for number, found in enumerate(files)}
        parts = tuple(
            SourcePart(
                file=at[found.path],
                name=name,
                member=find.member,
                prefix=str(number) if len(ordered) > 1 else "",
            )
            for number, found, find, name in ordered
        )
        size = sum(find.size_bytes for _, _, find, _ in ordered)
        return self._source(parts[-1].name, "instagram", files, parts, size)

    def _source(
        self,
        name: str,
        form: str,
        files: tuple[Found, ...],
        parts: tuple[SourcePart, ...],
        size_bytes: int,
    ) -> Source:
        in_archive = bool(parts[0].member)
        place = Path(os.fsdecode(files[0].path)).parent
        return Source(
            name=name,
            format=form,
            conversation=_conversation(name, form),
            files=files,
            parts=parts,
            root=self._root,
            folder=None if in_archive else place,
            size_bytes=size_bytes,
        )


def _conversation(name: str, form: str) -> str:
    """Return what a conversation is called by its file, or by what that lies in."""
    path = PurePosixPath(name)
    above = path.parent.name
    if above and (path.stem.lower() in _PLAIN_NAMES or form == "instagram"):
        return PurePosixPath(above).stem if above.endswith(".zip") else above
    return path.stem
