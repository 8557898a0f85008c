"""Rows to standard output as text, JSONL or CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from tutela.report.cells import cell

Format = Literal["text", "jsonl", "csv"]
Row = Mapping[str, Any]
Writer = Callable[[Row], object]

_encode = msgspec.json.Encoder().encode


def jsonl(row: Row) -> bytes:
    """Return one row as a line of JSON, ASCII-safe text in UTF-8."""
    return _encode(row) + b"\n"


def writer(
    format: Format,  # noqa: A002 the option's name
    text: Callable[[Row], str],
    columns: Iterable[str],
) -> Writer:
    """Return a function that prints a row; `text` gives a person's line, empty for none.

    A CSV cell that holds a structure is JSON, and a cell that a spreadsheet would take for a
    formula is set off by a space: file names are chosen by others.
    """
    if format == "jsonl":
        return lambda row: _print_bytes(jsonl(row))
    if format == "csv":
        names = list(columns)
        table = csv.writer(
            sys.stdout, lineterminator="\r\n"
        )  # RFC 4180; it also makes a lone \r in a name be quoted
        table.writerow(names)
        return lambda row: table.writerow([cell(row.get(name)) for name in names])
    return lambda row: _print_text(text(row))


def is_terminal() -> bool:
    """Tell whether a person reads the output as it comes."""
    return sys.stdout.isatty()


def _print_bytes(line: bytes) -> None:
    sys.stdout.buffer.write(line)


def _print_text(line: str) -> None:
    if line:
        print(line)
