"""A published list for tests: made-up digests, no picture behind them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from tutela.core.entry import Role as ListRole
from tutela.core.ids import EntryId, ListId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.exchange import changes, entries, members
from tutela.exchange import lists as published
from tutela.exchange.candidate import Candidate
from tutela.exchange.model import Coded, ListView, MemberPermission


def made_up(number: int, *codes: Coded, **others) -> Candidate:
    """Return a content that does not exist; UK code A unless codes are given."""
    seed = b"content %d" % number
    return Candidate(
        digests=Digests(
            hashlib.md5(seed).digest(), hashlib.sha1(seed).digest(), hashlib.sha256(seed).digest()
        ),
        fingerprints=(Fingerprint(PDQ, hashlib.sha256(b"pdq" + seed).digest(), 90),),
        codes=codes or (Coded("GB", "uk-abc", "A"),),
        **others,
    )


@dataclass
class Lists:
    """One list, and what tests do with it."""

    office: object
    id: ListId
    owner: Principal

    @classmethod
    def made(cls, office, name: str = "known", role: ListRole = ListRole.ALERT) -> Lists:
        owner = office.person("supervisor")
        with office.database.write() as tx:
            made = published.create(
                tx, owner, name, title="Known", purpose="Matching of uploads", role=role
            )
        return cls(office, made, owner)

    def member(self, organisation: int, permission=MemberPermission.READ, jurisdictions=()):
        """Make one of the three organisations a member; return its list member account."""
        with self.office.database.write() as tx:
            members.add(
                tx,
                self.owner,
                self.id,
                self.office.organisations[organisation],
                permission,
                jurisdictions,
            )
        return self.office.person("member", organisation)

    def add(self, *candidates: Candidate, who: Principal | None = None) -> entries.Added:
        with self.office.database.write() as tx:
            return entries.add(tx, who or self.owner, self.id, candidates)

    def withdraw(self, *numbers: EntryId) -> int:
        with self.office.database.write() as tx:
            return entries.withdraw(tx, self.owner, self.id, numbers, "a mistake")

    def view(self, who: Principal) -> ListView:
        with self.office.database.read() as tx:
            return published.view(tx, who, "known")

    def since(self, who: Principal, change: int = 0, limit: int = 1000):
        with self.office.database.read() as tx:
            return changes.since(tx, who, published.view(tx, who, "known"), change, limit)
