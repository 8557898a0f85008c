"""Both clients against a real service, and what they do when there is none."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import api_support
import httpx
import pytest
from api_support import digest
from chat_corpus_support import PARTS, PlainScorer
from client_support import drawn

from tutela.chat import service as chats
from tutela.client import AsyncClient, Client, Wait
from tutela.core.chat_settings import ChatSettings
from tutela.core.chatting import Message
from tutela.core.errors import AccessError, ConflictError, InputError, ServiceError
from tutela.core.hit import Strength
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange import feedback
from tutela.exchange.model import Verdict

QUICK = Wait(tries=3, first_s=0.001, most_s=0.01)


@pytest.fixture(params=["waiting", "awaited"])
def client(request, service):
    """Each client in turn; the awaited one is run to its end, call by call."""
    yield from opened(request.param, service.address, service.token)


def opened(kind: str, address: str, token: str, transport=None):
    if kind == "waiting":
        with Client(address, token, wait=QUICK, transport=transport) as one:
            yield one
        return
    with asyncio.Runner() as runner:
        one = AsyncClient(address, token, wait=QUICK, transport=transport)
        yield Awaited(one, runner)
        runner.run(one.close())


class Awaited:
    def __init__(self, one: AsyncClient, runner: asyncio.Runner) -> None:
        self._one, self._runner = one, runner

    def __getattr__(self, name: str):
        return lambda *words, **named: self._runner.run(getattr(self._one, name)(*words, **named))


def pdq(number: int):
    return Digests(), (Fingerprint(PDQ, digest(number, "sha3_256")),)


def test_many_contents_are_matched_in_batches(client):
    contents = [pdq(number) for number in range(600)]
    answer = client.match(contents)
    assert len(answer.contents) == 600
    assert [n for n, c in enumerate(answer.contents) if c.matches] == list(range(40))
    assert {m.source for c in answer.contents for m in c.matches} == {"Example Hotline"}


def test_values_that_the_compact_form_has_no_place_for_go_as_json(client):
    contents = [
        (Digests(), (Fingerprint(PDQ, digest(1, "sha3_256"), 80, "original", 3),)),
        (Digests(), (Fingerprint("photodna", bytes(144)),)),
    ]
    first, second = client.match(contents).contents
    assert first.matches[0].frame == 3
    assert not second.matches


def test_nothing_is_asked_for_nothing(client):
    assert client.match([]).contents == ()


def test_a_file_is_matched(client, service):
    answer = client.match_file(service.listed, "image/jpeg")
    assert answer.contents[0].matches[0].strength is Strength.EXACT
    assert answer.file is not None
    assert answer.file.fingerprints == 8
    near = client.match_file(drawn(1, 60)).contents[0].matches[0]
    assert near.strength is Strength.INDICATIVE


def test_digests_are_looked_up_by_prefix(client, service):
    sha256 = [digest(number, "sha256") for number in range(50)]
    found = client.look_up(sha256)
    assert [n for n, known in enumerate(found) if known] == list(range(40))
    assert found[3][0].entry == service.exchange.ids[4]
    with pytest.raises(InputError):
        client.look_up([bytes(32)], "crc32")


def test_feedback_reaches_the_owner(client, service):
    entry = service.exchange.ids[5]
    client.feedback("known", entry, "dispute", algorithm="pdq", reasons=["a logo"], note="see 7")
    with service.exchange.database.read() as tx:
        said = feedback.queue(tx, service.exchange.owner, service.exchange.list_id)
    (one,) = [s for s in said if s.entry_id == entry]
    assert (one.verdict, one.algorithm, one.reasons, one.note) == (
        Verdict.DISPUTE,
        "pdq",
        ("a logo",),
        "see 7",
    )
    with pytest.raises(AccessError) as refused:
        client.feedback("no-such-list", entry, "confirm")
    assert refused.value.code == "not_found"


def test_a_wrong_token_is_refused_at_once(service):
    with (
        Client(service.address, "nonsense", wait=QUICK) as client,
        pytest.raises(AccessError) as refused,
    ):
        client.match([pdq(1)])
    assert refused.value.code == "sign_in"


class Line:
    """Answers with one status after another, the last one for ever; 0 breaks the connection."""

    def __init__(self, *statuses: int, headers=None, body: bytes = b"{}") -> None:
        self.statuses, self.asked = list(statuses), 0
        self.headers, self.body = headers or {}, body

    def __call__(self, request: httpx.Request) -> httpx.Response:
        status = self.statuses[min(self.asked, len(self.statuses) - 1)]
        self.asked += 1
        if not status:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(status, headers=self.headers, content=self.body)


@pytest.fixture(params=["waiting", "awaited"])
def facing(request):
    """Return a client of a service that answers as told."""
    endings = []

    def make(line: Line):
        opening = opened(request.param, "http://test", "t", httpx.MockTransport(line))
        endings.append(opening)
        return next(opening)

    yield make
    for ending in endings:
        next(ending, None)


ANSWER = b'{"generation":7,"contents":[{}],"file":null}'


def test_it_asks_again_where_there_was_no_answer(facing):
    line = Line(0, 503, 200, body=ANSWER)
    assert facing(line).match_file(b"x").generation == 7
    assert line.asked == 3


@pytest.mark.parametrize("status", [0, 429, 502, 503, 504])
def test_it_gives_up_after_some_tries(facing, status):
    line = Line(status)
    with pytest.raises((ServiceError, AccessError)):
        facing(line).match_file(b"x")
    assert line.asked == QUICK.tries


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422, 500])
def test_it_does_not_ask_again_where_that_is_no_use(facing, status):
    line = Line(status, body=b'{"title":"no","detail":"because","code":"c"}')
    with pytest.raises((ServiceError, AccessError, InputError, ConflictError, Exception)) as error:
        facing(line).match_file(b"x")
    assert line.asked == 1
    assert (error.value.message, error.value.hint, error.value.code) == ("no", "because", "c")


def test_it_waits_no_longer_than_it_may(facing):
    line = Line(429, headers={"retry-after": "3600"})
    with pytest.raises(AccessError):
        facing(line).match_file(b"x")
    assert line.asked == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff"])
def test_an_answer_that_is_none_is_an_error(facing, body):
    with pytest.raises(ServiceError) as error:
        facing(Line(200, body=body)).match_file(b"x")
    assert error.value.code == "protocol"


def test_another_prefix_length_is_learnt(facing):
    class Changing(Line):
        def __call__(self, request: httpx.Request) -> httpx.Response:
            self.asked += 1
            if request.method == "GET":
                bits = 3 if self.asked < 3 else 4
                said = b'{"buckets":{"sha256":{"bits":%d,"rows":16}},"prefixes_per_day":9}' % bits
                return httpx.Response(200, content=said)
            if b'"bits":3' in request.content:
                return httpx.Response(409, content=b'{"code":"prefix_bits"}')
            rows = b'{"prefix":%d,"salt":"AAAAAAAAAAAAAAAAAAAAAA==","rows":""}' % 14
            return httpx.Response(
                200, content=b'{"generation":1,"lists":[],"answers":[' + rows + b"]}"
            )

    line = Changing()
    assert facing(line).look_up([hashlib.sha256(b"x").digest()]) == [[]]
    assert line.asked == 4


@pytest.fixture(params=["waiting", "awaited"])
def chatter(request, embedded, tmp_path):
    """Each client in turn, at a service that scores conversations."""
    exchange = api_support.build(embedded, tmp_path)
    scoring = ChatSettings(enabled=True, legal_basis="invented for tests", retention_days=1)
    service = chats.Service(scoring, PlainScorer, PARTS)
    exchange.desk = replace(exchange.desk, chat=service)
    with api_support.Serving(exchange) as address:
        yield from opened(request.param, address, exchange.members["platform"].token)


def test_conversations_are_scored_told_and_forgotten(chatter):
    texts = ["how old are you", "hello", "are you alone", "send a picture", "the other app"]
    messages = [
        Message(conversation="room/1", id=str(number), author="a", text=text)
        for number, text in enumerate(texts * 60)
    ]
    answers = chatter.chat(messages)
    assert [one.id for one in answers] == [one.id for one in messages]
    assert sum(one.crossed for one in answers) == 1
    assert chatter.conversation("room/1").messages == 300
    chatter.forget("room/1")
    with pytest.raises(AccessError) as refused:
        chatter.conversation("room/1")
    assert refused.value.code == "not_found"


@pytest.mark.parametrize("kind", ["waiting", "awaited"])
@pytest.mark.parametrize(("status", "tries"), [(503, 3), (502, 1), (None, 1)])
def test_messages_are_not_sent_twice_unless_they_were_refused(kind, status, tries):
    asked = []

    def answer(request):
        asked.append(request)
        if status is None:
            raise httpx.ReadError("gone", request=request)
        return httpx.Response(status)

    for client in opened(kind, "http://service", "token", httpx.MockTransport(answer)):
        with pytest.raises(ServiceError):
            client.chat([Message(conversation="c", id="m", author="a")])
    assert len(asked) == tries
