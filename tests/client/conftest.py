"""A real matching service for tests of the client: a list of drawn and invented contents."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "api"))
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "chat" / "training"))

import api_support
import matching_support
from client_support import drawn

import databases
from tutela.core.media import Digests
from tutela.core.settings import MatchSettings
from tutela.exchange.candidate import Candidate
from tutela.fingerprint import content
from tutela.scan.hasher import Hasher
from tutela.store import Database


@pytest.fixture(scope="module")
def hasher() -> Iterator[Hasher]:
    with Hasher(1) as one:
        yield one


class Service:
    """A running service: where it is, a token, and what is on its list."""

    def __init__(self, exchange: api_support.Exchange, address: str) -> None:
        self.exchange = exchange
        self.address = address
        self.token = exchange.members["platform"].token
        self.listed = drawn(1)


@pytest.fixture(scope="module")
def service(sqlite_template: Path, tmp_path_factory, hasher) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    with Database(databases.sqlite_factory(sqlite_template, folder).url()) as database:
        exchange = api_support.build(database, folder)
        file = drawn(1)
        exchange.ids = exchange.add(
            Candidate(
                digests=Digests(sha256=hashlib.sha256(file).digest()),
                fingerprints=(content.fingerprint(file)[0],),
                codes=(api_support.A1,),
            ),
            *(api_support.image(number) for number in range(40)),
        )
        matching_support.follow(exchange, folder / "library")
        settings = MatchSettings(prefix_anonymity=4)
        with matching_support.matched(exchange, folder / "library", settings):
            exchange.desk = replace(exchange.desk, hasher=hasher)
            with api_support.Serving(exchange) as address:
                yield Service(exchange, address)
