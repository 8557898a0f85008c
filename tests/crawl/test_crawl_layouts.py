"""Every layout: whose posts are whose, when, what is quoted, and what is answered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from crawl_pages import SAMPLES, Sample
from tutela.crawl.events import Terms
from tutela.crawl.reading import read
from tutela.observation.model import EventKind, Layout, MediaRole, PageSeen

AT = datetime(2024, 1, 5, 10, tzinfo=UTC)


@pytest.fixture(params=SAMPLES, ids=[sample.name for sample in SAMPLES])
def sample(request: pytest.FixtureRequest) -> Sample:
    return request.param


@pytest.fixture
def page(sample: Sample) -> PageSeen:
    return read(sample.html.encode(), sample.url, sample.content_type, Terms())


def test_the_layout_is_known_and_says_why(sample, page):
    assert page.layout is sample.layout
    assert page.why
    assert page.confidence >= (0.4 if sample.layout is Layout.GENERIC else 0.6)


def test_each_post_is_its_authors(sample, page):
    first, second = page.posts[:2]
    assert (first.author.handle, second.author.handle) == ("Anna", "Bert")
    assert (first.author.key, second.author.key) == sample.accounts
    assert (first.author.role, second.author.role) == sample.roles


def test_posts_have_the_keys_and_times_of_their_site(sample, page):
    first, second = page.posts[:2]
    assert (first.key, second.key) == sample.keys
    assert (first.posted_at, second.posted_at) == (AT, AT + timedelta(minutes=15))


def test_the_thread_is_named(sample, page):
    assert page.thread == sample.thread
    assert page.thread_title == sample.title


def test_words_are_credited_to_who_wrote_them(sample, page):
    first, second = page.posts[:2]
    assert first.text.startswith("I have a blue one.")
    assert "blue one" not in second.text
    assert "I would like it." in second.text
    assert not any("albums" in post.text for post in page.posts)
    if sample.quoted:
        assert any("I have a blue one." in quote for quote in second.quotes)


def test_answers_links_and_media_are_seen(sample, page):
    first, second = page.posts[:2]
    if sample.answered:
        assert second.replies_to == (sample.keys[0],)
        assert EventKind.REPLY in {event.kind for event in second.events}
    if sample.pictured:
        posted = [media for media in first.media if media.role is MediaRole.POSTED]
        assert posted
        assert posted[0].url.startswith("http://")
        assert EventKind.MEDIA in {event.kind for event in first.events}
        assert second.links == ("https://album.test/blue",)
        assert "https://album.test/blue" in page.links


def test_avatars_are_nobodys_posts(page):
    for post in page.posts:
        for media in post.media:
            assert ("avatar" in media.url) == (media.role is MediaRole.AVATAR)


def test_reading_again_says_the_same(sample, page):
    assert read(sample.html.encode(), sample.url, sample.content_type, Terms()) == page


def test_greentext_of_nobody_stays_its_authors():
    sample = next(s for s in SAMPLES if s.name == "vichan")
    page = read(sample.html.encode(), sample.url, sample.content_type, Terms())
    assert ">being without stamps" in page.posts[1].text
    assert page.posts[1].quotes == (">I have a blue one.",)


def test_a_page_without_posts_has_none():
    page = read(b"<h1>Welcome</h1><p>Nothing is here.</p>", "http://a.test/", "text/html", Terms())
    assert page.layout is Layout.GENERIC
    assert page.posts == ()
    assert page.confidence < 0.2


def test_a_list_of_boards_holds_no_posts():
    rows = "".join(
        f'<tr><td><a href="viewforum.php?f={n}">Board {n}</a></td><td>12</td>'
        f'<td>by <a href="/u/{n}">Anna</a> Fri Jan 05, 2024 10:00 am</td></tr>'
        for n in range(9)
    )
    page = read(f"<table>{rows}</table>".encode(), "http://a.test/", "text/html", Terms())
    assert page.posts == ()


def test_a_thread_says_how_often_it_was_read():
    sample = next(s for s in SAMPLES if s.name == "SMF")
    page = read(sample.html.encode(), sample.url, sample.content_type, Terms())
    assert page.views == 1204


def test_a_paste_is_one_post():
    html = (
        "<html><head><title>Stamps - Pastes</title></head><body>"
        '<div class="paste-info">by <a class="username" href="/u/Anna">Anna</a>'
        ' <span class="date">Jan 5th, 2024 10:00</span> <span class="visits">17</span></div>'
        f"<textarea>{'One blue stamp, to swap. ' * 9}</textarea></body></html>"
    )
    page = read(html.encode(), "http://paste.test/x7Qp", "text/html", Terms())
    assert page.layout is Layout.PASTE
    (post,) = page.posts
    assert (post.key, post.author.handle, post.posted_at, post.views) == ("x7Qp", "Anna", AT, 17)
    assert post.text.startswith("One blue stamp")


def test_plain_text_is_a_paste():
    page = read(b"One stamp.\nTwo stamps.", "http://paste.test/raw/x7", "text/plain", Terms())
    assert page.layout is Layout.PASTE
    assert page.posts[0].text == "One stamp.\nTwo stamps."
    assert page.posts[0].author is None
