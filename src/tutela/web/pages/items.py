"""Items without the grid: the list, one item with all that is known of it, stacks, comparisons."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import (
    derive,
    detail,
    grade,
    notes,
    overview,
    policy,
    review,
    scheme,
    similar,
    tags,
    view,
)
from tutela.casework.decision import Decision
from tutela.casework.model import CaseInfo, Item
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId, StackId
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.web import render, words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.pages.language import own_path
from tutela.web.pages.review import item_out
from tutela.web.routes import changes

PAGE = 50
MEMBERS = 60
SIMILAR = 40
SIMILAR_BITS = 60


class GradeForm(msgspec.Struct):
    """A grade given without the grid."""

    code: str
    back: str = ""


class StackForm(msgspec.Struct):
    """A grade for a stack; `shown` are the numbers of the members that the page displayed."""

    code: str
    shown: str = ""


class WordForm(msgspec.Struct):
    """A tag or a note."""

    name: str = ""
    text: str = ""


class OutForm(msgspec.Struct):
    """A member to take out of its stack."""

    media: int


@reads("/cases/{case_id:int}/items", needs=Permission.CASE_READ)
def list_(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show the items of a filter as a table, some to a page."""
    asker, case = who(request), CaseId(case_id)
    given = {key: value for key, value in request.query_params.items() if key != "at"}
    wanted = view.parse(given)
    query = view.query(wanted)
    at = max(0, _number(request.query_params.get("at", "0")))
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        ids = review.ids(tx, asker, case, wanted.filter, wanted.sort)
        found = review.items(tx, asker, case, ids[at : at + PAGE].tolist())
        context = _shared(tx, request, info) | {"exhibits": cases.exhibits(tx, asker, case)}
    speaks = render.language_of(request)
    before = urlencode(query | {"at": max(0, at - PAGE)}) if at else None
    after = urlencode(query | {"at": at + PAGE}) if at + PAGE < len(ids) else None
    return case_page(
        request,
        "pages/cases/items.html",
        case_id,
        items=[item_out(speaks, item) for item in found],
        total=len(ids),
        filtered=bool(query),
        orders=words.ORDERS,
        query_values=query,
        query=request.url.query,
        previous=before,
        following=after,
        **context,
    )


