"""What is sent to harm or by mistake: a clear error, and nothing changed."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import api_support as support
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from tutela.api.protocols import ncmec, stopncii
from tutela.core.errors import InputError, TutelaError
from tutela.core.principal import Role
from tutela.exchange import feedback, members
from tutela.exchange.model import Verdict
from tutela.store.tables.access import Organisation

UP = b'<feedbackSubmission xmlns="https://hashsharing.ncmec.org/hashsharing/v2"><affirmative/></feedbackSubmission>'
REASON = ncmec.REASONS[2].guid


def down(*guids: str) -> bytes:
    inner = "".join(f"<guid>{guid}</guid>" for guid in guids)
    said = f"<negative><reasonIds>{inner}</reasonIds></negative>"
    return f"<feedbackSubmission>{said}</feedbackSubmission>".encode()


LAUGHS = b"".join(
    [
        b"<!DOCTYPE x [<!ENTITY a0 'ha'>",
        *(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12)),
        b"]><feedbackSubmission><affirmative>&a11;</affirmative></feedbackSubmission>",
    ]
)
HOSTILE = {
    "nothing": b"",
    "no XML": b"\x00\xff" * 100,
    "an entity bomb": LAUGHS,
    "a quadratic bomb": b"<!DOCTYPE x [<!ENTITY a '" + b"x" * 50_000 + b"'>]><x>&a;&a;&a;</x>",
    "an external entity": b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>',
    "an external document type": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><x/>',
    "an unknown entity": b"<feedbackSubmission>&nothing;</feedbackSubmission>",
    "very deep": b"<a>" * 5_000 + b"</a>" * 5_000,
    "very many": b"<feedbackSubmission>" + b"<a/>" * 10_000 + b"</feedbackSubmission>",
    "long text": b"<feedbackSubmission>" + b"x" * 60_000 + b"</feedbackSubmission>",
    "cut off": UP[:-5],
    "another document": b"<feedback><affirmative/></feedback>",
    "both": UP.replace(b"<affirmative/>", b"<affirmative/><negative/>"),
    "neither": b"<feedbackSubmission/>",
    "no reason": b"<feedbackSubmission><negative/></feedbackSubmission>",
    "an unknown reason": down("00000000-0000-0000-0000-000000000000"),
    "one reason of two unknown": down(REASON, "x"),
    "an encoding that there is not": b'<?xml version="1.0" encoding="x-none"?><a/>',
    "UTF-16": "<?xml version='1.0' encoding='UTF-16'?><a/>".encode("utf-16"),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_feedback_is_refused_and_changes_nothing(client, small, body):
    (entry,) = small.add(support.image(1))
    address = f"/ncmec/known/v2/entries/{small.owner_id}/{entry}/PDQ/feedback"
    answer = client.put(address, content=body, headers=small.members["platform"].bearer)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] in {"feedback", "doctype"}
    with small.database.read() as tx:
        assert feedback.statistics(tx, small.owner, small.list_id) == []


def test_a_body_of_more_than_feedback_needs_is_not_read(client, small):
    (entry,) = small.add(support.image(1))
    headers = small.members["platform"].bearer
    address = f"/ncmec/known/v2/entries/{small.owner_id}/{entry}/PDQ/feedback"
    assert client.put(address, content=b" " * 70_000 + UP, headers=headers).status_code == 413
    huge = b" " * (stopncii.LONGEST_BODY + 1)
    assert (
        client.post("/stopncii/known/SubmitFeedback", content=huge, headers=headers).status_code
        == 413
    )


def test_what_is_meant_well_is_read():
    assert ncmec.submission(UP).verdict is Verdict.CONFIRM
    assert ncmec.submission(down(REASON)).verdict is Verdict.DISPUTE
    both = ncmec.submission(down(REASON, ncmec.REASONS[0].guid, REASON))
    assert both == ncmec.Submission(Verdict.FALSE_POSITIVE, ("classification", "not_abuse"))
    prefixed = b'<n:feedbackSubmission xmlns:n="x"><n:affirmative/></n:feedbackSubmission>'
    assert ncmec.submission(prefixed).verdict is Verdict.CONFIRM


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_whatever_is_sent_is_read_or_refused(body):
    for read in (ncmec.submission, stopncii.feedback):
        with pytest.raises(InputError):
            read(body)


@given(st.data())
def test_feedback_with_something_changed_is_read_or_refused(data):
    body = bytearray(data.draw(st.sampled_from([UP, down(REASON)])))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = ncmec.submission(bytes(body))
    except InputError as error:
        read = error.code
    assert isinstance(read, ncmec.Submission) or read in {"feedback", "doctype"}


NUMBERS = ("-1", "0", "x", "1.5", "1e9", "9" * 30, "٣", "", "%00", "1;drop")
PARAMETERS = {
    "/ncmec/known/v2/entries": ("from", "to", "start", "size", "after"),
    "/stopncii/known/FetchHashes": ("startTimestamp", "pageSize", "nextPageToken"),
    "/graph/1/threat_updates": ("start_time", "stop_time", "limit", "after", "types"),
    "/graph/threat_descriptors": ("text", "privacy_groups", "type"),
    "/graph": ("ids",),
    "/feed/known": ("after", "limit"),
    "/c/bank/KNOWN/content/1": ("include_signals",),
}
TOO_MUCH = {
    "/ncmec/known/v2/entries?size=1000000000",
    "/ncmec/known/v2/entries?to=2999-01-01T00:00:00Z",
    "/ncmec/known/v2/entries?from=2026-13-01T00:00:00Z",
    "/ncmec/known/v2/entries?from=yesterday",
    "/ncmec/known/v2/entries?after=1.2.3",
    "/stopncii/known/FetchHashes?pageSize=100000",
    "/stopncii/known/FetchHashes?nextPageToken=1.2",
    "/graph/1/threat_updates?limit=1001",
    "/graph?ids=" + ",".join(map(str, range(600))),
    "/graph/threat_descriptors?text=ab",
    "/feed/known?limit=10001",
}
PATHS = (
    "/graph/99999999999999999999999/threat_updates",
    "/graph/99999999999999999999999",
    "/graph/1000000009999",
    "/graph/x",
    "/c/bank/known/content/1",
    "/c/bank/KNOWN/content/99999999999999999999999",
    "/c/bank/KNOWN/content/5",
    "/ncmec/KNOWN/v2/entries",
    "/ncmec/..%2fknown/v2/entries",
    "/feed/" + "x" * 5_000,
    "/ncmec/known/v2/feedback/NOTHING/reasons",
)


def test_malformed_parameters_are_refused_in_words(client, small):
    small.add(support.image(1))
    headers = small.members["platform"].bearer
    for path, names in PARAMETERS.items():
        for name in names:
            for value in NUMBERS:
                answer = client.get(path, params={name: value}, headers=headers)
                assert answer.status_code in {200, 400, 404}, (path, name, value, answer.text)
    for address in TOO_MUCH:
        answer = client.get(address, headers=headers)
        assert answer.status_code == 400, (address, answer.status_code)
        assert answer.json()["code"] == "parameter"
    for address in PATHS:
        answer = client.get(address, headers=headers)
        assert answer.status_code in {400, 404}, (address, answer.status_code)


def test_feedback_on_what_is_not_there_or_anothers_is_refused(client, small):
    other = small.another_list("other")
    (hidden,) = small.add(support.image(1), list_id=other)
    (german,) = small.add(support.image(2))
    headers = small.members["platform"].bearer
    for member, entry, kind, status in (
        (small.owner_id, hidden, "PDQ", 404),
        (small.owner_id, 999, "PDQ", 404),
        (999, german, "PDQ", 404),
        (small.owner_id, german, "SHA3", 400),
        (10**30, german, "PDQ", 404),
        (small.owner_id, 10**30, "PDQ", 400),
    ):
        address = f"/ncmec/known/v2/entries/{member}/{entry}/{kind}/feedback"
        answer = client.put(address, content=UP, headers=headers)
        assert answer.status_code == status, (member, entry, kind, answer.text)
    many = [{"hashValue": support.pdq(1), "feedbackValue": "Blocked"}] * 1_001
    for body, code in (
        ({"hashFeedbacks": many}, "too_large"),
        ({"hashFeedbacks": [{"hashValue": "zz", "feedbackValue": "Blocked"}]}, "feedback"),
        ({"hashFeedbacks": [{"hashValue": support.pdq(2), "feedbackValue": "?"}]}, "feedback"),
        ({"hashFeedbacks": [many[0] | {"tags": ["x"] * 99}]}, "feedback"),
        ({"hashFeedbacks": [many[0] | {"tags": [1]}]}, "feedback"),
        ({}, "feedback"),
        ([[[[]]]], "feedback"),
    ):
        answer = client.post("/stopncii/known/SubmitFeedback", json=body, headers=headers)
        assert answer.json()["code"] == code, answer.text
    deep = b"[" * 100_000
    answer = client.post("/stopncii/known/SubmitFeedback", content=deep, headers=headers)
    assert answer.status_code == 422
    # One that cannot be taken leaves those before it untaken as well.
    mixed = [
        {"hashValue": support.pdq(2), "feedbackValue": "Blocked"},
        {"hashValue": support.pdq(2)[:-2], "feedbackValue": "Blocked"},
    ]
    answer = client.post(
        "/stopncii/known/SubmitFeedback", json={"hashFeedbacks": mixed}, headers=headers
    )
    assert answer.status_code == 422
    with small.database.read() as tx:
        assert feedback.statistics(tx, small.owner, small.list_id) == []


def test_a_list_that_is_no_alert_list_is_not_told_as_one(client, small):
    allowed = small.another_list("harmless", support.ListRole.ALLOW)
    member = small.join(small.members["platform"], allowed)
    for address in ("/ncmec/harmless/v2/entries", "/stopncii/harmless/FetchHashes"):
        answer = client.get(address, headers=member.bearer)
        assert (answer.status_code, answer.json()["code"]) == (400, "role")
    assert client.get("/feed/harmless", headers=member.bearer).status_code == 200


def test_names_of_organisations_cannot_break_out_of_the_xml(client, small):
    small.add(support.image(1))
    name = '</member><member id="9">\x01\x0b"&\U0001f600'
    with small.database.write() as tx:
        tx.execute(update(Organisation).values(name=Organisation.id.concat(name)))
    headers = small.members["platform"].bearer
    for path in ("status", "members", "entries"):
        answer = client.get(f"/ncmec/known/v2/{path}", headers=headers)
        root = ET.fromstring(answer.content)
        texts = [one.text for one in root.iter() if one.tag.endswith("member")]
        assert texts
        assert all('</member><member id="9">"&\U0001f600' in text for text in texts)


def test_members_of_other_jurisdictions_get_other_entries(client, small):
    us, gb, both = small.add(
        support.image(1, support.A1),
        support.image(2, support.UK_A),
        support.image(3, support.A1, support.UK_A),
    )
    british = small.join(
        small.account("British Platform", "british", Role.LIST_MEMBER), jurisdictions=("GB",)
    )
    small.date_back(60)
    token = f"{british.organisation_id:08d}|{british.token}"
    answers = {
        "ncmec": client.get("/ncmec/known/v2/entries", headers=british.bearer).text,
        "stopncii": client.get("/stopncii/known/FetchHashes", headers=british.bearer).text,
        "graph": client.get("/graph/1/threat_updates", params={"access_token": token}).text,
        "feed": client.get("/feed/known", headers=british.bearer).text,
    }
    for kind, text in answers.items():
        assert support.pdq(1) not in text, kind
        assert support.pdq(2) in text, kind
        assert support.pdq(3) in text, kind
        # An American code of an entry that is theirs as well is not.
        assert "ncmec:" not in text, kind
        assert "<classification>" not in text, kind
    assert client.get(f"/c/bank/KNOWN/content/{us}", headers=british.bearer).status_code == 404
    shared = client.get(
        f"/c/bank/KNOWN/content/{both}?include_metadata=true", headers=british.bearer
    ).json()
    assert shared["metadata"]["json"]["tags"] == ["uk-abc:A:GB"]
    # What is withdrawn is told by value to those only who had it.
    small.withdraw(us, gb)
    small.date_back(60)
    told = client.get(
        "/stopncii/known/FetchHashes", params={"startTimestamp": 11}, headers=british.bearer
    ).json()
    assert {r["hashValue"]: r["hashStatus"] for r in told["hashRecords"]} == {
        support.pdq(2): "Withdrawn",
        support.pdq(3): "Active",
    }


def test_who_is_no_member_any_more_gets_nothing_more(client, small):
    small.add(support.image(1))
    member = small.members["platform"]
    assert client.get("/ncmec/known/v2/entries", headers=member.bearer).status_code == 200
    with small.database.write() as tx:
        members.remove(tx, small.owner, small.list_id, member.organisation_id)
    for path in (
        "/ncmec/known/v2/entries",
        "/feed/known",
        "/graph/1/threat_updates",
        "/c/bank/KNOWN",
    ):
        assert client.get(path, headers=member.bearer).status_code == 404, path
    assert client.get("/c/banks", headers=member.bearer).json() == []


def test_a_value_of_low_quality_goes_to_nobody_who_cannot_know(client, small):
    small.add(support.image(1, quality=20))
    headers = small.members["platform"].bearer
    assert support.pdq(1) not in client.get("/ncmec/known/v2/entries", headers=headers).text
    assert client.get("/stopncii/known/FetchHashes", headers=headers).json()["count"] == 0
    assert '"quality":20' in client.get("/feed/known", headers=headers).text


def test_errors_are_problems_of_json(client, small):
    answer = client.get("/feed/nowhere", headers=small.members["platform"].bearer)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert set(json.loads(answer.content)) == {"status", "title", "detail", "code"}
    assert issubclass(InputError, TutelaError)
