"""What a publication is made of, as publisher and subscriber both see it.

For each list there is one delegated role of the TUF repository, under a name that says nothing, and
for each set of jurisdictions that members have, one head: a small file that only they can decrypt.
It says what all other files are. Everything is encrypted to those members, so whoever serves the
files sees sizes, numbers and times, and no name of a list, member, scheme or entry.

A subscriber goes on by steps (deltas). Each names the state that it starts from; the state it leads
to is the digest of that and of the step itself, so steps make a chain that cannot be cut or bent. A
subscriber whose state is not in the chain begins anew with the full copy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from typing import Literal

import msgspec
from tuf.api.metadata import Targets

from tutela.core.entry import Role
from tutela.core.errors import IntegrityError
from tutela.match.segment import Kind, Record

METADATA = "metadata"  # folders of a publication
TARGETS = "targets"
HEAD_SUFFIX = ".head"
HEAD_LIMIT = 4 << 20  # bytes of an encrypted head
STEPS_LIMIT = 64  # that a head may name
GONE = b'{"v":1,"type":"gone"'


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of the publication: the target, and size and SHA-256 of what it decrypts to."""

    target: str
    size_bytes: int
    sha256: str


class SegmentPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Index rows of the full copy, ready to map: what `match.segment.Record` says of them."""

    part: Part
    space: str
    kind: Kind
    parameter: int
    rows: int

    def record(self, file: str) -> Record:
        """Return the record of the segment that lies in `file`."""
        kind, rows = self.kind, self.rows
        size, sha256 = self.part.size_bytes, self.part.sha256
        return Record(file, self.space, kind, self.parameter, rows, 0, size, sha256)


class Full(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A full copy: entries as JSON Lines, and their index rows in the same order."""

    generation: int
    change: int
    state: str
    entries: int
    rows: Part
    segments: tuple[SegmentPart, ...] = ()


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What changed from one generation to a later one, and how many lines say so."""

    from_generation: int
    from_state: str
    generation: int
    state: str
    lines: int
    part: Part


class Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the members of some jurisdictions are told of a list.

    `steps` follow one another and end at `state`; `full` is one of the states on the way. `active`
    counts the entries of `state`. `recipients` tells the publisher, and only that, whether members
    have changed.
    """

    v: Literal[1] = 1
    list: str
    title: str
    purpose: str
    owner: str
    role: Role
    radius_bits: int
    jurisdictions: tuple[str, ...]
    generation: int
    change: int
    state: str
    active: int
    published_at: datetime
    full: Full
    steps: tuple[Step, ...] = ()
    recipients: str = ""

    def parts(self) -> tuple[Part, ...]:
        """Return all files that it names."""
        segments = (segment.part for segment in self.full.segments)
        return self.full.rows, *segments, *(step.part for step in self.steps)

    def after(self, state: str) -> tuple[Step, ...] | None:
        """Return the steps that lead on from a state, None where it is not on the way."""
        if state == self.state:
            return ()
        for place, step in enumerate(self.steps):
            if step.from_state == state:
                return self.steps[place:]
        return None


class Gone(msgspec.Struct, frozen=True):
    """A line of a step that says that an entry is on the list no more."""

    v: Literal[1]
    type: Literal["gone"]
    row: int
    state: str


def role_names(targets: Targets) -> list[str]:
    """Return the names of the roles that targets metadata delegates to."""
    return list(targets.delegations.roles or {}) if targets.delegations else []


def first_state(rows_sha256: str) -> str:
    """Return the state of a full copy that follows nothing."""
    return hashlib.sha256(b"full " + rows_sha256.encode()).hexdigest()


def next_state(before: str, step_sha256: str) -> str:
    """Return the state to which a step leads."""
    return hashlib.sha256(f"step {before} {step_sha256}".encode()).hexdigest()


def encoded(head: Head) -> bytes:
    """Return a head as it is encrypted: padded, so that its size says little."""
    body = msgspec.json.encode(head)
    return body.ljust(-(-len(body) // 4096) * 4096)


def decoded(body: bytes) -> Head:
    """Return a head after checking that its steps follow one another.

    Raises:
        IntegrityError: it cannot be read, or does not fit itself.
    """
    try:
        head = msgspec.json.decode(body, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise IntegrityError("a head of a publication cannot be read", code="head") from None
    if len(head.steps) > STEPS_LIMIT or not all(_sound(head)):
        raise IntegrityError(
            f"the steps of the list {head.list!r} do not follow one another", code="steps"
        )
    return head


def _sound(head: Head) -> Iterator[bool]:
    state, generation = head.state, head.generation
    states = {state}
    for step in reversed(head.steps):
        yield step.state == state and step.generation == generation
        yield step.from_generation < step.generation
        yield next_state(step.from_state, step.part.sha256) == step.state
        state, generation = step.from_state, step.from_generation
        states.add(state)
    yield head.full.state in states
    yield head.full.generation <= head.generation
    yield head.published_at.tzinfo is not None
