"""NCMEC hash sharing v2 (XML): the entries of one list, and feedback on them.

The base address is `/ncmec/LIST`: what is an environment there is a list here. A range of time is
answered in one page as long as it has no more than `PAGE` entries, for at the first `next` the
field's client throws away what it got and asks for smaller ranges.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, NamedTuple
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath, FromQuery, QueryParameter, RawBody
from litestar.response import Stream

from tutela.access import accounts
from tutela.access.model import Permission
from tutela.api.listing import STEP, after_second, alerts, settle
from tutela.api.office import Asked, Desk, desk, limits, who
from tutela.api.protocols import ncmec
from tutela.api.protocols.paging import EPOCH, Place, number
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import EntryId
from tutela.core.principal import Principal
from tutela.core.time import iso, now
from tutela.edge.routes import reads, replaces
from tutela.exchange import changes, feedback, lookup
from tutela.exchange.model import SERVED
from tutela.exchange.protocols.ncmec import FINGERPRINTS, moment

XML = "application/xml; charset=utf-8"
# Up to 100 MB of XML; the field's client shrinks its ranges beyond 100,000 by itself.
PAGE = 200_000

# The field's client writes local times and calls them UTC. East of Greenwich it asks for a future
# that is never further away than its time zone, and goes on from there: it would miss the hours
# between. What it asks then is understood to end now, and to begin earlier by as much, and by an
# hour for a change to or from summer time and some minutes for clocks that differ.
FURTHEST_ZONE = timedelta(hours=14, minutes=5)
OVERLAP = timedelta(minutes=65)
# As early as any client's zero of time, by whichever zone.
EARLIEST = EPOCH - timedelta(days=2)


@reads("/ncmec/{name:str}/v2/status", needs=Permission.LISTS_SYNC)
def status(request: Asked, name: FromPath[str]) -> Response[str]:
    """Tell a member who it is."""
    asker = who(request)
    with desk(request).database.read() as tx:
        alerts(tx, asker, name)
        own = next(o for o in accounts.organisations(tx, asker) if o.id == asker.organisation_id)
    address = request.client.host if request.client else ""
    return _xml(ncmec.status(own.id, own.name, asker.name, address))


@reads("/ncmec/{name:str}/v2/members", needs=Permission.LISTS_SYNC)
def members(request: Asked, name: FromPath[str]) -> Response[str]:
    """Tell whose entries are on the list."""
    asker = who(request)
    with desk(request).database.read() as tx:
        view = alerts(tx, asker, name)
        found = lookup.contributors(tx, asker, view)
    return _xml(ncmec.members(found))


@reads("/ncmec/{name:str}/v2/feedback/{kind:str}/reasons", needs=Permission.LISTS_SYNC)
def reasons(request: Asked, name: FromPath[str], kind: FromPath[str]) -> Response[str]:
    """Tell why one may disagree."""
    with desk(request).database.read() as tx:
        alerts(tx, who(request), name)
    _algorithm(kind)
    return _xml(ncmec.reasons(kind))


@reads("/ncmec/{name:str}/v2/entries", needs=Permission.LISTS_SYNC)
def entries(  # noqa: PLR0913, PLR0917 the parameters of the protocol
    request: Asked,
    name: FromPath[str],
    begin: Annotated[str | None, QueryParameter(name="from")] = None,
    to: FromQuery[str | None] = None,
    start: FromQuery[str | None] = None,
    size: FromQuery[str | None] = None,
    after: FromQuery[str | None] = None,
) -> Stream:
    """Give the entries that were changed after `from`, up to and with `to`."""
    number(start, "start", default=0, least=0, most=10**18 - 1)
    window = _window(begin, to, number(size, "size", default=PAGE, least=1, most=PAGE), after)
    place, asker = desk(request), who(request)
    with place.database.read() as tx:
        alerts(tx, asker, name)
    until = settle(place, window.until)
    answer = ncmec.Answer()
    limits(request).long_answer(asker.account_id, answer)
    gathering = _gather(place, asker, name, window, until, answer)
    try:
        # Errors are told as such until the first bytes are on their way.
        next(gathering, None)
        if window.words is None:
            for _ in gathering:
                pass
    except BaseException:
        answer.close()
        raise
    return Stream(answer.pieces(gathering), media_type=XML)


@replaces(
    "/ncmec/{name:str}/v2/entries/{member:int}/{entry:int}/{kind:str}/feedback",
    needs=Permission.LISTS_FEEDBACK,
    request_max_body_size=ncmec.LONGEST_SUBMISSION,
)
def say(  # noqa: PLR0913, PLR0917 the parts of the address
    request: Asked,
    name: FromPath[str],
    member: FromPath[int],
    entry: FromPath[int],
    kind: FromPath[str],
    body: RawBody,
) -> Stream:
    """Take what a member says of an entry; answer with the entry."""
    algorithm, said = _algorithm(kind), ncmec.submission(body)
    asker = who(request)
    with desk(request).database.write() as tx:
        view = alerts(tx, asker, name)
        listed = lookup.entry(tx, asker, view, EntryId(entry))
        if listed.source_id != member:
            raise AccessError("there is no such entry for you", code="not_found")
        feedback.submit(
            *(tx, asker, view.id, listed.id, said.verdict),
            algorithm=algorithm,
            reasons=said.reasons,
        )
    answer = ncmec.Answer()
    answer.add(listed)
    return Stream(answer.pieces(), media_type=XML)


def _gather(  # noqa: PLR0913, PLR0917 what is asked, by whom, and where it goes
    place: Desk, asker: Principal, name: str, window: _Window, until: datetime, answer: ncmec.Answer
) -> Iterator[None]:
    """Add entries to an answer, a few thousand at each step; between them nothing is held.

    What is changed between two steps moves behind `until`, and is told when the client asks for
    what comes after.
    """
    after, last = window.after, None
    while True:
        with place.database.read() as tx:
            view = alerts(tx, asker, name)
            found = changes.between(tx, asker, [view], after.after, until, STEP)
        for listed in found:
            if window.fresh and listed.state not in SERVED:
                continue
            if last is not None and answer.count == window.size:
                answer.following = _next(window, Place.of(last))
                return
            answer.add(listed)
            last = listed
        if len(found) < STEP:
            return
        after = Place.of(found[-1])
        yield


class _Window(NamedTuple):
    """What is asked for; `words` are `from` and `to` as the next page's address repeats them.

    `fresh` is for who has nothing yet. `words` is None where the clock of the client is ahead:
    then there is no next page.
    """

    after: Place
    until: datetime
    size: int
    fresh: bool
    words: tuple[str, str] | None


def _window(begin: str | None, to: str | None, size: int, after: str | None) -> _Window:
    at = now()
    first = max(moment(begin), EARLIEST) if begin else EARLIEST
    last = moment(to) if to else at
    ahead, fresh = last - at, first < EPOCH + timedelta(days=2)
    if ahead <= timedelta():
        place = max(after_second(first), Place.parse(after) if after else after_second(first))
        return _Window(place, last, size, fresh, (iso(first), iso(last)))
    if ahead > FURTHEST_ZONE:
        raise UsageError(
            "to lies in the future", code="parameter", hint="set the clock; times are UTC"
        )
    return _Window(after_second(first - ahead - OVERLAP), at, PAGE, fresh, None)


def _next(window: _Window, place: Place) -> str:
    """Return the address of the next page, as the protocol has it, and where it begins."""
    if window.words is None:
        raise UsageError(
            f"there are more than {PAGE:,} entries, and times are asked that have not come yet",
            code="parameter",
            hint="run the client with TZ=UTC: it sends local times as if they were UTC",
        )
    begin, to = window.words
    asked = {
        "from": begin,
        "to": to,
        "start": place.number,
        "size": window.size,
        "max": place.number + 1,  # only a guess: how many are left costs as much as giving them
        "after": str(place),
    }
    return f"/v2/entries?{urlencode(asked)}"


def _algorithm(kind: str) -> str:
    if kind not in FINGERPRINTS:
        raise UsageError(
            "this is no kind of fingerprint",
            code="parameter",
            hint=f"kinds are {', '.join(FINGERPRINTS)}",
        )
    return FINGERPRINTS[kind]


def _xml(text: str) -> Response[str]:
    return Response(text, media_type=XML)


ROUTES = [status, members, reasons, entries, say]
