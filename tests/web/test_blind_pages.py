"""What a second reader sees on the pages of a sibling case does not depend on the first grade."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import web_support
from litestar.handlers import HTTPRouteHandler
from litestar.testing import TestClient
from sqlalchemy import insert, select, update

from tutela.casework import policy
from tutela.core.principal import Principal, Role, Via
from tutela.core.time import now
from tutela.store import Database
from tutela.store.tables.access import CaseMember
from tutela.store.tables.casework import Case, CaseMedia, MediaHit, Stack
from tutela.store.tables.grading import SecondReading
from tutela.web import app

ADMINISTRATOR = Principal(None, None, "test", frozenset(), Via.BREAK_GLASS)
# Changes with each answer, and says nothing.
TOKEN = re.compile(r"(&quot;|&#34;|\")view(&quot;|&#34;|\"): ?\1[\w-]+\1")


@pytest.fixture
def place(embedded: Database, tmp_path) -> web_support.Installation:
    """The installation with a second case; the outsider, of every role, is its whole team."""
    made = web_support.build(embedded, tmp_path, None)
    with embedded.write() as tx:
        policy.change(tx, ADMINISTRATOR, second_reading_permille=1000)
        row = dict(tx.execute(select(Case.__table__)).one()._mapping)
        tx.execute(insert(Case).values(row | {"id": 2, "number": "NS/2026/2"}))
        tx.execute(
            insert(CaseMember).values(
                case_id=2, account_id=made.accounts["outsider"], added_at=now()
            )
        )
        stack = insert(Stack).values(case_id=2, lead_media_id=made.media[0], size=3, cutoff_bits=16)
        number = tx.execute(stack.returning(Stack.id)).scalar_one()
        for position, media in enumerate(made.media[:3]):
            tx.execute(
                insert(CaseMedia).values(
                    case_id=2,
                    media_id=media,
                    state="open",
                    stack_id=number,
                    position=position,
                    priority=0,
                    reasons=[],
                    sightings=1,
                    sampled=False,
                    extra={},
                )
            )
        tx.execute(
            insert(MediaHit).values(
                case_id=2,
                media_id=made.media[0],
                list_name="national",
                role="alert",
                strength="exact",
                algorithm="sha256",
                distance_bits=0,
                variant="",
                entry_number=1,
                classifications=[["uk-abc", "A"]],
                silenced=False,
            )
        )
    made.stacks.append(number)
    return made


# Pages of what was read of sites and exports: they know no grades, and are for others.
OF_SITES = {"leads", "accounts", "sites", "graph", "observed", "conversations"}


def paths(place: web_support.Installation) -> Iterator[str]:
    """Yield every page about a case, for the second one, and filters that name a code."""
    values = {"case_id": 2, "media_id": place.media[0], "stack_id": place.stacks[-1]}
    for route in app.build(place.office).routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods:
                path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                knows_grades = path.partition("{case_id}/")[2].partition("/")[0] not in OF_SITES
                about_a_case = path.startswith("/cases/{case_id}") and knows_grades
                if about_a_case and "thumbnail" not in path:
                    yield path.format(**values)
    for code in ("A", "B"):
        for page in ("items", "review", "review/items"):
            yield f"/cases/2/{page}?code={code}"
    yield from ("/cases", "/disputes", "/cases/2/items?second=yes")


def asked(client: TestClient, place: web_support.Installation, path: str) -> str:
    left, right = place.media[:2]
    if path.endswith("/compare"):
        path += f"?left={left}&right={right}"
    headers = {"cookie": f"tutela={place.tokens['outsider']}"}
    answer = client.get(path, headers=headers, follow_redirects=False)
    assert answer.status_code == 200, (path, answer.text)
    return TOKEN.sub("", answer.text)


def graded(client: TestClient, place: web_support.Installation, code: str) -> None:
    answer = client.post(
        f"/cases/{place.case_id}/media/{place.media[0]}/grade",
        data={"code": code},
        headers={
            "cookie": f"tutela={place.tokens[Role.GRADER]}",
            "sec-fetch-site": "same-origin",
        },
        follow_redirects=False,
    )
    assert answer.status_code == 303, answer.text


def test_no_page_of_a_sibling_case_depends_on_the_first_grade(
    place: web_support.Installation,
) -> None:
    with TestClient(app.build(place.office), base_url="http://127.0.0.1") as client:
        graded(client, place, "A")
        before = {path: asked(client, place, path) for path in paths(place)}
        assert len(before) > 18
        graded(client, place, "B")
        changed = [path for path, text in before.items() if asked(client, place, path) != text]
        assert changed == []
        assert "national" not in before["/cases/2/hits"]
        assert "Not counted" in before["/cases/2"]
        with place.database.write() as tx:
            tx.execute(update(SecondReading).values(state="agreed"))
        told = [path for path, text in before.items() if asked(client, place, path) != text]
        assert {"/cases/2", "/cases/2/hits", "/cases/2/items", "/cases/2/review/items"} <= set(told)
        assert f"/cases/2/media/{place.media[0]}" in told
