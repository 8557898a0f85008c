from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from tutela.core.entry import Classification, ListEntry, Provenance, State
from tutela.core.ids import EntryId, ListId, OrganisationId
from tutela.core.media import Digests, Fingerprint
from tutela.exchange.carry import carried_by, codes_for, codes_of, entry_of, listed_of
from tutela.exchange.model import Coded, Content, EntryState, Listed

WHEN = datetime(2026, 11, 22, 10, 0, 1, 5, tzinfo=UTC)
OWN = Provenance("alerts", "feed", 0, WHEN, "Example Hotline")
LISTED = Listed(
    id=EntryId(17),
    list_id=ListId(3),
    content=Content.VIDEO,
    state=EntryState.DISPUTED,
    digests=Digests(md5=b"m" * 16, sha256=b"s" * 32),
    fingerprints=(Fingerprint("pdq", b"p" * 32, 90),),
    codes=(Coded("GB", "uk-abc", "A"), Coded("INT", "interpol-baseline", "1")),
    tags=("grid", "self-made"),
    source_id=OrganisationId(4),
    source="Example Hotline",
    reference="EH/7",
    change=12,
    changed_at=WHEN,
)


def test_a_listed_entry_comes_back_whole():
    entry = entry_of(LISTED, OWN)
    assert listed_of(entry) == LISTED
    assert entry.provenance == msgspec.structs.replace(OWN, row=17)
    assert entry.classifications == (
        Classification("uk-abc", "A"),
        Classification("interpol-baseline", "1"),
    )


def test_only_served_states_match():
    states = {
        state: entry_of(msgspec.structs.replace(LISTED, state=state), OWN).state
        for state in EntryState
    }
    assert {state for state, kept in states.items() if kept is State.ACTIVE} == {
        EntryState.ACTIVE,
        EntryState.DISPUTED,
    }


def test_an_imported_entry_carries_nothing_and_is_under_no_countrys_law():
    for extra in (
        b"",
        b'{"note":"x"}',
        b'{"tutela":{"state":7}}',
        b'{"tutela"',
        b'{"tutela":null}',
    ):
        entry = ListEntry(OWN, classifications=(Classification("s", "c"),), extra=extra)
        assert listed_of(entry) is None
        assert codes_of(entry, carried_by(entry)) == (Coded("INT", "s", "c"),)


def test_a_member_gets_the_codes_of_its_jurisdictions():
    entry = entry_of(LISTED, OWN)
    named = carried_by(entry).jurisdictions

    def codes(*jurisdictions, of=slice(None)):
        return codes_for(entry.classifications[of], named[of], frozenset(jurisdictions))

    assert codes() == LISTED.codes
    assert codes("DE") == LISTED.codes[1:]
    assert codes("GB") == LISTED.codes
    assert codes("DE", of=slice(0, 1)) is None
    assert codes(of=slice(0)) == ()
    assert codes("DE", of=slice(0)) is None
