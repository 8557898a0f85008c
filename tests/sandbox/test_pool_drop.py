"""A task that nobody wants any more is ended, and its worker replaced."""

from __future__ import annotations

import itertools

from tutela.sandbox import Done, Limits, Pool, Reply


def endless(request, _files, reply):
    for number in itertools.count() if request else (0,):
        reply(str(number).encode() * 1_000)


def test_a_dropped_task_says_nothing_more_and_the_next_one_is_served():
    with Pool(endless, jobs=1, limits=Limits(memory_bytes=64 << 20, silence_s=5.0)) as pool:
        dropped = pool.submit(b"x")
        assert any(isinstance(event, Reply) for event in pool.events(None))
        pool.drop(dropped)
        assert pool.free == 1
        task = pool.submit(b"")
        events = []
        while not any(isinstance(event, Done) for event in events):
            events += pool.events(None)
        assert {event.task for event in events} == {task}
        pool.drop(task)  # it has ended: nothing is done
        assert pool.free == 1
