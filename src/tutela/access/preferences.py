"""What people set for themselves: keys, blur, language, breaks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.store.bulk import upsert_rows
from tutela.store.tables.access import Preference

NAME = re.compile(r"[a-z][a-z0-9_.-]{0,63}")
LARGEST_BYTES = 16_384


def read(tx: Connection, who: Principal, name: str) -> dict[str, Any]:
    """Return the own preferences of this name; empty where nothing was set."""
    require(tx, who, Permission.OWN)
    found = tx.execute(
        select(Preference.value).where(
            Preference.account_id == who.account_id, Preference.name == name
        )
    ).scalar_one_or_none()
    return dict(found or {})


def write(tx: Connection, who: Principal, name: str, value: Mapping[str, Any]) -> None:
    """Set the own preferences of this name.

    Raises:
        UsageError: `who` is no account, the name is none, or the value is larger than 16 KiB.
    """
    require(tx, who, Permission.OWN)
    if who.account_id is None:
        raise UsageError(f"{who.name} is no account, and has no preferences")
    if not NAME.fullmatch(name) or len(msgspec.json.encode(value)) > LARGEST_BYTES:
        raise UsageError("preferences have a short name and at most 16 KiB")
    upsert_rows(
        tx, Preference, [{"account_id": who.account_id, "name": name, "value": dict(value)}]
    )
    log.record(tx, who, "preference.set", f"account:{who.account_id}", name=name)
