"""The rules that protect people, a test for each: what is exact, what indicates, what decides."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from tutela.core.entry import Role, State
from tutela.core.hit import Strength
from tutela.core.media import Digests, Fingerprint

EXACT, INDICATIVE = Strength.EXACT, Strength.INDICATIVE

# what the entry holds, what the query knows equal, what it knows different: what comes of it
DIGEST_RULES = [
    ("sha256", "sha256", "", ("sha256", EXACT)),
    ("md5 sha1 sha256", "md5 sha1 sha256", "", ("sha256", EXACT)),
    ("md5 sha256", "sha256", "md5", ("sha256", EXACT)),
    ("md5 sha1", "md5 sha1", "", ("sha1+md5", EXACT)),
    ("md5 sha1", "md5 sha1", "sha256", ("sha1+md5", EXACT)),
    ("md5 sha1 sha256", "md5 sha1", "sha256", ("sha1+md5", INDICATIVE)),
    ("md5 sha1 sha256", "md5 sha1", "", ("sha1+md5", INDICATIVE)),
    ("md5 sha256", "md5", "sha256", ("md5", INDICATIVE)),
    ("md5", "md5", "sha1 sha256", ("md5", INDICATIVE)),
    ("md5 sha1", "md5", "sha1", ("md5", INDICATIVE)),
    ("md5 sha1", "sha1", "md5", ("sha1", INDICATIVE)),
    ("sha1", "sha1", "", ("sha1", INDICATIVE)),
    ("md5 sha1 sha256", "", "md5 sha1 sha256", None),
]


@pytest.fixture
def world(add, library, entry, samples) -> SimpleNamespace:
    return SimpleNamespace(add=add, library=library, entry=entry, samples=samples)


def known(samples, equal: str, different: str = "") -> Digests:
    parts = {name: samples.digest(name, "a") for name in equal.split()}
    return Digests(**parts, **{name: samples.digest(name, "b") for name in different.split()})


@pytest.mark.parametrize(("holds", "equal", "different", "meant"), DIGEST_RULES)
def test_what_digests_prove(holds, equal, different, meant, world):
    world.add(world.entry(known(world.samples, holds)))
    hits = world.library.find(known(world.samples, equal, different))
    assert [(hit.algorithm, hit.strength) for hit in hits] == ([meant] if meant else [])


@pytest.mark.parametrize("role", [Role.IGNORABLE, Role.ALLOW])
@pytest.mark.parametrize("rule", DIGEST_RULES)
def test_known_good_lists_act_on_sha256_only(role, rule, world):
    holds, equal, different, meant = rule
    world.add(world.entry(known(world.samples, holds)), role=role)
    hits = world.library.find(known(world.samples, equal, different))
    expected = [("sha256", EXACT, role)] if meant and meant[0] == "sha256" else []
    assert [(hit.algorithm, hit.strength, hit.role) for hit in hits] == expected


@pytest.mark.parametrize("role", [Role.IGNORABLE, Role.ALLOW])
def test_known_good_lists_never_match_by_fingerprint(role, add, library, entry, samples):
    pdq = Fingerprint("pdq", samples.pdq(1))
    report = add(entry(samples.digests(1), pdq), role=role)
    assert library.find(Digests(), [pdq]) == []
    assert report.info.compared == {"sha256": 1}
    assert report.info.carried["pdq"] == 1


def near(value: bytes, bits: int) -> bytes:
    flipped = np.unpackbits(np.frombuffer(value, np.uint8))
    flipped[:: 256 // bits][:bits] ^= 1
    return np.packbits(flipped).tobytes() if bits else value


@pytest.mark.parametrize(("bits", "found"), [(1, True), (31, True), (32, False)])
def test_pdq_is_indicative_within_31_bits(bits, found, world):
    world.add(world.entry(Digests(), Fingerprint("pdq", world.samples.pdq(1))))
    hits = world.library.find(Digests(), [Fingerprint("pdq", near(world.samples.pdq(1), bits))])
    assert [(h.algorithm, h.strength, h.distance_bits) for h in hits] == (
        [("pdq", INDICATIVE, bits)] if found else []
    )


def test_even_an_equal_pdq_is_indicative(add, library, entry, samples):
    pdq = Fingerprint("pdq", samples.pdq(1))
    add(entry(Digests(), pdq))
    (hit,) = library.find(Digests(), [pdq])
    assert (hit.strength, hit.distance_bits) == (INDICATIVE, 0)


@pytest.mark.parametrize(
    ("listed", "asked", "found"),
    [(50, 50, True), (100, 50, True), (50, 49, False), (49, 50, False), (0, 100, False)],
)
def test_near_empty_pictures_never_match(listed, asked, found, world):
    world.add(world.entry(Digests(), Fingerprint("pdq", world.samples.pdq(1), listed)))
    hits = world.library.find(Digests(), [Fingerprint("pdq", world.samples.pdq(1), asked)])
    assert bool(hits) is found


def test_the_nearest_variant_is_named_and_original_wins_a_tie(add, library, entry, samples):
    add(entry(Digests(), Fingerprint("pdq", samples.pdq(1))))
    asked = [
        Fingerprint("pdq", near(samples.pdq(1), 4), variant="flipx"),
        Fingerprint("pdq", near(samples.pdq(1), 4), variant="original", frame=3),
        Fingerprint("pdq", near(samples.pdq(1), 4), variant="original", frame=1),
        Fingerprint("pdq", near(samples.pdq(1), 9), variant="original"),
    ]
    (hit,) = library.find(Digests(), asked)
    assert (hit.distance_bits, hit.variant, hit.frame) == (4, "original", 1)


def test_an_entry_is_hit_once_and_exact_comes_before_perceptual(add, library, entry, samples):
    pdq = Fingerprint("pdq", samples.pdq(1))
    add(entry(samples.digests(1), pdq, Fingerprint("pdq", near(pdq.bits, 5))))
    (hit,) = library.find(samples.digests(1), [pdq])
    assert (hit.algorithm, hit.strength) == ("sha256", EXACT)


def test_photodna_is_compared_for_equality_only(add, library, entry, samples):
    value = samples.photodna(1)
    add(entry(Digests(), Fingerprint("photodna", value)))
    (hit,) = library.find(Digests(), [Fingerprint("photodna", value)])
    assert (hit.algorithm, hit.strength, hit.distance_bits) == ("photodna", INDICATIVE, 0)
    other = bytes([value[0] ^ 1]) + value[1:]
    assert library.find(Digests(), [Fingerprint("photodna", other)]) == []


def test_an_algorithm_of_a_licensee_is_compared_for_equality(add, library, entry):
    add(entry(Digests(), Fingerprint("licensed-x", b"abc"), Fingerprint("licensed-x", b"defgh")))
    assert library.find(Digests(), [Fingerprint("licensed-x", b"defgh")])
    assert not library.find(Digests(), [Fingerprint("licensed-x", b"abd")])


def test_withdrawn_entries_never_match(add, library, entry, samples):
    report = add(
        entry(samples.digests(1), Fingerprint("pdq", samples.pdq(1)), state=State.WITHDRAWN)
    )
    assert library.find(samples.digests(1), [Fingerprint("pdq", samples.pdq(1))]) == []
    assert report.info.entries == 1
    assert library.entry(report.info.number, 0).state is State.WITHDRAWN


def test_an_exact_alert_goes_before_every_other_list(add, library, entry, samples):
    digests = samples.digests(1)
    add(entry(digests), name="a good", role=Role.ALLOW)
    add(entry(digests), name="b known", role=Role.IGNORABLE)
    add(entry(digests), name="z alert")
    hits = library.find(digests)
    assert [hit.role for hit in hits] == [Role.ALERT, Role.ALLOW, Role.IGNORABLE]
    assert {hit.strength for hit in hits} == {EXACT}


def test_a_known_good_content_goes_before_what_is_merely_indicative(add, library, entry, samples):
    add(entry(Digests(md5=samples.digest("md5", 1))), name="a forged")
    add(entry(samples.digests(1)), name="z good", role=Role.IGNORABLE)
    hits = library.find(samples.digests(1))
    assert [(hit.role, hit.strength) for hit in hits] == [
        (Role.IGNORABLE, EXACT),
        (Role.ALERT, INDICATIVE),
    ]


def test_role_may_depend_on_the_classification(add, library, entry, samples):
    report = add(
        entry(samples.digests(1), code="1"),
        entry(samples.digests(2), code="0"),
        entry(Digests(md5=samples.digest("md5", 3)), code="0"),
        by_code={"0": Role.IGNORABLE},
    )
    assert [h.role for h in library.find(samples.digests(1))] == [Role.ALERT]
    assert [h.role for h in library.find(samples.digests(2))] == [Role.IGNORABLE]
    assert library.find(Digests(md5=samples.digest("md5", 3))) == []
    assert {(c.code, c.role, c.entries) for c in report.info.classifications} == {
        ("1", Role.ALERT, 1),
        ("0", Role.IGNORABLE, 2),
    }


def test_the_gravest_of_several_classifications_decides(add, library, entry, samples):
    graded = entry(samples.digests(1), code="0")
    both = type(graded)(
        graded.provenance,
        graded.digests,
        classifications=(*graded.classifications, type(graded.classifications[0])("other", "1")),
    )
    add(both, by_code={"0": Role.IGNORABLE})
    assert [h.role for h in library.find(samples.digests(1))] == [Role.ALERT]


def test_lists_can_be_chosen(add, library, entry, samples):
    one = add(entry(samples.digests(1)), name="one").info.number
    add(entry(samples.digests(1)), name="two")
    assert [h.list for h in library.find(samples.digests(1), lists=[one])] == ["one"]
    assert library.find(samples.digests(1), lists=[]) == []


def test_a_batch_gives_what_single_queries_give(add, library, entry, samples):
    add(
        *(entry(samples.digests(n), Fingerprint("pdq", samples.pdq(n))) for n in range(50)),
        entry(Digests(md5=samples.digest("md5", 7))),
    )
    queries = [
        (samples.digests(n), [Fingerprint("pdq", near(samples.pdq(n + 1), 8))])
        for n in range(0, 60, 3)
    ]
    queries += [(Digests(), []), (Digests(), [Fingerprint("pdq", samples.pdq(3), quality=10)])]
    batch = library.find_many(queries)
    assert batch == [library.find(*query) for query in queries]
    assert sum(map(len, batch)) > 30
