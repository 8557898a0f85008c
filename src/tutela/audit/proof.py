"""Proofs for others: that an event is in the log, and that one log is the continuation of another.

Both are text files that need no database to be checked: a proof of an event as C2SP tlog-proof,
with the event in its `extra` line; a proof of continuation as what is sent to a C2SP tlog-witness.

A proof reads every leaf hash below the size that it is for, about a second for a million.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, select

from tutela.audit import checkpoint, note, reading
from tutela.audit.checkpoint import SIZE, Checkpoint
from tutela.audit.merkle import (
    EMPTY_ROOT,
    HASH_BYTES,
    consistency_path,
    inclusion_path,
    leaf_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from tutela.core.errors import InputError, IntegrityError, UsageError
from tutela.store.tables.audit import AuditEvent

HEADER = "c2sp.org/tlog-proof@v1"
MOST_HASHES = 63
LINE = re.compile(r"(extra|index|old) (\S*)")


class EventProof(msgspec.Struct, frozen=True):
    """What proves one event: its number, its body, the hashes beside its path, the checkpoint."""

    index: int
    body: bytes
    hashes: tuple[bytes, ...]
    signed: str

    @property
    def text(self) -> str:
        """The proof as a file (C2SP tlog-proof)."""
        lines = [HEADER, f"extra {_base64(self.body)}", f"index {self.index}"]
        lines += map(_base64, self.hashes)
        return "\n".join(lines) + "\n\n" + self.signed


class Continuation(msgspec.Struct, frozen=True):
    """What proves that the log of a checkpoint begins with the log of `old` events."""

    old: int
    hashes: tuple[bytes, ...]
    signed: str

    @property
    def text(self) -> str:
        """The proof as a file (C2SP tlog-witness, body of `add-checkpoint`)."""
        lines = [f"old {self.old}", *map(_base64, self.hashes)]
        return "\n".join(lines) + "\n\n" + self.signed


def inclusion(tx: Connection, seq: int, size: int | None = None) -> EventProof:
    """Prove an event under the checkpoint of a size, or under the newest.

    Raises:
        UsageError: there is no such checkpoint, or it was signed before the event.
        IntegrityError: the log is not the one that was signed.
    """
    signed, said = _signed(tx, size)
    if not 0 <= seq < said.size:
        raise UsageError(
            f"event {seq} is not under the checkpoint of {said.size} events",
            hint="`tutela audit checkpoint` signs the log as it is now",
        )
    body = tx.execute(select(AuditEvent.body).where(AuditEvent.seq == seq)).scalar_one_or_none()
    hashes = _roots(tx, inclusion_path(seq, said.size))
    if body is None or not verify_inclusion(seq, said.size, leaf_hash(body), hashes, said.root):
        raise _not_signed(said.size)
    return EventProof(seq, body, hashes, signed)


def consistency(tx: Connection, old: int, new: int | None = None) -> Continuation:
    """Prove that the log of one size begins with that of an older size.

    `new` is the size of a checkpoint; the newest if left out.

    Raises:
        UsageError: there is no such checkpoint, or the older size is larger.
        IntegrityError: the log is not the one that was signed.
    """
    signed, said = _signed(tx, new)
    if not 0 <= old <= said.size:
        raise UsageError(f"a log of {said.size} events does not begin with one of {old}")
    if old == 0:
        return Continuation(0, (), signed)
    hashes = _roots(tx, consistency_path(old, said.size))
    older = root_of(reading.leaf_hashes(tx, 0, old)) if old else EMPTY_ROOT
    if not verify_consistency(old, said.size, older, said.root, hashes):
        raise _not_signed(said.size)
    return Continuation(old, hashes, signed)


def check(proof: EventProof, keys: Iterable[note.Verifier]) -> Checkpoint:
    """Check a proof of an event, and return the checkpoint that it is under.

    Raises:
        InputError: it holds no checkpoint.
        IntegrityError: no key has signed it, or the event is not in the log that was signed.
    """
    said = checkpoint.opened(proof.signed, keys)
    leaf = leaf_hash(proof.body)
    if not verify_inclusion(proof.index, said.size, leaf, proof.hashes, said.root):
        raise IntegrityError(f"event {proof.index} is not in the log that was signed")
    return said


def parse_inclusion(text: str) -> EventProof:
    """Read a proof of an event, as `EventProof.text` writes it.

    Raises:
        InputError: code `proof`: it is none.
    """
    lines, signed = _halves(text)
    if len(lines) < 3 or lines[0] != HEADER:
        raise _no_proof()
    body, index = _value(lines[1], "extra"), _value(lines[2], "index")
    try:
        decoded = note.from_base64(body)
    except ValueError:
        raise _no_proof() from None
    return EventProof(_number(index), decoded, _hashes(lines[3:]), signed)


def parse_continuation(text: str) -> Continuation:
    """Read a proof of continuation, as `Continuation.text` writes it; the checkpoint may be absent.

    Raises:
        InputError: code `proof`: it is none.
    """
    lines, signed = _halves(text)
    if not lines:
        raise _no_proof()
    return Continuation(_number(_value(lines[0], "old")), _hashes(lines[1:]), signed)


def _signed(tx: Connection, size: int | None) -> tuple[str, Checkpoint]:
    signed = checkpoint.latest(tx, size)
    if signed is None:
        what = "checkpoint yet" if size is None else f"checkpoint of {size} events"
        raise UsageError(f"there is no {what}", hint="`tutela audit checkpoint` signs one")
    return signed, checkpoint.parse(note.parse(signed).text)


def _roots(tx: Connection, path: list[tuple[int, int]]) -> tuple[bytes, ...]:
    return tuple(root_of(reading.leaf_hashes(tx, *part)) for part in path)


def _halves(text: str) -> tuple[list[str], str]:
    if len(text) > note.LONGEST_NOTE:
        raise _no_proof()
    head, _, signed = text.partition("\n\n")
    return head.removesuffix("\n").split("\n"), signed


def _value(line: str, name: str) -> str:
    found = LINE.fullmatch(line)
    if found is None or found[1] != name:
        raise _no_proof()
    return found[2]


def _number(text: str) -> int:
    if not SIZE.fullmatch(text) or int(text) > checkpoint.LARGEST_SIZE:
        raise _no_proof()
    return int(text)


def _hashes(lines: list[str]) -> tuple[bytes, ...]:
    try:
        hashes = tuple(map(note.from_base64, lines))
    except ValueError:
        raise _no_proof() from None
    if len(hashes) > MOST_HASHES or any(len(one) != HASH_BYTES for one in hashes):
        raise _no_proof()
    return hashes


def _no_proof() -> InputError:
    return InputError("this is no proof of a log", code="proof")


def _not_signed(size: int) -> IntegrityError:
    return IntegrityError(
        f"the log is not the one of which checkpoint {size} was signed",
        hint="`tutela audit verify` names what is wrong",
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
