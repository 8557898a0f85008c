"""Run benchmarks, print their tables, keep the results, and write them into the docs.

    python bench/run.py [pdq] [match] [scan] [casework] [exchange] [fetch] [pages] [leads] [crawl]
        [chat] [--quick]

Each subject is a file beside this one with `run(options) -> list[Figure]`. Results go to
bench/results/<subject>.json and from there into docs/explanation/performance.md.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from measure import Figure, Options

HERE = Path(__file__).parent
RESULTS = HERE / "results"
DOCUMENT = HERE.parent / "docs" / "explanation" / "performance.md"
SUBJECTS = (
    "pdq",
    "match",
    "scan",
    "casework",
    "exchange",
    "fetch",
    "pages",
    "leads",
    "crawl",
    "chat",
)
COLUMNS = ("figure", "ours", "unit", "peer", "theirs", "ratio", "goal", "holds")


def main(arguments: list[str]) -> int:
    """Run the named subjects, or all."""
    quick = "--quick" in arguments
    wanted = [word for word in arguments if not word.startswith("-")] or list(SUBJECTS)
    unknown = set(wanted) - set(SUBJECTS)
    if unknown:
        print(f"error: no benchmark is called {', '.join(sorted(unknown))}", file=sys.stderr)
        print(f"hint: there are {', '.join(SUBJECTS)}", file=sys.stderr)
        return 2
    for subject in wanted:
        figures = importlib.import_module(subject).run(Options(quick=quick))
        _print(subject, figures)
        if not quick:
            _keep(subject, figures)
    if not quick:
        _document()
    return 0


def _print(subject: str, figures: list[Figure]) -> None:
    table = Table(*COLUMNS, title=subject)
    for figure in figures:
        table.add_row(*_cells(dataclasses.asdict(figure)))
    # A pipe is no reason to cut columns.
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _cells(figure: dict[str, Any]) -> list[str]:
    holds = {None: "", True: "yes", False: "NO"}[figure["holds"]]
    ratio = "" if figure["ratio"] is None else f"{figure['ratio']:.3g}x"
    theirs = "" if figure["peer_value"] is None else f"{figure['peer_value']:.4g}"
    return [
        figure["name"],
        f"{figure['value']:.4g}",
        figure["unit"],
        figure["peer"],
        theirs,
        ratio,
        figure["goal"],
        holds,
    ]


def _keep(subject: str, figures: list[Figure]) -> None:
    RESULTS.mkdir(exist_ok=True)
    result = {
        "machine": _machine(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(),
        "figures": [dataclasses.asdict(figure) for figure in figures],
    }
    (RESULTS / f"{subject}.json").write_text(json.dumps(result, indent=1) + "\n")


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")
    cores = sum(line.startswith("processor") for line in lines)
    return f"{cores} x {model}, Linux, Python {platform.python_version()}"


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=HERE,
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip()


def _document() -> None:
    """Write the kept results between the markers of the document, one table a subject."""
    text = DOCUMENT.read_text()
    for subject in SUBJECTS:
        file = RESULTS / f"{subject}.json"
        if not file.exists():
            continue
        begin, end = f"<!-- begin {subject} -->", f"<!-- end {subject} -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{_markdown(json.loads(file.read_text()))}{end}{after}"
    DOCUMENT.write_text(text)


def _markdown(result: dict[str, Any]) -> str:
    lines = [
        f"\n{result['date']}, {result['machine']}, commit {result['commit']}\n",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + " --- |" * len(COLUMNS),
        *("| " + " | ".join(_cells(figure)) + " |" for figure in result["figures"]),
    ]
    return "\n".join(lines) + "\n\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
