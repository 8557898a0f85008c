"""How grave a known thing is, by the codes of its list: a table that the agency owns."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Final

import msgspec

from tutela.core.errors import SettingsError

SHIPPED: Final = "severity.toml"
MAX_BYTES: Final = 256 * 1024
LEAST: Final = 1

Grave = Annotated[int, msgspec.Meta(ge=0, le=100)]


class Severity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of severities: scheme, code, how grave; 0 for what is no known thing."""

    version: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    codes: dict[str, dict[str, Grave]] = {}

    def of(self, codes: Sequence[Sequence[str]]) -> int:
        """Return how grave an entry with these (scheme, code) is: the gravest of them.

        One whose codes are all unknown counts as the least grave; 0 says that all are known to be
        no known thing.
        """
        found = [self.codes.get(_called(scheme), {}).get(code, LEAST) for scheme, code in codes]
        return max(found, default=LEAST)


def _called(scheme: str) -> str:
    """Return what a scheme is called here; lists name a VICS file's model and kind, too."""
    words = scheme.casefold().split("-")
    is_file = words[0] == "vics" and len(words) > 2
    return f"vics-{words[2]}" if is_file else scheme.casefold()


def load(path: Path | None = None) -> Severity:
    """Read the table of the agency, or the one that is shipped.

    Raises:
        SettingsError: it cannot be read, or says something unknown or out of range.
    """
    try:
        if path is None:
            data = (resources.files(__package__) / SHIPPED).read_bytes()
        else:
            with path.open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"the severities cannot be read: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise SettingsError("the severities are longer than 256 KiB")
    try:
        return msgspec.toml.decode(data, type=Severity, strict=False)
    except (msgspec.DecodeError, ValueError) as error:
        raise SettingsError(
            f"the severities do not hold: {error}", hint="compare the file with the one shipped"
        ) from error
