"""What to work on next, who works on it, and whom to blame when a worker dies.

The walk goes straight into the journal, so a folder of millions of files takes no memory here.
Work is a batch of small files, one large file, or a chunk of a container's listing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from tutela.core.errors import InputError
from tutela.evidence import folder
from tutela.evidence.folder import Found
from tutela.scan import wire
from tutela.scan.assignment import Assignment
from tutela.scan.journal import Journal
from tutela.scan.wire import ITSELF, Item, Order, Outcome, Status

# A batch keeps a worker busy while the next is prepared, and is small enough to share fairly.
BATCH_ITEMS = 16
BATCH_BYTES = 16 << 20
# A content that breaks this many workers with what is in it is given up: it was made to.
BREAKS_ALLOWED = 16
# Each break in a packed archive reads it again from the front.
BREAKS_OF_A_FILE = 1000


class Work(NamedTuple):
    """What `Feeder.next` hands out: a request with its descriptors, and who is to do what.

    `settled` are outcomes of files that would not open, `dropped` the items they belong to.
    """

    payload: bytes
    streams: list[int]
    assignment: Assignment
    settled: list[Outcome]
    dropped: Assignment


class Feeder:
    """Turns the walk and the journal into requests.

    `files` and `size_bytes` grow as the walk goes on; `walked` tells that it is over.
    """

    def __init__(self, journal: Journal, walk: Iterator[Found], limits: wire.Limits) -> None:
        self._journal = journal
        self._walk = walk
        self._limits = limits
        self._at = -1
        self._again: list[int] = []
        self._chunks: set[tuple[int, int]] = set()
        self._breaks: dict[tuple[int, ...], int] = {}
        self.walked = False
        self.files = 0
        self.size_bytes = 0

    def advance(self, entries: int) -> list[Outcome]:
        """Walk on by some entries; return the outcomes of what is not even opened."""
        settled = []
        for _ in range(entries):
            found = next(self._walk, None)
            if found is None:
                self.walked = True
                break
            item, done = self._journal.found(found, self.files)
            self.files += 1
            self.size_bytes += found.size_bytes
            if found.outcome != "file" and not done:
                settled.append(
                    Outcome(
                        item=item,
                        order=ITSELF,
                        status=Status(found.outcome),
                        size_bytes=found.size_bytes,
                        reason=found.reason,
                        detail=found.detail,
                    )
                )
        return settled

    def next(self) -> Work | None:
        """Return work for one worker, or None when nothing is left to hand out just now."""
        chunk = self._next_chunk()
        wanted = [chunk] if chunk else self._next_files()
        if not wanted:
            return None
        work = Work(b"", [], Assignment({}), [], Assignment({}))
        for item, found in wanted:
            try:
                opened = _opened(item, found)
            except InputError as error:
                work.dropped.items[item.item] = item
                work.settled.extend(self._all_failed(item, error.code, error.message))
            else:
                work.assignment.items[item.item] = replace(item, streams=len(opened))
                work.streams.extend(opened)
        items = tuple(work.assignment.items.values())
        return work._replace(payload=wire.encode(wire.Request(self._limits, items)))

    # -- choosing ----------------------------------------------------------------------------

    def _next_chunk(self) -> tuple[Item, Found] | None:
        chunk = self._journal.next_chunk(self._chunks)
        if chunk is None:
            return None
        self._chunks.add((chunk.item, chunk.first))
        found = self._journal.file(chunk.item)
        assert found is not None
        members = wire.decode_members(chunk.members)
        numbers = range(chunk.first, chunk.first + len(members))
        item = Item(
            item=chunk.item,
            name=found.path.rpartition(b"/")[2],
            streams=0,
            first=chunk.first,
            members=members,
            done=self._journal.orders(chunk.item, members=numbers),
        )
        return item, found

    def _next_files(self) -> list[tuple[Item, Found]]:
        batch: list[tuple[Item, Found]] = []
        size = 0
        while len(batch) < BATCH_ITEMS and size < BATCH_BYTES:
            if self._again:
                number = self._again.pop()
                again = self._journal.file(number)
                if again is None:
                    continue
                found = again
            elif (row := self._journal.next_open(self._at)) is not None:
                self._at, number, found = row
            else:
                break
            batch.append((self._file_item(number, found), found))
            size += found.size_bytes
        return batch

    def _file_item(self, number: int, found: Found) -> Item:
        return Item(
            item=number,
            name=found.path.rpartition(b"/")[2],
            streams=0,
            done=self._journal.orders(number),
            digests=self._journal.digests(number),
        )

    # -- endings -----------------------------------------------------------------------------

    def finish(self, assignment: Assignment) -> None:
        """The worker did all of it; call after its outcomes are recorded."""
        for item in assignment.items.values():
            if item.members:
                self._chunks.discard((item.item, item.first))
                self._journal.finish_chunk(item.item, item.first)

    def broken(self, assignment: Assignment, code: str, detail: str) -> list[Outcome]:
        """The worker died: blame what it was on and hand out the rest again; return the blamed."""
        unfinished = [i for i in assignment.items.values() if i.item not in assignment.finished]
        blamed = self._blame(assignment, unfinished, code, detail) if unfinished else []
        assignment.finished.update(o.item for o in blamed if o.order == ITSELF)
        for item in unfinished:
            if item.members:
                self._chunks.discard((item.item, item.first))
            elif item.item not in assignment.finished:
                self._again.append(item.item)
        return blamed

    def _blame(
        self, assignment: Assignment, unfinished: list[Item], code: str, detail: str
    ) -> list[Outcome]:
        guilty = next((i for i in unfinished if assignment.begun.get(i.item)), unfinished[0])
        started = assignment.begun.get(guilty.item, [])
        if not started:
            return self._all_failed(guilty, code, detail)
        # A container that breaks its readers again and again is given up, with what holds it; the
        # others around it are not.
        within = started[-1].order[:1]
        tried = self._count(guilty.item, guilty.first, *within) > BREAKS_ALLOWED
        given_up = tried or self._count(guilty.item) > BREAKS_OF_A_FILE
        blamed: list[Outcome] = []
        for begin in reversed(started if given_up else started[-1:]):
            failed = _failed(guilty, begin.order, code, detail, begin.inside)
            known = assignment.digested.get((guilty.item, begin.order))
            digests = known.digests if known else failed.digests
            contents = self._journal.contents_of(guilty.item, begin.order) + len(blamed[-1:])
            blamed.append(
                replace(failed, size_bytes=begin.size_bytes, digests=digests, contents=contents)
            )
        return blamed

    def _count(self, *what: int) -> int:
        self._breaks[what] = self._breaks.get(what, 0) + 1
        return self._breaks[what]

    def _all_failed(self, item: Item, code: str, detail: str) -> list[Outcome]:
        return [
            replace(
                _failed(item, order, code, detail),
                contents=self._journal.contents_of(item.item, order),
            )
            for order in self._open_orders(item)
        ]

    def _open_orders(self, item: Item) -> list[Order]:
        if not item.members:
            return [ITSELF]
        numbers = range(item.first, item.first + len(item.members))
        recorded = self._journal.orders(item.item, members=numbers)
        return [(n,) for n in numbers if (n,) not in recorded]


def _opened(item: Item, found: Found) -> list[int]:
    """Open a file; for members that were listed before, only if it is still as it was."""
    opened = folder.open_found(found)
    now = os.fstat(opened[0])
    if item.members and (now.st_size, now.st_mtime_ns) != (found.size_bytes, found.mtime_ns):
        for descriptor in opened:
            os.close(descriptor)
        raise InputError("the container changed after it was listed", code="changed")
    return opened


def _failed(
    item: Item, order: Order, code: str, detail: str, inside: tuple[bytes, ...] = ()
) -> Outcome:
    if item.members and not inside:
        inside = (item.members[order[0] - item.first].name,)
    return Outcome(
        item=item.item,
        order=order,
        inside=inside,
        status=Status.FAILED,
        reason=code,
        detail=detail,
    )
