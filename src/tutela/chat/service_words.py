"""How the chat service says what it knows: values of the room as values of the wire, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tutela.chat import limits
from tutela.chat.model import (
    AgeBand,
    ConversationScore,
    Message,
    PairScore,
    Reason,
    Trouble,
    stage,
)
from tutela.chat.scoring import Change
from tutela.core import chatting
from tutela.core.time import now

# Nobody chatted before, and nobody does so tomorrow: such a time is forged or broken.
_FIRST: Final = datetime(1988, 1, 1, tzinfo=UTC)
_AHEAD: Final = timedelta(days=1)


class MadeBy(NamedTuple):
    """By what answers are made: digest of the parts of the scorer, version of a model or ""."""

    parts: str
    model: str


def message(sent: chatting.Message) -> Message:
    """Return a message as the room knows it."""
    troubles = []
    if len(sent.text) > limits.TEXT_CHARS:
        troubles.append(Trouble.CUT)
    moment = sent.time
    if moment is not None and not _FIRST <= moment <= now() + _AHEAD:
        moment = None
        troubles.append(Trouble.NO_TIME)
    return Message(
        conversation=sent.conversation,
        id=sent.id,
        author=sent.author,
        text=sent.text[: limits.TEXT_CHARS],
        time=moment.astimezone(UTC) if moment else None,
        to=sent.to,
        age_band=AgeBand(sent.age_band),
        troubles=tuple(troubles),
    )


def answered(
    sent: Message, change: Change | None, pair: PairScore | None, made_by: MadeBy
) -> chatting.Answered:
    """Return the answer for a message and one change; `pair` is its pair, where that crossed."""
    cut = Trouble.CUT in sent.troubles
    if change is None:
        return chatting.Answered(
            conversation=sent.conversation,
            id=sent.id,
            crossed=False,
            cut=cut,
            parts=made_by.parts,
            model=made_by.model,
        )
    return chatting.Answered(
        conversation=sent.conversation,
        id=sent.id,
        author=change.author,
        other=change.other,
        points=change.points,
        crossed=change.crossed,
        signs=tuple(
            chatting.Sign(
                sign=one.sign,
                stage=stage(one.sign),
                start=one.start,
                end=one.end,
                rule=one.rule,
            )
            for one in change.shown
        ),
        reasons=tuple(map(reason, pair.reasons)) if pair else (),
        cut=cut,
        parts=made_by.parts,
        model=made_by.model,
    )


def standing(score: ConversationScore, made_by: MadeBy) -> chatting.Standing:
    """Return what a conversation adds up to."""
    return chatting.Standing(
        conversation=score.conversation,
        points=score.points,
        alert=score.alert,
        messages=score.messages,
        speakers=score.speakers,
        pairs=tuple(map(_pair, score.pairs)),
        parts=made_by.parts,
        model=made_by.model,
    )


def _pair(pair: PairScore) -> chatting.Pair:
    return chatting.Pair(
        author=pair.author,
        other=pair.other,
        points=pair.points,
        reasons=tuple(map(reason, pair.reasons)),
        against=pair.against,
        may_alert=pair.may_alert,
        crossed_at=pair.crossed_at,
        probability=pair.probability,
    )


def reason(found: Reason) -> chatting.Reason:
    """Return a reason with where it was shown."""
    return chatting.Reason(
        sign=found.sign,
        stage=stage(found.sign),
        points=found.points,
        count=found.count,
        lines=tuple(
            chatting.Line(
                message=one.message,
                number=one.number,
                start=one.start,
                end=one.end,
                rule=one.rule,
            )
            for one in found.shown
        ),
    )
