"""Limits of tries to sign in: for each account name and for each address, known or not.

After some free tries each further one closes the door for twice as long as the one before, up to
half an hour; that is below 100 tries a day, and NIST SP 800-63B, section 5.2.2, wants at most 100
in a row. A try is counted before it is looked at, so that many at once are many.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import delete, func, insert, select

from tutela.core.errors import AccessError
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import Attempt

FREE_BY_NAME = 5
FREE_BY_ADDRESS = 20
FIRST_LOCK_S = 60
LONGEST_LOCK_S = 1_800
WINDOW = timedelta(hours=24)


class Try(NamedTuple):
    """One try that was counted; `ids` are its rows, `subjects` what it was counted against."""

    ids: tuple[int, ...]
    subjects: tuple[bytes, ...]


def begin(database: Database, name: str, address: str) -> Try:
    """Count a try, or refuse it.

    Args:
        database: Where tries are counted.
        name: The account name as typed; empty where none is (a passkey tells only afterwards).
        address: IP address of the browser; of IPv6 the first 64 bits count.

    Raises:
        AccessError: code `locked`: too many tries; the sentence says how long to wait.
    """
    limits = {_hash("address", network(address)): FREE_BY_ADDRESS}
    if name:
        limits[_hash("account", name)] = FREE_BY_NAME
    moment = now()
    rows = [{"subject": subject, "at": moment} for subject in limits]
    with database.write() as tx:
        made = tx.execute(insert(Attempt).returning(Attempt.id), rows)
        this = Try(tuple(made.scalars()), tuple(limits))
    # Looked at after the commit: of two tries at one moment at least one sees the other.
    wait_s = 0.0
    with database.write() as tx:
        for subject, free in limits.items():
            count, last = tx.execute(
                select(func.count(), func.max(Attempt.at)).where(
                    Attempt.subject == subject,
                    Attempt.at > moment - WINDOW,
                    Attempt.id.not_in(this.ids),
                )
            ).one()
            wait_s = max(wait_s, _wait_s(count - free, last, moment))
        if wait_s > 0:  # what was never looked at closes the door no longer
            tx.execute(delete(Attempt).where(Attempt.id.in_(this.ids)))
    if wait_s > 0:
        minutes = math.ceil(wait_s / 60)
        raise AccessError(
            "there were too many tries to sign in",
            code="locked",
            hint="try again in 1 minute" if minutes == 1 else f"try again in {minutes} minutes",
        )
    return this


def succeeded(database: Database, this: Try) -> None:
    """Forget the tries at this account, this one from its address, and all old ones."""
    _address, *name = this.subjects
    with database.write() as tx:
        tx.execute(
            delete(Attempt).where(
                Attempt.subject.in_(name) | Attempt.id.in_(this.ids) | (Attempt.at < now() - WINDOW)
            )
        )


def network(address: str) -> str:
    """Return what one customer has of the network: an IPv4 address, or 64 bits of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


def _wait_s(over: int, last: datetime | None, moment: datetime) -> float:
    if over < 0 or last is None:
        return 0.0
    lock_s = min(FIRST_LOCK_S << min(over, 16), LONGEST_LOCK_S)
    return lock_s - (moment - last).total_seconds()


def _hash(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}:{text}".encode("utf-8", "surrogatepass")).digest()
