from __future__ import annotations

from datetime import timedelta

import pytest
from casework_office import Office
from sqlalchemy import delete, func, insert, select, update

from tutela.casework import exposure, policy
from tutela.casework.exposure import Meter
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.tables.access import Preference
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import Authority, Case
from tutela.store.tables.grading import View


def look_back(office: Office, who: Principal, case: int, media: int, minutes_ago: list[float]):
    with office.database.write() as tx:
        tx.execute(delete(View))
        for ago in minutes_ago:
            tx.execute(
                insert(View).values(
                    account_id=who.account_id,
                    case_id=case,
                    media_id=media,
                    at=now() - timedelta(minutes=ago),
                    reason="review",
                )
            )


def read(office: Office, who: Principal) -> Meter:
    with office.database.read() as tx:
        return exposure.meter(tx, who)


def test_every_clear_view_is_a_row_and_an_event(office: Office) -> None:
    grader = office.person("grader")
    case = office.make_case(2)
    with office.database.write() as tx:
        for media_id in (*case.media_ids, case.media_ids[0]):
            exposure.viewed(tx, grader, case.id, media_id, "review")
    with office.database.read() as tx:
        rows = tx.execute(select(View.media_id, View.reason)).all()
        events = tx.execute(select(AuditEvent.action, AuditEvent.subject)).all()
        meter = exposure.meter(tx, grader)
        other = exposure.meter(tx, office.person("grader2"))
    assert [media_id for media_id, _ in rows] == [*case.media_ids, case.media_ids[0]]
    assert events == [("media.viewed", f"media:{media_id}") for media_id, _ in rows]
    assert (meter.views, meter.break_due) == (3, False)
    assert other == Meter(0, 0, break_due=False)


def test_nothing_is_seen_without_team_role_authority_or_reason(small_office: Office) -> None:
    office = small_office
    grader = office.person("grader")
    case, elsewhere = office.make_case(1), office.make_case(1)
    media_id = case.media_ids[0]
    with office.database.write() as tx:
        for who in (office.person("examiner"), office.person("grader", 1)):
            with pytest.raises(AccessError):
                exposure.viewed(tx, who, case.id, media_id, "review")
        with pytest.raises(UsageError, match="not in the case"):
            exposure.viewed(tx, grader, case.id, elsewhere.media_ids[0], "review")
        with pytest.raises(UsageError, match="no reason"):
            exposure.viewed(tx, grader, case.id, media_id, "curiosity")
        tx.execute(update(Case).where(Case.id == case.id).values(state="closed"))
        with pytest.raises(UsageError, match="closed"):
            exposure.viewed(tx, grader, case.id, media_id, "review")
        tx.execute(update(Authority).values(valid_until=now() - timedelta(days=1)))
        with pytest.raises(UsageError, match="authority"):
            exposure.viewed(tx, grader, elsewhere.id, elsewhere.media_ids[0], "review")
        assert tx.execute(select(func.count()).select_from(View)).scalar_one() == 0


def test_the_meter_counts_from_the_last_pause(small_office: Office) -> None:
    office = small_office
    grader = office.person("grader")
    case = office.make_case(1)
    media_id = case.media_ids[0]
    look_back(office, grader, case.id, media_id, [60, 50, 21, 12, 3.5, 1])
    # 60 and 50 lie before a pause; 21 to 1 are one stretch.
    assert read(office, grader) == Meter(4, 21, break_due=False)
    look_back(office, grader, case.id, media_id, [30, 20, 11])
    assert read(office, grader) == Meter(0, 0, break_due=False)
    look_back(office, grader, case.id, media_id, [m * 8.0 + 1 for m in range(8)])
    assert read(office, grader) == Meter(8, 57, break_due=True)


def test_a_person_may_be_stricter_than_the_rule_and_not_laxer(small_office: Office) -> None:
    office = small_office
    grader = office.person("grader")
    case = office.make_case(1)
    look_back(office, grader, case.id, case.media_ids[0], [3, 2, 1])
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), views_before_break=5)
        tx.execute(
            insert(Preference).values(
                account_id=grader.account_id, name="breaks", value={"views_before_break": 3}
            )
        )
    assert read(office, grader).break_due
    with office.database.write() as tx:
        tx.execute(update(Preference).values(value={"views_before_break": 500}))
    assert not read(office, grader).break_due
    with office.database.write() as tx:
        policy.change(tx, office.person("administrator"), views_before_break=3)
    assert read(office, grader).break_due
