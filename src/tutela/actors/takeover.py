"""Signs that somebody else used an account: a break in what, when and how it writes.

The owner of a stolen account is innocent. Three signs are looked for: nearly all known things lie
in one stretch of days, before which the account was there and wrote without; they come at other
hours than the rest of its posts; they come in another style. To take a few offenders for owners of
stolen accounts costs a look by a person; the other mistake costs an innocent a search of a home.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from tutela.actors import hours, style
from tutela.actors.evidence import Evidence
from tutela.actors.model import CounterEvidence, CounterKind, Post
from tutela.actors.weighing import Weights

STYLE_CHARACTERS = 600
STYLE_PIECES = 8


def signs(evidence: Evidence, account: int, weights: Weights) -> tuple[CounterEvidence, ...]:
    """Return what looks as if an account was taken over; empty for nothing.

    One sign is enough to withhold an account. A style of its own is only told beside another
    sign: short texts prove nothing.
    """
    held = evidence.holdings.get(account, [])
    if not held:
        return ()
    guilty = {holding.post for holding in held}
    timed = [(post.at, post) for post in evidence.posts[account] if post.at is not None]
    timed.sort(key=lambda each: (each[0], each[1].id))
    found = [
        sign
        for sign in (
            _quiet_before(evidence, account, timed, weights),
            _other_hours(timed, guilty, weights),
        )
        if sign is not None
    ]
    if found:
        other = _other_style(timed, guilty, weights)
        found += [other] if other is not None else []
    return tuple(found)


def _quiet_before(
    evidence: Evidence, account: int, timed: Sequence[tuple[datetime, Post]], weights: Weights
) -> CounterEvidence | None:
    rules = weights.takeover
    earliest: dict[str, tuple[datetime, int]] = {}
    for holding in evidence.holdings[account]:
        earliest.setdefault(holding.entity, (holding.at, holding.post))
    dates = sorted(earliest.values())
    begin, end, inside = _fullest(dates, timedelta(days=rules.window_days))
    if inside < rules.window_part * len(dates):
        return None
    before = [post for at, post in timed if at < begin]
    if len(before) < rules.quiet_posts or begin - timed[0][0] < timedelta(days=rules.quiet_days):
        return None
    days = max(1, (end - begin).days)
    return CounterEvidence(
        CounterKind.QUIET_BEFORE,
        f"{inside} of {len(dates)} known things came within {days} days, after "
        f"{(begin - timed[0][0]).days} days and {len(before)} posts with hardly any",
        tuple(sorted({post for at, post in dates if begin <= at <= end})),
        inside / len(dates),
    )


def _fullest(
    dates: Sequence[tuple[datetime, int]], window: timedelta
) -> tuple[datetime, datetime, int]:
    """Return the beginning, the end and the number of the fullest window."""
    best = (dates[0][0], dates[0][0], 0)
    begin = 0
    for place, (at, _) in enumerate(dates):
        while at - dates[begin][0] > window:
            begin += 1
        if place - begin + 1 > best[2]:
            best = (dates[begin][0], at, place - begin + 1)
    return best


def _other_hours(
    timed: Sequence[tuple[datetime, Post]], guilty: set[int], weights: Weights
) -> CounterEvidence | None:
    rules = weights.takeover
    hits = [hours.hour(at) for at, post in timed if post.id in guilty]
    rest = [hours.hour(at) for at, post in timed if post.id not in guilty]
    if min(len(hits), len(rest)) < 3:
        return None
    apart = hours.apart_hours(hits, rest)
    if apart < rules.hours_apart:
        return None
    chance = hours.chance(hits, rest)
    if chance > rules.hours_chance:
        return None
    return CounterEvidence(
        CounterKind.OTHER_HOURS,
        f"known things come {apart:.1f} hours apart from the account's other posts "
        f"(chance {chance:.3f} or less if one person wrote both)",
        tuple(sorted(guilty)),
        apart,
    )


def _other_style(
    timed: Sequence[tuple[datetime, Post]], guilty: set[int], weights: Weights
) -> CounterEvidence | None:
    """Compare the words of hits with pieces of the other words, against those pieces themselves."""
    hits = "\n".join(post.text for _, post in timed if post.id in guilty)
    rest = "\n".join(post.text for _, post in timed if post.id not in guilty)
    size = min(len(hits), STYLE_CHARACTERS * 4)
    if size < STYLE_CHARACTERS or len(rest) < 4 * size:
        return None
    pieces = [rest[at : at + size] for at in range(0, len(rest) - size + 1, size)][:STYLE_PIECES]
    table = style.vectors([hits[:size], *pieces])
    alike = (table @ table.T).astype(float)
    count = len(pieces)
    among = [(alike[1 + i, 1:].sum() - 1) / (count - 1) for i in range(count)]
    mean = sum(among) / count
    spread = (sum((value - mean) ** 2 for value in among) / (count - 1)) ** 0.5
    z = float((mean - alike[0, 1:].mean()) / max(spread, 0.01))
    if z < weights.takeover.style_z:
        return None
    return CounterEvidence(
        CounterKind.OTHER_STYLE,
        f"posts of known things are written unlike the account's other posts (z {z:.1f})",
        tuple(sorted(guilty)),
        z,
    )
