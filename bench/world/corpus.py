"""Whose words people of the world write: the senders of the `chitchat-dataset` package.

Real, benign, pseudonymous chit-chat with times. The package is installed, never copied.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Said:
    """One message: in which conversation, and the text."""

    conversation: int
    text: str


@cache
def senders() -> tuple[tuple[Said, ...], ...]:
    """Return what each sender wrote, most characters first; about 1,300 senders."""
    spec = find_spec("chitchat_dataset")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("chitchat-dataset is not installed: make .venv/develop")
    # Its own class leaves the file open, which is a warning and hence an error here.
    conversations = json.loads((Path(spec.origin).parent / "dataset.json").read_text())
    said: dict[str, list[Said]] = {}
    for number, conversation in enumerate(conversations.values()):
        for turn in conversation["messages"]:
            for message in turn:
                text = message["text"].strip()
                if text:
                    said.setdefault(message["sender"], []).append(Said(number, text))
    lists = (tuple(each) for each in said.values())
    return tuple(sorted(lists, key=lambda each: (-sum(len(s.text) for s in each), each[0].text)))


def text(voice: int, words: int) -> str:
    """Return the words of a post; empty for nobody's."""
    if voice < 0:
        return ""
    said = senders()[voice % len(senders())]
    return said[words % len(said)].text
