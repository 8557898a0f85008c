"""Asking partner nodes about media of a case: has anyone seen these? A picture never leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.casework import agreement, blind
from tutela.casework import case as cases
from tutela.casework.among import among
from tutela.core.errors import InputError, UsageError
from tutela.core.ids import CaseId, MediaId
from tutela.core.media import PDQ_QUALITY_MINIMUM
from tutela.core.principal import Principal
from tutela.exchange.federation import nodes, outbox
from tutela.exchange.federation.message import (
    CONTENTS,
    QUESTION,
    Asked,
    Pointers,
    Question,
    Reply,
    decoded,
)
from tutela.exchange.federation.outbox import Draft
from tutela.store.tables.casework import Authority, Case, CaseMedia, Media
from tutela.store.tables.federation import Node as NodeRow
from tutela.store.tables.federation import NodeSent

MOST = 100 * CONTENTS
_PURPOSE_CHARACTERS = 500


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What a node said of a media of a case.

    `state` is `waiting`, `known`, `unknown`, or the code of why the node refused to say.
    """

    media_id: MediaId
    node: str
    state: str
    contact: str = ""
    reference: str = ""
    asked_at: datetime
    answered_at: datetime | None = None


def ask(  # noqa: PLR0913, PLR0917 who asks whom, about what
    tx: Connection,
    who: Principal,
    name: str,
    pin: bytes,
    case_id: CaseId,
    media_ids: Sequence[MediaId],
) -> int:
    """Ask a node about media of a case, under the authority of that case; return how many.

    The node gets digests, PDQ values and the words of the authority; no number, name or grade.

    Raises:
        AccessError: `who` is not of the case's team, or may not ask.
        UsageError: there is no such node, the case's authority is not valid now, a media is not in
            the case, or none has a fingerprint to ask by.
    """
    require(tx, who, Permission.NODES_ASK, case_id)
    cases.working(tx, case_id)
    wanted = sorted(set(media_ids))
    if len(wanted) > MOST:
        raise UsageError(f"ask about {MOST:,} media at most at a time")
    node = nodes.locked(tx, nodes.trusted(tx, name).id)
    contents = _contents(tx, case_id, wanted)
    purpose = _purpose(tx, case_id)
    for start in range(0, len(contents), CONTENTS):
        part = contents[start : start + CONTENTS]
        body = Question(purpose=purpose, contents=tuple(asked for _, asked in part))
        about = [media_id for media_id, _ in part]
        draft = Draft(QUESTION, body, about, case_id, {"contents": len(part)})
        outbox.put(tx, who, node, pin, draft)
    return len(contents)


def graded(tx: Connection, who: Principal, case_id: CaseId, code: str) -> list[MediaId]:
    """Return the media of a case that have a code, by number.

    What `who` is to grade or settle without knowing the code is left out.

    Raises:
        AccessError: as `ask`.
    """
    require(tx, who, Permission.NODES_ASK, case_id)
    rows = tx.execute(
        select(CaseMedia.media_id)
        .where(CaseMedia.case_id == case_id, CaseMedia.code == code)
        .order_by(CaseMedia.media_id)
    )
    media = list(rows.scalars())
    unseen = blind.withheld(tx, who, case_id, media)
    unseen |= agreement.to_settle(tx, who, case_id, media)
    return [MediaId(number) for number in media if number not in unseen]


def answers(tx: Connection, who: Principal, case_id: CaseId) -> list[Answered]:
    """Return what nodes said of media of a case, the last word of each, by media and node.

    Raises:
        AccessError: as `ask`.
    """
    require(tx, who, Permission.NODES_ASK, case_id)
    rows = tx.execute(
        select(NodeRow.name, NodeSent.__table__)
        .join(NodeRow, NodeRow.id == NodeSent.node_id)
        .where(NodeSent.case_id == case_id, NodeSent.kind == QUESTION)
        .order_by(NodeSent.made_at, NodeSent.number)
    )
    found: dict[tuple[int, str], Answered] = {}
    for row in rows:
        for one in _said(row.name, row.about, (row.made_at, row.answered_at), row.answer):
            found[one.media_id, row.name] = one
    return [found[key] for key in sorted(found)]


def _said(
    name: str, about: Sequence[int], times: tuple[datetime, datetime | None], answer: bytes | None
) -> list[Answered]:
    asked_at, answered_at = times

    def one(media_id: int, state: str, contact: str = "", reference: str = "") -> Answered:
        return Answered(
            media_id=MediaId(media_id),
            node=name,
            state=state,
            contact=contact,
            reference=reference,
            asked_at=asked_at,
            answered_at=answered_at,
        )

    if answer is None:
        return [one(number, "waiting") for number in about]
    try:
        reply = decoded(answer, Reply)
        if reply.refused:
            return [one(number, reply.refused) for number in about]
        pointers = decoded(reply.body, Pointers)
    except InputError:
        return [one(number, "unreadable") for number in about]
    if len(pointers.contents) != len(about):
        return [one(number, "unreadable") for number in about]
    return [
        one(number, "known", pointers.contact, said.reference)
        if said.known
        else one(number, "unknown")
        for number, said in zip(about, pointers.contents, strict=True)
    ]


def _contents(tx: Connection, case_id: CaseId, wanted: Sequence[int]) -> list[tuple[int, Asked]]:
    rows = tx.execute(
        select(Media.id, Media.md5, Media.sha1, Media.sha256, Media.pdq, Media.pdq_quality)
        .join(CaseMedia, CaseMedia.media_id == Media.id)
        .where(CaseMedia.case_id == case_id, among(tx, Media.id, wanted))
        .order_by(Media.id)
    ).all()
    if missing := set(wanted) - {row.id for row in rows}:
        raise UsageError(f"media {min(missing)} is not in the case", code="media")
    found = []
    for number, md5, sha1, sha256, pdq, quality in rows:
        usable = pdq if quality is not None and quality >= PDQ_QUALITY_MINIMUM else None
        values = [one.hex() if one else None for one in (md5, sha1, sha256, usable)]
        if any(values):
            found.append((number, Asked(*values)))
    if not found:
        raise UsageError("there is no media with a fingerprint to ask by", code="nothing")
    return found


def _purpose(tx: Connection, case_id: CaseId) -> str:
    words = tx.execute(
        select(Authority.legal_basis, Authority.reference)
        .join(Case, Case.authority_id == Authority.id)
        .where(Case.id == case_id)
    ).one()
    said = " ".join(", ".join(words).split())
    # No control characters: the other side refuses them, for they could forge what is shown.
    return "".join(one for one in said if one.isprintable())[:_PURPOSE_CHARACTERS]
