"""Grades on arrival: what needs no person, because it is judged already.

Only an exact match inherits a grade (DESIGN, "Rules that protect people"): an entry of a list that
the policy trusts for the case's scheme, or votes that have become trusted under it. Such a media is
`known` and never shown, but for a sample that is read again. What an ignorable or allow list names
by SHA-256 is set aside. All else is for people, and only ordered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from tutela.audit.log import Event
from tutela.casework import blind
from tutela.casework import policy as policies
from tutela.casework import scheme as schemes
from tutela.casework.among import among
from tutela.casework.model import CaseInfo, MediaState
from tutela.core.entry import Role
from tutela.core.hit import Strength
from tutela.core.ids import MediaId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows, update_rows
from tutela.store.tables.casework import CaseMedia, Media, MediaHit
from tutela.store.tables.grading import Agreement, Grade

# Media that are graded together, so that memory stays bounded.
TOGETHER = 5000

Stored = tuple[str, dict[str, int | str]]


class Verdict(NamedTuple):
    """What is known of a media: a code of the case's scheme, and why (a stored reason)."""

    code: str
    reason: Stored


def on_arrival(
    tx: Connection, who: Principal, case: CaseInfo, media_ids: Sequence[int]
) -> list[Event]:
    """Grade what is known among some media of a case; return the events, for the caller to log.

    Only media that nobody has graded change. Doing it twice changes nothing.
    """
    events: list[Event] = []
    for start in range(0, len(media_ids), TOGETHER):
        events += _some(tx, who, case, media_ids[start : start + TOGETHER])
    return events


def sampled(sha256: bytes, permille: int) -> bool:
    """Tell whether a known media is read again for quality; the same answer everywhere."""
    drawn = int.from_bytes(hashlib.sha256(b"known sample" + sha256).digest()[:8])
    return drawn % 1000 < permille


def write_grades(
    tx: Connection, who: Principal, case: CaseInfo, codes: dict[MediaId, str], basis: str
) -> list[Event]:
    """Write grades that are no votes (`known`, `inferred`); return one event for each."""
    moment = now()
    insert_rows(
        tx,
        Grade,
        [
            {
                "media_id": media_id,
                "case_id": case.id,
                "organisation_id": case.organisation_id,
                "account_id": who.account_id,
                "scheme": case.scheme,
                "code": code,
                "facets": {},
                "law": "",
                "basis": basis,
                "at": moment,
            }
            for media_id, code in codes.items()
        ],
    )
    return [
        Event(
            "grade.given",
            f"media:{media_id}",
            {"case": case.id, "scheme": case.scheme, "code": code, "basis": basis},
        )
        for media_id, code in codes.items()
    ]


def _some(tx: Connection, who: Principal, case: CaseInfo, media_ids: Sequence[int]) -> list[Event]:
    rows = tx.execute(
        select(CaseMedia.media_id, Media.sha256)
        .join(Media, Media.id == CaseMedia.media_id)
        .where(
            CaseMedia.case_id == case.id,
            among(tx, CaseMedia.media_id, media_ids),
            CaseMedia.state.in_((MediaState.OPEN.value, MediaState.SET_ASIDE.value)),
            CaseMedia.code.is_(None),
        )
    ).all()
    sha256s = {MediaId(media_id): sha256 for media_id, sha256 in rows}
    if not sha256s:
        return []
    rules = policies.read(tx)
    verdicts, quiet = _hits(tx, case, list(sha256s), rules.trusted_lists)
    _agreed(tx, case, list(sha256s), verdicts)
    settled = {media_id: found[0] for media_id, found in verdicts.items() if _unanimous(found)}
    _set_aside(tx, case, {m: why for m, why in quiet.items() if m not in verdicts})
    if not settled:
        return []
    drawn = {
        media_id
        for media_id in settled
        if (sha256 := sha256s[media_id]) and sampled(sha256, rules.known_sample_permille)
    }
    update_rows(
        tx,
        CaseMedia,
        [
            {
                "case_id": case.id,
                "media_id": media_id,
                "state": MediaState.KNOWN.value,
                "code": verdict.code,
                "reasons": [verdict.reason],
                "sampled": media_id in drawn,
            }
            for media_id, verdict in settled.items()
        ],
    )
    again = {int(media_id): settled[media_id].code for media_id in sorted(drawn)}
    blind.ask(tx, case.id, (case.organisation_id, case.scheme), again, None, "known_sample")
    codes = {media_id: verdict.code for media_id, verdict in sorted(settled.items())}
    return write_grades(tx, who, case, codes, "known")


