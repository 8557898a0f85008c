"""A drawing of what is linked with what: named circles and lines. Put a table with the same beside.

Those of the outer ring stand in the order given, from the top clockwise; the others in the middle,
near those that they are tied to. The same drawing for the same values, on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tutela.report.drawing import (
    Dot,
    Drawing,
    Kind,
    Line,
    Shape,
    Text,
    shortened,
    text_width,
)

WIDTH = 720
LABEL_CHARACTERS = 18
RING = 0.36  # of the smaller side
INNER = 0.6  # of the ring: how far out the others may stand
_GOLDEN = math.pi * (3 - math.sqrt(5))


@dataclass(frozen=True)
class Node:
    """Something named. `outer` puts it on the ring; `size` is 0 to 1, its `kind` the colour."""

    name: str
    label: str
    kind: Kind = "mark"
    outer: bool = True
    size: float = 0.5
    hint: str = ""


@dataclass(frozen=True)
class Tie:
    """A line between two nodes, by their names."""

    one: str
    other: str
    kind: Kind = "axis"


def draw(title: str, nodes: Sequence[Node], ties: Sequence[Tie]) -> Drawing:
    """Draw nodes and the ties between them; a tie of what is not there is left out."""
    ring = [node for node in nodes if node.outer]
    height = max(320.0, min(640.0, 220.0 + 26.0 * len(ring)))
    places = _places(nodes, ties, (WIDTH / 2, height / 2), (0.30 * WIDTH, RING * height))
    shapes: list[Shape] = []
    for tie in ties:
        if tie.one in places and tie.other in places:
            (x1, y1), (x2, y2) = places[tie.one], places[tie.other]
            shapes.append(Line(x1, y1, x2, y2, tie.kind))
    for node in nodes:
        x, y = places[node.name]
        radius = 4 + 8 * min(max(node.size, 0.0), 1.0)
        shapes.append(Dot(x, y, radius, node.kind, node.hint or node.label))
        shapes.append(_label(node, x, y, radius))
    said = f"{len(ring)} and {len(nodes) - len(ring)} circles, {len(ties)} lines between them."
    return Drawing(title, said, WIDTH, height, shapes)


def _label(node: Node, x: float, y: float, radius: float) -> Text:
    label = shortened(node.label, LABEL_CHARACTERS)
    if not node.outer:
        return Text(x, y + radius + 12, label, "soft", "middle")
    left = x < WIDTH / 2 - 1
    edge = x - radius - 5 if left else x + radius + 5
    wide = text_width(label)
    edge = max(edge, wide) if left else min(edge, WIDTH - wide)
    return Text(edge, y + 4, label, anchor="end" if left else "start")


def _places(
    nodes: Sequence[Node],
    ties: Sequence[Tie],
    centre: tuple[float, float],
    reach: tuple[float, float],
) -> dict[str, tuple[float, float]]:
    ring = [node for node in nodes if node.outer]
    found: dict[str, tuple[float, float]] = {}
    for number, node in enumerate(ring):
        angle = 2 * math.pi * number / max(len(ring), 1) - math.pi / 2
        found[node.name] = (
            centre[0] + reach[0] * math.cos(angle),
            centre[1] + reach[1] * math.sin(angle),
        )
    inner = [node for node in nodes if not node.outer]
    for number, node in enumerate(inner):
        tied = [
            found[other]
            for tie in ties
            for one, other in ((tie.one, tie.other), (tie.other, tie.one))
            if one == node.name and other in found
        ]
        x = sum(place[0] for place in tied) / len(tied) if tied else centre[0]
        y = sum(place[1] for place in tied) / len(tied) if tied else centre[1]
        # A little aside, each in a direction of its own: those tied to the same lie on each other.
        angle, apart = _GOLDEN * number, 12 * math.sqrt(number + 1)
        found[node.name] = (
            centre[0] + INNER * (x - centre[0]) + apart * math.cos(angle),
            centre[1] + INNER * (y - centre[1]) + apart * math.sin(angle),
        )
    return found
