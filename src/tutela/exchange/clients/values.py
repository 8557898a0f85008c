"""Values of a record: those that we compare, those that are carried, and those that are bad."""

from __future__ import annotations

from tutela.core.media import Digests, Fingerprint
from tutela.exchange.clients.role import CARRIED_BYTES
from tutela.hashlist.format import BadRow, RowError
from tutela.hashlist.value import DIGEST_BYTES, digest, fingerprint


class Values:
    """Collects the values of one record; a bad one does not keep the others from it."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._digests: dict[str, bytes] = {}
        self.fingerprints: list[Fingerprint] = []
        self.bad: list[BadRow] = []

    def add(self, algorithm: str, name: str, text: str) -> None:
        """Take a value.

        Args:
            algorithm: Ours for it; empty where we have none, and it is carried as it came.
            name: The source's word for what it is.
            text: The value.
        """
        try:
            if not algorithm:
                self.fingerprints.append(carried(name, text))
            elif algorithm in DIGEST_BYTES:
                self._digests[algorithm] = digest(algorithm, text)
            else:
                self.fingerprints.append(fingerprint(algorithm, text))
        except RowError as error:
            self.bad.append(error.at(0, f"{self._key} {name} {text}"))

    @property
    def digests(self) -> Digests:
        """The digests among them."""
        return Digests(**self._digests)

    def __bool__(self) -> bool:
        """Tell whether any can be kept."""
        return bool(self._digests or self.fingerprints)


def carried(name: str, text: str) -> Fingerprint:
    """Return a value of a kind that we cannot compare: the text as it came.

    A name in capitals is none that the index takes, so it is never compared by chance.

    Raises:
        RowError: it is too long.
    """
    bits = text.encode()
    if not 0 < len(bits) <= CARRIED_BYTES or not 0 < len(name) <= 40:
        raise RowError("too_long", f"a value that is carried has 1 to {CARRIED_BYTES} bytes")
    return Fingerprint(name.upper(), bits)
