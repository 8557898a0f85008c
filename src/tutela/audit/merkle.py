"""The Merkle tree of RFC 6962, section 2.1: leaves are appended, the root commits to all of them.

Verification of proofs follows RFC 9162, sections 2.1.3.2 and 2.1.4.2, which says step by step what
RFC 6962 leaves to the reader; the trees are the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

# Gives the root of the tree over the leaves from `start` to before `end`.
RootOf = Callable[[int, int], bytes]


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

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaf hashes."""
        for leaf in leaves:
            self.push(leaf)

    def root(self) -> bytes:
        """Return the root of the tree as it is."""
        if not self._peaks:
            return EMPTY_ROOT
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def peaks(self) -> list[tuple[int, int, bytes]]:
        """Return the full subtrees, each as first leaf, the one after its last, and root."""
        made, start = [], 0
        for peak in self._peaks:
            end = start + (1 << ((self.size - start).bit_length() - 1))
            made.append((start, end, peak))
            start = end
        return made

    @property
    def packed(self) -> bytes:
        """The peaks, one after another."""
        return b"".join(self._peaks)


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes (RFC 6962, section 2.1)."""
    frontier = Frontier()
    frontier.extend(leaves)
    return frontier.root()


def inclusion_path(index: int, size: int) -> list[tuple[int, int]]:
    """Return the subtrees, as ranges of leaves, that prove a leaf (RFC 6962, section 2.1.1).

    They go from the leaf's sibling up to the root's child.

    Raises:
        ValueError: there is no such leaf in a tree of this size.
    """
    if not 0 <= index < size:
        raise ValueError("a leaf that is not in the tree")
    path, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start = middle
    return path[::-1]


def consistency_path(old: int, new: int) -> list[tuple[int, int]]:
    """Return the subtrees that prove that one tree begins with another (RFC 6962, section 2.1.2).

    Raises:
        ValueError: the older tree is larger, or is empty, which proves nothing.
    """
    if not 0 < old <= new:
        raise ValueError("no proof from a tree of this size to one of that")
    path, start, end, whole = [], 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append((middle, end))
            end = middle
        else:
            path.append((start, middle))
            start, whole = middle, False
    if not whole:
        path.append((start, end))
    return path[::-1]


def verify_inclusion(
    index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> bool:
    """Tell whether a leaf hash is at `index` of the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    at, last, made = index, size - 1, leaf
    for node in proof:
        if last == 0:
            return False
        if at % 2 or at == last:
            made = node_hash(node, made)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            made = node_hash(made, node)
        at, last = at >> 1, last >> 1
    return last == 0 and made == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether the tree of size `new` begins with that of size `old` (RFC 9162, 2.1.4.2).

    Of two equal sizes the roots must be equal; from an empty tree everything follows.
    """
    if not 0 <= old <= new:
        return False
    if old in {0, new}:
        return not proof and (old_root == new_root if old else old_root == EMPTY_ROOT)
    nodes = list(proof)
    if old & (old - 1) == 0:
        nodes.insert(0, old_root)
    if not nodes:
        return False
    at, last = old - 1, new - 1
    while at % 2:
        at, last = at >> 1, last >> 1
    older = newer = nodes[0]
    for node in nodes[1:]:
        if last == 0:
            return False
        if at % 2 or at == last:
            older, newer = node_hash(node, older), node_hash(node, newer)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            newer = node_hash(newer, node)
        at, last = at >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << ((size - 1).bit_length() - 1)
