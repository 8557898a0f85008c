"""Where a round begins, what follows a page, and when it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from clients_support import (
    AT,
    QUICK,
    document,
    follow,
    gone,
    image,
    page,
    pdq,
    record,
    serving,
    update,
)

from tutela.exchange.subscribe.follow import sync_all
from tutela.exchange.subscribe.subscription import Followed, Subscription


def test_empty_pages_are_passed_over(tmp_path):
    pages = [page(token=f"t{n}") for n in range(4)]
    with serving([*pages, page(record(1)), page()]) as server:
        assert follow(tmp_path, server).sync().added == 1
        assert [one.query.get("nextPageToken") for one in server.asked] == [
            None,
            *("t0", "t1", "t2", "t3"),
        ]


@pytest.mark.parametrize(
    ("kind", "pages"),
    [
        ("stopncii", [page(record(1), token="same"), page(record(2), token="same")]),
        ("stopncii", [page(record(1), token="a"), page(record(2), token=None, more=True)]),
        (
            "stopncii",
            [page(record(1), token="a"), page(record(2), token="b"), page(token="a")],
        ),
        (
            "ncmec",
            [
                document(image(1), following="/v2/entries?start=1"),
                document(image(2), following="/v2/entries?start=1"),
            ],
        ),
        (
            "threatexchange",
            lambda asked: {
                "data": [update(len(asked.server.asked))][: len(asked.server.asked) < 3],
                "paging": {"next": f"{asked.server.url}/v1/99/threat_updates?after=1"},
            },
        ),
    ],
)
def test_a_stalled_page_ends_the_round_with_what_came(tmp_path, kind, pages):
    with serving(pages) as server:
        one = follow(tmp_path, server, kind)
        done = one.sync(refused="stalled")
        asked = len(server.asked)
    assert asked <= 3
    assert (done.by, done.rows, done.added, done.entries) == ("refused", 2, 2, 2)
    assert {pdq(1), pdq(2)} <= one.values()
    assert one.subscriptions.one("there").lists["there"].refused == "stalled"


def test_empty_pages_without_end_are_stalled(tmp_path):
    with serving(lambda asked: page(token=f"t{len(asked.server.asked)}")) as server:
        follow(tmp_path, server).sync(refused="stalled")
        assert len(server.asked) == QUICK.empty_pages + 1


def test_pages_without_end_are_taken_in_rounds(tmp_path):
    def endless(asked):
        number = len(asked.server.asked)
        return page(record(number), token=f"t{number}")

    with serving(endless) as server:
        one = follow(tmp_path, server)
        assert one.sync(refused="round_limit", pages=10).entries == 10
        assert one.sync(refused="round_limit", pages=10).entries == 20
        assert server.asked[10].query["nextPageToken"] == "t10"


def test_times_asked_for_are_utc_and_overlap(tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        with serving([document(image(1)), document()]) as server:
            one = follow(tmp_path, server, "ncmec")
            one.sync()
            one.sync()
            first, second = (asked.query for asked in server.asked)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()
    assert first["from"] == "1970-01-01T00:00:00Z"
    to = datetime.fromisoformat(first["to"])
    assert abs((datetime.now(UTC) - to).total_seconds() - 5) < 5
    begin = datetime.fromisoformat(second["from"])
    assert (to - begin).total_seconds() == 15 * 60


def test_a_clock_of_ours_that_is_ahead_loses_nothing(tmp_path):
    """The second round goes on from what the server calls now, and not from what we do."""
    behind = datetime.now(UTC) - timedelta(hours=3)

    def answer(asked):
        asked.send_response_only(200)
        asked.send_header("Date", format_datetime(behind, usegmt=True))
        asked.send_header("Content-Length", str(len(document(image(1)))))
        asked.end_headers()
        asked.wfile.write(document(image(1)))

    with serving([answer]) as server:
        one = follow(tmp_path, server, "ncmec")
        one.sync()
        assert len(server.asked) == 1
        one.sync()
        begin = datetime.fromisoformat(server.asked[1].query["from"])
    assert abs((behind - begin).total_seconds() - 15 * 60 - 5) <= 1


def test_a_time_to_come_does_not_stop_later_rounds(tmp_path):
    with serving([page(record(1), until=99_999_999_999), page(record(2))]) as server:
        one = follow(tmp_path, server)
        one.sync()
        one.sync()
        assert int(server.asked[1].query["startTimestamp"]) < time.time()


def test_a_range_that_is_too_much_at_once_is_made_smaller(tmp_path):
    def answer(asked):
        ends = [datetime.fromisoformat(asked.query[name]).timestamp() for name in ("from", "to")]
        if ends[1] - ends[0] > 10 * 366 * 86_400:
            return (500, b"")
        return document(image(1)) if ends[0] <= AT < ends[1] else document()

    with serving(answer) as server:
        one = follow(tmp_path, server, "ncmec")
        done = one.sync()
        assert (done.added, len(one.entries())) == (1, 1)
        ranges = [(a.query["from"], a.query["to"]) for a in server.asked]
    assert ranges[0][0] == ranges[1][0] == ranges[2][0]
    assert len({end for _, end in ranges}) > 2


def test_an_expired_page_begins_the_range_anew(tmp_path):
    with serving([page(record(1), token="old"), (500, b"")]) as server:
        one = follow(tmp_path, server)
        one.sync(refused="status")
        one.earlier(2 * 3600)
        server.answers = [page(record(2))]
        one.sync()
        assert "nextPageToken" not in server.asked[-1].query
        # It was a full round, and what it does not list any more goes.
        assert one.values() == {pdq(2)}
    with serving([page(record(1), token="void"), (500, b"")]) as server:
        one = follow(tmp_path / "void", server)
        one.sync(refused="status")
        server.answers = lambda asked: (
            (400, b"") if "nextPageToken" in asked.query else page(record(1), record(2))
        )
        assert one.sync().entries == 2


@pytest.mark.parametrize("why", ["stale", "gone"])
def test_a_full_round_removes_what_is_not_listed_any_more(tmp_path, why):
    with serving([{"data": [update(n) for n in range(1, 6)]}]) as server:
        one = follow(tmp_path, server, "threatexchange")
        one.sync()
        fewer = {"data": [update(2), update(3)]}
        if why == "stale":
            one.earlier(86 * 86_400)
            server.answers = [fewer]
        else:
            server.answers = lambda asked: (410, b"") if "start_time" in asked.query else fewer
        done = one.sync()
        assert "start_time" not in server.asked[-1].query
    assert (done.rows, done.removed, done.missing, done.entries) == (2, 3, 3, 2)
    assert one.values() == {pdq(2), pdq(3)}


def test_a_list_that_is_said_to_be_empty_is_kept(tmp_path):
    with serving([page(record(1), record(2)), page()]) as server:
        one = follow(tmp_path, server)
        one.sync()
        one.earlier(31 * 86_400)
        for _ in range(2):
            assert one.sync(refused="emptied").entries == 2
        server.answers = [page(record(3))]
        done = one.sync()
        assert int(server.asked[-1].query["startTimestamp"]) == 10
    assert (done.added, done.missing) == (1, 2)
    assert one.values() == {pdq(3)}


def test_one_source_that_is_refused_does_not_keep_the_others(tmp_path):
    with serving([page(record(1))]) as well, serving([(500, b"")]) as ill:
        one = follow(tmp_path, well)
        one.subscriptions.add(
            Subscription(
                name="also",
                url=f"{ill.url}/v1",
                kind="stopncii",
                credential=str(tmp_path / "none"),
                lists={"also": Followed(local="also", role="alert")},
            )
        )
        also, there = sync_all(one.subscriptions, one.library, 1 << 30, None)
    assert [error.code for error in also.refused] == ["service"]
    assert (there.refused, there.lists[0].added) == ([], 1)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from clients_support import Follower
from tutela.exchange.clients.sync import ClientSync
from tutela.exchange.subscribe.subscription import Subscriptions
home = Path(sys.argv[2])
subscriptions = Subscriptions(home / "subscriptions")
ClientSync(subscriptions, subscriptions.one("there"), home / "library").sync()
"""


