"""`tutela init`."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from tutela.core import settings as core_settings
from tutela.core.errors import UsageError
from tutela.core.principal import Role
from tutela.core.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tutela.core.ids import AccountId
    from tutela.store import Database

CLI_ACCOUNT = "cli"


def init(
    *,
    organisation: str = "",
    country: str = "",
    admin: str = "",
    role: Annotated[list[Role] | None, Parameter(negative=())] = None,
    invite_again: bool = False,
    config: Path | None = None,
) -> int:
    """Prepare an installation: keys, vault, database, and a link for its first administrator.

    What is there already stays as it is. The link works once and for 24 hours; whoever opens it
    becomes the administrator.

    Examples:
        tutela init --organisation "Example Force" --country DE --admin ann.lee

        tutela init --invite-again

    Args:
        organisation: Name of your force, hotline or company.
        country: Its country, two letters.
        admin: Account name of the first administrator.
        role: A role of that first account; may be repeated. administrator if left out.
        invite_again: Print a new link where the first one was not used.
        config: Settings file.
    """
    from tutela.store import Database  # noqa: PLC0415 - heavy; only when a command runs

    settings = core_settings.load(config)
    with _private(), Database(settings.database.url) as database:
        fresh = _is_fresh(database)
        if fresh and not (organisation and country and admin):
            raise UsageError(
                "a new installation needs an organisation and an administrator",
                hint='tutela init --organisation "Example Force" --country DE --admin ann.lee',
            )
        if fresh and not re.fullmatch("[A-Za-z]{2}", country):
            raise UsageError(f"{country} is no country", hint="two letters, such as DE")
        if fresh and settings.cli.credential.exists():
            raise UsageError(
                f"{settings.cli.credential} is the credential of another installation",
                hint="move it away, or name another file as [cli] credential",
            )
        _make_keys(settings)
        _make_tables(database)
        if fresh:
            link = _enrol(settings, database, (organisation, country, admin), role or [])
        else:
            link = _invite_again(database) if invite_again else ""
            _say_who_is_there(settings, database)
    _say_what_next(settings, link)
    return 0


@contextlib.contextmanager
def _private() -> Iterator[None]:
    """Let nobody else read what is made, folders included."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


def _is_fresh(database: Database) -> bool:
    from sqlalchemy import inspect, select  # noqa: PLC0415 - heavy, as above

    from tutela.store.tables.access import Account  # noqa: PLC0415 - as above

    with database.read() as tx:
        if not inspect(tx).has_table(Account.__tablename__):
            return True
        return tx.execute(select(Account.id).limit(1)).first() is None


def _make_keys(settings: Settings) -> None:
    """Make the keys and the vault that are not there; no key is ever written over."""
    from tutela.access import seal  # noqa: PLC0415 - heavy, as above
    from tutela.api.protocols import feed  # noqa: PLC0415 - as above
    from tutela.audit import checkpoint  # noqa: PLC0415 - as above
    from tutela.evidence.vault import Vault, master, master_key  # noqa: PLC0415 - as above

    kind, _, where = settings.vault.master_key.partition(":")
    if kind == "file":
        _unless_there("master key", Path(where).expanduser(), master.create_file)
    else:
        print(f"there  master key ({kind})")
    audit = settings.audit
    _unless_there("seal key", seal.place(audit), seal.create_key)
    _unless_there(
        "audit key", audit.signing_key, lambda path: checkpoint.create_key(path, audit.origin)
    )
    api = settings.api
    _unless_there("feed key", api.feed_key, lambda path: feed.create_key(api, path))
    _unless_there(
        "vault", settings.vault.path, lambda path: Vault(path, master_key(settings.vault)).close()
    )


def _unless_there(what: str, path: Path, make: Callable[[Path], object]) -> None:
    if path.exists():
        print(f"there  {what} {path}")
        return
    make(path)
    print(f"made   {what} {path}")


def _make_tables(database: Database) -> None:
    from tutela.audit import log  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS  # noqa: PLC0415 - as above
    from tutela.store import schema  # noqa: PLC0415 - as above

    shown = database.url.render_as_string(hide_password=True)
    before = schema.revision(database)
    if before == schema.head():
        print(f"there  database {shown}")
        return
    schema.upgrade(database)
    with database.write() as tx:
        log.record(
            tx, BREAK_GLASS, "db.upgraded", "installation", before=before, revision=schema.head()
        )
    print(f"made   tables of {shown}")


def _enrol(
    settings: Settings, database: Database, names: tuple[str, str, str], roles: Collection[Role]
) -> str:
    """Make the organisation, its administrator and the command line's account; all or nothing."""
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS, write_credential  # noqa: PLC0415 - as above

    organisation, country, admin = names
    credential = settings.cli.credential
    held = {Role.ADMINISTRATOR, *roles}
    try:
        with database.write() as tx:
            home = accounts.create_organisation(tx, BREAK_GLASS, organisation, country)
            first, link = accounts.invite(tx, BREAK_GLASS, home, admin, admin, held)
            program, token = accounts.enrol_program(
                tx, BREAK_GLASS, home, CLI_ACCOUNT, [Role.EXAMINER]
            )
            accounts.let_answer(tx, BREAK_GLASS, program, first)
            write_credential(credential, token)
    except BaseException:
        credential.unlink(missing_ok=True)
        raise
    print(f"made   organisation {organisation}")
    print(f"made   account {admin}: {', '.join(sorted(held))}")
    print(f"made   account {CLI_ACCOUNT}: examiner; its credential is {credential}")
    return link


def _invite_again(database: Database) -> str:
    from tutela.access import changes  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS  # noqa: PLC0415 - as above

    with database.write() as tx:
        waiting = _first_administrator(tx, state="invited")
        if waiting is None or _first_administrator(tx, state="active") is not None:
            raise UsageError(
                "the first link was used already",
                hint="an administrator invites others; tutela account reset lets somebody in again",
            )
        return changes.invite_again(tx, BREAK_GLASS, waiting)


def _first_administrator(tx: Connection, *, state: str) -> AccountId | None:
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS  # noqa: PLC0415 - as above

    found = [
        one.id
        for one in accounts.list_(tx, BREAK_GLASS)
        if one.state == state and one.kind == "person" and Role.ADMINISTRATOR in one.roles
    ]
    return min(found, default=None)


def _say_who_is_there(settings: Settings, database: Database) -> None:
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import BREAK_GLASS  # noqa: PLC0415 - as above

    with database.read() as tx:
        for one in accounts.organisations(tx, BREAK_GLASS):
            print(f"there  organisation {one.name}")
        count = len(accounts.list_(tx, BREAK_GLASS))
        waiting = _first_administrator(tx, state="invited")
        nobody = _first_administrator(tx, state="active") is None
    print(f"there  {count} account{'' if count == 1 else 's'}")
    if waiting is not None and nobody:
        print("note   the first administrator's link was not used: --invite-again renews it")
    if not settings.cli.credential.exists():
        print(
            f"note   there is no credential {settings.cli.credential}: "
            f"tutela account token {CLI_ACCOUNT} --break-glass REASON makes one"
        )


def _say_what_next(settings: Settings, link: str) -> None:
    if not link:
        return
    print("\nNext:")
    print("  1. tutela serve")
    print(f"  2. open {settings.web.origin.rstrip('/')}/welcome/{link}")
    print("     Keep it to yourself: whoever opens it first is the administrator. It works once,")
    print("     for 24 hours.")
    print("  3. keep a copy of the keys somewhere else; without them what they lock is lost")
