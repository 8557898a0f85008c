"""What a worker may say, and what a hostile one says instead."""

from __future__ import annotations

import contextlib
import os
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutela.core.errors import MediaError, TutelaError
from tutela.sandbox import Broken, Limits
from tutela.sandbox.ending import cause
from tutela.sandbox.wire import FRAME, REPLY_BYTES, Failure, FrameReader, Kind, ProtocolError

READY = FRAME.pack(Kind.READY, 0)
DONE = FRAME.pack(Kind.DONE, 0)


def failure(payload):
    return FRAME.pack(Kind.FAILURE, len(payload)) + payload


def write_past_the_protocol(data):
    """Write to whatever in this worker can be written to: the connection alone."""
    for number in range(3, 64):
        with contextlib.suppress(OSError):
            os.write(number, data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (FRAME.pack(9, 0), "a frame of kind 9 with 0 bytes"),
        (FRAME.pack(0, 0), "a frame of kind 0 with 0 bytes"),
        (FRAME.pack(Kind.REPLY, REPLY_BYTES + 1), "a frame of kind 2 with 67108865 bytes"),
        (FRAME.pack(Kind.REPLY, 0xFFFFFFFF), "a frame of kind 2 with 4294967295 bytes"),
        (FRAME.pack(Kind.DONE, 1) + b"x", "a frame of kind 3 with 1 bytes"),
        (failure(b"\xc1\xc1\xc1\xc1"), "an unreadable failure"),
        (failure(b"\x82\xa4kind\xa2\xff\xfe\xa7message\xa1x"), "an unreadable failure"),
        (failure(b"\x82\xa4kind\xa0\xa1x" + b"\x91" * 60_000), "an unreadable failure"),
        (READY, "an unasked READY"),
        (b"GET / HTTP/1.1\r\n\r\n", "a frame of kind 71"),
    ],
)
def test_garbage_from_a_worker_breaks_its_task_and_ends_it(start, ask, data, said):
    def hostile(request, _files, _reply):
        if request:
            write_past_the_protocol(request)
            time.sleep(60)

    pool = start(hostile)
    end = ask(pool, data).end
    assert isinstance(end, Broken)
    assert end.code == "crashed"
    assert end.detail.startswith(f"protocol: {said}")
    assert not isinstance(ask(pool).end, Broken)


def test_replies_without_a_task_cost_a_worker_its_place(start, ask):
    def chatty(request, _files, reply):
        reply(b"%d" % os.getpid())
        if request:
            write_past_the_protocol(DONE + FRAME.pack(Kind.REPLY, 3) + b"lie")
            time.sleep(60)

    pool = start(chatty)
    first = ask(pool, b"x")
    second = ask(pool)
    assert len(second.replies) == 1
    assert second.replies != first.replies


def test_a_worker_that_hangs_up_and_goes_on_is_ended(start, ask):
    def deaf(_request, _files, _reply):
        for number in range(3, 64):
            with contextlib.suppress(OSError):
                os.close(number)
        time.sleep(60)

    pool = start(deaf, limits=Limits(silence_s=50))
    end = ask(pool).end
    assert (end.code, end.detail) == ("crashed", "protocol: it hung up and went on")


def test_an_announced_reply_that_never_comes_is_silence(start, ask):
    def stingy(_request, _files, _reply):
        write_past_the_protocol(FRAME.pack(Kind.REPLY, REPLY_BYTES))
        time.sleep(60)

    assert ask(start(stingy, limits=Limits(silence_s=0.3))).end.code == "silent"


@pytest.mark.parametrize(
    "kind", ["", "TutelaError", "ClassVar", "annotations", "__doc__", "no way"]
)
def test_a_worker_names_only_errors_of_tutela(kind):
    error = Failure(kind, "a message", "a-code", "a hint").error()
    assert (error is None) == (kind != "TutelaError")
    assert error is None or type(error) is TutelaError


def test_any_end_of_a_process_can_be_told():
    for status in range(0x10000):
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            code, detail = cause(status, 0, Limits())
            assert code in ("memory", "crashed")
            assert detail
    assert cause(40, 0, Limits()) == ("crashed", "signal 40")


frames = st.tuples(
    st.sampled_from([Kind.READY, Kind.REPLY, Kind.DONE, Kind.FAILURE]), st.binary(max_size=400)
).map(lambda frame: frame if frame[0] in (Kind.REPLY, Kind.FAILURE) else (frame[0], b""))


@given(st.lists(frames, max_size=8), st.lists(st.integers(1, 300)))
def test_frames_are_read_whole_however_they_are_cut(sent, cuts):
    stream = b"".join(FRAME.pack(kind, len(payload)) + payload for kind, payload in sent)
    reader = FrameReader()
    received = []
    for size in [*cuts, len(stream) + 1]:
        received += reader.feed(memoryview(stream[:size]))
        stream = stream[size:]
    assert received == sent


@given(st.binary(max_size=2000))
def test_any_bytes_are_frames_or_a_protocol_error(data):
    with contextlib.suppress(ProtocolError):
        for kind, payload in FrameReader().feed(memoryview(data)):
            assert kind in Kind
            assert len(payload) <= len(data)


@given(st.text(), st.text(), st.text())
def test_any_error_survives_the_wire_as_one_plain_line(message, code, hint):
    raised = MediaError(message, code=code, hint=hint)
    failure = msgspec.msgpack.decode(msgspec.msgpack.encode(Failure.of(raised)), type=Failure)
    error = failure.error()
    assert type(error) is MediaError
    for text in (error.message, error.code, error.hint):
        assert len(text) <= 1000
        assert text == "" or text.isprintable()
    if message.isprintable() and message == " ".join(message.split()):
        assert error.message == message


def test_an_error_that_cannot_be_printed_is_still_described():
    class MuteError(Exception):
        def __str__(self):
            raise ValueError

    assert Failure.of(MuteError()).message == "MuteError: ?"
    assert Failure.of(ValueError("\udc80\x1b")).message == "ValueError: " + 2 * "\ufffd"
