"""Ranks the accounts of a case and keeps the ranking: who stands where, why, and who is left out.

Everything is counted: accounts seen are ranked, withheld by reason, or have nothing known of their
own. Nobody who reads a ranking learns which accounts are withheld, only how many and as far as may
be said, why.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, insert, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.access.seal import Sealer
from tutela.actors import deconflict, gather, linking, marking, ordering, severity, weighing
from tutela.actors.gather import Gathered, Opened
from tutela.actors.ordering import Placed
from tutela.actors.severity import Severity
from tutela.actors.weighing import Weights
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId
from tutela.core.leads_settings import LeadsSettings
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.observation import mirrors
from tutela.observation.model import EntityKind
from tutela.store import Database
from tutela.store.bulk import insert_rows
from tutela.store.tables.leads import RankedAccount
from tutela.store.tables.leads import Ranking as RankingRow
from tutela.store.tables.observation import Entity, Mention, Post, SiteAccount

NOTHING_KNOWN: Final = "nothing_known"


class Desk(NamedTuple):
    """By what leads are worked on: the key of blind look-ups, weights, and what opens words."""

    key: bytes
    weights: Weights
    severity: Severity
    sha256: bytes
    opened: Opened | None = None


class RankingInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A ranking; `seen` accounts are `ranked` and those that `withheld` counts by reason."""

    id: int
    case_id: int
    made_at: datetime
    made_by: int | None
    weights_version: str
    weights_sha256: bytes
    parameters: dict[str, Any]
    generation: int
    posts: int
    seen: int
    ranked: int
    withheld: dict[str, int]


class RankedInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An account or group in a ranking; see `store.tables.leads.RankedAccount`.

    `explanation` has `terms`, `counter`, `sensitivity` and `mirrored` accounts.
    """

    ranking_id: int
    account_id: int
    members: tuple[int, ...]
    place: int
    score: float
    lower: float
    best_place: int
    worst_place: int
    explanation: dict[str, Any]


def desk(settings: LeadsSettings, sealer: Sealer, opened: Opened | None = None) -> Desk:
    """Return by what leads are worked on in this installation.

    Raises:
        SettingsError: a file of weights does not hold.
    """
    weights, grave = weighing.load(settings.weights), severity.load(settings.severity)
    digest = hashlib.sha256()
    for path, shipped in (
        (settings.weights, f"weights/{weighing.SHIPPED}"),
        (settings.severity, severity.SHIPPED),
    ):
        digest.update(hashlib.sha256(_read(path, shipped)).digest())
    return Desk(deconflict.key_of(sealer), weights, grave, digest.digest(), opened)


def rank(database: Database, who: Principal, case_id: CaseId, by: Desk) -> RankingInfo:
    """Rank the accounts of a case, and keep it, with the links that were found.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: the case is closed, or its authority is not valid.
    """
    with database.read() as tx:
        require(tx, who, Permission.LEADS, case_id)
        cases.working(tx, case_id)
    gathered = _gathered(database, who, case_id, by)
    with database.read() as tx:
        undone = linking.undone(tx, case_id)
    order = ordering.order(gathered.observed, by.weights, undone)
    with database.write() as tx:
        require(tx, who, Permission.LEADS, case_id)
        cases.working(tx, case_id)
        made = _keep(tx, who, case_id, by, gathered, order)
        mirrors.guess(tx, case_id)
        links = linking.keep(tx, case_id, order.links)
        info = find(tx, who, case_id, made)
        log.record(
            tx,
            who,
            "ranking.made",
            f"ranking:{made}",
            case=case_id,
            weights=by.weights.version,
            weights_sha256=by.sha256.hex(),
            seen=info.seen,
            ranked=info.ranked,
            withheld=info.withheld,
            links=links,
            words=by.opened is not None,
        )
    return info


def latest(tx: Connection, who: Principal, case_id: CaseId) -> RankingInfo | None:
    """Return the newest ranking of a case, if there is any.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    newest = _rankings(case_id).order_by(RankingRow.id.desc()).limit(1)
    row = tx.execute(newest).one_or_none()
    return None if row is None else _info(row)


def find(tx: Connection, who: Principal, case_id: CaseId, ranking_id: int) -> RankingInfo:
    """Return a ranking.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: it is not of this case.
    """
    require(tx, who, Permission.LEADS, case_id)
    row = tx.execute(_rankings(case_id).where(RankingRow.id == ranking_id)).one_or_none()
    if row is None:
        raise UsageError("there is no such ranking in this case", code="not_found")
    return _info(row)


def ranked(
    tx: Connection, who: Principal, case_id: CaseId, ranking_id: int, limit: int = 100
) -> list[RankedInfo]:
    """Return the first accounts of a ranking.

    Raises:
        AccessError: `who` does not work on leads of this case.
        UsageError: code `not_found`: the ranking is not of this case.
    """
    find(tx, who, case_id, ranking_id)
    rows = tx.execute(
        select(RankedAccount.__table__)
        .where(RankedAccount.ranking_id == ranking_id)
        .order_by(RankedAccount.place)
        .limit(limit)
    )
    return [_ranked(row) for row in rows]


