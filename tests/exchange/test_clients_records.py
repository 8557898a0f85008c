"""What becomes of each record, whatever it is."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime

import msgspec
import pytest
from clients_support import (
    CORRUPT,
    document,
    follow,
    gone,
    image,
    md5,
    page,
    pdq,
    record,
    serving,
    update,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.core.entry import State
from tutela.core.errors import InputError, UsageError
from tutela.exchange.clients.reading import Page, read_page
from tutela.exchange.clients.role import Terms, held
from tutela.exchange.model import Verdict
from tutela.hashlist.format import Received


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


def test_a_record_that_carries_too_much_is_put_aside(tmp_path):
    big = record(1, caseNumbers={str(n): "Active" for n in range(80_000)})
    with serving([page(big, record(2))]) as server:
        one = follow(tmp_path, server)
        done = one.sync(page_bytes=8 << 20)
    assert (done.added, done.quarantined) == (1, 1)
    assert one.quarantine()[0]["code"] == "too_long"


def _whole(kind: str) -> bytes:
    if kind == "ncmec":
        return document(image(1), gone(2), following="/v2/entries?start=1")
    pages = {
        "stopncii": page(record(1), record(2), token="t"),
        "threatexchange": {
            "data": [update(1), update(2, should_delete=True)],
            "paging": {"next": "https://a.invalid/x?y=1"},
        },
    }
    return msgspec.json.encode(pages[kind])


@pytest.mark.parametrize("kind", CORRUPT)
@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_page_with_something_changed_is_read_or_refused(kind, data):
    body = bytearray(_whole(kind))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at : at + data.draw(st.integers(0, 6))] = data.draw(st.binary(max_size=6))
    received = Received(list="x", source="y", received_at=datetime.now(UTC))
    replies = []
    with tempfile.TemporaryFile(buffering=0) as stream:
        stream.write(body)
        stream.seek(0)
        request = msgspec.msgpack.encode(Terms(kind, received))
        code = ""
        try:
            read_page(request, [stream.fileno()], replies.append)
        except InputError as error:
            code = error.code
    if code:
        assert (code, replies) in [(one, []) for one in ("page", "xml", "doctype")]
        return
    pages = [msgspec.msgpack.decode(reply, type=Page) for reply in replies]
    assert pages[-1].tail is not None
    for row in (row for one in pages for row in one.rows):
        assert row.gone or row.entry is not None or row.bad


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
