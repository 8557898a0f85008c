"""Rules of this installation, and codes of grading profiles that an agency fills in."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tutela.access.model import Permission
from tutela.casework import agreement, derive, policy, scheme
from tutela.casework.policy import Policy
from tutela.casework.scheme import Code
from tutela.core.errors import UsageError
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.language import N_
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

Fields = dict[str, str]
# Empty rows that the form of a profile has for further codes.
FURTHER_ROWS = 3

# Rules that a form can hold, with their meaning; lists are trusted on the page of the lists.
MEANINGS = {
    "votes_to_trust": N_("Organisations that must agree until a grade is trusted"),
    "second_reading_permille": N_("Grades of 1000 that a second person reads again, blind"),
    "known_sample_permille": N_("Items of 1000 known on arrival that a person looks at anyway"),
    "stack_radius_bits": N_("Bits of 256 that pictures of one stack may differ by"),
    "lease_minutes": N_("Minutes that an opened stack is kept for one person"),
    "reveal_seconds": N_("Seconds until a clear picture is blurred again"),
    "views_before_break": N_("Clear views after which a break is proposed"),
    "minutes_before_break": N_("Minutes of review after which a break is proposed"),
    "adjudication_trusts": N_("A settled dispute counts as trusted, not only as indicative"),
}
WHOLE = N_("this is no whole number")
BETWEEN = N_("this is not between %(least)s and %(most)s")


class Rule(NamedTuple):
    """One field of the form; a `switch` has no range."""

    name: str
    meaning: str
    value: str
    switch: bool
    least: int
    most: int
    problem: str


@reads("/administration/rules", needs=Permission.POLICY)
def rules(request: Asked) -> Response[str]:
    """Show the rules."""
    with office(request).database.read() as tx:
        now = policy.read(tx)
    return _rules(request, {name: _text(getattr(now, name)) for name in MEANINGS}, {})


@changes("/administration/rules", needs=Permission.POLICY)
def change(request: Asked, data: URLEncodedBody[Fields]) -> Response[str] | Redirect:
    """Change rules, all of the form or none."""
    values, problems = _parsed(data)
    if problems:
        return _rules(request, data, problems)
    with office(request).database.write() as tx:
        before = policy.read(tx)
        after = policy.change(tx, who(request), **values)
        if before.votes_to_trust != after.votes_to_trust:
            for name in scheme.names():
                agreement.refresh(tx, who(request), name)
    return Redirect("/administration/rules", status_code=303)


@reads("/administration/schemes", needs=Permission.POLICY)
def schemes(request: Asked) -> Response[str]:
    """Show the grading schemes, and which of them an agency fills in."""
    with office(request).database.read() as tx:
        found = [scheme.load(tx, name) for name in scheme.names()]
    return render.page(request, "pages/administration/schemes.html", schemes=found)


@reads("/administration/derivations", needs=Permission.POLICY)
def derivations(request: Asked) -> Response[str]:
    """Show the table by which a grade says something under another scheme, and who signed it."""
    with office(request).database.read() as tx:
        signed = derive.reviewer(policy.read(tx))
    return render.page(
        request,
        "pages/administration/derivations.html",
        table=derive.table(),
        sha256=derive.sha256(),
        signed=signed,
        schemes=sorted({name for row in derive.table().rows for name in row.codes}),
    )


@changes("/administration/derivations", needs=Permission.POLICY, form=derivations)
def sign(request: Asked, data: URLEncodedBody[Fields]) -> Redirect:
    """Record who has reviewed the table; without a name, take the signature back."""
    with office(request).database.write() as tx:
        if data.get("act") == "withdraw":
            derive.withdraw(tx, who(request))
        else:
            derive.sign(tx, who(request), data.get("reviewer", ""))
    return Redirect("/administration/derivations", status_code=303)


@reads("/administration/schemes/{name:str}", needs=Permission.POLICY)
def profile(request: Asked, name: FromPath[str]) -> Response[str]:
    """Show the codes of one scheme; a form where they can be changed."""
    with office(request).database.read() as tx:
        found = scheme.load(tx, name)
    return _profile(request, name, list(found.codes), "", None)


@changes("/administration/schemes/{name:str}", needs=Permission.POLICY)
def fill_in(
    request: Asked, name: FromPath[str], data: URLEncodedBody[Fields]
) -> Response[str] | Redirect:
    """Fill in the codes of a profile; a row whose fields are all empty is left out."""
    codes, source = _codes(data), data.get("source", "").strip()
    try:
        with office(request).database.write() as tx:
            scheme.set_codes(tx, who(request), name, codes, source)
    except UsageError as error:
        return _profile(request, name, codes, source, error)
    return Redirect(f"/administration/schemes/{name}", status_code=303)


def _parsed(data: Fields) -> tuple[dict[str, Any], dict[str, str]]:
    """Return values by rule, and what is wrong by rule."""
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, kind in _kinds().items():
        if isinstance(kind, msgspec.inspect.BoolType):
            values[name] = name in data
            continue
        text = data.get(name, "").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            problems[name] = WHOLE
            continue
        values[name] = int(text)
        try:
            msgspec.convert({name: values[name]}, Policy)
        except msgspec.ValidationError:
            problems[name] = BETWEEN
    return values, problems


def _kinds() -> dict[str, msgspec.inspect.Type]:
    described = msgspec.inspect.type_info(Policy)
    assert isinstance(described, msgspec.inspect.StructType)
    return {field.name: field.type for field in described.fields if field.name in MEANINGS}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)


def _rules(request: Asked, data: Fields, problems: dict[str, str]) -> Response[str]:
    fields = [
        Rule(
            name,
            MEANINGS[name],
            data.get(name, ""),
            isinstance(kind, msgspec.inspect.BoolType),
            getattr(kind, "ge", None) or 0,
            getattr(kind, "le", None) or 0,
            problems.get(name, ""),
        )
        for name, kind in _kinds().items()
    ]
    return render.page(
        request,
        "pages/administration/rules.html",
        status=400 if problems else 200,
        fields=fields,
    )


def _codes(data: Fields) -> list[Code]:
    """Return the codes of a form: `code-1`, `label-1`, `meaning-1`, `illegal-1` are one row."""
    found = []
    for number in sorted(int(n) for key, _, n in map(_split, data) if key == "code"):
        code, label, meaning = (
            data.get(f"{key}-{number}", "").strip() for key in ("code", "label", "meaning")
        )
        if code or label or meaning:
            illegal = f"illegal-{number}" in data
            found.append(Code(code=code, label=label, meaning=meaning, illegal=illegal))
    return found


def _split(field: str) -> tuple[str, str, str]:
    key, dash, number = field.partition("-")
    return (key, dash, number) if number.isascii() and number.isdigit() else ("", "", "0")


def _profile(
    request: Asked, name: str, codes: list[Code], source: str, problem: UsageError | None
) -> Response[str]:
    shown = scheme.published(name)
    empty = Code(code="", label="", meaning="", illegal=False)
    return render.page(
        request,
        "pages/administration/profile.html",
        status=400 if problem else 200,
        scheme=shown,
        codes=codes,
        rows=[*codes, *[empty] * FURTHER_ROWS],
        source=source,
        problem=problem,
    )


ROUTES = [rules, change, schemes, profile, fill_in, derivations, sign]
