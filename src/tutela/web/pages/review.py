"""Review: the grid of blurred pictures, its items, grades, undo, and who works on what."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import msgspec
from litestar import Response
from litestar.params import FromPath, FromQuery, JSONBody

from tutela.access import preferences
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import exposure, grade, policy, review, scheme, takeback, view
from tutela.casework.decision import Decision
from tutela.casework.model import Item
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.edge.routes import reads
from tutela.web import keys, render, words
from tutela.web.language import N_, Language
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes
from tutela.web.views import Key, Views

MOST_ITEMS = 200
MOST_DECISIONS = 500
# What the address holds besides the filter.
_PAGING = frozenset({"from_item", "count", "view"})

VIEWS = Views()


class DecisionIn(msgspec.Struct, forbid_unknown_fields=True):
    """One decision of the grid; a null code takes the grade back."""

    media: int
    code: str | None
    stack: bool = False
    facets: dict[str, str] = {}


class GradesIn(msgspec.Struct, forbid_unknown_fields=True):
    """Decisions of one save; the same `request` sent again changes nothing twice."""

    request: str
    decisions: list[DecisionIn]


class UndoIn(msgspec.Struct, forbid_unknown_fields=True):
    """Take back the last decision."""

    request: str


class LeaseIn(msgspec.Struct, forbid_unknown_fields=True):
    """Stacks that this person is about to look at."""

    stacks: list[int]


# What the grid says, in the person's language.
TEXTS = {
    "item": N_("Item %(n)s"),
    "state-open": N_("open"),
    "state-known": N_("known on arrival"),
    "state-graded": N_("graded"),
    "state-inferred": N_("inferred from its stack"),
    "state-set_aside": N_("set aside"),
    "stack-of": N_("stack of %(n)s"),
    "taken": N_("somebody else is at it"),
    "taken-now": N_("Somebody else is at item %(n)s"),
    "unsaved": N_("not saved yet"),
    "loading": N_("Item %(n)s, loading"),
    "no-picture": N_("not kept"),
    "places": N_("places: %(n)s"),
    "details": N_("Details"),
    "offline": N_("The server does not answer"),
    "saving": N_("Saving %(n)s"),
    "retrying": N_("%(n)s not saved yet; trying again"),
    "progress": N_("%(done)s of %(all)s items decided"),
    "meter": N_("%(views)s seen clear, %(minutes)s min"),
    "marked": N_("Item %(n)s is marked; mark another to compare"),
}


@reads("/cases/{case_id:int}/review", needs=Permission.CASE_READ)
def page(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show the grid for the filter in the address."""
    asker, case = who(request), CaseId(case_id)
    wanted = view.parse(_filter(request))
    query = view.query(wanted)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        chosen = preferences.read(tx, asker, "review")
        graded = scheme.load(tx, info.scheme)
        rules = policy.read(tx)
        states = office(request).counts.states(tx, asker, info)
        exhibits = cases.exhibits(tx, asker, case)
        meter = exposure.meter(tx, asker)
        key = Key(asker.account_id, case, str(sorted(query.items())), secrets.token_urlsafe(9))
        ids = VIEWS.ids(key, lambda: review.ids(tx, asker, case, wanted.filter, wanted.sort))
    speaks = render.language_of(request)
    texts = {name: speaks.gettext(text) for name, text in TEXTS.items()}
    mapped = keys.keymap(graded, chosen)
    codes = [
        {"code": code.code, "label": speaks.gettext(code.label), "meaning": code.meaning}
        | {"key": mapped.codes[code.code], "short": words.grade(speaks, code.code)}
        for code in graded.codes
    ]
    may = {
        "grade": allows(asker, Permission.GRADE),
        "view": allows(asker, Permission.VIEW_CLEAR) and info.keeps_media,
    }
    return case_page(
        request,
        "pages/cases/review.html",
        case_id,
        case=info,
        codes=codes,
        actions=mapped.acts,
        facets=_facets(),
        may=may,
        total=len(ids),
        filtered=bool(query),
        states=words.STATES,
        orders=words.ORDERS,
        exhibits=exhibits,
        query_values=query,
        query=request.url.query,
        progress_text=texts["progress"] % _done(states),
        meter_text=texts["meter"] % _meter(meter),
        texts=texts,
        settings={
            "case": case_id,
            "total": len(ids),
            "view": key.token,
            "codes": codes,
            "keys": [{"key": code["key"], "code": code["code"]} for code in codes]
            + [{"key": act.key, "act": act.act} for act in mapped.acts],
            "keys_off": mapped.off,
            "may": may,
            "reveal_seconds": rules.reveal_seconds,
        },
    )


