"""Training and evaluation with the scorer as it is shipped, in seconds."""

from __future__ import annotations

import pytest

from tutela.chat.model import ConversationScore, Message
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.training import evaluate, train
from tutela.chat.training.corpus import read
from tutela.chat.training.heard import Heard
from tutela.chat.weighing import DEFAULT_POINT

CONFIG = train.Config(licence="invented for tests", may_use=True)


@pytest.fixture(scope="module", params=[False, True], ids=["lexicon", "encoder"])
def parts(request):
    return Parts.shipped(request.param)


def test_it_trains_evaluates_and_scores(corpus, parts):
    digest = bytes.fromhex(parts.digest)
    model, card = train.train(corpus, Scorer(parts), digest, CONFIG, point=DEFAULT_POINT)
    found = evaluate.evaluate(
        corpus,
        evaluate.Means(scoring=Scorer(parts), parts=digest, point=DEFAULT_POINT, model=model),
    )
    assert card.parts == found.parts == parts.digest
    titles = [table.title for table in found.tables]
    assert titles[:3] == [
        "Authors, shipped weights",
        "Authors, trained model",
        "Conversations, shipped weights",
    ]
    for table in found.tables[:2]:
        values = {figure.name: figure.value for figure in table.figures}
        assert values["PR-AUC"] > 0.7  # the machinery is put together rightly; no more is said
    said = scored(corpus, parts, model)
    assert [pair.author for pair in said.pairs] == ["a00003"]
    assert said.pairs[0].probability > 0.3


def scored(corpus, parts, model) -> ConversationScore:
    """Score one conversation as a run does: signs by the scorer, words by the model."""
    scorer, heard = Scorer(parts), {}
    for message in read(corpus):
        if isinstance(message, Message) and message.conversation == "c0003":
            scorer.take(message)
            (weight,) = model.weigh([message.text])
            heard[message.author] = heard.get(message.author, Heard()).and_(weight)
    return model.applied(scorer.close("c0003"), heard)
