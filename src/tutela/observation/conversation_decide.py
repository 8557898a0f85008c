"""What people say of conversations: feedback on a score, handing over, setting aside.

All of it is about signs of risk that a text shows. None of it says anything of what a person is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework import notes
from tutela.core.errors import ConflictError, UsageError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.observation import conversation_find
from tutela.observation.conversation_model import UNDECIDED, State, Verdict
from tutela.store.tables.casework import Case
from tutela.store.tables.chat import ChatFeedback, Conversation, ConversationPair

REASON_CHARACTERS: Final = 2_000


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What a person said; `message` is None and `sign` empty where it is about the whole.

    Points, alert and parts are those that the conversation had then.
    """

    id: int
    conversation_id: int
    message: int | None
    sign: str
    verdict: Verdict
    points: float
    alert: bool
    parts_sha256: bytes
    given_by: int | None
    given_at: datetime


def judge(  # noqa: PLR0913 about what, and what one says of it
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    conversation_id: int,
    verdict: Verdict,
    *,
    message: int | None = None,
    sign: str = "",
) -> int:
    """Say of a score, or one of its lines, that it is right, wrong or unsure; return its number.

    Nothing is taken back: who changes their mind says so again, and the last word counts.

    Raises:
        AccessError: `who` may not work on conversations of this case.
        UsageError: code `not_found`: there is no such conversation, message or sign in it; or the
            case cannot be worked on now.
    """
    row = _row(tx, who, case_id, conversation_id)
    if message is not None and not 0 <= message < row.messages:
        raise UsageError("there is no such message in this conversation", code="not_found")
    if sign and sign not in _signs(tx, conversation_id):
        raise UsageError("this conversation does not show that sign", code="not_found")
    made: int = tx.execute(
        insert(ChatFeedback)
        .values(
            case_id=case_id,
            conversation_id=conversation_id,
            message=message,
            sign=sign,
            verdict=verdict.value,
            points=row.points,
            alert=row.alert,
            parts_sha256=row.parts_sha256,
            given_by=who.account_id,
            given_at=now(),
        )
        .returning(ChatFeedback.id)
    ).scalar_one()
    cases.stay_open(tx, case_id)
    log.record(
        tx,
        who,
        "conversation.judged",
        f"conversation:{conversation_id}",
        case=int(case_id),
        feedback=made,
        message=message,
        sign=sign,
        verdict=verdict.value,
    )
    return made


def hand_over(  # noqa: PLR0913, PLR0917 what, to whom, and why
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    conversation_id: int,
    reason: str,
    to: str = "",
) -> CaseId:
    """Hand a conversation over, to its own case or to another by its number; return which.

    A note in that case says so, with points and signs, and no word of the conversation. The words
    stay where they are: who works on the other case gets an exported report.

    Raises:
        AccessError: `who` may not work on conversations here, or is not of the other's team.
        ConflictError: it is decided already.
        UsageError: no reason is given, or one of the cases cannot be worked on now.
    """
    row = _undecided(tx, who, case_id, conversation_id)
    why = _said(reason)
    target = cases.by_number(tx, who, to.strip()).id if to.strip() else case_id
    _decide(tx, who, conversation_id, State.HANDED_OVER, target)
    own = tx.execute(select(Case.number).where(Case.id == case_id)).scalar_one()
    signs = ", ".join(row.signs) or "-"
    text = (
        f"Conversation {conversation_id} of case {own} was handed over: {why}\n"
        f"{row.points:.1f} points, signs of risk: {signs}. "
        "Signs order work; read the conversation before anything is concluded."
    )
    note = notes.write(tx, who, target, f"case:{target}", text)
    log.record(
        tx,
        who,
        "conversation.handed-over",
        f"conversation:{conversation_id}",
        texts={"reason": why},
        case=int(case_id),
        to=int(target),
        note=note,
    )
    return target


