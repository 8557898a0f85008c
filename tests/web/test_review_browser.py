"""Review in a real browser, with real key presses."""

from __future__ import annotations

import browsing
import pytest
import web_support
from playwright.sync_api import expect
from sqlalchemy import func, select

import databases
from tutela.evidence.render import Renderer
from tutela.store import Database
from tutela.store.tables.audit import AuditEvent
from tutela.store.tables.casework import CaseMedia
from tutela.store.tables.grading import Grade, View, Vote


@pytest.fixture(scope="module")
def served(sqlite_template, tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    with (
        Renderer(jobs=1) as renderer,
        Database(databases.sqlite_factory(sqlite_template, folder).url()) as database,
    ):
        made = web_support.build(database, folder, renderer)
        with web_support.Serving(made) as address:
            yield made, address


@pytest.fixture
def page(served):
    installation, address = served
    with browsing.browser(viewport={"width": 1280, "height": 900}) as context:
        browsing.sign_in(context, address, installation.tokens["grader"])
        opened = context.new_page()
        found = browsing.complaints(opened)
        yield opened
        assert found == []


def _review(page, served, query=""):
    installation, address = served
    page.goto(f"{address}/cases/{installation.case_id}/review{query}")
    expect(page.locator(".cell.current img")).to_be_visible()


def _row(installation, media):
    with installation.database.read() as tx:
        return tx.execute(
            select(CaseMedia.state, CaseMedia.code).where(CaseMedia.media_id == media)
        ).one()


def _given(installation, media):
    with installation.database.read() as tx:
        given = select(func.count()).where(Grade.media_id == media, Grade.basis == "viewed")
        return tx.execute(given).scalar_one()


def test_a_grader_works_with_keys_alone(page, served):
    installation, _ = served
    _review(page, served)
    browsing.keep_picture(page, "review")
    assert browsing.inaccessible(page) == []
    # Blurred only: the clear picture was never sent.
    assert page.locator(".cell").count() == 1 + web_support.PICTURES - web_support.STACKED

    page.keyboard.press("c")
    expect(page.locator("#saving")).to_be_hidden()
    expect(page.locator("#status")).to_contain_text("3")
    lead, second, third = installation.media[:3]
    assert tuple(_row(installation, lead)) == ("graded", "C")
    assert (
        tuple(_row(installation, second)) == tuple(_row(installation, third)) == ("inferred", "C")
    )
    with installation.database.read() as tx:
        assert tx.execute(select(Vote.media_id, Vote.code)).all() == [(lead, "C")]

    # The focus has gone on by itself; undo takes the decision of the whole stack back.
    assert page.locator(".cell:focus").get_attribute("data-index") == "1"
    page.keyboard.press("u")
    assert page.locator(".cell:focus").get_attribute("data-index") == "0"
    expect(page.locator("#saving")).to_be_hidden()
    assert tuple(_row(installation, lead)) == ("open", None)
    assert tuple(_row(installation, second)) == ("open", None)

    page.keyboard.press("End")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("b")
    page.keyboard.press("s")
    page.keyboard.press("a")
    expect(page.locator("#saving")).to_be_hidden()
    assert tuple(_row(installation, installation.media[3])) == ("graded", "B")
    assert tuple(_row(installation, installation.media[5])) == ("graded", "A")
    assert browsing.inaccessible(page) == []


def test_a_key_pressed_once_too_often_takes_nothing_back(served):
    installation, address = served
    with browsing.browser() as context:
        browsing.sign_in(context, address, installation.tokens["grader"])
        page = context.new_page()
        _review(page, served)
        count = page.locator('.cell[data-state="open"]').count()
        assert count > 3
        for _ in range(count + 3):
            page.keyboard.press("n")
        expect(page.locator("#saving")).to_be_hidden()
        expect(page.locator("#status")).to_contain_text("12 of 12")
        codes = [_row(installation, media).code for media in installation.media]
        assert None not in codes
        assert codes.count("none") >= count
        for _ in range(count):
            page.keyboard.press("u")
        expect(page.locator("#saving")).to_be_hidden()


def test_a_clear_picture_is_shown_while_the_key_is_held_and_is_recorded(page, served):
    installation, _ = served
    _review(page, served)
    media = int(page.locator(".cell.current").get_attribute("data-media"))
    page.keyboard.down(" ")
    expect(page.locator("#clear img")).to_be_visible()
    browsing.keep_picture(page, "clear")
    page.keyboard.up(" ")
    expect(page.locator("#clear")).to_be_hidden()
    assert page.locator("#clear img").get_attribute("src") is None
    assert page.locator(".cell:focus").count() == 1
    with installation.database.read() as tx:
        assert tx.execute(select(View.media_id)).scalars().all() == [media]
        events = select(func.count()).where(AuditEvent.action == "media.viewed")
        assert tx.execute(events).scalar_one() == 1
    expect(page.locator("#meter")).to_contain_text("1")


def test_a_save_that_fails_stays_visible_and_is_tried_again(served):
    installation, address = served
    with browsing.browser() as context:
        browsing.sign_in(context, address, installation.tokens["grader"])
        page = context.new_page()
        _review(page, served, "?state=open&sort=-size")
        refused = {"left": 2}

        def answer(route):
            if refused["left"]:
                refused["left"] -= 1
                route.fulfill(status=503, body="{}")
            else:
                route.continue_()

        page.route("**/grades", answer)
        media = int(page.locator(".cell.current").get_attribute("data-media"))
        before = _given(installation, media)
        page.keyboard.press("c")
        expect(page.locator("#saving.failed")).to_be_visible()
        assert page.locator('.cell[data-state="unsaved"]').count() == 1
        expect(page.locator("#saving")).to_be_hidden(timeout=20_000)
    assert _row(installation, media).code == "C"
    assert _given(installation, media) == before + 1


def test_it_fits_a_narrow_screen_and_the_list_needs_no_script(served):
    installation, address = served
    with browsing.browser(
        viewport={"width": 320, "height": 640}, java_script_enabled=False
    ) as context:
        browsing.sign_in(context, address, installation.tokens["grader"])
        page = context.new_page()
        for path in ("", "/review", "/items", "/timeline", "/map", "/links", "/team", "/second"):
            page.goto(f"{address}/cases/{installation.case_id}{path}")
            width = page.locator("html").bounding_box()["width"]
            assert width <= 320, path
        page.goto(f"{address}/cases/{installation.case_id}/items?sort=-size")
        row = page.locator("tbody tr").first
        row.locator("select").select_option("B")
        row.locator("button").click()
        expect(page.locator("tbody tr").first.locator("td").nth(2)).to_have_text("B")


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("grader", ""),
        ("grader", "/items"),
        ("grader", "/hits"),
        ("grader", "/timeline"),
        ("grader", "/map"),
        ("grader", "/links"),
        ("victim_identification", "/series"),
        ("grader", "/second"),
        ("examiner", "/team"),
    ],
)
def test_pages_of_a_case_are_accessible(served, role, path):
    installation, address = served
    with browsing.browser() as context:
        browsing.sign_in(context, address, installation.tokens[role])
        page = context.new_page()
        found = browsing.complaints(page)
        page.goto(f"{address}/cases/{installation.case_id}{path}")
        browsing.keep_picture(page, f"case{path.replace('/', '-')}")
        assert browsing.inaccessible(page) == []
        assert found == []
