"""Which media the review shows and in which order: written in the address of the page.

`parse` and `query` are inverses: a filtered page can be kept, sent and opened again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import msgspec

from tutela.casework.model import MediaState
from tutela.core.errors import UsageError

# What is graded on arrival or set aside is seen by nobody who does not ask for it.
SHOWN = (MediaState.OPEN, MediaState.GRADED, MediaState.INFERRED)
TEXT_CHARACTERS = 300


class SortKey(enum.StrEnum):
    """By what media are ordered."""

    REVIEW = "review"
    CAPTURED = "captured"
    SIZE = "size"
    SIGHTINGS = "sightings"
    STACK = "stack"
    CAMERA = "camera"


class Filter(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which media; what is None or empty filters nothing. All that is given must hold.

    `states` are `SHOWN` where none is named. `members` shows each member of a stack, not one for
    all. `captured_from` and `captured_until` are days in UTC, both included.
    """

    states: tuple[MediaState, ...] = ()
    codes: tuple[str, ...] = ()
    exhibit: int | None = None
    camera: str | None = None
    series: int | None = None
    victim: int | None = None
    tag: str | None = None
    path: str | None = None
    hits: bool | None = None
    stacks: bool | None = None
    second: bool | None = None
    located: bool | None = None
    captured_from: date | None = None
    captured_until: date | None = None
    members: bool = False

    @property
    def effective_states(self) -> tuple[MediaState, ...]:
        """The states that are shown."""
        return self.states or SHOWN

    @property
    def captured_range(self) -> tuple[datetime | None, datetime | None]:
        """The first moment included and the first one excluded."""
        first, last = self.captured_from, self.captured_until
        return (
            datetime.combine(first, time(), UTC) if first else None,
            datetime.combine(last + timedelta(days=1), time(), UTC) if last else None,
        )


class Sort(msgspec.Struct, frozen=True, omit_defaults=True):
    """In which order. Equal ones, and those without a value, follow in the order of review."""

    key: SortKey = SortKey.REVIEW
    descending: bool = False


class View(msgspec.Struct, frozen=True):
    """A filter and an order."""

    filter: Filter = Filter()
    sort: Sort = Sort()


def parse(given: Mapping[str, str]) -> View:
    """Return the view that a query string asks for; empty values count as not given.

    Raises:
        UsageError: a key or value is unknown.
    """
    values: dict[str, Any] = {}
    sort = Sort()
    for key, text in given.items():
        if not text:
            continue
        if key == "sort":
            sort = _sort(text)
        elif key in _KEYS:
            name, read, _ = _KEYS[key]
            values[name] = _read(key, text, read)
        else:
            raise UsageError(
                f"{key} is nothing to filter by",
                code="filter",
                hint=f"known are {', '.join([*_KEYS, 'sort'])}",
            )
    return View(Filter(**values), sort)


def query(view: View) -> dict[str, str]:
    """Return the query string of a view, without what is not filtered."""
    usual = Filter()
    found = {
        key: write(getattr(view.filter, name))
        for key, (name, _, write) in _KEYS.items()
        if getattr(view.filter, name) != getattr(usual, name)
    }
    if view.sort != Sort():
        found["sort"] = f"{'-' if view.sort.descending else ''}{view.sort.key.value}"
    return found


def _sort(text: str) -> Sort:
    return Sort(_read("sort", text.removeprefix("-"), SortKey), text.startswith("-"))


def _read(key: str, text: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except ValueError:
        raise UsageError(f"{text[:40]} is no value of {key}", code="filter") from None


def _states(text: str) -> tuple[MediaState, ...]:
    return tuple(sorted({MediaState(word) for word in text.split(",")}))


def _codes(text: str) -> tuple[str, ...]:
    return tuple(sorted(set(_text(text).split(","))))


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError(text)
    return text == "yes"


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise ValueError(text)
    return int(text)


def _last_day(text: str) -> date:
    day = date.fromisoformat(text)
    if day == date.max:  # the day after it is looked for
        raise ValueError(text)
    return day


def _text(text: str) -> str:
    if len(text) > TEXT_CHARACTERS or "\0" in text:
        raise ValueError(text)
    return text


def _write_yes(value: bool) -> str:  # noqa: FBT001 one of a table of writers
    return "yes" if value else "no"


# Key in the address -> (field, how it is read, how it is written).
_KEYS: dict[str, tuple[str, Callable[[str], Any], Callable[[Any], str]]] = {
    "state": ("states", _states, ",".join),
    "code": ("codes", _codes, ",".join),
    "exhibit": ("exhibit", _number, str),
    "camera": ("camera", _text, str),
    "series": ("series", _number, str),
    "victim": ("victim", _number, str),
    "tag": ("tag", _text, str),
    "path": ("path", _text, str),
    "hits": ("hits", _yes, _write_yes),
    "stacks": ("stacks", _yes, _write_yes),
    "second": ("second", _yes, _write_yes),
    "located": ("located", _yes, _write_yes),
    "from": ("captured_from", date.fromisoformat, date.isoformat),
    "until": ("captured_until", _last_day, date.isoformat),
    "members": ("members", _yes, _write_yes),
}
