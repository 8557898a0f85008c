"""Published lists."""

from __future__ import annotations

from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.core.entry import Role
from tutela.core.errors import UsageError
from tutela.core.ids import ListId, OrganisationId
from tutela.core.principal import Principal
from tutela.exchange.model import ListView, MemberPermission
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import ListMember, PublishedList


def mine(tx: Connection, who: Principal) -> list[ListView]:
    """Return the lists that the organisation of `who` owns or is a member of, by name."""
    require(tx, who, Permission.LISTS_READ)
    member = (ListMember.list_id == PublishedList.id) & (
        ListMember.organisation_id == who.organisation_id
    )
    rows = tx.execute(
        select(
            Organisation.name.label("owner"),
            ListMember.permission,
            ListMember.jurisdictions,
        )
        .add_columns(*PublishedList.__table__.c)
        .join(Organisation, Organisation.id == PublishedList.owner_id)
        .outerjoin(ListMember, member & ListMember.removed_at.is_(None))
        .where(
            (PublishedList.owner_id == who.organisation_id)
            | ListMember.organisation_id.is_not(None)
        )
        .order_by(PublishedList.name)
    )
    found = []
    for row in rows:
        owns = row.owner_id == who.organisation_id
        found.append(
            ListView(
                id=ListId(row.id),
                name=row.name,
                title=row.title,
                purpose=row.purpose,
                owner_id=OrganisationId(row.owner_id),
                owner=row.owner,
                role=Role(row.role),
                radius_bits=row.radius_bits,
                state=row.state,
                generation=row.generation,
                permission=MemberPermission.MANAGE if owns else MemberPermission(row.permission),
                jurisdictions=frozenset() if owns else frozenset(row.jurisdictions),
            )
        )
    return found


def view(tx: Connection, who: Principal, name: str) -> ListView:
    """Return one of them."""
    for found in mine(tx, who):
        if found.name == name:
            return found
    raise UsageError("there is no such list", code="not_found")
