"""The rules of a hit: which entry meets a content, how far that may be relied on, what goes first.

DESIGN "Rules that protect people": only SHA-256, or SHA-1 and MD5 together where the entry has no
SHA-256, is exact; everything else is indicative; ignorable and allow entries act on SHA-256 only.
The index proposes candidates; the entry itself decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tutela.core.entry import ListEntry, Role, State
from tutela.core.hit import Hit, Strength
from tutela.core.media import (
    PDQ,
    PDQ_QUALITY_MINIMUM,
    VARIANTS,
    Digests,
    Fingerprint,
)
from tutela.hashlist.value import DIGEST_BYTES, comparable
from tutela.match.index import Index
from tutela.match.key import unpack_key

Query = tuple[Digests, Sequence[Fingerprint]]
# A key proposes an entry by a digest (None) or by a fingerprint: its rank and what it says.
_Near = tuple[tuple[int, int, int], Fingerprint]
Candidates = dict[int, _Near | None]
_ORDER = {name: place for place, name in enumerate(VARIANTS)}


def by_digest(asked: Digests, entry: ListEntry, role: Role) -> tuple[str, Strength] | None:
    """Return (algorithm, strength) of the digests that `asked` shares with `entry`, or None.

    A known SHA-256 that differs, or is not known of the query, makes MD5 and SHA-1 indicative:
    both can be forged.
    """
    listed = entry.digests
    if asked.sha256 is not None and asked.sha256 == listed.sha256:
        return "sha256", Strength.EXACT
    if role is not Role.ALERT:
        return None
    sha1 = asked.sha1 is not None and asked.sha1 == listed.sha1
    md5 = asked.md5 is not None and asked.md5 == listed.md5
    if sha1 and md5:
        exact = listed.sha256 is None
        return "sha1+md5", Strength.EXACT if exact else Strength.INDICATIVE
    if sha1 or md5:
        return "sha1" if sha1 else "md5", Strength.INDICATIVE
    return None


@dataclass(frozen=True)
class Proposer:
    """Asks the index which entries of some lists (None: of all) may meet a content.

    One call of the index for each space, over all queries together.
    """

    index: Index
    radius_bits: int
    lists: Collection[int] | None

    def propose(self, queries: Sequence[Query]) -> list[Candidates]:
        """Return, for each query, the proposed keys, with the nearest fingerprint of each."""
        found: list[Candidates] = [{} for _ in queries]
        for space in DIGEST_BYTES:
            self._same(space, queries, found)
        asked: dict[tuple[str, int], list[tuple[int, Fingerprint]]] = {}
        for number, (_, fingerprints) in enumerate(queries):
            for f in fingerprints:
                if not comparable(f.algorithm):
                    continue
                if f.algorithm != PDQ or f.quality >= PDQ_QUALITY_MINIMUM:
                    asked.setdefault((f.algorithm, len(f.bits)), []).append((number, f))
        for (space, _), rows in asked.items():
            self._near(space, rows, found)
        return found

    def _same(self, space: str, queries: Sequence[Query], found: list[Candidates]) -> None:
        asked = [(number, getattr(digests, space)) for number, (digests, _) in enumerate(queries)]
        asked = [(number, value) for number, value in asked if value is not None]
        if not asked:
            return
        hits = self.index.lookup(space, _matrix([value for _, value in asked]))
        for row, key in zip(hits.query.tolist(), hits.key.tolist(), strict=True):
            if self._wanted(key):
                found[asked[row][0]].setdefault(key, None)

    def _near(
        self, space: str, asked: list[tuple[int, Fingerprint]], found: list[Candidates]
    ) -> None:
        codes = _matrix([f.bits for _, f in asked])
        if space == PDQ:
            hits = self.index.search(codes, self.radius_bits, space=PDQ)
        else:
            hits = self.index.lookup(space, codes)
        rows = zip(hits.query.tolist(), hits.key.tolist(), hits.distance_bits.tolist(), strict=True)
        for row, key, distance_bits in rows:
            if self._wanted(key):
                number, fingerprint = asked[row]
                rank = (distance_bits, _ORDER[fingerprint.variant], fingerprint.frame)
                best = found[number].get(key)
                if best is None or rank < best[0]:
                    found[number][key] = (rank, fingerprint)

    def _wanted(self, key: int) -> bool:
        return self.lists is None or unpack_key(key)[0] in self.lists


def _matrix(values: Sequence[bytes]) -> NDArray[np.uint8]:
    return np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1)


def judged(
    asked: Digests,
    proposed: Candidates,
    resolve: Callable[[int], tuple[str, Role, int, ListEntry]],
) -> list[Hit]:
    """Return one hit for each proposed entry that the rules let match, the deciding one first.

    Args:
        asked: The digests of the query.
        proposed: Candidates of the query.
        resolve: Gives (list name, role of the entry, entry number, entry) of a key.
    """
    hits = []
    for key, near in proposed.items():
        name, role, number, entry = resolve(key)
        if entry.state is not State.ACTIVE:
            continue
        same = by_digest(asked, entry, role)
        if same is not None:
            hits.append(Hit(name, role, number, entry, *same))
        elif near is not None and role is Role.ALERT:
            (distance_bits, _, frame), fingerprint = near
            hits.append(
                Hit(
                    name,
                    role,
                    number,
                    entry,
                    fingerprint.algorithm,
                    Strength.INDICATIVE,
                    distance_bits,
                    fingerprint.variant,
                    frame,
                )
            )
    return sorted(hits, key=_precedence)


def _precedence(hit: Hit) -> tuple[int, int, str, int]:
    """Exact alerts beat everything; a known-good content beats what is merely indicative."""
    exact = hit.strength is Strength.EXACT
    rank = 2 if not exact else 0 if hit.role is Role.ALERT else 1
    return rank, hit.distance_bits, hit.list, hit.entry_number
