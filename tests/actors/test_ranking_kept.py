"""Rankings of rows: everybody is counted, kept, and explained by the rows of their posts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from leads_support import FIRST, READ, Town, hashed, page, post
from sqlalchemy import select, update

from tutela.actors import gather, ranking, severity
from tutela.actors.ranking import NOTHING_KNOWN
from tutela.core.errors import AccessError, SettingsError
from tutela.core.leads_settings import LeadsSettings
from tutela.observation import keep, mirrors, places
from tutela.observation.keep import Source
from tutela.observation.model import MediaRole, MediaSeen
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.observation import Post, Site


def test_everybody_is_ranked_or_counted(town: Town):
    info = ranking.rank(town.database, town.who, town.case_id, town.desk())
    with town.database.read() as tx:
        found = ranking.ranked(tx, town.who, town.case_id, info.id)
        logged = tx.execute(
            select(AuditEvent.body).where(AuditEvent.action == "ranking.made")
        ).scalar_one()
    assert [one.account_id for one in found] == [town.account("heron"), town.account("stork")]
    assert (info.seen, info.ranked) == (7, 2)
    assert info.withheld == {"check": 1, "too_little": 1, NOTHING_KNOWN: 3}
    assert info.ranked + sum(info.withheld.values()) == info.seen
    assert info.generation == 4
    heron = found[0]
    assert heron.best_place <= heron.place <= heron.worst_place
    terms = [one for one in heron.explanation["terms"] if one["kind"] == "exact"]
    assert len(terms) == 10
    assert heron.lower < heron.score
    with town.database.read() as tx:
        rows = {row for one in terms for row in one["posts"]}
        owner = tx.execute(select(Post.account_id).where(Post.id.in_(rows)).distinct()).scalars()
        assert list(owner) == [town.account("heron")]
    assert heron.explanation["counter"]
    assert {one["without"] for one in heron.explanation["sensitivity"]} >= {
        "without the list n",
        "30 % of posts unseen, 1",
    }
    assert b"heron" not in logged


def test_only_the_team_ranks(town: Town):
    for name in ("grader", "examiner", "administrator"):
        with pytest.raises(AccessError):
            ranking.rank(town.database, town.office.person(name), town.case_id, town.desk())
    with town.database.read() as tx:
        assert ranking.latest(tx, town.who, town.case_id) is None
        with pytest.raises(AccessError):
            ranking.latest(tx, town.office.person("supervisor", 1), town.case_id)


def test_the_same_rows_give_the_same_places(town: Town):
    first, again = (
        ranking.rank(town.database, town.who, town.case_id, town.desk()) for _ in range(2)
    )
    with town.database.read() as tx:
        one, other = (
            ranking.ranked(tx, town.who, town.case_id, info.id) for info in (first, again)
        )
    assert [(o.account_id, o.place, o.lower) for o in one] == [
        (o.account_id, o.place, o.lower) for o in other
    ]
    place_now = ranking.place_now(
        town.database, town.who, town.case_id, one[1].members, town.desk()
    )
    assert place_now == 2


def gathered(town: Town) -> gather.Gathered:
    with town.database.read() as tx:
        return gather.gather(tx, town.case_id, severity.load(), ())


def test_a_mirror_is_folded_into_its_site(town: Town):
    before = gathered(town)
    with town.database.write() as tx:
        words, source = town.words, Source(town.case_id, "crawl order 1", timedelta(days=400))
        again = [
            post("heron", f"h{n}", FIRST + timedelta(days=30 * n, hours=n % 5), f"boat-{n}")
            for n in range(10)
        ]
        keep.pages(tx, words, source, [page(*again, thread="7", host="copy.test")], READ)
        sites = dict(tx.execute(select(Site.host, Site.id)).all())
        tx.execute(
            update(Site)
            .where(Site.host == "copy.test")
            .values(mirror_of=sites["forum.test"], mirror_why="the same pages")
        )
    assert len(gathered(town).observed.posts) > len(before.observed.posts), "a guess folds nothing"
    with town.database.write() as tx:
        number, original = sites["copy.test"], sites["forum.test"]
        mirrors.judge(tx, town.who, town.case_id, number, original, "the same pages")
    after = gathered(town)
    assert len(after.observed.posts) == len(before.observed.posts)
    assert after.observed.accounts == before.observed.accounts
    copy = town.account("heron", sites["copy.test"])
    assert after.root[copy] == town.account("heron")
    info = ranking.rank(town.database, town.who, town.case_id, town.desk())
    with town.database.read() as tx:
        first = ranking.ranked(tx, town.who, town.case_id, info.id)[0]
        found = ranking.of_account(tx, town.who, town.case_id, copy)
    assert first.explanation["mirrored"] == [copy]
    assert found is not None
    assert found.place == 1


def test_sites_that_are_each_others_copies_do_not_hang(town: Town):
    with town.database.write() as tx:
        tx.execute(update(Site).where(Site.id == 1).values(mirror_of=2, judged_by=1))
        tx.execute(update(Site).where(Site.id == 2).values(mirror_of=1, judged_by=1))
    assert {one.site for one in gathered(town).observed.accounts} == {1}


def test_media_that_meet_one_entry_are_one_thing(town: Town):
    with town.database.write() as tx:
        source = Source(town.case_id, "crawl order 1", timedelta(days=400))
        small = post("wren", "w2", FIRST + timedelta(days=1), "mast-1-small", "other")
        keep.pages(tx, town.words, source, [page(small, thread="8", host="forum.test")], READ)
        known = [hashed("mast-1-small", 116), hashed("other", 900, code="none")]
        places.settle(tx, town.case_id, known, READ)
    observed = gathered(town).observed
    shown = {
        shown.media: one.account
        for one in observed.posts
        if one.account == town.account("wren")
        for shown in one.shown
    }
    known = {media: observed.known[media] for media in shown if media in observed.known}
    assert len(shown) == 3
    assert len(known) == 2, "an entry that says it is nothing counts nothing"
    assert len({entry.entity for some in known.values() for entry in some}) == 1
    assert {entry.severity for some in known.values() for entry in some} == {3}


def test_what_is_quoted_stands_as_quoted(town: Town):
    with town.database.write() as tx:
        source = Source(town.case_id, "crawl order 1", timedelta(days=400))
        quoting = post("gull", "q1", FIRST + timedelta(days=200))
        quoted = tuple(
            MediaSeen(f"http://pictures.test/boat-{n}.jpg", MediaRole.QUOTED) for n in range(6)
        )
        changed = type(quoting)(
            key="q1", author=quoting.author, posted_at=quoting.posted_at, text="?", media=quoted
        )
        keep.pages(tx, town.words, source, [page(changed, thread="9", host="forum.test")], READ)
    info = ranking.rank(town.database, town.who, town.case_id, town.desk())
    assert info.withheld[NOTHING_KNOWN] == 3, "a quoter has nothing of their own"


def test_a_table_of_severities_that_does_not_hold_is_refused(town: Town, tmp_path):
    for text in ("version = 'x'\n[codes.a]\nb = 900", "codes = 1", "x"):
        path = tmp_path / "severity.toml"
        path.write_text(text)
        with pytest.raises(SettingsError):
            town.desk(LeadsSettings(severity=path))
    own = tmp_path / "own.toml"
    own.write_text("version = 'own'\n[codes.uk-abc]\nA = 0\n")
    info = ranking.rank(
        town.database, town.who, town.case_id, town.desk(LeadsSettings(severity=own))
    )
    assert (info.ranked, info.parameters["severity"]) == (0, "own")
    assert severity.load().of([["vics-2.0-US-media", "1"], ["x", "y"]]) == 3
    assert severity.load().of([["nobody", "1"]]) == 1
