"""Training on a small made corpus: grouped, reproducible, and no text in the model."""

from __future__ import annotations

import json
import struct

import chat_corpus_support as made
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.chat.model import ConversationScore, Message, PairScore, Reason, Sign
from tutela.chat.training import card, features, train
from tutela.chat.training.corpus import open_corpus, read
from tutela.chat.training.gathering import gather
from tutela.chat.training.heard import Heard
from tutela.chat.training.trained import MAGIC, load, loaded
from tutela.core.errors import InputError, IntegrityError, UsageError

CONFIG = train.Config(licence="invented for tests", may_use=True)


def trained(corpus, **changes):
    config = msgspec.structs.replace(CONFIG, **changes)
    return train.train(corpus, made.PlainScorer(), made.PARTS, config, point=made.POINT)


@pytest.fixture(scope="module")
def outcome(corpus):
    return trained(corpus)


@pytest.fixture(scope="module")
def content(outcome):
    return outcome.model.saved()


def test_it_learns_what_the_corpus_says(outcome):
    tables = {table.title: table for table in outcome.card.tables}
    tested = tables["Authors, trained model"]
    assert tested.flagged == 8
    values = {figure.name: figure.value for figure in tested.figures}
    assert values["PR-AUC"] > 0.9
    assert values["F0.5"] > 0.7
    assert values["recall at 0.001 false alarms"] is None  # with so few others


def test_no_text_is_in_the_model(content, corpus):
    """No piece of five characters of any text of the corpus stands in the bytes."""
    pieces = set()
    for message in read(corpus):
        assert isinstance(message, Message)
        text = message.text
        pieces |= {text[at : at + 5].encode() for at in range(len(text) - 4)}
    names = {message.author[:5].encode() for message in read(corpus)}
    names |= {message.conversation.encode() for message in read(corpus)}
    assert len(pieces) > 300
    lowered = content.lower()
    assert [piece for piece in pieces | names if piece in lowered] == []


def test_what_few_said_weighs_nothing(tmp_path):
    """A word of one flagged author, such as a name, is in no model."""
    corpus = made.write(tmp_path)
    xml = tmp_path / "corpus.xml"
    text = xml.read_text().replace("how old are you then", "how old are you zyxwvut", 1)
    assert "zyxwvut" in text
    xml.write_text(text)
    model = trained(open_corpus(xml, tmp_path / "flagged.txt", reader=made.READERS[0])).model
    words = features.Hasher().vectors(["zyxwvut"])[:, : features.WORDS]
    (place,) = words.indices
    assert model.weights[features.DENSE + place] == 0
    assert corpus.digest != model.origin.corpus


def test_the_same_seed_gives_the_same_bytes(corpus, content):
    assert trained(corpus).model.saved() == content
    assert trained(corpus, seed=2).model.saved() != content


def test_it_comes_back_from_a_file(outcome, content, tmp_path):
    file = tmp_path / "chat.model"
    file.write_bytes(content)
    back = load(file, made.PARTS)
    assert (back.version, back.origin) == (outcome.model.version, outcome.model.origin)
    texts = ["how old are you then", "the weather is awful here", ""]
    assert back.weigh(texts) == outcome.model.weigh(texts)
    assert back.weigh(texts)[0] > back.weigh(texts)[1]
    assert back.weigh([]) == []


def test_a_probability_is_one_and_grows(outcome):
    model = outcome.model
    logits = np.linspace(-20, 20, 101)
    found = model.probabilities(logits)
    assert ((found > 0) & (found < 1)).all()
    assert (np.diff(found) >= 0).all()
    rarer = model.probabilities(logits, 1e-4)
    assert (rarer < found).all()
    assert model.probability(20.0, 1e-4) < 0.5  # of so few flagged authors nobody is that sure
    with pytest.raises(ValueError, match="prevalence"):
        model.probability(0.0, 1.0)


def test_a_score_gets_probabilities_and_keeps_its_points(outcome):
    reasons = tuple(Reason(sign=sign, points=3, count=4) for sign in (Sign.AGE, Sign.PICTURE))
    pair = PairScore(author="a", other="b", points=6, reasons=reasons, may_alert=True)
    score = ConversationScore(
        conversation="c", points=6, pairs=(pair,), messages=9, speakers=2, alert=True
    )
    weight = outcome.model.weigh(["send me a picture of you"])[0]
    said = outcome.model.applied(score, {"a": Heard().and_(weight)})
    assert said.pairs[0].probability == outcome.model.probability(
        outcome.model.logit([pair], Heard(weight, 1))
    )
    assert msgspec.structs.replace(said, pairs=(pair,)) == score


