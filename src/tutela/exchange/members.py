"""Members of a list: organisations that may read it, contribute to it or manage it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from sqlalchemy import Connection, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.errors import UsageError
from tutela.core.ids import ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange import head, lists
from tutela.exchange.model import Member, MemberPermission, is_jurisdiction
from tutela.store.bulk import upsert_rows
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import ListMember

# Bech32 of an X25519 key (age, "The X25519 recipient type").
RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")


def add(  # noqa: PLR0913, PLR0917 who, of what, and what they may
    tx: Connection,
    who: Principal,
    list_id: ListId,
    organisation_id: OrganisationId,
    permission: MemberPermission,
    jurisdictions: Iterable[str] = (),
    recipient: str = "",
) -> None:
    """Make an organisation a member, or change what it may and gets.

    Where it now gets less or other entries, all of the list count as changed, so that its programs
    are told what they have no more.

    Raises:
        AccessError: `who` does not manage the list.
        UsageError: there is no such organisation, it owns the list, or a value is none.
    """
    found = lists.managed(tx, who, list_id)
    wanted = sorted({one.upper() for one in jurisdictions})
    for one in wanted:
        if not is_jurisdiction(one):
            raise UsageError(f"{one[:20]} is no jurisdiction", hint="two letters, such as DE")
    _check_recipient(recipient)
    if organisation_id == found.owner_id:
        raise UsageError(f"{found.owner} owns the list {found.name}")
    if (
        tx.execute(select(Organisation.id).where(Organisation.id == organisation_id)).first()
        is None
    ):
        raise UsageError(f"there is no organisation {organisation_id}", code="not_found")
    before = tx.execute(
        select(ListMember.jurisdictions, ListMember.recipient, ListMember.removed_at).where(
            ListMember.list_id == list_id, ListMember.organisation_id == organisation_id
        )
    ).one_or_none()
    row = {
        "list_id": list_id,
        "organisation_id": organisation_id,
        "permission": permission.value,
        "jurisdictions": wanted,
        "recipient": recipient or (before.recipient if before else None),
        "added_at": now(),
        "added_by": who.account_id,
        "removed_at": None,
    }
    upsert_rows(tx, ListMember, [row])
    if before is not None and list(before.jurisdictions) != wanted:
        head.touch(tx, list_id)
    log.record(
        tx,
        who,
        "list.member-set",
        f"list:{list_id}",
        organisation=organisation_id,
        permission=permission.value,
        jurisdictions=wanted,
    )


def remove(
    tx: Connection, who: Principal, list_id: ListId, organisation_id: OrganisationId
) -> None:
    """Give an organisation nothing more of a list.

    Raises:
        AccessError: `who` does not manage the list.
        UsageError: it is no member.
    """
    found = lists.managed(tx, who, list_id)
    gone = tx.execute(
        update(ListMember)
        .where(
            ListMember.list_id == list_id,
            ListMember.organisation_id == organisation_id,
            ListMember.removed_at.is_(None),
        )
        .values(removed_at=now())
    )
    if gone.rowcount != 1:
        raise UsageError(f"organisation {organisation_id} is no member of {found.name}")
    log.record(tx, who, "list.member-removed", f"list:{list_id}", organisation=organisation_id)


def set_recipient(tx: Connection, who: Principal, list_id: ListId, recipient: str) -> None:
    """Say to which age public key the own organisation's copies are encrypted from now on.

    Raises:
        AccessError: the list is not for `who`.
        UsageError: it is no age recipient, or the own organisation is the owner.
    """
    require(tx, who, Permission.LISTS_SYNC)
    lists.read(tx, who, list_id)
    _check_recipient(recipient)
    changed = tx.execute(
        update(ListMember)
        .where(
            ListMember.list_id == list_id,
            ListMember.organisation_id == who.organisation_id,
            ListMember.removed_at.is_(None),
        )
        .values(recipient=recipient)
    )
    if changed.rowcount != 1:
        raise UsageError("an owner needs no copy of its own list")
    log.record(tx, who, "list.recipient-set", f"list:{list_id}", organisation=who.organisation_id)


def of(tx: Connection, who: Principal, list_id: ListId) -> list[Member]:
    """Return the members of a list, by name.

    Raises:
        AccessError: `who` does not manage the list.
    """
    lists.managed(tx, who, list_id)
    rows = tx.execute(
        select(
            ListMember.organisation_id,
            Organisation.name,
            ListMember.permission,
            ListMember.jurisdictions,
            ListMember.recipient,
            ListMember.added_at,
        )
        .join(Organisation, Organisation.id == ListMember.organisation_id)
        .where(ListMember.list_id == list_id, ListMember.removed_at.is_(None))
        .order_by(Organisation.name)
    )
    return [
        Member(
            organisation_id=OrganisationId(number),
            organisation=name,
            permission=MemberPermission(permission),
            jurisdictions=frozenset(jurisdictions),
            recipient=recipient or "",
            added_at=added_at,
        )
        for number, name, permission, jurisdictions, recipient, added_at in rows
    ]


def _check_recipient(recipient: str) -> None:
    if recipient and not RECIPIENT.fullmatch(recipient):
        raise UsageError("this is no age public key", hint="it begins with age1")
