"""Our own plain feed: pages of JSON lines, each page a signed note (C2SP signed-note).

A page is its head (one line of JSON), one line of JSON for each change, an empty line, and the
signature over everything before that empty line. No line of JSON holds a line break, so the
signature begins after the only empty line.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tutela.audit import note
from tutela.core.errors import ServiceError
from tutela.core.ids import OrganisationId
from tutela.core.settings import ApiSettings
from tutela.core.time import iso, iso_precise
from tutela.exchange.model import SERVED, Coded, Listed, ListView

VERSION = "tutela-feed/1"
# A signed note is no longer than a mebibyte, signatures included.
LONGEST = note.LONGEST_NOTE - 4_096


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a page: what was asked, and how far the answer goes.

    `organisation` is whom it is for, since members of different jurisdictions get different pages.
    Ask again with `after` as `until` was, at once if `more` is true.
    """

    format: str = VERSION
    list: str
    role: str
    radius_bits: int
    organisation: int
    after: int
    until: int
    count: int
    more: bool
    at: str


class Value(msgspec.Struct, frozen=True):
    """A perceptual fingerprint, in hexadecimal."""

    algorithm: str
    value: str
    quality: int


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A change of an entry; of one that ceased only its number, kind and state are told."""

    id: int
    content: str
    state: str
    change: int
    changed_at: str
    sha256: str = ""
    sha1: str = ""
    md5: str = ""
    fingerprints: tuple[Value, ...] = ()
    codes: tuple[Coded, ...] = ()
    tags: tuple[str, ...] = ()
    source: str = ""
    reference: str = ""


_encode = msgspec.json.Encoder().encode


def page(  # noqa: PLR0913 what a head says
    view: ListView,
    organisation: OrganisationId | None,
    after: int,
    found: Iterable[Listed],
    at: datetime,
    *,
    more: bool,
    key: note.Signer,
) -> str:
    """Return a signed page; it ends early, and says that there is more, where it grows too long."""
    lines: list[str] = []
    until, length = after, 0
    for listed in found:
        text = _encode(line(listed)).decode()
        length += len(text.encode()) + 1
        if lines and length > LONGEST:
            more = True
            break
        lines.append(text)
        until = listed.change
    head = Head(
        list=view.name,
        role=view.role.value,
        radius_bits=view.radius_bits,
        organisation=organisation or 0,
        after=after,
        until=until,
        count=len(lines),
        more=more,
        at=iso(at),
    )
    text = "".join(f"{one}\n" for one in [_encode(head).decode(), *lines])
    return f"{text}\n{key.sign(text)}"


def line(listed: Listed) -> Line:
    """Return what a page says of an entry."""
    told = Line(
        id=listed.id,
        content=listed.content.value,
        state=listed.state.value,
        change=listed.change,
        changed_at=iso_precise(listed.changed_at),
    )
    if listed.state not in SERVED:
        return told
    return msgspec.structs.replace(
        told,
        sha256=(listed.digests.sha256 or b"").hex(),
        sha1=(listed.digests.sha1 or b"").hex(),
        md5=(listed.digests.md5 or b"").hex(),
        fingerprints=tuple(
            Value(one.algorithm, one.bits.hex(), one.quality) for one in listed.fingerprints
        ),
        codes=listed.codes,
        tags=listed.tags,
        source=listed.source,
        reference=listed.reference,
    )


def create_key(settings: ApiSettings, path: Path) -> str:
    """Make the key that signs pages, in a file of mode 0600, and return its verifier key.

    Raises:
        ServiceError: it cannot be written, or something is there already.
    """
    key = note.Signer.new(f"{urlsplit(settings.origin).netloc or 'tutela.invalid'}/feed")
    note.create_key(path, key)
    return str(key.verifier)


def signing_key(settings: ApiSettings) -> note.Signer:
    """Read the key that signs pages.

    Raises:
        ServiceError: it cannot be read; code `no_key` where there is none.
        UsageError: it is no private key, or others may read it.
    """
    key = note.read_key(settings.feed_key)
    if key.kind != note.ED25519:
        raise ServiceError(f"{settings.feed_key} is no key that signs notes", code="no_key")
    return key


def public_key(key: note.Verifier) -> str:
    """Return a verifier key as PEM (RFC 8410), as openssl reads it."""
    public = Ed25519PublicKey.from_public_bytes(key.public)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
