"""Sites that never end come to an end here."""

from __future__ import annotations

import random

import pytest
from crawl_support import DONE, site
from msgspec.structs import replace

from tutela.crawl import frontier, traps, urls
from tutela.crawl.model import Finished, Link
from tutela.crawl.traps import Limits

WORDS = [
    "table",
    "chair",
    "lamp",
    "window",
    "garden",
    "river",
    "cloud",
    "stone",
    "bread",
    "spoon",
    "letter",
    "piano",
]


def shape(path: str) -> traps.Shape:
    return traps.shape_of(urls.canonical(f"http://a.test{path}"))


def text(seed: int, words: int = 300) -> str:
    chance = random.Random(seed)
    return " ".join(chance.choice(" ".join(WORDS).split()) for _ in range(words))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/a/b/c", ""),
        ("/a/b/a/b/a/b/a/b/", "trap_path_repeats"),
        ("/" + "/".join(f"d{n}" for n in range(30)), "trap_path_length"),
        ("/x?" + "&".join(f"p{n}={n}" for n in range(20)), "trap_parameters"),
    ],
)
def test_some_traps_show_in_a_url_alone(path, code):
    assert traps.look(urls.canonical(f"http://a.test{path}"), Limits()) == code


def test_numbers_tokens_and_slugs_make_no_other_shape():
    assert shape("/t/12?page=3").shape == shape("/t/977?page=41").shape
    assert shape("/f/9f86d081884c7d65/").shape == shape("/f/60303ae22b998861/").shape
    assert shape("/the-old-lamp-shop").shape == shape("/a-very-new-chair").shape
    assert shape("/t/12").shape != shape("/u/12").shape
    assert shape("/t?a=1").shape != shape("/t?b=1").shape
    assert shape("/t?a=1").stem == shape("/t?b=1").stem
    assert shape("/t?b=1&a=2").shape == shape("/t?a=1&b=2").shape


def test_dates_are_seen():
    assert shape("/2031/07/").calendar
    assert shape("/events?month=3").calendar
    assert not shape("/t/20311").calendar


def test_a_simhash_is_near_for_nearly_the_same_text_and_far_for_another():
    one = text(1)
    near = traps.simhash(one + " Page 1 of 9, 12:05") or 0
    assert traps.distance_bits(near, traps.simhash(one + " Page 7 of 9, 17:31") or 0) == 0
    assert traps.distance_bits(near, traps.simhash(one) or 0) <= 6
    assert traps.distance_bits(near, traps.simhash(text(2)) or 0) > 10
    assert -(2**63) <= near < 2**63
    assert traps.simhash("too short") is None
    assert traps.simhash("") is None
    assert traps.simhash("".join(chr(0x4E00 + n * 7 % 999) for n in range(400))) is not None


def finish(crawl, lease, links, outcome=DONE, **limits):
    found = Finished(lease, outcome, tuple(Link(one) for one in links))
    with crawl.database.write() as tx:
        return frontier.finish_many(tx, [found], limits=Limits(**limits))


def test_a_shape_and_a_calendar_have_a_quota(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    links = [f"http://127.0.0.1/t/{n}" for n in range(30)]
    links += [f"http://127.0.0.1/cal/{year}/05" for year in range(2001, 2031)]
    assert finish(crawl, lease, links, shape_urls=20, calendar_urls=5) == 25
    assert crawl.left() == {"trap_shape": 10, "trap_calendar": 25}
    again = crawl.lease()[0]
    assert finish(crawl, again, ["http://127.0.0.1/t/999"], shape_urls=20) == 0
    crawl.assert_adds_up()


def test_a_path_may_have_so_many_sets_of_parameters(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    links = [f"http://127.0.0.1/list?by{'x' * n}=1" for n in range(12)]
    assert finish(crawl, lease, links, queries=5) == 5
    assert crawl.left() == {"trap_queries": 7}


def test_pages_that_say_the_same_again_and_again_end_their_shape(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    links = [f"http://127.0.0.1/next/{n}" for n in range(40)] + ["http://127.0.0.1/other"]
    finish(crawl, lease, links)
    same = replace(DONE, simhash=traps.simhash(text(5)))
    done = 0
    for lease in crawl.lease(12):
        if "/next/" in lease.url:
            finish(crawl, lease, [], same, near_pages=5)
            done += 1
    left = crawl.states()
    assert left["skipped"] == 40 - done
    assert crawl.reasons()["trap_same_text"] == left["skipped"]
    crawl.assert_adds_up()
    (other,) = [one for one in crawl.lease() if one.url.endswith("/other")] or [lease]
    assert other.url.endswith("/other")
    assert finish(crawl, other, ["http://127.0.0.1/next/77"]) == 0
    assert crawl.left() == {"trap_same_text": 1}


def test_pages_that_differ_go_on(crawl):
    crawl.ordered(site("127.0.0.1"))
    (lease,) = crawl.lease()
    finish(crawl, lease, [f"http://127.0.0.1/next/{n}" for n in range(40)])
    for number, lease in enumerate(crawl.lease(12)):
        outcome = replace(DONE, simhash=traps.simhash(text(number)))
        finish(crawl, lease, [], outcome, near_pages=5)
    assert "skipped" not in crawl.states()
