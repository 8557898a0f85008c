"""`/v1/prefix`: what a member finds, what nobody learns, and how much may be asked."""

from __future__ import annotations

import hashlib
import json
import secrets
from datetime import timedelta

import msgspec
import pytest
from api_support import A1, digest, image
from litestar.testing import TestClient
from matching_support import follow, matched

from tutela.api import app
from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, InputError
from tutela.core.hit import Strength
from tutela.core.media import Digests
from tutela.core.prefixes import (
    ROW_BYTES,
    Known,
    PrefixAnswer,
    PrefixQuestion,
    Rows,
    Terms,
    found,
    prefix_of,
    sealed,
)
from tutela.core.principal import Role
from tutela.core.settings import MatchSettings
from tutela.core.time import now
from tutela.exchange import match_quarantine
from tutela.exchange.candidate import Candidate
from tutela.exchange.match_asked import RUN, PrefixLog
from tutela.exchange.match_quarantine import Cause

LISTED = 300
SETTINGS = MatchSettings(prefix_anonymity=4, prefixes_per_day=40)


@pytest.fixture
def asking(exchange, tmp_path):
    """A member of a list with 300 entries, and a client."""
    exchange.ids = exchange.add(*(image(number, A1) for number in range(LISTED)))
    exchange.folder = tmp_path / "library"
    follow(exchange, exchange.folder)
    with (
        matched(exchange, exchange.folder, SETTINGS) as exchange.matching,
        TestClient(app.build(exchange.desk)) as exchange.client,
    ):
        exchange.platform = exchange.members["platform"]
        yield exchange


def terms(exchange, member=None) -> Terms:
    headers = (member or exchange.platform).bearer
    response = exchange.client.get("/v1/prefix", headers=headers)
    return msgspec.json.decode(response.content, type=Terms)


def post(exchange, algorithm: str, bits: int, *prefixes: int, member=None):
    question = PrefixQuestion(algorithm, bits, prefixes)
    return exchange.client.post(
        "/v1/prefix",
        content=msgspec.json.encode(question),
        headers=(member or exchange.platform).bearer,
    )


def look_up(exchange, algorithm: str, *digests: bytes, member=None) -> list[list[Known]]:
    bits = terms(exchange, member).buckets[algorithm].bits
    prefixes = [prefix_of(one, bits) for one in digests]
    response = post(exchange, algorithm, bits, *prefixes, member=member)
    assert response.status_code == 200, response.text
    answer = msgspec.json.decode(response.content, type=PrefixAnswer)
    return [
        found(rows, answer.lists, one) for rows, one in zip(answer.answers, digests, strict=True)
    ]


def test_a_listed_digest_is_found_and_another_is_not(asking):
    said = look_up(
        asking, "sha256", digest(7, "sha256"), hashlib.sha256(b"none").digest()
    )  # fmt: skip
    assert said == [[Known("known", asking.ids[7], ListRole.ALERT, Strength.EXACT)], []]
    for algorithm in ("md5", "sha1"):  # alone they can be forged
        (said,) = look_up(asking, algorithm, digest(7, algorithm))
        assert [(one.entry, one.strength) for one in said] == [(asking.ids[7], Strength.INDICATIVE)]


def test_prefixes_are_as_short_as_the_lists_of_a_member_ask_for(asking):
    # 300 digests, at least four to a prefix: 2**6 prefixes with 4.7 each.
    assert terms(asking).buckets["sha256"].bits == 6
    small = asking.another_list("small")
    asking.add(*(image(number) for number in range(3)), list_id=small)
    follow(asking, asking.folder, "small")
    member = asking.join(asking.account("Small Platform", "small", Role.LIST_MEMBER), small)
    # Of three digests any prefix would tell which: everything is one bucket.
    assert terms(asking, member).buckets["sha256"].bits == 0
    (said,) = look_up(asking, "sha256", digest(2, "sha256"), member=member)
    assert [one.list for one in said] == ["small"]


