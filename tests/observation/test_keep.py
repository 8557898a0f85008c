"""Pages are kept once, with every post, name, event and place of media, and words sealed."""

from __future__ import annotations

import random
import threading
from datetime import timedelta

import msgspec
import pytest
from observed import MONDAY, page
from sqlalchemy import func, select

from tutela.core.errors import IntegrityError, UsageError
from tutela.observation import keep, sealing
from tutela.observation.model import (
    Author,
    EntityKind,
    EntitySeen,
    EventKind,
    EventSeen,
    MediaRole,
    MediaSeen,
    PostSeen,
)
from tutela.store.bulk import update_rows
from tutela.store.tables.observation import (
    Entity,
    ExchangeEvent,
    MediaPlace,
    Mention,
    Post,
    Site,
    SiteAccount,
    SitePage,
    TextKey,
)

ANN, BOB = Author("Ann", "11"), Author("Bob", "12", "moderator")


def post(
    key: str, author: Author | None = ANN, text: str = "a stamp from Fiji", **more
) -> PostSeen:
    return PostSeen(key=key, author=author, posted_at=MONDAY - timedelta(days=3), text=text, **more)


def count(desk, table) -> int:
    with desk.database.read() as tx:
        return tx.execute(select(func.count()).select_from(table)).scalar_one()


def test_a_page_is_kept_with_all_that_it_shows(desk):
    shown = post(
        "1",
        media=(MediaSeen("http://forum.test/1.jpg"), MediaSeen("http://forum.test/2.jpg")),
        entities=(EntitySeen(EntityKind.EMAIL, "ann@post.test", checked=True),),
        events=(EventSeen(EventKind.OFFER, reason="term: offer 1"),),
        views=12,
    )
    (kept,) = desk.keep(page(shown, post("2", BOB, replies_to=("1",)), title="Stamps"))
    assert (kept.first, kept.changed, kept.posts, kept.new_posts) == (True, False, 2, 2)
    assert kept.unfetched == ("http://forum.test/1.jpg", "http://forum.test/2.jpg")
    with desk.database.read() as tx:
        rows = tx.execute(select(Post.__table__).order_by(Post.key)).all()
        assert [(row.key, row.views, row.replies_to) for row in rows] == [
            ("1", 12, []),
            ("2", None, ["1"]),
        ]
        accounts = {row.identity: row for row in tx.execute(select(SiteAccount.__table__))}
        assert {name: row.role for name, row in accounts.items()} == {
            "key:11": "",
            "key:12": "moderator",
        }
        assert rows[0].account_id == accounts["key:11"].id
        assert tx.execute(select(Entity.kind, Entity.value)).all() == [("email", "ann@post.test")]
        assert tx.execute(select(ExchangeEvent.kind, ExchangeEvent.reason)).all() == [
            ("offer", "term: offer 1")
        ]
        assert {row.post for row in tx.execute(select(MediaPlace.post))} == {rows[0].id}
        opened = desk.words.opened(tx, [row.id for row in rows])
    assert list(opened.values()) == ["a stamp from Fiji"] * 2
    assert all(b"stamp" not in row.words for row in rows)


def test_read_again_nothing_is_doubled(desk):
    shown = page(post("1", media=(MediaSeen("http://x.test/1"),)), post("2", BOB))
    first, again = desk.keep(shown), desk.keep(shown, moment=MONDAY + timedelta(hours=1))
    assert (again[0].site_id, again[0].page_id) == (first[0].site_id, first[0].page_id)
    assert (again[0].first, again[0].changed, again[0].new_posts) == (False, False, 0)
    assert [count(desk, table) for table in (Site, SitePage, SiteAccount, Post, MediaPlace)] == [
        1,
        1,
        2,
        2,
        1,
    ]
    changed = page(post("1"), post("2", BOB), post("3"), body=b"other")
    (more,) = desk.keep(changed, moment=MONDAY + timedelta(hours=2))
    assert (more.first, more.changed, more.posts, more.new_posts) == (False, True, 3, 1)
    with desk.database.read() as tx:
        assert tx.execute(select(SitePage.changed, SitePage.posts)).one() == (1, 3)
        assert tx.execute(select(Site.last_seen_at)).scalar_one() == MONDAY + timedelta(hours=2)


