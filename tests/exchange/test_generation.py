"""Generations: numbered when something changed, and their deltas lead from one to the next."""

from __future__ import annotations

import pytest
from exchange_lists import made_up

from tutela.core.errors import AccessError, UsageError
from tutela.exchange import generation
from tutela.exchange import lists as published
from tutela.exchange.model import SERVED


def _seal(lists, who=None):
    with lists.office.database.write() as tx:
        return generation.seal(tx, who or lists.owner, lists.id)


def test_a_generation_is_sealed_only_when_something_changed(lists):
    assert _seal(lists).number == 1
    assert _seal(lists).number == 1
    lists.add(made_up(1), made_up(2))
    second = _seal(lists)
    assert (second.number, second.active, second.added, second.removed) == (2, 2, 2, 0)
    lists.withdraw(1)
    third = _seal(lists)
    assert (third.number, third.active, third.added, third.removed) == (3, 1, 0, 1)
    assert _seal(lists) == third


def test_a_delta_leads_from_one_generation_to_the_next(office, lists):
    lists.add(*(made_up(n) for n in range(10)))
    first = _seal(lists)
    lists.withdraw(2, 3)
    lists.add(made_up(20))
    second = _seal(lists)
    with office.database.read() as tx:
        view = published.view(tx, lists.owner, "known")
        kept = {e.id for e in generation.delta(tx, lists.owner, view, 0, first.change)}
        for entry in generation.delta(tx, lists.owner, view, first.change, second.change):
            (kept.add if entry.state in SERVED else kept.discard)(entry.id)
        whole = {e.id for e in generation.delta(tx, lists.owner, view, 0, second.change)}
    assert kept == whole
    assert len(whole) == second.active == 9


def test_only_a_manager_seals(lists):
    lists.member(1)
    with pytest.raises(AccessError):
        _seal(lists, lists.office.person("supervisor", 1))


def test_an_unknown_generation_says_which_there_are(office, lists):
    _seal(lists)
    with office.database.read() as tx, pytest.raises(UsageError) as refused:
        generation.of(tx, published.view(tx, lists.owner, "known"), 7)
    assert refused.value.hint == "it has 1 to 1"
