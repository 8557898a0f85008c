"""Review: the grid of blurred pictures, its items, grades, undo, and who works on what."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec
from litestar import Response

from tutela.access import preferences
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.casework import exposure, grade, policy, review, scheme
from tutela.casework.grade import Decision
from tutela.casework.review import Filter, Sort
from tutela.core.ids import CaseId, MediaId, StackId
from tutela.web import keys, render
from tutela.web.language import N_
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import tabs
from tutela.web.routes import changes, reads
from tutela.web.views import Key

MOST_ITEMS = 200
MOST_DECISIONS = 200


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
