"""Partner nodes: whom this installation trusts by its key, for which nation, and with what."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, func, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import NodeId, OrganisationId
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.exchange.federation.identity import shown
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeSent

ASKS_PER_DAY = 1_000
NEVER_TOLD = -1  # before the first event of the log


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
    hears: bool
    wants: tuple[str, ...]
    asks_per_day: int
    asked_day: datetime | None
    asked: int
    out_stream: bytes
    out_number: int
    in_stream: bytes | None
    in_number: int
    in_open: bool
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
    """What a node may: ask what is known here, how many contents a day, vote, and hear our votes.

    `wants` are its lists that are followed here.
    """

    may_ask: bool | None = None
    votes: bool | None = None
    hears: bool | None = None
    asks_per_day: int | None = None
    wants: tuple[str, ...] | None = None

    def said(self) -> dict[str, Any]:
        """Return what is to be changed."""
        given = {name: getattr(self, name) for name in self.__struct_fields__}
        given["wants"] = None if self.wants is None else sorted(set(self.wants))
        return {name: value for name, value in given.items() if value is not None}


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
    node = by_name(tx, name)
    if node.removed_at is not None:
        raise UsageError(f"{node.name} is trusted no more", code="removed")
    return node


def by_pin(tx: Connection, pin: bytes) -> Node:
    """Return the node of a pin, as it is trusted at this moment.

    Raises:
        AccessError: it is nobody's, or trusted no more: the same refusal.
    """
    row = tx.execute(
        select(NodeRow.__table__).where(NodeRow.pin == pin, NodeRow.removed_at.is_(None))
    ).one_or_none()
    if row is None:
        raise unknown(pin)
    return _node(row)


def unknown(pin: bytes) -> AccessError:
    """Return the refusal of a key that is nobody's, or whose node is trusted no more."""
    return AccessError(
        "this key is not that of a node which is trusted here",
        code="unknown_node",
        hint=f"the operators compare pins: {shown(pin)}",
    )


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


def organisations(tx: Connection) -> frozenset[int]:
    """Return the organisations that stand for nations: their votes are not those of ours."""
    return frozenset(tx.execute(select(NodeRow.organisation_id)).scalars())


def _node(row: Row[Any]) -> Node:
    found = row._mapping  # noqa: SLF001 SQLAlchemy's public name for it
    return msgspec.convert({name: found[name] for name in Node.__struct_fields__}, Node)
