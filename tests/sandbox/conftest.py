"""Pools of real processes, and how their tasks ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import pytest

from tutela.sandbox import Broken, Done, Layers, Limits, Pool, Reply

LIMITS = Limits(memory_bytes=256 << 20, silence_s=20.0)


class Ended(NamedTuple):
    replies: list[bytes]
    end: Done | Broken


@pytest.fixture
def start() -> Iterator[Callable[..., Pool]]:
    """Start a pool of one worker that is closed when the test ends."""
    pools = []

    def start_pool(handler, *, jobs=1, limits=LIMITS, layers=Layers.ALL) -> Pool:
        pools.append(Pool(handler, jobs=jobs, limits=limits, layers=layers))
        return pools[-1]

    yield start_pool
    for pool in pools:
        pool.close()


@pytest.fixture
def ask() -> Callable[..., Ended]:
    """Give a pool without tasks one, and wait for its end."""

    def ask_pool(pool: Pool, request: bytes = b"", files: Sequence[int] = ()) -> Ended:
        task = pool.submit(request, files)
        replies = []
        while True:
            for event in pool.events(60):
                assert event.task == task
                if not isinstance(event, Reply):
                    return Ended(replies, event)
                replies.append(event.payload)

    return ask_pool
