"""What the library says of a list, and what an import reports."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tutela.core.entry import Classification, ListEntry, Role

# Alert lists of others often grade nothing; the entry then says so instead of being silent.
UNCLASSIFIED = Classification("unclassified", "unclassified")

_PRECEDENCE = (Role.ALERT, Role.IGNORABLE, Role.ALLOW)


class ClassCount(msgspec.Struct, frozen=True):
    """How many entries carry a classification, and which role they have by it."""

    scheme: str
    code: str
    role: Role
    entries: int


class ListInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One list of a library.

    `number` names it in the index and is never used again; `source_sha256` is that of the imported
    file; `rows` = `entries` + `quarantined`. `compared` counts the values that can match, by
    algorithm; `carried` counts all. `remarks` counts what was left out and why. `placeholders` are
    PhotoDNA values found on so many contents that they name none.
    """

    number: int
    name: str
    role: Role
    role_of: dict[str, Role]
    format: str
    source: str
    source_sha256: str
    source_bytes: int
    received_from: str
    received_at: datetime
    rows: int
    entries: int
    quarantined: int
    carried: dict[str, int]
    compared: dict[str, int]
    classifications: list[ClassCount]
    unclassified: int
    remarks: dict[str, int]
    placeholders: list[bytes]


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did: the list as it now stands, the one it replaced, and what to look at."""

    info: ListInfo
    replaced: int | None
    notes: list[str]


def role_of(entry: ListEntry, role: Role, by_code: dict[str, Role]) -> Role:
    """Return the role of an entry: that of its gravest classification, else that of its list."""
    if not by_code:
        return role
    roles = {by_code.get(c.code, role) for c in entry.classifications} or {role}
    return next(r for r in _PRECEDENCE if r in roles)
