"""Puts what is on a published list into a library, and a matching service over it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
from api_support import Exchange

from tutela.core.matching import Answer, Asked, Question, Value, asked
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.settings import MatchSettings
from tutela.exchange import changes, lists
from tutela.exchange.carry import entry_of
from tutela.exchange.match import Matching
from tutela.exchange.match_prefix import Prefixes
from tutela.exchange.model import SERVED
from tutela.hashlist.growing import own_provenance
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList


def follow(exchange: Exchange, library: Path, name: str = "known") -> None:
    """Bring the library's list to what is published, as a subscriber does."""
    with exchange.database.read() as tx:
        view = lists.view(tx, exchange.owner, name)
        live = LiveList.create(library, name, role=view.role, received_from=view.owner)
        after = int(live.checkpoint() or 0)
        listed = changes.since(tx, exchange.owner, view, after, 10_000)
    own = own_provenance(live.info)
    served = [(one, entry_of(one, own) if one.state in SERVED else None) for one in listed]
    live.apply(
        [Change(one.id.to_bytes(8), entry) for one, entry in served],
        b"%d" % max((one.change for one in listed), default=after),
    )


@contextlib.contextmanager
def matched(
    exchange: Exchange, folder: Path, settings: MatchSettings | None = None
) -> Iterator[Matching]:
    """Open a matching service over the library in `folder`, at the exchange's desk."""
    library = Library.open(folder)
    settings = settings or MatchSettings()
    matching = Matching(library, exchange.database, settings)
    prefixes = Prefixes(matching, exchange.database, settings)
    exchange.desk = replace(exchange.desk, library=library, matching=matching, prefixes=prefixes)
    yield matching


def question(*contents: tuple[Digests, tuple[Fingerprint, ...]]) -> bytes:
    return msgspec.json.encode(Question(tuple(asked(content) for content in contents)))


def ask(client, member, *contents, lists: tuple[str, ...] = ()) -> Answer:
    """Ask by JSON."""
    response = client.post(
        "/v1/match",
        content=question(*contents),
        params=[("list", name) for name in lists],
        headers={**member.bearer, "content-type": "application/json"},
    )
    assert response.status_code == 200, response.text
    return msgspec.json.decode(response.content, type=Answer)


def near(bits: bytes, distance: int) -> bytes:
    """Return bits that differ in the first `distance` places."""
    flipped = int.from_bytes(bits) ^ ((1 << 256) - (1 << (256 - distance)))
    return flipped.to_bytes(32)


def pdq(bits: bytes) -> tuple[Digests, tuple[Fingerprint, ...]]:
    return Digests(), (Fingerprint(PDQ, bits),)


__all__ = ["Asked", "Value", "ask", "follow", "matched", "near", "pdq", "question"]
