"""The client of StopNCII (JSON).

A hash stands for all cases that name it, and its newest record replaces those before. The field's
client keeps what was withdrawn; this one removes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final
from urllib.parse import urlencode

import msgspec

from tutela.core.entry import ListEntry
from tutela.core.errors import UsageError
from tutela.core.media import PDQ
from tutela.core.time import iso
from tutela.exchange.clients.credential import StopNciiCredential
from tutela.exchange.clients.role import Row, Said, Tail, Terms, classified, held
from tutela.exchange.clients.values import Values
from tutela.exchange.model import Verdict
from tutela.exchange.protocols.stopncii import (
    DELETED,
    IMAGE_PDQ,
    VERDICTS,
    VIDEO_MD5,
    WITHDRAWN,
    ZERO,
)
from tutela.fetch.http import Question
from tutela.hashlist.format import RowError

KIND: Final = "stopncii"
_PAGE = 800
_COMPARED = {IMAGE_PDQ: PDQ, VIDEO_MD5: "md5"}
_LAST_SECOND = 253_402_300_799


class _Record(msgspec.Struct, frozen=True):
    signalType: str  # noqa: N815 the protocol's names, as below
    hashValue: str  # noqa: N815
    hashStatus: str  # noqa: N815
    lastModtimestamp: int = 0  # noqa: N815
    caseNumbers: Any = None  # noqa: N815 an empty one also comes as a list
    CSPFeedbacks: Any = None


class _Page(msgspec.Struct, frozen=True):
    hashRecords: list[msgspec.Raw]  # noqa: N815 the protocol's names, as below
    hasMoreRecords: bool  # noqa: N815
    nextSetTimestamp: int = 0  # noqa: N815
    nextPageToken: str | None = None  # noqa: N815


_page = msgspec.json.Decoder(_Page).decode
_record = msgspec.json.Decoder(_Record).decode


class StopNcii:
    """Asks StopNCII, or whoever speaks as it does, at `url`."""

    kind = KIND
    windows = False
    zero = ZERO
    overlap_s = 15 * 60
    token_s = 3600  # "not valid over long periods of time"
    full_s = 30 * 24 * 3600

    def __init__(self, url: str, credential: StopNciiCredential) -> None:
        self._url, self._credential = url.rstrip("/"), credential

    def page(self, since: int, until: int, token: str) -> Question:  # noqa: ARG002 the role's
        """Ask for what was changed after `since`, or for the page that `token` names."""
        asked: dict[str, str | int] = {"startTimestamp": since, "pageSize": _PAGE}
        if token:
            asked["nextPageToken"] = token
        headers = self._headers(self._credential.fetch_key)
        return Question(f"{self._url}/FetchHashes?{urlencode(asked)}", headers=headers)

    def feedback(self, said: Said, ask: Callable[[Question], bytes]) -> None:
        """Say it of the hash, which is all the source knows an entry by."""
        if not self._credential.feedback_key:
            raise UsageError(
                "the credential has no feedback_key", code="credential", hint="StopNCII gives it"
            )
        # There is no word for a false positive.
        meant = said.verdict if said.verdict is Verdict.CONFIRM else Verdict.DISPUTE
        value = next(word for word, verdict in VERDICTS.items() if verdict is meant)
        given = {
            "hashValue": held(said.entry, KIND).get("hashValue", ""),
            "feedbackValue": value,
            "tags": list(said.reasons),
        }
        headers = self._headers(self._credential.feedback_key)
        body = msgspec.json.encode({"count": 1, "hashFeedbacks": [given]})
        headers |= {"Content-Type": "application/json"}
        ask(Question(f"{self._url}/SubmitFeedback", "POST", headers, body))

    def _headers(self, key: str) -> dict[str, str]:
        return {
            "x-functions-key": key,
            "Ocp-Apim-Subscription-Key": self._credential.subscription_key,
        }


def read(stream: BinaryIO, terms: Terms, take: Callable[[Row], None]) -> Tail:
    """Read a page; raise what msgspec raises where it is none."""
    page = _page(stream.read())
    for raw in page.hashRecords:
        take(_row(bytes(raw), terms))
    following = page.nextPageToken or ""
    return Tail(
        following if page.hasMoreRecords else "", page.hasMoreRecords, page.nextSetTimestamp
    )


def _row(raw: bytes, terms: Terms) -> Row:
    try:
        record = _record(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Row("", bad=(RowError("json", f"this is no record: {error}").at(0, raw),))
    value = record.hashValue.strip()
    compared = _COMPARED.get(record.signalType, "")
    key = f"{record.signalType}:{value.lower() if compared else value}"
    if record.hashStatus in {WITHDRAWN, DELETED}:
        return Row(key, gone=True)
    values = Values(key)
    values.add(compared, record.signalType, value)
    if not values:
        return Row(key, bad=tuple(values.bad))
    said = {
        "key": key,
        "signalType": record.signalType,
        "hashValue": value,
        "hashStatus": record.hashStatus,
        "lastModified": _told(record.lastModtimestamp),
        "caseNumbers": record.caseNumbers,
        "feedback": record.CSPFeedbacks,
    }
    entry = ListEntry(
        terms.received.provenance(0),
        values.digests,
        tuple(values.fingerprints),
        extra=msgspec.json.encode({KIND: {key: value for key, value in said.items() if value}}),
    )
    return Row(key, classified(entry, terms.received.role))


def _told(second: int) -> str:
    return iso(datetime.fromtimestamp(second, UTC)) if 0 < second <= _LAST_SECOND else ""
