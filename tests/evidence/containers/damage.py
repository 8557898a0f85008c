"""Opens and reads damaged copies of a container; run as a program by test_damage.py.

Each copy is read in a forked child: native libraries may die of it, as a confined worker may.
Prints a JSON object of how the children ended.

    damage.py CASES SECONDS SEED FILE...
"""

from __future__ import annotations

import collections
import io
import json
import os
import resource
import signal
import sys
import traceback
from pathlib import Path
from random import Random

from tutela.core.errors import InputError
from tutela.evidence import opening
from tutela.evidence.container import Container, ContainerLimits

LIMITS = ContainerLimits(free_bytes=64 << 20, members=100_000)
MOST_BYTES = 256 << 20


def damaged(data: bytes, random: Random, spots: list[int]) -> bytes:
    """Cut, flip, overwrite or swap: mostly where the file is not empty."""
    if random.random() < 0.2:
        return data[: random.choice(spots)]
    copy = bytearray(data + bytes(16))
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        at = random.choice(spots)
        way = random.randrange(4)
        if way == 0:
            copy[at] ^= 1 << random.randrange(8)
        elif way == 1:
            copy[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
        elif way == 2:
            copy[at : at + 4] = random.choice(
                (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f")
            )
        else:
            there = random.choice(spots)
            copy[at : at + 16] = copy[there : there + 16].ljust(16)
    return bytes(copy[: len(data)])


def read(container: Container) -> str:
    """Read everything; tell the worst that happened, which may not be more than an InputError."""
    seen, size = "whole", 0
    try:
        for member in container.members():
            if member.outcome == "failed":
                seen = "members failed"
            if member.outcome != "file":
                continue
            try:
                data = container.open(member)
                while block := data.read(1 << 20):
                    size += len(block)
                    if size > MOST_BYTES:
                        return "too much"
            except InputError:
                seen = "members failed"
    except InputError:
        return "listing ended"
    return seen


def attempt(parts: list[bytes]) -> str:
    """Return in one word how reading ended."""
    streams = [io.BytesIO(part) for part in parts]
    try:
        container = opening.open_container(streams, LIMITS)
    except InputError:
        return "not opened"
    return "not recognised" if container is None else read(container)


def child(parts: list[bytes], seconds: int, pipe: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(seconds)
    try:
        word = attempt(parts)
    except MemoryError:
        word = "memory"
    except BaseException:  # noqa: BLE001  whatever it is, it is the finding
        word = "FOREIGN " + traceback.format_exc()[-600:]
    os.write(pipe, word.encode())
    os._exit(0)


def main() -> None:
    """Run the cases and print the counts."""
    cases, seconds, seed = (int(word) for word in sys.argv[1:4])
    whole = [Path(name).read_bytes() for name in sys.argv[4:]]
    spots = [[at for at, byte in enumerate(data) if byte not in (0, 255)] for data in whole]
    ends: collections.Counter[str] = collections.Counter()
    for case in range(cases):
        random = Random(seed * 1_000_003 + case)
        parts = list(whole)
        hurt = random.randrange(len(parts))
        parts[hurt] = damaged(parts[hurt], random, spots[hurt])
        reading, writing = os.pipe()
        number = os.fork()
        if number == 0:
            child(parts, seconds, writing)
        os.close(writing)
        word = os.read(reading, 1 << 16).decode()
        os.close(reading)
        _, status = os.waitpid(number, 0)
        if os.WIFSIGNALED(status):
            word = f"signal {signal.Signals(os.WTERMSIG(status)).name} case {case}"
        ends[word] += 1
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main()
