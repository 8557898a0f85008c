r"""The same page as a PDF: A4, searchable text, drawn plots, no picture and nothing to fetch.

Letters come from DejaVu Sans where it is installed (Debian: fonts-dejavu-core). Without it the
PDF's own fonts are used, which have the letters of Western Europe only. A letter that the font
lacks is written as `\u0142`: seen, and never left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from fpdf import FPDF, XPos, YPos
from fpdf.enums import TableBordersLayout, TableCellFillMode, WrapMode
from fpdf.fonts import FontFace, TTFFont

from tutela.report.drawing import COLOURS, TEXT_SIZE, Dot, Drawing, Line, Rect, Shape, Text
from tutela.report.html import Fact, Page, Section, Table, replacing

FOLDERS: Final = (
    Path("/usr/share/fonts/truetype/dejavu"),
    Path("/usr/share/fonts/dejavu-sans-fonts"),
    Path("/usr/share/fonts/TTF"),
)
_FACES: Final = {"": "DejaVuSans.ttf", "B": "DejaVuSans-Bold.ttf"}
_MARGIN: Final = 18.0
_INK, _SOFT, _LINE = "#1b1f24", "#56606b", "#d5dae0"
_PANEL, _PAPER = "#f4f6f8", "#ffffff"
_TONES: Final = {"alert": "#a3122a", "warn": "#7a4b00", "good": "#1c6434"}
_FACTS_ACROSS: Final = 3
_FACT_HEIGHT: Final = 19.0
_POINT: Final = 25.4 / 72


def write(page: Page, path: Path, made: datetime) -> None:
    """Write `page` to `path`, whole or not at all; `made` is the date that the file says.

    Raises:
        ServiceError: the file cannot be written.
    """
    document = _Document(page, made)
    try:
        document.add_page()
        document.head()
        for section in page.sections:
            document.section(section)
        document.end()
        with replacing(path) as stream:
            stream.write(bytes(document.output()))
    finally:
        document.close_fonts()


class _Document(FPDF):
    """A page on its way onto paper."""

    def __init__(self, page: Page, made: datetime) -> None:
        super().__init__(format="A4")
        self._of = page
        self.set_margins(_MARGIN, _MARGIN)
        self.set_auto_page_break(auto=True, margin=_MARGIN + 4)
        self.c_margin = 0
        self._cmap: frozenset[int] | None = None
        self.face = "Helvetica"
        folder = next((f for f in FOLDERS if all((f / n).exists() for n in _FACES.values())), None)
        if folder:
            self.face = "DejaVu"
            for style, name in _FACES.items():
                self.add_font(self.face, style, folder / name)
            font = self.fonts["dejavu"]
            if isinstance(font, TTFFont):
                self._cmap = frozenset(font.cmap)
        self.set_title(self.said(page.title))
        self.set_creator("Tutela")
        self.set_creation_date(made)
        self.set_lang("en")

    def close_fonts(self) -> None:
        """Close the files of the letters, which the library leaves to the collector."""
        for font in self.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()

    def said(self, text: str) -> str:
        """Return text with what the font cannot show as escapes."""
        return "".join(c if self._has(c) else _escaped(c) for c in text)

    def _has(self, character: str) -> bool:
        if character == "\n":
            return True
        if not character.isprintable():
            return False
        if self._cmap is not None:
            return ord(character) in self._cmap
        return ord(character) < 256

    def ink(self, size: float, *, bold: bool = False, colour: str = _INK) -> None:
        """Choose letters."""
        self.set_font(self.face, "B" if bold else "", size)
        self.set_text_color(colour)

    def paragraph(self, text: str, height: float) -> None:
        """Write a paragraph over the width of the paper."""
        self.multi_cell(0, height, self.said(text), new_x=XPos.LMARGIN, new_y=YPos.NEXT, align="L")

    def footer(self) -> None:
        """Number each sheet; a sheet that lies alone says what it is of."""
        self.set_y(-_MARGIN + 4)
        self.ink(8, colour=_SOFT)
        self.cell(0, 5, self.said(self._of.title)[:90])
        self.set_x(_MARGIN)
        self.cell(0, 5, f"{self.page_no()} / {{nb}}", align="R")

    def head(self) -> None:
        self.ink(18, bold=True)
        self.paragraph(self._of.title, 9)
        self.ink(10, colour=_SOFT)
        self.paragraph(self._of.subtitle, 5)
        self.ln(4)
        for start in range(0, len(self._of.facts), _FACTS_ACROSS):
            self._facts(self._of.facts[start : start + _FACTS_ACROSS])

    def _facts(self, facts: Sequence[Fact]) -> None:
        if self.will_page_break(_FACT_HEIGHT):
            self.add_page()
        top, wide = self.get_y(), (self.epw + 3) / _FACTS_ACROSS
        for number, fact in enumerate(facts):
            left = _MARGIN + number * wide
            self.set_fill_color(_PANEL)
            self.rect(left, top, wide - 3, _FACT_HEIGHT - 2, style="F")
            self.set_fill_color(_TONES.get(fact.tone, _LINE))
            self.rect(left, top, 1.2, _FACT_HEIGHT - 2, style="F")
            for text, size, bold, y, colour in (
                (fact.label, 8, False, 1.5, _SOFT),
                (fact.value, 13, True, 5.5, _TONES.get(fact.tone, _INK)),
                (fact.note, 7, False, 12.2, _SOFT),
            ):
                self.ink(size, bold=bold, colour=colour)
                self.set_xy(left + 3, top + y)
                self.cell(wide - 6, 4, self._fitting(text, wide - 8))
        self.set_xy(_MARGIN, top + _FACT_HEIGHT)

    def _fitting(self, text: str, room: float) -> str:
        text = self.said(text)
        while text and self.get_string_width(text) > room:
            text = text[:-2] + "…" if self._has("…") else text[:-1]
        return text

    def section(self, section: Section) -> None:
        """Write one section; its title never stands alone at the foot of a sheet."""
        drawing = section.drawing
        drawn = drawing.height * self.epw / drawing.width if drawing else 0.0
        if self.will_page_break(32 + drawn):
            self.add_page()
        self.ln(5)
        self.ink(13, bold=True)
        self.start_section(self.said(section.title))
        self.paragraph(section.title, 7)
        if section.intro:
            self.ink(9, colour=_SOFT)
            self.paragraph(section.intro, 4.6)
            self.ln(1)
        if section.drawing:
            self._draw(section.drawing)
        if section.verbatim:
            self._verbatim(section.verbatim)
        if section.table:
            self._table(section.table)
        elif section.empty:
            self.ink(9)
            self.paragraph(section.empty, 5)

    def _verbatim(self, text: str) -> None:
        self.set_font("Courier", "", 7.5)
        self.set_text_color(_INK)
        self.set_fill_color(_PANEL)
        shown = "".join(c if c == "\n" or " " <= c <= "~" else _escaped(c) for c in text)
        self.multi_cell(
            0, 3.8, shown, fill=True, new_x=XPos.LMARGIN, new_y=YPos.NEXT, wrapmode=WrapMode.CHAR
        )
        self.ln(2)

    def _table(self, table: Table) -> None:
        if table.caption:
            self.ink(8, colour=_SOFT)
            self.paragraph(table.caption, 4.4)
        rows = [[self.said(cell) for cell in row] for row in table.rows]
        self.ink(8)
        self.set_draw_color(_LINE)
        self.set_fill_color(_PAPER)
        self.set_line_width(0.1)
        with self.table(
            text_align=[
                "RIGHT" if n in table.numeric else "LEFT" for n in range(len(table.columns))
            ],
            col_widths=tuple(self._widths(table, rows)),
            line_height=4.4,
            padding=(0.8, 1.2),
            borders_layout=TableBordersLayout.HORIZONTAL_LINES,
            headings_style=FontFace(emphasis="BOLD", fill_color=_PANEL),
            cell_fill_mode=TableCellFillMode.NONE,
            wrapmode=WrapMode.CHAR,
        ) as drawn:
            drawn.row([self.said(column) for column in table.columns])
            for row in rows:
                drawn.row(row)
        self.ln(1)

    def _widths(self, table: Table, rows: Sequence[Sequence[str]]) -> Iterator[float]:
        """Yield how much room each column gets: as it needs, within bounds."""
        for number, column in enumerate(table.columns):
            texts = [self.said(column), *(row[number] for row in rows[:200])]
            widest = max(self.get_string_width(text) for text in texts)
            yield min(max(widest, self.get_string_width(texts[0]) * 1.15, 10.0) + 4, 90.0)

    def _draw(self, drawing: Drawing) -> None:
        scale = self.epw / drawing.width
        if self.will_page_break(drawing.height * scale + 4):
            self.add_page()
        left, top = _MARGIN, self.get_y() + 1
        for shape in drawing.shapes:
            self._shape(shape, left, top, scale)
        self.set_xy(_MARGIN, top + drawing.height * scale + 3)

    def _shape(self, shape: Shape, left: float, top: float, scale: float) -> None:
        colour = COLOURS[shape.kind]
        match shape:
            case Rect(x, y, width, height):
                self.set_fill_color(colour)
                self.rect(
                    left + x * scale, top + y * scale, width * scale, height * scale, style="F"
                )
            case Line(x1, y1, x2, y2):
                self.set_draw_color(colour)
                self.set_line_width(0.2)
                ends = (x1, y1), (x2, y2)
                (ax, ay), (bx, by) = ((left + x * scale, top + y * scale) for x, y in ends)
                self.line(ax, ay, bx, by)
            case Dot(x, y, radius):
                self.set_fill_color(colour)
                with self.local_context(fill_opacity=0.7):
                    self.circle(left + x * scale, top + y * scale, radius * scale, style="F")
            case Text(x, y, text, _, anchor):
                self.ink(TEXT_SIZE * scale / _POINT, colour=colour)
                shown = self.said(text)
                back = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
                x = left + x * scale - self.get_string_width(shown) * back
                self.text(x, top + y * scale, shown)

    def end(self) -> None:
        """Write the lines under a page."""
        self.ln(6)
        self.ink(8, colour=_SOFT)
        for text in self._of.footer:
            self.paragraph(text, 4.2)
            self.ln(1)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
