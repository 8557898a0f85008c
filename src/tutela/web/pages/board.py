"""The board of a case and its other views: hits, timeline, map, links."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode

from litestar import Response
from litestar.params import FromPath

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import links, overview, scheme, timeline, workload
from tutela.core.ids import CaseId
from tutela.core.time import now
from tutela.edge.routes import reads
from tutela.report import placemap, plots
from tutela.report.drawing import Drawing
from tutela.web import render, words
from tutela.web.language import Language
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page

MOST_ROWS = 500
# Items of a link that are named.
SHOWN = 12


@reads("/cases/{case_id:int}", needs=Permission.CASE_READ)
def board(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show where a case stands."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        work = workload.workload(tx, asker, case)
        totals = cases.totals(tx, asker, case)
        exhibits = cases.exhibits(tx, asker, case)
        graded = scheme.load(tx, info.scheme)
        hits = overview.hit_count(tx, asker, case)
    speaks = render.language_of(request)
    counted = [
        plots.Bar(speaks.gettext(code.label), totals.by_code.get(code.code, 0))
        for code in graded.codes
    ]
    return case_page(
        request,
        "pages/cases/board.html",
        case_id,
        case=info,
        work=work,
        hits=hits,
        exhibits=exhibits,
        grades=[(bar.label, bar.value) for bar in counted],
        withheld=totals.withheld,
        grades_plot=_described(speaks, plots.bars(speaks.gettext("Grades"), counted)),
        authority=info.authority,
        authority_valid=info.authority.valid_at(now()),
        may_grade=allows(asker, Permission.GRADE),
    )


@reads("/cases/{case_id:int}/hits", needs=Permission.CASE_READ)
def hits(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show what met a list, the exact ones first."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        found = overview.case_hits(tx, asker, case, MOST_ROWS)
    _ = render.language_of(request).gettext
    rows = [
        [
            {
                "href": f"/cases/{case_id}/media/{one.media_id}",
                "text": str(one.number or one.media_id),
            },
            one.hit.list_name,
            f"{_(one.hit.role)}, {_(one.hit.strength)}",
            f"{one.hit.algorithm}, {_('%(bits)s bits') % {'bits': one.hit.distance_bits}}",
            " ".join(f"{name}:{code}" for name, code in one.hit.classifications),
            _("silenced") if one.hit.silenced else "",
        ]
        for one in found
    ]
    return _plain(
        request,
        case_id,
        _("Hits"),
        _("An exact match says that the bytes are the same; a near one that pictures look alike."),
        [
            {
                "title": "",
                "plot": "",
                "columns": [_("Item"), _("List"), _("Kind"), _("How"), _("Code there"), ""],
                "rows": rows,
                "empty": _("Nothing of this case is on a list that was asked."),
            }
        ],
    )


@reads("/cases/{case_id:int}/timeline", needs=Permission.CASE_READ)
def time(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show when pictures were taken and files changed."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        found = timeline.timeline(tx, asker, case)
    taken = {f"{one.year:04}-{one.month:02}": one.captured for one in found if one.captured}
    changed = {f"{one.year:04}-{one.month:02}": one.modified for one in found if one.modified}
    speaks = render.language_of(request)
    _ = speaks.gettext
    parts = []
    for title, months in (
        (_("Taken, by the camera's clock"), taken),
        (_("Files changed"), changed),
    ):
        parts.append(
            {
                "title": title,
                "plot": _described(speaks, plots.timeline(title, months)) if months else "",
                "columns": [_("Month"), _("Items")],
                "rows": [[month, str(count)] for month, count in sorted(months.items())],
                "empty": _("No time is known."),
            }
        )
    return _plain(
        request,
        case_id,
        _("Timeline"),
        _("Clocks of devices may be wrong; see them as leads."),
        parts,
    )


@reads("/cases/{case_id:int}/map", needs=Permission.CASE_READ)
def places(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show where pictures say they were taken, without asking anybody on the internet."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        found = overview.spots(tx, asker, case)
    speaks = render.language_of(request)
    _ = speaks.gettext
    drawn = [placemap.Place(one.latitude, one.longitude, one.media) for one in found]
    drawing = placemap.draw(_("Where pictures were taken"), drawn)
    rows = []
    for one in found[:MOST_ROWS]:
        town, distance_km = placemap.nearest_town(one.latitude, one.longitude)
        rows.append(
            [
                placemap.coordinates(one.latitude, one.longitude),
                f"{town.name}, {town.country} ({distance_km:.0f} km)",
                str(one.media),
            ]
        )
    return _plain(
        request,
        case_id,
        _("Map"),
        _("Coordinates are what the camera wrote. Towns are named for orientation only."),
        [
            {
                "title": "",
                "plot": _described(speaks, drawing) if drawn else "",
                "columns": [_("Coordinates"), _("Nearest larger town"), _("Items")],
                "rows": rows,
                "empty": _("No picture of this case says where it was taken."),
            }
        ],
    )


@reads("/cases/{case_id:int}/links", needs=Permission.CASE_READ)
def linked(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show what items have in common: camera, series, place, scene, device."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        found = links.links(tx, asker, case)[:MOST_ROWS]
        some = [media_id for link in found for media_id in link.media_ids[:SHOWN]]
        numbers = overview.numbers(tx, asker, case, some)
    _ = render.language_of(request).gettext
    rows: list[list[Any]] = []
    for link in found:
        items = [numbers[media_id] for media_id in link.media_ids[:SHOWN] if media_id in numbers]
        shown = ", ".join(map(str, items))
        target = (
            {
                "href": f"/cases/{case_id}/items?{urlencode({'camera': link.value})}",
                "text": link.value,
            }
            if link.kind == "camera"
            else link.value
        )
        why = words.reason(render.language_of(request), link.reason)
        rows.append([_(words.LINKS[link.kind]), target, str(len(link.media_ids)), shown, why])
    return _plain(
        request,
        case_id,
        _("Cameras and links"),
        _("A link is a reason to look, never a conclusion."),
        [
            {
                "title": "",
                "plot": "",
                "columns": [_("Kind"), _("Value"), _("Items"), _("Which"), _("Reason")],
                "rows": rows,
                "empty": _("No two items have a camera, place, scene or series in common."),
            }
        ],
    )


def _described(speaks: Language, drawing: Drawing) -> Drawing:
    """Return a drawing whose words for who cannot see it are in the person's language."""
    if speaks.code == "en":
        return drawing
    said = speaks.gettext("The table after it has the same numbers.")
    return dataclasses.replace(drawing, description=said)


def _plain(
    request: Asked, case_id: int, heading: str, intro: str, parts: list[dict[str, Any]]
) -> Response[str]:
    return case_page(
        request, "pages/cases/plot.html", case_id, heading=heading, intro=intro, parts=parts
    )


ROUTES = [board, hits, time, places, linked]
