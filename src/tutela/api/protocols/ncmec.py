"""Entries as XML of NCMEC hash sharing v2, and feedback from it.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/ncmec/hash_api.py`) and the
namespace's documentation that it names.
"""

from __future__ import annotations

import base64
import io
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import IO, Final
from xml.sax.saxutils import escape, quoteattr

import msgspec

from tutela.api.protocols.values import pdq_of
from tutela.core.errors import InputError
from tutela.core.media import PHOTODNA
from tutela.core.time import iso
from tutela.exchange.model import SERVED, Content, Listed, Verdict
from tutela.exchange.protocols import xml
from tutela.exchange.protocols.ncmec import CODES, HEAD, NAMESPACE, SCHEME

# What of an answer is kept in memory; the rest waits in a file that nobody else can open.
IN_MEMORY = 4 << 20
PIECE = 1 << 16

# A submission of the field's client has 4 elements, 3 deep.
LIMITS = xml.Limits(depth=8, elements=64, text=4_096)
LONGEST_SUBMISSION = 64 << 10


class Reason(msgspec.Struct, frozen=True):
    """Why somebody disagrees; `guid` stays the same for ever, for clients keep it."""

    name: str
    verdict: Verdict
    sentence: str

    @property
    def guid(self) -> str:
        """The identifier by which clients name it."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{NAMESPACE}/reasons/{self.name}"))


REASONS: Final = (
    Reason("not_abuse", Verdict.FALSE_POSITIVE, "No child sexual abuse material"),
    Reason("unrelated", Verdict.FALSE_POSITIVE, "Matches pictures that do not resemble each other"),
    Reason("classification", Verdict.DISPUTE, "Classified otherwise than it should be"),
    Reason("age", Verdict.DISPUTE, "Shows no child as far as can be told"),
    Reason("legal", Verdict.DISPUTE, "Not illegal where we are"),
)
_BY_GUID: Final = {reason.guid: reason for reason in REASONS}


class Submission(msgspec.Struct, frozen=True):
    """What a member says of a fingerprint; `reasons` are names of `REASONS`."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()


class _Half:
    """All images of an answer, or all videos."""

    def __init__(self, kind: Content) -> None:
        self.kind = kind
        self.count = 0
        self.latest: datetime | None = None
        self.stream: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 see below
        # Also where the answer is never begun, for the client went away.
        weakref.finalize(self, self.stream.close)

    def add(self, listed: Listed) -> None:
        self.count += 1
        if self.latest is None or listed.changed_at > self.latest:
            self.latest = listed.changed_at
        self.stream.write(entry(listed).encode())

    def pieces(self) -> Iterator[bytes]:
        latest = "" if self.latest is None else f' maxTimestamp="{iso(self.latest)}"'
        yield f'<{self.kind}s count="{self.count}"{latest}>'.encode()
        self.stream.seek(0)
        while piece := self.stream.read(PIECE):
            yield piece
        yield f"</{self.kind}s>".encode()


class Answer:
    """The answer to a request for entries, gathered before the first of them is sent.

    So that a slow client keeps nothing of the database waiting, and the counts ahead of the entries
    are true. It takes `IN_MEMORY` bytes of memory for each kind, however many entries it has.
    `following` is the address of the next page, empty where there is none.
    """

    def __init__(self) -> None:
        self._halves = {kind: _Half(kind) for kind in Content}
        self.following = ""

    @property
    def count(self) -> int:
        """How many entries were added."""
        return sum(half.count for half in self._halves.values())

    def add(self, listed: Listed) -> None:
        """Add an entry; those that ceased are told as deleted."""
        self._halves[listed.content].add(listed)

    def pieces(self, gathering: Iterable[object] = ()) -> Iterator[bytes]:
        """Give the answer in pieces, and let go of it.

        `gathering` adds entries. At each step of it a line break is sent: the field's client gives
        up after a minute without a byte.
        """
        try:
            yield f'{HEAD}<queryResult xmlns="{NAMESPACE}">'.encode()
            for _ in gathering:
                yield b"\n"
            for half in self._halves.values():
                yield from half.pieces()
            if self.following:
                yield f"<paging><next>{escape(self.following)}</next></paging>".encode()
            yield b"</queryResult>\n"
        finally:
            self.close()

    def close(self) -> None:
        """Let go of what was gathered."""
        for half in self._halves.values():
            half.stream.close()


