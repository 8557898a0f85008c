"""Entries as JSON of Meta's ThreatExchange (Graph API), and reactions to them.

Every value of an entry is an indicator of its own there, with one descriptor: what we say of it.
Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/fb_threatexchange/`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from tutela.api.protocols.paging import NUMBER, second_of
from tutela.api.protocols.values import code_tags, pdq_of
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.ids import EntryId
from tutela.core.media import PDQ
from tutela.exchange.model import SERVED, Content, EntryState, Listed, ListView, Verdict
from tutela.exchange.protocols.graph import REACTIONS

# Numbers below are lists (privacy groups); ours of indicators and descriptors lie beyond.
FIRST_OBJECT: Final = 10**12
_KINDS: Final = 16
_DESCRIPTOR: Final = 8
# The place of an algorithm in an object's number; never renumber, clients keep these.
_ALGORITHMS: Final = (PDQ, "md5", "sha1", "sha256")

_TYPES: Final[Mapping[tuple[Content, str], tuple[str, str]]] = {
    (Content.IMAGE, PDQ): ("HASH_PDQ", "media_type_photo"),
    (Content.IMAGE, "md5"): ("HASH_MD5", "media_type_photo"),
    (Content.IMAGE, "sha1"): ("HASH_SHA1", "media_type_photo"),
    (Content.IMAGE, "sha256"): ("HASH_SHA256", "media_type_photo"),
    (Content.VIDEO, "md5"): ("HASH_VIDEO_MD5", "media_type_video"),
    (Content.VIDEO, "sha1"): ("HASH_SHA1", "media_type_video"),
    (Content.VIDEO, "sha256"): ("HASH_VIDEO_SHA256", "media_type_video"),
}


class Object(NamedTuple):
    """An indicator or descriptor: one value of an entry."""

    entry_id: EntryId
    algorithm: str
    descriptor: bool


class Indicator(NamedTuple):
    """A value as the protocol has it."""

    number: int
    descriptor: int
    kind: str
    tag: str
    value: str


def indicators(listed: Listed) -> Iterator[Indicator]:
    """Give the values of an entry that the protocol has a type for."""
    values = {
        PDQ: pdq_of(listed),
        "md5": listed.digests.md5 and listed.digests.md5.hex(),
        "sha1": listed.digests.sha1 and listed.digests.sha1.hex(),
        "sha256": listed.digests.sha256 and listed.digests.sha256.hex(),
    }
    for place, algorithm in enumerate(_ALGORITHMS):
        value, kind = values[algorithm], _TYPES.get((listed.content, algorithm))
        if value and kind:
            first = FIRST_OBJECT + listed.id * _KINDS + place
            yield Indicator(first, first + _DESCRIPTOR, *kind, value)


def object_of(text: str) -> Object | None:
    """Return what the number of an indicator or descriptor stands for, or None."""
    if NUMBER.fullmatch(text) is None or int(text) < FIRST_OBJECT:
        return None
    entry_id, kind = divmod(int(text) - FIRST_OBJECT, _KINDS)
    place = kind % _DESCRIPTOR
    if place >= len(_ALGORITHMS):
        return None
    return Object(EntryId(entry_id), _ALGORITHMS[place], kind >= _DESCRIPTOR)


def update(listed: Listed, indicator: Indicator, role: Role) -> dict[str, Any]:
    """Return an item of `threat_updates`; what ceased has no descriptor and is to be deleted."""
    said: dict[str, Any] = {
        "id": str(indicator.number),
        "indicator": indicator.value,
        "type": indicator.kind,
        "last_updated": second_of(listed.changed_at),
        "should_delete": listed.state not in SERVED,
    }
    if listed.state in SERVED:
        said["descriptors"] = {"data": [descriptor(listed, indicator, role)]}
    return said


def forgotten(listed: Listed) -> Iterator[dict[str, Any]]:
    """Give items that name an entry by its numbers alone, for clients that keep those.

    To a client that keeps values they are deletions of something that it never had.
    """
    for place, algorithm in enumerate(_ALGORITHMS):
        if kind := _TYPES.get((listed.content, algorithm)):
            number = FIRST_OBJECT + listed.id * _KINDS + place
            yield update(listed, Indicator(number, number + _DESCRIPTOR, *kind, ""), Role.ALERT)


def descriptor(listed: Listed, indicator: Indicator, role: Role) -> dict[str, Any]:
    """Return what is said of an indicator, and by whom."""
    tags = [indicator.tag, *code_tags(listed)]
    return {
        "id": str(indicator.descriptor),
        "raw_indicator": indicator.value,
        "type": indicator.kind,
        "owner": {"id": str(listed.source_id), "name": listed.source},
        "status": _status(listed, role),
        "tags": {"data": [{"id": tag_id(text), "text": text} for text in tags]},
        "reactions": [],
        "my_reactions": [],
        "added_on": _time(listed.changed_at),
        "last_updated": _time(listed.changed_at),
        "description": listed.reference,
        "confidence": 50 if listed.state is EntryState.DISPUTED else 100,
        "review_status": "REVIEWED_MANUALLY",
        "severity": "SEVERE" if role is Role.ALERT else "INFO",
        "share_level": "RED",
        "privacy_type": "HAS_PRIVACY_GROUP",
    }


def told_until(until: datetime) -> dict[str, Any]:
    """Return the item that ends the last page: everything up to this second was told.

    To the client it is a deletion of something that it never had. Without it a page could be
    empty, which trips an assertion of that client, and whatever was changed in the last second
    would be sent again at each sync.
    """
    return {
        "id": "0",
        "indicator": "",
        "type": "DEBUG_STRING",
        "last_updated": second_of(until),
        "should_delete": True,
    }


def group(view: ListView, at: datetime) -> dict[str, Any]:
    """Return a list as a privacy group."""
    return {
        "id": str(view.id),
        "name": view.title or view.name,
        "description": view.purpose,
        "members_can_see": False,
        "members_can_use": True,
        "threat_updates_enabled": True,
        "added_on": _time(at),
        "last_updated": _time(at),
    }


def reaction(text: str) -> Verdict:
    """Return what a reaction says of an entry.

    Raises:
        UsageError: it says nothing that is kept here.
    """
    if text not in REACTIONS:
        raise UsageError(
            "this reaction is not kept here",
            code="parameter",
            hint=f"reactions that are: {', '.join(REACTIONS)}",
        )
    return REACTIONS[text]


def value_of(text: str | None) -> bytes:
    """Read a whole value to search for: there is no search by parts of one.

    Raises:
        UsageError: it is no value that entries are found by.
    """
    try:
        value = bytes.fromhex(text or "")
    except ValueError:
        value = b""
    if not algorithms_of(value):
        raise UsageError(
            "text is a whole PDQ, MD5 or SHA-256 in hexadecimal",
            code="parameter",
            hint="threat_updates gives all entries of a list",
        )
    return value


def algorithms_of(value: bytes) -> tuple[str, ...]:
    """Return which values of an entry this one may be, by its length."""
    return {32: (PDQ, "sha256"), 16: ("md5",)}.get(len(value), ())


def tag_id(text: str) -> str:
    """Return the number of a tag: the same wherever the same word is used."""
    return str(FIRST_OBJECT + int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]))


def _status(listed: Listed, role: Role) -> str:
    if role is not Role.ALERT:
        return "NON_MALICIOUS"
    return "SUSPICIOUS" if listed.state is EntryState.DISPUTED else "MALICIOUS"


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")
