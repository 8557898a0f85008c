"""Default deny: every route as every role, from a table that stands here and not in the code."""

from __future__ import annotations

import re

import pytest
from litestar.handlers import HTTPRouteHandler

from tutela.core.principal import Role
from tutela.web import app

E, G, V, S, A, U, L, C = (
    Role.EXAMINER,
    Role.GRADER,
    Role.VICTIM_IDENTIFICATION,
    Role.SUPERVISOR,
    Role.ADMINISTRATOR,
    Role.AUDITOR,
    Role.LIST_MEMBER,
    Role.INVESTIGATOR,
)
EVERYBODY = frozenset(Role)
CASE = frozenset({E, G, V, S, C})
PUBLIC = None
# Route -> who may. Nobody but the team where the path names a case.
TABLE = {
    "GET /static/{version}/{name}": PUBLIC,
    "GET /": EVERYBODY,
    "POST /language": PUBLIC,
    "GET /cases": CASE,
    "GET /cases/new": {E, S, C},
    "POST /cases/new": {E, S, C},
    "GET /cases/{case_id}": CASE,
    "GET /cases/{case_id}/review": CASE,
    "GET /cases/{case_id}/review/items": CASE,
    "GET /cases/{case_id}/review/progress": CASE,
    "POST /cases/{case_id}/review/lease": {G, V},
    "POST /cases/{case_id}/grades": {G, V},
    "POST /cases/{case_id}/undo": {G, V},
    "GET /cases/{case_id}/media/{media_id}/thumbnail": CASE,
    "POST /cases/{case_id}/media/{media_id}/clear": {G, V, S},
    "GET /cases/{case_id}/items": CASE,
    "GET /cases/{case_id}/media/{media_id}": CASE,
    "GET /cases/{case_id}/media/{media_id}/similar": CASE,
    "GET /cases/{case_id}/compare": CASE,
    "POST /cases/{case_id}/media/{media_id}/grade": {G, V},
    "POST /cases/{case_id}/media/{media_id}/tag": {G, V},
    "POST /cases/{case_id}/media/{media_id}/note": {G, V},
    "GET /cases/{case_id}/stacks/{stack_id}": CASE,
    "POST /cases/{case_id}/stacks/{stack_id}/grade": {G, V},
    "POST /cases/{case_id}/stacks/{stack_id}/out": {G, V},
    "GET /cases/{case_id}/hits": CASE,
    "GET /cases/{case_id}/timeline": CASE,
    "GET /cases/{case_id}/map": CASE,
    "GET /cases/{case_id}/links": CASE,
    "GET /cases/{case_id}/conversations": {E, S, C},
    "GET /cases/{case_id}/conversations/{conversation_id}": {E, S, C},
    "POST /cases/{case_id}/conversations/{conversation_id}/names": {E, S, C},
    "POST /cases/{case_id}/conversations/{conversation_id}/judge": {E, C},
    "POST /cases/{case_id}/conversations/{conversation_id}/decide": {E, C},
    "POST /cases/{case_id}/conversations/{conversation_id}/export": {E, S, C},
    "GET /cases/{case_id}/leads": {S, C},
    "POST /cases/{case_id}/leads": {S, C},
    "POST /cases/{case_id}/leads/{lead_id}": {S, C},
    "GET /cases/{case_id}/graph": {S, C},
    "GET /cases/{case_id}/observed": {S, C},
    "GET /cases/{case_id}/accounts/{site_account_id}": {S, C},
    "POST /cases/{case_id}/accounts/{site_account_id}/posts": {S, C},
    "POST /cases/{case_id}/accounts/{site_account_id}/propose": {S, C},
    "POST /cases/{case_id}/accounts/{site_account_id}/marks": {S, C},
    "POST /cases/{case_id}/accounts/{site_account_id}/links": {S, C},
    "GET /cases/{case_id}/sites": {S, C},
    "GET /cases/{case_id}/sites/{site_id}": {S, C},
    "POST /cases/{case_id}/sites/{site_id}": {S, C},
    "GET /cases/{case_id}/team": CASE,
    "POST /cases/{case_id}/team/add": {E, S, C},
    "POST /cases/{case_id}/team/remove": {E, S, C},
    "POST /cases/{case_id}/move": {E, S, C},
    "POST /cases/{case_id}/release/ask": {E, S, C},
    "GET /cases/{case_id}/export": {E, V, S, C},
    "POST /cases/{case_id}/export": {E, V, S, C},
    "POST /cases/{case_id}/export/ask": {E, S},
    "POST /cases/{case_id}/delete/ask": {S},
    "POST /cases/{case_id}/delete": {S},
    "GET /audit": {U},
    "POST /audit/verify": {U},
    "GET /audit/events/{seq}": {U},
    "GET /cases/{case_id}/second": {G, V},
    "POST /cases/{case_id}/second": {G, V},
    "GET /cases/{case_id}/series": {V},
    "POST /cases/{case_id}/series": {V},
    "POST /cases/{case_id}/victims": {V},
    "GET /disputes": {S},
    "POST /disputes": {S},
    "POST /disputes/readings": {S},
    "GET /lists": EVERYBODY - {U},
    "POST /lists/trust": {A},
    "GET /lists/published/{name}": {S},
    "POST /lists/published/{name}/proposals": {S},
    "POST /lists/published/{name}/feedback": {S},
    "GET /sign-in": PUBLIC,
    "POST /sign-in": PUBLIC,
    "POST /sign-in/passkey/start": PUBLIC,
    "POST /sign-in/passkey/finish": PUBLIC,
    "POST /sign-out": PUBLIC,
    "GET /oidc/start": PUBLIC,
    "GET /sign-in/agency": PUBLIC,
    "GET /sign-in/code": PUBLIC,
    "POST /sign-in/code": PUBLIC,
    "GET /account/credentials": EVERYBODY,
    "POST /account/password": EVERYBODY,
    "POST /account/authenticator": EVERYBODY,
    "POST /account/recovery": EVERYBODY,
    "GET /welcome/{token}": PUBLIC,
    "POST /welcome/{token}": PUBLIC,
    "GET /account": EVERYBODY,
    "POST /account/language": EVERYBODY,
    "POST /account/breaks": EVERYBODY,
    "POST /account/sessions/end": EVERYBODY,
    "POST /account/sessions/end-others": EVERYBODY,
    "POST /account/passkeys/remove": EVERYBODY,
    "POST /account/passkeys/start": EVERYBODY,
    "POST /account/passkeys/finish": EVERYBODY,
    "GET /account/keys": EVERYBODY,
    "POST /account/keys": EVERYBODY,
    "GET /approvals": EVERYBODY,
    "POST /approvals": {S, A},
    "GET /administration": {A},
    "POST /administration/organisations": {A},
    "POST /administration/invite": {A},
    "GET /administration/accounts/{account_id}": {A},
    "POST /administration/accounts/{account_id}/link": {A},
    "POST /administration/accounts/{account_id}/subject": {A},
    "POST /administration/accounts/{account_id}/{act}": {A},
    "GET /administration/rules": {A},
    "POST /administration/rules": {A},
    "GET /administration/derivations": {A},
    "POST /administration/derivations": {A},
    "GET /administration/schemes": {A},
    "GET /administration/schemes/{name}": {A},
    "POST /administration/schemes/{name}": {A},
}


