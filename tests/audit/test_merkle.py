"""The tree of RFC 6962, held against the vectors that logs are tested with and a plain reference.

The vectors are those of the Certificate Transparency code base, which RFC 6962 was written beside.
"""

from __future__ import annotations

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.audit import merkle

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
# (index, size, proof)
INCLUSION = [
    (0, 1, []),
    (
        0,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        5,
        8,
        [
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        1,
        5,
        [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
CONSISTENCY = [
    (1, 1, []),
    (
        1,
        8,
        [
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        [
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        [
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
]
# RFC 6962 says "all sizes": these are few enough to try every pair.
SIZES = 72
LEAVES = [merkle.leaf_hash(str(number).encode()) for number in range(300)]


@cache
def plain(start: int, end: int) -> bytes:
    """MTH, word for word as section 2.1 defines it."""
    count = end - start
    if count == 0:
        return hashlib.sha256(b"").digest()
    if count == 1:
        return LEAVES[start]
    k = 1
    while k * 2 < count:
        k *= 2
    return hashlib.sha256(b"\x01" + plain(start, start + k) + plain(start + k, end)).digest()


def plain_path(m: int, start: int, end: int) -> list[bytes]:
    """PATH of section 2.1.1."""
    if end - start == 1:
        return []
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m < k:
        return [*plain_path(m, start, start + k), plain(start + k, end)]
    return [*plain_path(m - k, start + k, end), plain(start, start + k)]


def plain_subproof(m: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.2."""
    n = end - start
    if m == n:
        return [] if whole else [plain(start, end)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*plain_subproof(m, start, start + k, whole=whole), plain(start + k, end)]
    return [
        *plain_subproof(m - k, start + k, end, whole=False),
        plain(start, start + k),
    ]


def inclusion(index: int, size: int) -> list[bytes]:
    return [plain(*part) for part in merkle.inclusion_path(index, size)]


def consistency(old: int, new: int) -> list[bytes]:
    return [plain(*part) for part in merkle.consistency_path(old, new)]


def test_the_roots_of_the_known_tree():
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES]
    assert [merkle.root_of(leaves[:size]).hex() for size in range(9)] == ROOTS


def test_the_proofs_of_the_known_tree():
    leaves = [merkle.leaf_hash(entry) for entry in ENTRIES]
    roots = [bytes.fromhex(root) for root in ROOTS]
    for index, size, proof in INCLUSION:
        made = [merkle.root_of(leaves[slice(*part)]) for part in merkle.inclusion_path(index, size)]
        assert [node.hex() for node in made] == proof
        assert merkle.verify_inclusion(index, size, leaves[index], made, roots[size])
    for old, new, proof in CONSISTENCY:
        made = [merkle.root_of(leaves[slice(*part)]) for part in merkle.consistency_path(old, new)]
        assert [node.hex() for node in made] == proof
        assert merkle.verify_consistency(old, new, roots[old], roots[new], made)


def test_proofs_are_those_of_the_definition_for_every_size():
    for size in range(1, SIZES):
        for index in range(size):
            proof = inclusion(index, size)
            assert proof == plain_path(index, 0, size)
            assert merkle.verify_inclusion(index, size, LEAVES[index], proof, plain(0, size))
            proof = consistency(index + 1, size)
            assert proof == plain_subproof(index + 1, 0, size, whole=True)
            roots = plain(0, index + 1), plain(0, size)
            assert merkle.verify_consistency(index + 1, size, *roots, proof)


@given(st.integers(1, 300), st.data())
def test_proofs_of_larger_trees_verify(size, data):
    index = data.draw(st.integers(0, size - 1))
    assert merkle.verify_inclusion(
        index, size, LEAVES[index], inclusion(index, size), plain(0, size)
    )
    assert merkle.verify_consistency(
        index + 1, size, plain(0, index + 1), plain(0, size), consistency(index + 1, size)
    )


def spoiled(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that are near to a good one."""
    made = [[*proof, LEAVES[0]], [LEAVES[0], *proof]]
    for at in range(len(proof)):
        made.append(proof[:at] + proof[at + 1 :])
        made.append([*proof[:at], bytes([proof[at][0] ^ 1]) + proof[at][1:], *proof[at + 1 :]])
    if len(proof) > 1:
        made.append(proof[::-1])
    return made


@given(st.integers(2, 200), st.data())
def test_wrong_proofs_of_inclusion_are_refused(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, leaf, root = inclusion(index, size), LEAVES[index], plain(0, size)
    for wrong in spoiled(proof):
        assert not merkle.verify_inclusion(index, size, leaf, wrong, root)
    for other in {0, size - 1, (index + 1) % size, index ^ 1} - {index}:
        assert not merkle.verify_inclusion(other, size, leaf, proof, root)
    assert not merkle.verify_inclusion(index, size, LEAVES[-1], proof, root)
    assert not merkle.verify_inclusion(index, size, leaf, proof, LEAVES[0])
    for nowhere in (-1, size, size + 1):
        assert not merkle.verify_inclusion(nowhere, size, leaf, proof, root)


@given(st.integers(2, 200), st.data())
def test_wrong_proofs_of_consistency_are_refused(new, data):
    old = data.draw(st.integers(1, new - 1))
    proof, roots = consistency(old, new), (plain(0, old), plain(0, new))
    for wrong in spoiled(proof):
        assert not merkle.verify_consistency(old, new, *roots, wrong)
    assert not merkle.verify_consistency(old, new, *reversed(roots), proof)
    assert not merkle.verify_consistency(old, new, LEAVES[0][::-1], roots[1], proof)
    assert not merkle.verify_consistency(old, new, roots[0], LEAVES[0][::-1], proof)
    assert not merkle.verify_consistency(new, old, *roots, proof)


def test_trees_of_one_size_and_empty_trees():
    one, other = LEAVES[:2]
    assert merkle.verify_consistency(5, 5, one, one, [])
    assert not merkle.verify_consistency(5, 5, one, other, [])
    assert not merkle.verify_consistency(5, 5, one, one, [one])
    assert merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, one, [])
    assert not merkle.verify_consistency(0, 5, one, one, [])
    assert not merkle.verify_consistency(0, 5, merkle.EMPTY_ROOT, one, [one])
    for path in (merkle.consistency_path, lambda old, new: merkle.inclusion_path(new, old)):
        with pytest.raises(ValueError, match="tree"):
            path(0, 5)


@given(st.integers(0, 300), st.integers(0, 300))
def test_a_frontier_goes_on_from_where_it_was_kept(first, second):
    first, size = sorted((first, second))
    frontier = merkle.Frontier()
    frontier.extend(LEAVES[:first])
    kept = merkle.Frontier(frontier.size, frontier.packed)
    kept.extend(LEAVES[first:size])
    assert kept.root() == plain(0, size)
    assert [(start, end) for start, end, _ in kept.peaks()] == [
        part for part in _full_parts(size) if part[0] < part[1]
    ]
    assert all(plain(start, end) == peak for start, end, peak in kept.peaks())


def _full_parts(size: int):
    start = 0
    for bit in reversed(range(size.bit_length())):
        if size >> bit & 1:
            yield start, start + (1 << bit)
            start += 1 << bit


def test_a_frontier_that_does_not_fit_its_size_is_refused():
    with pytest.raises(ValueError, match="frontier"):
        merkle.Frontier(3, b"x" * 32)
