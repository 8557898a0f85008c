"""The reference page of schemes and facets, made from their data files.

`python tests/casework/schemes_page.py` writes it; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from tutela.casework import scheme as schemes
from tutela.casework.scheme import Scheme

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "schemes.md"
HEAD = """\
<!-- Made from src/tutela/casework/schemes/*.toml; changes here are lost. -->

# Grading schemes

The codes that can be given under each scheme, most severe first, as their sources say. *Illegal*
means that what has the code counts as child sexual abuse material in lists and totals. Tutela's
own words are marked: every grader needs a way to say "none of it". Profiles whose numbers are not
public are empty; an administrator fills in what the agency was given, with its source. How grades
become votes is explained in [grading.md](../explanation/grading.md).
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, *map(_scheme, map(schemes.published, schemes.names())), _facets()]
    return "\n".join(parts)


def _scheme(scheme: Scheme) -> str:
    lines = [f"## `{scheme.name}`: {scheme.title}", ""]
    lines += [f"Jurisdiction: {scheme.jurisdiction}. Source: {scheme.source}.", ""]
    if scheme.ungraded is not None:
        lines += [
            f"`{scheme.ungraded}` in a file means that nothing was graded; it is never given."
        ]
        lines += [""]
    if not scheme.codes:
        return "\n".join([*lines, "No codes: an administrator fills them in.", ""])
    lines += ["| code | label | meaning | illegal | key |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| `{one.code}` | {one.label} | {one.meaning} | {'yes' if one.illegal else 'no'} "
        f"| `{one.key}` |"
        for one in scheme.codes
    ]
    return "\n".join([*lines, ""])


def _facets() -> str:
    lines = ["## Facets", "", "What a grade may say beside its code; each is optional.", ""]
    lines += ["| facet | what it says | values |", "| --- | --- | --- |"]
    lines += [
        f"| `{facet.name}` | {facet.title}: {facet.meaning} | "
        + ", ".join(f"`{one.name}` ({one.title})" for one in facet.choices)
        + " |"
        for facet in schemes.facets()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
