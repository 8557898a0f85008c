"""Mirrors: the same posts elsewhere, and sites that only share people or manners."""

from __future__ import annotations

from itertools import product

from tutela.crawl.likeness import joined, likeness, sketch
from tutela.crawl.traps import distance_bits, simhash
from tutela.observation.model import Author, Layout, PageSeen, PostSeen


def site(texts: range, names: str = "Anna Bert Carl", title: str = "Swapping") -> PageSeen:
    people = names.split()
    posts = tuple(
        PostSeen(
            key=str(n),
            author=Author(people[n % len(people)]),
            text=f"Stamp number {n} is blue and was printed in the year {1900 + n}",
        )
        for n in texts
    )
    return PageSeen(layout=Layout.FORUM, confidence=0.9, thread_title=title, posts=posts)


def test_a_mirror_is_known_by_its_posts_and_says_so():
    alike = likeness(sketch([site(range(30))]), sketch([site(range(10, 40))]))
    assert not alike.mirror
    whole = likeness(sketch([site(range(30))]), sketch([site(range(25))]))
    assert whole.mirror
    assert any("25 posts in common" in reason for reason in whole.reasons)


def test_the_same_people_with_other_posts_are_no_mirror():
    assert likeness(sketch([site(range(30))]), sketch([site(range(100, 130))])).score == 0


def test_the_same_words_by_others_are_no_mirror():
    other = site(range(30), names="Dora Emil Fred")
    assert not likeness(sketch([site(range(30))]), sketch([other])).mirror


def test_a_few_posts_say_nothing():
    alike = likeness(sketch([site(range(4))]), sketch([site(range(4))]))
    assert alike.score == 0
    assert "too few" in alike.reasons[0]


def test_short_words_do_not_count():
    thanks = PageSeen(
        layout=Layout.FORUM,
        confidence=1,
        posts=tuple(PostSeen(key=str(n), author=Author(f"u{n}"), text="thanks") for n in range(50)),
    )
    assert likeness(sketch([thanks]), sketch([thanks])).score == 0


def test_sketches_of_pages_are_joined():
    pages = [site(range(15)), site(range(15, 30))]
    whole = joined(sketch(pages[:1]), sketch(pages[1:]))
    assert whole.posts == sketch(pages).posts
    assert likeness(whole, sketch(pages)).mirror


def test_texts_that_differ_little_have_simhashes_that_differ_little():
    syllables = ["".join(three) for three in product("bdfgk", "aeiou", "lmnrs")]
    words = [f"{one} and {one[::-1]}" for one in syllables]
    text = " ".join(words)
    other = " ".join(["changed", *words[1:]])
    assert distance_bits(simhash(text) or 0, simhash(other) or 0) <= 8
    else_ = " ".join(one + one for one in syllables)
    assert distance_bits(simhash(text) or 0, simhash(else_) or 0) > 16
    assert simhash("") is None
