"""`tutela node`: partner nodes, which are installations of other nations, and what they may."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import App, Parameter

from tutela.cli import output
from tutela.cli.open import opened
from tutela.core import settings as core_settings
from tutela.core.errors import ServiceError
from tutela.core.time import iso
from tutela.exchange.federation import nodes, trust
from tutela.exchange.federation.identity import (
    FILE_BYTES,
    Card,
    Identity,
    card_of,
    own_card,
    shown,
    typed,
)
from tutela.exchange.federation.nodes import Allowed, Node

app = App(
    name="node",
    help="Partner nodes of other nations: trust them, ask them, share lists with them.",
    default_parameter=Parameter(negative=()),
)
for _verb, _help in (
    ("ask", "Ask nodes whether media of a case are known there."),
    ("answers", "Show what nodes answered about a case."),
    ("reference", "Show what a reference that a partner names stands for."),
    ("sync", "Send what waits, follow lists and count votes, once."),
    ("check", "Compare our log with that of a node."),
):
    app.command(f"tutela.cli.node_ask:{_verb}", name=_verb, help=_help)

_COLUMNS = ["v", "type", "node", "country", "url", "pin", "may_ask", "votes"]
_COLUMNS += ["told_votes", "lists"]
_COLUMNS += ["asks_per_day", "waiting", "heard_at", "trouble", "removed_at", "contact"]
_YES = {True: "yes", False: "no"}


@app.command
def key(*, config: Path | None = None) -> int:
    """Make the key of this node, and show its pin, which partners compare.

    A key that is there is only shown.

    Args:
        config: Settings file.
    """
    path = core_settings.load(config).federation.key
    identity = Identity.read(path) if path.exists() else Identity.make(path)
    print(shown(identity.pin))
    print("read it to your partners on a way of its own, such as a call", file=sys.stderr)
    return 0


@app.command
def card(*, config: Path | None = None) -> int:
    """Print the card of this node, a file for partners: name, address, contact, certificate.

    It holds no secret; what it says is believed because the pin was compared.

    Examples:
        tutela node card > de.json

    Args:
        config: Settings file.
    """
    federation = core_settings.load(config).federation
    body = msgspec.json.encode(own_card(federation, Identity.read(federation.key)))
    print(msgspec.json.format(body, indent=1).decode())
    return 0


@app.command
def add(
    card: Path,
    *,
    pin: str,
    may_ask: bool = False,
    votes: bool = False,
    tell_votes: bool = False,
    follow: list[str] | None = None,
    asks_per_day: int = nodes.ASKS_PER_DAY,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Trust a node from now on; it does the same with yours. Nothing is allowed that is not said.

    Its nation gets an organisation `node NAME`: make that a member of the lists that it may follow.

    Examples:
        tutela node add fr.json --pin "7a1e… eight groups" --may-ask --votes

    Args:
        card: The file that the partner made by `tutela node card`.
        pin: Its pin, as the partner read it to you, not from the same letter as the card.
        may_ask: It may ask what is known here.
        votes: Its nation's votes count here, as one organisation's.
        tell_votes: It is told the votes of ours, on everything that we graded.
        follow: A list of theirs to follow; may be repeated.
        asks_per_day: How many contents it may ask about in a day.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    allowed = Allowed(
        may_ask=may_ask,
        votes=votes,
        hears=tell_votes,
        wants=tuple(follow or ()),
        asks_per_day=asks_per_day,
    )
    with opened(config, break_glass=break_glass) as office:
        own = Identity.read(office.settings.federation.key).pin
        with office.database.write() as tx:
            made = trust.add(tx, office.who, _read(card), typed(pin), allowed, own)
    print(f"{made.name}: trusted; {_may(made)}; its organisation is: node {made.name}")
    return 0


@app.command
def replace(
    card: Path,
    *,
    pin: str,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Know a node by another key, address or contact; what it may stays.

    Args:
        card: The new card of the partner.
        pin: The new pin, as the partner read it to you.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        own = Identity.read(office.settings.federation.key).pin
        with office.database.write() as tx:
            made = trust.replace(tx, office.who, _read(card), typed(pin), own)
    print(f"{made.name}: known by {shown(made.pin)}")
    return 0


@app.command
def change(
    name: str,
    *,
    may_ask: Annotated[bool | None, Parameter(negative="--may-not-ask")] = None,
    votes: Annotated[bool | None, Parameter(negative="--no-votes")] = None,
    tell_votes: Annotated[bool | None, Parameter(negative="--tell-no-votes")] = None,
    follow: list[str] | None = None,
    asks_per_day: int | None = None,
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Change what a node may.

    Args:
        name: The node.
        may_ask: It may ask what is known here, or not.
        votes: Its nation's votes count here, or not; those that count already stay.
        tell_votes: It is told the votes of ours, or no more; it keeps those it has.
        follow: All lists of theirs that are to be followed from now on.
        asks_per_day: How many contents it may ask about in a day.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    wants = None if follow is None else tuple(follow)
    allowed = Allowed(
        may_ask=may_ask, votes=votes, hears=tell_votes, wants=wants, asks_per_day=asks_per_day
    )
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        made = trust.change(tx, office.who, name, allowed)
    print(f"{made.name}: {_may(made)}")
    return 0


@app.command
def remove(name: str, *, reason: str, break_glass: str = "", config: Path | None = None) -> int:
    """Trust a node no more, from its next request on. Votes that count already stay as history.

    Args:
        name: The node.
        reason: Why.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office, office.database.write() as tx:
        trust.remove(tx, office.who, name, reason)
    print(f"{name}: trusted no more")
    return 0


