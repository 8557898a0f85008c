"""Sites of a case: how much of each was read, known media by list, threads, pages, mirrors."""

from __future__ import annotations

import msgspec
from litestar import Response
from litestar.params import FromPath, URLEncodedBody
from litestar.response import Redirect

from tutela.access.model import Permission
from tutela.casework import case as cases
from tutela.core.ids import CaseId
from tutela.edge.routes import reads
from tutela.observation import find_sites, mirrors
from tutela.web import lead_words as words
from tutela.web.office import Asked, office, who
from tutela.web.pages.cases import case_page
from tutela.web.routes import changes

MOST_ROWS = 200


class Judgement(msgspec.Struct):
    """What a person says: the number of the site that this one is a copy of, 0 for none."""

    original: int = 0
    reason: str = ""


@reads("/cases/{case_id:int}/sites", needs=Permission.LEADS)
def list_(request: Asked, case_id: FromPath[int]) -> Response[str]:
    """Show the sites of a case."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        found = find_sites.sites(tx, asker, case)
        hits = find_sites.hits_by_list(tx, asker, case)
    hosts = {one.id: one.host for one in found}
    return case_page(
        request, "pages/leads/sites.html", case_id, case=info, sites=found, hosts=hosts, hits=hits
    )


@reads("/cases/{case_id:int}/sites/{site_id:int}", needs=Permission.LEADS)
def page(request: Asked, case_id: FromPath[int], site_id: FromPath[int]) -> Response[str]:
    """Show one site. Addresses stand there as text: nothing on the page leads to them."""
    asker, case = who(request), CaseId(case_id)
    with office(request).database.read() as tx:
        info = cases.info(tx, asker, case)
        site = find_sites.site(tx, asker, case, site_id)
        others = find_sites.sites(tx, asker, case)
        hits = find_sites.hits_by_list(tx, asker, case, site_id)
        threads = find_sites.threads(tx, asker, case, site_id, MOST_ROWS)
        pages = find_sites.pages(tx, asker, case, site_id, MOST_ROWS)
    copies = [one for one in others if one.mirror_of == site_id or one.id == site.mirror_of]
    return case_page(
        request,
        "pages/leads/site.html",
        case_id,
        case=info,
        site=site,
        mirrors=copies,
        others=[one for one in others if one.id != site_id],
        hits=hits,
        threads=threads,
        pages=pages,
        words=words,
    )


@changes("/cases/{case_id:int}/sites/{site_id:int}", needs=Permission.LEADS, form=page)
def judge(
    request: Asked, case_id: FromPath[int], site_id: FromPath[int], data: URLEncodedBody[Judgement]
) -> Redirect:
    """Say that a site is a copy of another, or of none."""
    with office(request).database.write() as tx:
        mirrors.judge(
            tx, who(request), CaseId(case_id), site_id, data.original or None, data.reason
        )
    return Redirect(f"/cases/{case_id}/sites/{site_id}", status_code=303)


ROUTES = [list_, page, judge]
