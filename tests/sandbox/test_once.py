from __future__ import annotations

import os
import time

import pytest

from tutela.core.errors import ListFormatError, SandboxError
from tutela.sandbox import Limits, confined

MIB = 1 << 20


def test_replies_stream_while_the_process_waits_for_its_reader(tmp_path):
    """100 MiB in all; only what the socket holds is made before it is asked for."""

    def produce(request, _files, reply):
        for number in range(int(request)):
            reply(number.to_bytes(4, "big") + bytes(MIB - 4))
            if number == 10:
                reply(b"%f" % time.monotonic())

    (tmp_path / "file").write_bytes(b"x")
    with (tmp_path / "file").open("rb") as stream:
        replies = confined(produce, b"100", [stream.fileno()], Limits())
        next(replies)
        time.sleep(0.3)
        asked = time.monotonic()
        rest = list(replies)
    assert [int.from_bytes(reply[:4], "big") for reply in rest if len(reply) == MIB] == [
        *range(1, 100)
    ]
    assert float(next(reply for reply in rest if len(reply) < MIB)) > asked


def test_the_process_ends_with_its_reader():
    def endless(_request, _files, reply):
        while True:
            reply(b"%d" % os.getpid())

    replies = confined(endless, b"", [], Limits())
    process = int(next(replies))
    replies.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_what_the_handler_raises_is_raised_here():
    def fail(request, _files, reply):
        reply(b"row")
        if request:
            raise ListFormatError("line 3 is no JSON", code="json", hint="look at line 3")
        raise ZeroDivisionError("division by zero")

    replies = confined(fail, b"x", [], Limits())
    assert next(replies) == b"row"
    with pytest.raises(ListFormatError) as caught:
        next(replies)
    assert (caught.value.code, caught.value.message) == ("json", "line 3 is no JSON")
    assert caught.value.hint == "look at line 3"
    with pytest.raises(SandboxError, match="ZeroDivisionError: division by zero") as other:
        list(confined(fail, b"", [], Limits()))
    assert other.value.code == "error"
    assert other.value.hint.startswith("raised at test_once.py:")


def test_a_process_that_dies_is_an_error():
    with pytest.raises(SandboxError, match="exit status 7") as caught:
        list(confined(lambda _request, _files, _reply: os._exit(7), b"", [], Limits()))
    assert caught.value.code == "crashed"
    # More than a long test run may have left free in the heap, which a worker starts with.
    much = 8192 * MIB
    with pytest.raises(SandboxError) as caught:
        list(confined(lambda _r, _f, _reply: bytearray(much), b"", [], Limits(256 * MIB)))
    assert caught.value.code == "memory"


def test_what_warm_up_loads_is_there():
    loaded = []
    replies = confined(
        lambda _request, _files, reply: reply(loaded[0]),
        b"",
        [],
        Limits(),
        warm_up=lambda: loaded.append(b"kernel"),
    )
    assert list(replies) == [b"kernel"]
