"""What the tests of scan share: running a scan here or in another process, and reading its rows."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tutela.core import settings
from tutela.scan import rows
from tutela.scan.keeper import Keeper
from tutela.scan.session import Session, open_session

TUTELA = Path(sys.executable).with_name("tutela")
Row = dict[str, Any]


def encoded(picture: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


@dataclass
class Run:
    """What a scan in another process came to."""

    status: int
    rows: list[Row]
    errors: str

    def of(self, kind: str) -> list[Row]:
        return [row for row in self.rows if row["type"] == kind]

    def places(self, kind: str) -> set[str]:
        return {"/".join([Path(r["path"]).name, *r["inside"]]) for r in self.of(kind)}

    def reason(self, place: str) -> str:
        """Return the reason of the one row that ends at `place`."""
        (row,) = [
            r
            for r in self.of("failed") + self.of("skipped")
            if "/".join([Path(r["path"]).name, *r["inside"]]) == place
        ]
        return str(row["reason"])

    def adds_up(self) -> bool:
        """Tell whether the summary's totals are those of the rows."""
        (total,) = self.of("summary")
        counted = {kind: len(self.of(kind)) for kind in ("file", "skipped", "failed")}
        return (
            total["seen"] == sum(counted.values())
            and total["hashed"] == counted["file"]
            and total["skipped"] == counted["skipped"]
            and total["failed"] == counted["failed"]
            and total["hits"] == len(self.of("hit"))
        )


def command(*arguments: object) -> list[str]:
    return [str(TUTELA), "scan", "--format", "jsonl", *map(str, arguments)]


@contextlib.contextmanager
def session(
    root: Path,
    *lists: Path,
    jobs: int = 2,
    facts: bool = False,
    keep: Callable[[], Keeper] | None = None,
    **scan: Any,
) -> Iterator[Session]:
    """Open a scan in this process."""
    given = settings.override(settings.load(), "scan", {"jobs": jobs, **scan})
    names = [str(path) for path in lists]
    with open_session([root], names, given, "resume", facts=facts, keep=keep) as opened:
        yield opened


def scanned(opened: Session) -> list[Row]:
    """Return all rows of a scan in this process."""
    found = [row for recorded in opened.pipeline.run() for row in rows.rows_of(recorded)]
    return [*found, opened.pipeline.summary.row()]
