"""How gently hosts are asked: back-off, mirrors that share one pace, and when limits may go."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = timedelta(hours=1)
LONGEST_ASKED_WAIT: Final = timedelta(days=1)  # Retry-After says what it likes
_FIRST_WAIT: Final = timedelta(seconds=5)
_FIRST_RETRY: Final = timedelta(seconds=30)
_DOUBLINGS: Final = 16
_LONGEST_NUMBER: Final = 18  # digits


def backed_off(backoff: int, asked_s: float) -> timedelta:
    """Return for how long a host is left alone that was overloaded `backoff` times in a row.

    Args:
        backoff: From 1 on.
        asked_s: Seconds that it asked for itself (Retry-After), 0 for none.
    """
    own = min(_FIRST_WAIT * (1 << min(backoff - 1, _DOUBLINGS)), LONGEST_WAIT)
    return max(own, bounded(asked_s))


def retry_after(value: str, moment: datetime) -> float:
    """Return the seconds that a Retry-After asks for, 0 where it asks for none or cannot be read.

    Args:
        value: Of the header: seconds or a date (RFC 9110, section 10.2.3).
        moment: What time it is.
    """
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return bounded(float(text[:_LONGEST_NUMBER])).total_seconds()
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return bounded((aware - moment).total_seconds()).total_seconds()


def retried(tries: int) -> timedelta:
    """Return after how long a URL that failed `tries` times is tried again."""
    return min(_FIRST_RETRY * (1 << min(2 * tries - 2, _DOUBLINGS)), LONGEST_WAIT)


def is_private(authorities: Sequence[str]) -> bool:
    """Tell whether a tor with these directory authorities (addresses) lives on loopback alone.

    Only then may the limits be taken off onion services: they are this machine as well. A tor
    without authorities of its own uses the public network.
    """
    try:
        return bool(authorities) and all(
            ipaddress.ip_address(one).is_loopback for one in authorities
        )
    except ValueError:
        return False


def bounded(seconds: float) -> timedelta:
    """Return a wait that somebody asked for, as far as it is heeded."""
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_ASKED_WAIT.total_seconds()))
