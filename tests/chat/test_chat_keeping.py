"""Messages and scores of the chat room come into a case as they are, and once."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from chat_desk import (
    MEASURE,
    MONDAY,
    message,
    origin,
    page,
    place,
    rows,
    score,
)

from tutela.chat import keeping, run
from tutela.chat.keeping import Keeper
from tutela.chat.model import (
    AgeBand,
    ConversationScore,
    Left,
    MediaKind,
    MediaRef,
    Trouble,
)
from tutela.chat.reader import Reader
from tutela.chat.scorer import Parts, Scorer
from tutela.chat.source import Source, digest_of
from tutela.chat.sources import sources
from tutela.core.errors import UsageError
from tutela.observation import conversation_show
from tutela.observation.conversation_model import Measure
from tutela.observation.conversation_show import Wanted
from tutela.observation.model import Author, PostSeen
from tutela.store.tables.chat import ChatImport, Conversation, ConversationPair


def test_a_source_comes_in_with_what_was_left_out_and_its_score(desk):
    keeper = Keeper(place(desk), origin(), MEASURE)
    assert keeper.fresh
    some = [
        message(0, age_band=AgeBand.MINOR, name="Ann"),
        message(1, media=(MediaRef(name="boat.jpg", kind=MediaKind.PICTURE),), reply_to="0"),
        Left(reason="malformed", place="line 3", count=2),
        message(2, troubles=(Trouble.CUT,)),
        message(3, author="admin", system=True, text="Bob left"),
    ]
    keeper.take(some[:3])
    keeper.take(some[3:])
    keeper.scored([score()])
    keeper.end()
    assert (keeper.messages, keeper.conversations, keeper.alerts) == (4, 1, 1)
    (source,) = rows(desk, ChatImport)
    assert (source.left, source.messages, source.format) == ({"malformed": 2}, 4, "telegram")
    with desk.database.write() as tx:
        shown = conversation_show.show(
            tx, desk.words, desk.investigator, desk.case.id, 1, Wanted(names="a test")
        )
    assert [one.name for one in shown.speakers.values()] == ["Ann", "bob"]
    assert [one.age_band for one in shown.speakers.values()] == ["minor", ""]
    assert [one.speaker for one in shown.lines] == [0, 1, 0, None]
    assert shown.lines[1].files[0].name == "boat.jpg"
    assert [one.text for one in shown.lines[2].parts if one.counted] == ["boat"]
    (pair,) = shown.pairs
    assert [(one.sign, one.stage, one.points) for one in pair.reasons] == [
        ("meeting", "approach", 8.0),
        ("persistence", "pressure", 4.0),
    ]
    assert (pair.against, pair.probability, pair.crossed_at) == (("one_line",), 0.25, 3)


def test_the_same_source_is_not_taken_again(desk):
    for number in range(2):
        keeper = Keeper(place(desk), origin(), MEASURE)
        assert keeper.fresh == (number == 0)
        keeper.take([message(0), message(1)])
        keeper.scored([score()])
        keeper.end()
    assert len(rows(desk, Conversation)) == 1


def test_one_that_was_cut_off_is_begun_anew(desk):
    keeper = Keeper(place(desk), origin(), MEASURE)
    keeper.take([message(0)])
    with pytest.raises(UsageError, match="was not kept"):
        keeper.scored([_other()])
    again = Keeper(place(desk), origin(), MEASURE)
    assert again.fresh
    again.take([message(number) for number in range(4)])
    again.scored([score()])
    again.end()
    assert [row.messages for row in rows(desk, Conversation)] == [4]


def _other() -> ConversationScore:
    return ConversationScore(
        conversation="another", points=1.0, pairs=(), messages=1, speakers=1, alert=False
    )


def test_other_scores_come_in_place_of_those_before(desk):
    keeper = Keeper(place(desk), origin(), MEASURE)
    keeper.take([message(number) for number in range(4)])
    with pytest.raises(UsageError, match="not read to its end"):
        keeping.rescored(place(desk), bytes(32), [score()], MEASURE)
    keeper.scored([score()])
    keeper.end()
    other = Measure(sha256=b"q" * 32, point=20.0)
    low = score(6.0, alert=False, author="nobody who spoke")
    assert keeping.rescored(place(desk), bytes(32), [low], other) == 1
    (one,) = rows(desk, Conversation)
    assert (one.points, one.alert, one.parts_sha256) == (6.0, False, b"q" * 32)
    assert [(row.author, row.other) for row in rows(desk, ConversationPair)] == [(-1, 1)]


def test_what_crawl_observed_becomes_messages_whose_words_stay_where_they_are(desk):
    posts = [
        PostSeen(
            key=str(number),
            author=Author(("Ann", "Bob")[number % 2], str(number % 2)),
            posted_at=MONDAY - timedelta(hours=9 - number),
            text=f"is the boat {number} yours?",
            replies_to=("0",) if number else (),
        )
        for number in range(4)
    ]
    desk.keep(page(*posts))
    with desk.database.read() as tx:
        found = list(keeping.observed(tx, place(desk)))
    assert [one.text for one, _ in found] == [post.text for post in posts]
    assert {one.conversation for one, _ in found} == {"forum.test 7"}
    keeper = Keeper(place(desk), origin(form=keeping.OBSERVED), MEASURE)
    keeper.take([one for one, _ in found], [post for _, post in found])
    keeper.end()
    with desk.database.write() as tx:
        shown = conversation_show.show(tx, desk.words, desk.investigator, desk.case.id, 1)
    assert shown.lines[3].parts[0].text == "is the boat 3 yours?"
    assert shown.lines[3].replies_to == 0


def test_an_export_goes_from_a_folder_through_the_scorer_into_the_case(desk, tmp_path):
    lines = (
        ("ann", "hi, i am 13 and i like boats"),
        ("guest", "cool. our s3cret ok? don't tell your mum"),
        ("ann", "ok"),
        ("guest", "can you send me a picture of you?"),
    )
    folder = tmp_path / "export"
    folder.mkdir()
    with (folder / "chat.jsonl").open("w") as stream:
        for number, (author, text) in enumerate(lines):
            row = {"conversation": "c", "message_id": str(number), "author": author, "text": text}
            stream.write(json.dumps(row) + "\n")
    scorer = Scorer(Parts.shipped(encoder=False))

    def keep(source: Source) -> Keeper:
        return Keeper(place(desk), origin(digest_of(source), source.format), MEASURE)

    with Reader() as reader:
        found = [one for one in sources(folder, reader) if not isinstance(one, Left)]
        for _ in range(2):
            done = run.score(found, reader.read, scorer, 50, keep=keep)
    assert done.totals.alerts == 1
    (source,) = rows(desk, ChatImport)
    assert (source.format, source.messages) == ("jsonl", 4)
    with desk.database.write() as tx:
        shown = conversation_show.show(tx, desk.words, desk.investigator, desk.case.id, 1)
    assert shown.info.alert
    counted = [one.text for line in shown.lines for one in line.parts if one.counted]
    assert any("s3cret" in text for text in counted), "offsets are those of the text as written"
    signs = {one.sign for one in shown.pairs[0].reasons}
    assert {"picture", "secrecy", "minor"} <= signs
