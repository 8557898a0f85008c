"""Disputes of organisations, and second readings that differed: settled by one's own reading."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import URLEncodedBody
from sqlalchemy import Connection

from tutela.access.model import Permission
from tutela.casework import adjudicate, agreement, scheme
from tutela.casework import case as cases
from tutela.casework.model import CaseState
from tutela.core.ids import CaseId, MediaId
from tutela.core.principal import Principal
from tutela.edge.routes import reads
from tutela.web import render
from tutela.web.office import Asked, office, who
from tutela.web.routes import changes

MOST = 200


class Settlement(msgspec.Struct):
    """What settles a dispute."""

    media: int
    scheme: str
    code: str
    reason: str = ""


class ReadingSettlement(msgspec.Struct):
    """What settles a second reading that differed."""

    case: int
    reading: int
    code: str
    reason: str = ""


@reads("/disputes", needs=Permission.ADJUDICATE)
def disputes(request: Asked) -> Response[str]:
    """Show what organisations or readers do not agree about; who settles it decides blind."""
    with office(request).database.read() as tx:
        return _page(request, tx, said="")


@changes("/disputes", needs=Permission.ADJUDICATE, form=disputes)
def settle(request: Asked, data: URLEncodedBody[Settlement]) -> Response[str]:
    """Settle a dispute, and only then tell how the votes were."""
    with office(request).database.write() as tx:
        done = agreement.settle(
            tx, who(request), MediaId(data.media), data.scheme, data.code, data.reason
        )
        votes = ", ".join(code for _, code in done.votes)
        text = render.language_of(request).gettext("Settled as %(code)s. The votes were: %(votes)s")
        return _page(request, tx, said=text % {"code": done.code, "votes": votes})


@changes("/disputes/readings", needs=Permission.ADJUDICATE, form=disputes)
def settle_reading(request: Asked, data: URLEncodedBody[ReadingSettlement]) -> Response[str]:
    """Settle a difference between two readers of one organisation."""
    with office(request).database.write() as tx:
        done = adjudicate.settle(
            tx, who(request), CaseId(data.case), data.reading, data.code, data.reason
        )
        text = render.language_of(request).gettext("Settled as %(code)s. The votes were: %(votes)s")
        votes = ", ".join(code or "-" for code in (done.first_code, done.second_code))
        return _page(request, tx, said=text % {"code": done.code, "votes": votes})


def _page(request: Asked, tx: Connection, said: str) -> Response[str]:
    asker = who(request)
    schemes = {name: scheme.load(tx, name) for name in scheme.names()}
    found = [one for name in schemes for one in agreement.disputes(tx, asker, name, MOST)]
    return render.page(
        request,
        "pages/tasks/disputes.html",
        said=said,
        disputes=found[:MOST],
        differed=_differed(tx, asker),
        codes={name: one.codes for name, one in schemes.items()},
    )


def _differed(tx: Connection, asker: Principal) -> list[dict[str, object]]:
    """Return each difference once, in an open case if one of those that have its media is."""
    mine = sorted(cases.list_(tx, asker), key=lambda case: case.state is CaseState.OPEN)
    found = {
        one.id: {
            "id": one.id,
            "media_id": one.media_id,
            "case_id": case.id,
            "case_number": case.number,
            "scheme": case.scheme,
        }
        for case in mine
        for one in adjudicate.differed(tx, asker, case.id, MOST)
    }
    return list(found.values())


ROUTES = [disputes, settle, settle_reading]
