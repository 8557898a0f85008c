"""Nations for tests: an office with a key each, which exchange messages without a network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from casework_office import MadeCase, Office
from sqlalchemy import select

from tutela.casework import agreement, grade
from tutela.casework.agreement import Agreed
from tutela.casework.grade import Decision
from tutela.core.errors import TutelaError
from tutela.core.ids import MediaId
from tutela.core.principal import SYSTEM
from tutela.exchange.federation import counting, nodes, outbox, trust, voting
from tutela.exchange.federation.answering import Answering
from tutela.exchange.federation.counting import Counting
from tutela.exchange.federation.identity import Card, Identity
from tutela.exchange.federation.inbox import Act, Inbox
from tutela.exchange.federation.message import QUESTION, VOTES, Reply
from tutela.exchange.federation.nodes import Allowed, Node
from tutela.exchange.federation.outbox import Waiting
from tutela.store.tables.audit import AuditEvent

EVERYTHING = Allowed(may_ask=True, votes=True, hears=True)
SCHEME = "uk-abc"


@dataclass
class Nation:
    """An installation; other nations are its nodes once they `trust` each other."""

    name: str
    office: Office
    identity: Identity
    answering: Answering = field(init=False)
    inbox: Inbox = field(init=False)
    counting: Counting = field(init=False)

    def __post_init__(self) -> None:
        self.answering = Answering(f"desk {self.name}", Path("/nowhere"), ())
        self.renew()

    @classmethod
    def made(cls, name: str, office: Office, folder: Path) -> Nation:
        return cls(name, office, Identity.make(folder / f"{name}.key"))

    @property
    def database(self):
        return self.office.database

    @property
    def card(self) -> Card:
        return Card(
            name=self.name,
            country=self.name.upper(),
            url=f"https://{self.name}.test:8472",
            contact=f"desk {self.name}",
            certificate=self.identity.certificate,
        )

    def renew(self) -> None:
        """Begin anew, as a process that was started again."""
        acts = {
            QUESTION: Act(self.answering.answer, self.answering.look),
            VOTES: Act(counting.take),
        }
        self.inbox = Inbox(self.database, self.identity.pin, acts)
        self.counting = Counting(self.database)

    def trust(self, other: Nation, allowed: Allowed = EVERYTHING) -> Node:
        with self.database.write() as tx:
            who = self.office.person("administrator")
            return trust.add(tx, who, other.card, other.identity.pin, allowed, self.identity.pin)

    def node(self, other: Nation) -> Node:
        with self.database.read() as tx:
            return nodes.by_name(tx, other.name)

    def changes(self, other: Nation, **allowed: object) -> Node:
        """Change what another nation may."""
        with self.database.write() as tx:
            who = self.office.person("administrator")
            return trust.change(tx, who, other.name, Allowed(**allowed))

    def removes(self, other: Nation) -> None:
        with self.database.write() as tx:
            trust.remove(tx, self.office.person("administrator"), other.name, "its key was lost")

    def restarts(self, other: Nation) -> None:
        with self.database.write() as tx:
            who = self.office.person("administrator")
            trust.restart(tx, who, other.name, self.identity.pin)

    def replaces(self, other: Nation) -> Node:
        """Know another nation by the key that it has now."""
        with self.database.write() as tx:
            who, pin = self.office.person("administrator"), other.identity.pin
            return trust.replace(tx, who, other.card, pin, self.identity.pin)

    def put(self, other: Nation, kind: str, body: object) -> int:
        with self.database.write() as tx:
            node = nodes.locked(tx, self.node(other).id)
            draft = outbox.Draft(kind, body)
            return outbox.put(tx, SYSTEM, node, self.identity.pin, draft)

    def waiting(self, other: Nation) -> Waiting | None:
        with self.database.read() as tx:
            return outbox.waiting(tx, self.node(other).id)

    def answered(self, other: Nation, sent: Waiting, answer: bytes) -> Reply:
        with self.database.write() as tx:
            return outbox.answered(tx, SYSTEM, self.node(other), sent, answer)

    def send(self, other: Nation) -> list[Reply]:
        """Send all that waits for another nation, as a line without faults does."""
        replies = []
        while sent := self.waiting(other):
            answer = other.inbox.take(other.node(self), sent.message)
            replies.append(self.answered(other, sent, answer))
        return replies

    def tell(self, *others: Nation) -> int:
        """Tell others our votes, and let them count; return how many votes they counted."""
        for other in others:
            voting.tell(self.database, self.node(other).id, self.identity.pin)
            self.send(other)
        return sum(other.counting.count() for other in others)

    def vote(self, case: MadeCase, code: str, organisation: int = 0, media: int = 0) -> None:
        with self.database.write() as tx:
            who = self.office.person("grader", organisation)
            grade.give(tx, who, case.id, [Decision(case.media_ids[media], code)])

    def agreed(self, media_id: MediaId) -> Agreed:
        with self.database.read() as tx:
            return agreement.of(tx, [media_id], SCHEME).get(media_id, agreement.NOTHING)

    def logged(self, action: str) -> list[str]:
        with self.database.read() as tx:
            asked = select(AuditEvent.body).where(AuditEvent.action == action)
            return [body.decode() for body in tx.execute(asked.order_by(AuditEvent.seq)).scalars()]


def befriend(one: Nation, other: Nation) -> None:
    one.trust(other)
    other.trust(one)


def refused(do: Callable[[], object]) -> str:
    """Return the code with which something is refused."""
    try:
        do()
    except TutelaError as error:
        return error.code
    raise AssertionError("it was not refused")