@reads("/cases/{case_id:int}/media/{media_id:int}", needs=Permission.CASE_READ)
def one(request: Asked, case_id: FromPath[int], media_id: FromPath[int]) -> Response[str]:
    """Show everything that is known of one item, its picture blurred."""
    asker, case, wanted = who(request), CaseId(case_id), MediaId(media_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        found = detail.detail(tx, asker, case, wanted)
        context = _shared(tx, request, info)
        derived = derive.of_item(tx, asker, case, found.item, info.scheme)
    digests = {"SHA-256": found.sha256, "SHA-1": found.sha1, "MD5": found.md5}
    return case_page(
        request,
        "pages/cases/media.html",
        case_id,
        item=item_out(render.language_of(request), found.item),
        facts=[(name, value) for name, value in digests.items() if value] + list(found.facts),
        places=[
            {"shown": " > ".join([place.path, *place.inside]), **msgspec.structs.asdict(place)}
            for place in found.places
        ],
        hits=found.hits,
        derived=derived,
        series=found.series,
        victims=found.victims,
        tags=found.item.tags,
        notes=found.notes,
        **context,
    )


@changes("/cases/{case_id:int}/media/{media_id:int}/grade", needs=Permission.GRADE, form=one)
def give(
    request: Asked,
    case_id: FromPath[int],
    media_id: FromPath[int],
    data: URLEncodedBody[GradeForm],
) -> Redirect:
    """Grade one item (and no other of its stack) from a form."""
    with office(request).database.write() as tx:
        decision = Decision(MediaId(media_id), data.code)
        grade.give(tx, who(request), CaseId(case_id), [decision])
    return Redirect(own_path(data.back or f"/cases/{case_id}/media/{media_id}"), status_code=303)


@changes("/cases/{case_id:int}/media/{media_id:int}/tag", needs=Permission.GRADE, form=one)
def tag(
    request: Asked, case_id: FromPath[int], media_id: FromPath[int], data: URLEncodedBody[WordForm]
) -> Redirect:
    """Put a tag on an item."""
    with office(request).database.write() as tx:
        tags.add(tx, who(request), CaseId(case_id), [MediaId(media_id)], data.name.strip())
    return Redirect(f"/cases/{case_id}/media/{media_id}", status_code=303)


@changes("/cases/{case_id:int}/media/{media_id:int}/note", needs=Permission.GRADE, form=one)
def note(
    request: Asked, case_id: FromPath[int], media_id: FromPath[int], data: URLEncodedBody[WordForm]
) -> Redirect:
    """Write a note on an item."""
    with office(request).database.write() as tx:
        notes.write(tx, who(request), CaseId(case_id), f"media:{media_id}", data.text.strip())
    return Redirect(f"/cases/{case_id}/media/{media_id}", status_code=303)


@reads("/cases/{case_id:int}/stacks/{stack_id:int}", needs=Permission.CASE_READ)
def stack(
    request: Asked, case_id: FromPath[int], stack_id: FromPath[int], back: FromQuery[str] = ""
) -> Response[str]:
    """Show the members of a stack."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        found = review.stack(tx, asker, case, StackId(stack_id), MEMBERS)
        about = overview.stack_info(tx, asker, case, StackId(stack_id))
        context = _shared(tx, request, info)
    speaks = render.language_of(request)
    return case_page(
        request,
        "pages/cases/stack.html",
        case_id,
        items=[item_out(speaks, item) for item in found],
        total=about.size,
        cutoff_bits=about.cutoff_bits,
        stack_id=stack_id,
        back=back if back.startswith("?") else "",
        **context,
    )


@changes("/cases/{case_id:int}/stacks/{stack_id:int}/grade", needs=Permission.GRADE, form=stack)
def give_stack(
    request: Asked,
    case_id: FromPath[int],
    stack_id: FromPath[int],
    data: URLEncodedBody[StackForm],
) -> Redirect:
    """Grade a stack: members that the page displayed are votes, the rest is inferred.

    The page says which it displayed: the stack may have grown since.
    """
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        about = overview.stack_info(tx, asker, case, StackId(stack_id))
        decision = Decision(
            about.lead_media_id,
            data.code,
            stack=True,
            displayed=frozenset(MediaId(_number(word)) for word in data.shown.split()),
        )
        grade.give(tx, asker, case, [decision])
    return Redirect(f"/cases/{case_id}/stacks/{stack_id}", status_code=303)


@changes("/cases/{case_id:int}/stacks/{stack_id:int}/out", needs=Permission.GRADE, form=stack)
def out(
    request: Asked, case_id: FromPath[int], stack_id: FromPath[int], data: URLEncodedBody[OutForm]
) -> Redirect:
    """Take a member out of its stack."""
    with office(request).database.write() as tx:
        grade.stack_out(tx, who(request), CaseId(case_id), MediaId(data.media))
    return Redirect(f"/cases/{case_id}/stacks/{stack_id}", status_code=303)


@reads("/cases/{case_id:int}/media/{media_id:int}/similar", needs=Permission.CASE_READ)
def alike(request: Asked, case_id: FromPath[int], media_id: FromPath[int]) -> Response[str]:
    """Show what looks like an item, the nearest first."""
    asker, case, wanted = who(request), CaseId(case_id), MediaId(media_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        item = _item(tx, asker, case, wanted)
        found = similar.similar(tx, asker, case, wanted, SIMILAR_BITS)[:SIMILAR]
        context = _shared(tx, request, info)
    speaks = render.language_of(request)
    text = speaks.gettext("Items like %(n)s")
    return case_page(
        request,
        "pages/cases/compare.html",
        case_id,
        title=text % {"n": item.number},
        intro=speaks.gettext("The nearest first. A small distance says that pictures look alike."),
        items=[(item_out(speaks, item), None)]
        + [(item_out(speaks, other), distance) for other, distance in found],
        **context,
    )


@reads("/cases/{case_id:int}/compare", needs=Permission.CASE_READ)
def compare(
    request: Asked, case_id: FromPath[int], left: FromQuery[int], right: FromQuery[int]
) -> Response[str]:
    """Show two items side by side."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        pair = [_item(tx, asker, case, MediaId(number)) for number in (left, right)]
        distance = similar.distance(tx, asker, case, MediaId(left), MediaId(right))
        context = _shared(tx, request, info)
    speaks = render.language_of(request)
    return case_page(
        request,
        "pages/cases/compare.html",
        case_id,
        title=speaks.gettext("Two items side by side"),
        intro="",
        items=[(item_out(speaks, pair[0]), None), (item_out(speaks, pair[1]), distance)],
        **context,
    )


def _shared(tx: Connection, request: Asked, info: CaseInfo) -> dict[str, Any]:
    asker = who(request)
    return {
        "case": info,
        "codes": scheme.load(tx, info.scheme).codes,
        "states": words.STATES,
        "reveal_seconds": policy.read(tx).reveal_seconds,
        "may": {
            "grade": allows(asker, Permission.GRADE),
            "view": allows(asker, Permission.VIEW_CLEAR) and info.keeps_media,
        },
    }


def _item(tx: Connection, asker: Principal, case: CaseId, wanted: MediaId) -> Item:
    found = review.items(tx, asker, case, [wanted])
    if not found:
        raise UsageError("there is no such item in this case", code="not_found")
    return found[0]


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


ROUTES = [list_, one, give, tag, note, stack, give_stack, out, alike, compare]
