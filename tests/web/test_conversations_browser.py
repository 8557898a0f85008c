"""An examiner reads and decides a conversation by keyboard, without scripts, wide and narrow."""

from __future__ import annotations

import browsing
import conversations_support
import pytest
import web_support


@pytest.fixture
def place(embedded, tmp_path) -> web_support.Installation:
    built = web_support.build(embedded, tmp_path, None)
    conversations_support.fill(built)
    return built


def tab_to(page, selector: str) -> None:
    """Reach an element with the Tab key."""
    for _ in range(150):
        if page.locator(selector).first.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached by Tab")


def press(page, selector: str) -> None:
    tab_to(page, selector)
    with page.expect_navigation(wait_until="load"):
        page.keyboard.press("Enter")


def test_from_the_list_to_a_decision_by_keyboard_without_scripts(place: web_support.Installation):
    with (
        web_support.Serving(place) as origin,
        browsing.browser(java_script_enabled=False) as context,
    ):
        browsing.sign_in(context, origin, place.tokens["examiner"])
        page = context.new_page()
        complaints = browsing.complaints(page)
        page.goto(f"{origin}/cases/{place.case_id}/conversations?budget=2")
        browsing.keep_picture(page, "conversations")
        press(page, "a:has-text('Conversation 1')")
        assert page.locator("mark").first.inner_text() == "boat"
        assert page.locator("text=Ann").count() == 0
        browsing.keep_picture(page, "conversation")
        press(page, "a:has-text('47 messages folded')")
        assert page.locator("#m46").count() == 1
        tab_to(page, "#names-reason")
        page.keyboard.insert_text("to ask the harbour master")
        with page.expect_navigation(wait_until="load"):
            page.keyboard.press("Enter")
        assert page.locator("text=Ann").count() > 1
        browsing.keep_picture(page, "conversation-named")
        page.goto(f"{origin}/cases/{place.case_id}/conversations/1")
        press(page, "#m50 button:has-text('does not support it')")
        assert page.url.endswith("#m50")
        assert page.locator("#m50 [aria-pressed=true]").count() == 1
        tab_to(page, "#decide-reason")
        page.keyboard.insert_text("for the unit in the north")
        press(page, "button:has-text('Hand over')")
        assert page.locator("button:has-text('Decide again')").count() == 1
        assert complaints == []


def test_nothing_is_inaccessible_or_wider_than_a_narrow_screen(place: web_support.Installation):
    narrow = {"width": 320, "height": 640}
    with web_support.Serving(place) as origin, browsing.browser(viewport=narrow) as context:
        browsing.sign_in(context, origin, place.tokens["investigator"])
        page = context.new_page()
        complaints = browsing.complaints(page)
        base = f"{origin}/cases/{place.case_id}/conversations"
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            for path in ("", "?which=alert", "/1", "/1?open=0-46", "/2"):
                page.goto(base + path)
                assert page.evaluate("document.documentElement.scrollWidth") == width, path
                assert browsing.inaccessible(page) == [], path
                name = path.strip("/?").replace("?", "-").replace("=", "-") or "list"
                browsing.keep_picture(page, f"conversations-{name}-{width}")
        page.emulate_media(color_scheme="dark")
        page.goto(f"{base}/1")
        page.click("#m50 button >> nth=0")
        assert browsing.inaccessible(page) == []
        browsing.keep_picture(page, "conversation-dark")
        assert complaints == []
