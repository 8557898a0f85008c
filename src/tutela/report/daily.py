"""A strip of columns for each kind of thing, all on the same days and the same scale.

Over more than a year the days are summed by week. Put a table with the same figures beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

from tutela.report.drawing import Drawing, Line, Rect, Shape, Text, shortened, text_width

WIDTH = 720
STRIP = 64
DAYS_SHOWN = 366
LABEL_CHARACTERS = 24


def strips(title: str, counts: Mapping[str, Mapping[date, int]], *, unit: str = "") -> Drawing:
    """Draw a strip for each name, in the order given; days that are not named have none."""
    days = sorted({day for some in counts.values() for day in some})
    if not days:
        return Drawing(title, "No dated items.", WIDTH, STRIP, [])
    first, last = days[0], days[-1]
    step_days = 1 if (last - first).days < DAYS_SHOWN else 7
    summed = {name: _summed(some, first, step_days) for name, some in counts.items()}
    most = max((max(some.values(), default=0) for some in summed.values()), default=0) or 1
    slots = (last - first).days // step_days + 1
    labels = {name: shortened(name, LABEL_CHARACTERS) for name in counts}
    left = 16 + max(map(text_width, labels.values()))
    wide = (WIDTH - left - 8) / slots
    shapes: list[Shape] = []
    for row, (name, some) in enumerate(summed.items()):
        floor = (row + 1) * STRIP - 14
        shapes.append(Text(left - 8, floor - 10, labels[name], anchor="end"))
        shapes.append(Text(left - 8, floor + 4, f"{sum(some.values()):,}", "soft", "end"))
        shapes.append(Line(left, floor, WIDTH - 8, floor))
        for slot, count in sorted(some.items()):
            high = max((STRIP - 24) * count / most, 1)
            day = first + timedelta(days=slot * step_days)
            hint = f"{name}, {day}: {count:,} {unit}".rstrip()
            column = min(max(wide - 1, 1.0), 16.0)
            shapes.append(Rect(left + slot * wide, floor - high, column, high, "mark", hint))
    bottom = len(summed) * STRIP + 6
    shapes.append(Text(left, bottom, str(first), "soft"))
    if last != first:
        shapes.append(Text(WIDTH - 8, bottom, str(last), "soft", "end"))
    by = "day" if step_days == 1 else "week"
    totals = ", ".join(f"{name} {sum(some.values()):,}" for name, some in summed.items())
    said = f"Strips by {by} from {first} to {last}, up to {most:,} each: {totals} {unit}".rstrip()
    return Drawing(title, said + ".", WIDTH, bottom + 8, shapes)


def _summed(some: Mapping[date, int], first: date, step_days: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for day, count in some.items():
        slot = (day - first).days // step_days
        found[slot] = found.get(slot, 0) + count
    return found
