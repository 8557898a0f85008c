"""From the state of a conversation to its score: what counts, what speaks against it, and why."""

from __future__ import annotations

from typing import Final

from tutela.chat.limits import PAIRS, SHOWN
from tutela.chat.model import AgeBand, ConversationScore, PairScore, Reason, Shown, Sign
from tutela.chat.state import Pair, Speaker, Talk
from tutela.chat.weighing import (
    DISTINCT,
    ONE_LINE,
    SURPRISE,
    Tally,
    Weights,
    clear,
    may_alert,
    weigh,
)

_PEER_YEARS: Final = 4
_ASKED_MANY: Final = 8  # questions before asking more than the other says anything
_ASKED_TIMES: Final = 4
_TIMED: Final = 10  # messages with a time before a night says anything
_ADULT_TALK: Final = 2
_AGAIN: Final = 2


def known_minor(talk: Talk, speaker: int) -> bool:
    """Tell whether a speaker is stated, or said, to be under 18."""
    return talk.speakers[speaker].is_minor


def against(talk: Talk, pair: Pair) -> tuple[str, ...]:
    """Return the codes of what speaks against reading a pair's signs as risk."""
    author, other = talk.speakers[pair.author], talk.speakers[pair.other]
    role = author.role + other.role
    reverse = talk.pairs.get(pair.other << 32 | pair.author)
    kin = pair.kin + (reverse.kin if reverse else 0)
    codes = (
        ("other_adult", other.is_adult),
        ("adult_talk", not other.is_minor and other.adult >= _ADULT_TALK),
        ("both_ask", reverse is not None and _alike(pair, reverse)),
        ("peer", _peers(author, other)),
        ("relative", kin > 0),
        ("family", kin >= _AGAIN),
        ("same_home", author.home > 0),
        ("role", role > 0),
        ("setting", role >= _AGAIN),
        ("sale", author.sale > 0 or talk.sale >= _AGAIN),
        ("aware", author.aware > 0),
        (SURPRISE, author.surprise > 0 or talk.surprise >= _AGAIN),
    )
    return tuple(code for code, holds in codes if holds)


def tally(talk: Talk, pair: Pair, codes: tuple[str, ...]) -> Tally:
    """Return what a pair's state weighs."""
    other = talk.speakers[pair.other]
    reverse = talk.pairs.get(pair.other << 32 | pair.author)
    answered = reverse.questions if reverse else 0
    return Tally(
        signs={Sign(name): counted.total for name, counted in pair.signs.items()},
        spoken=pair.messages,
        messages=pair.clear,
        persistence=pair.persistence,
        known_media=len(pair.media),
        minor=other.is_minor,
        asymmetry=pair.questions >= max(_ASKED_MANY, _ASKED_TIMES * answered),
        night=pair.timed >= _TIMED and pair.night * 2 > pair.timed,
        minor_request=pair.minor_request,
        against=codes,
        once=_once(talk, talk.speakers[pair.author]),
    )


def _once(talk: Talk, author: Speaker) -> tuple[str, ...]:
    """Return the codes that one message, or the request itself, could bring about.

    Anybody can put a word of safety or of a sale beside a request. Said twice, in messages that
    show no sign, it is what the talk is about.
    """
    said = (("aware", author.aware), ("sale", talk.sold))
    return tuple(code for code, count in said if count < _AGAIN)


def conversation_score(
    conversation: str, talk: Talk, weights: Weights, point: float
) -> ConversationScore:
    """Return the score of a conversation as it stands.

    A pair that may not alert counts at most just below the point.
    """
    scores = [
        _pair_score(talk, pair, weights)
        for pair in talk.pairs.values()
        if pair.marked or pair.media
    ]
    # The pair that makes the alert comes first, and is never cut away by heavier ones that may not.
    scores.sort(key=lambda one: (-one.may_alert, -one.points, one.author, one.other))
    points = max(
        (one.points if one.may_alert else min(one.points, _below(point)) for one in scores),
        default=0.0,
    )
    return ConversationScore(
        conversation=conversation,
        points=points,
        pairs=tuple(scores[:PAIRS]),
        messages=talk.number,
        speakers=len(talk.speakers) - 1,
        alert=points >= point,
        forgotten=talk.forgotten,
    )


def _pair_score(talk: Talk, pair: Pair, weights: Weights) -> PairScore:
    codes = against(talk, pair)
    one = tally(talk, pair, codes)
    points = weigh(weights, one)
    alerts = may_alert(weights, one)
    if clear(one.signs) < DISTINCT or one.messages < DISTINCT:
        codes = (ONE_LINE, *codes)
    reasons = [_reason(talk, pair, sign, worth) for sign, worth in points.items()]
    reasons.sort(key=lambda reason: (-reason.points, reason.sign))
    return PairScore(
        author=talk.speakers[pair.author].author,
        other=talk.speakers[pair.other].author,
        points=sum(points.values()),
        reasons=tuple(reasons),
        against=codes,
        may_alert=alerts,
        crossed_at=pair.crossed_at or None,
    )


def _reason(talk: Talk, pair: Pair, sign: Sign, points: float) -> Reason:
    count = 1
    shown: tuple[Shown, ...] = ()
    if (counted := pair.signs.get(sign.value)) is not None:
        count, shown = counted.count, tuple(counted.shown)
    elif sign is Sign.PERSISTENCE:
        count, shown = pair.persistence, tuple(pair.insisted)
    elif sign is Sign.KNOWN_MEDIA:
        count, shown = len(pair.media), tuple(pair.media)
    elif sign is Sign.MINOR:
        shown = _stated(talk.speakers[pair.other])
    elif sign is Sign.NIGHT:
        count = pair.night
    elif sign is Sign.ASYMMETRY:
        count = pair.questions
    return Reason(sign=sign, points=points, count=count, shown=shown[:SHOWN])


def _stated(other: Speaker) -> tuple[Shown, ...]:
    if other.minor_at < 0:
        return ()
    start, end = other.minor_span
    return (
        Shown(
            sign=Sign.MINOR,
            message=other.minor_message,
            number=other.minor_at,
            rule="stated_age",
            start=start,
            end=end,
        ),
    )


def _alike(pair: Pair, reverse: Pair) -> bool:
    """Tell whether the other shows most of the same signs: then both ask alike."""
    return 2 * len(pair.signs.keys() & reverse.signs.keys()) > len(pair.signs)


def _peers(author: Speaker, other: Speaker) -> bool:
    """Tell whether both say that they are minors of about one age, and no platform denies it."""
    return (
        author.minor_age > 0
        and other.minor_age > 0
        and author.band is not AgeBand.ADULT
        and abs(author.minor_age - other.minor_age) <= _PEER_YEARS
    )


def _below(point: float) -> float:
    return point - 0.01