def test_the_same_post_on_two_pages_has_one_row_and_its_first_words(desk):
    one = page(post("1"), post("2"))
    other = msgspec.structs.replace(
        page(post("2", text="edited"), post("3")), url="http://forum.test/b"
    )
    kept = desk.keep(one, other)
    assert [each.posts for each in kept] == [2, 2]
    assert count(desk, Post) == 3
    with desk.database.read() as tx:
        second = tx.execute(select(Post.id).where(Post.key == "2")).scalar_one()
        assert desk.words.opened(tx, [second]) == {second: "a stamp from Fiji"}


def test_threads_and_sites_keep_their_posts_apart(desk):
    desk.keep(page(post("1")), page(post("1"), thread="8"), page(post("1"), host="other.test"))
    assert count(desk, Post) == 3
    assert count(desk, SiteAccount) == 2, "an account is one of its site"


def test_handles_are_told_apart_by_what_the_site_shows(desk):
    pairs = (("Ann", "11"), ("ANN", ""), ("ann\u200b", ""), ("\u0430nn", ""))
    desk.keep(page(*(post(str(n), Author(handle, key)) for n, (handle, key) in enumerate(pairs))))
    with desk.database.read() as tx:
        rows = tx.execute(select(SiteAccount.identity, SiteAccount.skeleton)).all()
    assert {row.identity for row in rows} == {"key:11", "handle:ann", "handle:\u0430nn"}
    assert {row.skeleton for row in rows} == {"ann"}, "they look alike all the same"


def test_what_its_author_also_writes_is_not_only_quoted(desk):
    mail, bare = (
        EntitySeen(EntityKind.EMAIL, "a@b.test", quoted=quoted) for quoted in (True, False)
    )
    desk.keep(
        page(
            post("1", entities=(mail, bare)),
            post("2", entities=(mail,)),
            post("3", entities=(bare, mail)),
        )
    )
    with desk.database.read() as tx:
        rows = tx.execute(
            select(Post.key, Mention.quoted).join(Mention, Mention.post_id == Post.id)
        ).all()
    assert dict(map(tuple, rows)) == {"1": False, "2": True, "3": False}
    assert count(desk, Entity) == 1


def test_a_signature_counts_for_whom_its_text_names(desk):
    def signed(**more) -> EntitySeen:
        return EntitySeen(EntityKind.PGP_KEY, "AB" * 20, checked=True, verified=True, **more)

    own = signed(names_author=True, statement="11")
    desk.keep(
        page(
            post("1", entities=(own,)),
            post("2", entities=(signed(statement="11"),)),
            post("3", entities=(signed(names_author=True, statement="11", quoted=True),)),
            post("4", entities=(EntitySeen(EntityKind.PGP_KEY, "AB" * 20, checked=True), own)),
        )
    )
    columns = (Post.key, Mention.verified, Mention.names_author, Mention.statement, Mention.quoted)
    with desk.database.read() as tx:
        rows = tx.execute(select(*columns).join(Mention, Mention.post_id == Post.id)).all()
    assert set(map(tuple, rows)) == {
        ("1", True, True, "11", False),
        ("2", True, False, "11", False),
        ("3", False, False, "", True),
        ("4", True, True, "11", False),
    }


def test_media_at_several_places_are_asked_for_until_fetched(desk):
    url = "http://img.test/1.jpg"
    quoted = MediaSeen(url, MediaRole.QUOTED)
    first = desk.keep(page(post("1", media=(MediaSeen(url),))))
    second = desk.keep(page(post("9", BOB, media=(quoted,)), thread="9"))
    assert first[0].unfetched == second[0].unfetched == (url,)
    assert count(desk, MediaPlace) == 2


def test_words_that_were_changed_or_moved_do_not_open(desk):
    desk.keep(page(post("1", text="one"), post("2", text="two")))
    with desk.database.write() as tx:
        rows = tx.execute(select(Post.id, Post.words).order_by(Post.key)).all()
        update_rows(tx, Post, [{"id": rows[0].id, "words": rows[1].words}])
    with desk.database.read() as tx:
        assert desk.words.opened(tx, [rows[1].id]) == {rows[1].id: "two"}
        with pytest.raises(IntegrityError, match="do not open"):
            desk.words.opened(tx, [rows[0].id])


