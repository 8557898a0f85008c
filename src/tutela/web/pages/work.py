"""Work beside the grid: second readings, series and victims of a case; disputes of all."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import scheme, second, series, victims
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, SeriesId, VictimId
from tutela.edge.routes import reads
from tutela.web import words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes


class Reading(msgspec.Struct):
    """A blind second grade."""

    reading: int
    code: str


class SeriesForm(msgspec.Struct):
    """Media to put into a series, by its number or, for a new one, its name."""

    name: str = ""
    series: int = 0
    media: str = ""
    reason: str = ""


class VictimForm(msgspec.Struct):
    """Media that depict a victim, by number or, for a new one, a pseudonym; or a new state."""

    name: str = ""
    reference: str = ""
    victim: int = 0
    media: str = ""
    state: str = ""


@reads("/cases/{case_id:int}/second", needs=Permission.GRADE)
def readings(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show what waits for a second, blind grade by this person."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        found = second.queue(tx, asker, case)
        codes = scheme.load(tx, info.scheme).codes
    return case_page(
        request, "pages/tasks/second.html", case_id, case=info, readings=found, codes=codes
    )


@changes("/cases/{case_id:int}/second", needs=Permission.GRADE, form=readings)
def read(request: Asked, case_id: FromPath[int], data: URLEncodedBody[Reading]) -> Redirect:
    """Save a second grade."""
    with office(request).database.write() as tx:
        second.read(tx, who(request), CaseId(case_id), data.reading, data.code)
    return Redirect(f"/cases/{case_id}/second", status_code=303)


@reads("/cases/{case_id:int}/series", needs=Permission.SERIES)
def list_(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show series and victims of a case."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        found = series.list_(tx, asker, case)
        children = victims.list_(tx, asker, case)
    return case_page(
        request,
        "pages/tasks/series.html",
        case_id,
        case=info,
        series=found,
        victims=children,
        victim_states=words.VICTIM_STATES,
    )


@changes("/cases/{case_id:int}/series", needs=Permission.SERIES, form=list_)
def put_series(
    request: Asked, case_id: FromPath[int], data: URLEncodedBody[SeriesForm]
) -> Redirect:
    """Put items into a series, a new one if it is named."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        wanted = series.create(tx, asker, case, data.name) if data.name else SeriesId(data.series)
        if media := _media(data.media):
            series.add(tx, asker, case, wanted, media, data.reason)
    return Redirect(f"/cases/{case_id}/series", status_code=303)


@changes("/cases/{case_id:int}/victims", needs=Permission.SERIES, form=list_)
def put_victim(
    request: Asked, case_id: FromPath[int], data: URLEncodedBody[VictimForm]
) -> Redirect:
    """Say that items depict a victim, a new one if a pseudonym is given; or change the state."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        wanted = VictimId(data.victim)
        if data.name:
            wanted = victims.create(tx, asker, case, data.name, data.reference)
        if media := _media(data.media):
            victims.add(tx, asker, case, wanted, media)
        if data.state:
            victims.set_state(tx, asker, case, wanted, data.state)
    return Redirect(f"/cases/{case_id}/series", status_code=303)


def _media(text: str) -> list[int]:
    found = text.replace(",", " ").split()
    if not all(word.isascii() and word.isdigit() and len(word) < 18 for word in found):
        raise UsageError("media are given by their numbers", hint="such as 12, 15, 20")
    return [int(word) for word in found]


ROUTES = [readings, read, list_, put_series, put_victim]
