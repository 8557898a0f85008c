"""Opens pairs of speakers; prints how many are kept, their memory, and that after as many more.

    python bench/chat_memory.py PAIRS

Run as a process of its own: memory is that of the process, less what it had before, in MiB.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path

from tutela.chat.model import Message
from tutela.chat.scorer import Parts, Scorer

# Both show a sign: an idle pair would be smaller.
SAID = (("a", "how old are you?"), ("b", "im 13"), ("a", "do you have another app?"), ("b", "no"))


def main(most: int) -> None:
    """Open pairs in conversations of two, in both directions, up to a bound and once more."""
    parts = Parts.shipped(encoder=False)
    scorer = Scorer(parts, most_pairs=most)
    _fill(scorer, 0, 64)
    before = _resident_mib()
    _fill(scorer, 64, most // 2)
    kept, first = scorer.pairs, _resident_mib() - before
    _fill(scorer, most // 2, most)
    print(kept, round(first, 1), round(_resident_mib() - before, 1))


def _fill(scorer: Scorer, begin: int, end: int) -> None:
    for number in range(begin, end):
        name = f"conversation-{number}"
        scorer.take_many(
            [
                Message(conversation=name, id=f"{number}-{place}", author=author, text=text)
                for place, (author, text) in enumerate(SAID)
            ]
        )


def _resident_mib() -> float:
    gc.collect()
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in one)
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main(int(sys.argv[1]))
