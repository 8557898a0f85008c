"""`tutela account`: who works here. What needs two persons is only proposed here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from tutela.cli import output
from tutela.core.errors import UsageError
from tutela.core.principal import Role

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from tutela.cli.open import Office
    from tutela.core.ids import ApprovalId, OrganisationId

_HEADER = f"{'name':<24} {'state':<8} {'kind':<8} {'organisation':<24} roles"

app = App(
    name="account",
    help="List, invite and close accounts, and give programs their tokens.",
    default_parameter=Parameter(negative=()),
)


@app.command(name="list")
def list_(
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """List all accounts.

    Args:
        format_: text for a person, or one row for each account as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        rows = [_row(one) for one in accounts.list_(tx, office.who)]
    write = output.writer(format_, _line, list(rows[0] if rows else []))
    if format_ == "text":
        print(_HEADER)
    for row in rows:
        write(row)
    return 0


@app.command
def invite(
    name: str,
    *,
    role: list[Role] | None = None,
    display_name: str = "",
    organisation: str = "",
    program: bool = False,
    again: bool = False,
    subject: str = "",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Invite a person with a one-time link, or enrol a program, and print its secret.

    Where somebody could be the second person, the roles are held once they have been granted.

    Examples:
        tutela account invite ann.lee --role grader --display-name "Ann Lee"

        tutela account invite nightly-scan --program --role examiner

    Args:
        name: Account name: letters, digits and . _ @ + -
        role: A role that it shall hold; may be repeated.
        display_name: The person's name as others see it.
        organisation: Name of the organisation; may be left out where there is one only.
        program: Enrol a program and print its token, instead of a link.
        again: Print a new link for a person who has not used theirs.
        subject: Who the person is at the agency's sign-in (its `sub`), where one is set up.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts, changes, oidc  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    roles = role or []
    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            if again:
                account_id = accounts.by_name(tx, office.who, name)
                secret = changes.invite_again(tx, office.who, account_id)
            else:
                home = _organisation(tx, office, organisation)
                account_id, secret = (
                    accounts.enrol_program(tx, office.who, home, name, roles)
                    if program
                    else accounts.invite(tx, office.who, home, name, display_name, roles)
                )
            if subject:
                oidc.bind(tx, office.who, office.settings.web, account_id, subject)
            held = changes.roles_of(tx, account_id)
        print(secret if program else f"{_origin(office)}/welcome/{secret}")
        kept = "the token is" if program else "the link works once, for 24 hours, and is"
        print(f"note: {kept} shown this once", file=sys.stderr)
        if set(roles) - held:
            print(
                f"note: the roles wait for another person, at {_origin(office)}/approvals",
                file=sys.stderr,
            )
    return 0


@app.command
def roles(
    name: str,
    *,
    role: list[Role] | None = None,
    reason: str,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Propose which roles an account shall hold from now on.

    Args:
        name: Name of the account.
        role: A role that it shall hold; may be repeated. None if left out.
        reason: Why; the person who grants it reads this.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts, changes  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            account_id = accounts.by_name(tx, office.who, name)
            asked = changes.change_roles(tx, office.who, account_id, role or [], reason)
        _say(office, asked, f"{name}: roles changed")
    return 0


@app.command
def close(name: str, *, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Close an account for good; its sessions end at once. An administrator's is only proposed.

    Args:
        name: Name of the account.
        reason: Why.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts, changes  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            account_id = accounts.by_name(tx, office.who, name)
            asked = changes.close(tx, office.who, account_id, reason)
        _say(office, asked, f"{name}: closed")
    return 0


@app.command
def reset(name: str, *, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Propose a new way in for a person who has lost password or second factor.

    Once granted, `tutela account invite NAME --again` prints the link.

    Args:
        name: Name of the account.
        reason: Why; the person who grants it reads this.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts, changes  # noqa: PLC0415 - heavy, as above
    from tutela.cli.open import opened  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            account_id = accounts.by_name(tx, office.who, name)
            asked = changes.reset(tx, office.who, account_id, reason)
        _say(office, asked, f"{name}: waits for its person; invite --again prints the link")
    return 0


@app.command
def token(name: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Give a program a new token, and take the old one from it.

    The token of the account `cli` goes into the credential file, and others are printed.

    Args:
        name: Name of the program's account.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above
    from tutela.cli.init import CLI_ACCOUNT  # noqa: PLC0415 - as above
    from tutela.cli.open import opened, write_credential  # noqa: PLC0415 - as above

    with opened(config, break_glass=break_glass) as office:
        with office.database.write() as tx:
            account_id = accounts.by_name(tx, office.who, name)
            made = accounts.renew_token(tx, office.who, account_id)
        if name == CLI_ACCOUNT:
            credential = office.settings.cli.credential
            credential.unlink(missing_ok=True)
            write_credential(credential, made)
            print(f"{name}: the new token is in {credential}")
        else:
            print(made)
            print("note: the token is shown this once", file=sys.stderr)
    return 0


def _organisation(tx: Connection, office: Office, name: str) -> OrganisationId:
    from tutela.access import accounts  # noqa: PLC0415 - heavy, as above

    known = accounts.organisations(tx, office.who)
    found = [one.id for one in known if name in ("", one.name)]
    if len(found) == 1:
        return found[0]
    if office.who.organisation_id is not None and not name:
        return office.who.organisation_id
    raise UsageError(
        f"there is no organisation {name}" if name else "there are several organisations",
        hint="--organisation is one of: " + ", ".join(one.name for one in known),
    )


def _say(office: Office, asked: ApprovalId | None, done: str) -> None:
    if asked is None:
        print(done)
    else:
        print(
            f"asked for, as number {asked}: another person grants it at {_origin(office)}/approvals"
        )


def _origin(office: Office) -> str:
    return office.settings.web.origin.rstrip("/")


def _row(one: object) -> output.Row:
    import msgspec  # noqa: PLC0415 - heavy, as above

    fields: output.Row = msgspec.to_builtins(one)
    return {"v": 1, "type": "account", **fields}


def _line(row: output.Row) -> str:
    return (
        f"{row['name']:<24} {row['state']:<8} {row['kind']:<8} {row['organisation']:<24} "
        f"{', '.join(row['roles']) or '-'}"
    )
