"""Entries of a list: added, decided, disputed, withdrawn, deleted.

Every change has a number and a date (`head`) and a leaf of the log. The same content added again
is the same entry: it gains what was not known of it. What was withdrawn stays so until somebody
restores it; a later import does not.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, delete, select, update

from tutela.audit import log
from tutela.casework.among import among
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.ids import EntryId, ListId
from tutela.core.principal import Principal, Via
from tutela.exchange import candidate, head, lists
from tutela.exchange.candidate import Candidate
from tutela.exchange.merging import COUNTS, NOT_THEIRS, Batch
from tutela.exchange.model import SERVED, EntryState, MemberPermission
from tutela.store.bulk import Columns, update_rows
from tutela.store.tables.access import Account
from tutela.store.tables.exchange import EntryCode, Feedback, ListedEntry

MERGED_AT_ONCE: Final = 10_000
REASON_CHARACTERS: Final = 2000


class Added(msgspec.Struct, frozen=True):
    """What became of candidates; the counts add up to how many there were.

    `waiting` are proposals of members, which only a decision brings onto the list. `refused` counts
    those that are no entry of this list, by the reason. `ids` are the entries in the order of the
    candidates, None for a refused one.
    """

    added: int
    changed: int
    unchanged: int
    kept_withdrawn: int
    waiting: int
    refused: Mapping[str, int]
    ids: Sequence[EntryId | None]


def add(
    tx: Connection,
    who: Principal,
    list_id: ListId,
    candidates: Sequence[Candidate],
    *,
    origin: str = "import",
) -> Added:
    """Add contents to a list; who only contributes proposes them, and the owner decides.

    What is on the list already gains what was not known of it: by whoever manages the list, and by
    a contributor as long as it is their own proposal.

    Raises:
        AccessError: the list is not for `who`, or they may only read it.
        UsageError: the list is closed.
    """
    view = lists.managed(tx, who, list_id, MemberPermission.CONTRIBUTE)
    if view.state != "open":
        raise UsageError(f"the list {view.name} is closed", code="list_closed")
    refused: dict[str, int] = {}
    accepted: list[tuple[int, Candidate]] = []
    why = candidate.Judge(tx, alert=view.role is Role.ALERT)
    for place, one in enumerate(candidates):
        if reason := why.refused(one):
            refused[reason] = refused.get(reason, 0) + 1
        else:
            accepted.append((place, one))
    ids: list[EntryId | None] = [None] * len(candidates)
    counts = dict.fromkeys(COUNTS, 0)
    events: list[log.Event] = []
    head.hold(tx)
    for start in range(0, len(accepted), MERGED_AT_ONCE):
        part = accepted[start : start + MERGED_AT_ONCE]
        batch = Batch(tx, who, view, [one for _, one in part])
        events += batch.write(origin)
        if batch.refused:
            refused[NOT_THEIRS] = refused.get(NOT_THEIRS, 0) + batch.refused
        for (place, _), number in zip(part, batch.numbers, strict=True):
            ids[place] = number
        for name, count in batch.counts.items():
            counts[name] += count
    log.record_many(tx, who, events)
    return Added(**counts, refused=refused, ids=ids)


def withdraw(
    tx: Connection, who: Principal, list_id: ListId, entries: Collection[EntryId], reason: str
) -> int:
    """Let entries match no more; return how many did until now.

    Raises:
        AccessError: `who` does not manage the list.
        UsageError: there is no reason, or an entry is none of this list.
    """
    return _move(tx, who, list_id, entries, "entry.withdrawn", EntryState.WITHDRAWN, reason)


def restore(
    tx: Connection, who: Principal, list_id: ListId, entries: Collection[EntryId], reason: str
) -> int:
    """Let withdrawn or disputed entries match again; return how many did not. As `withdraw`."""
    return _move(tx, who, list_id, entries, "entry.restored", EntryState.ACTIVE, reason)


def dispute(
    tx: Connection, who: Principal, list_id: ListId, entries: Collection[EntryId], reason: str
) -> int:
    """Mark active entries as disputed: they still match, and say so. As `withdraw`."""
    return _move(tx, who, list_id, entries, "entry.disputed", EntryState.DISPUTED, reason)


def decide(  # noqa: PLR0913 what is decided, and why
    tx: Connection,
    who: Principal,
    list_id: ListId,
    entries: Collection[EntryId],
    *,
    accept: bool,
    reason: str,
) -> int:
    """Take proposed entries onto the list, or decline them. As `withdraw`, and a person decides."""
    kind = select(Account.kind).where(Account.id == who.account_id)
    if tx.execute(kind).scalar() != "person":
        raise UsageError(
            f"{who.name} is no person with an account, and a person decides",
            code="person",
            hint="sign in to the pages, and look under Lists",
        )
    to = EntryState.ACTIVE if accept else EntryState.DECLINED
    action = "entry.accepted" if accept else "entry.declined"
    return _move(tx, who, list_id, entries, action, to, reason)


def remove(
    tx: Connection, who: Principal, list_id: ListId, entries: Collection[EntryId], reason: str
) -> int:
    """Delete what entries say; only their numbers stay, so that members can delete them too."""
    return _move(tx, who, list_id, entries, "entry.deleted", EntryState.DELETED, reason)


# From which states an action leads away.
_FROM: Final[Mapping[str, frozenset[EntryState]]] = {
    "entry.withdrawn": SERVED,
    "entry.restored": frozenset({EntryState.WITHDRAWN, EntryState.DISPUTED}),
    "entry.disputed": frozenset({EntryState.ACTIVE}),
    "entry.accepted": frozenset({EntryState.PROPOSED, EntryState.DECLINED}),
    "entry.declined": frozenset({EntryState.PROPOSED}),
    "entry.deleted": frozenset(EntryState) - {EntryState.DELETED},
}
_SHREDDED: Final[Mapping[str, Any]] = {
    "sha256": None,
    "sha1": None,
    "md5": None,
    "pdq": None,
    "pdq_quality": None,
    "others": {},
    "tags": [],
    "reference": "",
    "media_id": None,
    "extra": {},
}


def _move(  # noqa: PLR0913, PLR0917 one place for all that moves entries
    tx: Connection,
    who: Principal,
    list_id: ListId,
    entries: Collection[EntryId],
    action: str,
    to: EntryState,
    reason: str,
) -> int:
    if who.via is not Via.SYSTEM:  # schedules are the installation's own
        lists.managed(tx, who, list_id)
    if not reason.strip() or len(reason) > REASON_CHARACTERS:
        raise UsageError("say why: what is done to an entry has a reason", code="reason")
    wanted = sorted(set(entries))
    head.hold(tx)
    present = states(tx, list_id, wanted)
    if missing := [one for one in wanted if one not in present]:
        raise UsageError(f"entry {missing[0]} is not on this list", code="not_found")
    moved = [one for one in wanted if present[one] in _FROM[action]]
    if not moved:
        return 0
    turn = head.take(tx, len(moved))
    each: dict[str, list[Any]] = {"id": moved}
    each["change"] = list(range(turn.change, turn.change + len(moved)))
    same: dict[str, Any] = {"state": to.value, "changed_at": turn.at}
    if to is EntryState.DELETED:
        each["identity"] = [secrets.token_bytes(32) for _ in moved]
        same |= _SHREDDED
        _forget(tx, moved)
    update_rows(tx, ListedEntry, Columns(each, same))
    facts, words = {"list": list_id}, {"reason": reason.strip()}
    log.record_many(tx, who, (log.Event(action, f"entry:{one}", facts, words) for one in moved))
    return len(moved)


def _forget(tx: Connection, entries: Sequence[EntryId]) -> None:
    """Remove what was said of entries elsewhere than in their rows."""
    tx.execute(delete(EntryCode).where(among(tx, EntryCode.entry_id, entries)))
    said = among(tx, Feedback.entry_id, entries)
    tx.execute(update(Feedback).where(said).values(note="", reasons=[]))


def states(
    tx: Connection, list_id: ListId, entries: Sequence[EntryId]
) -> dict[EntryId, EntryState]:
    """Return where entries of a list stand, those that are on it. Asks nobody's permission."""
    rows = tx.execute(
        select(ListedEntry.id, ListedEntry.state).where(
            ListedEntry.list_id == list_id, among(tx, ListedEntry.id, entries)
        )
    )
    return {EntryId(number): EntryState(state) for number, state in rows}
