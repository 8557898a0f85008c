"""Graphs and days are drawn the same each time, within their paper, and say what is in them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.report import daily, network
from tutela.report.drawing import Dot, Rect, Text, svg, text_width
from tutela.report.network import Node, Tie


@given(st.integers(0, 30), st.integers(0, 12), st.randoms(use_true_random=False))
def test_every_node_lies_on_the_paper(outer, inner, random):
    nodes = [Node(f"a{n}", f"name {n} " * 3, size=random.random()) for n in range(outer)]
    nodes += [Node(f"b{n}", "contact", outer=False) for n in range(inner)]
    names = [node.name for node in nodes] or ["x"]
    ties = [Tie(random.choice(names), random.choice([*names, "gone"])) for _ in range(20)]
    drawn = network.draw("Graph", nodes, ties)
    assert drawn == network.draw("Graph", nodes, ties)
    dots = [shape for shape in drawn.shapes if isinstance(shape, Dot)]
    assert len(dots) == outer + inner
    for dot in dots:
        assert 0 <= dot.x <= drawn.width
        assert 0 <= dot.y <= drawn.height
    for label in (shape for shape in drawn.shapes if isinstance(shape, Text)):
        start = label.x - text_width(label.text) if label.anchor == "end" else label.x
        assert start >= -60


def test_a_handle_cannot_break_out_of_the_drawing():
    text = svg(network.draw("<x>", [Node("a", '"><script>\u202e', hint="</title><b>")], []))
    assert "<script" not in text
    assert "<b>" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize(("days", "columns"), [(1, 1), (366, 366), (367, 53), (800, 115)])
def test_days_are_summed_by_week_over_more_than_a_year(days, columns):
    first = date(2026, 1, 5)
    counts = {first + timedelta(days=n): 2 for n in range(days)}
    drawn = daily.strips("Days", {"Offers": counts})
    rects = [shape for shape in drawn.shapes if isinstance(shape, Rect)]
    assert len(rects) == columns
    assert max(rect.x + rect.width for rect in rects) <= drawn.width
    assert f"Offers {2 * days:,}" in drawn.description
    assert ("week" in drawn.description) == (days > 366)


def test_nothing_is_drawn_of_nothing():
    assert daily.strips("Days", {}).description == "No dated items."
    assert network.draw("Graph", [], []).shapes == []
