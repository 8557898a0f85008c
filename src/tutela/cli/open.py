"""Opens the database for a command, as the account that the command line acts as.

The account is that of the credential file. With a reason a command may go past it: that is direct
use of the database, said on standard error and written to the log before anything else is done.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tutela.access import accounts
from tutela.audit import log
from tutela.core import secretfile
from tutela.core import settings as core_settings
from tutela.core.errors import AccessError, ServiceError, UsageError
from tutela.core.principal import Principal, Via
from tutela.core.settings import Settings
from tutela.store import Database
from tutela.store.schema import require_current

BREAK_GLASS = Principal(None, None, "break-glass", frozenset(), Via.BREAK_GLASS)
LONGEST_TOKEN = 1024


@dataclass(frozen=True)
class Office:
    """What a command works with: the settings, the open database and who acts."""

    settings: Settings
    database: Database
    who: Principal


@contextlib.contextmanager
def opened(config: Path | None = None, *, break_glass: str = "") -> Iterator[Office]:
    """Open the database and sign in.

    Args:
        config: Settings file; the default one if left out.
        break_glass: Reason to act directly on the database instead of as an account.

    Raises:
        AccessError: there is no credential, or it is nobody's.
        ServiceError: the database or the credential file cannot be read.
        UsageError: the database is at another revision, or the credential is open to others.
    """
    settings = core_settings.load(config)
    with Database(settings.database.url) as database:
        require_current(database)
        yield Office(settings, database, _signed_in(settings, database, break_glass.strip()))


def write_credential(path: Path, token: str) -> None:
    """Write the token of an account where the command line finds it, for this user only (0600).

    Raises:
        ServiceError: it cannot be written, or something is there already.
    """
    secretfile.create(path, f"{token}\n".encode())


def _signed_in(settings: Settings, database: Database, reason: str) -> Principal:
    if reason:
        print(f"warning: break-glass: this is written to the audit log: {reason}", file=sys.stderr)
        with database.write() as tx:
            log.record(tx, BREAK_GLASS, "glass.broken", "installation", texts={"reason": reason})
        return BREAK_GLASS
    token = read_credential(settings.cli.credential)
    with database.read() as tx:
        return accounts.by_token(tx, token, Via.CLI)


def read_credential(path: Path) -> str:
    """Return the token in a credential file.

    Raises:
        AccessError: there is none.
        ServiceError: it cannot be read.
        UsageError: others can read it.
    """
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            token = stream.read(LONGEST_TOKEN).strip()
    except FileNotFoundError as error:
        raise AccessError(
            f"there is no credential file {path}",
            code="sign_in",
            hint="`tutela init` makes one; `tutela account token` renews it",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ServiceError(f"cannot read the credential file {path}") from error
    if stat.S_IMODE(mode) & 0o077:
        raise UsageError(
            f"the credential file {path} can be read by others", hint=f"chmod 600 {path}"
        )
    return token
