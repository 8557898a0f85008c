"""The matching service: answers platforms from the library, by the rules of the library.

What a match means is decided in `hashlist.find`. Here it is decided who may know it: lists that the
asking member may use, each with its own radius, codes of the member's jurisdictions, and nothing of
entries that are in quarantine but a remark.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence

from tutela.core.hit import Hit, Strength
from tutela.core.ids import OrganisationId
from tutela.core.matching import Answer, Answered, Known, Match, Remark
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Principal
from tutela.core.settings import MatchSettings
from tutela.core.time import now
from tutela.exchange import match_counts, match_quarantine
from tutela.exchange.carry import carried_by, codes_for
from tutela.exchange.match_quarantine import Cause, Standing
from tutela.exchange.match_rights import Right, Rights, RightsOffice
from tutela.exchange.match_tally import Counted, Fired, Place, Tally
from tutela.hashlist.library import Library
from tutela.store import Database

# Numbers of contents wrap here: enough to tell those of one window apart.
_CONTENT = 1 << 62


class Matching:
    """Answers members from one library. Threads may share it.

    Args:
        library: What is matched against.
        database: Who may ask what, and where counts and quarantine are kept.
        settings: When an entry is noisy.
    """

    def __init__(
        self,
        library: Library,
        database: Database,
        settings: MatchSettings,
    ) -> None:
        self.library = library
        self.rights = RightsOffice(library, database)
        self._database = database
        self._settings = settings
        self._tally = Tally(settings.quarantine_minutes * 60, settings.quarantine_contents)
        self._fresh: dict[Place, tuple[Cause, int]] = {}
        with database.read() as tx:
            self._standing = match_quarantine.standing(tx)
        self._lock = threading.Lock()  # over what follows from counts, held for moments
        self._turn = threading.Lock()  # over writing

    def prewarm(self) -> None:
        """Ask once about nothing known, so that nobody waits for disk and kernels to be loaded."""
        self.library.prewarm()
        nothing = Digests(bytes(16), bytes(20), bytes(32)), (Fingerprint(PDQ, bytes(32)),)
        for contents in ([nothing], [nothing, nothing]):
            self.library.find_many(contents)

    def answer(
        self, who: Principal, contents: Sequence[Known], lists: Collection[str] = ()
    ) -> Answer:
        """Return what contents meet on the lists that `who` may use, or on some of them.

        Raises:
            AccessError: `who` may use no lists at all.
        """
        return self.answer_within(who, contents, self.rights.of(who).only(lists))

    def answer_within(self, who: Principal, contents: Sequence[Known], rights: Rights) -> Answer:
        """Return what contents meet within some rights, and count it."""
        numbers = rights.numbers
        if not numbers:
            return Answer(self.library.generation, (Answered(),) * len(contents))
        found = self.library.find_many(contents, radius_bits=rights.radius_bits, lists=numbers)
        fired: list[Fired] = []
        answers = tuple(
            self._answered(content, hits, rights, fired) if hits else _NOTHING
            for content, hits in zip(contents, found, strict=True)
        )
        if fired:
            self._count(who.organisation_id, fired)
        return Answer(self.library.generation, answers)

    def aside(self, right: Right, entry: int, strength: Strength) -> bool:
        """Tell whether an entry does not answer now, being in quarantine."""
        cause = self._standing.aside.get((right.list_id, entry))
        return cause is Cause.REPORTS or (
            cause is Cause.RESEMBLES and strength is Strength.INDICATIVE
        )

    def _answered(
        self, content: Known, hits: Sequence[Hit], rights: Rights, fired: list[Fired]
    ) -> Answered:
        matches: list[Match] = []
        remarks: list[Remark] = []
        number = _number(content)
        for hit in hits:
            right = rights.by_name[hit.list]
            match = told(hit, right)
            if match is None:
                continue
            if self.aside(right, match.entry, hit.strength):
                remarks.append(Remark(match.list, match.entry, match_quarantine.QUARANTINED))
                continue
            exact = hit.strength is Strength.EXACT
            fired.append(Fired((right.list_id, match.entry), exact, number))
            matches.append(match)
        return Answered(tuple(matches), tuple(remarks))

    def _count(self, organisation_id: OrganisationId | None, fired: Sequence[Fired]) -> None:
        assert organisation_id is not None, "only accounts of organisations are members"
        noisy = self._tally.note(organisation_id, fired, self._standing.releases)
        if noisy:
            with self._lock:
                self._fresh |= {place: (Cause.RESEMBLES, count) for place, count in noisy}
                self._standing = _with(self._standing, self._fresh)

    def settle(self) -> None:
        """Write what was counted, put noisy entries aside, and see what owners have released.

        Raises:
            ServiceError: the database does not answer; what was counted is kept for the next time.
        """
        with self._turn:
            counts = self._tally.taken()
            with self._lock:
                fresh = dict(self._fresh)
            try:
                standing = self._written(counts, fresh)
            except BaseException:
                self._tally.give_back(counts)
                raise
            with self._lock:
                for place in fresh:
                    del self._fresh[place]
                self._standing = _with(standing, self._fresh)

    def _written(
        self,
        counts: Mapping[tuple[Place, OrganisationId], Counted],
        fresh: Mapping[Place, tuple[Cause, int]],
    ) -> Standing:
        """Write counts and entries that became noisy, and return how all stand now."""
        with self._database.read() as tx:
            standing = match_quarantine.standing(tx)
            limit = self._settings.quarantine_reports
            reports = match_quarantine.reported(tx, limit, standing.releases)
        noisy = {**fresh, **{place: (Cause.REPORTS, count) for place, count in reports.items()}}
        new = {p: why for p, why in noisy.items() if standing.aside.get(p) is not why[0]}
        if not counts and not new:
            return standing
        with self._database.write() as tx:
            match_counts.add(tx, now(), counts)
            match_quarantine.put_aside(tx, new)
            return match_quarantine.standing(tx)


_NOTHING = Answered()


def _with(standing: Standing, fresh: Mapping[Place, tuple[Cause, int]]) -> Standing:
    """Return how entries stand once those that became noisy are aside."""
    aside = {place: cause for place, (cause, _) in fresh.items()}
    return standing._replace(aside={**aside, **standing.aside})


def told(hit: Hit, right: Right) -> Match | None:
    """Return a hit as the member gets it, or None where it is too far or the entry not for it."""
    if hit.algorithm == PDQ and hit.distance_bits > right.radius_bits:
        return None
    entry = hit.entry
    carried = carried_by(entry)
    codes = codes_for(entry.classifications, carried.jurisdictions, right.jurisdictions)
    if codes is None:
        return None
    return Match(
        list=hit.list,
        entry=entry.provenance.row,
        role=hit.role,
        strength=hit.strength,
        algorithm=hit.algorithm,
        distance_bits=hit.distance_bits,
        state=carried.state.value,
        codes=codes,
        source=carried.source or entry.provenance.received_from,
        tags=carried.tags,
        reference=carried.reference,
        variant=hit.variant,
        frame=hit.frame,
    )


def _number(content: Known) -> int:
    """Return a number that is the same for the same content."""
    digests, fingerprints = content
    value = digests.sha256 or digests.sha1 or digests.md5
    return hash(value or tuple(f.bits for f in fingerprints)) % _CONTENT
