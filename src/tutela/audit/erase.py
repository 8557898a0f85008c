"""Erases words that are kept beside the log, as the law may ask; the tree holds without them.

What is left in the event is a hash with a salt, and the salt goes with the words: nobody can try
out what they were. That they were erased is an event of its own, with why and under what authority;
the words of such an event stay. It asks for no permission: `access.erasure` does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, and_, delete, or_, select

from tutela.audit import log
from tutela.audit.log import Event
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.store.tables.audit import AuditEvent, AuditText

ACTION = "audit.erased"
# So many events at once: one event each tells of it, in one transaction.
MOST = 1000


def words(tx: Connection, seqs: Iterable[int], names: Sequence[str] = ()) -> dict[int, list[str]]:
    """Return which words of some events are still kept, of these names or of all.

    Raises:
        UsageError: there is no such event, nothing is kept of it any more, it tells of an erasure
            itself, or there are too many.
    """
    wanted = sorted(set(seqs))
    if not 0 < len(wanted) <= MOST:
        raise UsageError(f"words of 1 to {MOST:,} events are erased at once")
    actions = dict(
        tx.execute(
            select(AuditEvent.seq, AuditEvent.action).where(AuditEvent.seq.in_(wanted))
        ).all()
    )
    found: dict[int, list[str]] = {}
    kept = select(AuditText.seq, AuditText.name).where(AuditText.seq.in_(wanted))
    for seq, name in tx.execute(kept.order_by(AuditText.seq, AuditText.name)):
        if not names or name in names:
            found.setdefault(seq, []).append(name)
    for seq in wanted:
        if seq not in actions:
            raise UsageError(f"there is no event {seq}", code="not_found")
        if actions[seq] == ACTION:
            raise UsageError(
                f"event {seq} says why words were erased, and keeps that", code="erasure"
            )
        if seq not in found:
            raise UsageError(
                f"no such words of event {seq} are kept",
                code="nothing_kept",
                hint="they were erased before, or never were there",
            )
    return found


def erase(
    tx: Connection, who: Principal, found: dict[int, list[str]], *, reason: str, authority: str
) -> None:
    """Erase the words that `words` has found, and say so in the log, once for each event."""
    these = [and_(AuditText.seq == seq, AuditText.name.in_(names)) for seq, names in found.items()]
    tx.execute(delete(AuditText).where(or_(*these)))
    why = {"reason": reason, "authority": authority}
    log.record_many(
        tx,
        who,
        [Event(ACTION, f"event:{seq}", {"words": names}, why) for seq, names in found.items()],
    )
