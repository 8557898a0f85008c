"""Whom a model was made from: salted digests of ids, for nobody to be measured on who taught it.

Of conversations and authors that were learnt from, chosen or calibrated by; of those it was tested
on there is none. No id can be read back, but whoever has one can ask whether the model knows it.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Final, NamedTuple

from tutela.chat.training import split
from tutela.chat.training.gathering import Gathered
from tutela.core.errors import InputError

# So short that no two of a corpus agree but by rare chance: 2^-48 for a pair of ids.
WIDTH: Final = 6
MOST: Final = 2_000_000
SALT: Final = 16
_CONVERSATION: Final = b"c"
_AUTHOR: Final = b"a"


class Seen(NamedTuple):
    """Salted digests, six bytes each, in their order without a gap.

    Attributes:
        salt: Of this model; the same corpus gives the same.
        digests: Of ids of conversations and authors.
    """

    salt: bytes = bytes(SALT)
    digests: bytes = b""

    @classmethod
    def of(cls, key: bytes, conversations: Iterable[str], authors: Iterable[str]) -> Seen:
        """Return what a model keeps of the ids that it was made from.

        Args:
            key: What the salt is made from.
            conversations: Their ids.
            authors: Theirs.

        Raises:
            InputError: code `too_large`: no model keeps so many.
        """
        salt = hashlib.sha256(b"tutela chat seen" + key).digest()[:SALT]
        marked = {_mark(salt, _CONVERSATION, one) for one in conversations}
        marked |= {_mark(salt, _AUTHOR, one) for one in authors}
        if len(marked) > MOST:
            raise InputError(
                f"a corpus with more than {MOST:,} conversations and authors is too large",
                code="too_large",
                hint="train on a part of it",
            )
        return cls(salt, b"".join(sorted(marked)))

    def touched(self, found: Gathered) -> set[int]:
        """Return the numbers of authors who taught the model, or are linked with one who did."""
        known = {self.digests[at : at + WIDTH] for at in range(0, len(self.digests), WIDTH)}

        def knows(kind: bytes) -> Callable[[str], bool]:
            return lambda name: _mark(self.salt, kind, name) in known

        author, conversation = knows(_AUTHOR), knows(_CONVERSATION)
        taught = {number for name, number in found.numbers.items() if author(name)}
        taught.update(*(talk.authors for talk in found.talks if conversation(talk.id)))
        return split.touched(found.grouped(), taught)

    def sound(self) -> bool:
        """Tell whether the digests are such as `of` makes."""
        marks = [self.digests[at : at + WIDTH] for at in range(0, len(self.digests), WIDTH)]
        return (
            len(self.salt) == SALT
            and len(self.digests) % WIDTH == 0
            and len(marks) <= MOST
            and all(one < after for one, after in pairwise(marks))
        )


def _mark(salt: bytes, kind: bytes, name: str) -> bytes:
    content = kind + name.encode("utf-8", "surrogatepass")
    return hmac.digest(salt, content, "sha256")[:WIDTH]
