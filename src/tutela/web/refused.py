"""A form that was refused, while its page is shown again with what was typed and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tutela.core.errors import UsageError


class Refused(msgspec.Struct, frozen=True):
    """What was wrong with a form: the address that it went to, and its fields."""

    problem: UsageError | None = None
    path: str = ""
    typed: Mapping[str, object] = {}

    def at(self, path: str, **same: object) -> Mapping[str, object]:
        """Return what was typed into the form that goes to `path`, or nothing if it was another.

        Of several such forms on one page, the one is meant that has the `same` values.
        """
        fits = all(str(self.typed.get(name, "")) == str(value) for name, value in same.items())
        return self.typed if self.problem is not None and path == self.path and fits else {}


NOTHING = Refused()
