"""`POST /v1/match`: who is told what of which list, in both forms."""

from __future__ import annotations

import msgspec
import pytest
from api_support import A1, UK_A, digest, image
from litestar.testing import TestClient
from matching_support import ask, follow, matched, near, pdq, question
from sqlalchemy import update

from tutela.api import app
from tutela.core import matchform
from tutela.core.entry import Role as ListRole
from tutela.core.hit import Strength
from tutela.core.matching import Answer
from tutela.core.media import PDQ, Digests, Fingerprint
from tutela.core.principal import Role
from tutela.exchange import entries
from tutela.exchange.candidate import Candidate
from tutela.store.tables.exchange import PublishedList

PICTURE = digest(1, "sha3_256")


@pytest.fixture
def listed(exchange, tmp_path):
    """A member, a list with three entries in a library, and a client of the API."""
    exchange.ids = exchange.add(image(1, A1, UK_A, tags=("grid",)), image(2), image(3, UK_A))
    library = tmp_path / "library"
    follow(exchange, library)
    with matched(exchange, library), TestClient(app.build(exchange.desk)) as client:
        exchange.client = client
        exchange.folder = library
        exchange.platform = exchange.members["platform"]
        yield exchange


def test_an_answer_says_all_that_a_platform_asks_for(listed):
    known = Digests(sha256=digest(1, "sha256")), (Fingerprint(PDQ, near(PICTURE, 7)),)
    answer = ask(listed.client, listed.platform, known, pdq(b"\x55" * 32))
    assert [len(content.matches) for content in answer.contents] == [1, 0]
    match = answer.contents[0].matches[0]
    assert (match.list, match.entry, match.state) == ("known", listed.ids[0], "active")
    assert (match.strength, match.algorithm, match.distance_bits) == (Strength.EXACT, "sha256", 0)
    assert match.codes == (UK_A, A1)
    assert (match.source, match.tags, match.reference) == ("Example Hotline", ("grid",), "R1")
    assert match.role is ListRole.ALERT
    assert answer.generation == listed.desk.library.generation


def test_what_resembles_is_indicative_and_says_how_near(listed):
    content = (
        Digests(),
        (
            Fingerprint(PDQ, near(PICTURE, 9), 100, "rotate90"),
            Fingerprint(PDQ, near(PICTURE, 20), 100, "original"),
            Fingerprint(PDQ, near(digest(2, "sha3_256"), 31), 100, "original", 3),
            Fingerprint(PDQ, digest(3, "sha3_256"), 49),  # says too little to be compared
        ),
    )
    found = ask(listed.client, listed.platform, content).contents[0].matches
    assert [(m.entry, m.distance_bits, m.variant, m.frame) for m in found] == [
        (listed.ids[0], 9, "rotate90", 0),
        (listed.ids[1], 31, "original", 3),
    ]
    assert {m.strength for m in found} == {Strength.INDICATIVE}


def test_each_list_has_its_own_radius(listed):
    with listed.database.write() as tx:
        tx.execute(update(PublishedList).values(radius_bits=10))
    for distance, matches in ((10, 1), (11, 0)):
        found = ask(listed.client, listed.platform, pdq(near(PICTURE, distance)))
        assert len(found.contents[0].matches) == matches


def test_both_forms_answer_alike(listed):
    contents = [
        pdq(near(PICTURE, 3)),
        (Digests(digest(2, "md5"), digest(2, "sha1"), digest(2, "sha256")), ()),
        (Digests(md5=digest(3, "md5")), (Fingerprint(PDQ, PICTURE, 100, "flipx"),)),
        pdq(bytes(32)),
    ]
    answer = ask(listed.client, listed.platform, *contents)
    response = listed.client.post(
        "/v1/match",
        content=matchform.question(contents),
        headers={**listed.platform.bearer, "content-type": matchform.MEDIA_TYPE},
    )
    assert response.headers["content-type"] == matchform.MEDIA_TYPE
    assert matchform.answer_of(response.content) == answer
    assert [len(content.matches) for content in answer.contents] == [1, 1, 2, 0]


def test_a_member_is_told_of_its_jurisdictions_only(listed):
    german = listed.account("German Platform", "german", Role.LIST_MEMBER)
    british = listed.account("British Platform", "british", Role.LIST_MEMBER)
    listed.join(german, jurisdictions=("DE",))
    listed.join(british, jurisdictions=("GB",))
    contents = [pdq(digest(number, "sha3_256")) for number in (1, 2, 3)]
    assert not any(c.matches for c in ask(listed.client, german, *contents).contents)
    told = [c.matches for c in ask(listed.client, british, *contents).contents]
    assert [[m.codes for m in matches] for matches in told] == [[(UK_A,)], [], [(UK_A,)]]


