"""Media are settled once, raised at every place where a list knows them, and drafted as notices."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from observed import MONDAY, page
from sqlalchemy import delete, select

from tutela.audit import log
from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.core.hit import Hit, Strength
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList
from tutela.observation import comparing, notices, places, raising, retention
from tutela.observation.model import EntityKind, EntitySeen, MediaRole, MediaSeen, PostSeen
from tutela.observation.notices import Policy
from tutela.observation.places import Hashed
from tutela.store.bulk import update_rows
from tutela.store.columns import Table
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Case
from tutela.store.tables.observation import (
    Entity,
    MediaPlace,
    Mention,
    Notice,
    Post,
    SeenHit,
    SeenMedia,
    Site,
    TextKey,
)

URL = "http://img.test/1.jpg"
EVERYTHING = Policy(indicative=True)


def digests(seed: str) -> Digests:
    data = seed.encode()
    return Digests(
        md5=hashlib.md5(data, usedforsecurity=False).digest(),
        sha1=hashlib.sha1(data, usedforsecurity=False).digest(),
        sha256=hashlib.sha256(data).digest(),
    )


def entry(seed: str) -> ListEntry:
    return ListEntry(
        provenance=Provenance("known", "test", 1, datetime(2026, 1, 1, tzinfo=UTC)),
        digests=Digests(sha256=digests(seed).sha256),
        classifications=(Classification("uk-abc", "A"),),
    )


def hit(
    seed: str, strength: Strength = Strength.EXACT, distance: int = 0, role: Role = Role.ALERT
) -> Hit:
    algorithm = "sha256" if strength is Strength.EXACT else PDQ
    return Hit("known", role, 4, entry(seed), algorithm, strength, distance)


def hashed(seed: str, url: str = URL, *hits: Hit, **more) -> Hashed:
    bits = hashlib.sha256(b"pdq" + seed.encode()).digest()
    return Hashed(
        url=url,
        digests=digests(seed),
        size_bytes=len(seed),
        kind="jpeg",
        fingerprints=(Fingerprint(PDQ, bits, 90),),
        hits=hits,
        generation=1,
        **more,
    )


def seen(key: str, *urls: str, role: MediaRole = MediaRole.POSTED, **more) -> PostSeen:
    return PostSeen(
        key=key, text="words", media=tuple(MediaSeen(url, role) for url in urls), **more
    )


def settle(desk, *fetched: Hashed, policy: Policy = Policy(), moment=MONDAY):  # noqa: B008 frozen
    with desk.database.write() as tx:
        places.settle(tx, desk.case.id, fetched, moment)
        urls = [one.url for one in fetched]
        raised, events = raising.at(tx, desk.case.id, urls, policy, moment)
        log.record_many(tx, desk.investigator, events)
        return raised


def rows(desk, *columns):
    with desk.database.read() as tx:
        return tx.execute(select(*columns).order_by(columns[0])).all()


def test_a_known_media_is_raised_at_each_of_its_places_once(desk):
    desk.keep(page(seen("1", URL)), page(seen("2", URL, role=MediaRole.QUOTED), host="b.test"))
    raised = settle(desk, hashed("a", URL, hit("a")))
    assert len({one.place_id for one in raised}) == 2
    assert {one.strength for one in raised} == {Strength.EXACT}
    assert settle(desk, hashed("a", URL, hit("a"))) == [], "said once"
    acts = [row.action for row in rows(desk, AuditEvent.action)]
    assert acts.count("media.raised") == 2
    assert acts.count("notice.drafted") == 2
    assert rows(desk, SeenHit.list_name, SeenHit.entry, SeenHit.codes) == [
        ("known", 4, [["uk-abc", "A"]])
    ]


def test_a_place_that_comes_later_is_raised_without_fetching_again(desk):
    desk.keep(page(seen("1", URL)))
    settle(desk, hashed("a", URL, hit("a")))
    (later,) = desk.keep(page(seen("9", URL), thread="9"))
    assert later.unfetched == ()
    with desk.database.write() as tx:
        ((raised,), _) = raising.at(tx, desk.case.id, [URL], Policy(), MONDAY)
    assert raised.page_id == later.page_id, "the new place only"


def test_unknown_media_and_other_lists_raise_nothing(desk):
    other = "http://img.test/2.jpg"
    desk.keep(page(seen("1", URL, other)))
    assert settle(desk, hashed("a"), hashed("b", other, hit("b", role=Role.IGNORABLE))) == []
    assert rows(desk, SeenMedia.id, SeenMedia.listed, SeenMedia.kind) == [
        (1, False, "jpeg"),
        (2, False, "jpeg"),
    ]
    assert rows(desk, Notice.id) == []


def test_one_content_at_two_addresses_is_one_media(desk):
    other = "http://copy.test/x"
    desk.keep(page(seen("1", URL, other)))
    settle(desk, hashed("a"), hashed("a", other))
    assert len(rows(desk, SeenMedia.id)) == 1
    assert {row.media_id for row in rows(desk, MediaPlace.media_id)} == {1}


def test_what_could_not_be_fetched_says_why_and_another_order_may_try(desk):
    desk.keep(page(seen("1", URL)))
    settle(desk, Hashed(url=URL, trouble="too_large"))
    assert rows(desk, MediaPlace.trouble, MediaPlace.media_id) == [("too_large", None)]
    (later,) = desk.keep(page(seen("2", URL), thread="8"))
    assert later.unfetched == (URL,)
    assert {row.trouble for row in rows(desk, MediaPlace.trouble)} == {"too_large"}


def test_what_was_had_once_stays_known_where_it_is_gone_later(desk):
    desk.keep(page(seen("1", URL)))
    settle(desk, hashed("a", URL, hit("a")))
    settle(desk, Hashed(url=URL, trouble="not_found"))
    assert rows(desk, MediaPlace.media_id, MediaPlace.trouble) == [(1, "")]


def test_workers_that_missed_each_other_at_a_redirect_catch_up(desk):
    target = "http://img.test/2.jpg"
    desk.keep(page(seen("1", URL)), page(seen("2", URL), thread="2"))
    with desk.database.write() as tx:
        places.moved(tx, desk.case.id, {URL: target}, MONDAY)
    with desk.database.write() as tx:  # as if the second page had not been there yet
        update_rows(tx, MediaPlace, [{"id": 2, "trouble": "", "moved_to": ""}])
        tx.execute(delete(MediaPlace).where(MediaPlace.page_id == 2, MediaPlace.url == target))
    settle(desk, hashed("a", target, hit("a")))
    with desk.database.write() as tx:
        urls = places.catch_up(tx, desk.case.id, MONDAY)
        raised, _ = raising.at(tx, desk.case.id, urls, Policy(), MONDAY)
    assert [one.page_id for one in raised] == [2]


def test_workers_that_missed_each_other_catch_up(desk):
    desk.keep(page(seen("1", URL)), page(seen("2", URL), thread="2"))
    settle(desk, hashed("a", URL, hit("a")))
    with desk.database.write() as tx:  # as if this row had not been there yet
        update_rows(tx, MediaPlace, [{"id": 2, "media_id": None, "raised_at": None}])
    with desk.database.write() as tx:
        assert places.catch_up(tx, desk.case.id, MONDAY) == [URL]
        raised, _ = raising.at(tx, desk.case.id, [URL], Policy(), MONDAY)
        assert len(raised) == 1
        assert places.catch_up(tx, desk.case.id, MONDAY) == []


@pytest.mark.parametrize(
    ("policy", "strength", "net", "kind"),
    [
        (Policy(), Strength.EXACT, "clear", "hotline"),
        (Policy(), Strength.EXACT, "onion", "police"),
        (Policy(), Strength.INDICATIVE, "clear", None),
        (EVERYTHING, Strength.INDICATIVE, "clear", "hotline"),
        (Policy(clear=""), Strength.EXACT, "clear", None),
    ],
)
def test_the_policy_says_who_hears_of_it(desk, policy, strength, net, kind):
    desk.keep(page(seen("1", URL)))
    with desk.database.write() as tx:
        update_rows(tx, Site, [{"id": 1, "net": net}])
    settle(desk, hashed("a", URL, hit("a", strength, 12)), policy=policy)
    assert [row.kind for row in rows(desk, Notice.kind)] == ([kind] if kind else [])


def test_a_notice_counts_the_media_of_its_page_and_is_closed_by_a_person(desk):
    urls = [f"http://img.test/{n}" for n in range(3)]
    desk.keep(page(seen("1", *urls)))
    first = [hashed("a", urls[0], hit("a")), hashed("b", urls[1], hit("b", Strength.INDICATIVE, 9))]
    settle(desk, *first)
    who = desk.investigator
    with desk.database.write() as tx:
        (open_one,) = notices.export(tx, who, desk.case.id)
        assert (open_one.media, open_one.exact, open_one.host) == (2, 1, "forum.test")
        assert open_one.url == "http://forum.test/thread/7"
        with pytest.raises(UsageError, match="calls it"):
            notices.decide(tx, who, open_one.id, passed=True, words=" ")
        notices.decide(tx, who, open_one.id, passed=True, words="HL-77")
    with desk.database.write() as tx, pytest.raises(ConflictError, match="passed already"):
        notices.decide(tx, who, open_one.id, passed=False, words="no")
    with desk.database.read() as tx:
        assert notices.listed(tx, who, desk.case.id) == []
        assert [one.reference for one in notices.listed(tx, who, desk.case.id, "passed")] == [
            "HL-77"
        ]
    settle(desk, hashed("c", urls[2], hit("c")))
    with desk.database.read() as tx:
        assert [one.media for one in notices.listed(tx, who, desk.case.id)] == [3], (
            "news open it again"
        )


def test_notices_are_the_teams_only(desk):
    outsider = desk.office.person("supervisor", 1)
    with desk.database.read() as tx, pytest.raises(AccessError):
        notices.listed(tx, outsider, desk.case.id)


def test_a_list_that_learns_later_raises_what_is_long_gone(desk, tmp_path: Path):
    desk.keep(page(seen("1", URL), seen("2", "http://img.test/2")))
    settle(desk, hashed("a"), hashed("b", "http://img.test/2"))
    library = Library.create(tmp_path / "library")
    live = LiveList.create(tmp_path / "library", "known", role=Role.ALERT)
    live.apply([Change(b"1", entry("b"))], b"")

    def compare() -> tuple[int, int]:
        done = comparing.compare(
            desk.database, desk.investigator, desk.case.id, library, Policy(), MONDAY
        )
        return done.media, done.raised

    library.refresh()
    assert compare() == (2, 1)
    assert compare() == (0, 0)
    listed = {row.sha256: row.listed for row in rows(desk, SeenMedia.sha256, SeenMedia.listed)}
    assert listed == {digests("a").sha256: False, digests("b").sha256: True}
    live.apply([Change(b"2", entry("a"))], b"")
    library.refresh()
    assert compare() == (2, 1)


def test_words_go_when_their_time_is_over_and_no_backup_opens_them(desk):
    mail = EntitySeen(EntityKind.EMAIL, "a@b.test")
    desk.keep(page(seen("1", entities=(mail,))))
    desk.keep(page(seen("2", entities=(mail,)), thread="2"), moment=MONDAY + timedelta(days=20))
    sealed = rows(desk, Post.id, Post.words)
    end = MONDAY + timedelta(days=7 + 30)
    done = retention.expire(desk.database, desk.investigator, desk.vault, end)
    assert (done.weeks, done.posts, done.held) == (1, 1, 0)
    with desk.database.read() as tx:
        assert desk.words.opened(tx, [1, 2]) == {1: None, 2: "words"}
    with desk.database.write() as tx:  # a backup of the database brings the sealed words back
        update_rows(tx, Post, [{"id": 1, "words": sealed[0].words}])
    with desk.database.read() as tx:
        assert desk.words.opened(tx, [1]) == {1: None}
    assert [row.post_id for row in rows(desk, Mention.post_id)] == [2]
    assert len(rows(desk, Entity.id)) == 1, "it stands in the other post still"
    assert retention.expire(desk.database, desk.investigator, desk.vault, end).weeks == 0


def test_a_legal_hold_stops_the_clock(desk):
    desk.keep(page(seen("1")))
    with desk.database.write() as tx:
        update_rows(tx, Case, [{"id": desk.case.id, "legal_hold": True}])
    late = MONDAY + timedelta(days=400)
    done = retention.expire(desk.database, desk.investigator, desk.vault, late)
    assert (done.weeks, done.posts, done.held) == (0, 0, 1)
    with desk.database.read() as tx:
        assert desk.words.opened(tx, [1]) == {1: "words"}


def test_a_key_that_a_crash_left_is_destroyed_the_next_time(desk):
    desk.keep(page(seen("1")))
    with desk.database.write() as tx:
        update_rows(tx, TextKey, [{"id": 1, "shredded_at": MONDAY}])
    object_id = rows(desk, TextKey.object_id)[0].object_id
    assert desk.vault.has_key(object_id)
    retention.expire(desk.database, desk.investigator, desk.vault, MONDAY)
    assert not desk.vault.has_key(object_id)


def test_a_case_is_forgotten_with_its_words(desk):
    urls = (URL, "http://img.test/2")
    desk.keep(page(seen("1", *urls, entities=(EntitySeen(EntityKind.EMAIL, "a@b.test"),))))
    settle(desk, hashed("a", URL, hit("a")))
    object_id = rows(desk, TextKey.object_id)[0].object_id
    with desk.database.write() as tx:
        doomed = retention.forget_case(tx, desk.case.id, MONDAY)
        assert retention.forget_case(tx, desk.case.id, MONDAY) == []
    assert doomed == [object_id]
    for table in Table.__subclasses__():
        if table.__module__ == "tutela.store.tables.observation" and table is not TextKey:
            assert rows(desk, table.__table__.c[0]) == [], table