def entry(listed: Listed) -> str:
    """Return the element of an entry."""
    who = _member(listed.source_id, listed.source)
    at, number = iso(listed.changed_at), listed.id
    if listed.state not in SERVED:
        name = f"deleted{str(listed.content).capitalize()}"
        return f"<{name}>{who}<id>{number}</id><timestamp>{at}</timestamp></{name}>"
    code = classification(listed)
    classified = f"<classification>{code}</classification>" if code else ""
    prints = "".join(f"<{tag}>{value}</{tag}>" for tag, value in _fingerprints(listed))
    return (
        f"<{listed.content}>{who}<timestamp>{at}</timestamp><id>{number}</id>{classified}"
        f"<fingerprints>{prints}</fingerprints></{listed.content}>"
    )


def classification(listed: Listed) -> str:
    """Return the code of NCMEC's own scheme, or nothing: no other scheme's is translated here."""
    found = [c for c in listed.codes if c.scheme == SCHEME and c.code in CODES]
    found.sort(key=lambda code: code.jurisdiction != "US")
    return found[0].code if found else ""


def status(number: int, name: str, account: str, address: str) -> str:
    """Return who a member is here."""
    return (
        f'{HEAD}<status xmlns="{NAMESPACE}"><ipAddress>{_plain(address)}</ipAddress>'
        f"<username>{_plain(account)}</username>{_member(number, name)}</status>\n"
    )


def members(found: Mapping[int, str]) -> str:
    """Return organisations by their number."""
    inner = "".join(_member(number, name) for number, name in found.items())
    return f'{HEAD}<members xmlns="{NAMESPACE}">{inner}</members>\n'


def reasons(fingerprint: str) -> str:
    """Return why one may disagree about a fingerprint, in the shape that the client needs.

    It looks for `availableFeedbackReasons` inside the root, where the documentation has it as root.
    """
    inner = "".join(
        f"<reason guid={quoteattr(reason.guid)} name={quoteattr(reason.sentence)}"
        f" type={quoteattr(fingerprint)}/>"
        for reason in REASONS
    )
    return (
        f'{HEAD}<feedbackReasons xmlns="{NAMESPACE}"><availableFeedbackReasons>{inner}'
        "</availableFeedbackReasons></feedbackReasons>\n"
    )


def submission(body: bytes) -> Submission:
    """Read feedback.

    Raises:
        InputError: it is no feedback, or XML that nobody sends who means well.
    """
    if len(body) > LONGEST_SUBMISSION:
        raise InputError("feedback of more than 64 KiB", code="too_large")
    try:
        (root,) = xml.elements(io.BytesIO(body), "feedbackSubmission", 1, LIMITS)
    except InputError as error:
        if error.code == "doctype":
            raise
        raise _not_feedback(error.message) from error
    votes = {one.name: one for one in root.children if one.name in {"affirmative", "negative"}}
    if len(votes) != 1:
        raise _not_feedback("it is either affirmative or negative")
    if "affirmative" in votes:
        return Submission(Verdict.CONFIRM)
    reasons = [one for one in votes["negative"].children if one.name == "reasonIds"]
    given = [o.text.strip() for one in reasons for o in one.children if o.name == "guid"]
    if not given or any(guid not in _BY_GUID for guid in given):
        raise _not_feedback("it names no reason of ours; /feedback/TYPE/reasons has them")
    picked = [_BY_GUID[guid] for guid in dict.fromkeys(given)]
    # Who says that a thing is no abuse material at all says more than that its class is wrong.
    worst = any(reason.verdict is Verdict.FALSE_POSITIVE for reason in picked)
    verdict = Verdict.FALSE_POSITIVE if worst else Verdict.DISPUTE
    return Submission(verdict, tuple(reason.name for reason in picked))


def _not_feedback(why: str) -> InputError:
    return InputError(f"this is no feedback: {why}", code="feedback")


@lru_cache(maxsize=1_024)
def _member(number: int, name: str) -> str:
    return f'<member id="{number}">{_plain(name)}</member>'


def _plain(text: str) -> str:
    """Write text as XML 1.0 can hold it: of control characters only three are allowed."""
    return escape("".join(mark for mark in text if mark >= " " or mark in "\t\n\r"))


def _fingerprints(listed: Listed) -> Iterator[tuple[str, str]]:
    if listed.digests.md5 is not None:
        yield "md5", listed.digests.md5.hex()
    if listed.digests.sha1 is not None:
        yield "sha1", listed.digests.sha1.hex()
    for one in listed.fingerprints:
        if one.algorithm == PHOTODNA:
            yield "pdna", base64.b64encode(one.bits).decode()
    if pdq := pdq_of(listed):
        yield "pdq", pdq
