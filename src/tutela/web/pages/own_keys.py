"""Keys of the review page, changed by each person for themselves or switched off."""

from __future__ import annotations

from typing import Any

from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect
from sqlalchemy import Connection

from tutela.access import preferences
from tutela.access.model import Permission
from tutela.casework import scheme as schemes
from tutela.casework.scheme import Scheme
from tutela.core.errors import UsageError
from tutela.edge.routes import reads
from tutela.web import keys, render
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

PREFERENCE = "review"
SPACE = "Space"
Fields = dict[str, str]


@reads("/account/keys", needs=Permission.OWN)
def show(request: Asked) -> Response[str]:
    """Show the keys under one scheme."""
    with office(request).database.read() as tx:
        chosen = preferences.read(tx, who(request), PREFERENCE)
    return _page(request, request.query_params.get("scheme", ""), chosen, None)


@changes("/account/keys", needs=Permission.OWN)
def change(request: Asked, data: URLEncodedBody[Fields]) -> Response[str] | Redirect:
    """Keep keys; two acts never share one, whatever the scheme."""
    name = data.pop("scheme", "")
    reset, off = data.pop("reset", ""), data.pop("off", "")
    with office(request).database.read() as tx:
        chosen = preferences.read(tx, who(request), PREFERENCE)
        known = _known(tx)
    wanted = {act: " " if key == SPACE else key.strip() for act, key in data.items()}
    own = {} if reset else {**chosen.get("keys", {}), **wanted}
    new = {**chosen, "keys": own, "off": bool(off)}
    try:
        new["keys"] = _checked(known, own)
        _unshared(known, new)
        with office(request).database.write() as tx:
            preferences.write(tx, who(request), PREFERENCE, new)
    except UsageError as error:
        return _page(request, name, new, error)
    return Redirect(f"/account/keys?scheme={_one(known, name).name}", status_code=303)


def _checked(known: list[Scheme], own: Fields) -> Fields:
    """Return only keys of acts and codes that there are: a form may be older than a scheme."""
    acts = {act.act for act in keys.ACTS}
    codes = {f"{scheme.name}:{code.code}" for scheme in known for code in scheme.codes}
    return keys.checked({act: key for act, key in own.items() if act in acts | codes})


def _unshared(known: list[Scheme], chosen: dict[str, Any]) -> None:
    for scheme in known:
        if shared := keys.clash(keys.keymap(scheme, chosen)):
            raise UsageError(
                f"two acts would have the key {shared} under {scheme.title}",
                hint="give one of them another key, or none",
            )


def _known(tx: Connection) -> list[Scheme]:
    found = [schemes.load(tx, name) for name in schemes.names()]
    return [scheme for scheme in found if scheme.codes]


def _one(known: list[Scheme], name: str) -> Scheme:
    return next((scheme for scheme in known if scheme.name == name), known[0])


def _page(
    request: Asked, name: str, chosen: dict[str, Any], problem: UsageError | None
) -> Response[str]:
    with office(request).database.read() as tx:
        known = _known(tx)
    scheme = _one(known, name)
    mapped = keys.keymap(scheme, chosen)
    acts = [(act.act, act.name, act.meaning, act.shown) for act in mapped.acts]
    codes = [
        (f"{scheme.name}:{code.code}", code.label, code.meaning, mapped.codes[code.code])
        for code in scheme.codes
    ]
    return render.page(
        request,
        "pages/account/keys.html",
        status=400 if problem else 200,
        problem=problem,
        schemes=known,
        scheme=scheme,
        acts=acts,
        codes=codes,
        off=mapped.off,
    )


ROUTES = [show, change]
