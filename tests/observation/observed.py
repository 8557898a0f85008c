"""A case that sites are read for, a vault for the keys of words, and pages as readers give them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from casework_office import MadeCase, Office, join

from tutela.core.principal import Role
from tutela.evidence.vault.vault import Vault
from tutela.observation import keep
from tutela.observation.keep import Kept, Read, Source
from tutela.observation.model import Layout, PageSeen, PostSeen
from tutela.observation.sealing import Words
from tutela.store import Database

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)


@dataclass
class Desk:
    """What tests of observations work with."""

    office: Office
    case: MadeCase
    vault: Vault
    words: Words = field(init=False)

    def __post_init__(self) -> None:
        self.words = Words(self.vault)
        with self.database.write() as tx:
            self.investigator = self.office.hire(tx, "looker", Role.INVESTIGATOR)
            join(tx, self.case.id, [self.investigator])

    @property
    def database(self) -> Database:
        return self.office.database

    @property
    def source(self) -> Source:
        return Source(self.case.id, "crawl order 1", timedelta(days=30))

    def keep(
        self, *reads: Read, moment: datetime = MONDAY, source: Source | None = None
    ) -> list[Kept]:
        with self.database.write() as tx:
            kept = keep.pages(tx, self.words, source or self.source, reads, moment)
        self.words.committed()
        return kept


def page(
    *posts: PostSeen, thread: str = "7", host: str = "forum.test", body: bytes = b"", **more
) -> Read:
    """Return a page of a forum as its reader gives it."""
    seen = PageSeen(layout=Layout.FORUM, confidence=0.9, thread=thread, posts=posts, **more)
    return Read(
        url=f"http://{host}/thread/{thread}",
        host=host,
        net="clear",
        page=seen,
        body_sha256=body.ljust(32, b"\0"),
    )
