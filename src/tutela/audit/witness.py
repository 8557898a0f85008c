"""A witness: another installation that signs the checkpoints of a log as long as it only grows.

It keeps the last checkpoint that it signed of each log, and signs the next only with a proof that
this one continues it (C2SP tlog-witness, by files instead of HTTP). Its signature (cosignature/v1
of C2SP tlog-cosignature) says: at this time this was the largest log that I have seen.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tutela.audit import checkpoint, note
from tutela.audit.checkpoint import Checkpoint
from tutela.audit.merkle import EMPTY_ROOT, verify_consistency
from tutela.core.errors import ConflictError, IntegrityError, ServiceError, UsageError
from tutela.core.time import now


def cosign(  # noqa: PLR0913 the parts of one request, which are not to be mixed up
    folder: Path,
    key: note.Signer,
    log: note.Verifier,
    signed: str,
    *,
    old: int = 0,
    proof: Sequence[bytes] = (),
    clock: Callable[[], float] = lambda: now().timestamp(),
) -> str:
    """Return a signature line for a checkpoint that continues the last one signed, and keep it.

    Args:
        folder: Where the last checkpoint of each log is kept.
        key: The witness's own key, of the kind for cosignatures.
        log: The verifier key of the log, which was given by its people and not by its file.
        signed: The checkpoint, signed by the log.
        old: The size that the proof is from: that of the last checkpoint signed, 0 for none.
        proof: The consistency proof from there (RFC 6962, section 2.1.2).
        clock: Gives the seconds since 1970.

    Raises:
        ConflictError: the proof is not from the size that was signed last; the hint says which.
        InputError: it is no checkpoint.
        IntegrityError: the log has not signed it, or it does not continue the last one.
        UsageError: the key is not one for cosignatures.
    """
    if key.kind != note.COSIGNATURE:
        raise UsageError(
            "a witness signs with a key of its own",
            hint="`tutela audit witness-key FILE NAME` makes one",
        )
    said = checkpoint.opened(signed, [log])
    with _locked(folder):
        kept = folder / hashlib.sha256(said.origin.encode()).hexdigest()
        last = _last(kept, log, said.origin)
        _follow(last, said, old, proof)
        text = note.parse(signed).text
        # On disk before it is given away: a witness that forgets could sign a fork.
        _keep(kept, signed)
        return key.sign(text, int(clock()))


def last_size(folder: Path, log: note.Verifier) -> int:
    """Return the size of the last checkpoint that was signed of a log, 0 for none."""
    return _last(folder / hashlib.sha256(log.name.encode()).hexdigest(), log, log.name).size


def _follow(last: Checkpoint, said: Checkpoint, old: int, proof: Sequence[bytes]) -> None:
    if said.size < last.size:
        raise IntegrityError(
            f"the log had {last.size} events before and has {said.size} now",
            code="rolled_back",
            hint="it was cut off, or this checkpoint is an old one",
        )
    if old != last.size:
        raise ConflictError(
            f"the proof is from {old} events, and the last checkpoint signed here has {last.size}",
            hint=f"`tutela audit consistency {last.size}` on the side of the log",
        )
    if not verify_consistency(last.size, said.size, last.root, said.root, proof):
        raise IntegrityError(
            f"the log does not continue the one of {last.size} events that was signed here",
            code="forked",
            hint="it was written anew; keep both checkpoints, they prove it",
        )


def _last(kept: Path, log: note.Verifier, origin: str) -> Checkpoint:
    try:
        text = kept.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Checkpoint(origin, 0, EMPTY_ROOT)
    except OSError as error:
        raise ServiceError(f"cannot read {kept}") from error
    # Signed by the log itself: who changes this file cannot invent a past for it.
    return checkpoint.opened(text, [log])


def _keep(kept: Path, signed: str) -> None:
    fresh = kept.with_suffix(".new")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            stream.write(signed)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(kept)
        folder = os.open(kept.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise ServiceError(f"cannot write {kept}") from error


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time look and keep: two could otherwise turn each other back."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stream = (folder / "lock").open("w")
    except OSError as error:
        raise ServiceError(f"cannot write {folder}") from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