@app.command
def restart(name: str, *, break_glass: str = "", config: Path | None = None) -> int:
    """Number the messages with a node anew, after you or it came back from a backup.

    Both sides do it. What waits is sent again; nothing counts twice.

    Args:
        name: The node.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    with opened(config, break_glass=break_glass) as office:
        pin = Identity.read(office.settings.federation.key).pin
        with office.database.write() as tx:
            trust.restart(tx, office.who, name, pin)
    print(f"{name}: messages begin at 1 again; the other side has to do the same")
    return 0


@app.command(name="list")
def list_(
    *,
    format_: Annotated[output.Format, Parameter(name="--format")] = "text",
    break_glass: str = "",
    config: Path | None = None,
) -> int:
    """Show all nodes: what each may, what waits for it, when it was heard, what is in the way.

    Args:
        format_: text for a person, or one row for each node as jsonl or csv.
        break_glass: Reason to act directly on the database instead of as an account.
        config: Settings file.
    """
    write = output.writer(format_, _line, _COLUMNS)
    with opened(config, break_glass=break_glass) as office, office.database.read() as tx:
        found = nodes.listed(tx, office.who)
    for node, waiting in found:
        write(_row(node, waiting))
    if not found and format_ == "text":
        print("no nodes yet: tutela node add CARD --pin PIN")
    return 0


def _read(path: Path) -> Card:
    try:
        with path.open("rb") as stream:
            return card_of(stream.read(FILE_BYTES * 2))
    except OSError as error:
        raise ServiceError(f"cannot read {path}: {error.strerror}") from error


def _row(node: Node, waiting: int) -> dict[str, object]:
    return {
        "v": 1,
        "type": "node",
        "node": node.name,
        "country": node.country,
        "url": node.url,
        "pin": shown(node.pin),
        "may_ask": node.may_ask,
        "votes": node.votes,
        "told_votes": node.hears,
        "lists": list(node.wants),
        "asks_per_day": node.asks_per_day,
        "waiting": waiting,
        "heard_at": iso(node.heard_at) if node.heard_at else None,
        "trouble": node.trouble,
        "removed_at": iso(node.removed_at) if node.removed_at else None,
        "contact": node.contact,
    }


def _line(row: Mapping[str, Any]) -> str:
    if row["removed_at"]:
        return f"{row['node']:<12} {row['country']}  trusted no more since {row['removed_at']}"
    heard = f"heard {row['heard_at']}" if row["heard_at"] else "never heard"
    trouble = f", trouble: {row['trouble']}" if row["trouble"] else ""
    return (
        f"{row['node']:<12} {row['country']}  {row['url']}\n"
        f"             pin {row['pin']}\n"
        f"             may ask: {_YES[bool(row['may_ask'])]}, votes: {_YES[bool(row['votes'])]}, "
        f"hears ours: {_YES[bool(row['told_votes'])]}\n             "
        f"waiting for it: {row['waiting']}, {heard}{trouble}"
    )


def _may(node: Node) -> str:
    said = ["may ask" if node.may_ask else "may not ask"]
    said.append("its votes count" if node.votes else "its votes do not count")
    said.append("it hears ours" if node.hears else "it does not hear ours")
    if node.wants:
        said.append(f"followed: {', '.join(node.wants)}")
    return ", ".join(said)
