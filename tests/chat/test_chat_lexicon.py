import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import lexicon
from tutela.chat.lexicon import Lexicon, Note
from tutela.chat.model import Sign
from tutela.chat.pattern import compile_pattern
from tutela.core.errors import SettingsError

RULES = sorted(lexicon.shipped().rules)


def found(text):
    rules = lexicon.shipped()
    return {hit.rule.id for hit in rules.find(rules.split(text))}


def signs(text):
    rules = lexicon.shipped()
    return {hit.rule.sign for hit in rules.find(rules.split(text))} - {None}


@pytest.mark.parametrize("rule", RULES)
def test_examples_of_a_rule_hold(rule):
    one = lexicon.shipped().rules[rule]
    for text in one.yes:
        assert rule in found(text), text
    for text in one.no:
        assert rule not in found(text), text


def test_each_language_has_rules_for_each_sign_of_a_line():
    for language in lexicon.LANGUAGES:
        of = {one.sign for one in lexicon.shipped().rules.values() if one.id.startswith(language)}
        assert len(of - {None}) == 11
    assert {one.note for one in lexicon.shipped().rules.values()} >= set(Note)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("s3nd m3 a p1c of y0u", Sign.PICTURE),
        ("h o w  o l d are you", Sign.AGE),
        ("hoooow old are you", Sign.AGE),
        ("are you a1one", Sign.ALONE),
        ("\uff24\uff2f\uff2e\uff34 tell your mum", Sign.SECRECY),
        ("loesch unseren chat", Sign.SECRECY),
        ("why don't you send me a pic of you", Sign.PICTURE),
    ],
)
def test_disguised_words_are_found(text, sign):
    assert sign in signs(text)


@pytest.mark.parametrize(
    "text",
    [
        "don't send me a pic of you",
        "a picture of the bike please",
        "don't tell your mum, it's a surprise for her birthday",
        "i scored 13 goals",
        "never share a photo with strangers",
        "i'm gay and i told my parents",
        "we kissed and we both wanted to",
        "my girlfriend and i are both sixteen",
    ],
)
def test_harmless_words_show_nothing(text):
    assert not signs(text)


def test_the_words_that_counted_are_told():
    rules = lexicon.shipped()
    text = "hey you 📷 can u s3nd me a pic of you now"
    split = rules.split(text)
    hit = next(hit for hit in rules.find(split) if hit.rule.id == "en.picture.1")
    start, end = split.span(hit.start, hit.end)
    assert text[start:end] == "pic of you"


@given(st.text(max_size=120))
def test_any_text_is_split_and_searched(text):
    rules = lexicon.shipped()
    split = rules.split(text)
    for hit in rules.find(split):
        assert 0 <= hit.start < hit.end <= len(split.words)
        start, end = split.span(hit.start, hit.end)
        assert 0 <= start < end <= len(text)


@pytest.mark.parametrize(
    "unit",
    ["send me pic ", "how old ", "dont tell ", "you ", "if you dont ", "i will send it ", "a"],
)
def test_long_hostile_texts_are_searched_in_linear_time(unit):
    rules = lexicon.shipped()

    def spent(count):
        split = rules.split((unit * count)[:count])
        begin = time.process_time()
        rules.find(split)
        return time.process_time() - begin

    short, long = min(spent(1600) for _ in range(3)), min(spent(16000) for _ in range(3))
    assert long < max(40 * short, 0.3)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[a] b",
        "a ..9 b",
        "{none} a",
        "a.*b",
        "(a+)+",
        " ".join("abcdefghijk"),
        "a ..x b",
        "a|{b c",
    ],
)
def test_a_pattern_that_does_not_hold_is_refused(line):
    with pytest.raises(SettingsError):
        compile_pattern(line, {"b": (("b",),)}, frozenset())


def changed(**changes):
    file = lexicon.parse(lexicon.shipped_bytes()["en"])
    rule = msgspec.structs.replace(file.rule[0], **changes)
    return msgspec.structs.replace(file, rule=(rule,))


@pytest.mark.parametrize(
    "changes", [{"sign": None}, {"note": Note.KIN}, {"unless": ("none",)}, {"not_near": ("none",)}]
)
def test_a_rule_that_does_not_hold_is_refused(changes):
    with pytest.raises(SettingsError):
        Lexicon([changed(**changes)])


def test_two_rules_of_one_id_are_refused():
    file = lexicon.parse(lexicon.shipped_bytes()["en"])
    with pytest.raises(SettingsError):
        Lexicon([file, file])


@pytest.mark.parametrize("data", [b"\xff", b"x = 1", b"[[rule]]\nid = 'Bad'"])
def test_a_file_that_does_not_hold_is_refused(data):
    with pytest.raises(SettingsError):
        lexicon.parse(data)
