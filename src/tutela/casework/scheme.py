"""Grading schemes: data files beside this module, never code, and never a guess.

A profile whose numbers are not public is empty until an agency fills in what it was given. Facets
(`schemes/facets.toml`) are what a grade may say beside its code, in neutral words.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.store.bulk import insert_rows
from tutela.store.tables.grading import Grade, SchemeCode

FACETS = "facets"
DERIVATIONS = "derivations"
CODE_CHARACTERS = 40
TEXT_CHARACTERS = 500


class Code(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One code: `illegal` says that what has it counts as child sexual abuse material.

    `ours` marks a word of Tutela for an outcome that every grader needs and the scheme has no code
    for. `key` is the key that gives it on the review page, or empty.
    """

    code: str
    label: str
    meaning: str
    illegal: bool
    key: str = ""
    ours: bool = False


class Scheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scheme; `codes` go from the most severe to the least.

    `ungraded` is the code that other systems write where nothing was graded: never a grade.
    """

    name: str
    title: str
    source: str
    jurisdiction: str
    editable: bool = False
    ungraded: str | None = None
    codes: tuple[Code, ...] = ()

    def code(self, code: str) -> Code:
        """Return a code that can be given.

        Raises:
            UsageError: the scheme has no such code.
        """
        for known in self.codes:
            if known.code == code:
                return known
        hint = f"the codes are {', '.join(known.code for known in self.codes)}"
        if not self.codes:
            hint = "its codes are not public: an administrator fills in what the agency was given"
        raise UsageError(f"{code[:40]!r} is no code of {self.name}", code="grade_code", hint=hint)


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One value of a facet; `says_nothing` marks the one that leaves the question open."""

    name: str
    title: str
    says_nothing: bool = False


class Facet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question beside the code, such as whether a picture was generated."""

    name: str
    title: str
    meaning: str
    choices: tuple[Choice, ...]


class _Facets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    facets: tuple[Facet, ...]


@cache
def names() -> tuple[str, ...]:
    """Return the names of all schemes, in alphabetical order."""
    found = (item.name for item in (resources.files(__package__) / "schemes").iterdir())
    stems = {name.removesuffix(".toml") for name in found if name.endswith(".toml")}
    return tuple(sorted(stems - {FACETS, DERIVATIONS}))


def load(tx: Connection, name: str) -> Scheme:
    """Return a scheme, with the codes that an agency filled in where it is editable.

    Raises:
        UsageError: there is no such scheme.
    """
    scheme = published(name)
    if not scheme.editable:
        return scheme
    rows = tx.execute(
        select(SchemeCode.__table__).where(SchemeCode.scheme == name).order_by(SchemeCode.position)
    )
    codes = tuple(
        Code(
            code=row.code,
            label=row.label,
            meaning=row.meaning,
            illegal=row.illegal,
            key=row.code.lower() if len(row.code) == 1 else "",
        )
        for row in rows
    )
    return msgspec.structs.replace(scheme, codes=codes)


@cache
def published(name: str) -> Scheme:
    """Return a scheme as its file says, without what an agency filled in.

    Raises:
        UsageError: there is no such scheme.
    """
    if name not in names():
        raise UsageError(
            f"{name[:40]!r} is no grading scheme",
            code="scheme",
            hint=f"the schemes are {', '.join(names())}",
        )
    return msgspec.toml.decode(text(name), type=Scheme)


@cache
def facets() -> tuple[Facet, ...]:
    """Return all facets."""
    return msgspec.toml.decode(text(FACETS), type=_Facets).facets


def text(name: str) -> bytes:
    """Return a data file of `schemes/` as it is."""
    return (resources.files(__package__) / "schemes" / f"{name}.toml").read_bytes()


def check_facets(chosen: Mapping[str, str]) -> None:
    """Make sure that facets and their values are ours.

    Raises:
        UsageError: one is not.
    """
    if not chosen:
        return
    allowed = {facet.name: [choice.name for choice in facet.choices] for facet in facets()}
    for name, value in chosen.items():
        if name not in allowed:
            raise UsageError(
                f"{name[:40]!r} is no facet",
                code="facet",
                hint=f"the facets are {', '.join(allowed)}",
            )
        if value not in allowed[name]:
            raise UsageError(
                f"{value[:40]!r} is no value of the facet {name}",
                code="facet",
                hint=f"it is one of {', '.join(allowed[name])}",
            )


def set_codes(
    tx: Connection, who: Principal, name: str, codes: Iterable[Code], source: str
) -> Scheme:
    """Fill in an editable profile, most severe code first; `source` says who gave the numbers.

    Raises:
        AccessError: `who` may not change rules.
        UsageError: the scheme is not editable, a code is missing its words, doubled, or left out
            although grades have it.
    """
    require(tx, who, Permission.POLICY)
    wanted = tuple(codes)
    _check_codes(tx, load(tx, name), wanted, source)
    tx.execute(delete(SchemeCode).where(SchemeCode.scheme == name))
    insert_rows(
        tx,
        SchemeCode,
        [
            {
                "scheme": name,
                "code": code.code,
                "position": position,
                "label": code.label,
                "meaning": code.meaning,
                "illegal": code.illegal,
                "source": source,
            }
            for position, code in enumerate(wanted)
        ],
    )
    log.record(
        tx,
        who,
        "scheme.changed",
        f"policy:{name}",
        texts={"source": source, **{f"label {code.code}": code.label for code in wanted}},
        codes=[{"code": code.code, "illegal": code.illegal} for code in wanted],
    )
    return load(tx, name)


def _check_codes(tx: Connection, scheme: Scheme, wanted: tuple[Code, ...], source: str) -> None:
    if not scheme.editable:
        raise UsageError(
            f"the codes of {scheme.name} are published and cannot be changed",
            code="scheme",
            hint=f"editable are {', '.join(n for n in names() if published(n).editable)}",
        )
    if not source.strip():
        raise UsageError("the numbers need a source", code="scheme")
    for code in wanted:
        _check_words(code)
    given = [code.code for code in wanted]
    if len(set(given)) < len(given):
        raise UsageError("a code stands twice", code="scheme")
    gone = [code.code for code in scheme.codes if code.code not in set(given)]
    used: Any = (
        tx.execute(
            select(Grade.code).where(Grade.scheme == scheme.name, Grade.code.in_(gone)).limit(1)
        ).scalar_one_or_none()
        if gone
        else None
    )
    if used is not None:
        raise UsageError(
            f"{used} cannot be left out: grades have it",
            code="scheme",
            hint="change its label, or keep it",
        )


def _check_words(code: Code) -> None:
    for word, most in (
        (code.code, CODE_CHARACTERS),
        (code.label, TEXT_CHARACTERS),
        (code.meaning, TEXT_CHARACTERS),
    ):
        if not word.strip() or len(word) > most or not word.isprintable():
            raise UsageError(
                "a code, its label and its meaning are one line each, and not empty", code="scheme"
            )
