from __future__ import annotations

import pytest
from casework_office import Office
from sqlalchemy import select

from tutela.casework import policy
from tutela.core.errors import AccessError, UsageError
from tutela.store.tables.audit import AuditEvent, AuditText


def test_rules_have_defaults_and_changes_are_kept_and_logged(office: Office) -> None:
    administrator = office.person("administrator")
    with office.database.write() as tx:
        before = policy.read(tx)
        after = policy.change(
            tx, administrator, votes_to_trust=2, trusted_lists={"national": "uk-abc"}
        )
        policy.change(tx, administrator, votes_to_trust=2)  # nothing changes, nothing is logged
    with office.database.read() as tx:
        again = policy.read(tx)
        logged = tx.execute(select(AuditEvent.subject, AuditEvent.body)).all()
        texts = tx.execute(select(AuditText.text)).scalars().all()
    assert (before.votes_to_trust, before.known_sample_permille) == (3, 20)
    assert after == again
    assert (again.votes_to_trust, again.trusted_lists) == (2, {"national": "uk-abc"})
    assert sorted(subject for subject, _ in logged) == [
        "policy:trusted_lists",
        "policy:votes_to_trust",
    ]
    # Names of lists are words: the leaf only commits to them.
    assert not any(b"national" in body for _, body in logged)
    assert texts == ['{"national":"uk-abc"}']


def test_only_administrators_change_rules_and_only_to_what_they_can_be(
    small_office: Office,
) -> None:
    with small_office.database.write() as tx:
        for name in ("grader", "supervisor", "examiner", "auditor"):
            with pytest.raises(AccessError):
                policy.change(tx, small_office.person(name), votes_to_trust=1)
        administrator = small_office.person("administrator")
        with pytest.raises(UsageError, match="no rule") as unknown:
            policy.change(tx, administrator, votes=1)
        with pytest.raises(UsageError, match="votes_to_trust"):
            policy.change(tx, administrator, votes_to_trust=0)
        with pytest.raises(UsageError):
            policy.change(tx, administrator, second_reading_permille=1001)
        assert policy.read(tx) == policy.Policy()
    assert "votes_to_trust" in unknown.value.hint
