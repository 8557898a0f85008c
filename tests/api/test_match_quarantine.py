"""Noisy entries do not answer any more until their owner lets them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from api_support import digest, image
from litestar.testing import TestClient
from matching_support import ask, follow, matched, near, pdq

from tutela.api import app
from tutela.core.errors import AccessError, UsageError
from tutela.core.matching import Remark
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Role
from tutela.core.settings import MatchSettings
from tutela.core.time import now
from tutela.exchange import feedback, match_counts, match_quarantine, match_tally
from tutela.exchange.match_quarantine import Cause
from tutela.exchange.match_tally import Fired, Tally
from tutela.exchange.model import Verdict

PICTURE = digest(1, "sha3_256")
LIMIT = 4


@pytest.fixture
def noisy(exchange, tmp_path):
    """A list whose entries are noisy after four contents, or two reports."""
    exchange.ids = exchange.add(image(1), image(2))
    follow(exchange, tmp_path / "library")
    settings = MatchSettings(quarantine_contents=LIMIT, quarantine_reports=2)
    with (
        matched(exchange, tmp_path / "library", settings) as exchange.matching,
        TestClient(app.build(exchange.desk)) as exchange.client,
    ):
        exchange.platform = exchange.members["platform"]
        yield exchange


def resembling(exchange, *distances: int):
    contents = [pdq(near(PICTURE, distance)) for distance in distances]
    return ask(exchange.client, exchange.platform, *contents).contents


def queue(exchange):
    with exchange.database.read() as tx:
        return match_quarantine.queue(tx, exchange.owner, exchange.list_id)


def release(exchange, entry) -> None:
    with exchange.database.write() as tx:
        match_quarantine.release(tx, exchange.owner, exchange.list_id, entry)
    exchange.matching.settle()


def test_an_entry_that_too_many_contents_resemble_is_put_aside_at_once(noisy):
    assert all(content.matches for content in resembling(noisy, *range(LIMIT)))
    (content,) = resembling(noisy, 9)
    assert content.matches == ()
    assert content.remarks == (Remark("known", noisy.ids[0], "quarantined"),)
    # The other entry goes on, and so does the very content of this one.
    known = Digests(sha256=digest(1, "sha256")), (Fingerprint(PDQ, PICTURE),)
    exact, other = ask(
        noisy.client, noisy.platform, known, pdq(digest(2, "sha3_256"))
    ).contents  # fmt: skip
    assert [m.entry for m in exact.matches + other.matches] == noisy.ids


def test_the_owner_is_told_and_the_log_too_once(noisy):
    resembling(noisy, *range(LIMIT + 3))
    noisy.matching.settle()
    noisy.matching.settle()
    (told,) = queue(noisy)
    assert (told.entry, told.cause, told.state, told.count) == (
        noisy.ids[0],
        Cause.RESEMBLES,
        "quarantined",
        LIMIT,
    )
    (event,) = noisy.events("entry.quarantined")
    assert event["subject"] == f"list:{noisy.list_id}"
    assert json.loads(event["body"])["data"] == {
        "cause": "resembles",
        "count": LIMIT,
        "entry": noisy.ids[0],
    }


def test_the_same_content_again_and_again_silences_nothing(noisy):
    for _ in range(3 * LIMIT):
        resembling(noisy, 5)
    exact = Digests(sha256=digest(1, "sha256")), ()
    for _ in range(3 * LIMIT):
        assert ask(noisy.client, noisy.platform, exact).contents[0].matches


def test_exact_answers_never_silence_an_entry(noisy):
    for number in range(3 * LIMIT):
        known = Digests(sha256=digest(1, "sha256"), md5=bytes([number]) * 16), ()
        assert ask(noisy.client, noisy.platform, known).contents[0].matches


def test_a_released_entry_answers_again_and_bears_twice_as_much(noisy):
    resembling(noisy, *range(LIMIT))
    noisy.matching.settle()
    release(noisy, noisy.ids[0])
    assert [event["subject"] for event in noisy.events("entry.released")]
    assert queue(noisy)[0].state == "released"
    assert all(c.matches for c in resembling(noisy, *range(2 * LIMIT)))
    assert not resembling(noisy, 20)[0].matches
    noisy.matching.settle()
    assert (queue(noisy)[0].state, queue(noisy)[0].count) == ("quarantined", 2 * LIMIT)


def test_another_server_hears_of_it_with_its_next_turn(noisy, tmp_path):
    with matched(noisy, tmp_path / "library") as other:
        resembling(noisy, *range(LIMIT))
        noisy.matching.settle()
        who = noisy.principal(noisy.platform)
        assert other.answer(who, [pdq(PICTURE)]).contents[0].matches
        other.settle()
        assert not other.answer(who, [pdq(PICTURE)]).contents[0].matches


def report(exchange, member, verdict=Verdict.FALSE_POSITIVE) -> None:
    with exchange.database.write() as tx:
        feedback.submit(
            tx, exchange.principal(member), exchange.list_id, exchange.ids[0], verdict
        )  # fmt: skip
    exchange.matching.settle()


def test_reports_of_two_members_silence_an_entry_wholly(noisy):
    second = noisy.join(noisy.account("Second Platform", "second", Role.LIST_MEMBER))
    known = Digests(sha256=digest(1, "sha256")), (Fingerprint(PDQ, PICTURE),)
    report(noisy, noisy.platform)
    report(noisy, second, Verdict.DISPUTE)
    assert ask(noisy.client, noisy.platform, known).contents[0].matches
    report(noisy, second)
    (content,) = ask(noisy.client, noisy.platform, known).contents
    assert content.matches == ()
    assert [remark.entry for remark in content.remarks] == [noisy.ids[0]]
    assert (queue(noisy)[0].cause, queue(noisy)[0].count) == (Cause.REPORTS, 2)
    release(noisy, noisy.ids[0])
    assert ask(noisy.client, noisy.platform, known).contents[0].matches


def test_declined_reports_do_not_count(noisy):
    second = noisy.join(noisy.account("Second Platform", "second", Role.LIST_MEMBER))
    report(noisy, noisy.platform)
    with noisy.database.write() as tx:
        (said,) = feedback.queue(tx, noisy.owner, noisy.list_id)
        feedback.answer(tx, noisy.owner, said.id, accept=False, reason="it is right")
    report(noisy, second)
    assert queue(noisy) == []


def test_only_the_owner_sees_the_queue_and_releases(noisy):
    resembling(noisy, *range(LIMIT))
    noisy.matching.settle()
    member = noisy.principal(noisy.platform)
    with noisy.database.write() as tx:
        for act in (
            lambda: match_quarantine.queue(tx, member, noisy.list_id),
            lambda: match_quarantine.release(tx, member, noisy.list_id, noisy.ids[0]),
            lambda: match_counts.of_list(tx, member, noisy.list_id, now()),
        ):
            with pytest.raises(AccessError):
                act()
        with pytest.raises(UsageError, match="not in quarantine"):
            match_quarantine.release(tx, noisy.owner, noisy.list_id, noisy.ids[1])
    assert not noisy.events("entry.released")


def test_counts_add_up_by_member_and_day(noisy):
    second = noisy.join(noisy.account("Second Platform", "second", Role.LIST_MEMBER))
    exact = Digests(sha256=digest(1, "sha256")), ()
    for turn in range(3):
        ask(noisy.client, noisy.platform, exact, pdq(near(digest(2, "sha3_256"), turn)))
        ask(noisy.client, second, exact)
        noisy.matching.settle()
    with noisy.database.read() as tx:
        counts = match_counts.of_list(tx, noisy.owner, noisy.list_id, now() - timedelta(days=1))
    assert [(c.organisation, c.entries, c.exact, c.indicative) for c in counts] == [
        ("Example Platform", 2, 3, 3),
        ("Second Platform", 1, 3, 0),
    ]


def test_a_window_forgets():
    clock = [0.0]
    tally = Tally(60, 3, lambda: clock[0])
    place = (1, 7)

    def fire(content: int):
        return tally.note(5, [Fired(place, exact=False, content=content)], {})

    assert not any(map(fire, (1, 2)))
    clock[0] = 61.0
    assert not any(map(fire, (3, 4)))
    assert fire(5) == [(place, 3)]
    assert not fire(6)  # said once


def test_counts_that_could_not_be_written_are_kept():
    tally = Tally(60, 0)
    tally.note(5, [Fired((1, 7), exact=True, content=1), Fired((1, 7), exact=False, content=2)], {})
    counts = tally.taken()
    assert tally.taken() == {}
    tally.give_back(counts)
    tally.note(5, [Fired((1, 7), exact=True, content=1)], {})
    assert tally.taken() == {((1, 7), 5): (2, 1)}


def test_a_flood_is_counted_and_not_told_apart(monkeypatch):
    monkeypatch.setattr(match_tally, "_TOLD_APART", 2)
    tally = Tally(60, 0)
    fired = [Fired((1, entry), exact=True, content=1) for entry in (5, 6, 7, 8, 5)]
    tally.note(3, fired, {})
    assert tally.taken() == {
        ((1, 5), 3): (2, 0),
        ((1, 6), 3): (1, 0),
        ((1, match_tally.OTHERS), 3): (2, 0),
    }


def test_an_owner_sees_and_releases_over_the_api(noisy):
    owner = noisy.account("Example Hotline", "hotline", Role.SUPERVISOR)
    resembling(noisy, *range(LIMIT))
    noisy.matching.settle()
    place = "/v1/lists/known/quarantine"
    (told,) = noisy.client.get(place, headers=owner.bearer).json()
    assert (told["entry"], told["state"], told["count"]) == (noisy.ids[0], "quarantined", LIMIT)
    (count,) = noisy.client.get("/v1/lists/known/answers", headers=owner.bearer).json()
    assert count == {
        "organisation": "Example Platform",
        "entries": 1,
        "exact": 0,
        "indicative": LIMIT,
    }
    release_it = f"{place}/{noisy.ids[0]}/release"
    for headers, status in ((noisy.platform.bearer, 403), (owner.bearer, 200), (owner.bearer, 404)):
        assert noisy.client.post(release_it, headers=headers).status_code == status
    noisy.matching.settle()
    assert resembling(noisy, 1)[0].matches
    for path in (place, "/v1/lists/known/answers", "/v1/lists/other/quarantine"):
        assert noisy.client.get(path, headers=noisy.platform.bearer).status_code == 403
    missing = noisy.client.get("/v1/lists/other/quarantine", headers=owner.bearer)
    assert missing.status_code == 404
    bad = noisy.client.get("/v1/lists/known/answers?days=0", headers=owner.bearer)
    assert bad.json()["code"] == "value"


def test_feedback_that_is_none_is_refused(noisy):
    place = f"/v1/lists/known/entries/{noisy.ids[0]}/feedback"
    for body in (b"{", b'{"verdict":"hmm"}', b'{"verdict":"confirm","who":"me"}'):
        response = noisy.client.post(place, content=body, headers=noisy.platform.bearer)
        assert (response.status_code, response.json()["code"]) == (422, "malformed")
