"""Keys of the review page: what each does, and what a person changed them to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tutela.casework.scheme import Scheme
from tutela.core.errors import UsageError
from tutela.web.language import N_

# A key must not be needed to move or to leave the grid.
TAKEN = frozenset({"Tab", "Enter", "Escape", "/"})


class Act(NamedTuple):
    """Something a key of the grid does besides grading."""

    act: str
    key: str
    name: str
    meaning: str

    @property
    def shown(self) -> str:
        """The key as it is written on the button."""
        return N_("Space") if self.key == " " else self.key


ACTS = (
    Act("clear", " ", N_("Show clear"), N_("Hold to see the picture clear; it is recorded")),
    Act("undo", "u", N_("Undo"), N_("Take back your last decision")),
    Act("skip", "s", N_("Skip"), N_("Leave it open and go on")),
    Act("stack", "o", N_("Open stack"), N_("See what the stack holds, take members out")),
    Act("compare", "m", N_("Compare"), N_("Mark one, then another, and see both side by side")),
    Act("similar", "f", N_("Find similar"), N_("Look for pictures like this one")),
    Act("help", "?", N_("Keys"), N_("Show this list")),
)


class Keymap(NamedTuple):
    """The keys of one person under one scheme; `off` where the person uses none."""

    acts: Sequence[Act]
    codes: Mapping[str, str]
    off: bool


def keymap(scheme: Scheme, chosen: Mapping[str, Any]) -> Keymap:
    """Return the keys for `scheme` with what a person chose (`preferences` name `keys`)."""
    own = chosen.get("keys", {})
    acts = [act._replace(key=own.get(act.act, act.key)) for act in ACTS]
    codes = {
        code.code: own.get(f"{scheme.name}:{code.code}", code.key) or "" for code in scheme.codes
    }
    return Keymap(acts, codes, off=bool(chosen.get("off")))


def checked(wanted: Mapping[str, str]) -> dict[str, str]:
    """Return keys that a person asks for, act or `scheme:code` to key.

    Raises:
        UsageError: a key is no single character or is needed elsewhere.
    """
    for key in wanted.values():
        if key and (len(key) != 1 or key in TAKEN or not key.isprintable()):
            raise UsageError(f"{key!r} cannot be a key", hint="use a letter, digit or sign")
    return {act: key.lower() for act, key in wanted.items()}


def clash(keys: Keymap) -> str | None:
    """Return a key that two acts or grades share, or None."""
    seen: set[str] = set()
    for key in [*(act.key for act in keys.acts), *keys.codes.values()]:
        if key and key in seen:
            return key
        seen.add(key)
    return None
