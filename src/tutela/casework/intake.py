"""Evidence into a case: what a scan records becomes media, sightings and hits.

The scan's journal is the memory of what was read; the database follows it in batches, each one
transaction, each written once however often it is told. Killed at any moment and started again,
the rows are those of an undisturbed run. An exhibit is complete when its totals are the scan's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import msgspec
from sqlalchemy import Connection, Select, func, insert, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.audit.log import Event
from tutela.casework import arrange, sightings
from tutela.casework import case as cases
from tutela.casework.belonging import line
from tutela.casework.facts import storable
from tutela.casework.model import ExhibitInfo, ExhibitState
from tutela.core.errors import IntegrityError, UsageError
from tutela.core.ids import CaseId, ExhibitId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.evidence.vault.vault import Vault
from tutela.scan.session import Session
from tutela.scan.wire import Status
from tutela.store import Database
from tutela.store.tables.casework import Exhibit, Sighting

BATCH = 1000
LABEL_CHARACTERS = 200


class Source(msgspec.Struct, frozen=True):
    """What is added: the exhibit's label in the case, the device, and where it is read from.

    `device` names the thing itself (make, serial, number of the seizure); `path` is for people.
    """

    label: str
    device: str = ""
    path: str = ""


def add(  # noqa: PLR0913 what, where from, where to, and who watches
    database: Database,
    who: Principal,
    case_id: CaseId,
    source: Source,
    session: Session,
    *,
    vault: Vault | None = None,
    again: bool = False,
    watch: Callable[[int], None] = lambda _written: None,
) -> ExhibitInfo:
    """Take a scan into a case as an exhibit, or go on with it; stack and order the case after it.

    `watch` is told how many sightings are written. The scan's journal may be forgotten when this
    returns, not before. With `again` an exhibit that is complete already is returned as it is: the
    kill may have come after it was.

    Raises:
        AccessError: `who` may not add evidence to this case.
        UsageError: the case is closed, its authority not valid, or the label is taken.
        IntegrityError: the evidence is not what it was when the adding began, or the totals are
            not those of the scan.
        KeyboardInterrupt: the scan was stopped; what is written stays.
    """
    with database.write() as tx:
        exhibit = _begin(tx, who, case_id, source, session, again=again)
    if exhibit.state is ExhibitState.COMPLETE:
        return exhibit
    ordinal = 0
    stream = session.pipeline.run()
    while batch := list(islice(stream, BATCH)):
        with database.write() as tx:
            places = sightings.by_place(ordinal, batch)
            surplus = sightings.write(tx, who, exhibit, places, vault)
        if vault and surplus:
            vault.shred(surplus)
        ordinal += len(batch)
        watch(ordinal)
    with database.read() as tx:
        _verify(tx, exhibit, session)
    arrange.arrange(database, who, case_id)
    with database.write() as tx:
        return finish(tx, who, exhibit)


def _begin(  # noqa: PLR0913 as `add`
    tx: Connection,
    who: Principal,
    case_id: CaseId,
    source: Source,
    session: Session,
    *,
    again: bool,
) -> ExhibitInfo:
    require(tx, who, Permission.EVIDENCE_ADD, case_id)
    cases.working(tx, case_id)
    label = line(source.label, LABEL_CHARACTERS, "a label")
    there = tx.execute(_exhibit().where(Exhibit.case_id == case_id, Exhibit.label == label)).first()
    if there is not None:
        exhibit = cases.exhibit_info(there)
        if exhibit.state is ExhibitState.COMPLETE and not again:
            raise UsageError(
                f"the case has an exhibit {label} already, and it is complete",
                code="exhibit_exists",
                hint="give another --label",
            )
        return exhibit
    lists = [
        {"name": one.name, "entries": one.entries, "sha256": one.source_sha256}
        for one in session.lists
    ]
    texts = {
        "label": label,
        "device": storable(source.device.strip()),
        "source": storable(source.path),
    }
    made = _insert(tx, case_id, {**texts, "extra": {"lists": lists}})
    log.record(tx, who, "exhibit.begun", f"exhibit:{made}", texts=texts, case=case_id)
    return cases.exhibit_info(tx.execute(_exhibit().where(Exhibit.id == made)).one())


def _insert(tx: Connection, case_id: CaseId, values: dict[str, Any]) -> int:
    counts = dict.fromkeys(("seen", "hashed", "skipped", "failed", "size_bytes"), 0)
    made = tx.execute(
        insert(Exhibit)
        .values(
            case_id=case_id,
            state=ExhibitState.ADDING,
            started_at=now(),
            finished_at=None,
            **counts,
            **values,
        )
        .returning(Exhibit.id)
    )
    return made.scalar_one()


def _exhibit() -> Select[Any]:
    return select(Exhibit.__table__)


def _verify(tx: Connection, exhibit: ExhibitInfo, session: Session) -> None:
    """Compare the exhibit with the scan: seen is hashed, skipped and failed, here and there.

    Raises:
        IntegrityError: they differ, so something seen has no row or something else has one.
    """
    summary = session.pipeline.summary
    counted = _counted(tx, exhibit.id)
    for status in Status:
        if counted[status] != summary.status[status]:
            raise IntegrityError(
                f"the totals do not add up: the scan has {summary.status[status]} contents "
                f"{status.value}, the exhibit {counted[status]}",
                code="totals",
                hint="did the evidence change meanwhile? Add it again under another label",
            )


def _counted(tx: Connection, exhibit_id: ExhibitId) -> Counter[str]:
    rows = tx.execute(
        select(Sighting.status, func.count())
        .where(Sighting.exhibit_id == exhibit_id)
        .group_by(Sighting.status)
    )
    return Counter(dict(rows.all()))


def finish(tx: Connection, who: Principal, exhibit: ExhibitInfo) -> ExhibitInfo:
    """Say that an exhibit is complete, with the totals of its sightings."""
    counted = _counted(tx, exhibit.id)
    size_bytes = tx.execute(
        select(func.coalesce(func.sum(Sighting.size_bytes), 0)).where(
            Sighting.exhibit_id == exhibit.id
        )
    ).scalar_one()
    totals: dict[str, int] = {
        "seen": counted.total(),
        "hashed": counted[Status.HASHED],
        "skipped": counted[Status.SKIPPED],
        "failed": counted[Status.FAILED],
        "size_bytes": int(size_bytes or 0),
    }
    tx.execute(
        update(Exhibit)
        .where(Exhibit.id == exhibit.id)
        .values(state=ExhibitState.COMPLETE, finished_at=now(), **totals)
    )
    event = Event("exhibit.completed", f"exhibit:{exhibit.id}", {"case": exhibit.case_id, **totals})
    log.record_many(tx, who, [event])
    return cases.exhibit_info(tx.execute(_exhibit().where(Exhibit.id == exhibit.id)).one())
