"""MD5, SHA-1 and SHA-256 of one content in one read."""

from __future__ import annotations

import hashlib

from tutela.core.media import Digests


class Digester:
    """Takes the blocks of one content in order and gives its three digests.

    MD5 and SHA-1 are here because hash lists hold them; neither is relied on alone.
    """

    def __init__(self) -> None:
        # usedforsecurity=False: FIPS builds of OpenSSL refuse MD5 otherwise.
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha1 = hashlib.sha1(usedforsecurity=False)
        self._sha256 = hashlib.sha256()

    def update(self, block: bytes | memoryview) -> None:
        """Take the next block."""
        self._md5.update(block)
        self._sha1.update(block)
        self._sha256.update(block)

    def result(self) -> Digests:
        """Return the digests of all blocks so far."""
        return Digests(
            md5=self._md5.digest(), sha1=self._sha1.digest(), sha256=self._sha256.digest()
        )


def digests(data: bytes | memoryview) -> Digests:
    """Return the three digests of `data`."""
    digester = Digester()
    digester.update(data)
    return digester.result()
