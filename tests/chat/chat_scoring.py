"""What tests of the chat score share: conversations out of lines, and the development dialogues."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tutela.chat.model import Message

BEGIN = datetime(2024, 5, 6, 15, tzinfo=UTC)
DEVELOPMENT = Path(__file__).parent / "development"


def talk(*lines, conversation="c", begin=BEGIN):
    """Return messages out of lines such as `a: hello`, two minutes apart."""
    return [
        Message(
            conversation=conversation,
            id=f"m{number}",
            author=line.partition(": ")[0],
            text=line.partition(": ")[2],
            time=begin + timedelta(minutes=2 * number),
        )
        for number, line in enumerate(lines)
    ]


def dialogues(name):
    """Return the development dialogues of a file, each with its messages."""
    for line in (DEVELOPMENT / f"{name}.jsonl").read_text("utf-8").splitlines():
        one = json.loads(line)
        yield (
            one["id"],
            [
                Message(
                    conversation=one["id"],
                    id=str(number),
                    author=author,
                    text=text,
                    time=BEGIN + timedelta(minutes=minutes),
                )
                for number, (author, minutes, text) in enumerate(one["messages"])
            ],
        )


def posts(*lines):
    """Return messages of a group out of lines such as `a>b: hello`, or `a: hello` to all."""
    for number, line in enumerate(lines):
        who, _, text = line.partition(": ")
        author, _, to = who.partition(">")
        yield Message(
            conversation="g",
            id=f"m{number}",
            author=author,
            text=text,
            to=tuple(to.split(",")) if to else (),
        )
