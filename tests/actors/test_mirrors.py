"""Copies of sites are guessed by shared posts, and count as one only once a person says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from leads_support import FIRST, READ, Town, page, post
from sqlalchemy import select

from tutela.core.errors import AccessError, UsageError
from tutela.observation import keep, mirrors
from tutela.observation.keep import Source
from tutela.store.tables.observation import Site


def copy(town: Town, host: str, posts: int) -> int:
    """Let a site have the first posts of heron on the forum, and return its number."""
    source = Source(town.case_id, "crawl order 1", timedelta(days=400))
    same = [
        post("heron", f"h{n}", FIRST + timedelta(days=30 * n, hours=n % 5)) for n in range(posts)
    ]
    with town.database.write() as tx:
        moment = READ + timedelta(days=1)
        keep.pages(tx, town.words, source, [page(*same, thread="7", host=host)], moment)
        return tx.execute(select(Site.id).where(Site.host == host)).scalar_one()


def site(town: Town, number: int):
    with town.database.read() as tx:
        return tx.execute(select(Site.__table__).where(Site.id == number)).one()


def test_a_site_with_the_same_posts_is_guessed_to_be_a_copy(town: Town):
    whole, few = copy(town, "copy.test", 10), copy(town, "few.test", 9)
    with town.database.write() as tx:
        assert mirrors.guess(tx, town.case_id) == 1
    found = site(town, whole)
    assert (found.mirror_of, found.judged_by) == (2, None)
    assert found.mirror_why == "10 of 10 posts are the same"
    assert site(town, few).mirror_of is None
    assert site(town, 2).mirror_of is None, "the one seen first is the original"


def test_what_a_person_says_stays_and_can_be_said_anew(town: Town):
    whole = copy(town, "copy.test", 10)
    with town.database.write() as tx:
        mirrors.judge(tx, town.who, town.case_id, whole, None, "only its archive")
        assert mirrors.guess(tx, town.case_id) == 0
    assert site(town, whole).mirror_of is None
    with town.database.write() as tx:
        mirrors.judge(tx, town.who, town.case_id, whole, 2, "it is, after all")
    assert site(town, whole).mirror_of == 2
    with town.database.write() as tx:
        for wrong in (whole, 99):
            with pytest.raises(UsageError):
                mirrors.judge(tx, town.who, town.case_id, whole, wrong, "x")
        other = town.office.person("supervisor", 1)
        with pytest.raises(AccessError):
            mirrors.judge(tx, other, town.case_id, whole, 2, "x")
