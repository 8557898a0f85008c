"""Which token a request carries: each protocol of the field has its own place for it.

All stand for the same thing, an account of a program. What a protocol sends beside the token must
be that account's as well: a client that was given one half of another's credentials is told so.

* Ours: `Authorization: Bearer TOKEN`.
* NCMEC: Basic, the account's name and its token.
* StopNCII: `x-functions-key: TOKEN` and `Ocp-Apim-Subscription-Key`, the account's name.
* ThreatExchange: `access_token=NUMBER|TOKEN`, NUMBER being that of the account's organisation,
  filled up with zeros to eight digits as the field's client wants it.
"""

from __future__ import annotations

import base64
import binascii
import re

import msgspec
from litestar.connection import ASGIConnection

from tutela.core.ids import OrganisationId
from tutela.core.principal import Principal

LONGEST_TOKEN = 512
APP_ID = re.compile(r"[0-9]{1,18}")


class Credential(msgspec.Struct, frozen=True):
    """A token, and what came with it: the name of an account, or the number of an organisation."""

    token: str
    name: str | None = None
    organisation: str | None = None

    def fits(self, who: Principal) -> bool:
        """Tell whether what came with the token is that of the account that it stands for."""
        if self.name is not None and self.name.strip().lower() != who.name:
            return False
        return self.organisation is None or (
            APP_ID.fullmatch(self.organisation) is not None
            and int(self.organisation) == who.organisation_id
        )


def credential_of(connection: ASGIConnection) -> Credential | None:  # type: ignore[type-arg]  # of any handler
    """Return the credential of a request, or None where it carries none."""
    found = _found(connection)
    return found if found is not None and 0 < len(found.token) <= LONGEST_TOKEN else None


def graph_token(organisation_id: OrganisationId, token: str) -> str:
    """Return a token as the client of ThreatExchange takes it."""
    return f"{organisation_id:08d}|{token}"


def _found(connection: ASGIConnection) -> Credential | None:  # type: ignore[type-arg]  # as above
    kind, _, rest = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return Credential(rest.strip())
    if kind.lower() == "basic":
        try:
            name, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return Credential(secret, name)
    if key := connection.headers.get("x-functions-key"):
        return Credential(key, connection.headers.get("ocp-apim-subscription-key"))
    number, bar, secret = connection.query_params.get("access_token", "").partition("|")
    return Credential(secret, organisation=number) if bar else None
