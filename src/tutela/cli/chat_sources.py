"""What `tutela chat score` reads and keeps: exports, and what a crawl of the case has read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from tutela.chat import keeping, run
from tutela.chat.attached import Attached
from tutela.chat.keeping import Desk, Keeper
from tutela.chat.model import Left, MediaRef, Message
from tutela.chat.reader import Reader
from tutela.chat.source import Source, digest_of, media_path
from tutela.chat.sources import sources
from tutela.hashlist.library import Library
from tutela.observation import conversations_observed
from tutela.observation.conversation_model import Measure, Origin
from tutela.scan.hasher import Hasher

_TOGETHER: Final = 512


class Observed(msgspec.Struct):
    """What a crawl of the case has read; `posts` are those of the messages read last."""

    name: str = "observed"
    posts: tuple[int, ...] = ()


Of = Source | Observed


def found(paths: Sequence[Path], reader: Reader) -> tuple[list[Source], Counter[str]]:
    """Return the exports below some paths, and how much else there is, by reason.

    Raises:
        UsageError: there is nothing at a path.
    """
    exports: list[Source] = []
    left: Counter[str] = Counter()
    for path in paths:
        for one in sources(path, reader):
            if isinstance(one, Source):
                exports.append(one)
            else:
                left[one.reason] += one.count
    return exports, left


def reading(
    reader: Reader, desk: Desk | None
) -> Callable[[Of], Iterator[Sequence[Message | Left]]]:
    """Return what reads a source."""

    def read(source: Of) -> Iterator[Sequence[Message | Left]]:
        if isinstance(source, Source):
            yield from reader.read(source)
        elif desk is not None:
            yield from _observed(source, desk)

    return read


def _observed(source: Observed, desk: Desk) -> Iterator[list[Message | Left]]:
    """Yield what a crawl read. The rows are had at once: they are written to while we read."""
    with desk.database.read() as tx:
        rows = list(keeping.observed(tx, desk))
    for start in range(0, len(rows), _TOGETHER):
        some = rows[start : start + _TOGETHER]
        source.posts = tuple(post for _, post in some)
        yield [message for message, _ in some]


class _KeptObserved:
    """Keeps messages by the posts that have their words."""

    def __init__(self, source: Observed, keeper: Keeper) -> None:
        self._source = source
        self._keeper = keeper
        self.scored = keeper.scored
        self.end = keeper.end

    def take(self, some: Sequence[Message | Left]) -> None:
        self._keeper.take(some, self._source.posts)


def keep(desk: Desk, days: int, measure: Measure) -> Callable[[Of], run.Kept]:
    """Return what takes a source into the case of a desk.

    Args:
        desk: Of the case.
        days: How long words are kept.
        measure: By what it is scored.
    """
    time = timedelta(days=days)

    def kept(source: Of) -> run.Kept:
        if isinstance(source, Source):
            origin = Origin(
                name=source.name, format=source.format, sha256=digest_of(source), keep=time
            )
            return Keeper(desk, origin, measure)
        with desk.database.read() as tx:
            digest = conversations_observed.digest(tx, desk.who, desk.case_id)
        origin = Origin(name=source.name, format=keeping.OBSERVED, sha256=digest, keep=time)
        return _KeptObserved(source, Keeper(desk, origin, measure))

    return kept


def known(hasher: Hasher, library: Library, files: Reader) -> run.Known[Of]:
    """Return what says whether hash lists have files.

    Args:
        hasher: Fingerprints them.
        library: The lists.
        files: Has files in archives; another reader than the one that reads what names them.
    """

    def inside(source: Of, refs: Sequence[MediaRef]) -> Iterator[tuple[MediaRef, bytes]]:
        return files.media(source, refs) if isinstance(source, Source) else iter(())

    return Attached[Of](hasher, library, _path_of, inside).known


def _path_of(source: Of, ref: MediaRef) -> Path | None:
    return media_path(source, ref) if isinstance(source, Source) else None