def of_account(
    tx: Connection, who: Principal, case_id: CaseId, account_id: int
) -> RankedInfo | None:
    """Return where an account, or the group that it is in, stands in the newest ranking.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    newest = latest(tx, who, case_id)
    if newest is None:
        return None
    mine = select(RankedAccount.__table__).where(RankedAccount.ranking_id == newest.id)
    row = tx.execute(mine.where(RankedAccount.account_id == account_id)).one_or_none()
    if row is not None:
        return _ranked(row)
    for one in map(_ranked, tx.execute(mine.order_by(RankedAccount.place))):
        if account_id in one.members or account_id in one.explanation["mirrored"]:
            return one
    return None


def place_now(
    database: Database, who: Principal, case_id: CaseId, members: Sequence[int], by: Desk
) -> int | None:
    """Return the place that an account or group would have in a ranking made now.

    None where it has none, or where these are not the accounts that would be ranked as one.

    Raises:
        AccessError: `who` does not work on leads of this case.
    """
    with database.read() as tx:
        require(tx, who, Permission.LEADS, case_id)
        undone = linking.undone(tx, case_id)
    gathered = _gathered(database, who, case_id, by)
    wanted = {gathered.root.get(one, one) for one in members}
    return ordering.place(gathered.observed, by.weights, undone, wanted)


def deconflicted(
    tx: Connection, who: Principal, case_id: CaseId, members: Sequence[int], by: Desk
) -> bool:
    """Tell whether any of these accounts must be left out; that it was asked is logged."""
    asked = known_by(tx, case_id, members)
    return bool(deconflict.withheld(tx, who, case_id, by.key, asked))


def known_by(
    tx: Connection, case_id: CaseId, account_ids: Sequence[int] | None = None
) -> dict[int, list[deconflict.Identifier]]:
    """Return what accounts are known by: handles, and names outside quotes that are exact."""
    own = select(SiteAccount.id, SiteAccount.handle).where(SiteAccount.case_id == case_id)
    names = (
        select(Post.account_id, Entity.kind, Entity.value)
        .join(Mention, Mention.post_id == Post.id)
        .join(Entity, Entity.id == Mention.entity_id)
        .where(
            Mention.case_id == case_id,
            Mention.quoted.is_(False),
            Mention.checked.is_(True),
            Post.account_id.is_not(None),
        )
        .distinct()
    )
    if account_ids is not None:
        own = own.where(among(tx, SiteAccount.id, account_ids))
        names = names.where(among(tx, Post.account_id, account_ids))
    found = {
        row.id: [deconflict.Identifier(EntityKind.HANDLE, row.handle)] for row in tx.execute(own)
    }
    for account_id, kind, value in tx.execute(names):
        if account_id in found:
            found[account_id].append(deconflict.Identifier(EntityKind(kind), value))
    return found


def _gathered(database: Database, who: Principal, case_id: CaseId, by: Desk) -> Gathered:
    with database.write() as tx:
        left_out = deconflict.withheld(tx, who, case_id, by.key, known_by(tx, case_id))
    with database.read() as tx:
        marks = marking.standing(tx, case_id)
        made = gather.gather(tx, case_id, by.severity, marks, by.opened)
    roots = {made.root.get(number, number) for number in left_out}
    return made._replace(observed=gather.protecting(made.observed, roots))


def _keep(  # noqa: PLR0913, PLR0917 what a ranking is made of
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    by: Desk,
    gathered: Gathered,
    order: ordering.Order,
) -> int:
    seen = len(gathered.observed.accounts)
    in_order = sum(len(one.accounts) for one in order.placed)
    withheld = Counter(order.withheld)
    withheld[NOTHING_KNOWN] = seen - in_order - sum(withheld.values())
    made = tx.execute(
        insert(RankingRow)
        .values(
            case_id=case_id,
            made_at=now(),
            made_by=who.account_id,
            weights_version=by.weights.version,
            weights_sha256=by.sha256,
            parameters={"severity": by.severity.version, "words": by.opened is not None},
            generation=gathered.generation,
            posts=len(gathered.observed.posts),
            seen=seen,
            ranked=in_order,
            withheld={reason: count for reason, count in sorted(withheld.items()) if count},
        )
        .returning(RankingRow.id)
    ).scalar_one()
    mirrored: dict[int, list[int]] = {}
    for number, root in gathered.root.items():
        if number != root:
            mirrored.setdefault(root, []).append(number)
    insert_rows(tx, RankedAccount, _rows(made, order.placed, mirrored))
    return int(made)


def _rows(
    ranking_id: int, placed: Iterable[Placed], mirrored: Mapping[int, list[int]]
) -> list[dict[str, Any]]:
    return [
        {
            "ranking_id": ranking_id,
            "account_id": min(one.accounts),
            "members": list(one.accounts),
            "place": one.place,
            "score": one.score,
            "lower": one.lower,
            "best_place": one.best_place,
            "worst_place": one.worst_place,
            "explanation": one.explanation
            | {"mirrored": sorted(n for root in one.accounts for n in mirrored.get(root, ()))},
        }
        for one in placed
    ]


def _rankings(case_id: CaseId) -> Any:
    return select(RankingRow.__table__).where(RankingRow.case_id == case_id)


def _info(row: Row[Any]) -> RankingInfo:
    return RankingInfo(**row._mapping)  # noqa: SLF001 SQLAlchemy's public name for it


def _ranked(row: Row[Any]) -> RankedInfo:
    found = dict(row._mapping)  # noqa: SLF001 likewise
    found["members"] = tuple(found["members"])
    return RankedInfo(**found)


def _read(path: Path | None, shipped: str) -> bytes:
    if path is not None:
        return path.read_bytes()
    return (resources.files("tutela.actors") / shipped).read_bytes()
