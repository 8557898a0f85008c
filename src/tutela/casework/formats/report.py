"""The report of a case as a page: under which authority, what was found, what is left, and proof.

No picture, no file name and no place is in it unless they are asked for: it may be handed on. What
scores mean stands at its end, in words.
"""

from __future__ import annotations

import platform
from datetime import datetime
from importlib.metadata import version
from typing import Final

import msgspec
from sqlalchemy import Connection, func, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import checkpoint
from tutela.casework import case as cases
from tutela.casework import overview
from tutela.casework import scheme as schemes
from tutela.casework.model import CaseInfo, MediaState, Totals
from tutela.casework.timeline import timeline
from tutela.casework.workload import Workload, workload
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import iso, now
from tutela.report import placemap, plots
from tutela.report.cells import shown
from tutela.report.html import Fact, Page, Section, Table
from tutela.store.tables.access import Organisation
from tutela.store.tables.audit import AuditHead
from tutela.store.tables.casework import CaseMedia, Exhibit, MediaHit, Sighting

SHOWN_FILES: Final = 5000
SHOWN_PLACES: Final = 200
PROGRAMS: Final = ("tutela", "numpy", "numba", "pillow", "pytsk3", "libewf-python", "sqlalchemy")

SCORES: Final = (
    "A hit by SHA-256, or by SHA-1 and MD5 together, means the same bytes. A hit by MD5 alone "
    "or by likeness is indicative: it decides what a person looks at first, and nothing else. "
    "The distance counts the bits in which two fingerprints differ. Known media were graded by "
    "an exact match of an entry that this installation trusts; inferred media are like one that "
    "a person graded, and were not looked at themselves. Times and places are what files say, "
    "and files can be wrong. No score in this report is a conclusion: people concluded, under "
    "their own name, in the log."
)
_STATES: Final = {
    MediaState.OPEN: "not graded yet",
    MediaState.KNOWN: "graded on arrival by an exact match",
    MediaState.GRADED: "graded by a person who saw it",
    MediaState.INFERRED: "graded with its stack, not looked at itself",
    MediaState.SET_ASIDE: "set aside: nothing to grade, or ignorable",
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a report shows only when it is asked for: names of files, places on a map."""

    files: bool = False
    places: bool = False


def page(tx: Connection, who: Principal, case_id: CaseId, options: Options | None = None) -> Page:
    """Return the report of a case, for `report.html` and `report.pdf`.

    Raises:
        AccessError: `who` may not export this case.
    """
    require(tx, who, Permission.EXPORT, case_id)
    chosen = options or Options()
    case = cases.info(tx, who, case_id)
    totals = cases.totals(tx, who, case_id)
    figures = workload(tx, who, case_id)
    organisation = tx.execute(
        select(Organisation.name).where(Organisation.id == case.organisation_id)
    ).scalar_one()
    made = now()
    sections = [
        _authority(case, made),
        _exhibits(tx, case_id),
        _workload(figures),
        _grades(tx, case, totals),
        _states(totals),
        _lists(tx, case_id),
        _list_versions(tx, case_id),
        _timeline(tx, who, case_id),
    ]
    if chosen.places:
        sections.append(_places(tx, who, case_id))
    if chosen.files:
        sections.append(_files(tx, case_id))
    return Page(
        title=shown(f"Case {case.number}"),
        subtitle=shown(f"{case.title}. {organisation}. State: {case.state.value}."),
        facts=_facts(totals, figures),
        sections=[*sections, _programs(), _log(tx), Section("What the scores mean", SCORES)],
        footer=[
            f"Made on {iso(made)} by {who.name}, with Tutela {version('tutela')}.",
            "This report holds no picture"
            + ("" if chosen.files else ", and no name of a file")
            + ". Every figure can be counted again from the rows of the case.",
        ],
    )


def _facts(totals: Totals, figures: Workload) -> list[Fact]:
    graded = sum(totals.by_code.values())
    return [
        Fact("files", f"{figures.files:,}", note="seen in all exhibits"),
        Fact("different contents", f"{totals.media:,}", note=f"{totals.pictures:,} pictures"),
        Fact("graded", f"{graded:,}", "good" if graded else "", "under the scheme of the case"),
        Fact("known", f"{figures.known:,}", note="graded on arrival, not looked at"),
        Fact(
            "still open",
            f"{totals.by_state[MediaState.OPEN]:,}",
            "warn" if totals.by_state[MediaState.OPEN] else "good",
            "contents without a grade",
        ),
        Fact(
            "decisions saved",
            f"{figures.saved_permille / 10:.1f} %",
            note="against looking at every picture file",
        ),
    ]


def _authority(case: CaseInfo, made: datetime) -> Section:
    authority = case.authority
    valid = "valid" if authority.valid_at(made) else "not valid"
    rows = [
        ("Legal basis", authority.legal_basis),
        ("Reference", authority.reference),
        ("Scope", authority.scope),
        ("Granted by", authority.granted_by),
        ("Valid", f"from {iso(authority.valid_from)} until {iso(authority.valid_until)}"),
        ("When this report was made", valid),
        ("Legal hold", "yes" if case.legal_hold else "no"),
        ("Media kept", "yes, encrypted" if case.keeps_media else "no, hashes only"),
    ]
    return Section(
        "Authority",
        table=Table(("What", "As recorded"), [(what, shown(text)) for what, text in rows]),
    )


def _exhibits(tx: Connection, case_id: CaseId) -> Section:
    rows = tx.execute(
        select(Exhibit.__table__).where(Exhibit.case_id == case_id).order_by(Exhibit.id)
    )
    lines = [
        (
            shown(e.label),
            shown(e.device),
            e.state,
            *(f"{n:,}" for n in (e.seen, e.hashed, e.skipped, e.failed)),
            iso(e.started_at),
        )
        for e in rows
    ]
    columns = ("Exhibit", "Device", "State", "Seen", "Hashed", "Skipped", "Failed", "Begun")
    return Section(
        "Exhibits",
        "Seen is hashed, skipped and failed together; what was skipped or failed has its reason in "
        "the rows of the case.",
        Table(columns, lines, numeric=frozenset({3, 4, 5, 6})) if lines else None,
        "Nothing was added to this case yet.",
    )


def _workload(figures: Workload) -> Section:
    rows = [
        ("Picture files: one decision each without Tutela", figures.one_by_one),
        ("Pictures graded on arrival", figures.known),
        ("Pictures set aside", figures.set_aside),
        ("Stacks of pictures that look alike", figures.stacks),
        ("Decisions that the case takes", figures.decisions_needed),
        ("Pictures that must be seen", figures.views_needed),
        ("Decisions made so far", figures.decided),
    ]
    rate = figures.per_thousand_files(figures.decisions_needed)
    return Section(
        "Workload",
        f"{rate:.1f} decisions for each 1,000 files seen.",
        Table(("What", "Count"), [(what, f"{n:,}") for what, n in rows], numeric=frozenset({1})),
    )


def _grades(tx: Connection, case: CaseInfo, totals: Totals) -> Section:
    scheme = schemes.load(tx, case.scheme)
    named = [(code.code, code.label, code.illegal) for code in scheme.codes]
    others = sorted(totals.by_code.keys() - {code for code, _, _ in named})
    named += [(code, "not a code of the scheme", False) for code in others]
    counted = [(code, label, bad, totals.by_code.get(code, 0)) for code, label, bad in named]
    drawing = plots.bars(
        "Contents by grade",
        [plots.Bar(f"{c}: {label}", n, "alert" if bad else "mark") for c, label, bad, n in counted],
        unit="contents",
    )
    return Section(
        "Grades",
        f"Codes are those of {scheme.title}.",
        Table(
            ("Code", "Label", "Contents"),
            [(code, label, f"{n:,}") for code, label, _, n in counted],
            numeric=frozenset({2}),
        )
        if counted
        else None,
        "The scheme of the case has no codes.",
        drawing=drawing if totals.by_code else None,
    )


def _states(totals: Totals) -> Section:
    rows = [(_STATES[state], f"{totals.by_state.get(state, 0):,}") for state in MediaState]
    return Section(
        "Known and new",
        table=Table(("Contents", "Count"), rows, numeric=frozenset({1})),
    )


def _lists(tx: Connection, case_id: CaseId) -> Section:
    rows = tx.execute(
        select(
            MediaHit.list_name,
            MediaHit.role,
            MediaHit.strength,
            MediaHit.algorithm,
            func.count(MediaHit.media_id.distinct()),
        )
        .where(MediaHit.case_id == case_id)
        .group_by(MediaHit.list_name, MediaHit.role, MediaHit.strength, MediaHit.algorithm)
        .order_by(MediaHit.list_name, MediaHit.strength, MediaHit.algorithm)
    )
    lines = [(shown(row[0]), *row[1:4], f"{row[4]:,}") for row in rows]
    return Section(
        "Lists that media met",
        "Each line counts different contents; one content may stand on several lists.",
        Table(("List", "Role", "Strength", "By", "Contents"), lines, numeric=frozenset({4}))
        if lines
        else None,
        "No media of this case met a list.",
    )


def _list_versions(tx: Connection, case_id: CaseId) -> Section:
    """Tell each list as it was when an exhibit was compared with it."""
    rows = tx.execute(
        select(Exhibit.label, Exhibit.extra).where(Exhibit.case_id == case_id).order_by(Exhibit.id)
    )
    lines = [
        (shown(row.label), shown(str(one["name"])), f"{one['entries']:,}", str(one["sha256"]))
        for row in rows
        for one in dict(row.extra).get("lists", ())
    ]
    return Section(
        "Lists used",
        "Each list as it was when the exhibit was compared with it.",
        Table(("Exhibit", "List", "Entries", "SHA-256 of its file"), lines, numeric=frozenset({2}))
        if lines
        else None,
        "No exhibit was compared with a list.",
    )


def _timeline(tx: Connection, who: Principal, case_id: CaseId) -> Section:
    months = timeline(tx, who, case_id)
    names = [f"{month.year:04}-{month.month:02}" for month in months]
    captured = {n: m.captured for n, m in zip(names, months, strict=True) if m.captured}
    rows = [
        (name, f"{month.captured:,}", f"{month.modified:,}")
        for name, month in zip(names, months, strict=True)
    ]
    return Section(
        "When",
        "Pictures by the month in which EXIF says they were taken. Clocks of cameras may be wrong.",
        Table(("Month", "Taken", "Files last changed"), rows, numeric=frozenset({1, 2}))
        if rows
        else None,
        "No file of this case says a time.",
        drawing=plots.timeline("Pictures taken by month", captured, unit="pictures")
        if captured
        else None,
    )


def _places(tx: Connection, who: Principal, case_id: CaseId) -> Section:
    spots = overview.spots(tx, who, case_id)
    drawn = [placemap.Place(s.latitude, s.longitude, s.media) for s in spots]
    rows = []
    for spot in spots[:SHOWN_PLACES]:
        town, kilometres = placemap.nearest_town(spot.latitude, spot.longitude)
        near = f"{kilometres:.0f} km from {town.name}, {town.country}"
        rows.append((placemap.coordinates(spot.latitude, spot.longitude), near, f"{spot.media:,}"))
    return Section(
        "Where",
        "Places that EXIF says. The nearest town is for orientation.",
        Table(("Place", "Nearest town", "Pictures"), rows, numeric=frozenset({2}))
        if rows
        else None,
        "No picture of this case says a place.",
        drawing=placemap.draw("Where pictures were taken", drawn) if drawn else None,
    )


def _files(tx: Connection, case_id: CaseId) -> Section:
    rows = tx.execute(
        select(CaseMedia.code, Exhibit.label, Sighting.path, Sighting.inside)
        .join(Sighting, Sighting.media_id == CaseMedia.media_id)
        .join(Exhibit, Exhibit.id == Sighting.exhibit_id)
        .where(
            CaseMedia.case_id == case_id, Exhibit.case_id == case_id, CaseMedia.code.is_not(None)
        )
        .order_by(CaseMedia.code, Exhibit.label, Sighting.path, Sighting.id)
        .limit(SHOWN_FILES)
    ).all()
    lines = [
        (row.code, shown(row.label), shown(" > ".join([row.path, *row.inside]))) for row in rows
    ]
    full = len(lines) == SHOWN_FILES
    return Section(
        "Files that have a grade",
        f"The first {SHOWN_FILES:,}; all are in the rows of the case." if full else "",
        Table(("Code", "Exhibit", "File"), lines) if lines else None,
        "No file has a grade.",
    )


def _programs() -> Section:
    rows = [(name, version(name)) for name in PROGRAMS]
    rows.append(("python", platform.python_version()))
    return Section("Programs", table=Table(("Name", "Version"), rows))


def _log(tx: Connection) -> Section:
    head = tx.execute(select(AuditHead.size, AuditHead.root)).one_or_none()
    signed = checkpoint.latest(tx)
    where = f"The log had {head.size:,} entries, with root {head.root.hex()}." if head else ""
    intro = f"{where} tutela audit verify checks the log against a signed checkpoint."
    return Section(
        "Audit log",
        intro,
        empty="" if signed else "No checkpoint has been signed yet.",
        verbatim=signed or "",
    )
