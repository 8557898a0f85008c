"""Rows of what conversations add up to: codes, points, numbers of messages, and no text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tutela.core.ids import CaseId
from tutela.observation import plain
from tutela.observation.conversation_model import NOBODY, PairKept, ReasonKept, ScoreKept


def rows_of(
    case_id: CaseId, conversation_id: int, score: ScoreKept, speakers: Mapping[str, int]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what changes in a conversation's row, and rows of its pairs.

    Args:
        case_id: The case.
        conversation_id: The conversation.
        score: What it adds up to.
        speakers: Numbers of its speakers by which the source knows them.
    """
    # What made the alert, where there is one; else what comes first.
    shown = next((one for one in score.pairs if one.may_alert), next(iter(score.pairs), None))
    head = {
        "id": conversation_id,
        "points": float(score.points),
        "alert": score.alert,
        "signs": [one.sign for one in shown.reasons] if shown else [],
    }
    pairs = [
        _pair(case_id, conversation_id, place, one, speakers)
        for place, one in enumerate(score.pairs)
    ]
    return head, pairs


def reasons_of(stored: list[Any]) -> list[ReasonKept]:
    """Return the reasons of a row."""
    return msgspec.convert(stored, list[ReasonKept])


def _pair(
    case_id: CaseId, conversation_id: int, place: int, one: PairKept, speakers: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "conversation_id": conversation_id,
        "place": place,
        "case_id": case_id,
        "author": speakers.get(plain.text(one.author), NOBODY),
        "other": speakers.get(plain.text(one.other), NOBODY),
        "points": float(one.points),
        "reasons": msgspec.to_builtins(one.reasons),
        "against": list(one.against),
        "may_alert": one.may_alert,
        "crossed_at": one.crossed_at,
        "probability": one.probability,
    }
