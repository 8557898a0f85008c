"""Partner nodes: whom this installation trusts by its key, for which nation, and with what."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from tutela.access import accounts
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import NodeId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange.federation.identity import Card, one_certificate, shown
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeSent, NodeTold

ASKS_PER_DAY = 1_000
NEVER_TOLD = -1  # before the first event of the log
_STREAM_BYTES = 16


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A partner node and what it may; see `store.tables.federation` for what each field is."""

    id: NodeId
    name: str
    country: str
    url: str
    contact: str
    certificate: str
    pin: bytes
    organisation_id: OrganisationId
    may_ask: bool
    votes: bool
    wants: tuple[str, ...]
    asks_per_day: int
    out_stream: bytes
    out_number: int
    in_stream: bytes | None
    in_number: int
    told_seq: int
    heard_at: datetime | None
    trouble: str
    removed_at: datetime | None

    @property
    def subject(self) -> str:
        """What the log calls it."""
        return f"node:{self.id}"

    @property
    def principal(self) -> Principal:
        """Who acts when it acts: a member of the lists of the organisation for its nation."""
        roles = frozenset({Role.LIST_MEMBER})
        return Principal(None, self.organisation_id, self.name, roles, Via.NODE)


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """What a node may: ask what is known here, vote, and how many contents a day it asks about.

    `wants` are its lists that are followed here.
    """

    may_ask: bool | None = None
    votes: bool | None = None
    asks_per_day: int | None = None
    wants: tuple[str, ...] | None = None

    def said(self) -> dict[str, Any]:
        """Return what is to be changed."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        given["wants"] = None if self.wants is None else sorted(set(self.wants))
        return {name: value for name, value in given.items() if value is not None}


def add(tx: Connection, who: Principal, card: Card, pin: bytes, allowed: Allowed) -> Node:
    """Trust a node from now on, by its pin; nothing is allowed that is not said.

    One that was removed is trusted again, with what is said now. Its nation gets an organisation of
    the name `node NAME`, which votes and reads lists for it.

    Args:
        tx: A write transaction.
        who: An administrator.
        card: What the node says of itself.
        pin: Its pin, as a person heard it in another way than the card came.
        allowed: What it may.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: the pin is another one (code `pin`), or there is such a node (`node_exists`).
    """
    require(tx, who, Permission.NODES)
    _check_pin(card, pin)
    _check(allowed)
    same = (NodeRow.name == card.name) | (NodeRow.pin == pin)
    before = tx.execute(select(NodeRow.__table__).where(same)).all()
    if any(one.removed_at is None or one.name != card.name for one in before):
        raise UsageError(
            f"there is a node {card.name}, or there was another one with this key",
            code="node_exists",
            hint="tutela node replace gives it another key; tutela node list shows all",
        )
    given: dict[str, Any] = {"may_ask": False, "votes": False, "wants": []}
    given |= {"asks_per_day": ASKS_PER_DAY} | allowed.said()
    values = _of_card(card) | given | beginning()
    values |= {"pin": pin, "added_at": now(), "added_by": who.account_id, "removed_at": None}
    if before:
        node = _node(before[0])
        _check_country(node, card)
        number, organisation = int(node.id), node.organisation_id
        tx.execute(delete(NodeTold).where(NodeTold.node_id == number))
        tx.execute(update(NodeRow).where(NodeRow.id == number).values(**values))
    else:
        organisation = accounts.create_organisation(tx, _MAKER, f"node {card.name}", card.country)
        row = values | {"name": card.name, "organisation_id": organisation, "asked": 0}
        number = tx.execute(insert(NodeRow).values(**row).returning(NodeRow.id)).scalar_one()
    texts = {"name": card.name, "url": card.url}
    facts = {"pin": pin.hex(), "organisation": organisation, **given}
    log.record(tx, who, "node.added", f"node:{number}", texts=texts, **facts)
    return by_name(tx, card.name)


def replace(tx: Connection, who: Principal, card: Card, pin: bytes) -> Node:
    """Know a node by another key, address or contact; what it may and was told stays.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: the pin is another one, or that of another node; or there is no such node.
    """
    require(tx, who, Permission.NODES)
    _check_pin(card, pin)
    node = still_trusted(by_name(tx, card.name))
    others = select(NodeRow.id).where(NodeRow.pin == pin, NodeRow.id != node.id)
    if tx.execute(others).first():
        raise UsageError("another node has this key", code="node_exists")
    _check_country(node, card)
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(pin=pin, **_of_card(card)))
    texts = {"url": card.url}
    log.record(tx, who, "node.changed", node.subject, texts=texts, pin=pin.hex())
    return by_name(tx, node.name)


def change(tx: Connection, who: Principal, name: str, allowed: Allowed) -> Node:
    """Change what a node may.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: there is no such node.
    """
    require(tx, who, Permission.NODES)
    _check(allowed)
    node = still_trusted(by_name(tx, name))
    if given := allowed.said():
        tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(**given))
        log.record(tx, who, "node.changed", node.subject, **given)
    return by_name(tx, name)


def remove(tx: Connection, who: Principal, name: str, reason: str) -> None:
    """Trust a node no more, from its next request on; its votes stay as history.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: there is no such node, or no reason.
    """
    require(tx, who, Permission.NODES)
    node = still_trusted(by_name(tx, name))
    if not reason.strip():
        raise UsageError("say why a node is trusted no more", code="reason")
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(removed_at=now()))
    log.record(tx, who, "node.removed", node.subject, texts={"reason": reason})


def all_(tx: Connection) -> list[Node]:
    """Return all nodes that are trusted now, by name. Asks nobody's permission."""
    rows = tx.execute(
        select(NodeRow.__table__).where(NodeRow.removed_at.is_(None)).order_by(NodeRow.name)
    )
    return [_node(row) for row in rows]


