"""Entries as JSON of StopNCII, and feedback from it.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/stopncii/api.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from tutela.api.protocols.paging import second_of
from tutela.api.protocols.values import pdq_of
from tutela.core.errors import InputError
from tutela.core.media import PDQ
from tutela.exchange.model import SERVED, Content, EntryState, Listed, Verdict
from tutela.exchange.protocols.stopncii import (
    ACTIVE,
    DELETED,
    IMAGE_PDQ,
    VERDICTS,
    VIDEO_MD5,
    WITHDRAWN,
)

_CEASED: Final[Mapping[EntryState, str]] = {EntryState.DELETED: DELETED}
VALUES: Final = frozenset(
    {"Unknown", "None", "QualityUnknown", "PendingReview", WITHDRAWN, DELETED, *VERDICTS}
)
MOST_FEEDBACK = 1_000
LONGEST_BODY = 1 << 20
MOST_TAGS = 20
LONGEST_TAG = 100


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A hash as the protocol has it; one entry gives one for each value that it has a name for."""

    lastModtimestamp: int  # noqa: N815 the protocol's names, as below
    signalType: str  # noqa: N815
    hashValue: str  # noqa: N815
    hashStatus: str  # noqa: N815
    caseNumbers: dict[str, str]  # noqa: N815
    CSPFeedbacks: tuple[()] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to `FetchHashes`."""

    count: int
    nextPageToken: str | None  # noqa: N815 the protocol's names, as below
    nextSetTimestamp: int  # noqa: N815
    hasMoreRecords: bool  # noqa: N815
    hashRecords: list[Record]  # noqa: N815


class Given(msgspec.Struct, frozen=True):
    """Feedback on a hash as it comes; nothing says of which kind the hash is, but its length."""

    hashValue: str  # noqa: N815 the protocol's names, as below
    feedbackValue: str  # noqa: N815
    tags: tuple[str, ...] = ()


class _Feedback(msgspec.Struct, frozen=True):
    hashFeedbacks: tuple[Given, ...]  # noqa: N815 the protocol's name
    count: int | None = None


class Said(msgspec.Struct, frozen=True):
    """Feedback on a value: `algorithm` is `pdq` or `md5`, `verdict` None where it says nothing."""

    algorithm: str
    value: bytes
    verdict: Verdict | None
    tags: tuple[str, ...]


_feedback = msgspec.json.Decoder(_Feedback).decode


def records(listed: Listed) -> Iterator[Record]:
    """Give the hashes of an entry: PDQ of pictures, MD5 of videos; the protocol names no others."""
    if listed.content is Content.IMAGE:
        kind, value = IMAGE_PDQ, pdq_of(listed)
    else:
        kind, value = VIDEO_MD5, listed.digests.md5.hex() if listed.digests.md5 else None
    if value is None:
        return
    status = ACTIVE if listed.state in SERVED else _CEASED.get(listed.state, WITHDRAWN)
    yield Record(
        lastModtimestamp=second_of(listed.changed_at),
        signalType=kind,
        hashValue=value,
        hashStatus=status,
        caseNumbers={str(listed.id): status},
    )


def page_records(page: Iterable[Listed], borne: Iterable[Listed]) -> list[Record]:
    """Return the hashes of a page; of two entries with one value, a served one is told.

    Clients keep hashes by value: that one entry is withdrawn must not delete what another holds.

    Args:
        page: What was changed.
        borne: Entries that are served and hold a value of one in `page` that ceased.
    """
    served = {
        (record.signalType, record.hashValue): record
        for listed in borne
        for record in records(listed)
    }
    return [
        record
        if listed.state in SERVED
        else served.get((record.signalType, record.hashValue), record)
        for listed in page
        for record in records(listed)
    ]


def feedback(body: bytes) -> list[Said]:
    """Read feedback.

    Raises:
        InputError: it is none, or too much at once.
    """
    try:
        given = _feedback(body).hashFeedbacks
    except msgspec.DecodeError as error:
        raise InputError(f"this is no feedback: {error}", code="feedback") from None
    if len(given) > MOST_FEEDBACK:
        raise InputError(
            f"feedback on {len(given):,} hashes; {MOST_FEEDBACK:,} are taken at once",
            code="too_large",
        )
    return [_said(one) for one in given]


def _said(given: Given) -> Said:
    if given.feedbackValue not in VALUES:
        raise InputError(
            f"{given.feedbackValue[:40]!r} is no feedbackValue of the protocol", code="feedback"
        )
    if len(given.tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in given.tags):
        raise InputError("feedback with more tags than anybody reads", code="feedback")
    try:
        value = bytes.fromhex(given.hashValue)
    except ValueError:
        value = b""
    algorithm = {32: PDQ, 16: "md5"}.get(len(value))
    if algorithm is None or len(given.hashValue) != 2 * len(value):
        raise InputError("a hashValue is a PDQ or an MD5 in hexadecimal", code="feedback")
    return Said(algorithm, value, VERDICTS.get(given.feedbackValue), given.tags)
