"""All names in the texts of a page, at the cost of one search where there are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import islice

import pysequoia

from tutela.crawl.entities import (
    bitcoin,
    email,
    ethereum,
    handle,
    litecoin,
    monero,
    pgp,
    session,
    telegram,
    tox,
    xmpp,
)
from tutela.crawl.entities.entity import Finder
from tutela.observation import handles
from tutela.observation.model import EntityKind, EntitySeen

_OF_WORDS: tuple[Finder, ...] = (
    email.FINDER,
    xmpp.FINDER,
    telegram.FINDER,
    handle.FINDER,
    pgp.FINDER,
)
# Of these each name is one long word.
FINDERS: tuple[Finder, ...] = (
    *_OF_WORDS,
    bitcoin.FINDER,
    litecoin.FINDER,
    ethereum.FINDER,
    monero.FINDER,
    session.FINDER,
    tox.FINDER,
)
MAX_NAMES = 100  # of one text
MAX_NAMES_OF_PAGE = 2_000
# Checksums cost more than searching: beyond so many candidates of one text nothing is checked.
_MAX_TRIED = 400


_LONG_WORD = b"a" * 14  # the shortest: a witness address of the shortest program
_LETTERS = bytes(97 if chr(byte).isascii() and chr(byte).isalnum() else 32 for byte in range(256))


def _has_long_word(text: str) -> bool:
    """Whether a text has a word as long as addresses are; much cheaper than a pattern."""
    return _LONG_WORD in text.encode("latin-1", "replace").translate(_LETTERS)


class Names:
    """Finds names in texts of one page.

    Args:
        texts: All texts of the page.
        keys: Public keys that the caller knows, beside those on the page.
    """

    def __init__(self, texts: Iterable[str], keys: Sequence[bytes] = ()) -> None:
        together = "\n".join(texts)
        finders = FINDERS if _has_long_word(together) else _OF_WORDS
        self._finders = [finder for finder in finders if finder.hint(together)]
        self._certificates: list[pysequoia.Cert] = []
        self.left = MAX_NAMES_OF_PAGE
        if any(finder is pgp.FINDER for finder in self._finders):
            self._certificates = pgp.certificates(together)
            for key in keys:
                self._certificates += pysequoia.Cert.split_bytes(key)

    def find(self, text: str, *, quoted: bool, author: str = "") -> Iterator[EntitySeen]:
        """Yield the names in a text, each once.

        Args:
            text: Of a post or of a quote.
            quoted: It is a quote.
            author: The handle of who wrote it, for signatures that speak of it.
        """
        if not self._finders or not text:
            return
        seen: dict[tuple[EntityKind, str], EntitySeen] = {}
        if self._certificates and not quoted and "PGP SIGNED" in text:
            for entity in self._verified(text, author):
                seen[entity.kind, entity.value] = entity
        for finder in self._finders:
            tried = islice(finder.find(text), _MAX_TRIED) if finder.hint(text) else ()
            for name in tried:
                key = (finder.kind, name.value)
                known = seen.get(key)
                if name.value and (known is None or (name.checked and not known.checked)):
                    seen[key] = EntitySeen(finder.kind, name.value, quoted, name.checked)
        for entity in islice(seen.values(), MAX_NAMES):
            if self.left <= 0:
                return
            self.left -= 1
            yield entity

    def _verified(self, text: str, author: str) -> Iterator[EntitySeen]:
        """Yield the keys by which signatures in a text hold."""
        wanted = handles.normal(author)
        for signed in pgp.signatures(text, self._certificates):
            yield EntitySeen(
                EntityKind.PGP_KEY,
                signed.fingerprint,
                checked=True,
                verified=True,
                names_author=bool(wanted) and handle.names(signed.text, wanted),
                statement=sha256(signed.text.encode("utf-8", "replace")).hexdigest(),
            )
