"""Sources are scored in one pass, the heaviest come first, and every entry is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import run
from tutela.chat.model import (
    ConversationScore,
    Left,
    MediaRef,
    Message,
    PairScore,
    Reason,
    Shown,
    Sign,
    Trouble,
)


@dataclass(frozen=True)
class Pile:
    name: str
    pieces: tuple[Message | Left, ...]


def read(source: Pile) -> Iterator[Sequence[Message | Left]]:
    for start in range(0, len(source.pieces), 3):
        yield source.pieces[start : start + 3]


@dataclass
class Adder:
    """A scorer for which each `!` is a point, and three of them an alert."""

    open: dict[str, list[Message]] = field(default_factory=dict)
    files: list[tuple[str, str, int, str]] = field(default_factory=list)

    def take_many(self, messages: Sequence[Message]) -> list:
        for one in messages:
            self.open.setdefault(one.conversation, []).append(one)
        return []

    def note_known_media(self, conversation, message_id, number, author) -> None:
        self.files.append((conversation, message_id, number, author))

    def score(self, conversation: str) -> ConversationScore:
        said = self.open[conversation]
        shown = tuple(
            Shown(sign=Sign.GIFT, message=one.id, number=number)
            for number, one in enumerate(said)
            if "!" in one.text
        )
        points = float(sum(one.text.count("!") for one in said))
        reason = Reason(sign=Sign.GIFT, points=points, count=len(shown), shown=shown)
        pair = PairScore(author="a", other="b", points=points, reasons=(reason,), may_alert=True)
        return ConversationScore(
            conversation=conversation,
            points=points,
            pairs=(pair,),
            messages=len(said),
            speakers=2,
            alert=points >= 3,
        )

    def close(self, conversation: str) -> ConversationScore:
        made = self.score(conversation)
        del self.open[conversation]
        return made


def said(conversation: str, *texts: str, **more) -> list[Message]:
    return [
        Message(conversation=conversation, id=f"m{number}", author="a", text=text, **more)
        for number, text in enumerate(texts)
    ]


def test_the_heaviest_come_first_and_totals_add_up():
    one = Pile("one", (*said("x", "hi", "a!"), *said("y", "!!!!", "no"), Left(reason="malformed")))
    two = Pile("two", (*said("x", "!!", "more"), *said("z", "calm")))
    scorer = Adder()
    result = run.score([one, two], read, scorer, 2)
    assert [(row.source, row.score.conversation) for row in result.chosen.shown] == [
        (0, "y"),
        (1, "x"),
    ]
    totals = result.totals
    assert (totals.sources, totals.messages, totals.conversations) == (2, 7, 4)
    assert totals.alerts == 1
    assert totals.left == Counter(malformed=1)
    assert sorted(result.points) == [0.0, 1.0, 2.0, 4.0]
    assert scorer.open == {}, "nothing is held of a source that is through"


def test_of_equals_the_first_stays_first():
    pile = Pile("one", tuple(piece for name in "abc" for piece in said(name, "!")))
    assert [one.score.conversation for one in run.score([pile], read, Adder(), 2).chosen.shown] == [
        "a",
        "b",
    ]


def test_no_budget_shows_nothing_and_counts_everything():
    pile = Pile("one", tuple(said("a", "!!!")))
    result = run.score([pile], read, Adder(), 0)
    assert result.chosen.shown == ()
    assert result.totals.alerts == 1


def test_files_are_looked_up_with_the_number_of_their_message():
    ref = MediaRef(name="a.jpg")
    pieces = (*said("x", "hi"), *said("y", "hi"), *said("x", "look", media=(ref,)))
    scorer = Adder()
    result = run.score(
        [Pile("one", pieces)], read, scorer, 1, known=lambda _, refs: [True for _ in refs]
    )
    assert scorer.files == [("x", "m0", 1, "a")]
    assert (result.totals.files, result.totals.known) == (1, 1)


def test_troubles_are_counted():
    pile = Pile("one", tuple(said("x", "hi", troubles=(Trouble.CUT, Trouble.NO_TIME))))
    assert run.score([pile], read, Adder(), 1).totals.troubles == Counter(cut=1, no_time=1)


def test_words_are_read_again_for_the_lines_that_counted_alone():
    pile = Pile("one", (*said("x", "hi", "a!", "b"), *said("y", "c!"), *said("x", "d!")))
    first = run.score([pile], read, Adder(), 1).chosen.shown
    assert run.lines_of([pile], read, first) == {(0, "x"): {1: "a!", 3: "d!"}}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 4)), max_size=40))
def test_any_interleaving_keeps_every_message(pieces):
    messages = [
        Message(conversation=name, id=str(place), author="a", text="!" * points)
        for place, (name, points) in enumerate(pieces)
    ]
    result = run.score([Pile("one", tuple(messages))], read, Adder(), 3)
    assert result.totals.messages == len(messages)
    assert result.totals.conversations == len({name for name, _ in pieces})
    sums = Counter()
    for name, points in pieces:
        sums[name] += points
    assert sorted(result.points) == sorted(float(sums[name]) for name in {n for n, _ in pieces})
    assert [row.score.points for row in result.chosen.shown] == sorted(
        (float(points) for points in sums.values() if points), reverse=True
    )[:3]
