"""A small invented case of two sites for tests of leads: birds that share pictures of boats.

`heron` brings in ten known things over a year, `stork` six, half of them after heron; `finch` only
shows what others had, `wren` has too little, `gull` posts nothing that a list has. `heron` has an
account on the other site too, with the same checked contact.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from casework_office import MadeCase, Office, join
from sqlalchemy import select

from tutela.access.seal import Sealer
from tutela.actors import ranking
from tutela.actors.ranking import Desk
from tutela.core.entry import Classification, ListEntry, Provenance
from tutela.core.entry import Role as ListRole
from tutela.core.hit import Hit, Strength
from tutela.core.ids import CaseId
from tutela.core.leads_settings import LeadsSettings
from tutela.core.media import Digests
from tutela.core.principal import Principal, Role
from tutela.evidence.vault.master import LocalKey
from tutela.evidence.vault.vault import Vault
from tutela.observation import keep, places
from tutela.observation.keep import Read, Source
from tutela.observation.model import (
    Author,
    EntityKind,
    EntitySeen,
    EventKind,
    EventSeen,
    Layout,
    MediaSeen,
    PageSeen,
    PostSeen,
)
from tutela.observation.places import Hashed
from tutela.observation.sealing import Words
from tutela.store import Database
from tutela.store.tables.observation import SiteAccount

FIRST = datetime(2026, 1, 5, 12, tzinfo=UTC)
READ = datetime(2026, 11, 20, 9, tzinfo=UTC)
CONTACT = EntitySeen(EntityKind.TOX, "AB12" * 19, checked=True)
SEALER = Sealer(bytes(range(32)))


def url(thing: str) -> str:
    return f"http://pictures.test/{thing}.jpg"


def post(handle: str, key: str, at: datetime, *things: str, **more) -> PostSeen:
    """Return a post of a handle that shows things."""
    return PostSeen(
        key=key,
        author=Author(handle=handle, **more.pop("author", {})),
        posted_at=at,
        text=more.pop("text", f"a boat for the harbour, number {key}"),
        media=tuple(MediaSeen(url(thing)) for thing in things),
        events=(EventSeen(EventKind.MEDIA, reason="structure: image"),) if things else (),
        views=more.pop("views", 100),
        **more,
    )


def page(*posts: PostSeen, thread: str, host: str) -> Read:
    return Read(
        url=f"http://{host}/thread/{thread}",
        host=host,
        net="clear",
        page=PageSeen(layout=Layout.FORUM, confidence=0.9, thread=thread, posts=posts),
        body_sha256=hashlib.sha256(thread.encode()).digest(),
    )


def hashed(thing: str, entry: int, *, code: str = "A", lists: tuple[str, ...] = ("n",)) -> Hashed:
    """Return what a thing is, as it was hashed and dropped."""
    data = thing.encode()
    origin = Provenance("n", "invented", entry, FIRST)
    found = ListEntry(origin, classifications=(Classification("uk-abc", code),))
    return Hashed(
        url=url(thing),
        digests=Digests(
            md5=hashlib.md5(data).digest(),
            sha1=hashlib.sha1(data).digest(),
            sha256=hashlib.sha256(data).digest(),
        ),
        size_bytes=1000,
        kind="jpeg",
        hits=tuple(
            Hit(name, ListRole.ALERT, entry, found, "sha256", Strength.EXACT) for name in lists
        ),
        generation=4,
    )


@dataclass
class Town:
    """A case with two sites that were read, and who works on it."""

    office: Office
    case: MadeCase
    words: Words
    who: Principal = field(init=False)
    supervisor: Principal = field(init=False)

    @classmethod
    def made(cls, database: Database, folder: Path) -> Town:
        office = Office(database)
        with database.write() as tx:
            who = office.hire(tx, "looker", Role.INVESTIGATOR)
        case = office.make_case(1)
        vault = Vault(folder / "vault", LocalKey(bytes(range(32))))
        town = cls(office, case, Words(vault))
        town.who, town.supervisor = who, office.person("supervisor")
        with database.write() as tx:
            join(tx, case.id, [who])
        fill(database, case.id, town.words)
        return town

    @property
    def database(self) -> Database:
        return self.office.database

    @property
    def case_id(self) -> CaseId:
        return self.case.id

    def desk(self, settings: LeadsSettings | None = None) -> Desk:
        return ranking.desk(settings or LeadsSettings(), SEALER, self.words.opened)

    def account(self, handle: str, site: int = 2) -> int:
        return account(self.database, self.case_id, handle, site)


def account(database: Database, case_id: int, handle: str, site: int = 2) -> int:
    """Return the number of a handle on a site."""
    with database.read() as tx:
        return tx.execute(
            select(SiteAccount.id).where(
                SiteAccount.case_id == case_id,
                SiteAccount.handle == handle,
                SiteAccount.site_id == site,
            )
        ).scalar_one()


def posts_of_the_town() -> tuple[list[PostSeen], list[PostSeen]]:
    """Return the posts of both sites."""
    one, other = [], []
    for number in range(10):
        at = FIRST + timedelta(days=30 * number, hours=number % 5)
        names = (CONTACT,) if number == 3 else ()
        one.append(post("heron", f"h{number}", at, f"boat-{number}", entities=names))
        later = at + timedelta(days=3)
        one.append(post("finch", f"f{number}", later, f"boat-{number}", text="seen before"))
        one.append(post("gull", f"g{number}", at, text="what a lovely harbour"))
        if number < 6:
            things = (f"sail-{number}",) if number % 2 else (f"sail-{number}", f"boat-{number}")
            one.append(post("stork", f"s{number}", later + timedelta(days=2), *things))
    one.append(post("wren", "w1", FIRST, "mast-1"))
    other.append(post("heron", "x1", FIRST + timedelta(days=9), entities=(CONTACT,)))
    other.append(post("owl", "x2", FIRST + timedelta(days=9), replies_to=("x1",)))
    return one, other


def fill(database: Database, case_id: CaseId, words: Words) -> None:
    """Keep both sites of the town in a case, and say what lists have of them."""
    one, other = posts_of_the_town()
    source = Source(case_id, "crawl order 1", timedelta(days=400))
    things = [f"boat-{n}" for n in range(10)] + [f"sail-{n}" for n in range(6)] + ["mast-1"]
    found = [
        hashed(thing, 100 + place, lists=("n", "m") if place % 2 else ("n",))
        for place, thing in enumerate(things)
    ]
    with database.write() as tx:
        reads = [
            page(*one, thread="7", host="forum.test"),
            page(*other, thread="3", host="board.test"),
        ]
        keep.pages(tx, words, source, reads, READ)
        places.settle(tx, case_id, found, READ)
