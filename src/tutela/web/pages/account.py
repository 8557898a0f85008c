"""One's own account: roles, language, breaks, sessions, passkeys."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access import passkeys, preferences, sessions
from tutela.access.model import Permission
from tutela.casework import exposure, policy
from tutela.core.errors import UsageError
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.language import N_, NAMES
from tutela.web.office import Asked, office, who
from tutela.web.pages.administration import ROLES
from tutela.web.pages.sign_in import language_cookie
from tutela.web.routes import changes
from tutela.web.security import cookie_name

BREAKS = ("views_before_break", "minutes_before_break")


class Tongue(msgspec.Struct):
    """The language of the pages."""

    language: str = ""


class Breaks(msgspec.Struct):
    """After how much a break is proposed; empty where the rule of the installation does."""

    views_before_break: str = ""
    minutes_before_break: str = ""


class Which(msgspec.Struct):
    """One session, by the hash of its token; or one passkey."""

    session: str = ""
    passkey: int = 0


@reads("/account", needs=Permission.OWN)
def show(request: Asked) -> Response[str]:
    """Show the own account."""
    return _page(request, None)


@changes("/account/language", needs=Permission.OWN)
def language(request: Asked, data: URLEncodedBody[Tongue]) -> Response[Any]:
    """Keep a language for this account and this browser."""
    answer: Response[Any] = Redirect("/account", status_code=303)
    if data.language in NAMES:
        with office(request).database.write() as tx:
            preferences.write(tx, who(request), "language", {"language": data.language})
        answer.set_cookie(language_cookie(data.language))
    return answer


@changes("/account/breaks", needs=Permission.OWN)
def breaks(request: Asked, data: URLEncodedBody[Breaks]) -> Response[str] | Redirect:
    """Keep own limits of exposure, which can only be stricter than the rule."""
    try:
        with office(request).database.write() as tx:
            rules = policy.read(tx)
            limits = {
                name: _stricter(getattr(data, name), getattr(rules, name))
                for name in BREAKS
                if getattr(data, name).strip()
            }
            preferences.write(tx, who(request), exposure.PREFERENCE, limits)
    except UsageError as error:
        return _page(request, error, msgspec.structs.asdict(data))
    return Redirect("/account", status_code=303)


@changes("/account/sessions/end", needs=Permission.OWN)
def end_session(request: Asked, data: URLEncodedBody[Which]) -> Redirect:
    """End one of the own sessions."""
    try:
        token_hash = bytes.fromhex(data.session)
    except ValueError:
        raise UsageError("there is no such session") from None
    with office(request).database.write() as tx:
        sessions.end_one(tx, who(request), token_hash)
    return Redirect("/account", status_code=303)


@changes("/account/sessions/end-others", needs=Permission.OWN)
def end_others(request: Asked) -> Redirect:
    """End all own sessions but this one."""
    asker, place = who(request), office(request)
    assert asker.account_id is not None
    this = request.cookies.get(cookie_name(place), "")
    with place.database.write() as tx:
        sessions.end_all(tx, asker.account_id, asker, but=this)
    return Redirect("/account", status_code=303)


@changes("/account/passkeys/remove", needs=Permission.OWN)
def remove_passkey(request: Asked, data: URLEncodedBody[Which]) -> Response[str] | Redirect:
    """Remove one of the own passkeys."""
    try:
        with office(request).database.write() as tx:
            passkeys.remove(tx, who(request), data.passkey)
    except UsageError as error:
        return _page(request, error)
    return Redirect("/account", status_code=303)


def _stricter(text: str, rule: int) -> int:
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit() and len(plain) < 10 and 1 <= int(plain) <= rule):
        raise UsageError(
            "an own limit is a whole number, not above the rule",
            code="breaks",
            hint="leave it empty to follow the rule",
        )
    return int(plain)


def _page(
    request: Asked, problem: UsageError | None, typed: dict[str, str] | None = None
) -> Response[str]:
    asker = who(request)
    with office(request).database.read() as tx:
        rules = policy.read(tx)
        own = preferences.read(tx, asker, exposure.PREFERENCE)
        opened = sessions.of(tx, asker)
        keys = passkeys.of(tx, asker)
    return render.page(
        request,
        "pages/account/account.html",
        status=400 if problem else 200,
        problem=problem,
        roles=_roles(asker),
        breaks=typed or {name: own.get(name, "") for name in BREAKS},
        rules={name: getattr(rules, name) for name in BREAKS},
        meanings=LIMITS,
        sessions=opened,
        this=request.state.session.token_hash,
        passkeys=keys,
    )


def _roles(asker: Principal) -> list[str]:
    return [ROLES[role] for role in ROLES if role in asker.roles]


LIMITS = {
    "views_before_break": N_("Propose a break after so many clear views"),
    "minutes_before_break": N_("Propose a break after so many minutes"),
}

ROUTES = [show, language, breaks, end_session, end_others, remove_passkey]
