"""A drawing as plain shapes, and the same as SVG.

The SVG holds no script, no style attribute and no address: it may stand in a page under a strict
content policy. Its colours are presentation attributes, which a page's style sheet overrules by
class (`plot.css` beside the templates); a reader of screens hears its title and description.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final, Literal

Kind = Literal["mark", "alert", "warn", "good", "axis", "grid", "label", "soft", "context"]

# What a shape looks like where no style sheet says more; readable on white, and in print.
COLOURS: Final[dict[Kind, str]] = {
    "mark": "#2f5f93",
    "alert": "#a3122a",
    "warn": "#8a5600",
    "good": "#1c6434",
    "axis": "#56606b",
    "grid": "#d5dae0",
    "label": "#1b1f24",
    "soft": "#56606b",
    "context": "#7a8590",
}
TEXT_SIZE: Final = 12
# How wide a character is, as a part of its size: an upper mean of common sans-serif letters.
TEXT_ASPECT: Final = 0.56


@dataclass(frozen=True)
class Rect:
    """A filled rectangle; `hint` is said when one points at it."""

    x: float
    y: float
    width: float
    height: float
    kind: Kind = "mark"
    hint: str = ""


@dataclass(frozen=True)
class Line:
    """A thin line."""

    x1: float
    y1: float
    x2: float
    y2: float
    kind: Kind = "axis"


@dataclass(frozen=True)
class Dot:
    """A filled circle, see-through so that what lies on each other is seen."""

    x: float
    y: float
    radius: float
    kind: Kind = "mark"
    hint: str = ""


@dataclass(frozen=True)
class Text:
    """Words on a baseline at `y`; `anchor` says which end of them `x` is."""

    x: float
    y: float
    text: str
    kind: Kind = "label"
    anchor: Literal["start", "middle", "end"] = "start"


Shape = Rect | Line | Dot | Text


@dataclass(frozen=True)
class Drawing:
    """Shapes on a paper of `width` by `height` units, y downwards, with words for who cannot see.

    A template may print it as it is: it renders itself as SVG.
    """

    title: str
    description: str
    width: float
    height: float
    shapes: Sequence[Shape]

    def __html__(self) -> str:
        """Return the SVG, for templates."""
        return svg(self)


def svg(drawing: Drawing) -> str:
    """Return a drawing as one `<svg>` element, stable for equal drawings."""
    words = f"{drawing.title}\0{drawing.description}\0{drawing.shapes}"
    name = "plot-" + hashlib.sha256(words.encode("utf-8", "replace")).hexdigest()[:12]
    size = f"{_number(drawing.width)} {_number(drawing.height)}"
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plot" viewBox="0 0 {size}" width="100%" '
        f'role="img" aria-labelledby="{name}-title {name}-description" '
        f'font-family="system-ui, sans-serif" font-size="{TEXT_SIZE}">'
    )
    parts = [
        head,
        f'<title id="{name}-title">{_words(drawing.title)}</title>',
        f'<desc id="{name}-description">{_words(drawing.description)}</desc>',
        *map(_element, drawing.shapes),
        "</svg>",
    ]
    return "\n".join(parts)


def shortened(text: str, characters: int) -> str:
    """Return `text`, cut to `characters` with an ellipsis."""
    return text if len(text) <= characters else text[: characters - 1].rstrip() + "…"


def text_width(text: str) -> float:
    """Return about how many units wide `text` is."""
    return len(text) * TEXT_SIZE * TEXT_ASPECT


def _element(shape: Shape) -> str:
    look = f'class="plot-{shape.kind}"'
    colour = COLOURS[shape.kind]
    match shape:
        case Rect(x, y, width, height, _, hint):
            box = f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}"'
            return _hinted("rect", f'{look} {box} height="{_number(height)}" fill="{colour}"', hint)
        case Line(x1, y1, x2, y2):
            ends = f'x1="{_number(x1)}" y1="{_number(y1)}" x2="{_number(x2)}" y2="{_number(y2)}"'
            return f'<line {look} {ends} stroke="{colour}" stroke-width="1"/>'
        case Dot(x, y, radius, _, hint):
            centre = f'cx="{_number(x)}" cy="{_number(y)}" r="{_number(radius)}"'
            return _hinted("circle", f'{look} {centre} fill="{colour}" fill-opacity="0.7"', hint)
        case Text(x, y, text, _, anchor):
            place = f'x="{_number(x)}" y="{_number(y)}" text-anchor="{anchor}"'
            return f'<text {look} {place} fill="{colour}">{_words(text)}</text>'


def _hinted(name: str, attributes: str, hint: str) -> str:
    if not hint:
        return f"<{name} {attributes}/>"
    return f"<{name} {attributes}><title>{_words(hint)}</title></{name}>"


def _words(text: str) -> str:
    """Return text for XML: escaped, and without what XML forbids even as an entity."""
    return escape("".join(c if c.isprintable() or c == "\n" else "�" for c in text))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
