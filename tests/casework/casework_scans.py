"""Scans that were never run: recorded contents made up for tests of intake."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.core.hit import Hit, Strength
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.evidence.folder import Found
from tutela.scan.journal import Recorded
from tutela.scan.summary import Summary
from tutela.scan.wire import Outcome, Status

Fact = tuple[str, str]


def code(seed: int, flipped: int = 0) -> bytes:
    """Return a PDQ value; the same seed with `flipped` bits lies so many bits away."""
    bits = np.random.default_rng(seed).integers(0, 2, 256, dtype=np.uint8)
    bits[np.random.default_rng(flipped).permutation(256)[:flipped]] ^= 1
    return np.packbits(bits).tobytes()


def digests(name: str) -> Digests:
    data = name.encode()
    return Digests(
        md5=hashlib.md5(data).digest(),
        sha1=hashlib.sha1(data).digest(),
        sha256=hashlib.sha256(data).digest(),
    )


def picture(
    name: str,
    looks: bytes | None = None,
    *,
    path: str = "",
    order: tuple[int, ...] = (),
    hits: Sequence[Hit] = (),
    facts: Sequence[Fact] = (),
    quality: int = 100,
    kept: dict[str, str] | None = None,
    scene: bytes | None = None,
) -> Recorded:
    """Return a picture whose content is told by `name`."""
    looks = looks or hashlib.sha256(b"looks" + name.encode()).digest()
    outcome = Outcome(
        item=1,
        order=order,
        status=Status.HASHED,
        size_bytes=1000,
        kind="jpeg",
        digests=digests(name),
        fingerprints=(Fingerprint(PDQ, looks, quality),),
        width=640,
        height=480,
        facts=tuple(facts),
        scene=scene,
    )
    return Recorded(_found(path or f"/dev/{name}.jpg"), outcome, list(hits), kept or {})


def other(
    name: str, status: Status = Status.HASHED, *, hits: Sequence[Hit] = (), path: str = ""
) -> Recorded:
    """Return something that is no picture: a text, something skipped, something failed."""
    outcome = Outcome(
        item=1,
        order=(),
        status=status,
        size_bytes=10,
        reason="" if status is Status.HASHED else "truncated",
        detail="" if status is Status.HASHED else "ends\0early",
        digests=Digests() if status is Status.SKIPPED else digests(name),
    )
    return Recorded(_found(path or f"/dev/{name}.bin"), outcome, list(hits), {})


def hit(
    list_name: str = "national",
    codes: Sequence[tuple[str, str]] = (("uk-abc", "A"),),
    *,
    role: Role = Role.ALERT,
    algorithm: str = "sha256",
    distance_bits: int = 0,
    number: int = 1,
) -> Hit:
    exact = algorithm in ("sha256", "sha1+md5")
    return Hit(
        list=list_name,
        role=role,
        entry_number=number,
        entry=ListEntry(
            provenance=Provenance(
                list_name, "made-up.csv", number, datetime(2026, 1, 1, tzinfo=UTC)
            ),
            classifications=tuple(Classification(*one) for one in codes),
        ),
        algorithm=algorithm,
        strength=Strength.EXACT if exact else Strength.INDICATIVE,
        distance_bits=distance_bits,
    )


@dataclass
class Pipeline:
    recorded: Sequence[Recorded]
    stops_after: int | None = None
    summary: Summary = field(default_factory=Summary)

    def run(self) -> Iterator[Recorded]:
        for number, one in enumerate(self.recorded):
            if number == self.stops_after:
                raise KeyboardInterrupt
            self.summary.add(one)
            yield one


@dataclass
class Session:
    """What intake asks of a scan session."""

    pipeline: Pipeline
    lists: Sequence[object] = ()


def session(recorded: Sequence[Recorded], *, stops_after: int | None = None) -> Session:
    return Session(Pipeline(recorded, stops_after))


def _found(path: str) -> Found:
    return Found(path=path.encode("utf-8", "surrogateescape"), outcome="file")
