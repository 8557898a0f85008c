"""Asks the hash lists about files that messages carry; a file is read once and kept nowhere."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from tutela.chat.model import MediaRef
from tutela.core.entry import Role
from tutela.core.errors import ServiceError
from tutela.core.media import PDQ_RADIUS_BITS, Digests
from tutela.hashlist.library import Library
from tutela.scan.hasher import Hasher

MOST_BYTES: Final = 64 << 20  # of a file; of a larger one the export's word alone is asked about
_ANSWERS: Final = 200_000  # remembered
Source = TypeVar("Source")


class Attached(Generic[Source]):
    """Looks files of messages up; not for several threads.

    Each file is read once, however many messages name it; what cannot be read, likewise.

    Args:
        hasher: Fingerprints files, confined.
        library: The hash lists.
        path_of: Where a file of a source lies, None where the export has it not.
        inside: Gives those files of an export that lie in an archive.
        radius_bits: PDQ distance up to which a picture is a hit.
    """

    def __init__(
        self,
        hasher: Hasher,
        library: Library,
        path_of: Callable[[Source, MediaRef], Path | None],
        inside: Callable[[Source, Sequence[MediaRef]], Iterable[tuple[MediaRef, bytes]]],
        radius_bits: int = PDQ_RADIUS_BITS,
    ) -> None:
        self._hasher = hasher
        self._library = library
        self._path_of = path_of
        self._inside = inside
        self._radius_bits = radius_bits
        self._answers: OrderedDict[tuple[int, str], bool | None] = OrderedDict()
        self._sources: dict[int, Source] = {}

    def known(self, source: Source, refs: Sequence[MediaRef]) -> list[bool | None]:
        """Tell whether a list for alerts has files; None where there is nothing to ask about.

        An export's own digest is believed where the file itself is missing: it orders work only.
        """
        self._sources[id(source)] = source  # so that no other one gets its place in memory
        keys = [(id(source), ref.name) for ref in refs]
        new = {
            key: ref
            for key, ref in zip(keys, refs, strict=True)
            if key not in self._answers and ref.name
        }
        found = dict(self._asked(source, new)) if new else {}
        answers = [found[key] if key in found else self._answers.get(key) for key in keys]
        self._answers.update(found)
        while len(self._answers) > _ANSWERS:
            self._answers.popitem(last=False)
        return [
            self._said(ref) if answer is None else answer
            for ref, answer in zip(refs, answers, strict=True)
        ]

    def _asked(
        self, source: Source, new: Mapping[tuple[int, str], MediaRef]
    ) -> Iterator[tuple[tuple[int, str], bool | None]]:
        packed: dict[MediaRef, tuple[int, str]] = {}
        for key, ref in new.items():
            path = self._path_of(source, ref)
            if path is None:
                packed[ref] = key
                yield key, None  # until it is found in the archive
            else:
                data = _read(path)
                yield key, None if data is None else self._looked_up(data)
        for ref, data in self._inside(source, list(packed)) if packed else ():
            yield packed[ref], self._looked_up(data)

    def _looked_up(self, data: bytes) -> bool | None:
        try:
            (digests, found), _ = self._hasher.known(data)
        except ServiceError:
            return None
        hits = self._library.find(digests, found, radius_bits=self._radius_bits)
        return any(hit.role is Role.ALERT for hit in hits)

    def _said(self, ref: MediaRef) -> bool | None:
        if not ref.sha256:
            return None
        hits = self._library.find(Digests(sha256=ref.sha256))
        return any(hit.role is Role.ALERT for hit in hits)


def _read(path: Path) -> bytes | None:
    """Return a regular file of bounded size; what is none is as good as missing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MOST_BYTES:
            return None
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    return data if len(data) <= MOST_BYTES else None
