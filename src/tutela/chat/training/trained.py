"""A trained model as a file: weights of places, and the steps of its calibration. No words.

The file is a line that names the form, the length of a header and the header (MessagePack), arrays
of little-endian numbers, salted digests of ids, and SHA-256 of all before. Nothing in it is run.
The digest shows damage; it does not show who made the file.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from tutela.chat.model import ConversationScore, PairScore
from tutela.chat.training import features, seen
from tutela.chat.training.features import DENSE, WIDTH, Hasher
from tutela.chat.training.heard import Heard
from tutela.chat.training.seen import Seen
from tutela.core.errors import InputError, IntegrityError

MAGIC: Final = b"tutela chat 2\n"
MOST_STEPS: Final = 100_000
MOST_BYTES: Final = WIDTH * 4 + MOST_STEPS * 16 + seen.MOST * seen.WIDTH + 8_192
_HEADER: Final = 4_096
_SHA256: Final = 32


class Origin(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a model was made from.

    Attributes:
        features: Digest of what places of a vector mean.
        parts: Digest of lexicon, weights and prototypes of the scorer.
        corpus: Digest of the corpus.
        seed: By which authors were divided.
        held_out: SHA-256 of the list of conversations that were held out, or empty.
        flagged: Share of flagged authors among those of the calibration.
    """

    features: bytes
    parts: bytes
    corpus: bytes
    seed: int
    held_out: bytes
    flagged: float


class _Header(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    origin: Origin
    bias: float
    steps: int
    salt: bytes


class Trained:
    """Gives the probability that a corpus like that of the training flags an author.

    Args:
        origin: What it was made from.
        weights: float32, shape (WIDTH,).
        bias: Added to what the weights give.
        steps: Points of calibration, growing, and probabilities there, never falling; float64,
            shape (2, steps).
        known: Whom it was made from.
    """

    def __init__(
        self,
        origin: Origin,
        weights: NDArray[np.float32],
        bias: float,
        steps: NDArray[np.float64],
        known: Seen,
    ) -> None:
        self.origin, self.weights, self.bias = origin, weights, bias
        self.known = known
        self._at, self._gives = steps
        self._hasher = Hasher()
        self.digest = hashlib.sha256(self._body()).digest()

    @property
    def version(self) -> str:
        """Return by which name answers tell of this model: the beginning of its digest."""
        return self.digest.hex()[:16]

    def weigh(self, texts: Sequence[str]) -> list[float]:
        """Return what each message weighs; add them up by author as `Heard`."""
        if not texts:
            return []
        found: list[float] = (self._hasher.vectors(texts) @ self.weights[DENSE:]).tolist()
        return found

    def logit(self, pairs: Sequence[PairScore], heard: Heard) -> float:
        """Return what the model gives an author before calibration; it orders work."""
        return float(features.signs(pairs) @ self.weights[:DENSE]) + heard.mean + self.bias

    def probability(self, logit: float, prevalence: float | None = None) -> float:
        """Return the calibrated probability, at the share of the corpus or at another.

        Raises:
            ValueError: `prevalence` is no share between 0 and 1.
        """
        return float(self.probabilities(np.array([logit]), prevalence)[0])

    def probabilities(
        self, logits: NDArray[np.float64], prevalence: float | None = None
    ) -> NDArray[np.float64]:
        """Return what `probability` returns, for many."""
        found: NDArray[np.float64] = np.interp(logits, self._at, self._gives)
        if prevalence is None:
            return found
        if not 0 < prevalence < 1:
            raise ValueError("a prevalence is between 0 and 1")
        shift = _log_odds(prevalence) - _log_odds(self.origin.flagged)
        odds = found / (1 - found) * math.exp(shift)
        return np.asarray(odds / (1 + odds))

    def applied(
        self,
        score: ConversationScore,
        heard: Mapping[str, Heard],
        prevalence: float | None = None,
    ) -> ConversationScore:
        """Return a score whose pairs carry a probability; points and alerts stay as they were."""
        pairs = tuple(
            msgspec.structs.replace(
                pair,
                probability=self.probability(
                    self.logit([pair], heard.get(pair.author, Heard())), prevalence
                ),
            )
            for pair in score.pairs
        )
        return msgspec.structs.replace(score, pairs=pairs)

    def _body(self) -> bytes:
        header = msgspec.msgpack.encode(
            _Header(self.origin, self.bias, len(self._at), self.known.salt)
        )
        return b"".join(
            [
                MAGIC,
                len(header).to_bytes(4),
                header,
                self.weights.astype("<f4").tobytes(),
                self._at.astype("<f8").tobytes(),
                self._gives.astype("<f8").tobytes(),
                self.known.digests,
            ]
        )

    def saved(self) -> bytes:
        """Return the file."""
        return self._body() + self.digest


def load(file: Path, parts: bytes) -> Trained:
    """Return the model of a file, for a scorer with these parts.

    Raises:
        InputError: code `model`: it is none; `other_features`, `other_parts`: it was made for
            another version of Tutela or another lexicon, and its weights mean something else.
        IntegrityError: it is damaged.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot read {file}: {error.strerror}", code="unreadable") from error
    return loaded(content, parts)


def loaded(content: bytes, parts: bytes) -> Trained:
    """Return what `load` returns, from the bytes of a file."""
    start = len(MAGIC) + 4
    if len(content) > MOST_BYTES or not content.startswith(MAGIC) or len(content) < start:
        raise _no_model()
    body, digest = content[:-_SHA256], content[-_SHA256:]
    if hashlib.sha256(body).digest() != digest:
        raise IntegrityError("the trained model is damaged", hint="train or copy it again")
    length = int.from_bytes(body[len(MAGIC) : start])
    if length > _HEADER:
        raise _no_model()
    try:
        header = msgspec.msgpack.decode(body[start : start + length], type=_Header)
    except msgspec.DecodeError as error:
        raise _no_model() from error
    _check_origin(header.origin, parts)
    if not 2 <= header.steps <= MOST_STEPS:
        raise _no_model()
    arrays = body[start + length :]
    size = WIDTH * 4 + header.steps * 16
    known = Seen(header.salt, arrays[size:])
    if not known.sound():
        raise _no_model()
    return Trained(header.origin, *_arrays(arrays[:size], header), known)


def _check_origin(origin: Origin, parts: bytes) -> None:
    if origin.features != features.digest():
        raise InputError(
            "the model was trained on other features",
            code="other_features",
            hint="train it again with this version",
        )
    if origin.parts != parts:
        raise InputError(
            "the model was trained with another lexicon",
            code="other_parts",
            hint="train it again with this lexicon, or use the lexicon of then",
        )
    if not 0 < origin.flagged < 1:
        raise _no_model()


def _arrays(rest: bytes, header: _Header) -> tuple[Any, float, Any]:
    steps = header.steps
    if len(rest) != WIDTH * 4 + steps * 16:
        raise _no_model()
    weights = np.frombuffer(rest, "<f4", WIDTH)
    curve = np.frombuffer(rest, "<f8", 2 * steps, WIDTH * 4).reshape(2, steps)
    at, gives = curve
    sound = (
        math.isfinite(header.bias)
        and np.isfinite(weights).all()
        and np.isfinite(at).all()
        and (np.diff(at) >= 0).all()
        and (np.diff(gives) >= 0).all()
        and 0 < gives[0] <= gives[-1] < 1
    )
    if not sound:
        raise _no_model()
    return weights.astype(np.float32), header.bias, curve.astype(np.float64)


def _log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def _no_model() -> InputError:
    return InputError(
        "this is no trained model of this version", code="model", hint="train it again"
    )
