"""What the guard lets an application see."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
from client_support import drawn

from tutela.client import AsyncClient, Wait
from tutela.client.guard import FOUND, Act, Guard, Policy
from tutela.core.media import PDQ

ROOT = Path(__file__).resolve().parents[2]
QUICK = Wait(tries=1)


class Application:
    """Keeps what it is given."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.found: list[object] = []

    async def __call__(self, scope, receive, send) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.seen.append(body)
        self.found.append(scope.get(FOUND))
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Behind:
    """An application behind a guard, and a way to ask it."""

    def __init__(self, address: str, token: str, **choices) -> None:
        self.app = Application()
        self.held: list = []
        self._address, self._token, self._choices = address, token, choices

    async def _keep(self, upload) -> None:
        self.held.append(upload)

    async def _ask(self, request: dict) -> httpx.Response:
        async with AsyncClient(self._address, self._token, wait=QUICK, timeout_s=5) as client:
            guard = Guard(self.app, client, held=self._keep, **self._choices)
            transport = httpx.ASGITransport(guard)
            async with httpx.AsyncClient(transport=transport, base_url="http://app") as http:
                return await http.request("POST", "/upload", **request)

    def post(self, **request) -> int:
        return asyncio.run(self._ask(request)).status_code


@pytest.fixture
def behind(service, hasher):
    def fingerprints(data: bytes):
        return [f for f in hasher.known(data)[0][1] if f.algorithm == PDQ]

    def make(**choices) -> Behind:
        choices.setdefault("fingerprints", fingerprints)
        return Behind(service.address, service.token, **choices)

    return make


KNOWN, ALIKE, OTHER = drawn(1), drawn(1, 60), drawn(2)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda data: {"content": data},
        lambda data: {"content": data, "headers": {"content-type": "image/jpeg"}},
        lambda data: {"content": data, "headers": {"content-type": "text/plain"}},
        lambda data: {"files": {"file": ("x.jpg", data)}},
        lambda data: {"files": [("a", ("y.jpg", drawn(5))), ("b", ("x.jpg", data))]},
        lambda data: {"files": {"hidden": (None, data)}},
    ],
)
def test_known_is_blocked_alike_is_held_and_the_rest_arrives_whole(behind, request_of):
    one = behind()
    assert one.post(**request_of(KNOWN)) == 403
    assert one.app.seen == []
    assert one.post(**request_of(ALIKE)) == 202
    assert one.app.seen == []
    assert [upload.found.act for upload in one.held] == [Act.HOLD]
    assert ALIKE in one.held[0].body
    assert one.post(**request_of(OTHER)) == 201
    assert OTHER in one.app.seen[0]
    assert one.app.found == [None]


def test_a_policy_may_annotate(behind):
    one = behind(policy=Policy(exact=Act.ANNOTATE, indicative=Act.PASS))
    assert one.post(content=KNOWN) == 201
    assert one.app.found[0].contents[0].matches[0].list == "known"
    assert one.post(content=ALIKE) == 201
    assert one.app.found[1] is None
    assert one.app.seen == [KNOWN, ALIKE]


def test_the_gravest_of_several_files_counts(behind):
    one = behind()
    files = [("a", ("a.jpg", OTHER)), ("b", ("b.jpg", ALIKE)), ("c", ("c.jpg", KNOWN))]
    assert one.post(files=files) == 403
    assert one.post(files=files[:2]) == 202


@pytest.mark.parametrize("by", ["prefix", "file"])
def test_other_ways_to_ask(behind, by):
    one = behind(by=by)
    assert one.post(content=KNOWN) == 403
    assert one.post(content=ALIKE) == (201 if by == "prefix" else 202)
    assert one.post(content=OTHER) == 201


def test_without_an_answer_it_fails_as_it_was_told():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens there
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        closed, opened = (
            Behind(address, "t"),
            Behind(address, "t", policy=Policy(failed=Act.ANNOTATE)),
        )
        assert closed.post(content=OTHER) == 403
        assert closed.app.seen == []
        assert opened.post(content=OTHER) == 201
        assert opened.app.found[0].failure == "unreachable"


def test_a_wrong_token_fails_closed(service):
    one = Behind(service.address, "nonsense")
    assert one.post(content=OTHER) == 403
    assert one.app.seen == []


def test_fingerprints_that_break_fail_closed(behind):
    def broken(_data: bytes):
        raise RuntimeError("decoder")

    one = behind(fingerprints=broken)
    assert one.post(content=OTHER) == 403


def test_what_is_too_large_or_cannot_be_read_is_refused(behind):
    one = behind(most_bytes=1000)
    assert one.post(content=b"\xff" * 1001) == 413
    assert one.post(content=b"\xff", headers={"content-encoding": "gzip"}) == 400
    assert one.post(content=b"--x", headers={"content-type": "multipart/form-data"}) == 400
    twice = [("content-type", "text/plain"), ("content-type", "image/jpeg")]
    assert one.post(content=b"\xff", headers=twice) == 400
    assert one.app.seen == []


def test_texts_and_questions_go_through_unasked():
    one = Behind("http://127.0.0.1:1", "t")
    assert one.post(json={"a": "ä"}) == 201
    assert one.post(data={"a": "b"}) == 201
    assert one.post(content=b"") == 201
    assert one.app.seen[0] == '{"a":"ä"}'.encode()


def test_a_large_body_arrives_in_order(behind):
    one = behind(fingerprints=None, most_bytes=8 << 20)
    data = os.urandom(5 << 20)
    assert one.post(content=data) == 201
    assert hashlib.sha256(one.app.seen[0]).digest() == hashlib.sha256(data).digest()


def test_nobody_waits_for_who_has_gone():
    app = Application()

    async def gone():
        async with AsyncClient("http://127.0.0.1:1", "t") as client:
            scope = {"type": "http", "method": "POST", "headers": []}

            async def receive():
                return {"type": "http.disconnect"}

            async def send(_message):
                raise AssertionError("nobody is there")

            await Guard(app, client)(scope, receive, send)

    asyncio.run(gone())
    assert app.seen == []


def test_the_example_runs(service, tmp_path):
    """As its own words say: known is refused, what resembles lies aside, the rest is kept."""
    token = tmp_path / "token"
    token.write_text(service.token + "\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    example = [
        sys.executable, ROOT / "examples" / "guarded_uploads.py", "--service", service.address,
        "--token-file", token, "--folder", tmp_path / "uploads", "--port", str(port),
    ]  # fmt: skip
    running = subprocess.Popen(example)
    try:
        address = f"http://127.0.0.1:{port}/uploads"
        for _ in range(300):
            try:
                kept = httpx.post(address, files={"file": ("o.jpg", OTHER)}, timeout=30)
                break
            except httpx.ConnectError:
                assert running.poll() is None
                time.sleep(0.1)
        assert kept.status_code == 201
        assert httpx.post(address, content=KNOWN, timeout=30).status_code == 403
        assert httpx.post(address, content=ALIKE, timeout=30).status_code == 202
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(20)
    name = hashlib.sha256(ALIKE).hexdigest()
    names = {path.relative_to(tmp_path / "uploads") for path in (tmp_path / "uploads").rglob("*")}
    assert names == {
        Path("held"), Path("held") / name, Path("held") / f"{name}.json", Path(kept.json()["kept"])
    }  # fmt: skip
    entries = json.loads((tmp_path / "uploads" / "held" / f"{name}.json").read_text())
    assert entries == [["known", service.exchange.ids[0], "indicative"]]
