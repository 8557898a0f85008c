"""Many whole numbers come as one value a column, in the order asked for."""

from __future__ import annotations

import numpy as np
from casework_office import Office
from sqlalchemy import func, insert, select

from tutela.casework.packed import packed
from tutela.core.time import now
from tutela.store.tables.casework import Media


def test_numbers_of_any_size_come_whole_and_in_order(office: Office):
    rows = [
        {"id": number + 1, "size_bytes": size, "kind": "", "is_picture": True}
        for number, size in enumerate([0, -1, 2**63 - 1, -(2**63), 10, 9, *range(5_000, 20_000)])
    ]
    with office.database.write() as tx:
        tx.execute(insert(Media), [row | {"first_seen_at": now()} for row in rows])
        asked = select(Media.size_bytes, func.coalesce(Media.width, -Media.id))
        sizes, others = packed(tx, asked.order_by(Media.size_bytes.desc()))
        nothing = packed(tx, asked.where(Media.id < 0))
    wanted = sorted(rows, key=lambda row: -int(str(row["size_bytes"])))
    assert sizes.dtype == others.dtype == np.int64
    assert sizes.tolist() == [row["size_bytes"] for row in wanted]
    assert others.tolist() == [-int(str(row["id"])) for row in wanted]
    assert [column.tolist() for column in nothing] == [[], []]
