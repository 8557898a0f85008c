from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tutela.core.entry import Classification, ListEntry, Provenance, Role, State
from tutela.core.media import VARIANTS, Digests, Fingerprint
from tutela.hashlist.format import ExportOptions, Read, Received, Written, named
from tutela.hashlist.library import Library
from tutela.hashlist.model import ImportReport

WHEN = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class Samples:
    """Hashes of invented contents: the same seed always gives the same value."""

    @staticmethod
    def digest(name: str, seed: object) -> bytes:
        return hashlib.new(name, str(seed).encode(), usedforsecurity=False).digest()

    def digests(self, seed: object) -> Digests:
        return Digests(*(self.digest(name, seed) for name in ("md5", "sha1", "sha256")))

    def pdq(self, seed: object) -> bytes:
        return self.digest("sha256", f"pdq {seed}")

    def photodna(self, seed: object) -> bytes:
        return b"".join(self.digest("sha256", (seed, part)) for part in range(5))[:144]

    def photodna_text(self, seed: object) -> str:
        return base64.b64encode(self.photodna(seed)).decode()


@pytest.fixture(scope="session")
def samples() -> Samples:
    return Samples()


@pytest.fixture(scope="session")
def received() -> Received:
    return Received(
        list="test", source="list.txt", received_at=WHEN, received_from="Example Hotline"
    )


@pytest.fixture(scope="session")
def read(received: Received) -> Callable[..., list[Read]]:
    def _read(form: str, content: bytes, context: Received = received) -> list[Read]:
        return list(named(form).read(io.BytesIO(content), context))

    return _read


@pytest.fixture(scope="session")
def write() -> Callable[..., tuple[bytes, Written]]:
    def _write(
        form: str, entries: Sequence[ListEntry], options: ExportOptions | None = None
    ) -> tuple[bytes, Written]:
        stream = io.BytesIO()
        written = named(form).write(entries, stream, options or ExportOptions())
        return stream.getvalue(), written

    return _write


class Strategies:
    """Any list entry that a text format can carry: no NUL, no half of a surrogate pair."""

    texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    qualities = st.integers(0, 100)
    digests = st.builds(
        Digests,
        st.none() | st.binary(min_size=16, max_size=16).filter(any),
        st.none() | st.binary(min_size=20, max_size=20).filter(any),
        st.none() | st.binary(min_size=32, max_size=32).filter(any),
    )
    pdq = st.builds(
        Fingerprint,
        st.just("pdq"),
        st.binary(min_size=32, max_size=32).filter(any),
        qualities,
        st.sampled_from(VARIANTS),
        st.integers(0, 9),
    )
    photodna = st.builds(
        Fingerprint,
        st.just("photodna"),
        st.binary(min_size=144, max_size=144).filter(lambda v: v != v[:1] * 144),
        qualities,
    )
    licensed = st.builds(
        Fingerprint, st.just("licensed-x"), st.binary(min_size=1, max_size=64), qualities
    )
    json = st.recursive(
        st.none() | st.booleans() | st.integers() | texts,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text("abc", max_size=5), inner, max_size=3)
        ),
        max_leaves=8,
    )
    extras = st.just(b"") | st.dictionaries(texts, json, min_size=1, max_size=3).map(
        lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    )
    provenances = st.builds(
        Provenance,
        texts,
        texts,
        st.integers(0, 1 << 40),
        st.datetimes(timezones=st.just(UTC)),
        texts,
    )
    entries = st.builds(
        ListEntry,
        provenances,
        digests,
        st.lists(pdq | photodna | licensed, max_size=3).map(tuple),
        st.lists(st.builds(Classification, texts, texts), max_size=3).map(tuple),
        st.sampled_from(State),
        extras,
    ).filter(lambda e: bool(e.digests or e.fingerprints))


@pytest.fixture(scope="session")
def strategies() -> type[Strategies]:
    return Strategies


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.create(tmp_path / "library")


@pytest.fixture
def add(library: Library, tmp_path: Path, received: Received) -> Callable[..., ImportReport]:
    """Add entries as a list, through the lossless format."""

    def _add(
        *entries: ListEntry, name: str = "list", role: Role = Role.ALERT, **options: object
    ) -> ImportReport:
        file = tmp_path / f"{name}.jsonl"
        with file.open("wb") as stream:
            named("jsonl").write(entries, stream, ExportOptions())
        return library.add(file, name=name, role=role, received_at=received.received_at, **options)

    return _add


@pytest.fixture(scope="session")
def entry(received: Received) -> Callable[..., ListEntry]:
    def _entry(
        digests: Digests = Digests(),  # noqa: B008 - a frozen value
        *fingerprints: Fingerprint,
        code: str = "",
        state: State = State.ACTIVE,
    ) -> ListEntry:
        graded = (Classification("test-scheme", code),) if code else ()
        return ListEntry(received.provenance(1), digests, fingerprints, graded, state)

    return _entry
