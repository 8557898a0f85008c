"""A lead in words: what it is made of, what speaks against it, and why one is above another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import log

import msgspec

from tutela.actors.model import CounterEvidence, Lead, Link, Ranking, Score, Term, TermKind

LIMITS = (
    "An account is named, never a person; nothing here says who is behind it.",
    "What ranks is a lower bound: it orders the work of people and concludes nothing.",
    "Only known things count. What is new, private or never crawled is missing.",
    "First seen means first seen by us: who was first elsewhere cannot be known.",
)
_WORDS = {
    "severity": "severity of its things",
    "reliability": "how far their lists are believed",
    "likeness": "exact hits instead of likeness",
    "shown": "showing instead of linking",
    "first seen": "being first with them",
    "views": "how many saw them",
    "views (assumed)": "how many saw them",
}


class Line(msgspec.Struct, frozen=True):
    """One term in a sentence, with its posts."""

    sentence: str
    points: float
    posts: tuple[int, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that a page of evidence shows of a lead."""

    rank: int
    accounts: tuple[int, ...]
    summary: str
    lines: tuple[Line, ...]
    counter: tuple[CounterEvidence, ...]
    merged_by: tuple[Link, ...]
    other_links: tuple[Link, ...]
    limits: tuple[str, ...]
    weights: str


class Difference(msgspec.Struct, frozen=True):
    """What sets one lead above another, in points of what ranks; positive for the first."""

    what: str
    points: float


class Comparison(msgspec.Struct, frozen=True):
    """Why a lead is above another: the differences, the greatest first; they add up to `points`."""

    sentence: str
    points: float
    differences: tuple[Difference, ...]


def explain(ranking: Ranking, lead: Lead, links: Iterable[Link] = ()) -> Explanation:
    """Return a lead with every term and its posts; `links` are those of `link.links`."""
    score = lead.score
    accounts = set(lead.accounts)
    known = [term for term in score.terms if term.kind in (TermKind.EXACT, TermKind.PERCEPTUAL)]
    exact = sum(term.kind is TermKind.EXACT for term in known)
    summary = (
        f"{len(known)} distinct known things, {exact} of them by digest, come to "
        f"{score.material:.1f} points; surely {score.lower:.1f}, and {score.worst:.1f} without the "
        f"best stretch of days; the context adds {score.context:.1f}"
    )
    touching = [link for link in links if accounts & {link.first, link.second}]
    return Explanation(
        rank=lead.rank,
        accounts=lead.accounts,
        summary=summary,
        lines=tuple(_line(term) for term in score.terms),
        counter=lead.counter,
        merged_by=tuple(e for e in ranking.merged if {e.first, e.second} <= accounts),
        other_links=tuple(e for e in touching if not {e.first, e.second} <= accounts),
        limits=LIMITS,
        weights=ranking.weights,
    )


def _line(term: Term) -> Line:
    if not term.factors:
        capped = ", as much as it may" if term.capped else ""
        return Line(f"{term.about}{capped}", term.points, term.posts)
    how = "by digest" if term.kind is TermKind.EXACT else "by likeness only"
    product = " x ".join(f"{name} {value:.2f}" for name, value in term.factors)
    return Line(f"{term.about}, {how}: {product}", term.points, term.posts)


def why_above(first: Lead, second: Lead) -> Comparison:
    """Return why the first lead is above the second.

    The difference of material is split among the number of things and each factor by logarithmic
    means (LMDI; Ang, Energy Policy 33, 2005); what means hide is told as a rest.
    """
    one, other = first.score, second.score
    found = [*_split(one, other)]
    found.append(
        Difference(
            "what is not sure of it",
            (one.ranked - one.context - one.material)
            - (other.ranked - other.context - other.material),
        )
    )
    found.append(Difference("context", one.context - other.context))
    found.sort(key=lambda each: -abs(each.points))
    points = one.ranked - other.ranked
    for_it = [each.what for each in found if each.points > 0][:2]
    against = [each.what for each in found if each.points < 0][:1]
    sentence = f"{points:+.1f} points, mostly by {' and '.join(for_it) or 'nothing'}"
    if against:
        sentence += f", in spite of {against[0]}"
    return Comparison(sentence, points, tuple(found))


def _split(one: Score, other: Score) -> list[Difference]:
    a, b = _parts(one.terms), _parts(other.terms)
    if not a or not b:
        return [Difference("number of things", one.material - other.material)]
    ratio = log(one.material / other.material)
    # The logarithmic mean carries ratios over into points.
    mean = one.material if abs(ratio) < 1e-12 else (one.material - other.material) / ratio
    found = [Difference("number of things", mean * log(a["number"] / b["number"]))]
    found += [
        Difference(what, mean * (a[what] - b[what])) for what in dict.fromkeys(_WORDS.values())
    ]
    rest = one.material - other.material - sum(each.points for each in found)
    return [*found, Difference("a few things of great worth", rest)]


def _parts(terms: Sequence[Term]) -> dict[str, float]:
    """Return the number of things, and the mean logarithm of each factor."""
    known = [term for term in terms if term.factors and term.points > 0]
    if not known:
        return {}
    parts = dict.fromkeys(_WORDS.values(), 0.0)
    for term in known:
        for name, value in term.factors:
            parts[_WORDS[name]] += log(value) / len(known)
    return {"number": float(len(known)), **parts}