@reads("/cases/{case_id:int}/review/items", needs=Permission.CASE_READ)
def items(
    request: Asked,
    case_id: FromPath[int],
    from_item: FromQuery[int] = 0,
    count: FromQuery[int] = 100,
) -> Response[dict[str, Any]]:
    """Give some items of a view, from a place in it on."""
    asker, case = who(request), CaseId(case_id)
    wanted = view.parse(_filter(request))
    query = str(sorted(view.query(wanted).items()))
    key = Key(asker.account_id, case, query, request.query_params.get("view", ""))
    with office(request).database.read() as tx:
        ids = VIEWS.ids(key, lambda: review.ids(tx, asker, case, wanted.filter, wanted.sort))
        asked = ids[max(from_item, 0) :][: min(max(count, 0), MOST_ITEMS)].tolist()
        found = review.items(tx, asker, case, asked)
    speaks = render.language_of(request)
    return Response({"items": [item_out(speaks, item) for item in found]})


@changes("/cases/{case_id:int}/grades", needs=Permission.GRADE)
def grades(
    request: Asked, case_id: FromPath[int], data: JSONBody[GradesIn]
) -> Response[dict[str, Any]]:
    """Save decisions; answer how the items stand now."""
    asker, case = who(request), CaseId(case_id)
    wanted = data.decisions
    if len(wanted) > MOST_DECISIONS:
        raise UsageError(f"at most {MOST_DECISIONS} decisions are saved at once")
    given = [
        Decision(MediaId(one.media), one.code, facets=one.facets, stack=one.stack)
        for one in wanted
        if one.code is not None
    ]
    cleared = [MediaId(one.media) for one in wanted if one.code is None]
    with office(request).database.write() as tx:
        if given:
            grade.give(tx, asker, case, given, request=f"{data.request}:give")
        if cleared:
            takeback.clear(tx, asker, case, cleared, request=f"{data.request}:clear")
    return Response(_now(request, case, [one.media for one in wanted]))


@changes("/cases/{case_id:int}/undo", needs=Permission.GRADE)
def undo(
    request: Asked, case_id: FromPath[int], data: JSONBody[UndoIn]
) -> Response[dict[str, Any]]:
    """Take back the person's last decision in this case."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.write() as tx:
        changed = takeback.undo(tx, asker, case, request=data.request)
    return Response(_now(request, case, [one.media_id for one in changed]))


@changes("/cases/{case_id:int}/review/lease", needs=Permission.GRADE)
def lease(
    request: Asked, case_id: FromPath[int], data: JSONBody[LeaseIn]
) -> Response[dict[str, Any]]:
    """Keep stacks for this person for a while."""
    with office(request).database.write() as tx:
        kept = review.lease(tx, who(request), CaseId(case_id), data.stacks[:MOST_ITEMS])
    return Response({"stacks": sorted(kept)})


@reads("/cases/{case_id:int}/review/progress", needs=Permission.CASE_READ)
def progress(request: Asked, case_id: FromPath[int]) -> Response[dict[str, Any]]:
    """Tell how far the case is and how much the person has seen."""
    asker = who(request)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, CaseId(case_id))
        states = office(request).counts.states(tx, asker, info)
        return Response({"meter": _meter(exposure.meter(tx, asker)), **_done(states)})


def item_out(speaks: Language, item: Item) -> dict[str, Any]:
    """Return an item as the grid draws it."""
    return {
        "media": item.media_id,
        "n": item.number,
        "state": item.state.value,
        "code": item.code,
        "shown": words.grade(speaks, item.code),
        "stack": item.stack_id,
        "stack_size": item.stack_size,
        "sightings": item.sightings,
        "reasons": [words.reason(speaks, why) for why in item.reasons],
        "taken": item.leased_by_other,
        "thumbnail": item.has_thumbnail,
    }


def _now(request: Asked, case: CaseId, media: list[int]) -> dict[str, Any]:
    """Return how items stand after a save. It is read after it: nobody waits for the reading."""
    speaks = render.language_of(request)
    with office(request).database.read() as tx:
        found = review.items(tx, who(request), case, list(dict.fromkeys(media)))
    return {"items": {str(item.media_id): item_out(speaks, item) for item in found}}


def _done(states: Mapping[str, int]) -> dict[str, int]:
    decided = sum(states[state] for state in ("graded", "inferred", "known"))
    return {"done": decided, "all": decided + states["open"]}


def _meter(meter: exposure.Meter) -> dict[str, Any]:
    return {"views": meter.views, "minutes": meter.minutes, "break_due": meter.break_due}


def _filter(request: Asked) -> dict[str, str]:
    return {key: value for key, value in request.query_params.items() if key not in _PAGING}


def _facets() -> list[dict[str, Any]]:
    return [
        {
            "name": facet.name,
            "title": facet.title,
            "choices": [{"name": choice.name, "title": choice.title} for choice in facet.choices],
        }
        for facet in scheme.facets()
    ]


ROUTES = [page, items, grades, undo, lease, progress]
