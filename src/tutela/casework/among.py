"""A condition over many ids that is one bound value, whatever their number.

`IN` with a parameter for each id would be compiled anew for each length, and SQLite takes 32,766.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import ARRAY, BigInteger, ColumnElement, Connection, any_, func, literal, select


def among(tx: Connection, column: Any, ids: Iterable[int]) -> ColumnElement[bool]:
    """Return the condition that a column of whole numbers has one of these values."""
    values = sorted(set(ids))
    if tx.dialect.name == "postgresql":
        equal: ColumnElement[bool] = column == any_(literal(values, ARRAY(BigInteger)))
        return equal
    each = func.json_each(msgspec.json.encode(values).decode()).table_valued("value")
    within: ColumnElement[bool] = column.in_(select(each.c.value))
    return within
