"""What `tutela case` says of a case: rows, and sentences for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from tutela.cli import output
from tutela.core.time import iso

if TYPE_CHECKING:
    from tutela.casework.model import CaseInfo, ExhibitInfo, Totals
    from tutela.casework.workload import Workload
    from tutela.cli.open import Office

VERSION = 1
Row = dict[str, Any]
_COLUMNS = (
    *("v", "type", "number", "title", "state", "scheme", "keeps_media", "valid_until"),
    *("label", "device", "seen", "hashed", "skipped", "failed", "size_bytes"),
    *("media", "pictures", "by_state", "by_code", "withheld"),
    *("files", "unique", "picture_files", "known", "set_aside", "stacks"),
    *("decisions_needed", "views_needed", "decided", "one_by_one", "saved_permille"),
)


def say(office: Office, case: CaseInfo, format_: output.Format) -> None:
    """Print where a case stands."""
    from tutela.casework import case as cases  # noqa: PLC0415 - heavy; only when a command runs
    from tutela.casework.workload import workload  # noqa: PLC0415 - as above

    with office.database.read() as tx:
        exhibits = cases.exhibits(tx, office.who, case.id)
        totals = cases.totals(tx, office.who, case.id)
        figures = workload(tx, office.who, case.id)
    if format_ == "text":
        for line in _text(case, exhibits, totals, figures):
            print(line)
        return
    write = output.writer(format_, str, _COLUMNS)
    write(case_row(case))
    for exhibit in exhibits:
        write(_exhibit_row(exhibit))
    write({"v": VERSION, "type": "totals", **msgspec.structs.asdict(totals)})
    write({"v": VERSION, "type": "workload", **msgspec.structs.asdict(figures)})


def case_row(case: CaseInfo) -> Row:
    """Return the row of a case."""
    return {
        "v": VERSION,
        "type": "case",
        "number": case.number,
        "title": case.title,
        "state": case.state.value,
        "scheme": case.scheme,
        "keeps_media": case.keeps_media,
        "valid_until": iso(case.authority.valid_until),
    }


def case_line(row: output.Row) -> str:
    """Return the line of a case for a person."""
    return f"{row['number']:<24} {row['state']:<8} {row['scheme']:<18} {row['title']}".rstrip()


def sentences(figures: Workload) -> Iterator[str]:
    """Yield what a workload means, in words."""
    yield (
        f"{figures.unique:,} different contents in {figures.files:,} files; "
        f"{figures.pictures:,} different pictures in {figures.picture_files:,} files."
    )
    if figures.known or figures.set_aside:
        yield (
            f"{figures.known:,} pictures are known and need nobody's eyes; "
            f"{figures.set_aside:,} are set aside as harmless."
        )
    yield (
        f"The rest stands in {figures.stacks:,} stacks: {figures.decisions_needed:,} decisions, "
        f"of which {figures.decided:,} are made, and at least {figures.views_needed:,} views."
    )
    if figures.one_by_one:
        yield (
            f"That is {figures.per_thousand_files(figures.decisions_needed):.1f} decisions for "
            f"each 1,000 files, against {figures.per_thousand_files(figures.one_by_one):.1f} one "
            f"by one: {figures.saved_permille / 10:.1f} % less."
        )


def _text(
    case: CaseInfo, exhibits: list[ExhibitInfo], totals: Totals, figures: Workload
) -> Iterator[str]:
    authority = case.authority
    yield f"Case {case.number}, {case.state.value}{': ' if case.title else ''}{case.title}"
    yield (
        f"Authority: {authority.legal_basis}, {authority.reference}, granted by "
        f"{authority.granted_by}, valid until {iso(authority.valid_until)}"
    )
    if case.legal_hold:
        yield "Under legal hold; it takes two persons to lift it."
    for exhibit in exhibits:
        unfinished = "" if exhibit.state == "complete" else "  (unfinished: add --resume)"
        yield (
            f"  {exhibit.label:<20} {exhibit.seen:>9,} seen {exhibit.hashed:>9,} hashed "
            f"{exhibit.skipped:>7,} skipped {exhibit.failed:>7,} failed{unfinished}"
        )
    yield from sentences(figures)
    if totals.by_code:
        codes = ", ".join(f"{code} {count:,}" for code, count in totals.by_code.items())
        yield f"Graded under {case.scheme}: {codes}."
    if totals.withheld:
        yield f"Not told to you, who may have to grade it again: {totals.withheld:,}."


def _exhibit_row(exhibit: ExhibitInfo) -> Row:
    names = ("label", "device", "seen", "hashed", "skipped", "failed", "size_bytes")
    return {
        "v": VERSION,
        "type": "exhibit",
        "state": exhibit.state.value,
        **{name: getattr(exhibit, name) for name in names},
    }
