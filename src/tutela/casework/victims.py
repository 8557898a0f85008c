"""Victims, by pseudonym: a name is never kept here, only the reference of the file that has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.casework.belonging import line, of_case
from tutela.casework.model import VictimInfo
from tutela.core.errors import UsageError
from tutela.core.ids import CaseId, VictimId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import insert_rows
from tutela.store.tables.casework import CaseMedia, Victim, VictimMedia

STATES: Final = ("unidentified", "identified", "safe")
CHARACTERS = 100


def create(
    tx: Connection, who: Principal, case_id: CaseId, pseudonym: str, reference: str = ""
) -> VictimId:
    """Keep a victim under a pseudonym; `reference` is where the person's own file is kept.

    Raises:
        AccessError: `who` does not identify victims in this case.
        UsageError: the pseudonym is none, or taken.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    called = line(pseudonym, CHARACTERS, "a pseudonym")
    if tx.execute(select(Victim.id).where(Victim.pseudonym == called)).first() is not None:
        raise UsageError(f"the pseudonym {called} is in use", code="victim_exists")
    kept_at = line(reference, CHARACTERS, "a reference") if reference.strip() else ""
    made = tx.execute(
        insert(Victim)
        .values(
            pseudonym=called,
            state=STATES[0],
            reference=kept_at,
            created_at=now(),
        )
        .returning(Victim.id)
    ).scalar_one()
    texts = {"pseudonym": called, "reference": kept_at}
    log.record(tx, who, "victim.created", f"victim:{made}", texts=texts, case=case_id)
    return VictimId(made)


def set_state(
    tx: Connection, who: Principal, case_id: CaseId, victim_id: VictimId, state: str
) -> None:
    """Say whether a victim is unidentified, identified or safe.

    Raises:
        AccessError: `who` does not identify victims in this case.
        UsageError: there is no such state, or no media of the case depicts the victim.
    """
    require(tx, who, Permission.SERIES, case_id)
    if state not in STATES:
        raise UsageError(f"a victim is {', '.join(STATES)}")
    if all(known.id != victim_id for known in list_(tx, who, case_id)):
        raise UsageError("this victim is not in the case", code="not_in_case")
    tx.execute(update(Victim).where(Victim.id == victim_id).values(state=state))
    log.record(tx, who, "victim.changed", f"victim:{victim_id}", case=case_id, state=state)


def list_(tx: Connection, who: Principal, case_id: CaseId) -> list[VictimInfo]:
    """Return the victims that media of a case depict.

    Raises:
        AccessError: `who` may not read this case.
    """
    require(tx, who, Permission.CASE_READ, case_id)
    rows = tx.execute(
        select(Victim.id, Victim.pseudonym, Victim.state, Victim.reference, func.count())
        .join(VictimMedia, VictimMedia.victim_id == Victim.id)
        .join(CaseMedia, CaseMedia.media_id == VictimMedia.media_id)
        .where(CaseMedia.case_id == case_id)
        .group_by(Victim.id, Victim.pseudonym, Victim.state, Victim.reference)
        .order_by(Victim.pseudonym)
    )
    return [
        VictimInfo(id=VictimId(n), pseudonym=name, state=state, reference=reference, media=media)
        for n, name, state, reference, media in rows
    ]


def by_pseudonym(tx: Connection, who: Principal, case_id: CaseId, pseudonym: str) -> VictimId:
    """Return a victim by the exact pseudonym, to put media of this case to.

    Raises:
        AccessError: `who` does not identify victims in this case.
        UsageError: nobody has it.
    """
    require(tx, who, Permission.SERIES, case_id)
    found = tx.execute(select(Victim.id).where(Victim.pseudonym == pseudonym.strip())).scalar()
    if found is None:
        raise UsageError("nobody has this pseudonym", code="no_victim")
    return VictimId(found)


def add(  # noqa: PLR0913 who is depicted where, and how that is known
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    victim_id: VictimId,
    media_ids: Sequence[int],
    *,
    pseudonym: str = "",
) -> None:
    """Say that media of a case depict a victim.

    A number can be guessed: a victim whom only media of other cases depict is named by the exact
    `pseudonym` as well, which their teams tell.

    Raises:
        AccessError: `who` does not identify victims in this case.
        UsageError: there is no such victim, or none that this case knows; or a media is not in the
            case.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    depicted = select(VictimMedia.media_id).where(VictimMedia.victim_id == Victim.id)
    here = depicted.join(CaseMedia, CaseMedia.media_id == VictimMedia.media_id).where(
        CaseMedia.case_id == case_id
    )
    known = or_(here.exists(), ~depicted.exists(), Victim.pseudonym == pseudonym.strip())
    if tx.execute(select(Victim.id).where(Victim.id == victim_id, known)).first() is None:
        raise UsageError("there is no such victim", code="no_victim")
    wanted = of_case(tx, case_id, media_ids)
    rows = [{"victim_id": victim_id, "media_id": media_id} for media_id in wanted]
    insert_rows(tx, VictimMedia, rows, ignore_existing=True)
    facts = {"case": case_id, "victim": victim_id}
    log.record_many(tx, who, [log.Event("victim.seen", f"media:{m}", facts) for m in wanted])


def remove(
    tx: Connection, who: Principal, case_id: CaseId, victim_id: VictimId, media_ids: Sequence[int]
) -> None:
    """Say that media of a case do not depict a victim after all.

    Raises:
        AccessError: `who` does not identify victims in this case.
        UsageError: a media is not in the case.
    """
    require(tx, who, Permission.SERIES, case_id)
    cases.working(tx, case_id)
    wanted = of_case(tx, case_id, media_ids)
    tx.execute(
        delete(VictimMedia).where(
            VictimMedia.victim_id == victim_id, among(tx, VictimMedia.media_id, wanted)
        )
    )
    facts = {"case": case_id, "victim": victim_id}
    log.record_many(tx, who, [log.Event("victim.unseen", f"media:{m}", facts) for m in wanted])
