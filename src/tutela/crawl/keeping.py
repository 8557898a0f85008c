"""Keeps what visits brought, in the transaction in which their leases end.

What a page shows, what its media are, which of them lists have, and that its URL is done: all of it
is kept or nothing. So a worker may die at any moment, and the URL is leased again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, select

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.errors import ConflictError
from tutela.core.hit import Hit
from tutela.core.ids import CaseId, CrawlOrderId
from tutela.core.media import PDQ_RADIUS_BITS, Digests
from tutela.core.principal import SYSTEM
from tutela.core.time import now
from tutela.crawl import frontier, traps
from tutela.crawl.model import Finished, Kind, Link, State
from tutela.crawl.visit import Visit
from tutela.hashlist.library import Library
from tutela.observation import keep, places, raising
from tutela.observation.keep import Kept, Read, Source
from tutela.observation.notices import Policy
from tutela.observation.sealing import Words
from tutela.store import Database
from tutela.store.tables.casework import Case

LOST = "lease_lost"


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """How what is read is kept.

    Attributes:
        keep: How long words are kept after the week in which they were read.
        policy: Who hears of known media.
        radius_bits: PDQ distance up to which a picture is a hit.
        limits: Of traps.
    """

    keep: timedelta = timedelta(days=90)
    policy: Policy = Policy()
    radius_bits: int = PDQ_RADIUS_BITS
    limits: traps.Limits = traps.Limits()


class Totals(msgspec.Struct):
    """What was kept: how leases ended, and what of it is new."""

    ended: Counter[str] = msgspec.field(default_factory=Counter)
    posts: int = 0
    media: int = 0
    known: int = 0
    found: int = 0
    lost: int = 0

    def add(self, other: Totals) -> None:
        """Add what another counted."""
        self.ended += other.ended
        for name in ("posts", "media", "known", "found", "lost"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Keeper:
    """Keeps visits, some dozens in one transaction. Not for several threads at once.

    Args:
        database: Where.
        words: Seals the words of posts.
        library: The hash lists; None where there are none, and then nothing is known.
        how: How it is kept.
    """

    def __init__(
        self, database: Database, words: Words, library: Library | None, how: Keeping
    ) -> None:
        self._database = database
        self._words = words
        self._library = library
        self._how = how
        self._cases: set[CaseId] = set()
        self._first = True

    def keep(self, visits: Sequence[Visit]) -> Totals:
        """Keep what visits brought. One whose lease was lost meanwhile is dropped, and counted."""
        matched = self._matched(visits)
        try:
            return self._keep(matched)
        except ConflictError as error:
            if error.code != LOST:
                raise
            if len(matched) == 1:
                return Totals(lost=1)
        totals = Totals()
        for visit in matched:
            totals.add(self._one(visit))
        return totals

    def catch_up(self) -> None:
        """Tell places what their media are where this worker and another missed each other.

        At first, also where a worker was killed before it came to that.
        """
        if self._first:
            with self._database.read() as tx:
                self._cases.update(places.waiting(tx))
            self._first = False
        for case_id in sorted(self._cases):
            with self._database.write() as tx:
                _alone(tx, [case_id])
                urls = places.catch_up(tx, case_id, now())
                raised, events = raising.at(tx, case_id, urls, self._how.policy, now())
                if raised:
                    log.record_many(tx, SYSTEM, events)

    def _one(self, visit: Visit) -> Totals:
        try:
            return self._keep([visit])
        except ConflictError as error:
            if error.code != LOST:
                raise
            return Totals(lost=1)

    def _matched(self, visits: Sequence[Visit]) -> list[Visit]:
        """Ask the hash lists about all media at once."""
        media = [v.hashed for v in visits if v.hashed is not None and v.hashed.digests]
        if self._library is None or not media:
            return list(visits)
        queries = [(one.digests, one.fingerprints) for one in media]
        generation = self._library.generation
        answers = self._library.find_many(queries, radius_bits=self._how.radius_bits)
        # By content: of two orders that ask for one address each may get another.
        hits = {one.digests: tuple(found) for one, found in zip(media, answers, strict=True)}
        return [_with_hits(visit, hits, generation) for visit in visits]

    def _keep(self, visits: Sequence[Visit]) -> Totals:
        try:
            with self._database.write() as tx:
                totals = self._write(tx, visits, now())
        except BaseException:
            self._words.undone()
            raise
        self._words.committed()
        return totals

    def _write(self, tx: Connection, visits: Sequence[Visit], moment: datetime) -> Totals:
        totals = Totals(ended=Counter(visit.outcome.state.value for visit in visits))
        links: dict[int, tuple[Link, ...]] = {}
        by_order: dict[tuple[CaseId, CrawlOrderId], list[Visit]] = defaultdict(list)
        for visit in visits:
            links[visit.lease.url_id] = visit.links
            by_order[visit.lease.case_id, visit.lease.order_id].append(visit)
        _alone(tx, {case_id for case_id, _ in by_order})
        for (case_id, order_id), some in sorted(by_order.items()):
            source = Source(case_id, f"crawl order {order_id}", self._how.keep)
            read = [(visit, visit.read) for visit in some if visit.read is not None]
            kept = keep.pages(tx, self._words, source, [page for _, page in read], moment)
            for (visit, page), how in zip(read, kept, strict=True):
                links[visit.lease.url_id] += _links(page, how)
                totals.posts += how.new_posts
        by_case = _by_case(visits)
        self._cases |= {case_id for case_id, _ in by_case}
        events = [
            event
            for case_id, some in by_case
            for event in self._settle(tx, case_id, some, totals, moment)
        ]
        finished = [Finished(v.lease, v.outcome, links[v.lease.url_id]) for v in visits]
        totals.found = frontier.finish_many(tx, finished, events=events, limits=self._how.limits)
        return totals

    def _settle(
        self,
        tx: Connection,
        case_id: CaseId,
        visits: Sequence[Visit],
        totals: Totals,
        moment: datetime,
    ) -> list[Event]:
        moved = {visit.lease.url: visit.moved_to for visit in visits if visit.moved_to}
        places.moved(tx, case_id, moved, moment)
        hashed = [visit.hashed for visit in visits if visit.hashed and _settled(visit)]
        found = places.settle(tx, case_id, hashed, moment)
        urls = {one.url for one in hashed} | set(moved.values())
        for visit in visits:
            if visit.read is not None:
                urls |= {media.url for media in keep.media_of(visit.read)}
        raised, events = raising.at(tx, case_id, urls, self._how.policy, moment)
        totals.media += len(found)
        totals.known += len({one.media_id for one in raised})
        return events


def _alone(tx: Connection, case_ids: Iterable[CaseId]) -> None:
    """Let one worker at a time keep what is of a case.

    Sites are locked order by order, and names in posts and media are of the whole case: two who
    came to them in different order would lock each other out. Rows may still point at the case.
    """
    tx.execute(
        select(Case.id)
        .where(Case.id.in_(sorted(case_ids)))
        .order_by(Case.id)
        .with_for_update(key_share=True)
    )


def _settled(visit: Visit) -> bool:
    """Tell whether it is known for good what a media is, or that it cannot be had."""
    assert visit.hashed is not None
    state, _ = frontier.ended(visit.lease, visit.outcome)
    return bool(visit.hashed.digests) or state is not State.WAITING


def _with_hits(visit: Visit, hits: Mapping[Digests, tuple[Hit, ...]], generation: int) -> Visit:
    hashed = visit.hashed
    if hashed is None or hashed.digests not in hits:
        return visit
    told = msgspec.structs.replace(hashed, hits=hits[hashed.digests], generation=generation)
    return msgspec.structs.replace(visit, hashed=told)


def _links(page: Read, kept: Kept) -> tuple[Link, ...]:
    """Return what a page leads to: media that nobody had yet, and pages."""
    media = dict.fromkeys(kept.unfetched)
    pages = (Link(url) for url in page.page.links if url not in media)
    return (*(Link(url, Kind.MEDIA) for url in media), *pages)


def _by_case(visits: Iterable[Visit]) -> list[tuple[CaseId, list[Visit]]]:
    found: dict[CaseId, list[Visit]] = defaultdict(list)
    for visit in visits:
        found[visit.lease.case_id].append(visit)
    return sorted(found.items())
