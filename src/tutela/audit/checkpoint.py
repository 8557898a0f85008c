"""Checkpoints (C2SP tlog-checkpoint): the size and root of the log, signed by this installation.

Kept elsewhere, one shows whether the log was rewritten or cut off since, by whomever.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from sqlalchemy import Connection, select

from tutela.audit import note
from tutela.audit.merkle import EMPTY_ROOT, HASH_BYTES, Frontier
from tutela.core.errors import InputError, IntegrityError, SettingsError
from tutela.core.settings import AuditSettings
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.audit import AuditCheckpoint, AuditHead

SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
LARGEST_SIZE = 2**63 - 1


class Checkpoint(msgspec.Struct, frozen=True):
    """What a checkpoint says: which log, how many leaves, which root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that is signed."""
        root = base64.b64encode(self.root).decode()
        return "".join(
            f"{line}\n" for line in (self.origin, str(self.size), root, *self.extensions)
        )


def parse(text: str) -> Checkpoint:
    """Read the text of a checkpoint, without its signatures.

    Raises:
        InputError: code `checkpoint`: it is none.
    """
    lines = text.split("\n")
    if len(lines) < 4 or not all(lines[:-1]) or lines[-1] or not SIZE.fullmatch(lines[1]):
        raise InputError("this is no checkpoint", code="checkpoint")
    try:
        root = note.from_base64(lines[2])
    except ValueError:
        root = b""
    size = int(lines[1])
    if len(root) != HASH_BYTES or size > LARGEST_SIZE:
        raise InputError("this is no checkpoint", code="checkpoint")
    return Checkpoint(lines[0], size, root, tuple(lines[3:-1]))


def opened(signed: str | bytes, keys: Iterable[note.Verifier]) -> Checkpoint:
    """Read a checkpoint that one of these keys has signed.

    Raises:
        InputError: it is no checkpoint.
        IntegrityError: none of the keys has signed it, or a signature is wrong.
    """
    parsed = note.parse(signed)
    note.verified(parsed, keys)
    return parse(parsed.text)


def create_key(path: Path, name: str) -> str:
    """Make the key that signs checkpoints, in a file of mode 0600, and return its verifier key.

    Raises:
        ServiceError: it cannot be written, or something is there already.
        UsageError: the name, which is the origin of the log, is none that a key may have.
    """
    key = note.Signer.new(name)
    note.create_key(path, key)
    return str(key.verifier)


def signing_key(settings: AuditSettings) -> note.Signer:
    """Read the key of this installation.

    Raises:
        ServiceError: it cannot be read; code `no_key` where there is none.
        SettingsError: it is the key of another log.
        UsageError: it is no private key, or others may read it.
    """
    key = note.read_key(settings.signing_key)
    if key.name != settings.origin or key.kind != note.ED25519:
        raise SettingsError(
            f"{settings.signing_key} signs for {key.name}, and this log is {settings.origin}",
            hint="[audit] origin stays as it was when the key was made",
        )
    return key


def sign(tx: Connection, settings: AuditSettings) -> str:
    """Sign the log as it is, and return the note; the same log gives the same note again.

    Raises:
        IntegrityError: the log is not what an older checkpoint says; nothing is signed over that.
        ServiceError: the key cannot be read.
        SettingsError: the key is that of another log.
    """
    key = signing_key(settings)
    size, root = _head(tx)
    last = tx.execute(
        select(AuditCheckpoint.size, AuditCheckpoint.note)
        .order_by(AuditCheckpoint.size.desc())
        .limit(1)
    ).one_or_none()
    if last is not None and last.size >= size:
        parsed = note.parse(last.note)
        before = parse(parsed.text)
        if (before.size, before.root) != (size, root):
            raise IntegrityError(
                f"the log is not the one of which checkpoint {last.size} was signed",
                hint="`tutela audit verify` tells more",
            )
        # Otherwise it was signed with a former key; it stays as it is, and this one is given away.
        with contextlib.suppress(IntegrityError):
            note.verified(parsed, [key.verifier])
            return str(last.note)
    text = Checkpoint(settings.origin, size, root).text
    signed = f"{text}\n{key.sign(text)}"
    # Ed25519 signs the same text the same way: whoever was quicker has written the same.
    row = {"size": size, "at": now(), "note": signed}
    insert_rows(tx, AuditCheckpoint, [row], ignore_existing=True)
    return signed


def latest(tx: Connection, size: int | None = None) -> str | None:
    """Return the newest checkpoint that was signed, or that of one size, or None."""
    wanted = select(AuditCheckpoint.note).order_by(AuditCheckpoint.size.desc()).limit(1)
    if size is not None:
        wanted = wanted.where(AuditCheckpoint.size == size)
    found: str | None = tx.execute(wanted).scalar_one_or_none()
    return found


def _head(tx: Connection) -> tuple[int, bytes]:
    row = tx.execute(
        select(AuditHead.size, AuditHead.frontier, AuditHead.root).where(AuditHead.id == 1)
    ).one_or_none()
    if row is None:
        return 0, EMPTY_ROOT
    try:
        root = Frontier(row.size, row.frontier).root()
    except ValueError:
        root = b""
    if root != row.root:
        raise IntegrityError(
            "the head of the log does not fit itself", hint="`tutela audit verify` tells more"
        )
    return row.size, root
