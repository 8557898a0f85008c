"""Serves the pages of one database, or one static page, as `tutela serve` does; prints its port.

    python bench/casework_server.py [DATABASE URL]

A process of its own: what a page costs is not mixed with what asking for it costs.
"""

from __future__ import annotations

import socket
import sys

import uvicorn
from litestar import Litestar, MediaType, get

from tutela.access.seal import KEY_BYTES, Sealer
from tutela.core.settings import Settings, WebSettings
from tutela.store import Database
from tutela.web import app
from tutela.web.office import Office

ORIGIN = "http://localhost:8470"


@get("/", sync_to_thread=False, media_type=MediaType.HTML)
def static() -> str:
    """Give a page that says nothing: what HTTP costs."""
    return "<!doctype html><title>.</title>"


def _nothing() -> Litestar:
    return Litestar([static], openapi_config=None, logging_config=None)


def _pages(url: str) -> Litestar:
    office = Office(
        Settings(web=WebSettings(origin=ORIGIN)), Database(url), Sealer(bytes(KEY_BYTES))
    )
    return app.build(office)


class _Telling(uvicorn.Server):
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    served = _pages(sys.argv[1]) if sys.argv[1] else _nothing()
    _Telling(uvicorn.Config(served, port=0, log_config=None, access_log=False)).run()
