"""Look-up of exact digests by prefix; see `core.prefixes` for what is said and what stays hidden.

How long a prefix is follows from the lists that a member may use: so many of their digests share
one, on average, as the setting `prefix_anonymity` says, which is how many of them the service
cannot tell apart. (Digests that are on no list share it too, without number.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from tutela.core.errors import ConflictError
from tutela.core.hit import Hit
from tutela.core.prefixes import (
    ALGORITHMS,
    BITS_LIMIT,
    Bucket,
    Known,
    PrefixAnswer,
    PrefixQuestion,
    Terms,
    checked,
    sealed,
)
from tutela.core.principal import Principal
from tutela.core.settings import MatchSettings
from tutela.core.time import now
from tutela.exchange.match import Matching, told
from tutela.exchange.match_asked import PrefixLog
from tutela.exchange.match_rights import Rights
from tutela.store import Database

_ROUND = 16  # rows of an answer come in multiples of this
# How much fuller than on average a bucket may be before its answer takes two multiples: with
# digests, which spread evenly, one bucket in some hundred million millions.
_SPREAD = 8


class Prefixes:
    """Answers questions about prefixes. Threads may share it."""

    def __init__(self, matching: Matching, database: Database, settings: MatchSettings) -> None:
        self._matching = matching
        self._settings = settings
        self._asked = PrefixLog(database, settings.prefixes_per_day)

    def terms(self, who: Principal) -> Terms:
        """Return how long prefixes are for a member, and how many it may ask.

        Raises:
            AccessError: `who` may use no lists at all.
        """
        rights = self._matching.rights.of(who)
        buckets = {name: self._bucket(name, rights) for name in ALGORITHMS}
        return Terms(buckets, self._settings.prefixes_per_day)

    def answer(self, who: Principal, question: PrefixQuestion) -> PrefixAnswer:
        """Return everything that is listed under some prefixes.

        Raises:
            InputError: the question asks for nothing, too much, or what there is not.
            ConflictError: code `prefix_bits`: prefixes have another length now.
            AccessError: code `too_many`: the member has asked for too many different ones today.
        """
        checked(question)
        rights = self._matching.rights.of(who)
        bucket = self._bucket(question.algorithm, rights)
        if question.bits != bucket.bits:
            raise ConflictError(
                f"prefixes of {question.algorithm} have {bucket.bits} bits now",
                code="prefix_bits",
                hint="ask for the terms again",
            )
        self._asked.note(who, question, now())
        names = tuple(sorted(rights.by_name))
        answers = tuple(
            sealed(prefix, self._listed(question, prefix, rights), names, bucket.rows)
            for prefix in question.prefixes
        )
        return PrefixAnswer(self._matching.library.generation, names, answers)

    def settle(self) -> None:
        """Write which prefixes were asked since the last time.

        Raises:
            ServiceError: the database does not answer.
        """
        self._asked.settle(now())

    def _bucket(self, algorithm: str, rights: Rights) -> Bucket:
        digests = sum(r.info.compared.get(algorithm, 0) for r in rights.by_name.values())
        each = self._settings.prefix_anonymity
        bits = min((digests // each).bit_length() - 1, BITS_LIMIT) if digests >= each else 0
        mean = digests / (1 << bits)
        rows = mean + _SPREAD * math.sqrt(mean) if bits else digests
        return Bucket(bits, _ROUND * max(1, math.ceil(rows / _ROUND)))

    def _listed(
        self, question: PrefixQuestion, prefix: int, rights: Rights
    ) -> Iterator[tuple[bytes, Known]]:
        library = self._matching.library
        under = library.under(question.algorithm, prefix, question.bits, rights.numbers)
        for digest, hit in under:
            if self._answers(hit, rights):
                entry = hit.entry.provenance.row
                yield digest, Known(hit.list, entry, hit.role, hit.strength)

    def _answers(self, hit: Hit, rights: Rights) -> bool:
        right = rights.by_name[hit.list]
        entry = hit.entry.provenance.row
        return told(hit, right) is not None and not self._matching.aside(right, entry, hit.strength)
