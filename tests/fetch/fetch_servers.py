"""Servers that answer with given bytes, and what a client makes of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tutela.core.errors import FetchError
from tutela.fetch.answer import Head
from tutela.fetch.stream import Bounds, Client
from tutela.fetch.way import Clear, Way

Respond = Callable[[asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = Clear(allow_loopback=True)
QUICK = Bounds(size_bytes=1 << 20, total_s=2.0, first_s=1.0, silence_s=0.4, connect_s=1.0)


@dataclass
class Outcome:
    """What came: a head and a body, or a code."""

    head: Head | None = None
    body: bytes = field(default=b"", repr=False)
    code: str = ""
    sentence: str = ""
    seconds: float = 0.0
    requests: list[bytes] = field(default_factory=list)
    grown_bytes: int = 0


@contextlib.asynccontextmanager
async def serving(respond: Respond, requests: list[bytes]) -> AsyncIterator[int]:
    """Answer each connection once, after its request; give the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talks.add(asyncio.current_task())
        try:
            requests.append(await reader.readuntil(b"\r\n\r\n"))
            await respond(writer)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            writer.transport.abort()

    talks: set[asyncio.Task[None] | None] = set()
    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for task in talks:
            if task:
                task.cancel()
        await asyncio.gather(*filter(None, talks), return_exceptions=True)
        # What was aborted is gone after one more round of the loop.
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def keeping(
    respond: Callable[[int, asyncio.StreamWriter], Awaitable[None]], connections: list[int]
) -> AsyncIterator[int]:
    """Answer request after request on each connection; count what each carries; give the port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        place = len(connections)
        connections.append(0)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                connections[place] += 1
                await respond(connections[place], writer)
                await writer.drain()
        writer.close()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def says(*parts: bytes) -> Respond:
    """Answer with these bytes and close."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return respond


def endless(begin: bytes, unit: bytes, pause_s: float = 0.0) -> Respond:
    """Never stop answering."""

    async def respond(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(unit)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return respond


async def fetched(client: Client, url: str, outcome: Outcome, **options: object) -> Outcome:
    """Ask and take everything, or the code."""
    begin = time.monotonic()
    taken = bytearray()
    try:
        async with client.get(url, **options) as answer:
            outcome.head = answer.head
            async for piece in answer.pieces():
                taken += piece
    except FetchError as error:
        outcome.code = error.code
        outcome.sentence = str(error)
    outcome.body = bytes(taken)
    outcome.seconds = time.monotonic() - begin
    return outcome


def ask(
    respond: Respond,
    bounds: Bounds = QUICK,
    path: str = "/",
    way: Way = LOOPBACK,
    host: str = "127.0.0.1",
) -> Outcome:
    """Serve, ask once, and see."""

    async def run() -> Outcome:
        outcome = Outcome()
        async with (
            serving(respond, outcome.requests) as port,
            Client(way, bounds) as client,
        ):
            return await fetched(client, f"http://{host}:{port}{path}", outcome)

    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    outcome = asyncio.run(run())
    outcome.grown_bytes = _memory("VmHWM") - before
    return outcome


def certificate(folder: Path, name: str) -> Path:
    """Make a certificate that it signed itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "certificate.pem"
    file.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + made.public_bytes(Encoding.PEM)
    )
    return file


def _memory(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) << 10
