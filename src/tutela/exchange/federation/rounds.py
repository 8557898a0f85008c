"""One round with a node: tell it votes, send what waits, follow its lists, count what it told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tutela.core.errors import TutelaError, UsageError
from tutela.core.principal import SYSTEM
from tutela.exchange.federation import nodes, outbox, record, sharing, voting
from tutela.exchange.federation.counting import Counting
from tutela.exchange.federation.identity import Identity
from tutela.exchange.federation.link import Link
from tutela.exchange.federation.message import RecordRow
from tutela.exchange.federation.nodes import Node
from tutela.exchange.federation.record import Difference, Side
from tutela.exchange.federation.sharing import Followed
from tutela.store import Database

_LONGEST_WAIT_S = 60.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one round with a node; `error` is what ended it early."""

    node: str
    answered: int = 0
    lists: tuple[Followed, ...] = ()
    error: TutelaError | None = None


class Rounds:
    """Goes round the nodes of an installation.

    Args:
        database: Where messages and votes are.
        identity: Who we are.
        library: Folder of the library, for lists that are followed.
    """

    def __init__(self, database: Database, identity: Identity, library: Path) -> None:
        self._database, self._identity, self._library = database, identity, library
        self._counting = Counting(database)
        self._waits: dict[int, _Wait] = {}
        self._turn = threading.Lock()

    def go(self, *, patient: bool = False) -> Iterator[Round]:
        """Do a round with each node, and count votes that are here by then.

        Args:
            patient: Leave out a node that could not be reached a moment ago.
        """
        with self._turn:
            with self._database.read() as tx:
                all_ = nodes.all_(tx)
            for node in all_:
                wait = self._waits.setdefault(node.id, _Wait())
                if patient and not wait.over():
                    continue
                done = self.one(node)
                wait.heard(well=done.error is None)
                yield done
            self._counting.count()

    def one(self, node: Node) -> Round:
        """Do a round with one node."""
        answered = 0
        followed: list[Followed] = []
        trouble: TutelaError | None = None
        try:
            voting.tell(self._database, node.id, self._identity.pin)
            with Link(node, self._identity) as link:
                while self._deliver(node, link):
                    answered += 1
                followed += self._follow(node, link)
        except TutelaError as error:
            trouble = error
        with self._database.write() as tx:
            nodes.heard(tx, node.id, trouble.code if trouble else "")
        return Round(node=node.name, answered=answered, lists=tuple(followed), error=trouble)

    def check(self, node: Node) -> Iterator[tuple[Side, Difference]]:
        """Yield messages on which our log and that of a node differ, those to it and from it.

        Raises:
            FetchError: the node does not answer.
            IntegrityError: what it answers is no log.
        """
        with Link(node, self._identity) as link:

            def ours(side: Side, after: int) -> list[RecordRow]:
                with self._database.read() as tx:
                    return record.rows(tx, node, side, after)

            for mine in Side:
                sent, got = (ours, link.record) if mine is Side.ANSWERED else (link.record, ours)
                after = 0
                # Whoever sent is asked first: what is answered was taken before.
                while answered := sent(Side.ANSWERED, after):
                    for one in record.differences(answered, got(Side.TAKEN, after)):
                        yield mine, one
                    after = answered[-1].number

    def _deliver(self, node: Node, link: Link) -> bool:
        """Send the next message; tell whether there was one."""
        with self._database.read() as tx:
            waiting = outbox.waiting(tx, node.id)
        if waiting is None:
            return False
        answer = link.send(waiting.message)
        with self._database.write() as tx:
            outbox.answered(tx, SYSTEM, node, waiting, answer)
        return True

    def _follow(self, node: Node, link: Link) -> Iterator[Followed]:
        if not node.wants:
            return
        offered = {offer.name: offer for offer in link.offers()}
        for name in node.wants:
            if name in offered:
                done = sharing.follow(node, offered[name], self._library, link.page)
                sharing.tell(self._database, node, done)
                yield done
        if missing := sorted(set(node.wants) - offered.keys()):
            raise UsageError(
                f"{node.name} offers no list {missing[0]!r} to this node (any more)",
                code="no_member",
                hint="ask its operators whether `node` of your name is a member of the list",
            )


class _Wait:
    """For how long a node that cannot be reached is left alone: twice as long each time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait_s, self._until = 0.0, 0.0

    def over(self) -> bool:
        """Tell whether it is worth another try."""
        return self._clock() >= self._until

    def heard(self, *, well: bool) -> None:
        """Say how the last try went."""
        self._wait_s = 0.0 if well else min(_LONGEST_WAIT_S, max(1.0, self._wait_s * 2))
        self._until = self._clock() + self._wait_s
