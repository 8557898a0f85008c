"""OpenPGP: public key blocks, and texts signed in the clear (RFC 9580, sections 6 and 7).

A key that is pasted says nothing of who pastes it. A signature that holds says that the owner of
the key wrote the signed text; whether that text speaks of this account is said beside it
(`names_author` of `EntitySeen`), since anybody can paste a signed text as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pysequoia

from tutela.crawl.entities.entity import Name
from tutela.observation.model import EntityKind

BLOCK_CHARACTERS = 100_000
MAX_BLOCKS = 10  # of one text

_KEY = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----[^-]{20,100000}-----END PGP PUBLIC KEY BLOCK-----"
)
_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_MIDDLE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"


class Signed(NamedTuple):
    """A signature that holds: by which key, and what was signed."""

    fingerprint: str
    text: str


def certificates(text: str) -> list[pysequoia.Cert]:
    """Return the public keys of a text that can be read."""
    if "BEGIN PGP PUBLIC" not in text:
        return []
    found = []
    for block in list(_KEY.finditer(text))[:MAX_BLOCKS]:
        try:
            found += pysequoia.Cert.split_bytes(_lines(block[0]))[:MAX_BLOCKS]
        except Exception as error:  # noqa: BLE001 the library raises nothing narrower
            _refused(error)
    return found


def fingerprint(certificate: pysequoia.Cert) -> str:
    """Return the fingerprint of a key, upper-case hexadecimal."""
    return certificate.fingerprint.upper()


def signatures(text: str, keys: Sequence[pysequoia.Cert]) -> Iterator[Signed]:
    """Yield the signatures in a text that hold by one of these keys, with what they sign."""
    at = 0
    for _ in range(MAX_BLOCKS):
        begin = text.find(_BEGIN, at)
        middle = text.find(_MIDDLE, begin)
        end = text.find(_END, middle)
        if not keys or -1 in {begin, middle, end}:
            return
        at = end + len(_END)
        if at - begin > BLOCK_CHARACTERS:
            continue
        try:
            verified = pysequoia.verify(_lines(text[begin:at]), store=lambda _: list(keys))
        except Exception as error:  # noqa: BLE001 the library raises nothing narrower
            _refused(error)
            continue
        said = (verified.bytes or b"").decode("utf-8", "replace")
        for signature in verified.valid_sigs:
            yield Signed(signature.certificate.upper(), said)


def _refused(error: Exception) -> None:
    """Pass over what is no key or does not hold; that memory ran out says neither."""
    if isinstance(error, MemoryError):
        raise error


def _lines(block: str) -> bytes:
    return "\n".join(line.rstrip() for line in block.strip().splitlines()).encode() + b"\n"


class Pgp:
    """Finds public keys by their fingerprints."""

    kind = EntityKind.PGP_KEY

    def hint(self, text: str) -> bool:
        """Whether there is anything of the form."""
        return "-----BEGIN PGP" in text

    def find(self, text: str) -> Iterator[Name]:
        """Yield fingerprints of the keys in a text."""
        for certificate in certificates(text):
            yield Name(fingerprint(certificate), checked=True)


FINDER = Pgp()