def listed(tx: Connection, who: Principal) -> list[tuple[Node, int]]:
    """Return all nodes, by name, each with how many messages to it wait for an answer.

    Raises:
        AccessError: `who` has nothing to do with lists or nodes.
    """
    require(tx, who, Permission.LISTS_READ)
    rows = tx.execute(select(NodeRow.__table__).order_by(NodeRow.name)).all()
    waiting = tx.execute(
        select(NodeSent.node_id, func.count().label("waiting"))
        .where(NodeSent.answered_at.is_(None))
        .group_by(NodeSent.node_id)
    )
    counts = {row.node_id: row.waiting for row in waiting}
    return [(_node(row), counts.get(row.id, 0)) for row in rows]


def by_name(tx: Connection, name: str) -> Node:
    """Return a node, also one that is trusted no more.

    Raises:
        UsageError: there is none of that name.
    """
    row = tx.execute(select(NodeRow.__table__).where(NodeRow.name == name)).one_or_none()
    if row is None:
        raise UsageError(
            f"there is no node {name[:40]!r}", code="not_found", hint="tutela node list"
        )
    return _node(row)


def trusted(tx: Connection, name: str) -> Node:
    """Return a node by name.

    Raises:
        UsageError: there is none, or it is trusted no more (code `removed`).
    """
    return still_trusted(by_name(tx, name))


def by_pin(tx: Connection, pin: bytes) -> Node:
    """Return the node of a pin, as it is trusted at this moment.

    Raises:
        AccessError: it is nobody's, or trusted no more: the same refusal.
    """
    row = tx.execute(
        select(NodeRow.__table__).where(NodeRow.pin == pin, NodeRow.removed_at.is_(None))
    ).one_or_none()
    if row is None:
        raise AccessError(
            "this key is not that of a node which is trusted here",
            code="unknown_node",
            hint=f"the operators compare pins: {shown(pin)}",
        )
    return _node(row)


def locked(tx: Connection, node_id: NodeId) -> Node:
    """Return a node; until the end of the transaction nobody else numbers messages with it."""
    wanted = select(NodeRow.__table__).where(NodeRow.id == node_id).with_for_update()
    return _node(tx.execute(wanted).one())


def heard(tx: Connection, node_id: NodeId, trouble: str = "") -> None:
    """Remember that a node answered, or what was in the way. It is not worth an event."""
    values: dict[str, Any] = {"trouble": trouble}
    if not trouble:
        values["heard_at"] = now()
    tx.execute(update(NodeRow).where(NodeRow.id == node_id).values(**values))


def beginning() -> dict[str, Any]:
    """Return the columns of a node with whom nothing was exchanged, in a new run of numbers."""
    return {
        "out_stream": secrets.token_bytes(_STREAM_BYTES),
        "out_number": 0,
        "in_stream": None,
        "in_number": 0,
        "told_seq": NEVER_TOLD,
        "trouble": "",
    }


def organisations(tx: Connection) -> frozenset[int]:
    """Return the organisations that stand for nations: their votes are not those of ours."""
    return frozenset(tx.execute(select(NodeRow.organisation_id)).scalars())


def _check_pin(card: Card, pin: bytes) -> None:
    if card.pin != pin:
        raise UsageError(
            f"the card is of another key: {shown(card.pin)}",
            code="pin",
            hint="do not go on: ask the partner, in another way than the card came",
        )


def _check_country(node: Node, card: Card) -> None:
    if card.country != node.country:
        raise UsageError(
            f"{node.name} speaks for {node.country}", code="country", hint="add it as another node"
        )


def _check(allowed: Allowed) -> None:
    if allowed.asks_per_day is not None and not 0 <= allowed.asks_per_day <= 1_000_000:
        raise UsageError("a node asks about 0 to 1,000,000 contents a day")


def still_trusted(node: Node) -> Node:
    """Return the node, or refuse one that is trusted no more (UsageError, code `removed`)."""
    if node.removed_at is not None:
        raise UsageError(f"{node.name} is trusted no more", code="removed")
    return node


def _of_card(card: Card) -> dict[str, str]:
    return {
        "country": card.country,
        "url": card.url,
        "contact": card.contact,
        "certificate": one_certificate(card.certificate),
    }


def _node(row: Row[Any]) -> Node:
    found = row._mapping  # noqa: SLF001 SQLAlchemy's public name for it
    return msgspec.convert({name: found[name] for name in Node.__struct_fields__}, Node)


# An organisation is part of adding a node; who adds one need not manage people.
_MAKER = Principal(None, None, "system", frozenset({Role.ADMINISTRATOR}), Via.SYSTEM)
