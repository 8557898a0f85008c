"""Separated values: a message a record, columns named as the fields of JSON Lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from typing import BinaryIO, Final

from tutela.chat import fields
from tutela.chat.charset import text_of, utf8
from tutela.chat.entries import Entries, malformed
from tutela.chat.fields import NAMES
from tutela.chat.format import Opening
from tutela.chat.model import Left, MediaRef, Message, Trouble
from tutela.chat.records import Records
from tutela.chat.squeeze import SQUEEZED_BYTES
from tutela.chat.times import moment
from tutela.core.errors import InputError

_DELIMITERS: Final = ",;\t|"
_COLUMNS: Final = 200
_BETWEEN: Final = ";"  # of several names in one column
_FIELD_OF: Final = {name: field for field, same in NAMES.items() for name in same}


class SeparatedValues:
    """See `Format`."""

    name = "csv"

    def looks_like(self, head: bytes, file_name: str) -> bool:  # noqa: ARG002 - the content says it
        """By the names of the columns."""
        line, _, _ = head.lstrip().partition(b"\n")
        return bool(_columns(line)[1])

    def read(self, stream: BinaryIO, opening: Opening) -> Iterator[Message | Left]:
        """See `Format`.

        Raises:
            InputError: `columns`, there are none of a message.
        """
        stream = utf8(stream)
        delimiter, columns = _columns(stream.readline(1 << 16))
        if not columns:
            raise InputError("there are no columns of text and author", code="columns")
        csv.field_size_limit(max(csv.field_size_limit(), SQUEEZED_BYTES))
        entries = Entries(opening)
        for number, raw in Records(stream, delimiter.encode()):
            values, repaired = _values(raw, delimiter, columns)
            if values is None or not any(map(values.get, ("author", "name", "text", "media"))):
                yield malformed(f"line {number + 1}")
            else:
                yield _message(values, entries, opening, repaired=repaired)


def _columns(line: bytes) -> tuple[str, dict[str, int]]:
    """Return the delimiter that gives most columns that we know, and their places.

    No columns at all where author and text are not among them.
    """
    text, _ = text_of(line[: 1 << 16].rstrip(b"\r\n"))
    best: tuple[str, dict[str, int]] = (",", {})
    for delimiter in _DELIMITERS:
        try:
            names = next(csv.reader([text], delimiter=delimiter), [])[:_COLUMNS]
        except csv.Error:
            continue
        places: dict[str, tuple[int, int]] = {}
        for place, name in enumerate(names):
            word = name.strip().lower().replace(" ", "_")
            field = _FIELD_OF.get(word)
            if field is not None:
                rank = NAMES[field].index(word), place
                places[field] = min(places.get(field, rank), rank)
        if len(places) > len(best[1]):
            best = delimiter, {field: place for field, (_, place) in places.items()}
    known = best[1]
    return best if "text" in known and ("author" in known or "name" in known) else (",", {})


def _values(
    raw: bytes | None, delimiter: str, columns: Mapping[str, int]
) -> tuple[dict[str, str] | None, bool]:
    if raw is None:
        return None, False
    text, repaired = text_of(raw)
    try:
        row = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return None, repaired
    if len(row) <= columns["text"]:
        return None, repaired
    return {field: row[at] for field, at in columns.items() if at < len(row)}, repaired


def _message(
    values: Mapping[str, str], entries: Entries, opening: Opening, *, repaired: bool
) -> Message:
    get = values.get
    name = get("name", "")
    return entries.message(
        get("conversation", "") or opening.conversation,
        get("author", "") or name,
        get("text", ""),
        id=get("id", ""),
        name=name,
        time=moment(get("time"), opening.zone),
        deleted=fields.truth_of(get("deleted", "")),
        system=fields.truth_of(get("system", "")),
        media=[
            MediaRef(name=one[:1_000], kind=fields.kind_of("", one))
            for one in _several(get("media", ""))
        ],
        reply_to=get("reply_to", ""),
        to=_several(get("to", "")),
        age_band=fields.age_band_of(get("age_band", "")),
        troubles=(Trouble.ENCODING,) if repaired else (),
    )


def _several(value: str) -> Sequence[str]:
    return [one for one in map(str.strip, value[: 1 << 16].split(_BETWEEN)) if one] if value else ()
