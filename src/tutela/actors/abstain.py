"""Whom no lead is made of, and why. The first reason that holds is given."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from tutela.actors import blind, hours, takeover
from tutela.actors.evidence import Evidence
from tutela.actors.model import Abstention, CounterEvidence, CounterKind, Reason, Score
from tutela.actors.score import Thing
from tutela.actors.weighing import Weights


def abstain(
    evidence: Evidence,
    accounts: Sequence[int],
    weights: Weights,
    found: Sequence[Thing],
    scored: Score,
) -> Abstention | None:
    """Return why accounts, taken together, are no lead; None if they may be one.

    A group is withheld as a whole for what is found on any of its accounts.
    """
    checks = (
        (Reason.SAFEGUARDING, _child(evidence, accounts, weights, found)),
        # Before the blind list: whoever has a single hit and is withheld would stand out by it.
        (Reason.TOO_LITTLE, _too_little(weights, found, scored)),
        (Reason.PROTECTED, _protected(evidence, accounts)),
        (Reason.PROGRAM, _program(evidence, accounts, weights)),
        (Reason.TAKEN_OVER, _taken_over(evidence, accounts, weights)),
        (Reason.PASSES_ON_ONLY, _passes_on(evidence, accounts, weights, found)),
    )
    for reason, shown in checks:
        if shown is not None:
            return Abstention(scored.accounts, reason, shown)
    return None


Shown = tuple[CounterEvidence, ...] | None


def _child(
    evidence: Evidence, accounts: Sequence[int], weights: Weights, found: Sequence[Thing]
) -> Shown:
    if any(evidence.accounts[account].says_minor for account in accounts):
        sentence = "the profile, or an analyst, says that a child may be behind it"
        return (CounterEvidence(CounterKind.SELF_GENERATED, sentence),)
    own = [thing for thing in found if thing.self_generated]
    part = len(own) / len(found) if found else 0.0
    if not own or part < weights.safeguarding.self_generated_part:
        return None
    posts = tuple(sorted({post for thing in own for post in thing.posts}))
    sentence = f"{len(own)} of {len(found)} known things are self-generated"
    return (CounterEvidence(CounterKind.SELF_GENERATED, sentence, posts, part),)


def _protected(evidence: Evidence, accounts: Sequence[int]) -> Shown:
    observed = evidence.observed
    if not observed.protected:
        return None
    for account in accounts:
        row = evidence.accounts[account]
        if blind.tokens(observed.token_key, row, evidence.posts[account]) & observed.protected:
            return ()
    return None


def _too_little(weights: Weights, found: Sequence[Thing], scored: Score) -> Shown:
    rules = weights.evidence
    days = {thing.at.date() for thing in found}
    have = (
        ("distinct known things", len(found), rules.entities),
        ("of them exact", sum(thing.exact for thing in found), rules.exact_entities),
        ("days", len(days), rules.days),
        ("weeks", len({day.isocalendar()[:2] for day in days}), rules.weeks),
    )
    short = [f"{got} {what}, {wanted} needed" for what, got, wanted in have if got < wanted]
    if scored.worst < max(rules.worst_points, rules.worst_part * scored.lower):
        left = scored.worst / scored.lower if scored.lower else 0.0
        short.append(
            f"{scored.worst:.1f} points, {left:.0%} of the bound, are left once the best window of "
            "days is taken away"
        )
    if not short:
        return None
    posts = tuple(sorted({post for thing in found for post in thing.posts}))
    return (CounterEvidence(CounterKind.ONE_BURST, "; ".join(short), posts),)


def _program(evidence: Evidence, accounts: Sequence[int], weights: Weights) -> Shown:
    """Programs repeat what others post: at all hours, without words or in always the same."""
    rules = weights.program
    for account in accounts:
        posts = evidence.posts[account]
        if len(posts) < rules.posts:
            continue
        times = [hours.hour(post.at) for post in posts if post.at is not None]
        texts = {post.text.strip() for post in posts} - {""}
        wordings = len(texts) / len(posts)
        focus = hours.focus(times)
        sleepless = len(times) >= rules.hours_posts and focus <= rules.hours_focus
        if sleepless or wordings <= rules.wordings_part:
            sentence = (
                f"{len(posts)} posts in {len(texts)} wordings, and hours with a focus of "
                f"{focus:.2f} (people sleep)"
            )
            return (CounterEvidence(CounterKind.OTHER_HOURS, sentence, value=focus),)
    return None


def _taken_over(evidence: Evidence, accounts: Sequence[int], weights: Weights) -> Shown:
    for account in accounts:
        if shown := takeover.signs(evidence, account, weights):
            return shown
    return None


def _passes_on(
    evidence: Evidence, accounts: Sequence[int], weights: Weights, found: Sequence[Thing]
) -> Shown:
    """Officers, journalists and moderators show what was known; they bring in nothing."""
    rules = weights.evidence
    first = sum(thing.first for thing in found)
    if first >= rules.first_seen and first >= rules.first_seen_part * len(found):
        return None
    lags = [
        lag
        for account in accounts
        for holding in evidence.holdings.get(account, ())
        if (lag := evidence.since_others(holding)) is not None
    ]
    usual_days = median(lag.days for lag in lags) if lags else 0
    posts = tuple(sorted({post for thing in found for post in thing.posts}))
    sentence = (
        f"first with {first} of {len(found)} known things; the others were seen "
        f"{usual_days:.0f} days before with somebody else (median)"
    )
    return (CounterEvidence(CounterKind.NEVER_FIRST, sentence, posts, first / len(found)),)
