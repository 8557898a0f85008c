"""Findings of a review about pages: pictures of other cases, values that no page expected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import web_support
from litestar.testing import TestClient
from sqlalchemy import select, update

from tutela.store import Database
from tutela.store.tables.casework import Case
from tutela.store.tables.grading import Grade
from tutela.web import app

BIG = 10**19
LAST = "9999-12-31"
Pages = tuple[web_support.Installation, TestClient]


@pytest.fixture
def pages(database: Database, tmp_path: Path) -> Iterator[Pages]:
    made = web_support.build(database, tmp_path, None)
    with TestClient(app.build(made.office), "http://127.0.0.1", raise_server_exceptions=False) as c:
        yield made, c


def ask(pages: Pages, role: str, path: str, **body):
    made, client = pages
    client.cookies.set("tutela", made.tokens[role])
    return client.request(
        "POST" if body else "GET",
        path,
        headers={"Sec-Fetch-Site": "same-origin"},
        follow_redirects=False,
        **body,
    )


def test_no_value_breaks_a_page(pages: Pages) -> None:
    media = pages[0].media[0]
    asked = [
        ("grader", f"/cases/{BIG}", {}),
        ("grader", f"/cases/1/media/{BIG}", {}),
        ("grader", "/cases/1/items?until=9999-12-31", {}),
        ("grader", "/cases/1/items?code=%00", {}),
        ("grader", "/cases/1/review/lease", {"json": {"stacks": [BIG - 1]}}),
        ("grader", "/cases/1/undo", {"json": {"request": "y\0"}}),
        ("grader", "/cases/1/second", {"data": {"reading": str(BIG), "code": "A"}}),
        ("supervisor", "/approvals", {"data": {"approval": str(BIG), "decision": "grant"}}),
        ("supervisor", "/audit?before=%C2%B2", {}),
        ("supervisor", f"/audit?before={BIG}", {}),
        ("supervisor", "/audit?day=9999-12-31", {}),
        ("supervisor", "/audit?subject=%00", {}),
        ("examiner", "/cases/1/export/ask", {"data": {"reason": "x\0y"}}),
        (
            "examiner",
            "/cases/new",
            {"data": {"valid_from": "2026-01-01", "valid_until": "9999-12-31"}},
        ),
        (
            "victim_identification",
            "/cases/1/victims",
            {"data": {"victim": str(BIG), "media": str(media)}},
        ),
        ("grader", "/sign-in", {"data": {"name": "a\0b", "password": "x", "code": "1"}}),
    ]
    broken = [
        (role, path)
        for role, path, body in asked
        if ask(pages, role, path, **body).status_code >= 500
    ]
    assert broken == []


def test_a_case_of_fingerprints_shows_no_picture_that_another_keeps(pages: Pages) -> None:
    made, media = pages[0], pages[0].media[0]
    path = f"/cases/{made.case_id}/media/{media}/thumbnail"
    assert ask(pages, "grader", path).status_code == 200
    with made.database.write() as tx:
        tx.execute(update(Case).values(keeps_media=False))
    assert ask(pages, "grader", path).status_code == 404
    clear = f"/cases/{made.case_id}/media/{media}/clear"
    assert ask(pages, "grader", clear, data={"x": ""}).status_code == 404


def test_a_stack_is_seen_as_far_as_its_page_displayed_it(pages: Pages) -> None:
    made = pages[0]
    stack, shown = made.stacks[0], made.media[: web_support.STACKED]
    page = ask(pages, "grader", f"/cases/{made.case_id}/stacks/{stack}").text
    assert f'name="shown" value="{" ".join(map(str, shown))}"' in page
    # One of them came into the stack after the page was drawn.
    form = {"code": "A", "shown": f"{shown[0]} {shown[1]} none"}
    ask(pages, "grader", f"/cases/{made.case_id}/stacks/{stack}/grade", data=form)
    with made.database.read() as tx:
        given = tx.execute(select(Grade.media_id, Grade.basis).order_by(Grade.media_id)).all()
    assert given == [(shown[0], "viewed"), (shown[1], "viewed"), (shown[2], "inferred")]


def test_what_is_too_much_for_one_save_is_not_said_to_be_saved(pages: Pages) -> None:
    made = pages[0]
    many = [{"media": made.media[0], "code": "A"}] * 501
    answer = ask(
        pages, "grader", f"/cases/{made.case_id}/grades", json={"request": "r", "decisions": many}
    )
    assert answer.status_code == 400
    with made.database.read() as tx:
        assert tx.execute(select(Grade.id)).all() == []