def test_a_mean_of_weights_is_the_weight_of_the_mean(outcome, corpus):
    """What is added up while messages stream by is what the model was trained on."""
    means = features.Means()
    found = gather(corpus, made.PlainScorer(), made.POINT, listen=means.hear)
    matrix = means.matrix(found.messages)
    at_once = matrix @ outcome.model.weights[features.DENSE :]
    texts = [m.text for m in read(corpus) if m.author == "a00003"]
    weights = outcome.model.weigh(texts)
    assert np.mean(weights) == pytest.approx(at_once[found.numbers["a00003"]], abs=1e-4)


@pytest.mark.parametrize("wrong", [{"may_use": False}, {"licence": " "}])
def test_nobody_trains_without_a_licence(corpus, wrong):
    with pytest.raises(UsageError) as refused:
        trained(corpus, **wrong)
    assert refused.value.code == "no_licence"


def test_too_small_a_corpus_is_refused(tmp_path):
    with pytest.raises(InputError) as refused:
        trained(made.write(tmp_path, flagged=20, harmless=160))
    assert refused.value.code == "too_small"
    with pytest.raises(InputError):
        trained(made.write(tmp_path, flagged=40, harmless=40))


def test_conversations_that_are_held_out_are_tested_on(corpus):
    held_out = frozenset(f"c{number:04x}" for number in (*range(10), *range(60, 110)))
    model, said = trained(corpus, held_out=held_out)
    assert said.tables[0].flagged == 10
    assert model.origin.held_out == train.listed(held_out) != b""
    assert train.listed([]) == b""


def test_another_model_is_refused(content, monkeypatch):
    with pytest.raises(InputError) as refused:
        loaded(content, bytes(32))
    assert refused.value.code == "other_parts"
    monkeypatch.setattr(features, "digest", lambda: bytes(32))
    with pytest.raises(InputError) as refused:
        loaded(content, made.PARTS)
    assert refused.value.code == "other_features"


def _signed(body: bytes) -> bytes:
    return body + train.hashlib.sha256(body).digest()


def test_damaged_and_hostile_files_are_refused(outcome, content, tmp_path):
    flipped = bytearray(content)
    flipped[len(flipped) // 2] ^= 1
    with pytest.raises(IntegrityError):
        loaded(bytes(flipped), made.PARTS)
    body, start = content[:-32], len(MAGIC) + 4
    length = struct.unpack(">I", body[len(MAGIC) : start])[0]
    nan = body[: start + length] + struct.pack("<f", float("nan")) + body[start + length + 4 :]
    at = len(body) - len(outcome.model.known.digests)
    falling = body[: at - 8] + struct.pack("<d", 0.0) + body[at:]
    unordered = body[:at] + body[at:][::-1]
    for hostile in (
        b"",
        MAGIC,
        MAGIC + b"\xff" * 60,
        _signed(MAGIC + (2**32 - 1).to_bytes(4) + b"x"),
        _signed(body[:start] + b"\xc1" * length + body[start + length :]),
        _signed(body[:-1]),
        _signed(body + bytes(16)),
        _signed(nan),
        _signed(falling),
        _signed(unordered),
        _signed(body[:-6] + body[-12:-6]),
        _signed(body + b"\xff" * 5),
        content + bytes(20_000_000),
    ):
        with pytest.raises((InputError, IntegrityError)):
            loaded(hostile, made.PARTS)
    with pytest.raises(InputError):
        load(tmp_path / "nowhere", made.PARTS)


def test_the_card_says_first_what_it_is_not(outcome):
    text = card.as_markdown(outcome.card)
    assert text.index("not evidence of performance on real victims") < text.index("## Figures")
    for words in ("invented for tests", outcome.model.version, outcome.card.corpus, "no data"):
        assert words in text
    said = json.loads(card.as_json(outcome.card))
    assert said["corpus"] == outcome.card.corpus
    assert said["flagged"] == 40
    assert sum(said["folds"]) == said["authors"]
    assert [table["title"] for table in said["tables"]][:2] == [
        "Authors, trained model",
        "The same authors, shipped weights",
    ]


def test_words_of_the_operator_are_no_markup(outcome):
    said = "own <b>data</b>\n# Head | [x](y)"
    text = card.as_markdown(msgspec.structs.replace(outcome.card, licence=said))
    assert "<b>" not in text
    assert "\n# Head" not in text


@given(st.binary(max_size=300), st.integers(0, 300))
def test_whatever_follows_the_first_line_is_refused(junk, length):
    """Also where its digest is right, as whoever makes a hostile file sees to."""
    for body in (junk, MAGIC + junk, MAGIC + length.to_bytes(4) + junk):
        for hostile in (body, _signed(body)):
            with pytest.raises((InputError, IntegrityError)):
                loaded(hostile, made.PARTS)
