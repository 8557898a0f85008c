"""Plots say the same in shapes, in words and in hints, and fit under a strict content policy."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tutela.report import placemap, plots
from tutela.report.drawing import Dot, Drawing, Rect, Text, svg

SVG = "{http://www.w3.org/2000/svg}"


def samples() -> list[Drawing]:
    return [
        plots.bars("Grades", [plots.Bar("A & <b>", 12, "alert"), plots.Bar("none", 0)]),
        plots.bars("Nothing", []),
        plots.timeline("When", {"2019-11": 3, "2021-02": 40}, unit="media"),
        plots.timeline("Never", {}),
        plots.multiples("By camera", {"One": {"2019-11": 3}, "Two": {"2020-01": 5}, "None": {}}),
        plots.multiples("No camera", {}),
        placemap.draw("Where", [placemap.Place(48.85, 2.35, 3, "a\x00\u202eb"), PLACE]),
        placemap.draw("Nowhere", []),
    ]


PLACE = placemap.Place(50.85, 4.35)


@pytest.mark.parametrize("drawing", samples(), ids=lambda drawing: drawing.title)
def test_an_svg_is_well_formed_named_and_harmless(drawing: Drawing):
    text = svg(drawing)
    root = ET.fromstring(text)
    assert root.get("role") == "img"
    title, description = root.get("aria-labelledby", "").split()
    names = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert names == {title: drawing.title, description: drawing.description}
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "rect", "line", "circle", "text"}
    attributes = {name for element in root.iter() for name in element.attrib}
    assert not {name for name in attributes if name == "style" or name.startswith("on")}
    assert not re.search(r"url\(|href|https?:(?!//www\.w3\.org/2000/svg)", text)
    assert drawing.__html__() == text == svg(drawing)


@pytest.mark.parametrize("drawing", samples(), ids=lambda drawing: drawing.title)
def test_all_shapes_lie_on_the_paper(drawing: Drawing):
    for shape in drawing.shapes:
        match shape:
            case Rect(x, y, width, height):
                assert width >= 0
                assert height >= 0
                assert x + width <= drawing.width
                assert y + height <= drawing.height
            case Dot(x, y) | Text(x, y):
                assert 0 <= x <= drawing.width
                assert 0 <= y <= drawing.height


def test_bars_are_long_as_their_numbers():
    drawing = plots.bars("x", [plots.Bar("a", 10), plots.Bar("b", 40)], unit="media")
    short, long = (shape for shape in drawing.shapes if isinstance(shape, Rect))
    assert long.width == pytest.approx(4 * short.width)
    assert long.hint == "b: 40 media"
    assert "a 10, b 40" in drawing.description


def test_a_timeline_has_a_place_for_months_without_anything():
    drawing = plots.timeline("x", {"2020-01": 1, "2020-04": 2})
    first, second = (shape for shape in drawing.shapes if isinstance(shape, Rect))
    assert second.height == pytest.approx(2 * first.height)
    alone = plots.timeline("x", {"2020-01": 1, "2020-02": 2})
    _, next_to = (shape for shape in alone.shapes if isinstance(shape, Rect))
    assert second.x > next_to.x
    assert "the most, 2, in 2020-04" in drawing.description


def test_a_very_long_time_is_summed_by_year():
    drawing = plots.timeline("x", {"1990-01": 1, "2020-04": 2, "2020-05": 3})
    hints = [shape.hint for shape in drawing.shapes if isinstance(shape, Rect)]
    assert hints == ["1990: 1", "2020: 5"]


@pytest.mark.parametrize("month", ["2020-13", "2020", "20-01", "२०२०-01"])
def test_what_is_no_month_is_refused(month: str):
    with pytest.raises(ValueError, match="not a month"):
        plots.timeline("x", {month: 1})


def test_multiples_share_one_scale():
    drawing = plots.multiples("x", {"a": {"2020-01": 10}, "b": {"2020-01": 5}})
    first, second = (shape for shape in drawing.shapes if isinstance(shape, Rect))
    assert first.height == pytest.approx(2 * second.height)
    assert first.x < second.x


def test_a_map_keeps_directions_and_names_towns():
    drawing = placemap.draw("x", [placemap.Place(48.2, 16.4), placemap.Place(47.8, 13.0)])
    east, west = (s for s in drawing.shapes if isinstance(s, Dot) and s.kind == "mark")
    assert east.x > west.x
    assert east.y < west.y
    assert "Vienna" in [shape.text for shape in drawing.shapes if isinstance(shape, Text)]
    assert placemap.CREDIT in [s.text for s in drawing.shapes if isinstance(s, Text)]


def test_places_on_both_sides_of_the_date_line_are_near():
    drawing = placemap.draw("x", [placemap.Place(-17, 179.5), placemap.Place(-16.5, -179.8)])
    west, east = (s for s in drawing.shapes if isinstance(s, Dot) and s.kind == "mark")
    assert west.x < east.x
    assert 0 <= west.x < east.x <= drawing.width


def test_many_places_are_gathered_and_none_is_lost():
    many = [placemap.Place(40 + n % 97 / 1e3, 5 + n % 89 / 1e3) for n in range(9000)]
    drawing = placemap.draw("x", many)
    dots = [s for s in drawing.shapes if isinstance(s, Dot) and s.kind == "mark"]
    assert len(dots) <= placemap.DOTS
    assert sum(int(dot.hint.rpartition(": ")[2].replace(",", "")) for dot in dots) == 9000


def test_the_nearest_town_is_told_with_its_distance():
    town, kilometres = placemap.nearest_town(64.15, -21.94)
    assert (town.name, town.country) == ("Reykjavík", "IS")
    assert kilometres < 5


@pytest.mark.parametrize("place", [(91, 0), (0, 181), (float("nan"), 0)])
def test_coordinates_out_of_range_are_refused(place: tuple[float, float]):
    with pytest.raises(ValueError, match="out of range"):
        placemap.draw("x", [placemap.Place(*place)])
