"""Lists between nodes: a partner's organisation is a member like any other, and follows by number.

A page is JSON Lines: first what it is, then a line for each entry as publications have them. Who
follows applies a page together with how far it came, or not at all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from sqlalchemy import Connection

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.entry import Role
from tutela.core.errors import IntegrityError, UsageError
from tutela.core.principal import SYSTEM
from tutela.core.time import now
from tutela.exchange import changes, lists
from tutela.exchange.federation.message import ListOffer, decoded, encoded
from tutela.exchange.federation.nodes import Node
from tutela.exchange.publish.copies import lines_of
from tutela.exchange.subscribe.reading import changes_in, received_as
from tutela.hashlist.live import Applied, LiveList
from tutela.store import Database

ENTRIES = 2_000  # of a page
PAGES = 5_000  # that are taken in one round; the next one goes on
PAGE_BYTES = 64 << 20
_HEAD_BYTES = 4_096

# Gives the pieces of the page that follows on a change of a list.
Fetch = Callable[[str, int], AbstractContextManager[Iterator[bytes]]]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The first line: up to which change it goes, how many entries follow, whether more come."""

    v: Literal[1] = 1
    change: Annotated[int, msgspec.Meta(ge=0)]
    entries: Annotated[int, msgspec.Meta(ge=0, le=ENTRIES)]
    more: bool


class Checkpoint(msgspec.Struct, frozen=True):
    """What a list of the library remembers of the node it comes from, and of how far it is."""

    node: str
    change: int


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of following a list once."""

    list: str
    local: str
    entries: int
    added: int = 0
    replaced: int = 0
    removed: int = 0


def offers(tx: Connection, node: Node) -> list[ListOffer]:
    """Return the lists that a node may follow, by name."""
    mine = lists.mine(tx, node.principal)
    return [
        ListOffer(
            name=view.name, title=view.title, role=view.role.value, radius_bits=view.radius_bits
        )
        for view in mine
        if view.owner_id != node.organisation_id
    ]


def page(database: Database, node: Node, name: str, after: int) -> bytes:
    """Return what changed on a list after a change, for a node that may follow it.

    Raises:
        AccessError: code `not_found`: there is no such list, or it is not for this node.
    """
    with database.read() as tx:
        view = lists.view(tx, node.principal, name)
        found = changes.since(tx, node.principal, view, after, ENTRIES)
    last = found[-1].change if found else after
    head = encoded(Page(change=last, entries=len(found), more=len(found) == ENTRIES))
    body = b"".join([head, b"\n", *lines_of(found, view)])
    if found:
        facts = {"list": int(view.id), "change": last, "entries": len(found)}
        with database.write() as tx:
            log.record_many(tx, node.principal, [Event("node.listed", node.subject, facts)])
    return body


def follow(node: Node, offer: ListOffer, library: Path, fetch: Fetch) -> Followed:
    """Bring the copy of a node's list in the library up to date.

    Raises:
        FetchError: a page did not come; what came before stays.
        IntegrityError: a page cannot be read, or goes back behind what is here (`roll_back`).
        UsageError: the name is taken in the library, or the list has a role that is none.
    """
    local = f"{node.name}-{offer.name}"
    source = f"node:{node.name}#{offer.name}"
    try:
        role = Role(offer.role)
    except ValueError:
        raise UsageError(f"the list {local} has a role that is none here", code="role") from None
    growing = LiveList.create(library, local, role=role, source=source, received_from=node.name)
    added = replaced = removed = 0
    for _ in range(PAGES):
        after = _checkpoint(growing, node).change
        with fetch(offer.name, after) as pieces, tempfile.TemporaryDirectory() as folder:
            head, done = _applied(growing, node, after, pieces, Path(folder))
        if done is not None:
            added, replaced, removed = added + done[0], replaced + done[1], removed + done[2]
        if not head.more or head.change == after:
            break
    return Followed(
        list=offer.name,
        local=local,
        entries=len(growing),
        added=added,
        replaced=replaced,
        removed=removed,
    )


def tell(database: Database, node: Node, done: Followed) -> None:
    """Write to the log that a list of a node has changed here."""
    if done.added or done.replaced or done.removed:
        counts = {"added": done.added, "replaced": done.replaced, "removed": done.removed}
        with database.write() as tx:
            event = Event("node.followed", node.subject, counts, {"list": done.local})
            log.record_many(tx, SYSTEM, [event])


def _applied(
    growing: LiveList, node: Node, after: int, pieces: Iterator[bytes], folder: Path
) -> tuple[Page, Applied | None]:
    rows = folder / "page"
    head = _received(pieces, rows)
    if head.change < after:
        raise IntegrityError(
            f"{node.name} offers change {head.change} of {growing.name}, and {after} is here",
            code="roll_back",
            hint=f"was it restored from a backup? tutela list remove {growing.name} begins anew",
        )
    if not head.entries:
        return head, None
    received = received_as(growing.name, growing.info.source, now(), node.name)
    found = list(changes_in(rows, received))
    if len(found) != head.entries:
        raise IntegrityError(
            f"{node.name} sent {len(found)} of {head.entries} entries", code="truncated"
        )
    checkpoint = msgspec.json.encode(Checkpoint(node.name, head.change))
    return head, growing.apply(found, checkpoint)


def _received(pieces: Iterator[bytes], rows: Path) -> Page:
    """Write the lines of a page to a file; return its first line."""
    begin = b""
    for piece in pieces:
        begin += piece
        if b"\n" in begin:
            break
        if len(begin) > _HEAD_BYTES:
            raise IntegrityError("what a node sent is no page of a list", code="page")
    line, _, rest = begin.partition(b"\n")
    with rows.open("xb") as stream:
        stream.write(rest)
        for piece in pieces:
            stream.write(piece)
    return decoded(line, Page, _HEAD_BYTES)


def _checkpoint(growing: LiveList, node: Node) -> Checkpoint:
    kept = growing.checkpoint()
    if not kept:
        return Checkpoint(node.name, 0)
    try:
        found = msgspec.json.decode(kept, type=Checkpoint)
    except msgspec.DecodeError:
        found = Checkpoint("elsewhere", 0)
    if found.node != node.name:
        raise UsageError(
            f"the list {growing.name!r} of the library comes from {found.node}",
            code="list_exists",
            hint=f"tutela list remove {growing.name}",
        )
    return found
