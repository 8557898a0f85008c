"""Damaged exports: whatever stands in them, there are messages in their bounds, or a reason."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chat_exports
from chat_exports import TALK, WRITTEN
from tutela.chat.limits import MEDIA_REFS, NAME_CHARS, TEXT_CHARS
from tutela.chat.model import Left
from tutela.chat.recognise import named, recognise
from tutela.core.errors import InputError

WHOLE = {how.id: how.write(TALK + tuple(chat_exports.many(10))) for how in WRITTEN}
TOKENS = st.sampled_from(
    [
        *(b'"', b"\\", b"{", b"}", b"[", b"]", b"<", b">", b"\n", b"\0", b"\xff", b",", b";"),
        *(b"&#0;", b"\\ud83d", b"9" * 400, b"1e999", b"-1", b"NaN", b"null", b" - A: ", b"<!--"),
        *(b'<model type="Chat">', b'<model type="InstantMessage">', b"</model>", b"<![CDATA["),
        *(b"\xf0\x9f", b"\x85", b"\xe2\x80\xa8", b'"id":', b'"text":["a",{"text":"b"}]'),
    ]
)
EDIT = st.tuples(
    st.floats(0, 1, exclude_max=True), st.integers(0, 60), TOKENS | st.binary(max_size=4)
)


@pytest.mark.parametrize("how", [pytest.param(how, id=how.id) for how in WRITTEN])
@settings(max_examples=60)
@given(edits=st.lists(EDIT, min_size=1, max_size=8))
def test_damage_costs_messages_and_no_more(how, edits):
    data = bytearray(WHOLE[how.id])
    for place, size, token in edits:
        at = int(place * len(data))
        data[at : at + size] = token
    recognise(bytes(data), "x")
    known = chat_exports.opening(bytes(data))
    found = []
    try:
        found.extend(named(how.format).read(known.again(), known))
    except InputError as error:
        assert error.code  # noqa: PT017 - either is right
    msgspec.msgpack.encode(found)
    for one in found:
        if isinstance(one, Left):
            assert one.count > 0
            continue
        assert one.id
        assert len(one.text) <= TEXT_CHARS
        assert max(map(len, (one.conversation, one.id, one.author, one.name))) <= NAME_CHARS
        assert len(one.media) <= MEDIA_REFS
        assert "\0" not in one.text + one.author + one.name + one.id + one.conversation
