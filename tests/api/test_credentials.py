"""Whose credential it is, in each protocol's place; wrong ones are noted, floods are stopped."""

from __future__ import annotations

import base64
import time
from types import SimpleNamespace

import api_support as support
import httpx
import msgspec
import pytest
from litestar.testing import TestClient
from sqlalchemy import update
from threatexchange.exchanges.clients.ncmec.hash_api import NCMECHashAPI

from tutela.api import app, limits
from tutela.api.credentials import graph_token
from tutela.api.limits import Buckets, TooManyError
from tutela.api.protocols import ncmec
from tutela.core.principal import Role
from tutela.store.tables.access import Account


def basic(name: str, token: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{token}'.encode()).decode()}"}


def keys(token: str, subscription: str) -> dict[str, str]:
    return {"x-functions-key": token, "Ocp-Apim-Subscription-Key": subscription}


def graph(organisation: int, token: str) -> str:
    return f"/graph/1?access_token={graph_token(organisation, token)}"


def test_each_protocol_has_its_place_for_the_same_token(client, small):
    member = small.members["platform"]
    for headers in (
        member.bearer,
        basic(member.name, member.token),
        basic(member.name.upper(), member.token),
        keys(member.token, member.name),
        {"x-functions-key": member.token},
    ):
        assert client.get("/feed", headers=headers).status_code == 200, headers
    assert client.get(graph(member.organisation_id, member.token)).status_code == 200
    assert small.events("signin.failed") == []


def test_half_of_anothers_credential_is_refused_and_noted(client, small):
    member = small.members["platform"]
    other = small.join(small.account("Another Platform", "other", Role.LIST_MEMBER))
    wrong = [
        client.get("/feed", headers=basic(other.name, member.token)),
        client.get("/feed", headers=keys(member.token, other.name)),
        client.get(graph(other.organisation_id, member.token)),
        client.get(f"/graph/1?access_token=|{member.token}"),
        client.get("/feed", headers={"Authorization": "Bearer nobodys"}),
        client.get("/feed", headers=basic(member.name, "nobodys")),
    ]
    assert [answer.status_code for answer in wrong] == [401] * 6
    events = small.events("signin.failed")
    assert [event["subject"] for event in events] == [
        *[f"account:{member.account_id}"] * 4,
        *["account:unknown"] * 2,
    ]
    assert all(b'"via":"api"' in event["body"] for event in events)
    assert not any(member.token.encode() in event["body"] for event in events)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic ***"},
        {"Authorization": "Basic " + base64.b64encode(b"\xff:\xff").decode()},
        {"Authorization": "Bearer " + "x" * 600},
        {"x-functions-key": ""},
    ],
)
def test_what_is_no_credential_is_asked_for_one(client, small, headers):
    assert client.get("/feed", headers=headers).status_code == 401
    assert small.events("signin.failed") == []


def test_a_closed_account_and_a_renewed_token_are_nobodys(client, small):
    member = small.members["platform"]
    with small.database.write() as tx:
        tx.execute(update(Account).where(Account.id == member.account_id).values(state="closed"))
    assert client.get("/feed", headers=member.bearer).status_code == 401


def test_a_flood_of_wrong_credentials_is_noted_so_often_and_locks_nobody_out(client, small):
    answers = [
        client.get("/feed", headers={"Authorization": f"Bearer {number}"}).status_code
        for number in range(limits.REFUSALS_BY_NETWORK + 5)
    ]
    assert answers == [401] * limits.REFUSALS_BY_NETWORK + [429] * 5
    assert len(small.events("signin.failed")) == limits.REFUSALS_BY_NETWORK
    assert client.get("/feed", headers=small.members["platform"].bearer).status_code == 200


def test_a_member_who_floods_is_told_when_to_come_again(small):
    api = msgspec.structs.replace(small.desk.settings.api, requests_per_minute=3)
    desk = type(small.desk)(
        msgspec.structs.replace(small.desk.settings, api=api), small.desk.database
    )
    other = small.join(small.account("Another Platform", "other", Role.LIST_MEMBER))
    member = small.members["platform"]
    with TestClient(app.build(desk), base_url="http://127.0.0.1") as client:
        answers = [client.get("/feed", headers=member.bearer) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [200] * 3 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 20
        assert answers[-1].json()["code"] == "too_many"
        assert client.get("/feed", headers=other.bearer).status_code == 200
        assert client.get("/v1/status").status_code == 200


def test_a_bucket_fills_again_with_time_and_forgets_who_asked_longest_ago(monkeypatch):
    moment = [0.0]
    bucket = Buckets(60, clock=lambda: moment[0])
    assert [bucket.take("a") for _ in range(60)] == [0.0] * 60
    assert bucket.take("a") == pytest.approx(1)
    assert bucket.take("b") == 0
    moment[0] = 2.5
    assert [bucket.take("a") > 0 for _ in range(3)] == [False, False, True]
    moment[0] = 10_000
    assert sum(bucket.take("a") == 0 for _ in range(100)) == 60
    monkeypatch.setattr(limits, "KEYS", 10)
    for number in range(1_000):
        bucket.take(number)
    assert len(bucket._kept) == 10


def test_refusals_of_many_networks_are_limited_together():
    many = limits.Limits(10)
    with pytest.raises(TooManyError):
        for number in range(limits.REFUSALS + 1):
            many.refusal(f"192.0.2.{number}")


def test_the_real_clients_wait_as_they_are_told(small):
    """Their sessions try again after Retry-After; the sync succeeds."""
    small.add(support.image(1))
    small.date_back(60)
    api = msgspec.structs.replace(small.desk.settings.api, requests_per_minute=60)
    small.desk = type(small.desk)(
        msgspec.structs.replace(small.desk.settings, api=api), small.desk.database
    )
    member = small.members["platform"]
    with support.Serving(small) as base:
        environment = SimpleNamespace(value=f"{base}/ncmec/known")
        client = NCMECHashAPI(member.name, member.token, environment)
        for _ in range(62):
            assert len(client.get_entries(start_timestamp=0).updates) == 1


def test_an_account_has_so_many_long_answers_at_once(small, monkeypatch):
    small.add(*(support.image(number) for number in range(3)))
    monkeypatch.setattr(limits, "LONG_ANSWERS", 2)
    held = limits.Limits(100)
    answers = [ncmec.Answer() for _ in range(3)]
    held.long_answer(1, answers[0])
    held.long_answer(1, answers[1])
    held.long_answer(2, answers[2])
    with pytest.raises(TooManyError):
        held.long_answer(1, ncmec.Answer())
    pieces = answers.pop(0).pieces()
    next(pieces)
    with pytest.raises(TooManyError):
        held.long_answer(1, ncmec.Answer())
    del pieces  # broken off in the middle
    held.long_answer(1, answers[0])


def test_answers_that_were_sent_or_broken_off_are_counted_no_more(small):
    small.add(*(support.image(number) for number in range(200)))
    small.date_back(60)
    headers = small.members["platform"].bearer
    with support.Serving(small) as base:
        address = f"{base}/ncmec/known/v2/entries"
        for _ in range(2 * limits.LONG_ANSWERS):
            assert httpx.get(address, headers=headers).status_code == 200
        for _ in range(2 * limits.LONG_ANSWERS):
            with httpx.stream("GET", address, headers=headers) as answer:
                assert answer.status_code == 200
                next(answer.iter_raw(16))
        deadline = time.monotonic() + 10
        while httpx.get(address, headers=headers).status_code != 200:
            assert time.monotonic() < deadline
