"""Rankings of rows: everybody is counted, kept, and explained by the rows of their posts."""

from __future__ import annotations

from leads_support import Town

from tutela.actors import ranking


def test_everybody_is_ranked_or_counted(town: Town):
    info = ranking.rank(town.database, town.who, town.case_id, town.desk())
    with town.database.read() as tx:
        found = ranking.ranked(tx, town.who, town.case_id, info.id)
    print(info, found)
    assert [one.account_id for one in found] == [town.account("heron"), town.account("stork")]
