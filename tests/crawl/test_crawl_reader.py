"""Pages read in confined processes: what kills a reader is an error of its page only."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from crawl_pages import SAMPLES
from tutela.core.errors import InputError, SandboxError
from tutela.crawl import reading
from tutela.crawl.events import Terms
from tutela.crawl.reader import Reader
from tutela.sandbox import Limits

TERMS = Terms(request=("would like",))


@pytest.fixture(scope="module")
def reader():
    with Reader(TERMS) as running:
        yield running


@pytest.mark.parametrize("sample", SAMPLES, ids=[f"{sample.name} confined" for sample in SAMPLES])
def test_a_confined_reader_says_the_same(reader, sample):
    wanted = reading.read(sample.html.encode(), sample.url, sample.content_type, TERMS)
    assert reader.read(sample.html.encode(), sample.url, sample.content_type) == wanted


def test_what_is_refused_is_refused_with_its_code_and_the_next_page_is_read(reader):
    with pytest.raises(InputError) as refused:
        reader.read(b"<div>" * 100_000, "http://a.test/", "text/html")
    assert refused.value.code == "nesting"
    assert reader.read(b"<title>a</title>", "http://a.test/", "text/html").title == "a"


def test_threads_share_a_reader():
    with Reader(TERMS, jobs=2) as reader, ThreadPoolExecutor(8) as threads:
        pages = [f"<title>{number}</title>".encode() for number in range(40)]
        read = threads.map(lambda page: reader.read(page, "http://a.test/", "text/html"), pages)
        assert [seen.title for seen in read] == [str(number) for number in range(40)]


def _die_of(monkeypatch, how):
    """Let a reader die of a page as if the parser had a fault."""
    whole = reading.read

    def read(body, *rest, **named):
        if b"fatal" in body:
            how()
        return whole(body, *rest, **named)

    monkeypatch.setattr(reading, "read", read)


def test_a_page_that_takes_all_memory_dies_alone(monkeypatch):
    _die_of(monkeypatch, lambda: bytearray(4 << 30))
    with Reader(TERMS) as reader:
        with pytest.raises(SandboxError) as died:
            reader.read(b"fatal", "http://a.test/", "text/html")
        assert died.value.code == "memory"
        assert reader.read(b"<title>a</title>", "http://a.test/", "text/html").title == "a"


def test_a_page_that_takes_forever_dies_alone(monkeypatch):
    def forever():
        while True:
            pass

    _die_of(monkeypatch, forever)
    limits = Limits(memory_bytes=1 << 30, silence_s=0.5)
    with Reader(TERMS, limits=limits) as reader:
        with pytest.raises(SandboxError) as died:
            reader.read(b"fatal", "http://a.test/", "text/html")
        assert died.value.code == "silent"
        assert reader.read(b"<title>a</title>", "http://a.test/", "text/html").title == "a"
