"""What rows of conversations begin with, and what is counted when a source was read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, select, update

from tutela.audit import log
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation.conversation_model import OBSERVED, Measure, State
from tutela.store.tables.chat import ChatImport, Conversation
from tutela.store.tables.observation import TextKey

EMPTY: Final[Mapping[str, Any]] = {
    "speakers": 0,
    "messages": 0,
    "first_at": None,
    "last_at": None,
    "points": 0.0,
    "point": 0.0,
    "alert": False,
    "parts_sha256": b"",
    "scored_at": None,
    "state": State.OPEN.value,
    "handed_to": None,
    "decided_by": None,
    "decided_at": None,
}


def end(tx: Connection, import_id: int, left: Mapping[str, int], moment: datetime) -> None:
    """Say that all of a source was read, what was left out, and how much it has."""
    conversations, messages = tx.execute(
        select(func.count(), func.coalesce(func.sum(Conversation.messages), 0)).where(
            Conversation.import_id == import_id
        )
    ).one()
    tx.execute(
        update(ChatImport)
        .where(ChatImport.id == import_id)
        .values(
            ended_at=moment,
            left=dict(left),
            conversations=int(conversations),
            messages=int(messages),
        )
    )


def told(tx: Connection, who: Principal, case_id: CaseId, import_id: int) -> None:
    """Tell the log what came of a source."""
    row = tx.execute(select(ChatImport.__table__).where(ChatImport.id == import_id)).one()
    log.record(
        tx,
        who,
        "conversations.imported",
        f"chat-import:{import_id}",
        case=int(case_id),
        conversations=row.conversations,
        messages=row.messages,
        left=row.left,
    )


def continued(tx: Connection, who: Principal, case_id: CaseId, import_id: int) -> None:
    """Go on with what was observed: it is not read to its end now; it is logged."""
    tx.execute(update(ChatImport).where(ChatImport.id == import_id).values(ended_at=None))
    subject, case = f"chat-import:{import_id}", int(case_id)
    log.record(tx, who, "conversations.begun", subject, case=case, format=OBSERVED, continued=True)


def cut_off(tx: Connection, import_id: int, left: Mapping[str, int]) -> None:
    """Keep what was left out so far of a source that could not be read to its end."""
    tx.execute(update(ChatImport).where(ChatImport.id == import_id).values(left=dict(left)))


def scored(
    tx: Connection, who: Principal, case_id: CaseId, import_id: int, measure: Measure
) -> None:
    """Tell the log that conversations of a source were put in order, and by which parts."""
    asked = select(func.count()).where(Conversation.import_id == import_id)
    alerts = asked.where(Conversation.alert.is_(True))
    log.record(
        tx,
        who,
        "conversations.scored",
        f"chat-import:{import_id}",
        case=int(case_id),
        conversations=tx.execute(asked).scalar_one(),
        alerts=tx.execute(alerts).scalar_one(),
        parts=measure.sha256.hex(),
    )


def outdated(tx: Connection, case_id: CaseId, sha256: bytes, measure: Measure) -> bool:
    """Tell whether a conversation of a source was scored by other parts, or another point.

    Never where its words are destroyed: what was found in them went with them.
    """
    asked = (
        select(Conversation.id)
        .join(ChatImport, ChatImport.id == Conversation.import_id)
        .join(TextKey, TextKey.id == ChatImport.text_key_id)
        .where(
            ChatImport.case_id == case_id,
            ChatImport.sha256 == sha256,
            TextKey.shredded_at.is_(None),
            (Conversation.parts_sha256 != measure.sha256) | (Conversation.point != measure.point),
        )
    )
    return tx.execute(asked.limit(1)).first() is not None
