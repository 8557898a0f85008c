"""A site for tests and benchmarks: `onion_pages.py PORT [CERTIFICATE]` serves on loopback.

/page and /image are 8 KiB and 50 KiB; /endless never ends; connections are kept.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import sys

PAGE = b"<html>" + b"<p>a line of a page</p>\n" * 340 + b"</html>"
IMAGE = b"\xff\xd8\xff" + random.Random(1).randbytes(50_000)


async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            path = request.split(b" ", 2)[1]
            kind, body = (b"image/jpeg", IMAGE) if path == b"/image" else (b"text/html", PAGE)
            length = b"" if path == b"/endless" else b"Content-Length: %d\r\n" % len(body)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%s\r\n" % (kind, length))
            while path == b"/endless":
                writer.write(body)
                await writer.drain()
                await asyncio.sleep(0.05)
            writer.write(body)
            await writer.drain()
            if b"Connection: close" in request:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    writer.close()


async def main(port: int, certificate: str) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    server = await asyncio.start_server(talk, "127.0.0.1", port, ssl=context, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
