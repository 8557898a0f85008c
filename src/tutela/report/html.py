"""A page of facts, bars and tables as one HTML file that opens anywhere and prints well."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import jinja2

from tutela.core.errors import ServiceError
from tutela.report.drawing import Drawing


@dataclass(frozen=True)
class Fact:
    """One number or short text at the top of a page; `tone` is "", "good", "warn" or "alert"."""

    label: str
    value: str
    tone: str = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """A table; `rows` may be a generator and is read once. `numeric` columns are set right."""

    columns: Sequence[str]
    rows: Iterable[Sequence[str]]
    numeric: frozenset[int] = frozenset()
    caption: str = ""


@dataclass(frozen=True)
class Section:
    """A headed part of a page: a sentence, a drawing, a table; or `empty` where there is neither.

    `verbatim` is text whose lines and blanks matter, such as a signed note.
    """

    title: str
    intro: str = ""
    table: Table | None = None
    empty: str = ""
    drawing: Drawing | None = None
    verbatim: str = ""


@dataclass(frozen=True)
class Page:
    """A whole document."""

    title: str
    subtitle: str
    facts: Sequence[Fact]
    sections: Sequence[Section]
    footer: Sequence[str] = field(default_factory=tuple)


def write(page: Page, path: Path) -> None:
    """Write `page` to `path`, whole or not at all.

    Raises:
        ServiceError: the file cannot be written, for example because the disk is full.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tutela.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("page.html")
    style = "".join(environment.get_template(name).render() for name in ("page.css", "plot.css"))
    with replacing(path) as stream:
        for part in template.generate(page=page, style=style):
            stream.write(part.encode())


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a file beside `path` and put it in place at the end, whole or not at all.

    Raises:
        ServiceError: the file cannot be written.
    """
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except OSError as error:
        raise ServiceError(
            f"cannot write {path}: {error.strerror}",
            code="unwritable",
            hint="name a folder with room that you can write",
        ) from error
    finally:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
