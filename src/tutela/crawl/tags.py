"""What logs call URLs and hosts: keyed BLAKE2b, which nobody can try words against.

The key is that of an order, so that two orders' logs do not tell that they met the same page.
"""

from __future__ import annotations

import hashlib
from typing import Final

TAG_BYTES: Final = 16
KEY_BYTES: Final = 32


def of_url(key: bytes, url: str) -> bytes:
    """Return the tag of a URL in its one form, 16 bytes."""
    return hashlib.blake2b(url.encode(), key=key, digest_size=TAG_BYTES, person=b"url").digest()


def of_host(key: bytes, host: str) -> bytes:
    """Return the tag of a host in its one form, 16 bytes."""
    return hashlib.blake2b(host.encode(), key=key, digest_size=TAG_BYTES, person=b"host").digest()
