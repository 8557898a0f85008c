"""Servers of the clear web must show whose they are."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import pytest
from fetch_servers import LOOPBACK, QUICK, Outcome, certificate, fetched, says

from tutela.fetch.stream import Client

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage"


def ask_over_tls(folder: Path, name: str, trusted: bool) -> Outcome:  # noqa: FBT001 two cases

    file = certificate(folder, name)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(file)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await says(ANSWER)(writer)
        writer.close()

    async def run() -> Outcome:
        context = ssl.create_default_context(cafile=str(file)) if trusted else None
        async with (
            await asyncio.start_server(talk, "127.0.0.1", 0, ssl=served) as server,
            Client(LOOPBACK, QUICK, trusted=context) as client,
        ):
            port = server.sockets[0].getsockname()[1]
            return await fetched(client, f"https://localhost:{port}/", Outcome())

    return asyncio.run(run())


def test_a_certificate_of_a_known_authority_is_taken(tmp_path: Path):
    assert ask_over_tls(tmp_path, "localhost", trusted=True).body == b"page"


@pytest.mark.parametrize(("name", "trusted"), [("localhost", False), ("other.example", True)])
def test_any_other_is_refused(tmp_path: Path, name: str, trusted: bool):  # noqa: FBT001 two cases
    assert ask_over_tls(tmp_path, name, trusted).code == "tls"
