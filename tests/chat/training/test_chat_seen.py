"""What a model keeps of the ids that it was made from: digests, bounded, and of no use as names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat.training import seen
from tutela.chat.training.gathering import Gathered, Talk
from tutela.chat.training.seen import Seen
from tutela.core.errors import InputError

NAMES = st.frozensets(st.text(max_size=20), max_size=20)


def gathered(*talks):
    """Return what conversations would leave: an id and the names of who spoke, each."""
    found = Gathered()
    for name, authors in talks:
        numbers = [found.numbers.setdefault(one, len(found.numbers)) for one in authors]
        for number in numbers:
            found.groups.link(numbers[0], number)
        found.talks.append(Talk(name, 0.0, alert=False, crossed_at=None, messages=1,
                                authors=tuple(numbers)))  # fmt: skip
    return found


@given(NAMES, NAMES, NAMES)
def test_what_was_seen_is_known_and_nothing_else(talks, authors, others):
    known = Seen.of(b"key", talks, authors)
    assert known.sound()
    assert len(known.digests) == seen.WIDTH * (len(talks) + len(authors))
    alone = gathered(*((f"talk {one}", [one]) for one in authors | others))
    assert known.touched(alone) == {alone.numbers[one] for one in authors}


def test_who_is_linked_with_one_who_was_seen_is_touched():
    found = gathered(("1", "ab"), ("2", "bc"), ("3", "d"), ("4", "e"))
    assert Seen.of(b"", [], ["a"]).touched(found) == {0, 1, 2}
    assert Seen.of(b"", ["3"], []).touched(found) == {3}
    # An author and a conversation of one name are two.
    assert Seen.of(b"", ["a"], ["3"]).touched(found) == set()


def test_another_corpus_has_another_salt():
    one, two = (Seen.of(key, ["c1"], ["a1"]) for key in (b"1", b"2"))
    assert one.salt != two.salt
    assert one.digests != two.digests
    assert Seen.of(b"1", ["c1"], ["a1"]) == one


def test_too_large_a_corpus_is_refused(monkeypatch):
    monkeypatch.setattr(seen, "MOST", 3)
    assert Seen.of(b"", ["1", "2"], ["3"]).sound()
    with pytest.raises(InputError) as refused:
        Seen.of(b"", ["1", "2"], ["3", "4"])
    assert refused.value.code == "too_large"


@pytest.mark.parametrize(
    "wrong",
    [
        Seen(b"short"),
        Seen(digests=b"12345"),
        Seen(digests=b"bbbbbbaaaaaa"),
        Seen(digests=b"aaaaaa" * 2),
    ],
)
def test_what_is_made_by_nobody_is_not_sound(wrong):
    assert not wrong.sound()