def _routes(built):
    for route in built.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                    path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                    yield f"{method} {path}"


def test_every_route_is_in_the_table_and_the_other_way_round(installation):
    assert set(_routes(app.build(installation.office))) == set(TABLE)


def _ask(client, installation, route, token):
    method, path = route.split()
    path = path.format(
        case_id=installation.case_id,
        media_id=installation.media[0],
        stack_id=installation.stacks[0],
        version="x",
        seq=0,
        name="vics-uk" if "schemes" in path else "app.css",
        account_id=installation.accounts["list_member"],
        site_account_id=1,
        site_id=1,
        lead_id=1,
        conversation_id=1,
        act="nothing",
        token="x",
    )
    headers = {"sec-fetch-site": "same-origin", "accept": "application/json"}
    if token:
        headers["cookie"] = f"tutela={token}"
    if method == "GET":
        path += f"?left={installation.media[0]}&right={installation.media[1]}" * ("compare" in path)
    return client.request(method, path, headers=headers, follow_redirects=False)


@pytest.mark.parametrize("route", [route for route, roles in TABLE.items() if roles is not PUBLIC])
def test_only_the_roles_of_the_table_may(client, installation, route):
    for role in Role:
        answer = _ask(client, installation, route, installation.tokens[role])
        status = answer.status_code
        # Who may come in may still be told that this needs a second person.
        closed = status == 403 and answer.json()["code"] != "second_person"
        assert closed == (role not in TABLE[route]), (role, status)
        assert status != 401
        assert status < 500, (role, status)
    assert _ask(client, installation, route, "").status_code == 401
    if "{case_id}" in route:
        status = _ask(client, installation, route, installation.tokens["outsider"]).status_code
        assert status == 403


def test_another_sites_page_can_change_nothing(client, installation):
    for site in ("cross-site", "same-site"):
        answer = client.post(
            f"/cases/{installation.case_id}/undo",
            headers={
                "sec-fetch-site": site,
                "accept": "application/json",
                "cookie": f"tutela={installation.tokens['grader']}",
            },
            json={"request": "1"},
        )
        assert answer.status_code == 403
        assert answer.json()["code"] == "cross_site"


def test_every_answer_has_the_security_headers(client):
    for path in ("/", "/cases", "/nowhere", "/sign-in"):
        answer = client.get(path, follow_redirects=False)
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_was_typed_is_never_part_of_a_page(client, installation):
    for typed in ("<b>x<script>", "100%25 %(x)s", "%3Cb%3E"):
        answer = client.get(
            f"/administration/schemes/{typed}",
            headers={"cookie": f"tutela={installation.tokens['administrator']}"},
        )
        assert answer.status_code in {400, 404}
        assert "<b>x" not in answer.text
        assert "<script>" not in answer.text
