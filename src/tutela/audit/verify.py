"""Holds the whole log against itself, against its checkpoints and against those kept elsewhere.

The log is read once, in order. What is found names the first event that is wrong; where every
event looks sound and only the tree disagrees, the events of which at least one was written anew.

What shows what:

- an event that was changed: its hash, or where that was changed too, the event after it;
- one that was deleted, added or moved: the numbers, which stand in the bodies too;
- an end that was cut off: the head, or where that was changed too, a checkpoint;
- everything written anew from some event on: only a checkpoint, kept where nobody could replace it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from sqlalchemy import Connection, ScalarSelect, func, select

from tutela.audit import checkpoint, note, reading
from tutela.audit.merkle import EMPTY_ROOT, Frontier
from tutela.audit.reading import Head
from tutela.audit.walk import MOST_FINDINGS, Claim, Finding, Walk, events
from tutela.core.errors import InputError, IntegrityError
from tutela.store.tables.audit import AuditCheckpoint, AuditEvent, AuditHead, AuditText

NOWHERE = 2**62  # behind all events: what is wrong with no event in particular

# Called with the number of events that were looked at, and of those that there are.
Progress = Callable[[int, int], object]


class Report(msgspec.Struct, frozen=True):
    """What a verification found; `findings` in the order of the events, none where all is sound."""

    size: int
    root: bytes
    findings: tuple[Finding, ...]
    more: int  # findings beyond the thousand that are kept of each kind
    checkpoints: int  # signed here, that the log fits
    kept: int  # given from outside, that the log fits
    texts: int  # words that fit what their events commit to
    erased: int  # words that are no longer kept, lawfully as far as the log can tell
    backwards_s: float  # by how much the clock was set back at most

    @property
    def sound(self) -> bool:
        """Nothing is wrong."""
        return not self.findings

    @property
    def first(self) -> Finding | None:
        """The first thing that is wrong."""
        return self.findings[0] if self.findings else None


def verify(
    tx: Connection,
    keys: note.Verifier | Iterable[note.Verifier] = (),
    trusted: Iterable[str | bytes] = (),
    progress: Progress | None = None,
) -> Report:
    """Verify the whole log.

    Args:
        tx: A transaction that reads.
        keys: Verifier keys of this log. Without one the signatures of the checkpoints that lie
            in the database are not looked at, and kept ones are refused.
        trusted: Checkpoints that were kept elsewhere.
        progress: Called after every few thousand events.
    """
    known = [keys] if isinstance(keys, note.Verifier) else list(keys)
    # Before the head: a checkpoint that is signed meanwhile may be of a larger log than that.
    own, kept = _Claims(known), _Claims(known)
    for size, text in tx.execute(
        select(AuditCheckpoint.size, AuditCheckpoint.note).order_by(AuditCheckpoint.size)
    ):
        own.add(text, f"checkpoint {size}", size)
    for number, given in enumerate(trusted, 1):
        kept.add(given, f"the kept checkpoint {number}", None)
    head = reading.head(tx)
    size = head.size if head is not None else 0
    walk = Walk([*own.made, *kept.made])
    for batch in reading.batches(tx, size):
        words = reading.texts(tx, batch[0][0], batch[-1][0])
        for leaf in batch:
            walk.take(leaf, words.get(leaf[0], ()))
        if progress is not None:
            progress(walk.size, size)
    walk.finish()
    _look_at_end(walk, size, [*own.made, *kept.made])
    _look_at_head(walk, head)
    _look_beyond(tx, walk)
    wrong = [*walk.findings, *own.findings[:MOST_FINDINGS], *kept.findings[:MOST_FINDINGS]]
    found = len(walk.findings) + walk.more + len(own.findings) + len(kept.findings)
    return Report(
        size=walk.size,
        root=walk.tree.root(),
        findings=tuple(sorted(wrong, key=lambda finding: finding.seq)),
        more=found - len(wrong),
        checkpoints=sum(claim in walk.held for claim in own.made),
        kept=sum(claim in walk.held for claim in kept.made),
        texts=walk.texts,
        erased=walk.erased,
        backwards_s=walk.backwards_s,
    )


class _Claims:
    """Checkpoints from one place, and what is wrong with them before the log is looked at."""

    def __init__(self, keys: list[note.Verifier]) -> None:
        self.made: list[Claim] = []
        self.findings: list[Finding] = []
        self._keys = keys

    def add(self, signed: str | bytes, name: str, size: int | None) -> None:
        """Take a checkpoint; `size` is what the row that it was in says."""
        try:
            if self._keys or size is None:
                said = checkpoint.opened(signed, self._keys)
            else:
                said = checkpoint.parse(note.parse(signed).text)
        except (InputError, IntegrityError) as error:
            self.findings.append(Finding(NOWHERE if size is None else size, name, error.message))
            return
        if size is not None and said.size != size:
            self.findings.append(Finding(size, name, f"its note is of size {said.size}"))
            return
        self.made.append(
            Claim(said.size, said.root, f"{name} of {said.size} events" if size is None else name)
        )


def _look_at_end(walk: Walk, size: int, claims: list[Claim]) -> None:
    """Name events that the head or a checkpoint counts and that are not there."""
    longest = max(claims, default=Claim(0, EMPTY_ROOT, ""))
    if size > walk.size and size >= longest.size:
        walk.find(walk.size, events(walk.size, size), f"missing: the head counts {size}")
    elif longest.size > walk.size:
        walk.find(
            walk.size,
            events(walk.size, longest.size),
            f"missing: {longest.name} counts {longest.size}",
        )


def _look_at_head(walk: Walk, head: Head | None) -> None:
    """Hold the tree against the head."""
    if head is None or not walk.whole or walk.tree.size != head.size:
        return
    try:
        kept = Frontier(head.size, head.frontier)
    except ValueError:
        walk.find(head.size, "the head", "it does not fit its size")
        return
    for (start, end, mine), (_, _, theirs) in zip(walk.tree.peaks(), kept.peaks(), strict=True):
        if mine == theirs:
            continue
        first = max(start, walk.sound_to)
        if end <= walk.sound_to:
            walk.find(head.size, "the head", "it is not that of these events")
        elif not walk.explained(walk.sound_to, head.size):
            walk.find(first, events(first, end), "written anew: the head was made over others")
        return
    if head.root != walk.tree.root():
        walk.find(head.size, "the head", "its root is not that of these events")


def _look_beyond(tx: Connection, walk: Walk) -> None:
    """Name events and words behind the end that the head gives, as it is at this moment."""
    size = _size_now()
    extra = tx.execute(
        select(func.min(AuditEvent.seq), func.max(AuditEvent.seq)).where(AuditEvent.seq >= size)
    ).one()
    if extra[0] is not None:
        subject = events(extra[0], extra[1] + 1)
        walk.find(extra[0], subject, "not in the tree: the head ends before")
    alone = tx.execute(select(func.min(AuditText.seq)).where(AuditText.seq >= size)).scalar()
    if alone is not None:
        walk.find(alone, f"event {alone}", "a text without an event")


def _size_now() -> ScalarSelect[int]:
    found = select(func.coalesce(func.max(AuditHead.size), 0)).where(AuditHead.id == 1)
    return found.scalar_subquery()
