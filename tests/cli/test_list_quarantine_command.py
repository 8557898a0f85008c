"""`tutela list quarantine`: what an owner sees of how a list matches."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import insert

from tutela.cli import list_owned
from tutela.cli import list_quarantine as command
from tutela.cli.init import init
from tutela.cli.open import opened
from tutela.core.entry import Role as ListRole
from tutela.core.errors import AccessError, UsageError
from tutela.core.principal import Role
from tutela.core.time import now
from tutela.exchange import lists, match_counts, match_quarantine
from tutela.exchange.match_quarantine import Cause
from tutela.exchange.match_tally import Counted
from tutela.store.tables.access import AccountRole


@pytest.fixture(autouse=True)
def noisy(own_home):
    """An installation with a list of which two entries are noisy."""
    init(organisation="Coast Hotline", country="GB", admin="ann.lee", role=[Role.SUPERVISOR])
    with opened() as office, office.database.write() as tx:
        tx.execute(
            insert(AccountRole).prefix_with("OR IGNORE"),
            [{"account_id": office.who.account_id, "role": Role.SUPERVISOR.value}],
        )
    list_owned.create("known", title="Known", purpose="Matching", role=ListRole.ALERT)
    with opened() as office, office.database.write() as tx:
        view = lists.view(tx, office.who, "known")
        match_quarantine.put_aside(
            tx, {(view.id, 7): (Cause.RESEMBLES, 1000), (view.id, 9): (Cause.REPORTS, 2)}
        )
        counts = {((view.id, 7), view.owner_id): Counted(3, 4)}
        match_counts.add(tx, now(), counts)
        match_counts.add(tx, now(), counts)
    return own_home


def test_noisy_entries_are_shown_and_released(capsys):
    assert command.quarantine("known") == 0
    said = capsys.readouterr().out
    assert "1000 contents resemble it" in said
    assert "2 members report it" in said
    assert command.quarantine("known", release=[7], format_="jsonl") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["entry"], row["state"]) for row in rows] == [(9, "quarantined"), (7, "released")]
    with pytest.raises(UsageError):
        command.quarantine("known", release=[7])
    with pytest.raises(AccessError):
        command.quarantine("nobodys")


def test_counts_are_shown(capsys):
    assert command.quarantine("known", counts=True) == 0
    line = capsys.readouterr().out.split()
    assert line == ["Coast", "Hotline", "1", "entries", "6", "exact", "8", "indicative"]
