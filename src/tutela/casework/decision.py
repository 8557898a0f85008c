"""What a grader decides and what came of it; and the questions every such call is asked first.

There may be thousands of these in one call, and none can be part of a cycle: `gc=False` saves the
collector from looking through them, which took a fifth of the time of a bulk call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from tutela.access.authorise import require
from tutela.access.model import Permission
from tutela.audit.log import Event, Value
from tutela.casework import acts
from tutela.casework.acts import Act
from tutela.casework.model import CaseInfo
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId, CaseId, MediaId, OrganisationId
from tutela.core.principal import Principal
from tutela.core.time import now
from tutela.store.bulk import Columns, insert_returning
from tutela.store.tables.access import Account
from tutela.store.tables.grading import Grade

REQUEST_CHARACTERS = 200
LAW_CHARACTERS = 200


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One decision: a code of the case's scheme, with facets and the law that was applied.

    With `stack`, the whole stack of the media gets it: members in `displayed` were looked at like
    the media itself, the others get it as inferred.
    """

    media_id: MediaId
    code: str
    facets: Mapping[str, str] = {}
    law: str = ""
    stack: bool = False
    displayed: frozenset[MediaId] = frozenset()


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was written about a media: `code` is what stands now, None where it is open again.

    `basis` is that of the grade. `second` is a blind second reading: the first grade of this media
    was not for this grader to see, and still stands.
    """

    media_id: MediaId
    code: str | None
    basis: str


class Grader(msgspec.Struct, frozen=True):
    """Who grades: a person's account, and the organisation whose vote it is."""

    account_id: AccountId
    organisation_id: OrganisationId


class Written(msgspec.Struct, frozen=True, gc=False):
    """A grade as it is to be written into the history."""

    media_id: int
    code: str | None
    basis: str
    facets: Mapping[str, str] = {}
    law: str = ""


def grader(tx: Connection, who: Principal) -> Grader:
    """Return whose vote it is.

    Raises:
        UsageError: `who` is no person with an account: a program may order work, never grade.
    """
    kind = tx.execute(select(Account.kind).where(Account.id == who.account_id)).scalar_one_or_none()
    if who.account_id is None or who.organisation_id is None or kind != "person":
        raise UsageError(
            f"{who.name} is no person with an account, and a person decides",
            code="person",
            hint="sign in as a grader",
        )
    return Grader(who.account_id, who.organisation_id)


def opened(
    tx: Connection, who: Principal, case_id: CaseId, kind: str, asked: tuple[str, Any]
) -> tuple[Act, Grader, list[Given] | None]:
    """Begin a call that grades; `asked` are its request key and what it asks.

    The list is what this request was answered before: nothing is to be done again.

    Raises:
        AccessError: `who` may not grade in this case.
        UsageError: `who` is no person.
        ConflictError: the request key was used for something else.
    """
    require(tx, who, Permission.GRADE, case_id)
    by = grader(tx, who)
    request, body = asked
    if len(request) > REQUEST_CHARACTERS:
        raise UsageError(f"a request key has at most {REQUEST_CHARACTERS} characters")
    digest = acts.digest(kind, case_id, body) if request else b""
    act = Act(by.account_id, case_id, kind, request, digest)
    earlier = acts.begin(tx, act)
    return act, by, None if earlier is None else msgspec.msgpack.decode(earlier, type=list[Given])


def write(tx: Connection, by: Grader, case: CaseInfo, written: Iterable[Written]) -> list[int]:
    """Write grades into the history and return their numbers, in order."""
    many = list(written)
    each: Mapping[str, Sequence[Any]] = {
        "media_id": [one.media_id for one in many],
        "code": [one.code for one in many],
        "facets": [one.facets for one in many],
        "law": [one.law for one in many],
        "basis": [one.basis for one in many],
    }
    same = {
        "case_id": case.id,
        "organisation_id": by.organisation_id,
        "account_id": by.account_id,
        "scheme": case.scheme,
        "at": now(),
    }
    return insert_returning(tx, Grade, Columns(each, same))


def events(case: CaseInfo, action: str, written: Iterable[Written]) -> list[Event]:
    """Return the leaves of grades; those that say the same share their facts."""
    shared: dict[tuple[str | None, str], Mapping[str, Value]] = {}
    told: list[Event] = []
    for one in written:
        facts = _facts(case, one) if one.facets else shared.get((one.code, one.basis))
        if facts is None:
            facts = shared[one.code, one.basis] = _facts(case, one)
        told.append(Event(action, f"media:{one.media_id}", facts))
    return told


def event(case: CaseInfo, action: str, one: Written) -> Event:
    """Return the leaf of one grade."""
    return Event(action, f"media:{one.media_id}", _facts(case, one))


def _facts(case: CaseInfo, one: Written) -> Mapping[str, Value]:
    data: dict[str, Value] = {
        "case": case.id,
        "scheme": case.scheme,
        "code": one.code,
        "basis": one.basis,
    }
    if one.facets:
        data["facets"] = dict(one.facets)
    return data
