"""Contents that somebody wants on a list: what names them, and which are refused."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from tutela.casework import scheme as schemes
from tutela.casework.scheme import Scheme
from tutela.core.errors import UsageError
from tutela.core.ids import MediaId
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.exchange.model import Coded, Content, is_jurisdiction

TAGS = 50
CHARACTERS = 200  # of a tag, or of the reference
_DIGESTS = ("sha256", "sha1", "md5")
_ACCUSES_NOT = "no code by which it is illegal"


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A content for a list. `fingerprints` of other algorithms than PDQ are kept, not compared."""

    content: Content = Content.IMAGE
    digests: Digests = Digests()
    fingerprints: tuple[Fingerprint, ...] = ()
    codes: tuple[Coded, ...] = ()
    tags: tuple[str, ...] = ()
    reference: str = ""
    media_id: MediaId | None = None
    extra: Mapping[str, Any] = {}


class Judge:
    """Says why a candidate cannot be on a list.

    An alert list accuses: each entry needs a code of a grading scheme by which the content is
    illegal (DESIGN, "Rules that protect people"), and none by which it is not, for members of that
    jurisdiction would get it too.
    """

    def __init__(self, tx: Connection, *, alert: bool) -> None:
        self._tx, self._alert = tx, alert
        self._schemes: dict[str, Scheme | None] = {}

    def refused(self, one: Candidate) -> str:
        """Return the reason, or an empty string where there is none."""
        longest = max(map(len, one.tags), default=0)
        if not one.digests and not one.fingerprints:
            return "no value that names a content"
        if max(longest, len(one.reference)) > CHARACTERS or len(one.tags) > TAGS:
            return "too many or too long words"
        return self._miscoded(one.codes)

    def _miscoded(self, codes: Sequence[Coded]) -> str:
        if not all(is_jurisdiction(code.jurisdiction) for code in codes):
            return "a code by no country's law"
        if len({(code.jurisdiction, code.scheme) for code in codes}) < len(set(codes)):
            return "two codes of one scheme"
        accuses = {self._illegal(code) for code in codes}
        if None in accuses:
            return "a code that is none of its scheme"
        if self._alert and accuses != {True}:
            return "a code by which it is not illegal" if accuses > {True} else _ACCUSES_NOT
        if not self._alert and True in accuses:
            return "a code by which it is illegal, on a list that accuses nobody"
        return ""

    def _illegal(self, code: Coded) -> bool | None:
        """Tell whether a code says illegal; None where there is no such code."""
        if code.scheme not in self._schemes:
            try:
                self._schemes[code.scheme] = schemes.load(self._tx, code.scheme)
            except UsageError:
                self._schemes[code.scheme] = None
        scheme = self._schemes[code.scheme]
        if scheme is None:
            return None
        try:
            return scheme.code(code.code).illegal
        except UsageError:
            return None


def identity(one: Candidate) -> bytes:
    """Return what names the content: SHA-256 over the strongest value that is known of it."""
    for name in _DIGESTS:
        if (value := getattr(one.digests, name)) is not None:
            return hashlib.sha256(name.encode() + value).digest()
    first = min(one.fingerprints, key=lambda f: (f.algorithm != PDQ, f.algorithm, f.bits))
    return hashlib.sha256(first.algorithm.encode() + first.bits).digest()


def together(same: Sequence[Candidate]) -> Candidate:
    """Return one candidate that says what several say of the same content; the first counts."""
    if len(same) == 1:
        return same[0]
    codes: dict[tuple[str, str], Coded] = {}
    fingerprints: dict[str, Fingerprint] = {}
    for one in same:
        for code in one.codes:
            codes.setdefault((code.jurisdiction, code.scheme), code)
        for fingerprint in one.fingerprints:
            fingerprints.setdefault(fingerprint.algorithm, fingerprint)
    digests = {
        name: next((v for one in same if (v := getattr(one.digests, name)) is not None), None)
        for name in _DIGESTS
    }
    return msgspec.structs.replace(
        same[0],
        digests=Digests(**digests),
        fingerprints=tuple(fingerprints.values()),
        codes=tuple(codes.values()),
        tags=tuple(dict.fromkeys(tag for one in same for tag in one.tags))[:TAGS],
    )


def values(kept: Any) -> tuple[Digests, tuple[Fingerprint, ...]]:
    """Return the values that a row of an entry holds; PDQ comes first."""
    others = [Fingerprint(name, bytes.fromhex(v)) for name, v in sorted(kept.others.items())]
    if kept.pdq is not None:
        quality = 100 if kept.pdq_quality is None else kept.pdq_quality
        others.insert(0, Fingerprint(PDQ, kept.pdq, quality))
    return Digests(kept.md5, kept.sha1, kept.sha256), tuple(others)


def row(one: Candidate, named: bytes) -> dict[str, Any]:
    """Return the columns of a new entry that the candidate says."""
    pdq = next((f for f in one.fingerprints if f.algorithm == PDQ), None)
    return {
        "identity": named,
        "content": one.content.value,
        "sha256": one.digests.sha256,
        "sha1": one.digests.sha1,
        "md5": one.digests.md5,
        "pdq": pdq.bits if pdq else None,
        "pdq_quality": pdq.quality if pdq else None,
        "others": {f.algorithm: f.bits.hex() for f in one.fingerprints if f.algorithm != PDQ},
        "tags": list(one.tags),
        "reference": one.reference,
        "media_id": one.media_id,
        "extra": dict(one.extra),
    }


def gain(
    one: Candidate, old: Any, codes: Mapping[tuple[str, str], str]
) -> tuple[dict[str, Any], dict[tuple[str, str], str]] | None:
    """Return what a known entry gains by a candidate: columns and codes; None for nothing.

    Values that are known stay. A code under a scheme that it has already is the newer opinion.
    All gains have the same columns, as rows of one bulk statement must.
    """
    new = row(one, old.identity)
    names = ("sha256", "sha1", "md5", "pdq", "pdq_quality", "media_id")
    values: dict[str, Any] = {}
    for name in names:
        kept = getattr(old, name)
        values[name] = new[name] if kept is None else kept
    values["others"] = {**new["others"], **old.others}
    values["tags"] = list(dict.fromkeys([*old.tags, *new["tags"]]))[:TAGS]
    values["reference"] = old.reference or new["reference"]
    values["extra"] = {**new["extra"], **old.extra}
    said = {(code.jurisdiction, code.scheme): code.code for code in one.codes}
    other = {key: code for key, code in said.items() if codes.get(key) != code}
    same = all(getattr(old, name) == value for name, value in values.items())
    return None if same and not other else (values, other)
