"""What was observed, met again: posts that are kept already, and decisions that no longer hold.

A crawl reads on. Posts that came to light go behind those of their thread that are kept, so that
numbers of messages, and what people said of them, stay what they were.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, select, update

from tutela.audit import log
from tutela.casework.among import among
from tutela.core.errors import ConflictError
from tutela.core.ids import CaseId
from tutela.core.principal import Principal
from tutela.observation.conversation_model import UNDECIDED, Measure, ScoreKept, State
from tutela.store.tables.chat import Conversation, ConversationMessage, ConversationPair
from tutela.store.tables.observation import Post

WHY: Final = "posts that were read since show signs"
_KEYS: Final = 500  # of posts in one question


def undisturbed(tx: Connection, counts: Mapping[int, int]) -> None:
    """See that conversations have as many messages as is believed, and let nobody add some.

    Raises:
        ConflictError: somebody else has added some.
    """
    rows = tx.execute(
        select(Conversation.id, Conversation.messages)
        .where(among(tx, Conversation.id, counts))
        .order_by(Conversation.id)
        .with_for_update()
    )
    if any(counts[row.id] != row.messages for row in rows):
        raise ConflictError(
            "what was observed is being kept by somebody else too", hint="try again when it is done"
        )


def places(
    tx: Connection, conversation_ids: Iterable[int], post_ids: Iterable[int]
) -> dict[int, tuple[int, int]]:
    """Return which of some posts are in conversations, and where: conversation and number."""
    row = ConversationMessage
    asked = select(row.post_id, row.conversation_id, row.number).where(
        among(tx, row.post_id, post_ids), among(tx, row.conversation_id, conversation_ids)
    )
    return {post: (where, number) for post, where, number in tx.execute(asked) if post}


def numbers(tx: Connection, wanted: Mapping[int, Collection[str]]) -> dict[tuple[int, str], int]:
    """Return the numbers of messages by conversation and key of their post."""
    keys = sorted({key for some in wanted.values() for key in some})
    row = ConversationMessage
    found: dict[tuple[int, str], int] = {}
    for start in range(0, len(keys), _KEYS):
        asked = (
            select(row.conversation_id, Post.key, row.number)
            .join(Post, Post.id == row.post_id)
            .where(
                among(tx, row.conversation_id, wanted),
                Post.key.in_(keys[start : start + _KEYS]),
            )
        )
        found |= {(where, key): number for where, key, number in tx.execute(asked)}
    return found


def reopen(  # noqa: PLR0913, PLR0917 what is scored how, in which case, by whose hand
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    scored: Mapping[int, ScoreKept],
    since: Mapping[int, int],
    measure: Measure,
) -> list[int]:
    """Open decided conversations that show new signs again; it is logged. Return which.

    Call it before the scores are kept.

    Args:
        tx: A transaction that writes.
        who: Who keeps them.
        case_id: The case.
        scored: What conversations add up to now.
        since: How many messages decided ones had before this reading.
        measure: By what they were scored now.
    """
    rows = tx.execute(
        select(Conversation.__table__)
        .where(among(tx, Conversation.id, scored), Conversation.state.not_in(UNDECIDED))
        .order_by(Conversation.id)
        .with_for_update()
    ).all()
    before = _counted(tx, [row.id for row in rows])
    again = [
        row.id
        for row in rows
        if _shows_more(row, scored[row.id], before.get(row.id), since.get(row.id), measure)
    ]
    if not again:
        return []
    tx.execute(
        update(Conversation)
        .where(among(tx, Conversation.id, again))
        .values(state=State.OPEN.value, handed_to=None, decided_by=None, decided_at=None)
    )
    facts: dict[str, log.Value] = {"case": int(case_id)}
    texts = {"reason": WHY}
    log.record_many(
        tx,
        who,
        [log.Event("conversation.reopened", f"conversation:{one}", facts, texts) for one in again],
    )
    return again


def _shows_more(
    row: Any,
    score: ScoreKept,
    before: Counter[str] | None,
    since: int | None,
    measure: Measure,
) -> bool:
    """Tell whether a conversation shows more than when it was decided.

    Other parts, or another point, make no new sign: then only lines that were added count. So it is
    where the reasons of that time went with their words.
    """
    reasons = [reason for pair in score.pairs for reason in pair.reasons]
    if since is not None and any(
        place.number >= since for reason in reasons for place in reason.shown
    ):
        return True
    same = (row.parts_sha256, row.point) == (measure.sha256, measure.point)
    if before is None or not same:
        return False
    counts: Counter[str] = Counter()
    for reason in reasons:
        counts[reason.sign] += reason.count
    return (score.alert and not row.alert) or any(
        count > before[sign] for sign, count in counts.items()
    )


def _counted(tx: Connection, ids: Iterable[int]) -> dict[int, Counter[str]]:
    """Return how many lines counted, by conversation and sign; nothing where no reason is kept."""
    pair = ConversationPair
    rows = tx.execute(
        select(pair.conversation_id, pair.reasons).where(among(tx, pair.conversation_id, ids))
    )
    found: dict[int, Counter[str]] = {}
    for where, reasons in rows:
        counts = found.setdefault(where, Counter())
        for reason in reasons:
            counts[reason["sign"]] += reason["count"]
    return found
