"""Entries as XML of NCMEC hash sharing v2, and feedback from it.

Source: the client of `threatexchange` 1.2.17 (`exchanges/clients/ncmec/hash_api.py`) and the
namespace's documentation that it names.
"""

from __future__ import annotations

import base64
import re
import tempfile
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import IO, Final
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import msgspec

from tutela.api.protocols.values import pdq_of
from tutela.core.errors import InputError, UsageError
from tutela.core.media import PDQ, PHOTODNA
from tutela.core.time import iso
from tutela.exchange.model import SERVED, Content, Listed, Verdict

NAMESPACE: Final = "https://hashsharing.ncmec.org/hashsharing/v2"
HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
SCHEME: Final = "ncmec"
CODES: Final = frozenset({"A1", "A2", "B1", "B2"})

# What of an answer is kept in memory; the rest waits in a file that nobody else can open.
IN_MEMORY = 4 << 20
PIECE = 1 << 16

# A submission of the field's client has 4 elements, 3 deep.
DEEPEST = 8
MOST_ELEMENTS = 64
LONGEST_TEXT = 4_096
LONGEST_SUBMISSION = 64 << 10

MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,9})?Z")

# What feedback may be about: NCMEC's names, and ours for the same.
FINGERPRINTS: Final[Mapping[str, str]] = {
    "MD5": "md5",
    "SHA1": "sha1",
    "PDNA": PHOTODNA,
    "PDQ": PDQ,
    "NETCLEAN": "netclean",
    "VIDENTIFIER": "videntifier",
    "TMK_PDQF": "tmk-pdqf",
    "SSVH_PDNA": "ssvh-pdna",
    "SSVH_SAFER_HASH": "ssvh-safer-hash",
}


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


def moment(text: str) -> datetime:
    """Read a time as the protocol has it, `YYYY-MM-DDTHH:MM:SSZ`, with or without a fraction.

    Raises:
        UsageError: it is none.
    """
    found = MOMENT.fullmatch(text)
    try:
        return datetime.fromisoformat(f"{found[1] if found else ''}+00:00")
    except ValueError:
        raise UsageError(
            "from and to are times such as 2026-11-26T12:00:00Z", code="parameter"
        ) from None


def submission(body: bytes) -> Submission:
    """Read feedback.

    Raises:
        InputError: it is no feedback, or XML that nobody sends who means well.
    """
    if len(body) > LONGEST_SUBMISSION:
        raise InputError("feedback of more than 64 KiB", code="too_large")
    found = _Reader().read(body)
    if not found or found[0][0] != ("feedbackSubmission",):
        raise _not_feedback("it has no feedbackSubmission")
    votes = {path[1] for path, _ in found if len(path) > 1} & {"affirmative", "negative"}
    if len(votes) != 1:
        raise _not_feedback("it is either affirmative or negative")
    if votes == {"affirmative"}:
        return Submission(Verdict.CONFIRM)
    given = [text.strip() for path, text in found if path[1:] == ("negative", "reasonIds", "guid")]
    if not given or any(guid not in _BY_GUID for guid in given):
        raise _not_feedback("it names no reason of ours; /feedback/TYPE/reasons has them")
    picked = [_BY_GUID[guid] for guid in dict.fromkeys(given)]
    # Who says that a thing is no abuse material at all says more than that its class is wrong.
    worst = any(reason.verdict is Verdict.FALSE_POSITIVE for reason in picked)
    verdict = Verdict.FALSE_POSITIVE if worst else Verdict.DISPUTE
    return Submission(verdict, tuple(reason.name for reason in picked))


class _Reader:
    """Reads a small document into (path of names without namespaces, text); nothing external."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._found: list[tuple[tuple[str, ...], str]] = []
        self._open: list[int] = []
        self._length = 0
        self._parser = expat.ParserCreate()
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.StartDoctypeDeclHandler = _no_doctype
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text

    def read(self, body: bytes) -> list[tuple[tuple[str, ...], str]]:
        try:
            self._parser.Parse(body, True)  # noqa: FBT003 expat takes no names
        except (expat.ExpatError, ValueError, LookupError) as error:
            # The latter two: an encoding that there is not, or one that is none of text.
            raise _not_feedback("it is no XML") from error
        return self._found

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        self._path.append(name.rpartition(":")[2])
        if len(self._path) > DEEPEST or len(self._found) >= MOST_ELEMENTS:
            raise _not_feedback("it has more elements than feedback has")
        self._open.append(len(self._found))
        self._found.append((tuple(self._path), ""))

    def _end(self, _name: str) -> None:
        self._path.pop()
        self._open.pop()

    def _text(self, text: str) -> None:
        self._length += len(text)
        if self._length > LONGEST_TEXT:
            raise _not_feedback("it has more text than feedback has")
        path, before = self._found[self._open[-1]]
        self._found[self._open[-1]] = (path, before + text)


def _no_doctype(*_: object) -> None:
    raise InputError(
        "XML with a document type is not read",
        code="doctype",
        hint="nobody needs one here, and entities can be made to fill the memory",
    )


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
