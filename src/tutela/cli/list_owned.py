"""`tutela list create|members|diff|...`: the lists that this installation publishes to members."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from sqlalchemy import Connection

from tutela.access import accounts
from tutela.cli import output
from tutela.cli.open import Office, opened
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.ids import OrganisationId
from tutela.core.time import iso
from tutela.exchange import changes, generation, lists, proposals
from tutela.exchange import members as membership
from tutela.exchange.head import last
from tutela.exchange.model import Listed, ListView, Member, MemberPermission

_LIST_COLUMNS = ["v", "type", "list", "role", "owner", "permission", "state", "generation"]
_LIST_COLUMNS += ["entries", "proposals", "title", "purpose"]
_MEMBER_COLUMNS = ["v", "type", "organisation", "permission", "jurisdictions", "recipient"]
_ENTRY_COLUMNS = ["v", "type", "entry", "state", "source", "codes", "tags", "changed_at"]


def create(
    name: str,
    *,
    title: str,
    purpose: str,
    role: Role,
    radius_bits: int = 31,
    config: Path | None = None,
) -> int:
    """Make an empty list that your organisation owns and gives to members.

    It is kept in the database, not in this machine's library. Nobody is given anything of it until
    you make them a member.

    Examples:
        tutela list create known --title "Known" --purpose "Matching of uploads" --role alert

    Args:
        name: What the list is called: small letters, digits and -
        title: A line that says what it is.
        purpose: What members may use it for.
        role: What a match means: alert, ignorable (known and harmless) or allow.
        radius_bits: PDQ distance up to which a picture matches.
        config: Settings file.
    """
    with opened(config) as office, office.database.write() as tx:
        lists.create(
            tx, office.who, name, title=title, purpose=purpose, role=role, radius_bits=radius_bits
        )
    print(f"{name}: made; add entries, then members, then publish it")
    return 0


def close(name: str, *, config: Path | None = None) -> int:
    """Let nothing more be added to a published list; what is on it stays and is served.

    Args:
        name: The list.
        config: Settings file.
    """
    with opened(config) as office, office.database.write() as tx:
        lists.close(tx, office.who, lists.view(tx, office.who, name).id)
    print(f"{name}: closed")
    return 0


def published(
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show the published lists that your organisation owns or is a member of.

    Args:
        format_: text for a person, or one row for each list as jsonl or csv.
        config: Settings file.
    """
    write = output.writer(format_, _list_line, _LIST_COLUMNS)
    with opened(config) as office, office.database.read() as tx:
        views = lists.mine(tx, office.who)
        for view in views:
            write(_list_row(tx, office, view))
    if not views and format_ == "text":
        print("no list yet: tutela list create", file=sys.stderr)
    return 0


def members(
    name: str,
    *,
    set_: Annotated[str, Parameter(name="--set")] = "",
    permission: MemberPermission = MemberPermission.READ,
    jurisdiction: list[str] | None = None,
    recipient: str = "",
    remove: str = "",
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show the members of a published list, make an organisation one, or end it.

    Examples:
        tutela list members known

        tutela list members known --set "Example Platform" --jurisdiction GB --recipient age1...

        tutela list members known --remove "Example Platform"

    Args:
        name: The list.
        set_: Name of an organisation that becomes a member, or may and gets other things.
        permission: What it may do: read, contribute or manage.
        jurisdiction: It gets only entries with a code by this law; may be repeated.
        recipient: age public key to which its copies are encrypted.
        remove: Name of an organisation that gets nothing more.
        format_: text for a person, or one row for each member as jsonl or csv.
        config: Settings file.
    """
    if set_ and remove:
        raise UsageError("set a member or remove one, not both")
    with opened(config) as office, office.database.write() as tx:
        view = lists.view(tx, office.who, name)
        if set_:
            organisation = _organisation(tx, office, set_)
            membership.add(
                tx, office.who, view.id, organisation, permission, jurisdiction or (), recipient
            )
        if remove:
            membership.remove(tx, office.who, view.id, _organisation(tx, office, remove))
        found = membership.of(tx, office.who, view.id)
    write = output.writer(format_, _member_line, _MEMBER_COLUMNS)
    for one in found:
        write(_member_row(one))
    if not found and format_ == "text":
        print(f"{name} has no members yet", file=sys.stderr)
    return 0


def diff(
    name: str,
    begin: int = 0,
    end: int = 0,
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    config: Path | None = None,
) -> int:
    """Show what changed on a published list between two generations, or since the last one.

    An entry that changed again later counts where it changed last.

    Args:
        name: The list.
        begin: A generation; the last one if left out.
        end: A later generation; the present state if left out.
        format_: text for a person, or one row for each entry as jsonl or csv.
        config: Settings file.
    """
    write = output.writer(format_, _entry_line, _ENTRY_COLUMNS)
    with opened(config) as office, office.database.read() as tx:
        view = lists.view(tx, office.who, name)
        number = begin or view.generation
        first = generation.of(tx, view, number).change if number else 0
        until = generation.of(tx, view, end).change if end else last(tx)
        count = 0
        for one in generation.delta(tx, office.who, view, first, until):
            count += 1
            write(_entry_row(one))
    since = f"since generation {number}" if number else "since it was made"
    print(f"{name}: {count} changed {since}", file=sys.stderr)
    return 0


def _organisation(tx: Connection, office: Office, name: str) -> OrganisationId:

    for one in accounts.organisations(tx, office.who):
        if one.name == name:
            return one.id
    raise UsageError(
        f"there is no organisation {name}",
        code="not_found",
        hint="an administrator makes it, under Administration",
    )


def _list_row(tx: Connection, office: Office, view: ListView) -> dict[str, Any]:
    return {
        "v": 1,
        "type": "published_list",
        "list": view.name,
        "role": view.role.value,
        "owner": view.owner,
        "permission": view.permission.value,
        "state": view.state,
        "generation": view.generation,
        "entries": changes.count(tx, office.who, view),
        "proposals": proposals.count(tx, office.who, view),
        "title": view.title,
        "purpose": view.purpose,
    }


def _list_line(row: output.Row) -> str:
    return (
        f"{row['list']:<24} {row['role']:<10}{row['entries']:>12,} entries  "
        f"generation {row['generation']:<5} {row['permission']:<11}{row['state']:<7}{row['owner']}"
    )


def _member_row(one: Member) -> dict[str, Any]:
    return {
        "v": 1,
        "type": "member",
        "organisation": one.organisation,
        "permission": one.permission.value,
        "jurisdictions": sorted(one.jurisdictions),
        "recipient": one.recipient,
    }


def _member_line(row: output.Row) -> str:
    where = ", ".join(row["jurisdictions"]) or "all"
    key = "encrypted copies" if row["recipient"] else "no public key"
    return f"{row['organisation']:<32} {row['permission']:<11} {where:<16} {key}"


def _entry_row(one: Listed) -> dict[str, Any]:

    return {
        "v": 1,
        "type": "entry",
        "entry": one.id,
        "state": one.state.value,
        "source": one.source,
        "codes": [f"{c.jurisdiction} {c.scheme} {c.code}" for c in one.codes],
        "tags": list(one.tags),
        "changed_at": iso(one.changed_at),
    }


def _entry_line(row: output.Row) -> str:
    return f"{row['entry']:>10}  {row['state']:<10} {row['source']:<24} {', '.join(row['codes'])}"
