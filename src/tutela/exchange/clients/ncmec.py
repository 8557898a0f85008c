"""The client of NCMEC hash sharing v2 (XML).

Entries come in no order of time, so only a range that was read to its end says how far we are.
`from` and `to` are UTC, whatever the zone of this machine: the field's client writes local times.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import BinaryIO, Final
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

import msgspec

from tutela.core.entry import Classification, ListEntry
from tutela.core.errors import InputError, UsageError
from tutela.core.media import PDQ, PHOTODNA
from tutela.core.time import iso
from tutela.exchange.clients.credential import NcmecCredential
from tutela.exchange.clients.role import Row, Said, Tail, Terms, classified, held
from tutela.exchange.clients.values import Values
from tutela.exchange.model import Verdict
from tutela.exchange.protocols import xml
from tutela.exchange.protocols.ncmec import FINGERPRINTS, HEAD, NAMESPACE, SCHEME, moment
from tutela.fetch.http import Question
from tutela.hashlist.format import RowError
from tutela.hashlist.value import DIGEST_BYTES

KIND: Final = "ncmec"
_LEVEL = 3  # queryResult / images / image, and queryResult / paging / next
_COMPARED = (*DIGEST_BYTES, PHOTODNA, PDQ)
_ELEMENTS = {name.lower().replace("_", "-"): name for name in FINGERPRINTS}
_SUBMISSION = f'{HEAD}<feedbackSubmission xmlns="{NAMESPACE}">{{}}</feedbackSubmission>'
_LONGEST_CODE = 40
_LONGEST_NEXT = 4_096
_HALVES = {"affirmativeFeedback": "affirmative", "negativeFeedback": "negative"}


class Ncmec:
    """Asks one environment of NCMEC, whose address `url` is, without `/v2`."""

    kind = KIND
    windows = True
    zero = 0
    overlap_s = 15 * 60
    token_s = 12 * 3600  # "do not keep addresses of pages longer"
    full_s = 0  # it tells deletions for ever

    def __init__(self, url: str, credential: NcmecCredential) -> None:
        self._url = url.rstrip("/")
        secret = f"{credential.user}:{credential.password}".encode()
        self._headers = {"Authorization": f"Basic {base64.b64encode(secret).decode()}"}

    def page(self, since: int, until: int, token: str) -> Question:
        """Ask for what was changed after `since` up to `until`, or for the page at `token`."""
        if token:
            return Question(self._url + token, headers=self._headers)
        asked = {"from": _time(since), "to": _time(until)}
        return Question(f"{self._url}/v2/entries?{urlencode(asked)}", headers=self._headers)

    def feedback(self, said: Said, ask: Callable[[Question], bytes]) -> None:
        """Say it of one fingerprint of the entry, which the source knows by member and number."""
        about = held(said.entry, KIND)
        kind = _kind_of(said)
        if said.verdict is Verdict.CONFIRM:
            vote = "<affirmative/>"
        else:
            guids = "".join(f"<guid>{escape(one)}</guid>" for one in self._reasons(kind, said, ask))
            vote = f"<negative><reasonIds>{guids}</reasonIds></negative>"
        path = "/".join(quote(str(about.get(name, "")), safe="") for name in ("member", "id"))
        ask(
            Question(
                f"{self._url}/v2/entries/{path}/{kind}/feedback",
                "PUT",
                self._headers | {"Content-Type": "application/xml; charset=utf-8"},
                _SUBMISSION.format(vote).encode(),
            )
        )

    def _reasons(self, kind: str, said: Said, ask: Callable[[Question], bytes]) -> Iterator[str]:
        """Yield the source's numbers of the reasons, which are named by number or by its words."""
        url = f"{self._url}/v2/feedback/{kind}/reasons"
        body = ask(Question(url, headers=self._headers))
        # Its documentation has the reasons in the root, and the field's client looks one deeper.
        (root,) = xml.elements(io.BytesIO(body), "", 1)
        known = {
            one.attributes.get("name", ""): one.attributes.get("guid", "")
            for one in _within(root)
            if one.name == "reason"
        }
        for reason in said.reasons or ("",):
            guid = known.get(reason, reason if reason in known.values() else "")
            if not guid:
                raise UsageError(
                    "the source takes a disagreement only with a reason of its own",
                    code="reason",
                    hint=f"--reason with one of: {'; '.join(sorted(known))}",
                )
            yield guid


