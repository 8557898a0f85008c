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
from tutela.core.errors import SettingsError
from tutela.core.settings import FederationSettings, Settings
from tutela.exchange.federation import counting, nodes
from tutela.exchange.federation.answering import Answering
from tutela.exchange.federation.identity import Identity
from tutela.exchange.federation.inbox import Inbox
from tutela.exchange.federation.link import believe, tls
from tutela.exchange.federation.message import QUESTION, VOTES
from tutela.exchange.federation.rounds import Rounds
from tutela.hashlist.library import Library
from tutela.store import Database
from tutela.store.schema import require_current

CONNECTIONS = 256
HANDSHAKE_S = 15
# A node that was added shakes hands after so long at most.
LOOK_S = 2


def inbox(settings: Settings, database: Database, identity: Identity) -> Inbox:
    """Return what takes messages of partner nodes."""
    where = settings.library.path
    library = Library.open(where) if where.exists() else None
    federation = settings.federation
    answering = Answering(federation.contact, library, federation.answer_lists)
    acts = {QUESTION: answering.answer, VOTES: counting.take}
    return Inbox(database, identity.pin, acts)


@contextlib.contextmanager
def served(settings: Settings) -> Iterator[tuple[uvicorn.Config, Doing]]:
    """Give how to listen for partner nodes, and what to do again and again meanwhile.

    Raises:
        UsageError: this node has no key, or the database is of another revision.
        SettingsError: what partners have to know of this node is not set.
    """
    federation = settings.federation
    _check(federation)
    identity = Identity.read(federation.key)
    with Database(settings.database.url) as database:
        require_current(database)
        context = tls(identity, server=True)
        doing = Doing(settings, database, identity, context)
        doing.look()
        yield (
            uvicorn.Config(
                build(Embassy(database, inbox(settings, database, identity))),
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
                timeout_keep_alive=HANDSHAKE_S,
                timeout_graceful_shutdown=10,
            ),
            doing,
        )


class Doing:
    """What a node does by itself: believe nodes that were added, and go round them."""

    def __init__(
        self, settings: Settings, database: Database, identity: Identity, context: ssl.SSLContext
    ) -> None:
        self._database, self._context = database, context
        self._rounds = Rounds(database, identity, settings.library.path)
        self._believed: frozenset[str] = frozenset()

    def look(self) -> None:
        """Let nodes shake hands that were added since."""
        with self._database.read() as tx:
            found = frozenset(node.certificate for node in nodes.all_(tx))
        # One that is trusted no more may still shake hands; it is refused at each request.
        believe(self._context, found - self._believed)
        self._believed |= found

    def go(self) -> None:
        """Do a round with all nodes that can be reached; say what was in the way."""
        for done in self._rounds.go(patient=True):
            if done.error is not None:
                said = f"{done.error.message} ({done.error.code})"
                print(f"warning: node {done.node}: {said}", file=sys.stderr)


def _check(federation: FederationSettings) -> None:
    for name in ("name", "country", "contact"):
        if not getattr(federation, name):
            raise SettingsError(
                f"[federation] {name} is not set",
                hint="partners know a node by its name, country and contact",
            )