def test_lists_answer_their_members_only(listed):
    stranger = listed.account("Stranger", "stranger", Role.LIST_MEMBER)
    assert ask(listed.client, stranger, pdq(PICTURE)).contents[0].matches == ()
    other = listed.another_list("other")
    listed.add(image(1), list_id=other)
    follow(listed, listed.folder, "other")
    listed.join(stranger, other)
    # What a member may use is found out anew within seconds.
    listed.desk.matching.rights._kept.clear()
    for member, lists in ((stranger, ["other"]), (listed.platform, ["known"])):
        found = ask(listed.client, member, pdq(PICTURE)).contents[0].matches
        assert [match.list for match in found] == lists
    listed.join(listed.platform, other)
    listed.desk.matching.rights._kept.clear()
    both = ask(listed.client, listed.platform, pdq(PICTURE)).contents[0].matches
    assert {m.list for m in both} == {"known", "other"}
    some = ask(listed.client, listed.platform, pdq(PICTURE), lists=("other", "no-such"))
    assert [m.list for m in some.contents[0].matches] == ["other"]


def test_an_allow_list_silences_what_resembles_and_no_exact_alert(listed):
    good = listed.another_list("good", ListRole.ALLOW)
    with listed.database.write() as tx:
        entries.add(
            tx, listed.owner, good,
            [Candidate(digests=Digests(sha256=digest(n, "sha256")), codes=()) for n in (1, 9)],
        )  # fmt: skip
    follow(listed, listed.folder, "good")
    listed.join(listed.platform, good)
    listed.desk.matching.rights._kept.clear()
    harmless = Digests(sha256=digest(9, "sha256")), (Fingerprint(PDQ, near(PICTURE, 5)),)
    exact = Digests(sha256=digest(1, "sha256")), ()
    first, second = ask(listed.client, listed.platform, harmless, exact).contents
    assert [m.role for m in first.matches] == [ListRole.ALLOW, ListRole.ALERT]
    assert [m.role for m in second.matches] == [ListRole.ALERT, ListRole.ALLOW]


def test_a_withdrawn_entry_stops_answering_with_the_next_generation(listed):
    assert ask(listed.client, listed.platform, pdq(PICTURE)).contents[0].matches
    before = listed.desk.library.generation
    listed.withdraw(listed.ids[0])
    follow(listed, listed.folder)
    answer = ask(listed.client, listed.platform, pdq(PICTURE))
    assert answer.contents[0].matches == ()
    assert answer.generation > before


@pytest.mark.parametrize(
    ("kind", "body", "status", "code"),
    [
        ("application/json", b"{", 422, "malformed"),
        ("application/json", b'{"contents":[{}]}', 422, "no_hash"),
        ("application/json", b'{"contents":[{"sha256":"abc"}]}', 422, "value"),
        ("application/json", b'{"contents":[{"sha255":"ab"}]}', 422, "malformed"),
        ("application/json", b'{"contents":[' + b"{}," * 4096 + b"{}]}", 422, "too_many_contents"),
        (matchform.MEDIA_TYPE, b"", 422, "malformed"),
        (matchform.MEDIA_TYPE, b"TUM1" + b"\xff" * 8, 422, "malformed"),
        ("image/jpeg", b"\xff\xd8\xff", 403, "no_files"),
    ],
)
def test_a_question_that_is_none_is_refused(listed, kind, body, status, code):
    response = listed.client.post(
        "/v1/match", content=body, headers={**listed.platform.bearer, "content-type": kind}
    )
    assert (response.status_code, response.json()["code"]) == (status, code)


def test_only_programs_that_may_match_are_answered(listed):
    nobody = listed.account("Example Platform", "no-role", None)
    for headers in ({}, {"authorization": "Bearer nonsense"}):
        response = listed.client.post("/v1/match", content=question(pdq(PICTURE)), headers=headers)
        assert response.status_code == 401
    response = listed.client.post(
        "/v1/match", content=question(pdq(PICTURE)), headers=nobody.bearer
    )
    assert response.status_code == 403


def test_without_a_library_it_says_so(exchange):
    with TestClient(app.build(exchange.desk)) as client:
        response = client.post(
            "/v1/match",
            content=question(pdq(PICTURE)),
            headers={**exchange.members["platform"].bearer, "content-type": "application/json"},
        )
    assert (response.status_code, response.json()["code"]) == (503, "no_library")


def test_an_answer_without_matches_is_short(listed):
    answer = ask(listed.client, listed.platform, pdq(bytes(32)))
    assert answer == Answer(answer.generation, answer.contents)
    assert msgspec.json.encode(answer.contents[0]) == b"{}"
