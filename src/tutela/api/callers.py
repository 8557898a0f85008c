"""Whom credentials stood for a moment ago, for routes that are asked hundreds of times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from tutela.access import tokens
from tutela.access.model import Permission
from tutela.api.credentials import Credential
from tutela.core.principal import Principal

# A token that was taken away is taken so long still, by routes that remember.
KEPT_S = 5.0
_KEPT = 10_000

_Key = tuple[bytes, str | None, str | None, Permission]


class _Kept(NamedTuple):
    who: Principal
    until_s: float


class Callers:
    """Remembers who was let in; the token itself is not kept."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[_Key, _Kept] = {}

    def known(self, credential: Credential, needs: Permission) -> Principal | None:
        """Return who came with this credential for the same just now, or None."""
        kept = self._kept.get(_key(credential, needs))
        return kept.who if kept is not None and kept.until_s > self._clock() else None

    def remember(self, credential: Credential, needs: Permission, who: Principal) -> None:
        """Remember who was let in."""
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        self._kept[_key(credential, needs)] = _Kept(who, self._clock() + KEPT_S)


def _key(credential: Credential, needs: Permission) -> _Key:
    return tokens.hashed(credential.token), credential.name, credential.organisation, needs
