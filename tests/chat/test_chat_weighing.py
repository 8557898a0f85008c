import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import weighing
from tutela.chat.model import Sign
from tutela.chat.weighing import DEFAULT_POINT, LINE_SIGNS, Tally, may_alert, weigh
from tutela.core.errors import SettingsError

WEIGHTS = weighing.load()
TOTALS = st.dictionaries(st.sampled_from(sorted(LINE_SIGNS)), st.floats(0, 50), max_size=11)
TALLIES = st.builds(
    Tally,
    signs=TOTALS,
    messages=st.integers(0, 20),
    persistence=st.integers(0, 20),
    known_media=st.integers(0, 5),
    minor=st.booleans(),
    asymmetry=st.booleans(),
    night=st.booleans(),
    minor_request=st.booleans(),
    against=st.lists(st.sampled_from(sorted(WEIGHTS.needs)), unique=True).map(tuple),
)


def points(tally):
    return sum(weigh(WEIGHTS, tally).values())


def test_the_point_is_what_was_fixed_before_tuning():
    assert DEFAULT_POINT == 10.0


@given(TALLIES, st.sampled_from(sorted(LINE_SIGNS)), st.floats(0, 10))
def test_more_of_a_sign_never_lowers_points_or_the_alert(tally, sign, more):
    signs = tally.signs | {sign: tally.signs.get(sign, 0.0) + more}
    grown = msgspec.structs.replace(tally, signs=signs, messages=tally.messages + 1)
    assert points(grown) >= points(tally) - 1e-9
    assert may_alert(WEIGHTS, grown) or not may_alert(WEIGHTS, tally)


@given(TALLIES, st.sampled_from(["minor", "asymmetry", "night"]))
def test_more_of_the_state_never_lowers_points(tally, name):
    assert points(msgspec.structs.replace(tally, **{name: True})) >= points(tally) - 1e-9
    grown = msgspec.structs.replace(tally, persistence=tally.persistence + 1)
    assert points(grown) >= points(tally)


@given(TALLIES)
def test_points_are_bounded_and_never_below_zero(tally):
    weighed = weigh(WEIGHTS, tally)
    assert all(value >= 0 for value in weighed.values())
    assert sum(weighed.values()) < 500


@given(TALLIES)
def test_what_speaks_against_it_changes_no_points(tally):
    assert points(tally) == points(msgspec.structs.replace(tally, against=()))


@given(TOTALS)
def test_one_message_never_alerts(signs):
    assert not may_alert(WEIGHTS, Tally(signs=signs, messages=1))


def test_a_request_to_a_stated_minor_may_alert_and_reaches_the_point():
    one = Tally(signs={Sign.PICTURE: 1.0}, messages=1, minor=True, minor_request=True)
    assert may_alert(WEIGHTS, one)
    assert points(one) >= DEFAULT_POINT
    assert not may_alert(WEIGHTS, msgspec.structs.replace(one, against=("peer",)))
    light = msgspec.structs.replace(one, against=("aware", "sale", "surprise"))
    assert not may_alert(WEIGHTS, light)
    assert may_alert(WEIGHTS, msgspec.structs.replace(light, once=("aware", "sale")))


def test_a_sign_saturates():
    many = points(Tally(signs={Sign.THREAT: 1000.0}))
    assert many == pytest.approx(2 * WEIGHTS.signs[Sign.THREAT])


@pytest.mark.parametrize("data", [b"", b"\xff", b"version = 'x'\nnone = 1", b"#" * 70_000])
def test_weights_that_do_not_hold_are_refused(data):
    with pytest.raises(SettingsError):
        weighing.parse(data)


def test_weights_are_read_from_a_file(tmp_path):
    path = tmp_path / "own.toml"
    path.write_bytes(weighing.shipped_bytes().replace(b'"v1"', b'"own"'))
    assert weighing.load(path).version == "own"
    with pytest.raises(SettingsError):
        weighing.load(tmp_path / "none.toml")
