"""Lists: who owns them, and what somebody may do with one.

The owner and members of a list see it. To everybody else it is as if it were not there: the same
refusal is given for a list that does not exist and for one that is not theirs.
"""

from __future__ import annotations

import re

from sqlalchemy import Connection, Row, Select, and_, case, insert, or_, select, update

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit import log
from tutela.core.entry import Role
from tutela.core.errors import AccessError, UsageError
from tutela.core.ids import ListId, OrganisationId
from tutela.core.media import PDQ_RADIUS_BITS
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.exchange.model import ListView, MemberPermission
from tutela.store.tables.access import Organisation
from tutela.store.tables.exchange import ListMember, PublishedList

NAME = re.compile(r"[a-z][a-z0-9-]{1,62}")
TEXT_CHARACTERS = 500
_RANK = {permission: rank for rank, permission in enumerate(MemberPermission)}


def create(  # noqa: PLR0913 what a list is, and none of it may be guessed
    tx: Connection,
    who: Principal,
    name: str,
    *,
    title: str,
    purpose: str,
    role: Role,
    radius_bits: int = PDQ_RADIUS_BITS,
) -> ListId:
    """Make an empty list that the organisation of `who` owns.

    Raises:
        AccessError: `who` may not publish lists.
        UsageError: the name is taken or no name, or there is no title or purpose.
    """
    require(tx, who, Permission.LISTS_PUBLISH)
    if who.organisation_id is None:
        raise UsageError("an organisation owns a list", hint="sign in as an account of yours")
    title, purpose = title.strip(), purpose.strip()
    if not NAME.fullmatch(name):
        raise UsageError(
            "a list's name is 2 to 63 small letters, digits and -", hint="such as known-2026"
        )
    if not title or not purpose or max(len(title), len(purpose)) > TEXT_CHARACTERS:
        raise UsageError(f"a list has a title and a purpose, up to {TEXT_CHARACTERS} characters")
    if not 0 <= radius_bits <= PDQ_RADIUS_BITS:
        raise UsageError(f"a list matches within 0 to {PDQ_RADIUS_BITS} bits")
    if tx.execute(select(PublishedList.id).where(PublishedList.name == name)).first():
        raise UsageError(f"there is already a list {name}", code="list_exists")
    made = tx.execute(
        insert(PublishedList)
        .values(
            name=name,
            title=title,
            purpose=purpose,
            owner_id=who.organisation_id,
            role=role.value,
            radius_bits=radius_bits,
            state="open",
            generation=0,
            created_at=now(),
            created_by=who.account_id,
        )
        .returning(PublishedList.id)
    ).scalar_one()
    log.record(tx, who, "list.created", f"list:{made}", texts={"name": name}, role=role.value)
    return ListId(made)


def close(tx: Connection, who: Principal, list_id: ListId) -> None:
    """Let nothing more be added to a list; what is on it stays and is served.

    Raises:
        AccessError: `who` does not manage it.
    """
    managed(tx, who, list_id)
    tx.execute(update(PublishedList).where(PublishedList.id == list_id).values(state="closed"))
    log.record(tx, who, "list.closed", f"list:{list_id}")


def mine(tx: Connection, who: Principal) -> list[ListView]:
    """Return the lists that the organisation of `who` owns or is a member of, by name.

    Raises:
        AccessError: `who` may not read lists.
    """
    require(tx, who, Permission.LISTS_READ)
    return [_view(row) for row in tx.execute(_seen(who).order_by(PublishedList.name))]


def view(tx: Connection, who: Principal, name: str) -> ListView:
    """Return a list by its name.

    Raises:
        AccessError: code `not_found`: there is no such list, or it is not for `who`.
    """
    require(tx, who, Permission.LISTS_READ)
    return _one(tx.execute(_seen(who).where(PublishedList.name == name)).one_or_none())


def managed(
    tx: Connection,
    who: Principal,
    list_id: ListId,
    least: MemberPermission = MemberPermission.MANAGE,
) -> ListView:
    """Return a list whose entries or members `who` may change.

    Raises:
        AccessError: `who` may not publish, the list is not for `who`, or the membership is less
            than `least`.
    """
    require(tx, who, Permission.LISTS_PUBLISH)
    found = _one(tx.execute(_seen(who).where(PublishedList.id == list_id)).one_or_none())
    if _RANK[found.permission] < _RANK[least]:
        raise AccessError(
            f"{who.name} may not do this with the list {found.name}",
            hint=f"its owner can make your organisation a member that may {least.value}",
        )
    return found


def read(tx: Connection, who: Principal, list_id: ListId) -> ListView:
    """Return a list by its number.

    Raises:
        AccessError: as `view`.
    """
    require(tx, who, Permission.LISTS_READ)
    return _one(tx.execute(_seen(who).where(PublishedList.id == list_id)).one_or_none())


def _seen(who: Principal) -> Select[*tuple[object, ...]]:
    """Select the lists that are for somebody, with what they may do."""
    member = and_(
        ListMember.list_id == PublishedList.id,
        ListMember.organisation_id == who.organisation_id,
        ListMember.removed_at.is_(None),
    )
    owner = PublishedList.owner_id == who.organisation_id
    return (
        select(
            PublishedList.id,
            PublishedList.name,
            PublishedList.title,
            PublishedList.purpose,
            PublishedList.owner_id,
            Organisation.name.label("owner"),
            PublishedList.role,
            PublishedList.radius_bits,
            PublishedList.state,
            PublishedList.generation,
            case((owner, MemberPermission.MANAGE.value), else_=ListMember.permission).label(
                "permission"
            ),
            owner.label("owned"),
            ListMember.jurisdictions,
        )
        .join(Organisation, Organisation.id == PublishedList.owner_id)
        .outerjoin(ListMember, member)
        .where(or_(owner, ListMember.list_id.is_not(None)))
    )


def _one(row: Row[*tuple[object, ...]] | None) -> ListView:
    if row is None:
        raise AccessError(
            "there is no such list for you",
            code="not_found",
            hint="its owner makes organisations members of a list",
        )
    return _view(row)


def _view(row: Row[*tuple[object, ...]]) -> ListView:
    found = row._mapping  # noqa: SLF001 SQLAlchemy's public name for it
    return ListView(
        id=ListId(found["id"]),
        name=found["name"],
        title=found["title"],
        purpose=found["purpose"],
        owner_id=OrganisationId(found["owner_id"]),
        owner=found["owner"],
        role=Role(found["role"]),
        radius_bits=found["radius_bits"],
        state=found["state"],
        generation=found["generation"],
        permission=MemberPermission(found["permission"]),
        jurisdictions=frozenset(() if found["owned"] else found["jurisdictions"] or ()),
    )
