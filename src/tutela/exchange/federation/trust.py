"""Deciding about partner nodes: whom to trust by which key, with what, and until when."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tutela.access import accounts
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange.federation import nodes, outbox
from tutela.exchange.federation.identity import Card, one_certificate, shown
from tutela.exchange.federation.nodes import Allowed, Node
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeVote

# An organisation is part of adding a node; who adds one need not manage people.
_MAKER = Principal(None, None, "system", frozenset({Role.ADMINISTRATOR}), Via.SYSTEM)


def add(  # noqa: PLR0913, PLR0917 whom, by what, and what they may
    tx: Connection, who: Principal, card: Card, pin: bytes, allowed: Allowed, own_pin: bytes
) -> Node:
    """Trust a node from now on, by its pin; nothing is allowed that is not said.

    One that was removed is trusted again, with what is said now. Its nation gets an organisation of
    the name `node NAME`, which votes and reads lists for it.

    Args:
        tx: A write transaction.
        who: An administrator.
        card: What the node says of itself.
        pin: Its pin, as a person heard it in another way than the card came.
        allowed: What it may.
        own_pin: The pin of this node.

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
    given: dict[str, Any] = {"may_ask": False, "votes": False, "hears": False, "wants": []}
    given |= {"asks_per_day": nodes.ASKS_PER_DAY} | allowed.said()
    values = _of_card(card) | given
    values |= {"pin": pin, "added_at": now(), "added_by": who.account_id, "removed_at": None}
    if before:
        _check_country(nodes.by_name(tx, card.name), card)
        tx.execute(update(NodeRow).where(NodeRow.name == card.name).values(**values))
    else:
        organisation = accounts.create_organisation(tx, _MAKER, f"node {card.name}", card.country)
        row = values | outbox.beginning() | {"name": card.name, "organisation_id": organisation}
        tx.execute(insert(NodeRow).values(**row, asked=0, in_number=0))
    node = nodes.by_name(tx, card.name)
    texts = {"name": card.name, "url": card.url}
    facts = {"pin": pin.hex(), "organisation": node.organisation_id, **given}
    log.record(tx, who, "node.added", node.subject, texts=texts, **facts)
    return outbox.renumber(tx, who, node, own_pin) if before else node


def replace(tx: Connection, who: Principal, card: Card, pin: bytes, own_pin: bytes) -> Node:
    """Know a node by another key, address or contact; what it may stays.

    Messages name keys: with another one they are numbered anew, as by `restart`.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: the pin is another one, or that of another node; or there is no such node.
    """
    require(tx, who, Permission.NODES)
    _check_pin(card, pin)
    node = nodes.trusted(tx, card.name)
    others = select(NodeRow.id).where(NodeRow.pin == pin, NodeRow.id != node.id)
    if tx.execute(others).first():
        raise UsageError("another node has this key", code="node_exists")
    _check_country(node, card)
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(pin=pin, **_of_card(card)))
    texts = {"url": card.url}
    log.record(tx, who, "node.changed", node.subject, texts=texts, pin=pin.hex())
    after = nodes.by_name(tx, node.name)
    return after if pin == node.pin else outbox.renumber(tx, who, after, own_pin)


def change(tx: Connection, who: Principal, name: str, allowed: Allowed) -> Node:
    """Change what a node may.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: there is no such node.
    """
    require(tx, who, Permission.NODES)
    _check(allowed)
    node = nodes.trusted(tx, name)
    if given := allowed.said():
        tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(**given))
        log.record(tx, who, "node.changed", node.subject, **given)
    return nodes.by_name(tx, name)


def remove(tx: Connection, who: Principal, name: str, reason: str) -> None:
    """Trust a node no more, from its next request on; votes that count stay as history.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: there is no such node, or no reason.
    """
    require(tx, who, Permission.NODES)
    node = nodes.trusted(tx, name)
    if not reason.strip():
        raise UsageError("say why a node is trusted no more", code="reason")
    tx.execute(update(NodeRow).where(NodeRow.id == node.id).values(removed_at=now()))
    waits = (NodeVote.node_id == node.id, NodeVote.counted.is_(False))
    tx.execute(delete(NodeVote).where(*waits))
    log.record(tx, who, "node.removed", node.subject, texts={"reason": reason})


def restart(tx: Connection, who: Principal, name: str, own_pin: bytes) -> None:
    """Number messages with a node anew, as after one side came back from a backup.

    Both sides do it, in any order. Questions that wait are asked again, and all votes are told
    again, also that there is none any more, which counts nothing twice.

    Raises:
        AccessError: `who` may not decide that.
        UsageError: there is no such node, or it is trusted no more.
    """
    require(tx, who, Permission.NODES)
    outbox.renumber(tx, who, nodes.trusted(tx, name), own_pin)


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


def _of_card(card: Card) -> dict[str, str]:
    return {
        "country": card.country,
        "url": card.url,
        "contact": card.contact,
        "certificate": one_certificate(card.certificate),
    }