@pytest.mark.parametrize("kind", ["stopncii", "ncmec"])
def test_a_sync_that_was_killed_goes_on_and_ends_the_same(tmp_path, kind):
    """Five pages of 3,000 records, the fourth of which withdraws some of the first."""

    def answer(asked):
        number = int(asked.query.get("nextPageToken", asked.query.get("start", "0")))
        if number == 4 and asked.server.hold:
            asked.server.held = True
            time.sleep(30)
        numbers = range(number * 3_000, (number + 1) * 3_000)
        if kind == "stopncii":
            records = [record(n) for n in numbers]
            if number == 3:
                records += [record(n, hashStatus="Withdrawn") for n in range(0, 3_000, 7)]
            return page(*records, token=str(number + 1) if number < 4 else None)
        if not asked.query.get("from", "1970").startswith("1970"):
            return document()
        images = [image(n) for n in numbers]
        if number == 3:
            images += [gone(n) for n in range(0, 3_000, 7)]
        return document(*images, following=f"/v2/entries?start={number + 1}" * (number < 4))

    with serving(answer) as server:
        server.hold, server.held = True, False
        one = follow(tmp_path, server, kind)
        one.limits = type(QUICK)(tries=1)
        command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(one.home)]
        with subprocess.Popen(command) as process:
            until = time.monotonic() + 60
            while not server.held and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        server.hold = False
        assert one.live.info.entries > 0
        assert one.mark.place.token != ""
        began = len(server.asked)
        one.sync()
        assert len(server.asked) - began <= 4  # not from the beginning
        undisturbed = follow(tmp_path / "undisturbed", server, kind)
        undisturbed.limits = one.limits
        undisturbed.sync()
    assert one.values() == undisturbed.values()
    assert len(one.entries()) == 15_000 - 429
    assert one.live.info.compared == undisturbed.live.info.compared
