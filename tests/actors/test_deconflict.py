"""Marks withhold and can be undone; the blind list withholds, and tells nobody whom or why."""

from __future__ import annotations

import pytest
from leads_support import SEALER, Town
from sqlalchemy import select

from tutela.access.seal import Sealer
from tutela.actors import deconflict, marking, ranking, release
from tutela.actors.deconflict import Identifier
from tutela.actors.marking import Mark
from tutela.core.errors import AccessError, ConflictError, UsageError
from tutela.observation.model import EntityKind
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.leads import Deconfliction

KEY = deconflict.key_of(SEALER)


def rank(town: Town) -> ranking.RankingInfo:
    return ranking.rank(town.database, town.who, town.case_id, town.desk())


def places(town: Town) -> list[int]:
    with town.database.read() as tx:
        info = ranking.latest(tx, town.who, town.case_id)
        assert info is not None
        return [one.account_id for one in ranking.ranked(tx, town.who, town.case_id, info.id)]


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Mark.SAFEGUARDING, "safeguarding"),
        (Mark.SELF_GENERATED, "safeguarding"),
        (Mark.OFFICER, "check"),
        (Mark.HIJACKED, "check"),
    ],
)
def test_a_mark_withholds_until_it_is_undone(town: Town, kind: Mark, reason: str):
    heron, stork = town.account("heron"), town.account("stork")
    with town.database.write() as tx:
        put = marking.put(tx, town.who, town.case_id, heron, kind, "as the school says")
        assert marking.put(tx, town.who, town.case_id, heron, kind, "again") == put
    before = 1 if reason == "check" else 0
    info = rank(town)
    assert (places(town), info.withheld[reason]) == ([stork], before + 1)
    with pytest.raises(UsageError) as refused, town.database.write() as tx:
        release.propose(tx, town.who, town.case_id, heron, town.desk())
    assert refused.value.code == "not_ranked"
    with town.database.write() as tx:
        marking.undo(tx, town.who, town.case_id, put, "it was another account")
        with pytest.raises(ConflictError):
            marking.undo(tx, town.who, town.case_id, put, "twice")
    rank(town)
    assert places(town) == [heron, stork]


def test_marks_of_context_raise_the_score_and_withhold_nobody(town: Town):
    heron = town.account("heron")
    rank(town)
    with town.database.read() as tx:
        before = ranking.of_account(tx, town.who, town.case_id, heron)
    with town.database.write() as tx:
        for kind in (Mark.ADMINISTRATOR, Mark.CONTACT_ABUSE):
            marking.put(tx, town.who, town.case_id, heron, kind, "read by two analysts")
    rank(town)
    with town.database.read() as tx:
        after = ranking.of_account(tx, town.who, town.case_id, heron)
    assert before is not None
    assert after is not None
    assert {one["kind"] for one in after.explanation["terms"]} >= {"role", "markers"}
    assert after.score > before.score
    assert before.lower < after.lower <= 1.25 * before.lower, "context is capped"


@pytest.mark.parametrize(
    "identifier",
    [
        Identifier(EntityKind.HANDLE, "Heron"),
        Identifier(EntityKind.HANDLE, "h\u0435ron"),  # another script's letter
        Identifier(EntityKind.TOX, "ab12" * 19),
    ],
)
def test_the_blind_list_withholds_and_tells_nobody(town: Town, identifier: Identifier):
    heron, stork = town.account("heron"), town.account("stork")
    administrator = town.office.person("administrator")
    assert rank(town).withheld["check"] == 1
    with town.database.write() as tx:
        assert deconflict.add(tx, administrator, KEY, [identifier, identifier]) == 1
        assert deconflict.add(tx, administrator, KEY, [identifier]) == 0
    with pytest.raises(UsageError) as refused, town.database.write() as tx:
        release.propose(tx, town.who, town.case_id, heron, town.desk())
    assert refused.value.code == "withheld"
    info = rank(town)
    assert places(town) == [stork]
    assert info.withheld["check"] == 2, "counted with others that a person checks"
    with town.database.read() as tx:
        (digest,) = tx.execute(select(Deconfliction.digest)).scalars()
        bodies = tx.execute(select(AuditEvent.body)).scalars().all()
    assert len(digest) == 32
    everything = b"".join([bytes(digest), *bodies]).lower()
    assert b"heron" not in everything
    assert b"ab12ab12" not in everything
    assert any(b"deconfliction.asked" in body and b'"withheld":' in body for body in bodies)
    with town.database.write() as tx:
        assert deconflict.remove(tx, administrator, KEY, [identifier]) == 1
    rank(town)
    assert places(town) == [heron, stork]


def test_only_who_sets_rules_may_add_or_count(town: Town):
    one = [Identifier(EntityKind.HANDLE, "x")]
    for who in (town.who, town.supervisor):
        with town.database.write() as tx, pytest.raises(AccessError):
            deconflict.add(tx, who, KEY, one)
        with town.database.read() as tx, pytest.raises(AccessError):
            deconflict.count(tx, who)


def test_another_installations_key_gives_other_hashes(town: Town):
    administrator = town.office.person("administrator")
    one = [Identifier(EntityKind.EMAIL, "A.Person@Post.test")]
    with town.database.write() as tx:
        other = deconflict.key_of(Sealer(bytes(32)))
        deconflict.add(tx, administrator, other, one)
        assert deconflict.add(tx, administrator, KEY, one) == 1


def test_a_file_is_read_by_line_and_never_quoted():
    text = "# of the unit\n\nhandle heron\nemail, Ann@post.test\n"
    assert deconflict.read(text.splitlines()) == [
        (EntityKind.HANDLE, "heron"),
        (EntityKind.EMAIL, " Ann@post.test"),
    ]
    assert deconflict.normal(Identifier(EntityKind.EMAIL, " Ann@post.test")) == "ann@post.test"
    for bad in ("heron", "name heron", "handle ,"):
        with pytest.raises(UsageError) as refused:
            deconflict.read(["handle ok", bad])
        assert "line 2" in refused.value.message
        assert "heron" not in refused.value.message
