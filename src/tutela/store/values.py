"""Turns columns of Python values into what each driver takes fastest.

SQLite takes a tuple for each row. PostgreSQL takes one array a column in its binary form, written
here: the driver would look at every single value, at about ten times the cost, and text would have
to be escaped by us and parsed by the server.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format
from sqlalchemy import JSON, Boolean, Column, Dialect, Float, Integer, LargeBinary, Text
from sqlalchemy.types import TypeEngine

from tutela.store.columns import UTCDateTime, json_text

Values = Sequence[Any]

# Sent before each value: its length, or -1 for NULL (PostgreSQL, src/backend/utils/adt/arrayfuncs).
_NULL = struct.pack(">i", -1)
_INT8 = struct.Struct(">iq").pack
_FLOAT8 = struct.Struct(">id").pack
_BOOL = struct.Struct(">i?").pack
_LENGTH = struct.Struct(">i").pack
_HEADER = struct.Struct(">iiIii").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Array:
    """One column of many rows, in the binary form of a PostgreSQL array."""

    __slots__ = ("packed",)

    def __init__(self, element_oid: int, elements: Sequence[bytes]) -> None:
        has_null = int(_NULL in elements)
        header = _HEADER(1, has_null, element_oid, len(elements), 1)
        self.packed = header + b"".join(elements)


class _ArrayDumper(Dumper):
    """Hands an `Array` on as it is; its type stands in the statement (`%s::bigint[]`)."""

    format = Format.BINARY
    oid = 0

    def dump(self, obj: Array) -> bytes:
        """Return the packed array."""
        return obj.packed


def teach(connection: psycopg.Connection[Any]) -> None:
    """Let a new connection take an `Array`.

    SQLAlchemy copies the driver's own dumpers when an engine is made: whoever registers one there
    later, since this module was imported late, is not heard.
    """
    connection.adapters.register_dumper(Array, _ArrayDumper)


class _Memo(dict[Any, Any]):
    """Results by value: in a column the same word or moment often stands in many rows."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __missing__(self, value: Any) -> Any:
        made = self[value] = self._make(value)
        return made


def for_sqlite(column: Column[Any], dialect: Dialect) -> Callable[[Values], Values] | None:
    """Return what makes a column's values fit for SQLite, or None where they already are."""
    if isinstance(column.type, (Integer, Text, LargeBinary, Float)):
        return None
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return None
    if isinstance(column.type, UTCDateTime):
        return lambda values: list(map(_Memo(process).__getitem__, values))
    return lambda values: list(map(process, values))


def for_postgresql(column: Column[Any], dialect: Dialect) -> Callable[[Values], Array]:
    """Return what makes an array of a column's values.

    Raises:
        TypeError: no column of this type is known here.
    """
    kind = column.type
    if isinstance(kind, UTCDateTime):
        moment = _moment_of(kind, dialect)
        return lambda values: Array(1184, list(map(_Memo(moment).__getitem__, values)))
    if isinstance(kind, JSON):
        return lambda values: Array(3802, list(map(_json, values)))
    for known, (oid, write) in _ELEMENTS.items():
        if isinstance(kind, known):
            return lambda values: Array(oid, write(values))
    raise TypeError(f"no array of {kind!r} is written here")


def _numbers(values: Values) -> list[bytes]:
    try:
        return list(map(_INT8, repeat(8), values))
    except struct.error:
        return [_NULL if value is None else _INT8(8, value) for value in values]


def _text(value: str | None) -> bytes:
    return _NULL if value is None else _bytes(value.encode())


def _bytes(value: bytes | None) -> bytes:
    return _NULL if value is None else _LENGTH(len(value)) + value


def _json(value: Any) -> bytes:
    return _bytes(b"\x01" + json_text(value).encode())


def _moment_of(kind: UTCDateTime, dialect: Dialect) -> Callable[[datetime | None], bytes]:
    def write(value: datetime | None) -> bytes:
        moment = kind.process_bind_param(value, dialect)
        return _NULL if moment is None else _INT8(8, (moment - _EPOCH) // _MICROSECOND)

    return write


# The numbers are those of pg_type, the same in every PostgreSQL.
_ELEMENTS: dict[type[TypeEngine[Any]], tuple[int, Callable[[Values], list[bytes]]]] = {
    Integer: (20, _numbers),
    Text: (25, lambda values: list(map(_Memo(_text).__getitem__, values))),
    LargeBinary: (17, lambda values: list(map(_bytes, values))),
    Boolean: (16, lambda values: [_NULL if v is None else _BOOL(1, v) for v in values]),
    Float: (701, lambda values: [_NULL if v is None else _FLOAT8(8, v) for v in values]),
}
