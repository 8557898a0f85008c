"""Looks at every event once, in order, and names what is wrong with it.

An event is settled when the next has been seen: that one says what it followed, and so which half
of an event was changed where its body and its hash disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from tutela.audit.log import PREV_BYTES, SALTED, commitment
from tutela.audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier, leaf_hash
from tutela.audit.reading import Leaf, moment_text

# A log that is broken everywhere is broken; the rest is only counted, so that memory stays bounded.
MOST_FINDINGS = 1000

Texts = Sequence[tuple[str, bytes, str]]

_MARK = f'"{SALTED}'.encode()


class Finding(NamedTuple):
    """Something that is wrong: where (`seq`, for the order), what it concerns, and what it is."""

    seq: int
    subject: str
    what: str

    def __str__(self) -> str:
        """Return it as a line for a person."""
        return f"{self.subject}: {self.what}"


class Claim(NamedTuple):
    """What a checkpoint says about the log, and what to call that checkpoint."""

    size: int
    root: bytes
    name: str


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """What was hashed: canonical JSON of one event."""

    act: str
    at: str
    by: int | None
    data: msgspec.Raw
    on: str
    prev: str
    seq: int
    v: int
    via: str


_decode = msgspec.json.Decoder(Body).decode


class _Pending(NamedTuple):
    seq: int
    stored: bytes
    computed: bytes


class Walk:
    """The state of a verification between two events."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        self.findings: list[Finding] = []
        self.more = 0  # findings beyond the most that are kept
        self.size = 0  # of what was seen without a gap at its end
        self.whole = True  # no gap so far: the tree can be built
        self.tree = Frontier()
        self.texts = self.erased = 0
        self.backwards_s = 0.0
        self.held: set[Claim] = set()  # checkpoints that the tree fits
        self.sound_to = 0  # events below this are those of a checkpoint that fits
        self._claims = sorted(claims, reverse=True)
        self._diverged = False
        self._pending: _Pending | None = None
        self._at: tuple[Any, str] = (None, "")
        self._latest = ""
        self._flagged = -1
        self._hold_claims()

    def take(self, leaf: Leaf, words: Texts) -> None:
        """Look at the next event and the words kept beside it."""
        seq = leaf[0]
        if seq != self.size and not self._out_of_step(seq):
            return
        self.size = seq + 1
        stored, computed, body = _halves(leaf)
        wrong = self._compare(leaf, body)
        sound = not wrong and stored == computed
        self._settle(body.prev if body is not None and sound else None)
        self._pending = _Pending(seq, stored, computed)
        if stored == computed and wrong:
            self._flag(seq, wrong)
        if body is not None and sound:
            self._look_at_words(leaf, body, words)
            self._look_at_time(body.at)

    def finish(self) -> None:
        """Settle the last event."""
        self._settle(None)

    def find(self, seq: int, subject: str, what: str) -> None:
        """Note something that is wrong."""
        if len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(seq, subject, what))
        else:
            self.more += 1

    def explained(self, first: int, end: int) -> bool:
        """Tell whether something wrong is known from `first` to before `end`."""
        return self.more > 0 or any(first <= finding.seq < end for finding in self.findings)

    def _out_of_step(self, seq: int) -> bool:
        """Note a gap, or a number that was there already; tell whether to go on with it."""
        if seq < self.size:
            what = "there twice" if seq >= 0 else "no event has such a number"
            self.find(seq, f"event {seq}", what)
            return False
        self._settle(None)
        self.find(self.size, events(self.size, seq), "missing")
        self.whole = False
        return True

    def _compare(self, leaf: Leaf, body: Body | None) -> str:
        """Return what is wrong with an event whose body is taken as it is, or nothing."""
        seq, raw_at, account_id, action, subject, _, _ = leaf
        if body is None:
            return "the body is no event"
        if body.seq != seq:
            return f"the body is that of event {body.seq}"
        if raw_at != self._at[0]:
            self._at = (raw_at, moment_text(raw_at))
        if (
            body.act != action
            or body.on != subject
            or body.by != account_id
            or body.at != self._at[1]
        ):
            seen = {"action": action, "subject": subject, "account_id": account_id}
            said = {"action": body.act, "subject": body.on, "account_id": body.by}
            changed = [name for name in seen if seen[name] != said[name]] or ["at"]
            return f"the column {changed[0]} is not what the body says"
        return ""

    def _settle(self, followed: str | None) -> None:
        """Decide about the event before, by what the next says that it followed."""
        if self._pending is None:
            return
        seq, stored, computed = self._pending
        self._pending = None
        leaf = stored
        if followed is None:
            if stored != computed:
                self._flag(seq, "the body does not fit its hash")
        elif followed != stored[:PREV_BYTES].hex():
            if stored == computed:
                self._flag(seq, f"changed, body and hash: event {seq + 1} followed another")
            elif followed == computed[:PREV_BYTES].hex():
                self._flag(seq, "the hash was changed")
                leaf = computed
            else:
                self._flag(seq, "the body was changed, and so was the hash")
        elif stored != computed:
            self._flag(seq, "the body was changed")
        if self.whole:
            self.tree.push(leaf)
            self._hold_claims()

    def _hold_claims(self) -> None:
        """Hold the tree against the checkpoints of its present size."""
        while self._claims and self._claims[-1].size <= self.tree.size:
            claim = self._claims.pop()
            root = self.tree.root() if self.tree.size else EMPTY_ROOT
            if claim.root == root:
                self.held.add(claim)
                self.sound_to, self._diverged = claim.size, False
                continue
            if not self._diverged and not self.explained(self.sound_to, claim.size):
                self.find(
                    self.sound_to,
                    events(self.sound_to, claim.size),
                    f"written anew: {claim.name} was signed over others",
                )
            self._diverged = True

    def _look_at_words(self, leaf: Leaf, body: Body, words: Texts) -> None:
        if not words and _MARK not in leaf[5]:
            return
        seq = leaf[0]
        data = msgspec.json.decode(body.data)
        committed = {
            name: value[len(SALTED) :]
            for name, value in data.items()
            if isinstance(value, str) and value.startswith(SALTED)
        }
        self.texts += len(words)
        for name, salt, text in words:
            said = committed.pop(name, None)
            if said is None:
                self._flag(seq, f"a text {name!r} was added")
            elif said != commitment(salt, text).hex():
                self._flag(seq, f"the text {name!r} was changed")
        self.erased += len(committed)

    def _look_at_time(self, at: str) -> None:
        """A clock may be set back: the log says by how much, and its order does not rest on it."""
        if at < self._latest:
            try:
                back = datetime.fromisoformat(self._latest) - datetime.fromisoformat(at)
            except ValueError:
                return
            self.backwards_s = max(self.backwards_s, back.total_seconds())
        else:
            self._latest = at

    def _flag(self, seq: int, what: str) -> None:
        """Note what is wrong with an event: the first thing, one thing."""
        if seq != self._flagged:
            self._flagged = seq
            self.find(seq, f"event {seq}", what)


def events(first: int, end: int) -> str:
    """Name the events from `first` to before `end`."""
    return f"event {first}" if end - first == 1 else f"events {first} to {end - 1}"


def _halves(leaf: Leaf) -> tuple[bytes, bytes, Body | None]:
    """Return the hash as it is kept, as it should be, and the body if it is one."""
    body, stored = leaf[5], leaf[6]
    # SQLite keeps a value of any type in any column.
    if type(body) is not bytes:
        return bytes(HASH_BYTES), b"", None
    computed = leaf_hash(body)
    try:
        decoded = _decode(body)
    except msgspec.DecodeError:
        decoded = None
    if type(stored) is not bytes or len(stored) != HASH_BYTES:
        stored = bytes(HASH_BYTES)
    return stored, computed, decoded
