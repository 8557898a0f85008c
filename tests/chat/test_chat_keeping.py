"""Messages and scores of the chat room come into a case as they are, and once."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

_TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(_TESTS / "observation"), str(_TESTS / "casework")]

from casework_office import Office  # noqa: E402 found by the path above
from observed import MONDAY, Desk, page  # noqa: E402 likewise

from tutela.chat import keeping, run  # noqa: E402 likewise
from tutela.chat.keeping import Keeper  # noqa: E402 likewise
from tutela.chat.model import (  # noqa: E402 likewise
    AgeBand,
    ConversationScore,
    Left,
    MediaKind,
    MediaRef,
    Message,
    PairScore,
    Reason,
    Shown,
    Sign,
    Trouble,
)
from tutela.chat.reader import Reader  # noqa: E402 likewise
from tutela.chat.scorer import Parts, Scorer  # noqa: E402 likewise
from tutela.chat.source import Source, digest_of  # noqa: E402 likewise
from tutela.chat.sources import sources  # noqa: E402 likewise
from tutela.core.errors import UsageError  # noqa: E402 likewise
from tutela.evidence.vault.master import LocalKey  # noqa: E402 likewise
from tutela.evidence.vault.vault import Vault  # noqa: E402 likewise
from tutela.observation import conversation_show  # noqa: E402 likewise
from tutela.observation.conversation_model import Measure, Origin  # noqa: E402 likewise
from tutela.observation.conversation_show import Wanted  # noqa: E402 likewise
from tutela.observation.model import Author, PostSeen  # noqa: E402 likewise
from tutela.store.tables.chat import ChatImport, Conversation, ConversationPair  # noqa: E402

FIRST = datetime(2026, 2, 1, 20, tzinfo=UTC)
MEASURE = Measure(sha256=b"p" * 32, point=10.0)


@pytest.fixture
def desk(database, tmp_path):
    with Vault(tmp_path / "vault", LocalKey(bytes(range(32)))) as vault:
        office = Office(database)
        yield Desk(office, office.make_case(1), vault)


def place(desk) -> keeping.Desk:
    return keeping.Desk(desk.database, desk.words, desk.investigator, desk.case.id)


def origin(sha256: bytes = bytes(32), form: str = "telegram") -> Origin:
    return Origin(name="boats.json", format=form, sha256=sha256, keep=timedelta(days=30))


def message(number: int, **more) -> Message:
    values = {
        "conversation": "harbour",
        "id": str(number),
        "author": ("ann", "bob")[number % 2],
        "text": f"is the boat {number} yours?",
        "time": FIRST + timedelta(minutes=number),
    }
    return Message(**(values | more))


def score(points: float = 12.0, *, alert: bool = True, author: str = "ann") -> ConversationScore:
    shown = (Shown(sign=Sign.MEETING, message="2", number=2, rule="en.meeting.1", start=7, end=11),)
    pair = PairScore(
        author=author,
        other="bob",
        points=points,
        reasons=(
            Reason(sign=Sign.MEETING, points=8.0, count=1, shown=shown),
            Reason(sign=Sign.PERSISTENCE, points=4.0, count=2),
        ),
        against=("one_line",),
        may_alert=alert,
        crossed_at=3,
        probability=0.25,
    )
    return ConversationScore(
        conversation="harbour", points=points, pairs=(pair,), messages=4, speakers=2, alert=alert
    )


def rows(desk, table):
    with desk.database.read() as tx:
        key = table.__table__.primary_key.columns
        return tx.execute(select(table.__table__).order_by(*key)).all()


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
