"""Profiles of VICS 2.0: which of our schemes has the numbers of `Category`. Data, not code.

The numbers of the UK, Canada and Australia are in no public text. Their schemes are empty until an
agency fills them in; until then a category of such a file is kept under a name of its own
(`vics-2.0-UK-cases`), and a grade of ours leaves `Category` null.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Final

import msgspec
from sqlalchemy import Connection

from tutela.casework import scheme as schemes
from tutela.core.errors import UsageError
from tutela.hashlist.formats.vics_model import Model

_FOLDER: Final = "profiles"


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A profile: its name in the root of a file, and the scheme that its numbers belong to.

    `scheme` is empty where the profile says nothing of numbers; `aliases` are other names seen.
    """

    name: str
    title: str
    source: str
    scheme: str = ""
    aliases: tuple[str, ...] = ()


@functools.cache
def profiles() -> dict[str, Profile]:
    """Return all profiles by name."""
    folder = resources.files(__package__) / _FOLDER
    found = [
        msgspec.toml.decode(file.read_bytes(), type=Profile)
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    ]
    return {profile.name: profile for profile in sorted(found, key=lambda p: p.name)}


def named(name: str) -> Profile:
    """Return a profile to write.

    Raises:
        UsageError: there is none of this name.
    """
    profile = profiles().get(name)
    if profile is None:
        raise UsageError(
            f"unknown VICS profile {name!r}", hint=f"choose one of {', '.join(profiles())}"
        )
    return profile


def scheme_of(model: Model) -> str:
    """Return the scheme of the numbers of a file; empty where nothing public says it."""
    if model.version != "2.0":
        return ""
    for profile in profiles().values():
        if model.profile.casefold() in {n.casefold() for n in (profile.name, *profile.aliases)}:
            return profile.scheme
    return ""


def codes(tx: Connection, scheme: str) -> frozenset[str]:
    """Return the codes of a scheme; none where there is no such scheme."""
    if not scheme:
        return frozenset()
    try:
        return frozenset(code.code for code in schemes.load(tx, scheme).codes)
    except UsageError:
        return frozenset()
