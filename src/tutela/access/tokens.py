"""Secrets that stand for somebody: 256 random bits, of which we keep the SHA-256 only.

A plain hash is enough: nobody can guess 256 random bits, so nothing is gained by a slow one.
"""

from __future__ import annotations

import hashlib
import secrets

TOKEN_BYTES = 32


def new_token() -> tuple[str, bytes]:
    """Return a token to give away, in URL-safe characters, and what to keep of it."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, hashed(token)


def hashed(token: str) -> bytes:
    """Return what is kept of a token: SHA-256 of its text."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