def test_every_answer_has_the_same_size(asking):
    bucket = terms(asking).buckets["sha256"]
    bits, rows = bucket.bits, bucket.rows
    sizes, true = set(), 0
    response = post(asking, "sha256", bits, *range(0, 32, 2))
    answer = msgspec.json.decode(response.content, type=PrefixAnswer)
    for one in answer.answers:
        sizes.add(len(one.rows))
        listed = [digest(number, "sha256") for number in range(LISTED)]
        listed = [value for value in listed if prefix_of(value, bits) == one.prefix]
        true += len(listed)
        assert all(found(one, answer.lists, value) for value in listed)
    assert sizes == {rows * ROW_BYTES}
    assert true > 20


def test_rows_say_nothing_to_who_has_no_digest(asking):
    bits = terms(asking).buckets["sha256"].bits
    one, two = (
        msgspec.json.decode(post(asking, "sha256", bits, 5).content, type=PrefixAnswer).answers[0]
        for _ in range(2)
    )
    rows = [{r.rows[at : at + ROW_BYTES] for at in range(0, len(r.rows), ROW_BYTES)}
            for r in (one, two)]  # fmt: skip
    assert not rows[0] & rows[1]  # another salt each time
    for number in range(LISTED):
        value = digest(number, "sha256")
        assert all(part not in one.rows for part in (value[:8], value[8:16], value[16:24]))


def test_padding_is_as_random_as_what_is_listed():
    rows = sealed(3, [(secrets.token_bytes(32), Known("a", 1, ListRole.ALERT, Strength.EXACT))],
                  ["a"], 64)  # fmt: skip
    assert len(rows.rows) == 64 * ROW_BYTES
    assert len({rows.rows[at : at + 32] for at in range(0, len(rows.rows), 32)}) == 64
    ones = int.from_bytes(rows.rows).bit_count() / (8 * len(rows.rows))
    assert 0.47 < ones < 0.53


def test_a_bucket_that_is_too_full_takes_another_multiple():
    digests = [secrets.token_bytes(32) for _ in range(17)]
    rows = sealed(0, [(one, Known("a", n, ListRole.ALLOW, Strength.INDICATIVE))
                      for n, one in enumerate(digests)], ["a"], 16)  # fmt: skip
    assert len(rows.rows) == 32 * ROW_BYTES
    for number, one in enumerate(digests):
        assert found(rows, ["a"], one) == [Known("a", number, ListRole.ALLOW, Strength.INDICATIVE)]


def test_jurisdictions_withdrawal_and_quarantine_hold_here_too(asking):
    german = asking.account("German Platform", "german", Role.LIST_MEMBER)
    asking.join(german, jurisdictions=("DE",))
    assert look_up(asking, "sha256", digest(7, "sha256"), member=german) == [[]]
    asking.withdraw(asking.ids[8])
    follow(asking, asking.folder)
    with asking.database.write() as tx:
        match_quarantine.put_aside(
            tx,
            {(asking.list_id, asking.ids[9]): (Cause.REPORTS, 2),
             (asking.list_id, asking.ids[10]): (Cause.RESEMBLES, 9)},
        )  # fmt: skip
    asking.matching.settle()
    said = look_up(asking, "sha256", *(digest(number, "sha256") for number in (7, 8, 9, 10)))
    assert [len(one) for one in said] == [1, 0, 0, 1]


def test_allow_lists_answer_by_sha256_alone(asking):
    good = asking.another_list("good", ListRole.ALLOW)
    value = {kind: digest(999, kind) for kind in ("md5", "sha1", "sha256")}
    asking.add(Candidate(digests=Digests(**value), codes=()), list_id=good)
    follow(asking, asking.folder, "good")
    member = asking.join(asking.account("Good Platform", "good", Role.LIST_MEMBER), good)
    (said,) = look_up(asking, "sha256", value["sha256"], member=member)
    assert [(one.role, one.strength) for one in said] == [(ListRole.ALLOW, Strength.EXACT)]
    assert look_up(asking, "md5", value["md5"], member=member) == [[]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 422, "malformed"),
        (b'{"algorithm":"pdq","bits":6,"prefixes":[1]}', 422, "algorithm"),
        (b'{"algorithm":"sha256","bits":6,"prefixes":[]}', 422, "too_many_values"),
        (
            b'{"algorithm":"sha256","bits":6,"prefixes":[' + b"1," * 16 + b"1]}",
            422,
            "too_many_values",
        ),
        (b'{"algorithm":"sha256","bits":6,"prefixes":[64]}', 422, "value"),
        (b'{"algorithm":"sha256","bits":6,"prefixes":[-1]}', 422, "value"),
        (b'{"algorithm":"sha256","bits":25,"prefixes":[1]}', 422, "value"),
        (b'{"algorithm":"sha256","bits":7,"prefixes":[1]}', 409, "prefix_bits"),
    ],
)  # fmt: skip
def test_a_question_that_is_none_is_refused(asking, body, status, code):
    response = asking.client.post("/v1/prefix", content=body, headers=asking.platform.bearer)
    assert (response.status_code, response.json()["code"]) == (status, code)


