"""StopNCII (JSON): the hashes of one list, and feedback on them. The base is `/stopncii/LIST`."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from typing import Annotated

from litestar import Response
from litestar.params import FromPath, QueryParameter, RawBody

from tutela.access.model import Permission
from tutela.api.listing import after_second, alerts, settle, walk
from tutela.api.office import Asked, desk, who
from tutela.api.protocols import stopncii
from tutela.api.protocols.paging import LAST_SECOND, Place, at_second, number, second_of
from tutela.core.time import now
from tutela.edge.routes import changes, reads
from tutela.exchange import feedback, lookup
from tutela.exchange.model import SERVED
from tutela.exchange.protocols.stopncii import ZERO

PAGE = 800
LARGEST_PAGE = 10_000


@reads("/stopncii/{name:str}/FetchHashes", needs=Permission.LISTS_SYNC)
def fetch(
    request: Asked,
    name: FromPath[str],
    start: Annotated[str | None, QueryParameter(name="startTimestamp")] = None,
    size: Annotated[str | None, QueryParameter(name="pageSize")] = None,
    token: Annotated[str | None, QueryParameter(name="nextPageToken")] = None,
) -> Response[stopncii.Page]:
    """Give a page of the hashes that were changed after the second `startTimestamp`."""
    since = number(start, "startTimestamp", default=0, least=0, most=LAST_SECOND)
    most = number(size, "pageSize", default=PAGE, least=1, most=LARGEST_PAGE)
    place, asker = desk(request), who(request)
    with place.database.read() as tx:
        alerts(tx, asker, name)
    begin, wanted = _begin(since, token)
    until = settle(place, wanted)
    with place.database.read() as tx:
        view = alerts(tx, asker, name)
        found = walk(tx, asker, view, begin, until, fresh=since <= ZERO)
        page = list(islice(found, most + 1))
        more, page = len(page) > most, lookup.recalled(tx, asker, view, page[:most])
        borne = lookup.bearers(tx, asker, view, [one for one in page if one.state not in SERVED])
    records = stopncii.page_records(page, borne)
    done = second_of(until)
    return Response(
        stopncii.Page(
            count=len(records),
            nextPageToken=f"{done}.{Place.of(page[-1])}" if more else None,
            # Whoever goes on from here without the token gets the last second once more.
            nextSetTimestamp=max(since, second_of(page[-1].changed_at) - 1) if more else done,
            hasMoreRecords=more,
            hashRecords=records,
        )
    )


@changes(
    "/stopncii/{name:str}/SubmitFeedback",
    needs=Permission.LISTS_FEEDBACK,
    request_max_body_size=stopncii.LONGEST_BODY,
)
def say(request: Asked, name: FromPath[str], body: RawBody) -> dict[str, int]:
    """Take feedback on hashes, all or none of it; tell how much of it was kept."""
    said = stopncii.feedback(body)
    asker = who(request)
    kept = unknown = 0
    with desk(request).database.write() as tx:
        view = alerts(tx, asker, name)
        for one in said:
            entries = lookup.by_value(tx, asker, view, one.algorithm, one.value)
            unknown += not entries
            if one.verdict is None or not entries:
                continue
            kept += 1
            for listed in entries:
                feedback.submit(
                    *(tx, asker, view.id, listed.id, one.verdict),
                    algorithm=one.algorithm,
                    reasons=one.tags,
                )
    return {
        "count": len(said),
        "kept": kept,
        "unknown": unknown,
        "withoutVerdict": len(said) - kept - unknown,
    }


def _begin(since: int, token: str | None) -> tuple[Place, datetime]:
    """Return where a page begins and how far its pages go: what a token says, or else until now."""
    if not token:
        return after_second(at_second(since)), now()
    until, _, place = token.partition(".")
    seconds = number(until, "nextPageToken", default=0, least=0, most=LAST_SECOND)
    return Place.parse(place), at_second(seconds)


ROUTES = [fetch, say]
