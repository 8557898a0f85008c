"""What people do in posts, by structure and by words that an agency supplies."""

from __future__ import annotations

import time

import pytest

from tutela.core.errors import SettingsError
from tutela.crawl.events import Terms, matcher
from tutela.crawl.reading import read
from tutela.observation.model import EventKind, EventSeen, PostSeen

URL = "http://board.test/viewtopic.php?t=7"
TOML = """
offer = ["swap stamps", "zu tauschen"]
request = ["looking for", "\u5207\u624b"]
thanks = ["thank you", "cheers"]
"""
TERMS = Terms.read(TOML)


def posts(*words: str, after: str = "") -> tuple[PostSeen, ...]:
    html = "".join(
        f'<div class="post" id="p{number}"><a class="username">User{number}</a>'
        f'<div class="content">{said}</div>{after}</div>'
        for number, said in enumerate(words, 1)
    )
    return read(html.encode(), URL, "text/html; charset=utf-8", TERMS).posts


def events(words: str) -> tuple[EventSeen, ...]:
    return posts(words)[0].events


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("I SWAP  Stamps!", EventSeen(EventKind.OFFER, "", "term: offer 1")),
        ("Blaue zu\ntauschen", EventSeen(EventKind.OFFER, "", "term: offer 2")),
        ("\uff33\uff37\uff21\uff30 stamps", EventSeen(EventKind.OFFER, "", "term: offer 1")),
        ("Looking for blue", EventSeen(EventKind.REQUEST, "", "term: request 1")),
        ("\u9752\u3044\u5207\u624b\u3092", EventSeen(EventKind.REQUEST, "", "term: request 2")),
        ("cheers", EventSeen(EventKind.THANKS, "", "term: thanks 2")),
    ],
)
def test_terms_are_found_as_whole_words_in_any_case(words, wanted):
    assert events(words) == (wanted,)


@pytest.mark.parametrize(
    "words", ["swap stampsx", "xswap stamps", "swap my stamps", "stamps swap", ""]
)
def test_parts_of_terms_are_none(words):
    assert events(words) == ()


def test_no_terms_find_nothing():
    assert list(matcher(Terms()).find("swap stamps")) == []


def test_many_terms_cost_little():
    many = matcher(Terms(offer=tuple(f"word{n} other" for n in range(20_000))))
    begin = time.process_time()
    assert list(many.find("word19999 other " + "nothing here " * 50_000)) == [
        (EventKind.OFFER, 20_000)
    ]
    assert time.process_time() - begin < 1


def test_thanks_in_an_answer_concern_what_is_answered():
    answer = '<a href="#p1">&gt;&gt;1</a> thank you'
    assert events_of_kind(posts("a", answer)[1], EventKind.THANKS) == ["1"]


def test_a_list_of_thanks_is_of_those_who_thank():
    after = '<div class="thanks">Thanked by: <a href="/u/5">Anna</a>, <a href="/u/6">Bert</a></div>'
    post, *thanks = posts("mine", after=after)
    assert post.events == ()
    assert [one.author.handle for one in thanks] == ["Anna", "Bert"]
    assert {event for one in thanks for event in one.events} == {
        EventSeen(EventKind.THANKS, "1", "structure: list of thanks")
    }
    assert not any(one.text for one in thanks)


def test_media_and_links_elsewhere_are_events_and_own_pages_are_not():
    (post,) = posts(
        '<img src="/a.png"> <a href="/faq">f</a> <a href="https://x.test/b">b</a>'
        ' <a href="/c.jpg">c</a>'
    )
    assert [(event.kind, event.about) for event in post.events] == [
        (EventKind.MEDIA, "http://board.test/a.png"),
        (EventKind.MEDIA, "http://board.test/c.jpg"),
        (EventKind.LINK, "https://x.test/b"),
    ]
    assert all(event.reason for event in post.events)


@pytest.mark.parametrize(
    "toml", ["offer = 1", 'trade = ["a"]', "offer = [", f"offer = {['a'] * 20_001}"]
)
def test_a_list_that_is_none_is_refused(toml):
    with pytest.raises(SettingsError) as refused:
        Terms.read(toml)
    assert refused.value.code == "terms"


def events_of_kind(post: PostSeen, kind: EventKind) -> list[str]:
    return [event.about for event in post.events if event.kind is kind]
