"""Default deny: every route of the API as every role, from a table that stands here."""

from __future__ import annotations

import re

import pytest
from litestar.handlers import HTTPRouteHandler

from tutela.api import app
from tutela.core.principal import Role

PUBLIC = None
LISTS = frozenset({Role.SUPERVISOR, Role.LIST_MEMBER})
# Route -> who may. What a list gives them its membership decides.
TABLE = {
    "GET /v1/status": PUBLIC,
    "GET /ncmec/{name}/v2/status": LISTS,
    "GET /ncmec/{name}/v2/members": LISTS,
    "GET /ncmec/{name}/v2/entries": LISTS,
    "GET /ncmec/{name}/v2/feedback/{kind}/reasons": LISTS,
    "PUT /ncmec/{name}/v2/entries/{member}/{entry}/{kind}/feedback": LISTS,
    "GET /stopncii/{name}/FetchHashes": LISTS,
    "POST /stopncii/{name}/SubmitFeedback": LISTS,
    "GET /graph": LISTS,
    "GET /graph/{node}": LISTS,
    "POST /graph/{node}": LISTS,
    "GET /graph/{group}/threat_updates": LISTS,
    "GET /graph/{app}/threat_privacy_groups_member": LISTS,
    "GET /graph/{app}/threat_privacy_groups_owner": LISTS,
    "GET /graph/threat_tags": LISTS,
    "GET /graph/threat_descriptors": LISTS,
    "GET /c/banks": LISTS,
    "GET /c/bank/{bank}": LISTS,
    "GET /c/bank/{bank}/content/{content}": LISTS,
    "GET /c/exchanges/apis": LISTS,
    "GET /c/exchanges/api/{api}": LISTS,
    "GET /c/exchanges": LISTS,
    "GET /c/exchange/{name}": LISTS,
    "GET /c/exchange/{name}/status": LISTS,
    "GET /c/signal_type": LISTS,
    "GET /c/content_type": LISTS,
    "GET /feed": LISTS,
    "GET /feed/{name}": LISTS,
    "GET /feed-key": PUBLIC,
    "GET /m/raw_lookup": LISTS,
    "GET /m/lookup": LISTS,
    "POST /m/lookup": LISTS,
    "POST /m/compare": LISTS,
    "GET /m/index/status": LISTS,
    "GET /h/hash": LISTS,
    "POST /h/hash": LISTS,
    "POST /v1/match": LISTS,
    "GET /v1/prefix": LISTS,
    "POST /v1/prefix": LISTS,
    "POST /v1/chat": LISTS,
    "GET /v1/chat/{conversation}": LISTS,
    "DELETE /v1/chat/{conversation}": LISTS,
    "GET /v1/lists": frozenset(Role) - {Role.AUDITOR},
    "POST /v1/lists/{name}/entries/{entry}/feedback": LISTS,
    "GET /v1/lists/{name}/quarantine": frozenset({Role.SUPERVISOR}),
    "POST /v1/lists/{name}/quarantine/{entry}/release": frozenset({Role.SUPERVISOR}),
    "GET /v1/lists/{name}/answers": frozenset({Role.SUPERVISOR}),
    "GET /v1/openapi.json": PUBLIC,
}


def _routes(built):
    for route in built.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                    path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                    yield f"{method} {path}"


def _ask(client, route, headers):
    method, path = route.split()
    name = "KNOWN" if path.startswith("/c/") else "known"
    path = path.format(
        name=name,
        bank=name,
        kind="MD5",
        member=1,
        entry=1,
        node=1,
        group=1,
        app=1,
        content=1,
        api="tutela",
        conversation="c1",
    )
    return client.request(method, path, headers=headers, follow_redirects=False)


def test_every_route_is_in_the_table_and_the_other_way_round(small):
    assert set(_routes(app.build(small.desk))) == set(TABLE)


def test_only_the_roles_of_the_table_may(client, small):
    tokens = {
        role: small.account("Example Hotline", f"as.{role.value}", role).bearer for role in Role
    }
    nothing = small.account("Example Hotline", "as.nobody", None).bearer
    for route, roles in TABLE.items():
        if roles is PUBLIC:
            assert _ask(client, route, {}).status_code == 200
            continue
        for role, headers in tokens.items():
            answer = _ask(client, route, headers)
            status = answer.status_code
            # Who may come in may still be told that the operator lets no file in.
            closed = status == 403 and answer.json()["code"] == "refused"
            assert closed == (role not in roles), (route, role, status)
            assert status != 401
            # This server has no library to match against, and scores no conversations.
            missing = {"no_library", "chat_off"}
            assert status < 500 or answer.json()["code"] in missing, (route, role)
        assert _ask(client, route, nothing).status_code == 403
        answer = _ask(client, route, {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "route",
    [
        route
        for route, roles in TABLE.items()
        if re.search(r"\{(name|bank|group)\}", route) and Role.LIST_MEMBER in roles
    ],
)
def test_a_list_is_not_there_for_who_is_no_member(client, small, route):
    outsider = small.account("Another Platform", "outsider", Role.LIST_MEMBER)
    method, path = route.split()
    unknown = path.replace("{name}", "nowhere").replace("{bank}", "NOWHERE")
    theirs = _ask(client, route, outsider.bearer)
    nobodys = _ask(client, f"{method} {unknown}", outsider.bearer)
    bodies = {"PUT", "POST"}
    if method not in bodies:  # those say first that an empty body is no feedback
        assert theirs.status_code == 404, theirs.text
        assert theirs.json() == nobodys.json() or "{group}" in path
    assert theirs.status_code == nobodys.status_code


def test_every_answer_may_be_kept_by_nobody(client, small):
    for path in ("/v1/status", "/feed", "/nowhere", "/ncmec/known/v2/entries"):
        answer = client.get(path, headers=small.members["platform"].bearer)
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
