"""Erasing words of the log: asked by who may read it, granted by another person.

Who acts directly on the database, with the glass broken, needs nobody: they could do it by hand,
and here it is in the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy import Connection

from tutela.access import approvals
from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import erase
from tutela.core.errors import UsageError
from tutela.core.ids import ApprovalId
from tutela.core.principal import Principal, Via

KIND: Final = "audit.erase"


def ask(  # noqa: PLR0913, PLR0917 which words, why, and who says so
    tx: Connection,
    who: Principal,
    seqs: Iterable[int],
    names: Sequence[str],
    reason: str,
    authority: str,
) -> ApprovalId | None:
    """Ask that words of some events be erased; None where the glass is broken and it is done.

    `authority` is the law, order or decision under which they go; `names` are all if left out.

    Raises:
        AccessError: `who` may not read the log.
        UsageError: no authority is named, or see `audit.erase.words`.
    """
    require(tx, who, Permission.AUDIT_READ)
    if not authority.strip():
        raise UsageError(
            "say under which law, order or decision the words are erased", code="authority"
        )
    found = erase.words(tx, seqs, names)
    if who.via is Via.BREAK_GLASS:
        erase.erase(tx, who, found, reason=reason.strip(), authority=authority.strip())
        return None
    body = {
        "events": [str(seq) for seq in found],
        "words": sorted(set(names)),
        "authority": authority.strip(),
    }
    return approvals.ask(tx, who, KIND, "audit", body, reason)


def carry_out(tx: Connection, who: Principal, approval_id: ApprovalId) -> int:
    """Erase what was granted; return of how many events.

    Raises:
        AccessError: nobody else has granted it (code `second_person`).
        UsageError: the words are gone already.
    """
    require(tx, who, Permission.AUDIT_READ)
    asked = approvals.find(tx, who, approval_id)
    body = approvals.carry_out(tx, who, approval_id, KIND, "audit")
    found = erase.words(tx, map(int, body["events"]), body["words"])
    erase.erase(tx, who, found, reason=asked.reason, authority=body["authority"])
    return len(found)