def test_each_week_and_source_has_a_key_of_its_own(desk):
    other = keep.Source(desk.case.id, "crawl order 2", timedelta(days=1))
    desk.keep(page(post("1")))
    desk.keep(page(post("2")), moment=MONDAY + timedelta(days=6))
    desk.keep(page(post("3")), moment=MONDAY + timedelta(days=7))
    desk.keep(page(post("4")), source=other)
    with desk.database.read() as tx:
        rows = tx.execute(select(TextKey.source, TextKey.week, TextKey.expires_at)).all()
    monday = MONDAY.replace(hour=0)
    week, month = timedelta(days=7), timedelta(days=30)
    assert set(map(tuple, rows)) == {
        ("crawl order 1", monday, monday + week + month),
        ("crawl order 1", monday + week, monday + 2 * week + month),
        ("crawl order 2", monday, monday + week + timedelta(days=1)),
    }
    fresh = sealing.Words(desk.vault)
    with desk.database.read() as tx:
        assert set(fresh.opened(tx, range(1, 5)).values()) == {"a stamp from Fiji"}


def test_keys_are_remembered_only_once_they_are_committed(desk):
    class Undo(Exception):  # noqa: N818 no error
        pass

    with pytest.raises(Undo), desk.database.write() as tx:
        keep.pages(tx, desk.words, desk.source, [page(post("1"))], MONDAY)
        raise Undo
    desk.words.undone()
    desk.keep(page(post("1")))
    with desk.database.read() as tx:
        assert desk.words.opened(tx, [1]) or desk.words.opened(tx, [2])


@pytest.mark.parametrize("odd", ["\ud800", "\0"], ids=["surrogate", "nul"])
def test_what_is_no_text_is_kept_all_the_same(desk, odd):
    name = EntitySeen(EntityKind.HANDLE, odd)
    shown = post(odd, text=f"{odd} half a pair", author=Author(f"{odd}x"), entities=(name,))
    desk.keep(page(shown, thread=f"t{odd}", title=odd))
    with desk.database.read() as tx:
        (words,) = desk.words.opened(tx, [tx.execute(select(Post.id)).scalar_one()]).values()
    assert "half a pair" in words


def test_many_who_keep_the_same_at_once_double_nothing(desk):
    shown = [
        page(
            *(post(str(n), Author(f"a{n % 5}")) for n in range(thread, thread + 6)),
            thread=str(thread % 4),
        )
        for thread in range(12)
    ]
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        mine = random.Random(seed).sample(shown, len(shown))
        words = sealing.Words(desk.vault)
        try:
            for start in range(0, len(mine), 3):
                with desk.database.write() as tx:
                    keep.pages(tx, words, desk.source, mine[start : start + 3], MONDAY)
        except BaseException as error:  # noqa: BLE001 told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not failed, failed
    wanted = {(read.page.thread, each.key) for read in shown for each in read.page.posts}
    assert count(desk, Post) == len(wanted)
    assert (count(desk, SitePage), count(desk, SiteAccount), count(desk, TextKey)) == (4, 5, 1)


def test_a_week_whose_words_are_destroyed_takes_no_more(desk):
    desk.keep(page(post("1")))
    with desk.database.write() as tx:
        key = tx.execute(select(TextKey.id)).scalar_one()
        update_rows(tx, TextKey, [{"id": key, "shredded_at": MONDAY}])
    desk.words = sealing.Words(desk.vault)
    with pytest.raises(UsageError, match="destroyed already"):
        desk.keep(page(post("2")))


def test_numbers_that_no_site_can_mean_do_no_harm(desk):
    seen = page(post("1", views=2**64 - 1), post("2", views=-4), views=2**63)
    odd = msgspec.structs.replace(seen.page, confidence=float("nan"))
    desk.keep(msgspec.structs.replace(seen, page=odd))
    with desk.database.read() as tx:
        assert tx.execute(select(SitePage.confidence)).scalar_one() == 0
        assert set(tx.execute(select(Post.views)).scalars()) == {keep.MOST_VIEWS, 0}
