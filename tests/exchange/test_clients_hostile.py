"""Whatever a server does, a round ends, says what it was, and keeps what came."""

from __future__ import annotations

import time

import pytest
from clients_support import (
    CORRUPT,
    QUICK,
    SECRET,
    TOKEN,
    Follower,
    document,
    follow,
    image,
    page,
    pdq,
    record,
    send,
    serving,
    update,
)

from tutela.core.errors import UsageError


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