def _unanimous(found: Sequence[Verdict]) -> bool:
    return len({verdict.code for verdict in found}) == 1


def _hits(
    tx: Connection, case: CaseInfo, media_ids: Sequence[int], trusted: dict[str, str]
) -> tuple[dict[MediaId, list[Verdict]], dict[MediaId, Stored]]:
    """Return what trusted lists say of media, and which are silenced by another kind of list."""
    names = {name for name, scheme in trusted.items() if scheme == case.scheme}
    rows = tx.execute(
        select(
            MediaHit.media_id,
            MediaHit.list_name,
            MediaHit.role,
            MediaHit.strength,
            MediaHit.classifications,
            MediaHit.entry_number,
        )
        .where(
            MediaHit.case_id == case.id, among(tx, MediaHit.media_id, media_ids), ~MediaHit.silenced
        )
        .order_by(MediaHit.id)
    )
    allowed = {code.code for code in schemes.load(tx, case.scheme).codes}
    verdicts: dict[MediaId, list[Verdict]] = {}
    quiet: dict[MediaId, Stored] = {}
    loud: set[MediaId] = set()
    for media_id, name, role, strength, classifications, entry in rows:
        if role != Role.ALERT:
            quiet.setdefault(MediaId(media_id), ("ignorable", {"list": name}))
            continue
        loud.add(MediaId(media_id))
        if strength == Strength.EXACT and name in names:
            why: Stored = ("known_list", {"list": name, "entry": entry})
            found = verdicts.setdefault(MediaId(media_id), [])
            found += [Verdict(c, why) for c in _codes(classifications, case.scheme, allowed)]
    return (
        {media_id: found for media_id, found in verdicts.items() if found},
        {media_id: why for media_id, why in quiet.items() if media_id not in loud},
    )


def _codes(
    classifications: Iterable[Sequence[str]], scheme: str, allowed: set[str]
) -> Iterable[str]:
    """Return the codes of the scheme that an entry gives.

    The policy says that a list speaks this scheme, whatever its file calls it; where the entry
    names the scheme itself, only that counts.
    """
    said = [(word, code) for word, code in classifications]
    named = [code for word, code in said if word == scheme]
    return dict.fromkeys(c for c in named or [code for _, code in said] if c in allowed)


def _agreed(
    tx: Connection,
    case: CaseInfo,
    media_ids: Sequence[int],
    verdicts: dict[MediaId, list[Verdict]],
) -> None:
    """Add what organisations have agreed on, as trusted, under the case's scheme."""
    rows = tx.execute(
        select(Agreement.media_id, Agreement.code, Agreement.votes).where(
            among(tx, Agreement.media_id, media_ids),
            Agreement.scheme == case.scheme,
            Agreement.state == "trusted",
            Agreement.code.is_not(None),
        )
    )
    for media_id, code, votes in rows:
        why: Stored = ("known_agreement", {"votes": votes})
        verdicts.setdefault(MediaId(media_id), []).append(Verdict(str(code), why))


def _set_aside(tx: Connection, case: CaseInfo, quiet: dict[MediaId, Stored]) -> None:
    update_rows(
        tx,
        CaseMedia,
        [
            {
                "case_id": case.id,
                "media_id": media_id,
                "state": MediaState.SET_ASIDE.value,
                "reasons": [reason],
            }
            for media_id, reason in quiet.items()
        ],
    )
    if quiet:
        # It has no place in the review, should an earlier arrangement have given it one.
        tx.execute(
            update(CaseMedia)
            .where(CaseMedia.case_id == case.id, among(tx, CaseMedia.media_id, quiet))
            .values(position=None)
        )
