"""A corpus is read as a stream; what is hostile is refused, what is no message is counted."""

from __future__ import annotations

import chat_corpus_support as made
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutela.chat import limits
from tutela.chat.model import Left, Message, Trouble
from tutela.chat.training.corpus import Line, ids, open_corpus, read
from tutela.chat.training.gathering import gather
from tutela.core.errors import InputError

ONE = (
    '<conversation id="c1"><message line="1"><author>a1</author><time>09:10</time>'
    "<text>hello &amp; welcome</text></message></conversation>"
)


def corpus_of(folder, xml, flagged="a1\n", lines=None):
    paths = [folder / name for name in ("c.xml", "f.txt", "l.txt")]
    contents = [xml if isinstance(xml, bytes) else xml.encode(), flagged.encode()]
    for path, content in zip(paths, [*contents, (lines or "").encode()], strict=True):
        path.write_bytes(content)
    return open_corpus(*paths[:2], paths[2] if lines else None, reader=made.READERS[0])


def test_messages_come_as_written(tmp_path):
    corpus = corpus_of(tmp_path, f"<conversations>{ONE}</conversations>", lines="c1\t1\n")
    (message,) = read(corpus)
    assert (message.conversation, message.id, message.author) == ("c1", "1", "a1")
    assert (message.text, message.time) == ("hello & welcome", None)
    assert corpus.flagged == {"a1"}
    assert corpus.lines == {Line("c1", "1")}
    other = corpus_of(tmp_path, f"<conversations>{ONE}</conversations>", flagged="a2\n")
    assert other.digest != corpus.digest


def test_the_made_corpus_has_what_its_lists_name(corpus):
    messages = [one for one in read(corpus) if isinstance(one, Message)]
    authors = {one.author for one in messages}
    assert 380 < len(authors) < 420
    assert len(corpus.flagged & authors) == 40
    there = {Line(one.conversation, one.id) for one in messages}
    assert corpus.lines <= there
    assert len(corpus.lines) > 100


def test_what_is_no_message_is_counted(tmp_path):
    xml = (
        f"<conversations>{ONE}<conversation id='c2'><message line='1'><text>x</text></message>"
        "<message line='2'><author> </author><text>x</text></message></conversation>"
        "</conversations>"
    )
    corpus = corpus_of(tmp_path, xml)
    left = [one for one in read(corpus) if isinstance(one, Left)]
    assert sum(one.count for one in left) == 2
    found = gather(corpus, made.PlainScorer(), made.POINT)
    assert found.left == {"malformed": 2}
    assert found.messages == [1]


def test_a_long_text_is_cut_and_says_so(tmp_path):
    xml = ONE.replace("hello", "x" * 3_000_000)
    (message,) = read(corpus_of(tmp_path, f"<conversations>{xml}</conversations>"))
    assert len(message.text) == limits.TEXT_CHARS
    assert Trouble.CUT in message.troubles


BOMB = "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]>"


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        (BOMB + "<conversations>&b;</conversations>", "doctype"),
        ('<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x"><conversations/>', "doctype"),
        ("<conversations>&nothing;</conversations>", "xml"),
        ("<conversations>" + "<a>" * 5_000, "nesting"),
        ("<conversations>", "xml"),
        (f"<conversations>{ONE}", "xml"),
        ("", "empty"),
        ("<conversations a='" + "x" * 3_000_000, "xml"),
        ("conversation,author,text\nc,a,hello\n", "no_corpus"),
    ],
)
def test_hostile_xml_is_refused(tmp_path, xml, code):
    with pytest.raises(InputError) as refused:
        list(read(corpus_of(tmp_path, xml)))
    assert refused.value.code == code


@settings(max_examples=30)
@given(st.binary(max_size=400))
def test_whatever_comes_is_read_or_refused(tmp_path_factory, xml):
    corpus = corpus_of(tmp_path_factory.mktemp("any"), b"<conversations>" + xml)
    with pytest.raises(InputError):
        list(read(corpus))


@pytest.mark.parametrize("content", ["", "\n\n", "x" * 500 + "\n", "a\0b\n"])
def test_a_list_that_is_none_is_refused(tmp_path, content):
    file = tmp_path / "ids.txt"
    file.write_text(content)
    with pytest.raises(InputError):
        ids(file)


def test_lines_that_are_none_are_refused(tmp_path):
    with pytest.raises(InputError):
        corpus_of(tmp_path, "<conversations/>", lines="c1 1\n")
    with pytest.raises(InputError) as refused:
        open_corpus(tmp_path / "nowhere.xml", tmp_path / "f.txt")
    assert refused.value.code == "unreadable"


def test_the_same_seed_writes_the_same(tmp_path):
    assert made.write(tmp_path).digest == made.write(tmp_path).digest


def test_without_a_reader_one_is_begun_and_ended(corpus):
    alone = msgspec.structs.replace(corpus, reader=None)
    assert list(read(alone)) == list(read(corpus))
