"""One round with a node: tell it votes, send what waits, follow its lists, count what it told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec

from tutela.core.errors import ServiceError, TutelaError, UsageError
from tutela.core.principal import SYSTEM
from tutela.exchange.federation import nodes, outbox, record, sharing, voting
from tutela.exchange.federation.counting import Counting
from tutela.exchange.federation.identity import Identity
from tutela.exchange.federation.link import Link
from tutela.exchange.federation.message import VOTES, ListOffer, RecordRow
from tutela.exchange.federation.nodes import Node
from tutela.exchange.federation.record import Difference, Side
from tutela.exchange.federation.sharing import Followed
from tutela.store import Database

_LONGEST_WAIT_S = 60.0
_LOOK_S = 0.05


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
        silence_s: For how long a node may say nothing.
    """

    def __init__(
        self, database: Database, identity: Identity, library: Path, silence_s: float
    ) -> None:
        self._database, self._identity, self._library = database, identity, library
        self._silence_s = silence_s
        self._counting = Counting(database)
        self._waits: dict[int, _Wait] = {}

    def go(self) -> Iterator[Round]:
        """Do a round with each node in turn, then count votes that are here by then."""
        for node in self._nodes():
            yield self.one(node)
        self._counting.count()

    def begin(self, heard: Callable[[Round], None]) -> None:
        """Begin a round with each node, those apart that are still at one or just failed; count.

        A node that is slow, or cannot be reached, keeps nobody else waiting.

        Args:
            heard: Called with what came of each, from other threads.
        """
        for node in self._nodes():
            wait = self._waits.setdefault(node.id, _Wait())
            if wait.over():
                wait.busy = True
                threading.Thread(target=self._alone, args=(node, wait, heard), daemon=True).start()
        self._counting.count()

    def ended(self, patience_s: float) -> bool:
        """Wait until no round is under way; tell whether that came about."""
        until = time.monotonic() + patience_s
        while any(wait.busy for wait in self._waits.values()):
            if time.monotonic() > until:
                return False
            time.sleep(_LOOK_S)
        return True

    def _alone(self, node: Node, wait: _Wait, heard: Callable[[Round], None]) -> None:
        done = Round(node=node.name, error=ServiceError("the round broke off", code="defect"))
        try:
            done = self.one(node)
        finally:
            wait.ended(well=done.error is None)
            heard(done)

    def _nodes(self) -> list[Node]:
        with self._database.read() as tx:
            return nodes.all_(tx)

    def one(self, node: Node) -> Round:
        """Do a round with one node; what is in the way of one thing does not stop the others."""
        going = _Going(node, self._database, self._identity)
        try:
            with Link(node, self._identity, self._silence_s) as link:
                going.tries(lambda: going.deliver(link))
                going.follow(link, self._library)
        except TutelaError as error:
            going.hears(error)
        trouble = going.trouble
        with self._database.write() as tx:
            nodes.heard(tx, node.id, trouble.code if trouble else "")
        lists = tuple(going.followed)
        return Round(node=node.name, answered=going.answered, lists=lists, error=trouble)

    def check(self, node: Node) -> Iterator[tuple[Side, Difference]]:
        """Yield messages on which our log and that of a node differ, those to it and from it.

        Raises:
            FetchError: the node does not answer.
            IntegrityError: what it answers is no log.
        """
        with Link(node, self._identity, self._silence_s) as link:

            def ours(side: Side, after: int) -> list[RecordRow]:
                with self._database.read() as tx:
                    return record.rows(tx, node, side, after)

            for mine in Side:
                sent, got = (ours, link.record) if mine is Side.ANSWERED else (link.record, ours)
                after, more = 0, True
                while more:
                    # Whoever sent is asked before and after: what is answered was taken before,
                    # and of what was taken one message at most was not answered yet.
                    answered = sent(Side.ANSWERED, after)
                    taken = got(Side.TAKEN, after)
                    more = len(answered) == record.ROWS
                    since = answered if more else sent(Side.ANSWERED, after)
                    for one in record.differences(answered, taken, since, whole=not more):
                        yield mine, one
                    after = answered[-1].number if answered else after


class _Going:
    """One round with one node, while it goes on; `trouble` is the first that was in the way."""

    def __init__(self, node: Node, database: Database, identity: Identity) -> None:
        self._node, self._database, self._identity = node, database, identity
        self.answered = 0
        self.followed: list[Followed] = []
        self.trouble: TutelaError | None = None

    def hears(self, error: TutelaError) -> None:
        """Remember what was in the way."""
        self.trouble = self.trouble or error

    def tries(self, do: Callable[[], object]) -> None:
        """Do something that the rest of the round does not depend on."""
        try:
            do()
        except TutelaError as error:
            self.hears(error)

    def deliver(self, link: Link) -> None:
        """Send what waits, our votes among it where they are wanted."""
        if self._node.hears and link.terms().votes:
            voting.tell(self._database, self._node.id, self._identity.pin)
        while self._send(link):
            self.answered += 1

    def _send(self, link: Link) -> bool:
        """Send the next message; tell whether there was one."""
        with self._database.read() as tx:
            waiting = outbox.waiting(tx, self._node.id)
        if waiting is None:
            return False
        answer = link.send(waiting.message)
        with self._database.write() as tx:
            reply = outbox.answered(tx, SYSTEM, self._node, waiting, answer)
            if reply.refused and waiting.kind == VOTES:
                outbox.forget(tx, self._node.id)
        return True

    def follow(self, link: Link, library: Path) -> None:
        """Bring the lists of the node that are followed up to date, each by itself."""
        if not self._node.wants:
            return
        offered = {offer.name: offer for offer in link.offers()}
        for name in self._node.wants:
            if name in offered:
                self.tries(partial(self._one_list, link, offered[name], library))
        if missing := sorted(set(self._node.wants) - offered.keys()):
            raise UsageError(
                f"{self._node.name} offers no list {missing[0]!r} to this node (any more)",
                code="no_member",
                hint="ask its operators whether `node` of your name is a member of the list",
            )

    def _one_list(self, link: Link, offer: ListOffer, library: Path) -> None:
        done = sharing.follow(self._node, offer, library, link.page)
        sharing.tell(self._database, self._node, done)
        self.followed.append(done)


class _Wait:
    """Whether a round with a node is due: not while it is at one, and less often while it fails."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._wait_s, self._until = 0.0, 0.0
        self.busy = False

    def over(self) -> bool:
        """Tell whether it is worth a try."""
        return not self.busy and self._clock() >= self._until

    def ended(self, *, well: bool) -> None:
        """Say how a round went: after each that failed it is left alone for twice as long."""
        self._wait_s = 0.0 if well else min(_LONGEST_WAIT_S, max(1.0, self._wait_s * 2))
        self._until = self._clock() + self._wait_s
        self.busy = False
