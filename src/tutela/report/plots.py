"""Plots of counts: bars, months, small multiples. Put a table with the same figures beside each.

All give a `Drawing`: as SVG by `drawing.svg`, in a template by printing it, in a PDF by `pdf`.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tutela.report.drawing import (
    Drawing,
    Kind,
    Line,
    Rect,
    Shape,
    Text,
    shortened,
    text_width,
)

WIDTH = 640
ROW = 24
LABEL_CHARACTERS = 32
# More months than this are summed by year: a bar must be wide enough to be seen.
MONTHS_SHOWN = 180
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class Bar:
    """One bar of a bar plot."""

    label: str
    value: int
    kind: Kind = "mark"


def bars(title: str, items: Sequence[Bar], *, unit: str = "") -> Drawing:
    """Draw one horizontal bar an item, in the order given, each with its number."""
    labels = [shortened(item.label, LABEL_CHARACTERS) for item in items]
    left = 8 + max(map(text_width, labels), default=0)
    most = max((item.value for item in items), default=0)
    room = WIDTH - left - text_width(f"{most:,}") - 16
    shapes: list[Shape] = []
    for number, (item, label) in enumerate(zip(items, labels, strict=True)):
        top = number * ROW
        long = room * max(item.value, 0) / most if most > 0 else 0
        hint = f"{item.label}: {item.value:,} {unit}".rstrip()
        shapes += (
            Text(left - 8, top + 16, label, anchor="end"),
            Rect(left, top + 4, max(long, 1), ROW - 8, item.kind, hint),
            Text(left + long + 6, top + 16, f"{item.value:,}", "soft"),
        )
    height = max(len(items), 1) * ROW
    shapes.append(Line(left, 0, left, height))
    said = ", ".join(f"{item.label} {item.value:,}" for item in items) or "nothing"
    return Drawing(title, f"Bars: {said} {unit}".rstrip() + ".", WIDTH, height, shapes)


def timeline(title: str, months: Mapping[str, int], *, unit: str = "") -> Drawing:
    """Draw how many there were in each month (`2026-03`); months that are not named have none.

    Over a very long time the months are summed by year.

    Raises:
        ValueError: a key is no month.
    """
    names, by = _filled(months)
    counts = _summed(months, by)
    left, top, height = 56, 8, 180
    most = _nice(max(counts.values(), default=0))
    shapes = _axis(left, top, height, most)
    shapes += _columns(names, counts, (left, top, WIDTH - left - 8, height), most, unit)
    shapes += _years(names, left, WIDTH - left - 8, top + height + 16)
    return Drawing(title, _said(names, counts, unit), WIDTH, top + height + 24, shapes)


def multiples(title: str, panels: Mapping[str, Mapping[str, int]], *, unit: str = "") -> Drawing:
    """Draw a small timeline for each name, all on the same months and the same scale.

    Raises:
        ValueError: a key is no month.
    """
    every: dict[str, int] = {}
    for months in panels.values():
        for month, count in months.items():
            every[month] = every.get(month, 0) + count
    names, by = _filled(every)
    counted = {name: _summed(months, by) for name, months in panels.items()}
    most = _nice(max((max(c.values(), default=0) for c in counted.values()), default=0))
    across, wide, high = 3, WIDTH / 3, 96
    shapes: list[Shape] = []
    for number, (name, counts) in enumerate(counted.items()):
        left, top = (number % across) * wide, (number // across) * high
        label = f"{shortened(name, 22)}: {sum(counts.values()):,}"
        box = (left, top + 20, wide - 16, high - 40)
        shapes.append(Text(left, top + 12, label))
        shapes += _columns(names, counts, box, most, unit)
        shapes.append(Line(left, top + high - 20, left + wide - 16, top + high - 20))
        if names:
            shapes.append(Text(left, top + high - 6, names[0], "soft"))
            shapes.append(Text(left + wide - 16, top + high - 6, names[-1], "soft", "end"))
    totals = ", ".join(f"{name} {sum(c.values()):,}" for name, c in counted.items()) or "nothing"
    height = high * max(1, math.ceil(len(panels) / across))
    said = f"Small timelines on one scale, up to {most:,} each: {totals} {unit}".rstrip() + "."
    return Drawing(title, said, WIDTH, height, shapes)


def _filled(months: Mapping[str, int]) -> tuple[list[str], int]:
    """Return all names from the first to the last, and how many characters of a month they are."""
    for month in months:
        if not _MONTH.fullmatch(month):
            raise ValueError(f"not a month: {month!r}")
    if not months:
        return [], 7
    first, last = (int(month[:4]) * 12 + int(month[5:]) - 1 for month in (min(months), max(months)))
    if last - first >= MONTHS_SHOWN:
        return [f"{year:04}" for year in range(first // 12, last // 12 + 1)], 4
    return [f"{n // 12:04}-{n % 12 + 1:02}" for n in range(first, last + 1)], 7


def _summed(months: Mapping[str, int], characters: int) -> dict[str, int]:
    summed: dict[str, int] = {}
    for month, count in months.items():
        name = month[:characters]
        summed[name] = summed.get(name, 0) + count
    return summed


def _columns(
    names: Sequence[str],
    counts: Mapping[str, int],
    box: tuple[float, float, float, float],
    most: int,
    unit: str,
) -> list[Shape]:
    left, top, width, height = box
    step = width / max(len(names), 1)
    gap = min(2.0, step * 0.15)
    shapes: list[Shape] = []
    for number, name in enumerate(names):
        count = counts.get(name, 0)
        if count > 0:
            high = max(height * count / most, 1)
            hint = f"{name}: {count:,} {unit}".rstrip()
            x, wide = left + number * step + gap / 2, min(step - gap, 40)
            shapes.append(Rect(x, top + height - high, wide, high, "mark", hint))
    return shapes


def _axis(left: float, top: float, height: float, most: int) -> list[Shape]:
    shapes: list[Shape] = []
    ticks = sorted({0, most // 2, most}) if most > 1 else [0, 1]
    for tick in ticks:
        y = top + height - height * tick / max(most, 1)
        shapes.append(Line(left, y, WIDTH - 8, y, "axis" if tick == 0 else "grid"))
        shapes.append(Text(left - 6, y + 4, f"{tick:,}", "soft", "end"))
    return shapes


def _years(names: Sequence[str], left: float, width: float, y: float) -> list[Shape]:
    """Name the first month and each year, as far as there is room."""
    shapes: list[Shape] = []
    step, free = width / max(len(names), 1), left
    for number, name in enumerate(names):
        x = left + number * step
        if (number == 0 or len(name) == 4 or name.endswith("-01")) and x >= free:
            label = name if number == 0 else name[:4]
            if x + text_width(label) <= left + width + 8:
                shapes.append(Text(x, y, label, "soft"))
                free = x + text_width(label) + 8
    return shapes


def _said(names: Sequence[str], counts: Mapping[str, int], unit: str) -> str:
    if not names:
        return "No dated items."
    peak = max(counts, key=lambda name: (counts[name], name))
    return (
        f"{sum(counts.values()):,} {unit}".rstrip()
        + f" from {names[0]} to {names[-1]}; the most, {counts[peak]:,}, in {peak}."
    )


def _nice(most: int) -> int:
    """Return the end of an axis for values up to `most`: 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1
    for power in itertools.count():
        for step in (1, 2, 5):
            if step * 10**power >= most:
                return int(step * 10**power)
    raise AssertionError
