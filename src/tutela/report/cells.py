"""Cells of separated values that a spreadsheet shows and never carries out."""

from __future__ import annotations

import json

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def shown(text: str) -> str:
    """Return text for a person's eyes: what cannot be seen, or turns a line around, is escaped."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cell(value: object) -> str:
    """Return a value as the text of a cell.

    A structure is JSON; a text that a spreadsheet would take for a formula is set off by a space:
    names of files are chosen by others.
    """
    if value is None:
        return ""
    if isinstance(value, (list, dict, bool)):
        return json.dumps(value, ensure_ascii=False)
    text = str(value)
    return f" {text}" if text[:1] in _FORMULA and not isinstance(value, (int, float)) else text
