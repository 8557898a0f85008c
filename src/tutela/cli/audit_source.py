"""What the commands of `tutela audit` work on: the log, keys, and files that somebody gave us."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tutela.core import settings as core_settings
from tutela.core.errors import AccessError, ServiceError, UsageError

if TYPE_CHECKING:
    from tutela.audit.note import Verifier
    from tutela.cli.open import Office
    from tutela.core.settings import Settings
    from tutela.store import Database

LARGEST_FILE = 4 * 1024 * 1024


@contextlib.contextmanager
def database(config: Path | None) -> Iterator[tuple[Settings, Database]]:
    """Open the database for what shows nothing of it."""
    from tutela.store import Database  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.store.schema import require_current  # noqa: PLC0415 - as above

    settings = core_settings.load(config)
    with Database(settings.database.url) as opened:
        require_current(opened)
        yield settings, opened


@contextlib.contextmanager
def reader(config: Path | None, break_glass: str) -> Iterator[Office]:
    """Sign in as somebody who may read the log."""
    from tutela.access.authorise import require  # noqa: PLC0415 - as above
    from tutela.access.model import Permission  # noqa: PLC0415 - as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        with office.database.read() as tx:
            try:
                require(tx, office.who, Permission.AUDIT_READ)
            except AccessError as error:
                error.hint = "an auditor or a supervisor can, or --break-glass REASON"
                raise
        yield office


def keys(settings: Settings, given: list[str], *, must: bool = False) -> list[Verifier]:
    """Return the verifier keys to check with: those given, and that of this installation.

    Raises:
        ServiceError: there is none, where there must be one.
        UsageError: what was given is no verifier key.
    """
    from tutela.audit import checkpoint as checkpoints  # noqa: PLC0415 - as above
    from tutela.audit.note import parse_verifier  # noqa: PLC0415 - as above

    found = [parse_verifier(one) for one in given]
    try:
        found.append(checkpoints.signing_key(settings.audit).verifier)
    except ServiceError as error:
        if not found and (must or error.code != "no_key"):
            raise
    return found


def moment(text: str) -> datetime | None:
    """Read a moment, in UTC where it does not say its zone; None for an empty text."""
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text} is no moment", hint="such as 2026-11-01") from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read


def content(path: Path) -> bytes:
    """Return what is in a small file."""
    try:
        with path.open("rb") as stream:
            return stream.read(LARGEST_FILE)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def text(path: Path) -> str:
    """Return the text of a small file."""
    try:
        return content(path).decode()
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text") from None
