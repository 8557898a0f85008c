"""What the handlers for partner nodes work with."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Request
from litestar.datastructures import State

from tutela.exchange.federation.inbox import Inbox
from tutela.exchange.federation.nodes import Node
from tutela.store import Database

Asked = Request[Node, str | None, State]


@dataclass(frozen=True)
class Embassy:
    """One running server for partner nodes."""

    database: Database
    inbox: Inbox


def embassy(request: Asked) -> Embassy:
    """Return what the handlers of a request work with."""
    found: Embassy = request.app.state.embassy
    return found


def node(request: Asked) -> Node:
    """Return which node asks; the guard has made sure of it."""
    asker: Node = request.state.node
    return asker