def read(stream: BinaryIO, terms: Terms, take: Callable[[Row], None]) -> Tail:
    """Read a page.

    Raises:
        InputError: it is none, or cut off.
    """
    following = ""
    for one in xml.elements(stream, "queryResult", _LEVEL):
        kind = one.name.lower().removeprefix("deleted")
        if kind in {"image", "video"}:
            take(_row(one, terms))
        elif one.name == "next":
            following = one.text.strip()
    if following and not _is_path(following):
        raise InputError("the next page is no path of this server", code="page")
    return Tail(following, bool(following))


def _row(one: xml.Element, terms: Terms) -> Row:
    member = one.first("member")
    number, name = member.attributes.get("id", "") if member else "", one.word("id")
    if not number or not name:
        error = RowError("no_id", "the record has no member or no number")
        return Row("", bad=(error.at(0, f"{one.name} {number} {name}"),))
    key = f"{number}-{name}"
    if one.name.lower().startswith("deleted"):
        return Row(key, gone=True)
    values, elsewhere = Values(key), {}
    for found in prints.children if (prints := one.first("fingerprints")) else []:
        tag, text = found.name.lower(), found.text.strip()
        if text:
            ours = FINGERPRINTS.get(_ELEMENTS.get(tag, ""), tag)
            values.add(ours if ours in _COMPARED else "", _ELEMENTS.get(tag, tag), text)
        elif href := found.attributes.get("href", ""):
            elsewhere[tag] = href
    if values.bad and not values and not elsewhere:
        return Row(key, bad=tuple(values.bad))
    code = one.word("classification")[:_LONGEST_CODE]
    said = {
        "key": key,
        "member": number,
        "memberName": member.text.strip() if member else "",
        "id": name,
        "kind": one.name.lower(),
        "timestamp": _told(one.word("timestamp")),
        "elsewhere": elsewhere,
        "feedback": _feedback(one),
    }
    entry = ListEntry(
        terms.received.provenance(0),
        values.digests,
        tuple(values.fingerprints),
        (Classification(SCHEME, code),) if code else (),
        extra=msgspec.json.encode({KIND: {key: value for key, value in said.items() if value}}),
    )
    return Row(key, classified(entry, terms.received.role), bad=tuple(values.bad))


def _feedback(one: xml.Element) -> dict[str, dict[str, int]]:
    """Count, for each fingerprint, the members that agree and those that do not."""
    counts: dict[str, dict[str, int]] = {}
    for half in found.children if (found := one.first("feedback")) else []:
        if half.name in _HALVES:
            members = sum(len(inner.children) for inner in _within(half) if inner.name == "members")
            counts.setdefault(half.attributes.get("type", ""), {})[_HALVES[half.name]] = members
    return counts


def _within(one: xml.Element) -> Iterator[xml.Element]:
    yield one
    for child in one.children:
        yield from _within(child)


def _kind_of(said: Said) -> str:
    """Return the source's word for the fingerprint that feedback is about."""
    there = [name for name in DIGEST_BYTES if getattr(said.entry.digests, name)]
    there = [one.algorithm for one in said.entry.fingerprints] + there
    for kind, algorithm in FINGERPRINTS.items():
        if algorithm in there and said.algorithm in {"", algorithm}:
            return kind
    raise UsageError("the source has no such fingerprint of this entry", code="algorithm")


def _told(text: str) -> str:
    try:
        return iso(moment(text))
    except UsageError:
        return ""


def _is_path(text: str) -> bool:
    return (
        text.startswith("/")
        and len(text) <= _LONGEST_NEXT
        and text.isascii()
        and text.isprintable()
    )


def _time(second: int) -> str:
    return iso(datetime.fromtimestamp(second, UTC))
