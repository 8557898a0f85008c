"""Names of E01 segments."""

from __future__ import annotations

import pytest

from tutela.evidence.segment import LAST, extension, images


@pytest.mark.parametrize(
    ("number", "wanted"),
    [
        (1, b"E01"),
        (99, b"E99"),
        (100, b"EAA"),
        (125, b"EAZ"),
        (126, b"EBA"),
        (775, b"EZZ"),
        (776, b"FAA"),
        (LAST, b"ZZZ"),
    ],
)
def test_extensions_follow_the_specification(number, wanted):
    assert extension(number) == wanted
    assert extension(number, lower=True) == wanted.lower()


@pytest.mark.parametrize("number", [0, -1, LAST + 1])
def test_there_is_no_extension_beyond_the_last(number):
    with pytest.raises(ValueError, match="no segment extension"):
        extension(number)


def test_every_extension_is_its_own():
    assert len({extension(number) for number in range(1, LAST + 1)}) == LAST


def test_a_gap_among_numbers_is_kept_for_the_reader_to_notice():
    assert images([b"a.E01", b"a.E03", b"a.E99", b"a.EAA", b"a.EAC"]) == {
        b"a.E01": (b"a.E01", b"a.E03", b"a.E99", b"a.EAA")
    }


def test_letters_do_not_follow_a_gap():
    assert images([b"a.E01", b"a.EAB", b"a.EXE"]) == {b"a.E01": (b"a.E01",)}


def test_cases_are_not_mixed_and_stems_are_whole():
    names = [b"a.E01", b"a.e02", b"a.b.E02", b"a.e01", b"E01", b".E01", b"a.L01", b"a.Ex01"]
    assert images(names) == {
        b"a.E01": (b"a.E01",),
        b"a.e01": (b"a.e01", b"a.e02"),
        b".E01": (b".E01",),
    }
