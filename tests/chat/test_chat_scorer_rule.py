"""The rule that one line never alerts by itself, and what holds an alert back."""

from chat_scoring import posts, talk

from tutela.chat.model import AgeBand, Message
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.weighing import CLEAR

PLAIN = Parts.shipped(encoder=False)
BOTH = "send me a pic of you and don't tell your mum about us"
PICTURE, SECRET, ALONE = (
    "send me a pic of you",
    "don't tell your mum about us",
    "are you home alone?",
)


def scored(messages):
    messages = list(messages)
    scorer = Scorer(PLAIN)
    for message in messages:
        scorer.take(message)
    return scorer.score(messages[0].conversation)


def against(*lines):
    score = scored(talk(*lines))
    return next(pair.against for pair in score.pairs if pair.author == "a")


def banded(*lines, **bands):
    for one in talk(*lines):
        yield Message(
            conversation="c", id=one.id, author=one.author, text=one.text,
            age_band=bands.get(one.author, AgeBand.UNKNOWN),
        )  # fmt: skip


def signs(text):
    hits = PLAIN.lexicon.find(PLAIN.lexicon.split(text))
    return [hit.rule.strength for hit in hits if hit.rule.sign]


def weak():
    """Return an example of each English rule that says little by itself."""
    rules = [rule for rule in PLAIN.lexicon.rules.values() if rule.id.startswith("en.")]
    said = [rule.yes[0] for rule in rules if rule.sign and rule.strength < CLEAR]
    return [text for text in said if 0 < max(signs(text), default=0) < CLEAR]


def test_one_line_and_weak_ones_do_not_alert():
    assert len(weak()) > 2
    for text in weak():
        score = scored(talk("a: hi", "b: hi", f"a: {BOTH}", f"a: {text}"))
        assert not score.alert
        assert not score.pairs[0].may_alert
        assert "one_line" in score.pairs[0].against
    many = scored(talk("a: hi", "b: hi", f"a: {BOTH}", *(f"a: {text}" for text in weak())))
    assert many.pairs[0].points > 10
    assert not many.alert
    assert scored(talk("a: hi", "b: hi", f"a: {BOTH}", f"a: {ALONE}")).alert


def test_a_line_is_not_counted_again_with_the_next_one():
    lines = ("a: hi", "b: hi", f"a: don't tell your mum about us and {PICTURE}", "a: now")
    assert PLAIN.lexicon.across(PLAIN.lexicon.split(PICTURE).words, PLAIN.lexicon.split("now"))
    score = scored(talk(*lines))
    assert not score.alert
    assert {one.number for why in score.pairs[0].reasons for one in why.shown} == {2}


def test_two_lines_alert_where_one_does_not():
    lines = ("a: how old are you?", "b: 13")
    assert scored(talk(*lines, f"a: {SECRET}", f"a: {ALONE}")).pairs[0].may_alert
    assert not scored(talk("a: hi", "b: hi", f"a: {SECRET}, {ALONE}")).pairs[0].may_alert


def test_peers_both_say_so():
    asks = (f"a: {PICTURE}", f"a: {SECRET}")
    assert "peer" not in against("a: i am 14", "b: hi", *asks)
    assert "peer" not in against("a: hi", "b: i am 13", *asks)
    assert "peer" in against("a: i am 14", "b: i am 13", *asks)


def test_who_is_an_adult_by_the_platform_is_no_peer():
    lines = ("a: i am 14", "b: i am 13", f"a: {PICTURE}")
    assert scored(banded(*lines, a=AgeBand.ADULT)).alert
    assert not scored(banded(*lines)).alert
    told = scored(banded("a: i am 14", "b: hi", f"a: {PICTURE}", b=AgeBand.MINOR))
    assert told.alert  # the other never said so


def test_a_third_persons_words_do_not_hold_back_a_pair():
    kin = ("a: hi", "b: hi", "c: hi", "d: hi", "b>a: hi mum")
    score = scored(posts(*kin, "c>d: i am 12", f"b>c: {PICTURE}"))
    assert score.alert
    assert "relative" not in score.pairs[0].against
    for held in (("b>a: hi mum",), ("a>b: hi mum",)):
        score = scored(posts("a: hi", "b: hi", "c: hi", *held, "a>c: i am 12", f"b>a: {PICTURE}"))
        assert not score.alert
        assert "relative" in score.pairs[0].against
    assert "relative" in against("b: hi", "a: hi mum", f"a: {SECRET}")


def test_one_sentence_of_the_other_about_a_sale_or_a_present_is_not_enough():
    for text, code in (
        ("is it still for sale?", "sale"),
        ("it is a surprise for her birthday", "surprise"),
    ):
        asks = (f"a: {SECRET}", f"a: {ALONE}")
        assert code not in against("a: hi", f"b: {text}", *asks)
        assert code in against("a: hi", f"b: {text}", f"b: {text}", *asks)
        assert code in against(f"a: {text}", "b: hi", *asks)


AWARE = "never send pictures to strangers"


def test_a_word_of_safety_beside_a_request_does_not_hide_it():
    for text in (
        f"{PICTURE}. {AWARE} though",
        f"{AWARE}! {PICTURE}",
        f"{PICTURE}\n{AWARE}",
        f"{PICTURE}. strangers are bad",
    ):
        score = scored(talk("a: hi", "b: i am 12", f"a: {text}"))
        assert score.alert, text
        assert score.points >= 10
        (shown,) = (one for why in score.pairs[0].reasons for one in why.shown if one.number == 2)
        assert text[shown.start : shown.end] == "pic of you"


def test_a_word_of_safety_stills_its_own_sentence():
    for text in (
        "if someone asks you to send a pic of you, tell me",
        "never send a pic of you to strangers. ok?",
        "ok. if a stranger asks how old are you, say no",
    ):
        assert not scored(talk("b: hi", f"a: {text}")).pairs


def test_a_word_of_safety_or_a_sale_does_not_cancel_a_request_to_a_minor():
    for said in (AWARE, "is it still for sale?"):
        rest = ("b: i am 12", f"a: {PICTURE}")
        assert scored(talk(f"a: {said}", *rest)).alert
        assert not scored(talk(f"a: {said}", f"a: {said}", *rest)).alert
    beside = [f"a: {PICTURE}. {AWARE}"] * 3
    assert scored(talk("a: hi", "b: i am 12", *beside)).alert
