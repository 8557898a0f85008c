"""Lists as banks of Meta's Hasher-Matcher-Actioner (HMA 1.1).

Source: HMA's OpenAPI (`OpenMediaMatch/schemas/curation.py`); the shapes of it that are used stand
in the tests.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final

from tutela.api.protocols.paging import second_of
from tutela.api.protocols.values import code_tags, pdq_of
from tutela.exchange.model import Content, Listed, ListView

API: Final = "tutela"
SIGNALS: Final = ("pdq", "video_md5", "video_sha256")
CONTENTS: Final = ("photo", "video")
BANK: Final = re.compile("[A-Z_][A-Z0-9_]*")
_ENABLED: Final = 1  # HMA's word for content that matches


def bank_name(view: ListView) -> str:
    """Return the name of the bank that a list is."""
    return bank_called(view.name)


def bank_called(name: str) -> str:
    """Return a list's name as a bank's: `^[A-Z_][A-Z0-9_]*$`. List names have no underscore."""
    return name.upper().replace("-", "_")


def list_name(bank: str) -> str:
    """Return the name of the list that a bank is, or something that no list is called."""
    sound = BANK.fullmatch(bank) is not None
    return bank.replace("_", "-").lower() if sound else ""


def bank(view: ListView) -> dict[str, Any]:
    """Return a list as a bank."""
    return {"name": bank_name(view), "matching_enabled_ratio": 1.0}


def signals(listed: Listed) -> dict[str, str]:
    """Return the values of an entry that HMA has a signal type for."""
    if listed.content is Content.IMAGE:
        pdq = pdq_of(listed)
        return {"pdq": pdq} if pdq else {}
    found = {"video_md5": listed.digests.md5, "video_sha256": listed.digests.sha256}
    return {name: value.hex() for name, value in found.items() if value}


def content(
    view: ListView, listed: Listed, *, with_signals: bool, with_metadata: bool
) -> dict[str, Any]:
    """Return an entry as content of a bank."""
    said: dict[str, Any] = {
        "id": listed.id,
        "disable_until_ts": _ENABLED,
        "original_media_uri": None,
        "bank": bank(view),
        "note": None,
    }
    if with_signals:
        said["signals"] = signals(listed)
    if with_metadata:
        said["metadata"] = {
            "content_id": str(listed.id),
            "content_uri": None,
            "json": {
                "state": listed.state,
                "source": listed.source,
                "reference": listed.reference,
                "tags": code_tags(listed),
            },
            "collab": {bank_name(view): [str(listed.id)]},
        }
    return said


def exchange(view: ListView) -> dict[str, Any]:
    """Return a list of another organisation as the exchange that it comes by."""
    return {
        "name": bank_name(view),
        "api": API,
        "enabled": view.state == "open",
        "owner": view.owner,
        "credential_status": {"supports_auth": True, "has_credentials": True, "source": "api"},
    }


def fetched(at: datetime) -> dict[str, Any]:
    """Return how far an exchange got: there is nothing to fetch, the list is here."""
    return {
        "checkpoint_ts": second_of(at),
        "running_fetch_start_ts": None,
        "last_fetch_complete_ts": second_of(at),
        "last_fetch_succeeded": True,
        "up_to_date": True,
        "fetched_items": 0,
    }
