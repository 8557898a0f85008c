"""Whatever a server does, a round ends, says what it was, and keeps what came."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from clients_support import QUICK, SECRET, Follower, send, serving

from tutela.core.entry import State
from tutela.core.errors import UsageError
from tutela.exchange.clients.role import held
from tutela.exchange.model import Verdict
from tutela.exchange.subscribe.follow import sync_all
from tutela.exchange.subscribe.subscription import Followed, Subscription

AT = 1_790_000_000
TOKEN = f"12345678|{SECRET}"
NS = "https://hashsharing.ncmec.org/hashsharing/v2"


def pdq(number: int) -> str:
    return hashlib.sha256(b"invented %d" % number).hexdigest()


def md5(number: int) -> str:
    return hashlib.md5(b"invented %d" % number).hexdigest()


def record(number: int, **others) -> dict:
    said = {
        "lastModtimestamp": AT + number,
        "signalType": "ImagePDQ",
        "hashValue": pdq(number),
        "hashStatus": "Active",
        "caseNumbers": {str(number): "Active"},
    }
    return said | others


def page(*records, token: str | None = None, more: bool | None = None, until: int = AT) -> dict:
    return {
        "count": len(records),
        "nextPageToken": token,
        "nextSetTimestamp": until,
        "hasMoreRecords": bool(token) if more is None else more,
        "hashRecords": list(records),
    }


def image(number: int, inside: str | None = None, *, member: int = 42) -> str:
    prints = f"<pdq>{pdq(number)}</pdq><md5>{md5(number)}</md5>" if inside is None else inside
    return (
        f'<image><member id="{member}">Ex</member><timestamp>2026-10-24T15:10:00Z</timestamp>'
        f"<id>i{number}</id><classification>A1</classification>"
        f"<fingerprints>{prints}</fingerprints></image>"
    )


def gone(number: int) -> str:
    return f'<deletedImage><member id="42">Ex</member><id>i{number}</id></deletedImage>'


def document(*images: str, following: str = "") -> bytes:
    paging = f"<paging><next>{following}</next></paging>" if following else ""
    return (
        f'<?xml version="1.0"?><queryResult xmlns="{NS}"><images count="{len(images)}">'
        f'{"".join(images)}</images><videos count="0"/>{paging}</queryResult>'
    ).encode()


def update(number: int, *descriptors, **others) -> dict:
    said = descriptors or ({"id": "77", "owner": {"id": "5"}, "status": "MALICIOUS"},)
    return {
        "id": str(number),
        "indicator": pdq(number),
        "type": "HASH_PDQ",
        "last_updated": AT + number,
        "should_delete": False,
        "descriptors": {"data": list(said)},
    } | others


def follow(tmp_path, server, kind="stopncii", **options) -> Follower:
    if kind == "threatexchange":
        return Follower(tmp_path / kind, kind, f"{server.url}/v1", TOKEN, wanted=("99",), **options)
    return Follower(tmp_path / kind, kind, f"{server.url}/v1", **options)


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


CORRUPT = {
    "stopncii": msgspec.json.encode(page(record(1), record(2)))[:-40],
    "threatexchange": msgspec.json.encode({"data": [update(1)]})[:-5],
    "ncmec": document(image(1), image(2))[:-30],
}


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_page_that_is_cut_off_is_asked_for_again(tmp_path, kind):
    whole = {
        "stopncii": page(record(1), record(2)),
        "threatexchange": {"data": [update(1), update(2)]},
        "ncmec": document(image(1), image(2)),
    }[kind]
    with serving([CORRUPT[kind], whole]) as server:
        one = follow(tmp_path, server, kind)
        done = one.sync()
    assert (done.rows, done.added) == (2, 2)
    assert one.paused == [0.0]


@pytest.mark.parametrize("kind", CORRUPT)
def test_a_page_that_stays_corrupt_is_refused_and_what_came_is_kept(tmp_path, kind):
    first = {
        "stopncii": page(record(7), token="t"),
        "threatexchange": lambda asked: {
            "data": [update(7)],
            "paging": {"next": f"{asked.server.url}/v1/99/threat_updates?after=1"},
        },
        "ncmec": document(image(7), following="/v2/entries?start=2"),
    }[kind]
    with serving([first, CORRUPT[kind]]) as server:
        one = follow(tmp_path, server, kind)
        done = one.sync(refused="xml" if kind == "ncmec" else "page")
        assert (done.rows, done.entries) == (1, 1)
        assert one.matches(pdq=pdq(7))
        # The next round asks for the page that is missing, not for all.
        one.sync(refused="xml" if kind == "ncmec" else "page")
        token = {"stopncii": "nextPageToken=t", "threatexchange": "after=1", "ncmec": "start=2"}
        assert token[kind] in server.asked[-1].path


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE q [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n + 1, b"&a%d;" % n * 10) for n in range(12))
    + b"]><queryResult><images>&a12;</images></queryResult>"
)
OUTSIDE = b'<!DOCTYPE q [<!ENTITY x SYSTEM "file:///etc/passwd">]><queryResult>&x;</queryResult>'


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (BOMB, "doctype"),
        (OUTSIDE, "doctype"),
        (b"<queryResult>" + b"<a>" * 100_000, "xml"),
        (document(image(1, "<md5>" + "<a/>" * 10_000 + "</md5>")), "xml"),
        (b"<other/>", "xml"),
        (b"<queryResult>&nothing;</queryResult>", "xml"),
        (b'<?xml version="1.0" encoding="rot13"?><queryResult/>', "xml"),
        (b"", "xml"),
        (document(image(1), following="https://elsewhere.invalid/"), "page"),
        (document(image(1), following="/v2/entries?a b\x7f"), "page"),
    ],
)
def test_hostile_xml_is_refused(tmp_path, body, code):
    with serving([body]) as server:
        began = time.monotonic()
        done = follow(tmp_path, server, "ncmec").sync(refused=code)
    assert time.monotonic() - began < 5
    assert done.entries == 0


@pytest.mark.parametrize("kind", CORRUPT)
@pytest.mark.parametrize(
    "body", [b"<html><body>Sign in</body></html>", b"[" * 200_000, b"null", b"\xff\xfe", b"{}"]
)
def test_what_is_no_page_is_refused(tmp_path, kind, body):
    with serving([lambda asked: send(asked, 200, body, Content_Type="text/html")]) as server:
        done = follow(tmp_path, server, kind).sync(refused="xml" if kind == "ncmec" else "page")
    assert done.rows == done.entries == 0


def _endless(asked):
    asked.send_response(200)
    asked.end_headers()
    while True:
        asked.wfile.write(b"[" * 65_536)


def _drips(asked):
    asked.send_response(200)
    asked.send_header("Content-Length", "1000000")
    asked.end_headers()
    while True:
        asked.wfile.write(b" ")
        time.sleep(0.1)


def _drips_headers(asked):
    asked.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        asked.wfile.write(b"a")
        time.sleep(0.1)


def _silent(asked):
    asked.send_response(200)
    asked.send_header("Content-Length", "10")
    asked.end_headers()
    time.sleep(5)


@pytest.mark.parametrize(
    ("answer", "code", "most_s"),
    [
        (_endless, "too_long", 3),
        (_drips, "too_slow", 5),
        (_drips_headers, "too_slow", 5),
        (_silent, "too_slow", 3),
    ],
)
def test_bodies_without_end_and_slow_ones_are_cut_off(tmp_path, answer, code, most_s):
    with serving([page(record(1), token="t"), answer]) as server:
        one = follow(tmp_path, server)
        began = time.monotonic()
        done = one.sync(refused=code)
    assert time.monotonic() - began < most_s
    assert done.entries == 1


def test_a_busy_server_is_asked_again_when_it_says(tmp_path):
    def busy(asked):
        send(asked, 429, b"", Retry_After=7)

    with serving([busy, (503, b""), (500, b"x" * 9), page(record(1))]) as server:
        one = follow(tmp_path, server)
        assert one.sync(tries=4, backoff_s=1.0).added == 1
        assert one.paused == [7, 2.0, 4.0]


def test_a_server_that_stays_busy_is_left_alone(tmp_path):
    with serving([lambda asked: send(asked, 429, b"", Retry_After=10**8)]) as server:
        one = follow(tmp_path, server)
        one.sync(refused="status", tries=3)
        assert len(server.asked) == 3
        assert one.paused == [QUICK.wait_s] * 2


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_nothing_is_told_to_another_server(tmp_path, status):
    with serving([page()]) as elsewhere:
        location = elsewhere.url + "/v1/FetchHashes"

        def away(asked):
            send(asked, status, b"", Location=location)

        with serving([away]) as server:
            follow(tmp_path, server).sync(refused="redirected")
        following = {"data": [update(1)], "paging": {"next": f"{elsewhere.url}/v1/x?after=1"}}
        with serving([following]) as server:
            done = follow(tmp_path, server, "threatexchange").sync(refused="redirected")
        assert elsewhere.asked == []
    assert done.entries == 1


@pytest.mark.parametrize("kind", CORRUPT)
def test_errors_name_no_credential(tmp_path, kind, caplog, capfd):
    caplog.set_level("DEBUG")
    with serving([(403, b"")]) as server:
        done = follow(tmp_path, server, kind).sync(refused="status")
    told = [str(done.error), done.error.hint, repr(done), caplog.text, *capfd.readouterr()]
    assert SECRET not in "".join(told)
    with serving([page()]) as closed:
        pass
    done = follow(tmp_path / "closed", closed, kind).sync(refused="unreachable")
    assert SECRET not in str(done.error) + repr(done) + caplog.text


def test_the_secret_of_a_next_page_is_not_kept(tmp_path):
    def answer(asked):
        address = f"{asked.server.url}/v1/99/threat_updates?access_token={TOKEN}&after=2"
        return {"data": [update(1)], "paging": {"next": address}}

    with serving([answer, (500, b"")]) as server:
        one = follow(tmp_path, server, "threatexchange")
        one.sync(refused="status")
        assert server.asked[-1].query == {"after": "2", "access_token": TOKEN}
    assert "after=2" in one.mark.place.token
    assert SECRET.encode() not in one.everything_kept()


def test_a_bad_record_is_put_aside_and_the_rest_goes_on(tmp_path):
    bad = [
        record(2, hashValue="zz" * 32),
        record(3, hashValue=pdq(3)[:-2]),
        record(4, hashValue="0" * 64),
        {"nothing": 1},
        record(5, hashStatus=17),
        record(6, signalType="VideoTMK", hashValue="x" * 5_000),
    ]
    with serving([page(record(1), *bad, record(7, caseNumbers=[]))]) as server:
        one = follow(tmp_path, server)
        done = one.sync()
        assert (done.rows, done.added, done.quarantined) == (8, 2, 6)
        assert {line["code"] for line in one.quarantine()} == {
            *("not_hex", "wrong_length", "placeholder", "json", "too_long")
        }
        assert len(one.quarantine()) == 6
        one.sync()
        assert len(one.quarantine()) == 6  # each is kept once


def test_a_bad_value_does_not_cost_the_others_of_its_record(tmp_path):
    half = image(1, f"<md5>{md5(1)}</md5><pdq>00ff</pdq>")
    none = image(2, "<pdq>00ff</pdq>")
    with serving([document(half, none, image(3))]) as server:
        one = follow(tmp_path, server, "ncmec")
        done = one.sync()
    assert (done.rows, done.added, done.quarantined) == (3, 2, 1)
    assert one.matches(md5=md5(1))
    assert [line["code"] for line in one.quarantine()] == ["wrong_length", "wrong_length"]


def test_a_record_that_becomes_unreadable_stays_as_it_was(tmp_path):
    with serving([document(image(1)), document(image(1, "<pdq>00ff</pdq>"))]) as server:
        one = follow(tmp_path, server, "ncmec")
        one.sync()
        assert one.sync().quarantined == 1
    assert one.matches(pdq=pdq(1))


def test_kinds_of_hashes_that_we_do_not_know_are_carried_and_not_compared(tmp_path):
    inside = f"<netclean>abc</netclean><ssvh-pdna>{pdq(1)}</ssvh-pdna><new>{md5(9)}</new>"
    inside += '<tmk-pdqf rel="self" href="/v2/entries/1/fingerprints/TMK_PDQF"/><pdna/>'
    with serving([document(image(1, inside))]) as server:
        one = follow(tmp_path, server, "ncmec")
        one.sync()
    (entry,) = one.entries()
    assert {f.algorithm for f in entry.fingerprints} == {"NETCLEAN", "SSVH_PDNA", "NEW"}
    assert held(entry, "ncmec")["elsewhere"] == {"tmk-pdqf": "/v2/entries/1/fingerprints/TMK_PDQF"}
    assert one.live.info.compared == {}
    assert one.live.info.carried == {"NETCLEAN": 1, "NEW": 1, "SSVH_PDNA": 1}
    types = [record(1, signalType=kind, hashValue="x") for kind in ("Text", "URL", "VideoTMK")]
    with serving([page(*types)]) as server:
        one = follow(tmp_path, server)
        assert one.sync().added == 3
    assert one.live.info.compared == {}


@pytest.mark.parametrize("status", ["Withdrawn", "Deleted"])
def test_stopncii_what_is_withdrawn_is_removed(tmp_path, status):
    with serving([page(record(1), record(2)), page(record(1, hashStatus=status))]) as server:
        one = follow(tmp_path, server)
        one.sync()
        assert one.sync().removed == 1
        assert one.values() == {pdq(2)}


def test_threatexchange_an_indicator_without_descriptors_is_removed(tmp_path):
    nothing = update(1) | {"descriptors": {"data": []}}
    missing = {key: value for key, value in update(2).items() if key != "descriptors"}
    harmless = update(3, {"id": "1", "owner": {"id": "5"}, "status": "NON_MALICIOUS"})
    told = {"data": [nothing, missing, update(4, should_delete=True), harmless]}
    with serving([{"data": [update(n) for n in range(1, 6)]}, told]) as server:
        one = follow(tmp_path, server, "threatexchange")
        one.sync()
        done = one.sync()
    assert (done.rows, done.removed, done.replaced) == (4, 3, 1)
    assert one.values() == {pdq(3), pdq(5)}
    states = {e.fingerprints[0].bits.hex(): e.state for e in one.entries()}
    assert states == {pdq(3): State.WITHDRAWN, pdq(5): State.ACTIVE}
    assert not one.matches(pdq=pdq(3))


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


def test_the_credential_is_the_users_alone_and_whole(tmp_path):
    with serving([page()]) as server:
        one = follow(tmp_path, server)
        one.credential.chmod(0o640)
        with pytest.raises(UsageError, match="can be read by others"):
            one.sync()
        one.credential.chmod(0o600)
        for text in ("fetch_key = 1", "x", 'subscription_key = "a"\nfetch_key = "b"\nmore = "c"'):
            one.credential.write_text(text + f"\n# {SECRET}")
            with pytest.raises(UsageError) as caught:
                one.sync()
            assert caught.value.code == "credential"
            assert SECRET not in str(caught.value) + caught.value.hint
        assert server.asked == []


@pytest.mark.parametrize(
    "url", ["http://lists.invalid/v1", "https://a:b@lists.invalid/", "https://lists.invalid/?k=1"]
)
def test_addresses_that_would_give_the_credential_away_are_refused(tmp_path, url):
    with pytest.raises(UsageError):
        Follower(tmp_path, "stopncii", url).sync()


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


def test_feedback_that_the_source_would_not_understand_is_not_sent(tmp_path):
    with serving([document(image(1)), b"<a><reason guid='g1' name='No'/></a>"]) as server:
        one = follow(tmp_path, server, "ncmec")
        one.sync()
        with pytest.raises(UsageError) as caught:
            one.report(md5(1), Verdict.DISPUTE, "Because")
        assert "No" in caught.value.hint
        with pytest.raises(UsageError, match="no entry"):
            one.report(md5(2), Verdict.CONFIRM)
        assert {asked.command for asked in server.asked} == {"GET"}
        assert one.report(md5(1), Verdict.FALSE_POSITIVE, "No") == 1
        put = server.asked[-1]
    assert (put.command, put.path) == ("PUT", "/v1/v2/entries/42/i1/MD5/feedback")
    assert b"<negative><reasonIds><guid>g1</guid>" in put.body


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
