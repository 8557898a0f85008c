"""What members say of entries, and what owners see of how their lists match: `/v1/lists`."""

from __future__ import annotations

from datetime import timedelta

import msgspec
from litestar.params import FromPath, FromQuery, RawBody

from tutela.access.model import Permission
from tutela.api.office import Asked, desk, who
from tutela.core.entry import Role
from tutela.core.errors import InputError
from tutela.core.feedback import Saying
from tutela.core.ids import EntryId
from tutela.core.time import now
from tutela.edge.routes import changes, reads
from tutela.exchange import feedback, lists, match_counts, match_quarantine
from tutela.exchange.match_counts import Answers
from tutela.exchange.match_quarantine import Noisy
from tutela.exchange.model import Verdict

_DAYS = 30
_MOST_DAYS = 3660
_decode = msgspec.json.Decoder(Saying).decode


class Usable(msgspec.Struct, frozen=True):
    """A list that a member may use; `matched` tells whether this server matches against it."""

    name: str
    title: str
    purpose: str
    owner: str
    role: Role
    radius_bits: int
    matched: bool


@reads("/v1/lists", needs=Permission.LISTS_READ)
def usable(request: Asked) -> list[Usable]:
    """Give the lists that a member may use."""
    place = desk(request)
    with place.database.read() as tx:
        views = lists.mine(tx, who(request))
    there = {info.name for info in place.library.lists} if place.library else set()
    return [
        Usable(v.name, v.title, v.purpose, v.owner, v.role, v.radius_bits, v.name in there)
        for v in views
    ]


@changes(
    "/v1/lists/{name:str}/entries/{entry:int}/feedback",
    needs=Permission.LISTS_FEEDBACK,
    takes={"application/json": Saying},
)
def say(
    request: Asked, name: FromPath[str], entry: FromPath[int], body: RawBody
) -> dict[str, bool]:
    """Confirm or dispute an entry, or report it as a false positive."""
    try:
        said = _decode(body)
    except msgspec.DecodeError as error:
        raise InputError(f"the feedback cannot be read: {error}", code="malformed") from None
    with desk(request).database.write() as tx:
        view = lists.view(tx, who(request), name)
        feedback.submit(
            tx,
            who(request),
            view.id,
            EntryId(entry),
            Verdict(said.verdict),
            algorithm=said.algorithm,
            reasons=said.reasons,
            note=said.note,
        )
    return {"said": True}


@reads("/v1/lists/{name:str}/quarantine", needs=Permission.LISTS_PUBLISH)
def quarantine(request: Asked, name: FromPath[str]) -> list[Noisy]:
    """Give the noisy entries of one's list, those that do not answer first."""
    with desk(request).database.read() as tx:
        view = lists.view(tx, who(request), name)
        return match_quarantine.queue(tx, who(request), view.id)


@changes(
    "/v1/lists/{name:str}/quarantine/{entry:int}/release",
    needs=Permission.LISTS_PUBLISH,
)
def release(request: Asked, name: FromPath[str], entry: FromPath[int]) -> dict[str, bool]:
    """Let a noisy entry answer again, within seconds."""
    with desk(request).database.write() as tx:
        view = lists.view(tx, who(request), name)
        match_quarantine.release(tx, who(request), view.id, entry)
    return {"released": True}


@reads("/v1/lists/{name:str}/answers", needs=Permission.LISTS_PUBLISH)
def answers(request: Asked, name: FromPath[str], days: FromQuery[int] = _DAYS) -> list[Answers]:
    """Give how often one's list answered each member in the last days."""
    if not 0 < days <= _MOST_DAYS:
        raise InputError(f"days are 1 to {_MOST_DAYS}", code="value")
    with desk(request).database.read() as tx:
        view = lists.view(tx, who(request), name)
        since = now() - timedelta(days=days - 1)
        return match_counts.of_list(tx, who(request), view.id, since)


ROUTES = [usable, say, quarantine, release, answers]
