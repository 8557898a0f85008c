"""Administration of people: organisations and accounts; what needs a second person is asked for."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection

from tutela.access import accounts, oidc
from tutela.access import changes as account_changes
from tutela.access.accounts import AccountInfo
from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.core.errors import UsageError
from tutela.core.ids import AccountId, ApprovalId, OrganisationId
from tutela.core.principal import Principal, Role
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.language import N_
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

ROLES = {
    Role.EXAMINER: N_("Examiner: opens cases, adds evidence, exports"),
    Role.GRADER: N_("Grader: reviews and grades"),
    Role.VICTIM_IDENTIFICATION: N_("Victim identification: grades, links series and victims"),
    Role.SUPERVISOR: N_("Supervisor: settles disputes, is the second person, reads the audit"),
    Role.ADMINISTRATOR: N_("Administrator: people and rules, no case by itself"),
    Role.AUDITOR: N_("Auditor: reads the audit log, no case"),
    Role.LIST_MEMBER: N_("List member: reads lists of fingerprints"),
    Role.INVESTIGATOR: N_("Investigator: crawls sites, ranks accounts, sees no picture"),
}

DONE = N_("Done.")


class Person(msgspec.Struct):
    """Somebody to invite. One ticked role arrives as text, several as a list."""

    name: str = ""
    display_name: str = ""
    organisation: int = 0
    roles: str | list[str] = ""


class Change(msgspec.Struct):
    """What shall change about an account, and why."""

    roles: str | list[str] = ""
    reason: str = ""
    subject: str = ""


class NewOrganisation(msgspec.Struct):
    """The form of a new organisation."""

    name: str = ""
    country: str = ""


@reads("/administration", needs=Permission.ACCOUNTS)
def index(request: Asked) -> Response[str]:
    """Show who works here."""
    return _index(request, Person(), NewOrganisation(), None, "")


@changes("/administration/organisations", needs=Permission.ACCOUNTS)
def add_organisation(
    request: Asked, data: URLEncodedBody[NewOrganisation]
) -> Response[str] | Redirect:
    """Add an organisation."""
    try:
        with office(request).database.write() as tx:
            accounts.create_organisation(tx, who(request), data.name, data.country.strip())
    except UsageError as error:
        return _index(request, Person(), data, error, "organisation")
    return Redirect("/administration", status_code=303)


@changes("/administration/invite", needs=Permission.ACCOUNTS)
def invite(request: Asked, data: URLEncodedBody[Person]) -> Response[str] | Redirect:
    """Invite a person; the one-time link is on this answer and never again."""
    try:
        with office(request).database.write() as tx:
            made, token = accounts.invite(
                tx,
                who(request),
                OrganisationId(data.organisation),
                data.name,
                data.display_name,
                _roles(data.roles),
            )
    except UsageError as error:
        return _index(request, data, NewOrganisation(), error, "person")
    return _link(request, made, token)


@reads("/administration/accounts/{account_id:int}", needs=Permission.ACCOUNTS)
def account(request: Asked, account_id: FromPath[int]) -> Response[str]:
    """Show one account and what can be changed about it."""
    return _account(request, AccountId(account_id), None)


@changes("/administration/accounts/{account_id:int}/link", needs=Permission.ACCOUNTS)
def link(request: Asked, account_id: FromPath[int]) -> Response[str]:
    """Give a new one-time link to somebody who has not used theirs."""
    wanted = AccountId(account_id)
    try:
        with office(request).database.write() as tx:
            token = account_changes.invite_again(tx, who(request), wanted)
    except UsageError as error:
        return _account(request, wanted, error)
    return _link(request, wanted, token)


@changes("/administration/accounts/{account_id:int}/subject", needs=Permission.ACCOUNTS)
def bind(request: Asked, account_id: FromPath[int], data: URLEncodedBody[Change]) -> Response[str]:
    """Say which subject of the agency an invited person is."""
    wanted, place = AccountId(account_id), office(request)
    try:
        with place.database.write() as tx:
            oidc.bind(tx, who(request), place.settings.web, wanted, data.subject)
    except UsageError as error:
        return _account(request, wanted, error)
    return _account(request, wanted, None, DONE)


@changes("/administration/accounts/{account_id:int}/{act:str}", needs=Permission.ACCOUNTS)
def change(
    request: Asked,
    account_id: FromPath[int],
    act: FromPath[str],
    data: URLEncodedBody[Change],
) -> Response[str]:
    """Change roles, close an account or ask for a new way in; two persons where it takes them."""
    wanted, asker = AccountId(account_id), who(request)
    try:
        with office(request).database.write() as tx:
            asked = _change(tx, asker, wanted, act, data)
    except UsageError as error:
        return _account(request, wanted, error)
    said = DONE
    if asked is not None:
        said = N_("This was asked for: it takes another person, under Approvals.")
    return _account(request, wanted, None, said)


def _change(
    tx: Connection, asker: Principal, account_id: AccountId, act: str, data: Change
) -> ApprovalId | None:
    if act == "roles":
        return account_changes.change_roles(tx, asker, account_id, _roles(data.roles), data.reason)
    if act == "close":
        return account_changes.close(tx, asker, account_id, data.reason)
    if act == "reset":
        return account_changes.reset(tx, asker, account_id, data.reason)
    raise NotFoundException


def _roles(ticked: str | list[str]) -> frozenset[Role]:
    names = [ticked] if isinstance(ticked, str) else ticked
    try:
        return frozenset(Role(name) for name in names if name)
    except ValueError:
        raise UsageError("one of these is no role") from None


def _index(
    request: Asked,
    person: Person,
    organisation: NewOrganisation,
    problem: UsageError | None,
    where: str,
) -> Response[str]:
    asker = who(request)
    with office(request).database.read() as tx:
        people = accounts.list_(tx, asker)
        organisations = accounts.organisations(tx, asker)
    return render.page(
        request,
        "pages/administration/people.html",
        status=400 if problem else 200,
        people=people,
        organisations=organisations,
        roles=ROLES,
        person=person,
        ticked={person.roles} if isinstance(person.roles, str) else set(person.roles),
        organisation=organisation,
        problem=problem,
        where=where,
        may_rule=allows(asker, Permission.POLICY),
    )


def _account(
    request: Asked, account_id: AccountId, problem: UsageError | None, said: str = ""
) -> Response[str]:
    found = _found(request, account_id)
    return render.page(
        request,
        "pages/administration/account.html",
        status=400 if problem else 200,
        account=found,
        roles=ROLES,
        problem=problem,
        said=said,
        oidc=bool(office(request).settings.web.oidc_issuer),
    )


def _link(request: Asked, account_id: AccountId, token: str) -> Response[str]:
    origin = office(request).settings.web.origin.rstrip("/")
    return render.page(
        request,
        "pages/administration/link.html",
        account=_found(request, account_id),
        link=f"{origin}/welcome/{token}",
    )


def _found(request: Asked, account_id: AccountId) -> AccountInfo:
    with office(request).database.read() as tx:
        people = accounts.list_(tx, who(request))
    found = next((one for one in people if one.id == account_id), None)
    if found is None:
        raise NotFoundException
    return found


ROUTES = [index, add_organisation, invite, account, link, bind, change]
