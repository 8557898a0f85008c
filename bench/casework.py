"""Casework: import, grading in bulk and by many at once, review among millions, the workload."""

from __future__ import annotations

import casework_bulk as bulk
import casework_crowd as crowd
import casework_fill as filling
import casework_import as importing
import casework_review as review
import casework_seizure as seizure
import casework_stage as stage
from measure import Figure, Options


def run(options: Options) -> list[Figure]:
    """Measure each part on databases of its own, made for it and removed after it."""
    quick = options.quick
    figures = importing.figures(2_000 if quick else 1_000_000)
    for kind in stage.KINDS:
        figures += bulk.figures(kind, 2_000 if quick else 20_000, 1 if quick else 5)
    for kind in stage.KINDS:
        figures += _crowded(kind, quick=quick)
    return figures + seizure.figures(2_000 if quick else 100_000, 40 if quick else 500)


def _crowded(kind: str, *, quick: bool) -> list[Figure]:
    """Measure pages and many graders in one filled database."""
    graders = 4 if quick else 50
    cases, each = (2, 4_000) if quick else (50, 100_000)
    with stage.opened(kind) as database:
        people = crowd.people(database, graders)
        made = filling.fill(database, people, cases, each)
        url = database.url.render_as_string(hide_password=False)
        found = review.figures(url, kind, made[:-1], people[0], 20 if quick else 200)
        return found + crowd.figures(url, kind, made[-1], people)
