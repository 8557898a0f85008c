from __future__ import annotations

import pytest
from casework_office import Office
from sqlalchemy import insert, select

from tutela.casework import scheme as schemes
from tutela.casework.scheme import Code
from tutela.core.errors import AccessError, UsageError
from tutela.core.time import now
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.grading import Grade

EDITABLE = ["vics-au", "vics-ca", "vics-uk"]
# Keys of the review page that do something else.
TAKEN = set(" usomf?/")


def codes_of(name: str) -> list[str]:
    return [code.code for code in schemes.published(name).codes]


def test_published_codes_are_those_of_their_sources_and_nothing_is_guessed() -> None:
    assert codes_of("uk-abc") == ["A", "B", "C", "none"]
    assert codes_of("vics-us") == ["1", "2", "3", "4", "5"]
    assert codes_of("iccam") == ["BA", "NA", "DO", "IG"]
    assert codes_of("ncmec") == ["A1", "A2", "B1", "B2", "none"]
    assert codes_of("interpol-baseline") == ["baseline", "none"]
    editable = [name for name in schemes.names() if schemes.published(name).editable]
    assert editable == EDITABLE
    assert all(codes_of(name) == [] for name in editable)
    assert schemes.published("vics-us").ungraded == "0"


@pytest.mark.parametrize("name", schemes.names())
def test_each_scheme_says_its_source_and_has_keys_that_do_not_clash(name: str) -> None:
    scheme = schemes.published(name)
    assert scheme.name == name
    assert scheme.title
    assert scheme.source
    assert scheme.jurisdiction
    keys = [code.key for code in scheme.codes]
    assert len(set(keys)) == len(keys)
    assert not TAKEN & set(keys)
    for code in scheme.codes:
        assert code.label
        assert code.meaning
        assert code.ours == ("Tutela's word" in code.meaning)
    if scheme.codes:
        # Every grader needs a way to say that it is none of it.
        assert not scheme.codes[-1].illegal
        assert scheme.codes[0].illegal


def test_unknown_schemes_codes_and_facets_name_what_there_is() -> None:
    with pytest.raises(UsageError) as no_scheme:
        schemes.published("../pyproject")
    with pytest.raises(UsageError) as no_code:
        schemes.published("uk-abc").code("D")
    with pytest.raises(UsageError) as not_given:
        schemes.published("vics-us").code("0")
    with pytest.raises(UsageError) as empty:
        schemes.published("vics-uk").code("1")
    with pytest.raises(UsageError) as no_facet:
        schemes.check_facets({"mood": "x"})
    with pytest.raises(UsageError) as no_value:
        schemes.check_facets({"age_band": "old"})
    schemes.check_facets({"age_band": "infant", "generation": "ai_generated", "act": "none"})
    assert "uk-abc" in no_scheme.value.hint
    assert "A, B, C, none" in no_code.value.hint
    assert "1, 2, 3, 4, 5" in not_given.value.hint
    assert "administrator" in empty.value.hint
    assert "self_generated" in no_facet.value.hint
    assert "prepubescent" in no_value.value.hint


def code(name: str, *, illegal: bool = True) -> Code:
    return Code(code=name, label=f"Label {name}", meaning="As the agency says", illegal=illegal)


def test_an_agency_fills_in_its_profile(office: Office) -> None:
    administrator = office.person("administrator")
    with office.database.write() as tx:
        with pytest.raises(AccessError):
            schemes.set_codes(tx, office.person("supervisor"), "vics-uk", [code("1")], "letter")
        with pytest.raises(UsageError, match="published"):
            schemes.set_codes(tx, administrator, "uk-abc", [code("1")], "letter")
        with pytest.raises(UsageError, match="source"):
            schemes.set_codes(tx, administrator, "vics-uk", [code("1")], " ")
        with pytest.raises(UsageError, match="twice"):
            schemes.set_codes(tx, administrator, "vics-uk", [code("1"), code("1")], "letter")
        with pytest.raises(UsageError, match="not empty"):
            schemes.set_codes(tx, administrator, "vics-uk", [code(" ")], "letter")
        wanted = [code("x"), code("yy", illegal=False)]
        schemes.set_codes(tx, administrator, "vics-uk", wanted, "letter of 1 May")
    with office.database.read() as tx:
        found = schemes.load(tx, "vics-uk")
        other = schemes.load(tx, "vics-ca")
        logged = tx.execute(select(AuditEvent.subject, AuditEvent.body)).one()
    assert [(c.code, c.illegal, c.key) for c in found.codes] == [
        ("x", True, "x"),
        ("yy", False, ""),
    ]
    assert other.codes == ()
    assert logged.subject == "policy:vics-uk"
    assert b"letter" not in logged.body


def test_a_code_that_grades_have_stays(office: Office) -> None:
    administrator, grader = office.person("administrator"), office.person("grader")
    case = office.make_case(1)
    with office.database.write() as tx:
        schemes.set_codes(tx, administrator, "vics-uk", [code("x"), code("y")], "letter")
        tx.execute(
            insert(Grade).values(
                media_id=case.media_ids[0],
                case_id=case.id,
                organisation_id=grader.organisation_id,
                account_id=grader.account_id,
                scheme="vics-uk",
                code="x",
                facets={},
                law="",
                basis="viewed",
                at=now(),
            )
        )
        with pytest.raises(UsageError, match="grades have it"):
            schemes.set_codes(tx, administrator, "vics-uk", [code("y")], "letter")
        kept = schemes.set_codes(tx, administrator, "vics-uk", [code("x")], "letter")
    assert [c.code for c in kept.codes] == ["x"]