def dismiss(
    tx: Connection, who: Principal, case_id: CaseId, conversation_id: int, reason: str
) -> None:
    """Set a conversation aside.

    Raises:
        AccessError: `who` may not work on conversations of this case.
        ConflictError: it is decided already.
        UsageError: no reason is given, or the case cannot be worked on now.
    """
    _undecided(tx, who, case_id, conversation_id)
    why = _said(reason)
    _decide(tx, who, conversation_id, State.DISMISSED, None)
    _log(tx, who, "conversation.dismissed", case_id, conversation_id, why)


def reopen(
    tx: Connection, who: Principal, case_id: CaseId, conversation_id: int, reason: str
) -> None:
    """Let a conversation be decided again.

    Raises:
        AccessError: `who` may not work on conversations of this case.
        ConflictError: it is not decided.
        UsageError: no reason is given, or the case cannot be worked on now.
    """
    row = _row(tx, who, case_id, conversation_id)
    if row.state in UNDECIDED:
        raise ConflictError("this conversation is not decided")
    why = _said(reason)
    _decide(tx, who, conversation_id, State.READ, None)
    _log(tx, who, "conversation.reopened", case_id, conversation_id, why)


def feedback(
    tx: Connection, who: Principal, case_id: CaseId, conversation_id: int | None = None
) -> list[Feedback]:
    """Return what people said of a case's conversations, or of one, in that order; no words.

    Of those that were observed nothing is said to who may not see leads.

    Raises:
        AccessError: `who` may not read conversations of this case.
    """
    require(tx, who, Permission.CONVERSATIONS_READ, case_id)
    known = select(Conversation.id).where(*conversation_find.visible(who, case_id))
    asked = select(ChatFeedback.__table__).where(
        ChatFeedback.case_id == case_id, ChatFeedback.conversation_id.in_(known)
    )
    if conversation_id is not None:
        asked = asked.where(ChatFeedback.conversation_id == conversation_id)
    names = set(Feedback.__struct_fields__) - {"verdict"}
    return [
        Feedback(**{name: getattr(row, name) for name in names}, verdict=Verdict(row.verdict))
        for row in tx.execute(asked.order_by(ChatFeedback.id))
    ]


def _row(tx: Connection, who: Principal, case_id: CaseId, conversation_id: int) -> Any:
    """Return a conversation that `who` may work on now; nobody else decides meanwhile."""
    require(tx, who, Permission.CONVERSATIONS_WORK, case_id)
    cases.working(tx, case_id)
    asked = select(Conversation.__table__).where(
        Conversation.case_id == case_id, Conversation.id == conversation_id
    )
    row = tx.execute(asked.with_for_update()).one_or_none()
    if row is None:
        raise UsageError("there is no such conversation in this case", code="not_found")
    conversation_find.one(tx, who, case_id, conversation_id)  # whoever may work may see it
    return row


def _undecided(tx: Connection, who: Principal, case_id: CaseId, conversation_id: int) -> Any:
    row = _row(tx, who, case_id, conversation_id)
    if row.state not in UNDECIDED:
        raise ConflictError(
            "this conversation is decided already", hint="open it again, and say why"
        )
    return row


def _said(reason: str) -> str:
    why = reason.strip()
    if not why or len(why) > REASON_CHARACTERS:
        raise UsageError(f"say why, in 1 to {REASON_CHARACTERS:,} characters")
    return why


def _decide(
    tx: Connection, who: Principal, conversation_id: int, state: State, to: CaseId | None
) -> None:
    decided = state is not State.READ
    tx.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(
            state=state.value,
            handed_to=to,
            decided_by=who.account_id if decided else None,
            decided_at=now() if decided else None,
        )
    )


def _signs(tx: Connection, conversation_id: int) -> set[str]:
    rows = tx.execute(
        select(ConversationPair.reasons).where(ConversationPair.conversation_id == conversation_id)
    ).scalars()
    return {reason["sign"] for reasons in rows for reason in reasons}


def _log(  # noqa: PLR0913, PLR0917 what the log says
    tx: Connection, who: Principal, action: str, case_id: CaseId, conversation_id: int, why: str
) -> None:
    cases.stay_open(tx, case_id)
    subject = f"conversation:{conversation_id}"
    log.record(tx, who, action, subject, texts={"reason": why}, case=int(case_id))
