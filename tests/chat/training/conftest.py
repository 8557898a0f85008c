"""A small invented corpus in the form of PAN-2012."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import chat_corpus_support as made

from tutela.chat.reader import Reader
from tutela.chat.training.corpus import Corpus


@pytest.fixture(scope="session", autouse=True)
def reader() -> Iterator[Reader]:
    """A confined reader, begun before anything else starts a thread."""
    with Reader() as one:
        made.READERS.append(one)
        yield one
        made.READERS.clear()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Some 400 authors, 40 of them flagged, with telling lines."""
    return made.write(tmp_path_factory.mktemp("corpus"))
