from __future__ import annotations

import pytest

from tutela.report.cells import cell, shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_formula_is_set_off(text: str):
    assert cell(text) == f" {text}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (-1, "-1"),
        (True, "true"),
        (["é"], '["é"]'),
        ({"a": 1}, '{"a": 1}'),
        ("a=b", "a=b"),
    ],
)
def test_other_values_are_as_they_are(value: object, text: str):
    assert cell(value) == text


def test_what_turns_a_line_around_is_seen():
    assert shown("a\u202eb\x1b") == "a\\u202eb\\x1b"
    assert shown("żółć") == "żółć"
