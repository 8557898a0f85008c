"""Which client a subscription has."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from tutela.core.errors import UsageError
from tutela.exchange.clients import credential, ncmec, stopncii, threatexchange
from tutela.exchange.clients.role import Client
from tutela.exchange.subscribe.subscription import Subscription
from tutela.fetch.http import origin

_GROUP = re.compile(r"[0-9]{1,20}")
_HERE = {"localhost", "127.0.0.1", "::1"}


def client_of(subscription: Subscription) -> Client:
    """Return the client of a subscription, with its credential.

    Raises:
        ServiceError: the credential cannot be read.
        UsageError: others can read it, or it is none; the address would send it in the clear, or
            holds one itself; or what the kind needs beside it is not there.
    """
    _check(subscription.url)
    return _CLIENTS[subscription.kind](subscription, Path(subscription.credential))


def _ncmec(subscription: Subscription, file: Path) -> Client:
    _no_lists(subscription)
    return ncmec.Ncmec(subscription.url, credential.read(file, credential.NcmecCredential))


def _stopncii(subscription: Subscription, file: Path) -> Client:
    _no_lists(subscription)
    known = credential.read(file, credential.StopNciiCredential)
    return stopncii.StopNcii(subscription.url, known)


def _threatexchange(subscription: Subscription, file: Path) -> Client:
    if len(subscription.wanted) != 1 or not _GROUP.fullmatch(subscription.wanted[0]):
        raise UsageError("name the privacy group by its number", hint="--list 1234567890")
    known = credential.read(file, credential.ThreatExchangeCredential)
    return threatexchange.ThreatExchange(subscription.url, known, subscription.wanted[0])


_CLIENTS: Final[Mapping[str, Callable[[Subscription, Path], Client]]] = {
    ncmec.KIND: _ncmec,
    stopncii.KIND: _stopncii,
    threatexchange.KIND: _threatexchange,
}
KINDS: Final = tuple(_CLIENTS)


def _no_lists(subscription: Subscription) -> None:
    if subscription.wanted:
        raise UsageError("this source is one list, and has no others to name", hint="no --list")


def _check(url: str) -> None:
    scheme, host, _ = origin(url)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise UsageError(
            "the address is to have neither a credential nor a query",
            hint="the credential goes into a file of its own: --credential",
        )
    if scheme != "https" and host not in _HERE:
        raise UsageError(
            "the credential would go through the network in the clear",
            code="plain_http",
            hint="https://",
        )
