"""The Merkle tree of RFC 6962, section 2.1: leaves are appended, the root commits to all of them."""

from __future__ import annotations

import hashlib

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    """Return the hash of a leaf: SHA-256 over 0x00 and the body."""
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node: SHA-256 over 0x01 and both children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the full subtrees of a growing tree, largest first: all that appending needs.

    There is one for every bit set in `size`; `packed` is their concatenation.
    """

    def __init__(self, size: int = 0, packed: bytes = b"") -> None:
        if len(packed) != HASH_BYTES * size.bit_count():
            raise ValueError("a frontier that does not fit its size")
        self.size = size
        self._peaks = [packed[at : at + HASH_BYTES] for at in range(0, len(packed), HASH_BYTES)]

    def push(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        merges = (~self.size & (self.size + 1)).bit_length() - 1
        for _ in range(merges):
            leaf = node_hash(self._peaks.pop(), leaf)
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    @property
    def packed(self) -> bytes:
        """The peaks, one after another."""
        return b"".join(self._peaks)
