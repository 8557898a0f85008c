"""`tutela serve --federation`: the listener for partner nodes, and the rounds to them."""

from __future__ import annotations

import contextlib
import ssl
import sys
from collections.abc import Iterator

import uvicorn

from tutela.api.federation.app import build
from tutela.api.federation.office import Embassy
from tutela.api.federation.peer import PeerProtocol
from tutela.core.settings import Settings
from tutela.exchange.federation import counting, nodes
from tutela.exchange.federation.answering import Answering
from tutela.exchange.federation.identity import Identity, own_card
from tutela.exchange.federation.inbox import Act, Inbox
from tutela.exchange.federation.link import believe, tls
from tutela.exchange.federation.message import QUESTION, VOTES
from tutela.exchange.federation.rounds import Round, Rounds
from tutela.store import Database
from tutela.store.schema import require_current

CONNECTIONS = 256
KEEP_ALIVE_S = 15
GRACE_S = 10
# A node that was added shakes hands after so long at most.
LOOK_S = 2


def inbox(settings: Settings, database: Database, identity: Identity) -> Inbox:
    """Return what takes messages of partner nodes."""
    federation = settings.federation
    answering = Answering(federation.contact, settings.library.path, federation.answer_lists)
    acts = {QUESTION: Act(answering.answer, answering.look), VOTES: Act(counting.take)}
    return Inbox(database, identity.pin, acts)


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[tuple[uvicorn.Config, Doing]]:
    """Give how to listen for partner nodes, and what to do again and again meanwhile.

    Raises:
        UsageError: this node has no key, or the database is of another revision.
        SettingsError: what partners have to know of this node is not set.
    """
    federation = settings.federation
    identity = Identity.read(federation.key)
    own_card(federation, identity)  # says what is missing, before anybody is answered
    with Database(settings.database.url) as database:
        require_current(database)
        context = tls(identity, server=True)
        doing = Doing(settings, database, identity, context)
        doing.look()
        embassy = Embassy(database, inbox(settings, database, identity))
        listening = uvicorn.Config(
            build(embassy),
            host=federation.host,
            port=federation.port,
            log_config=None,
            access_log=False,
            server_header=False,
            loop="uvloop",
            http=PeerProtocol,
            ws="none",
            ssl_context_factory=lambda *_: context,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )
        try:
            yield listening, doing
        finally:
            doing.end()


class Doing:
    """What a node does by itself: believe nodes that were added, and go round them."""

    def __init__(
        self, settings: Settings, database: Database, identity: Identity, context: ssl.SSLContext
    ) -> None:
        self._database, self._context = database, context
        silence_s = settings.federation.silence_seconds
        self._rounds = Rounds(database, identity, settings.library.path, silence_s)
        self._believed: frozenset[str] = frozenset()
        self._said: dict[str, str] = {}

    def look(self) -> None:
        """Let nodes shake hands that were added since."""
        with self._database.read() as tx:
            found = frozenset(node.certificate for node in nodes.all_(tx))
        # One that is trusted no more may still shake hands; it is refused at each request.
        believe(self._context, found - self._believed)
        self._believed |= found

    def go(self) -> None:
        """Begin a round with all nodes that may be reached, and count votes."""
        self._rounds.begin(self._say)

    def end(self) -> None:
        """Let rounds that are under way come to their end, for a while."""
        self._rounds.ended(GRACE_S)

    def _say(self, done: Round) -> None:
        """Say what was in the way, once for each thing."""
        before = self._said.get(done.node, "")
        self._said[done.node] = done.error.code if done.error else ""
        if done.error and done.error.code != before:
            said = f"{done.error.message} ({done.error.code})"
            print(f"warning: node {done.node}: {said}", file=sys.stderr)
        elif before and not done.error:
            print(f"node {done.node}: all is well again", file=sys.stderr)
