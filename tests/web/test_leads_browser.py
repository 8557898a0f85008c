"""An investigator works on a lead with the keyboard alone, on a wide screen and a narrow one."""

from __future__ import annotations

import browsing
import leads_support
import pytest
import web_support

from tutela.observation.sealing import Words


@pytest.fixture
def place(embedded, tmp_path) -> web_support.Installation:
    built = web_support.build(embedded, tmp_path, None)
    leads_support.fill(embedded, built.case_id, Words(built.office.vault))
    return built


def tab_to(page, selector: str) -> None:
    """Reach an element with the Tab key."""
    for _ in range(90):
        if page.locator(selector).first.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached by Tab")


def press(page, selector: str) -> None:
    tab_to(page, selector)
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press("Enter")


def test_from_the_ranking_to_an_asked_release_by_keyboard(place: web_support.Installation):
    with web_support.Serving(place) as origin, browsing.browser() as context:
        browsing.sign_in(context, origin, place.tokens["investigator"])
        page = context.new_page()
        complaints, inaccessible = browsing.complaints(page), []
        case = f"{origin}/cases/{place.case_id}"
        page.goto(f"{case}/leads")
        inaccessible += browsing.inaccessible(page)
        press(page, "main form button")
        assert page.locator("tbody th", has_text="heron").count() == 1
        inaccessible += browsing.inaccessible(page)
        press(page, "a:has-text('heron')")
        assert "/accounts/" in page.url
        browsing.keep_picture(page, "lead")
        assert page.locator("text=a boat for the harbour").count() == 0
        press(page, "button:has-text('Open the words of 10')")
        said = page.locator("text=a boat for the harbour").first
        assert not said.is_visible(), "closed until asked for"
        tab_to(page, "td details summary")
        page.keyboard.press("Enter")
        assert said.is_visible()
        inaccessible += browsing.inaccessible(page)
        press(page, "button:has-text('Propose as a lead')")
        assert page.url.endswith("/leads")
        tab_to(page, "#ask-1")
        page.keyboard.insert_text("for the unit in the north")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/approvals")
        assert page.locator("text=for the unit in the north").count() == 1
        assert inaccessible == []
        assert complaints == []


def test_nothing_is_wider_than_a_narrow_screen(place: web_support.Installation):
    narrow = {"width": 320, "height": 640}
    with web_support.Serving(place) as origin, browsing.browser(viewport=narrow) as context:
        browsing.sign_in(context, origin, place.tokens["investigator"])
        page = context.new_page()
        case = f"{origin}/cases/{place.case_id}"
        page.goto(f"{case}/leads")
        page.click("main form button")
        heron = leads_support.account(place.database, place.case_id, "heron")
        for path in ("leads", f"accounts/{heron}", "sites", "sites/2", "graph", "observed"):
            page.goto(f"{case}/{path}")
            assert page.evaluate("document.documentElement.scrollWidth") == 320, path
            assert browsing.inaccessible(page) == [], path
            browsing.keep_picture(page, f"leads-{path.partition('/')[0]}")
