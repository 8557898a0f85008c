"""The fields of a VICS case: what of them is ours, and the rest as it came."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tutela.casework.facts import storable
from tutela.casework.formats.vics_place import text_of
from tutela.casework.formats.vics_record import NOTE, Note, note_of, split

TITLE, SCHEME, EXHIBIT = "Tutela Title", "Tutela Scheme", "Tutela Exhibit"
ORIGIN, ORIGIN_VERSION = "Tutela Origin", "Tutela Origin Version"
OURS: Final = frozenset((TITLE, SCHEME, EXHIBIT, ORIGIN, ORIGIN_VERSION, NOTE))
OWN_NAME: Final = "Tutela"
# Written anew by every export, so never kept.
COUNTED: Final = ("TotalMediaFiles", "TotalPrecategorized")


class ExhibitSaid(msgspec.Struct, frozen=True):
    """What our own export says of an exhibit."""

    label: str
    device: str = ""
    source: str = ""
    skipped: int = 0
    failed: int = 0


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """A case of a file. `claimed` is its `TotalMediaFiles`, which is not to be trusted."""

    number: str
    title: str
    scheme: str
    claimed: int | None
    exhibits: tuple[ExhibitSaid, ...]
    notes: tuple[Note, ...]
    rest: str


def read(fields: dict[str, Any]) -> Head:
    """Return what the fields of a case say.

    Raises:
        RowError: they are nested too deeply to be kept.
    """
    rest = dict(fields)
    number = rest.get("CaseNumber")
    if isinstance(number, str):
        del rest["CaseNumber"]
    claimed = _number(rest.get("TotalMediaFiles"))
    for key in COUNTED:
        rest.pop(key, None)
    held = rest.get("CaseMetadata")
    ours: list[tuple[str, str]] = []
    if isinstance(held, list):
        ours, others = split(held, OURS)
        rest.pop("CaseMetadata")
        if others:
            rest["CaseMetadata"] = others
    own = rest.get("SourceApplicationName") == OWN_NAME
    said = {name: storable(value) for name, value in ours}
    for name, key in (
        (ORIGIN, "SourceApplicationName"),
        (ORIGIN_VERSION, "SourceApplicationVersion"),
    ):
        if own or ORIGIN in said:
            rest.pop(key, None)
        if said.get(name):
            rest[key] = said[name]
    organisation = rest.get("ContactOrganization")
    by = f" of {organisation}" if isinstance(organisation, str) and organisation else ""
    number = storable(number).strip() if isinstance(number, str) else ""
    return Head(
        number=number,
        title=said.get(TITLE, storable(f"Case {number}{by}")),
        scheme=said.get(SCHEME, ""),
        claimed=claimed,
        exhibits=tuple(_exhibits(ours)),
        notes=tuple(note_of(value) for name, value in ours if name == NOTE),
        rest=text_of(rest),
    )


def _exhibits(ours: list[tuple[str, str]]) -> list[ExhibitSaid]:
    found = []
    for name, value in ours:
        if name == EXHIBIT:
            try:
                found.append(msgspec.json.decode(value, type=ExhibitSaid))
            except msgspec.MsgspecError:
                continue
    return found


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:18])
    sound = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53
    return value if sound and isinstance(value, int) else None
