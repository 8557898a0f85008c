"""Which token a request carries: each protocol of the field has its own place for it.

All stand for the same thing, an account of a program. Bearer (ours), Basic (NCMEC: the account's
name and its token), `x-functions-key` (StopNCII), `access_token=NUMBER|TOKEN` (ThreatExchange).
"""

from __future__ import annotations

import base64
import binascii

from litestar.connection import ASGIConnection


def token_of(connection: ASGIConnection) -> str | None:  # type: ignore[type-arg]  # of any handler
    """Return the token of a request, or None where it carries none."""
    kind, _, rest = connection.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return rest.strip() or None
    if kind.lower() == "basic":
        try:
            _, _, secret = base64.b64decode(rest, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return secret or None
    if key := connection.headers.get("x-functions-key"):
        return key
    _, bar, secret = connection.query_params.get("access_token", "").partition("|")
    return secret if bar and secret else None
