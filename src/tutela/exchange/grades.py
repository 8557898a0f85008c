"""Agreed grades become entries: what enough organisations trust, under a scheme.

It can be run again at any time: what is new is added, what is not trusted any more is marked as
disputed (`lapses`), for a person to withdraw or restore. Nobody is told how anybody voted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select

from tutela.casework.agreement import AgreementState
from tutela.core.errors import UsageError
from tutela.core.ids import ListId, MediaId
from tutela.core.media import PDQ, PDQ_QUALITY_MINIMUM, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.exchange import entries, lapses, lists
from tutela.exchange.candidate import Candidate
from tutela.exchange.merging import COUNTS
from tutela.exchange.model import Coded, Content, EntryState
from tutela.store.tables.casework import Media
from tutela.store.tables.grading import Agreement

_AT_ONCE = 10_000


class Taken(msgspec.Struct, frozen=True):
    """What became of agreed media: as `Added`, and how many entries are now disputed.

    `agreed_again` counts disputed entries whose media is trusted: a person may restore them.
    """

    added: int
    changed: int
    unchanged: int
    kept_withdrawn: int
    waiting: int
    refused: int
    disputed: int
    agreed_again: int


def take(tx: Connection, who: Principal, list_id: ListId, scheme: str, jurisdiction: str) -> Taken:
    """Put trusted media on a list: those that are illegal under the scheme, or for other lists not.

    Entries that rest on this scheme and whose media is not trusted to be that any more are marked
    as disputed.

    Raises:
        AccessError: `who` does not manage the list.
        UsageError: there is no such scheme, or it has no code that fits the list.
    """
    view = lists.managed(tx, who, list_id)
    codes = lapses.fitting(tx, scheme, view.role)
    if not codes:
        raise UsageError(f"{scheme} has no code for a list like {view.name}", code="grade_code")
    totals = dict.fromkeys(Taken.__struct_fields__, 0)
    for rows in _pages(tx, scheme, codes):
        made = [_candidate(row, scheme, jurisdiction) for row in rows]
        added = entries.add(tx, who, list_id, made, origin="grade")
        for name in COUNTS:
            totals[name] += getattr(added, name)
        totals["refused"] += sum(added.refused.values())
        states = entries.states(tx, list_id, [one for one in added.ids if one is not None])
        totals["agreed_again"] += sum(s is EntryState.DISPUTED for s in states.values())
    if lapsed := lapses.under(tx, list_id, scheme, codes):
        totals["disputed"] = entries.dispute(tx, who, list_id, lapsed, lapses.REASON)
    return Taken(**totals)


def _pages(
    tx: Connection, scheme: str, codes: Sequence[str]
) -> Iterator[Sequence[Row[*tuple[Any, ...]]]]:
    last = 0
    while True:
        rows: Sequence[Row[*tuple[Any, ...]]] = tx.execute(
            select(
                Media.id,
                Media.sha256,
                Media.sha1,
                Media.md5,
                Media.pdq,
                Media.pdq_quality,
                Agreement.code,
            )
            .join(Media, Media.id == Agreement.media_id)
            .where(
                Agreement.scheme == scheme,
                Agreement.state == AgreementState.TRUSTED,
                Agreement.code.in_(codes),
                Agreement.media_id > last,
            )
            .order_by(Agreement.media_id)
            .limit(_AT_ONCE)
        ).all()
        if rows:
            yield rows
        if len(rows) < _AT_ONCE:
            return
        last = rows[-1].id


def _candidate(row: Row[*tuple[Any, ...]], scheme: str, jurisdiction: str) -> Candidate:
    fingerprints: tuple[Fingerprint, ...] = ()
    if row.pdq is not None and (row.pdq_quality or 0) >= PDQ_QUALITY_MINIMUM:
        fingerprints = (Fingerprint(PDQ, row.pdq, row.pdq_quality),)
    return Candidate(
        content=Content.IMAGE,
        digests=Digests(row.md5, row.sha1, row.sha256),
        fingerprints=fingerprints,
        codes=(Coded(jurisdiction, scheme, row.code),),
        media_id=MediaId(row.id),
    )
