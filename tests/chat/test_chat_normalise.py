import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat import normalise as folding
from tutela.chat.limits import TEXT_CHARS
from tutela.chat.normalise import _CHARACTERS, _EXPANDED, normalise


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello, how are you?", "hello, how are you?"),
        ("h0w 0ld r u", "how old r u"),
        ("send a p1c", "send a pic"),
        ("@ge?", "age?"),
        ("p!c now!", "pic now!"),
        ("p i c s pls", "pics pls"),
        ("p.i.c", "pic"),
        ("𝓈𝑒𝓃𝒹 𝓂𝑒", "send me"),  # noqa: RUF001 - styled letters are the point
        ("ｓｅｎｄ", "send"),  # noqa: RUF001 - likewise
        ("sеnd рic", "send pic"),  # noqa: RUF001 - Cyrillic letters are the point
        ("pi\u200bc", "pic"),
        ("p̷̛i̶c̵", "pic"),
        ("🇵🇮🇨", "pic"),
        ("ᴘɪᴄ", "pic"),
        ("coooool", "cool"),
        ("Wie groß, schön", "wie gros, schon"),
        ("quel âge", "quel age"),
        ("quel a\u0302ge", "quel age"),
        ("años", "anos"),
    ],
)
def test_disguises_are_folded(text, folded):
    assert normalise(text).text == folded


@pytest.mark.parametrize(
    "text",
    ["13", "i'm 13", "13f", "13 14", "1 2 3", "1.2.3", "5pm", "1st", "2nd", "b4", "mp3", "im13",
     "lena@mail.de", "lena2009", "r u a boy", "$20", "hi!!"],
)  # fmt: skip
def test_numbers_and_what_is_meant_stay(text):
    assert normalise(text).text == text


@pytest.mark.parametrize(
    ("text", "word"), [("📷?", "camera"), ("🤫", "secret"), ("🎁", "gift"), ("📱", "phone")]
)
def test_pictures_become_words(text, word):
    assert normalise(text).text.split()[0].rstrip("?") == word


@given(st.text(max_size=200))
def test_offsets_map_each_character_and_the_end(text):
    folded = normalise(text)
    offsets = list(folded.offsets)
    assert len(offsets) == len(folded.text) + 1
    assert offsets == sorted(offsets)
    assert all(0 <= at <= len(text) for at in offsets)
    assert offsets[-1] == len(text)
    for start in range(len(folded.text)):
        first, last = folded.original(start, start + 1)
        assert 0 <= first < last <= len(text)


@given(st.text(alphabet="abc dexyz.?!013', ", max_size=80))
def test_both_ways_through_ordinary_text_agree(text):
    plain, long_way = normalise(text), normalise(text + " \u2060")
    assert long_way.text == normalise(text + " ").text
    assert list(plain.offsets) == list(long_way.offsets)[: len(plain.offsets)] or plain.altered


@given(st.text(alphabet="äöüéèñçßàêœ abz", max_size=60))
def test_accents_fold_alike_composed_or_not(text):
    composed, apart = unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)
    assert normalise(composed).text == normalise(apart).text


def test_a_span_leads_back_to_what_was_written():
    text = "hey 📷 s\u0301end a p1c"
    folded = normalise(text)
    start = folded.text.index("send")
    first, last = folded.original(start, start + 4)
    assert text[first:last] == "s\u0301end"


def test_too_long_a_text_is_cut():
    assert len(normalise("a b" * TEXT_CHARS).text) <= TEXT_CHARS


@pytest.mark.parametrize(
    "unit", ["a ", "p.", "1a", "🎁", "ﷺ", "\u0430b", "oo0", "@a.", "'", "\u0301", "x y "]
)
def test_hostile_texts_stay_linear(unit):
    def spent(count):
        text = (unit * count)[:count]
        begin = time.process_time()
        folded = normalise(text)
        assert len(folded.text) <= _EXPANDED * len(text)
        return time.process_time() - begin

    spent(2000)
    short, long = min(spent(2000) for _ in range(3)), min(spent(16000) for _ in range(3))
    assert long < max(40 * short, 0.2)


class Counted:
    """A pattern that counts from how many places it is tried, and what it finds."""

    def __init__(self, pattern):
        self.pattern, self.calls, self.found = pattern, 0, 0

    def search(self, text):
        self.calls += 1
        return self.pattern.search(text)

    def sub(self, edit, text):
        self.calls += 1
        text, found = self.pattern.subn(edit, text)
        self.found += found
        return text


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("unit", "words"),
    [("今日は", 0), ("ａｂｃ", 0), ("ａⓑ𝒸", 0), ("日д", 1), ("日д ", TEXT_CHARS // 3 + 1)],  # noqa: RUF001 - full width is the point
)
def test_letters_without_spaces_are_read_once(monkeypatch, unit, words):
    one, letters = Counted(folding._GREEK_CYRILLIC), Counted(folding._LETTERS)
    monkeypatch.setattr(folding, "_GREEK_CYRILLIC", one)
    monkeypatch.setattr(folding, "_LETTERS", letters)
    normalise((unit * TEXT_CHARS)[:TEXT_CHARS])
    assert letters.found == words
    assert one.calls == 1 + words


def test_a_look_alike_is_looked_for_alone_and_words_are_never_tried_twice():
    assert re.fullmatch(r"\[[^\]]*\]", folding._GREEK_CYRILLIC.pattern)
    assert folding._LETTERS.pattern.endswith("]++")


def test_every_character_there_is_does_not_fill_the_memory():
    for first in range(0x100, 0x12FFF, 1000):
        chars = "".join(map(chr, range(first, first + 1000)))
        normalise(chars.encode("utf-16", "ignore").decode("utf-16"))
    assert len(_CHARACTERS) <= 51_000