def spread(number: int) -> list[int]:
    """Return different prefixes of ten bits, far apart."""
    return [(37 * place) % 1024 for place in range(number)]


@pytest.fixture
def prefix_log(exchange):
    exchange.platform_who = exchange.principal(exchange.members["platform"])
    return PrefixLog(exchange.database, 40)


def ask(prefix_log, who, prefixes, moment=None, bits=10):
    for prefix in prefixes:
        prefix_log.note(who, PrefixQuestion("sha256", bits, (prefix,)), moment or now())


def test_too_many_prefixes_raise_one_alarm_and_are_refused(exchange, prefix_log):
    who = exchange.platform_who
    for _ in range(3):  # the same ones again are no more
        ask(prefix_log, who, spread(40))
    with pytest.raises(AccessError) as refused:
        ask(prefix_log, who, spread(41))
    assert refused.value.code == "too_many"
    for prefix in (1, 2):
        with pytest.raises(AccessError):
            ask(prefix_log, who, [prefix])
    (event,) = exchange.events("prefix.enumerated")
    assert event["subject"] == f"organisation:{who.organisation_id}"
    assert json.loads(event["body"])["data"] == {"algorithm": "sha256", "asked": 41, "bits": 10}
    other = exchange.principal(exchange.account("Other Platform", "other", Role.LIST_MEMBER))
    ask(prefix_log, other, [1])
    ask(prefix_log, who, [1], now() + timedelta(days=1))


def test_neighbours_in_a_row_raise_the_alarm_early(exchange, prefix_log):
    who = exchange.platform_who
    ask(prefix_log, who, range(200, 200 + RUN - 1))
    ask(prefix_log, who, [900])
    with pytest.raises(AccessError):
        ask(prefix_log, who, [199])
    assert len(exchange.events("prefix.enumerated")) == 1


def test_neighbours_of_few_prefixes_are_chance(exchange, prefix_log):
    ask(prefix_log, exchange.platform_who, range(32), bits=5)
    assert exchange.events("prefix.enumerated") == []


def test_neither_restart_nor_another_server_forgets(exchange, prefix_log):
    who = exchange.platform_who
    other = PrefixLog(exchange.database, 40)
    ask(prefix_log, who, spread(21))
    ask(other, who, spread(41)[21:40])
    ask(other, who, [5], bits=4)
    prefix_log.settle(now())
    other.settle(now())
    with pytest.raises(AccessError):  # 21 here, 20 there, and one more
        ask(PrefixLog(exchange.database, 40), who, spread(41))
    with pytest.raises(AccessError):  # who was refused there is refused here
        ask(PrefixLog(exchange.database, 40), who, spread(1))


def test_the_route_refuses_and_says_so(asking):
    bits = terms(asking).buckets["sha256"].bits
    asking.desk.prefixes._asked._per_day = 3
    assert post(asking, "sha256", bits, 1, 20, 40).status_code == 200
    response = post(asking, "sha256", bits, 60)
    assert (response.status_code, response.json()["code"]) == (429, "too_many")


def test_malformed_rows_are_refused():
    good = sealed(1, [], ["a"], 4)
    for bad in (replace_rows(good, good.rows[:-1]), Rows(1, b"short", good.rows)):
        with pytest.raises(InputError):
            found(bad, ["a"], bytes(32))


def replace_rows(rows: Rows, content: bytes) -> Rows:
    return msgspec.structs.replace(rows, rows=content)
