"""The pipeline: one trusted process that walks, hands out work, matches, records and gives rows.

It parses nothing that comes from evidence: bytes are read and understood by confined workers only.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from msgspec.structs import replace

from tutela.core.errors import IntegrityError
from tutela.core.hit import Hit
from tutela.evidence.folder import Found
from tutela.sandbox import UNREADABLE, Broken, Done, Event, Pool, Reply
from tutela.scan import rows, wire
from tutela.scan.assignment import Assignment
from tutela.scan.feeding import Feeder, Work
from tutela.scan.journal import Journal, Recorded
from tutela.scan.keeper import Keeper
from tutela.scan.keeping import Keeping
from tutela.scan.summary import Summary
from tutela.scan.wire import Begin, Digested, Listing, Outcome, Part, Progress

# What was done since the last commit is lost by a kill, and done again: keep it small.
COMMIT_SECONDS = 0.2
COMMIT_EVENTS = 512
COMMIT_BYTES = 16 << 20
WALK_ENTRIES = 256
MATCH_AGAIN = 512


class Matcher(Protocol):
    """Asks hash lists about contents."""

    identity: str

    def hits(self, outcomes: Sequence[Outcome]) -> list[list[Hit]]:
        """Return the hits of each outcome, in the same order."""
        ...


@dataclass
class State:
    """How far a scan is, for a person to see."""

    files_found: int = 0
    walked: bool = False
    contents_done: int = 0
    bytes_found: int = 0
    bytes_done: int = 0
    alerts: int = 0
    failed: int = 0


@dataclass
class Pipeline:
    """One scan over an open journal, a pool of confined workers and a matcher.

    `run` yields what was recorded in walk order and ends when everything has its row; `summary`
    is complete then. Closing the generator early keeps everything recorded so far.
    """

    journal: Journal
    pool: Pool
    matcher: Matcher
    walk: Iterator[Found]
    limits: wire.Limits
    watch: Callable[[State], None] = lambda _state: None
    keeper: Keeper | None = None
    state: State = field(default_factory=State)
    summary: Summary = field(default_factory=Summary)
    # Set from a signal handler: the scan then ends at the next turn with KeyboardInterrupt.
    stop: bool = False

    def __post_init__(self) -> None:
        """Prepare the journal for a walk."""
        self._feeder = Feeder(self.journal, self.walk, self.limits)
        self._tasks: dict[int, Assignment] = {}
        self._events: list[Event] = []
        self._waiting_bytes = 0
        self._keeping = (
            Keeping(self.keeper, self.journal, self.limits) if self.keeper is not None else None
        )
        self._settled: list[Outcome] = []
        self._committed = time.monotonic()
        self._emitted = 0

    def run(self) -> Iterator[Recorded]:
        """Scan; yield each content with its hits, in walk order.

        Raises:
            KeyboardInterrupt: `stop` was set.
            ServiceError: the journal cannot be written, or no worker can be started.
            IntegrityError: the totals do not add up.
        """
        with self.journal.batch():
            self.journal.begin_walk()
            self._match_again()
        try:
            while True:
                self._heed()
                self._feed()
                self._collect()
                yield from self._ready()
                if self._finished():
                    break
        finally:
            # Interrupted or not, what the workers have said is kept.
            with contextlib.suppress(Exception):
                self._commit()
            if self._keeping is not None:
                self._keeping.drop_all()
        yield from self._ready()
        self.summary.media = self.journal.media()
        self.summary.check(self._feeder.files)

    def _finished(self) -> bool:
        if self._tasks or self._events or self._settled or not self._feeder.walked:
            return False
        if self._emitted < self._feeder.files and self.pool.free:
            stuck = self._feeder.next()
            if stuck is None:
                raise IntegrityError(
                    f"file {self._emitted + 1} of {self._feeder.files} never ended", code="stuck"
                )
            self._give(stuck)
        return self._emitted == self._feeder.files

    def _heed(self) -> None:
        if self.stop:
            raise KeyboardInterrupt

    # -- giving out --------------------------------------------------------------------------

    def _feed(self) -> None:
        if not self._feeder.walked:
            files, size_bytes = self._feeder.files, self._feeder.size_bytes
            with self.journal.batch():
                self._settled += self._feeder.advance(WALK_ENTRIES)
            self.state.files_found += self._feeder.files - files
            self.state.bytes_found += self._feeder.size_bytes - size_bytes
            self.state.walked = self._feeder.walked
        while self.pool.free and (work := self._feeder.next()) is not None:
            self._give(work)

    def _give(self, work: Work) -> None:
        self._settled += work.settled
        if work.dropped.items:
            self._commit()
            with self.journal.batch():
                self._feeder.finish(work.dropped)
        if work.assignment.items:
            try:
                task = self.pool.submit(work.payload, work.streams)
            finally:
                _close(work.streams)
            self._tasks[task] = work.assignment

    # -- taking in ---------------------------------------------------------------------------

    def _collect(self) -> None:
        waiting = self._feeder.walked and bool(self._tasks) and not self._settled
        events = self.pool.events(COMMIT_SECONDS if waiting else 0.0)
        self._events += events
        self._waiting_bytes += sum(len(e.payload) for e in events if isinstance(e, Reply))
        starving = self.pool.free > 0
        late = time.monotonic() - self._committed > COMMIT_SECONDS
        much = len(self._events) > COMMIT_EVENTS or self._waiting_bytes > COMMIT_BYTES
        if starving or late or much:
            self._commit()
            self.watch(self.state)

    def _commit(self) -> None:
        """Record everything the workers have said since the last commit, in one transaction."""
        events, self._events, self._waiting_bytes = self._events, [], 0
        outcomes, self._settled = self._settled, []
        finished: list[Assignment] = []
        with self.journal.batch():
            for event in events:
                assignment = self._tasks[event.task]
                if isinstance(event, Reply):
                    self._listen(event, assignment, outcomes)
                    continue
                del self._tasks[event.task]
                if self._keeping is not None and self._keeping.busy(event.task):
                    assignment.garbled = True
                    self._keeping.drop(event.task)
                if isinstance(event, Done) and assignment.kept():
                    finished.append(assignment)
                    continue
                self._record(outcomes)
                code, detail = _ending(event)
                outcomes = self._feeder.broken(assignment, code, detail)
            self._record(outcomes)
            for assignment in finished:
                self._feeder.finish(assignment)
            if self._keeping is not None:
                self._keeping.flush()
        self._committed = time.monotonic()

    def _record(self, outcomes: list[Outcome]) -> None:
        for outcome, hits in zip(outcomes, self.matcher.hits(outcomes), strict=True):
            self.journal.record(self._counted(outcome), hits)
            self.state.contents_done += 1
            self.state.failed += outcome.status is wire.Status.FAILED
            self.state.alerts += bool(rows.alerts(hits))

    def _counted(self, outcome: Outcome) -> Outcome:
        """Hold what a reader says it met inside against what it gave: totals must add up."""
        if len(outcome.order) > 1 and not outcome.contents:
            return outcome
        given = self.journal.contents_of(outcome.item, outcome.order)
        if given == outcome.contents:
            return outcome
        return replace(
            outcome,
            contents=given,
            status=wire.Status.FAILED,
            reason="crashed",
            detail=f"the reader met {outcome.contents} members and gave {given}",
        )

    def _listen(self, reply: Reply, assignment: Assignment, outcomes: list[Outcome]) -> None:
        """Hear one message; what no honest worker says is not believed."""
        try:
            message = wire.decode_reply(reply.payload)
        except UNREADABLE:
            assignment.garbled = True
            return
        item = assignment.items.get(message.item)
        if item is None or not wire.believable(message, item, self.limits):
            assignment.garbled = True
        if assignment.garbled:
            return
        if isinstance(message, Part):
            assert self._keeping is not None  # nothing to keep, nothing believable
            assignment.garbled = not self._keeping.hear(reply.task, message, assignment)
        elif self._keeping is not None and self._keeping.busy(reply.task):
            assignment.garbled = True
        else:
            self._hear(message, assignment, outcomes)

    def _hear(self, message: wire.Reply, assignment: Assignment, outcomes: list[Outcome]) -> None:
        match message:
            case Outcome() if assignment.over(message.item, message.order):
                assignment.garbled = True
            case Outcome():
                assignment.end(message)
                outcomes.append(message)
            case Begin():
                assignment.begin(message)
            case Listing(item, first, members):
                self.journal.add_chunk(item, first, len(members), wire.encode(members))
                self.state.files_found += len(members)
                self.state.bytes_found += sum(member.size_bytes or 0 for member in members)
            case Digested():
                assignment.digested[message.item, message.order] = message
                if message.container and message.order == wire.ITSELF:
                    self.journal.set_digests(message.item, message.digests)
            case Progress(_, read_bytes):
                self.state.bytes_done += read_bytes

    # -- giving back -------------------------------------------------------------------------

    def _ready(self) -> Iterator[Recorded]:
        while (item := self.journal.ready(self._emitted)) is not None:
            for recorded in self.journal.results(item):
                self.summary.add(recorded)
                yield recorded
            self._emitted += 1

    def _match_again(self) -> None:
        """Match what an earlier run recorded, unless it was matched with the same lists."""
        if self.journal.meta("matched") == self.matcher.identity:
            return
        last: Outcome | None = None
        while known := self.journal.outcomes_after(last, MATCH_AGAIN):
            for outcome, hits in zip(known, self.matcher.hits(known), strict=True):
                self.journal.set_hits(outcome, hits)
            last = known[-1]
            self._heed()
        self.journal.set_meta("matched", self.matcher.identity)


def _ending(event: Done | Broken) -> tuple[str, str]:
    if isinstance(event, Broken):
        return event.code, event.detail
    return "crashed", "the reader did not do what it said it did"


def _close(streams: Sequence[int]) -> None:
    for stream in streams:
        os.close(stream)
