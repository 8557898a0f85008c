from __future__ import annotations

import pytest
from casework_office import Office

from tutela.casework import derive, policy
from tutela.casework import scheme as schemes
from tutela.casework.policy import Policy, Reviewed
from tutela.core.errors import AccessError, UsageError
from tutela.core.time import now

REAL = {"generation": "real"}
SIGNED = Policy(
    reviewed_derivations={
        derive.TABLE: Reviewed(by="A. Reviewer", at=now(), sha256=derive.sha256())
    }
)


def code(origin: str, given: str, to: str, rules: Policy = SIGNED, **facets: str) -> str | None:
    found = derive.derive(rules, origin, given, facets, to)
    return None if found is None else found.code


@pytest.mark.parametrize(
    ("origin", "facets", "to", "expected"),
    [
        # The rows of the mapping, and what the lack of a facet does to them.
        (("uk-abc", "A"), {**REAL, "age_band": "prepubescent"}, "vics-us", "1"),
        (("uk-abc", "A"), {**REAL, "age_band": "infant"}, "iccam", "BA"),
        (("uk-abc", "A"), {**REAL, "age_band": "infant"}, "ncmec", "A1"),
        (("uk-abc", "A"), {**REAL, "age_band": "pubescent"}, "iccam", "NA"),
        (("uk-abc", "B"), {**REAL, "age_band": "pubescent"}, "ncmec", "B1"),
        (("uk-abc", "A"), REAL, "vics-us", "1"),
        (("uk-abc", "A"), REAL, "iccam", None),
        (("uk-abc", "A"), {}, "vics-us", None),  # it may be generated
        (("uk-abc", "A"), {"generation": "unknown"}, "vics-us", None),
        (("uk-abc", "A"), {"generation": "ai_generated"}, "vics-us", "3"),
        (("uk-abc", "B"), {**REAL, "age_band": "prepubescent"}, "iccam", None),  # two answers
        (("uk-abc", "C"), {**REAL, "age_band": "pubescent"}, "vics-us", None),
        (("uk-abc", "A"), {**REAL, "age_band": "adult"}, "vics-us", None),  # a contradiction
        (("uk-abc", "none"), {}, "vics-us", None),
        (("uk-abc", "none"), {"act": "other_indecent"}, "vics-us", None),
        (("vics-us", "5"), {}, "iccam", "IG"),
        (("vics-us", "4"), {}, "iccam", "IG"),
        (("vics-us", "3"), {}, "uk-abc", None),
        (("vics-us", "3"), {"generation": "cgi_drawing"}, "uk-abc", "none"),
        (("vics-us", "1"), {"act": "sexual_act"}, "uk-abc", "A"),
        (("ncmec", "A1"), {**REAL, "act": "non_penetrative"}, "uk-abc", "B"),
        (("iccam", "BA"), {}, "interpol-baseline", None),  # no row speaks of it
        (("vics-us", "1"), REAL, "vics-uk", None),
    ],
)
def test_a_signed_table_answers_only_where_all_rows_agree(
    origin: tuple[str, str], facets: dict[str, str], to: str, expected: str | None
) -> None:
    assert code(*origin, to, **facets) == expected


def test_an_answer_says_its_rows_and_who_answers_for_them() -> None:
    found = derive.derive(SIGNED, "uk-abc", "A", {**REAL, "age_band": "infant"}, "vics-us")
    assert found == derive.Derived(
        scheme="vics-us",
        code="1",
        rows=("real, sexual act, prepubescent",),
        source=derive.table().source,
        reviewed_by="A. Reviewer",
    )


def test_nothing_is_derived_from_a_table_that_nobody_signed_or_that_has_changed() -> None:
    facets = {**REAL, "age_band": "prepubescent"}
    changed = Reviewed(by="A. Reviewer", at=now(), sha256="0" * 64)
    assert derive.table().reviewed_by == ""
    for rules in (Policy(), Policy(reviewed_derivations={derive.TABLE: changed})):
        assert code("uk-abc", "A", "vics-us", rules, **facets) is None
    assert code("uk-abc", "A", "vics-us", **facets) == "1"


def test_an_administrator_signs_and_withdraws(small_office: Office) -> None:
    administrator = small_office.person("administrator")
    with small_office.database.write() as tx:
        with pytest.raises(AccessError):
            derive.sign(tx, small_office.person("supervisor"), "A. Reviewer")
        with pytest.raises(UsageError, match="who reviewed"):
            derive.sign(tx, administrator, " ")
        derive.sign(tx, administrator, "A. Reviewer")
        assert derive.reviewer(policy.read(tx)) == "A. Reviewer"
        derive.withdraw(tx, administrator)
        assert derive.reviewer(policy.read(tx)) is None


def test_unknown_words_are_refused() -> None:
    for origin, given, facets, to in (
        ("uk-xyz", "A", {}, "vics-us"),
        ("uk-abc", "D", {}, "vics-us"),
        ("uk-abc", "A", {"mood": "x"}, "vics-us"),
        ("uk-abc", "A", {}, "vics-fr"),
    ):
        with pytest.raises(UsageError):
            derive.derive(SIGNED, origin, given, facets, to)


def test_the_table_speaks_of_codes_and_facets_that_there_are() -> None:
    for row in derive.table().rows:
        for name, codes in row.codes.items():
            known = {one.code for one in schemes.published(name).codes}
            assert set(codes) <= known, row.name
        for name, values in row.when.items():
            for value in values:
                schemes.check_facets({name: value})
