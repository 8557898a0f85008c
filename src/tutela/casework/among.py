"""A condition over many ids that is one bound value, whatever their number.

`IN` with a parameter for each id would be compiled anew for each length, and SQLite takes 32,766.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Dialect, func, literal, select
from sqlalchemy.types import UserDefinedType


class _Numbers(UserDefinedType[list[int]]):
    """An array of whole numbers that is sent as text: the driver would look at each by itself.

    The cast is of the parameter itself, so that the planner sees a constant and hashes it.
    """

    cache_ok = True
    render_bind_cast = True

    def get_col_spec(self, **_: Any) -> str:
        """Return PostgreSQL's name of the type."""
        return "BIGINT[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str]:  # noqa: ARG002 SQLAlchemy's signature
        """Write the array as PostgreSQL reads it."""
        return lambda values: f"{{{','.join(map(str, values))}}}"


def among(tx: Connection, column: Any, ids: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a column of whole numbers has one of these values."""
    values = sorted(set(ids))
    if tx.dialect.name == "postgresql":
        equal: ColumnElement[bool] = column == func.any(literal(values, _Numbers()))
        return equal
    each = func.json_each(msgspec.json.encode(values).decode()).table_valued("value")
    within: ColumnElement[bool] = column.in_(select(each.c.value))
    return within
