"""Lists: those published to members, and those of this machine that may grade what arrives."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from litestar.response import Redirect

from tutela.access.authorise import allows
from tutela.access.model import Permission
from tutela.casework import policy, scheme
from tutela.edge.routes import reads
from tutela.hashlist.library import Library
from tutela.hashlist.model import ListInfo
from tutela.hashlist.report import warnings
from tutela.web import render
from tutela.web.office import Asked, office, who
from tutela.web.pages.published import summaries
from tutela.web.routes import changes


class Trust(msgspec.Struct):
    """A list, and the scheme that its codes are of; no scheme means that it is not trusted."""

    name: str
    scheme: str = ""


@reads("/lists", needs=Permission.LISTS_READ)
def lists(request: Asked) -> Response[str]:
    """Show published lists, and the imported ones: what is odd, and do they grade what arrives."""
    with office(request).database.read() as tx:
        rules = policy.read(tx)
        known = [scheme.load(tx, name) for name in scheme.names()]
        ours = summaries(tx, who(request))
    return render.page(
        request,
        "pages/tasks/lists.html",
        published=ours,
        may_publish=allows(who(request), Permission.LISTS_PUBLISH),
        lists=[_shown(info, rules) for info in _imported(request)],
        schemes=[one for one in known if one.codes],
        may_change=allows(who(request), Permission.POLICY),
    )


@changes("/lists/trust", needs=Permission.POLICY, form=lists)
def trust(request: Asked, data: URLEncodedBody[Trust]) -> Redirect:
    """Trust a list to grade on arrival, or stop it."""
    with office(request).database.write() as tx:
        trusted = dict(policy.read(tx).trusted_lists)
        trusted.pop(data.name, None)
        if data.scheme:
            scheme.load(tx, data.scheme)
            trusted[data.name] = data.scheme
        policy.change(tx, who(request), trusted_lists=trusted)
    return Redirect("/lists", status_code=303)


def _imported(request: Asked) -> list[ListInfo]:
    path = office(request).settings.library.path
    if not (path / "library.json").exists():
        return []
    return list(Library.open(path).lists)


def _shown(info: ListInfo, rules: policy.Policy) -> dict[str, Any]:
    return {
        "name": info.name,
        "role": info.role.value,
        "entries": info.entries,
        "received_at": info.received_at,
        "warnings": list(warnings(info)),
        "trusted": rules.trusted_lists.get(info.name, ""),
    }


ROUTES = [lists, trust]
