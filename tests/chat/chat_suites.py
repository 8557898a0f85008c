"""The suites that decide whether the chat room may be released, as messages.

`risk` and `harmless` were written before the lexicon, by others than who wrote it; its authors then
read what was missed, and mended it: what they measure is what has been tuned on. `fresh` was
written by somebody else again, and nobody who tunes has read it: it says what to expect of other
invented dialogues, and is no gate. Digests of all are committed beside them. The last is the
`chitchat-dataset` package: real chat of adults, pseudonymous, installed and never copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from tutela.chat.model import ConversationScore, Message
from tutela.chat.scorer import Parts, Scorer

FOLDER = Path(__file__).with_name("suites")


class Dialogue(NamedTuple):
    """A dialogue; `asker` shows the signs, None in a harmless one."""

    name: str
    language: str
    style: str
    asker: str | None
    messages: list[Message]


def suite(name: str) -> list[Dialogue]:
    """Return a suite, `risk`, `harmless` or `fresh`, after a look at its digest."""
    data = (FOLDER / f"{name}.jsonl").read_bytes()
    digest, file_name = (FOLDER / f"{name}.sha256").read_text().split()
    assert file_name == f"{name}.jsonl"
    assert hashlib.sha256(data).hexdigest() == digest, f"{name}.jsonl was changed"
    return [_dialogue(json.loads(line)) for line in data.splitlines()]


def _dialogue(row: dict) -> Dialogue:
    start = datetime.fromisoformat(row["start"])
    messages = [
        Message(
            conversation=row["id"],
            id=str(number),
            author=speaker,
            name=row["speakers"][speaker],
            time=start + timedelta(minutes=minutes),
            text=text,
        )
        for number, (speaker, minutes, text) in enumerate(row["messages"])
    ]
    return Dialogue(row["id"], row["language"], row["style"], row["asker"], messages)


def chitchat(share: int = 1) -> Iterator[Dialogue]:
    """Yield each `share`-th conversation of harmless real chat."""
    # Read past the package's own code, which leaves the file open.
    data = (resources.files("chitchat_dataset") / "dataset.json").read_bytes()
    for place, (name, talk) in enumerate(sorted(json.loads(data).items())):
        if place % share:
            continue
        messages = [
            Message(
                conversation=name,
                id=str(number),
                author=str(one["sender"]),
                time=_time(one["timestamp"]),
                text=one["text"],
            )
            for number, one in enumerate(said for turn in talk["messages"] for said in turn)
        ]
        yield Dialogue(name, "en", "chitchat", None, messages)


def _time(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def scores(parts: Parts, dialogues: Iterable[Dialogue]) -> Iterator[ConversationScore]:
    """Score dialogues as one stream."""
    scorer = Scorer(parts)
    for dialogue in dialogues:
        scorer.take_many(dialogue.messages)
        yield scorer.close(dialogue.name)
