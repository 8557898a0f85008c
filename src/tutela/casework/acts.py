"""One row for each call that graded: a retry gets the same answer, and undo knows what was before.

A call that repeats a key (`request`) of the same account changes nothing; a key that comes back
with something else is refused.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.core.errors import ConflictError
from tutela.core.ids import AccountId, CaseId
from tutela.core.time import now
from tutela.store.tables.access import Account
from tutela.store.tables.grading import GradingAct


class Before(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What stood before one media was graded or cleared, and what was left in its place.

    `grade_id` is the vote that was given (None: no vote was), `ballot` the vote before it, if this
    was about a vote. `places` are (case, state, code) before, `after` the state and code since.
    """

    media_id: int
    voted: bool
    grade_id: int | None
    ballot: tuple[str, int] | None
    places: list[tuple[int, str, str | None]]
    after: tuple[str, str | None]


class Act(NamedTuple):
    """A call that is being carried out."""

    account_id: AccountId
    case_id: CaseId
    kind: str
    request: str
    digest: bytes


class Last(NamedTuple):
    """The last decision of an account in a case that can be taken back."""

    act_id: int
    left: int
    before: list[Before]


def begin(tx: Connection, act: Act) -> bytes | None:
    """Return the answer (MessagePack) that this request got before, or None where it is new.

    The account's row is locked: its calls come one after another.

    Raises:
        ConflictError: the key was used for something else.
    """
    tx.execute(
        select(Account.id).where(Account.id == act.account_id).with_for_update(key_share=True)
    ).all()
    if not act.request:
        return None
    earlier = tx.execute(
        select(GradingAct.digest, GradingAct.answer).where(
            GradingAct.account_id == act.account_id, GradingAct.request == act.request
        )
    ).one_or_none()
    if earlier is None:
        return None
    if earlier.digest != act.digest:
        raise ConflictError(
            "this request was used before, for something else",
            code="request",
            hint="take a new key for each save",
        )
    answer: bytes = earlier.answer
    return answer


def keep(tx: Connection, act: Act, answer: list[Any], before: list[list[Before]]) -> None:
    """Keep what a call did; `before` has one entry for each decision that undo can take back."""
    tx.execute(
        insert(GradingAct).values(
            account_id=act.account_id,
            case_id=act.case_id,
            kind=act.kind,
            request=act.request or None,
            digest=act.digest,
            at=now(),
            answer=msgspec.msgpack.encode(answer),
            before=msgspec.msgpack.encode(before),
            left=len(before),
        )
    )


def last(tx: Connection, account_id: AccountId, case_id: CaseId) -> Last | None:
    """Return what undo would take back now."""
    row = tx.execute(
        select(GradingAct.id, GradingAct.left, GradingAct.before)
        .where(
            GradingAct.account_id == account_id,
            GradingAct.case_id == case_id,
            GradingAct.left > 0,
        )
        .order_by(GradingAct.id.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    before = msgspec.msgpack.decode(row.before, type=list[list[Before]])
    return Last(row.id, row.left, before[row.left - 1])


def took_back(tx: Connection, decision: Last) -> None:
    """Remember that a decision was taken back."""
    tx.execute(
        update(GradingAct).where(GradingAct.id == decision.act_id).values(left=decision.left - 1)
    )


def digest(*asked: Any) -> bytes:
    """Return what tells one request from another: SHA-256 over its JSON."""
    return hashlib.sha256(msgspec.json.encode(asked, order="deterministic")).digest()
