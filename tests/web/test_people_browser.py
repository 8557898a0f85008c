"""A person comes in with a real browser and its keyboard, then adds a passkey and uses it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import browsing
import people_support as people
import pyotp
import pytest
import uvicorn

from tutela.core.principal import Role


@pytest.fixture
def town(embedded, tmp_path) -> people.Town:
    # Passkeys are bound to the origin, so the port has to be known before.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return people.town(embedded, tmp_path, origin=f"http://localhost:{port}")


@contextlib.contextmanager
def serving(town: people.Town) -> Iterator[str]:
    origin = town.office.settings.web.origin
    port = int(origin.rpartition(":")[2])
    server = uvicorn.Server(
        uvicorn.Config(town.app, port=port, log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    try:
        yield origin
    finally:
        server.should_exit = True
        thread.join()


def tab_to(page, selector: str) -> None:
    """Reach an element with the Tab key, as somebody without a mouse does."""
    for _ in range(60):
        if page.locator(selector).evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{selector} cannot be reached by Tab")


def type_into(page, selector: str, text: str) -> None:
    tab_to(page, selector)
    page.keyboard.insert_text(text)  # as pasting does


def test_from_the_link_to_a_passkey_without_a_mouse(town):
    _, token = town.invite("ann", Role.GRADER, Role.ADMINISTRATOR)
    with serving(town) as origin, browsing.browser() as context:
        page = context.new_page()
        complaints = browsing.complaints(page)
        inaccessible = []

        page.goto(f"{origin}/welcome/{token}")
        inaccessible += browsing.inaccessible(page)
        totp = pyotp.TOTP(page.locator("#secret").inner_text().replace(" ", ""))
        type_into(page, "#password", people.PASSWORD)
        type_into(page, "#code", totp.now())
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Your recovery codes")
        codes = page.locator("main li").all_inner_texts()
        inaccessible += browsing.inaccessible(page)

        debugger = context.new_cdp_session(page)
        debugger.send("WebAuthn.enable")
        debugger.send(
            "WebAuthn.addVirtualAuthenticator",
            {
                "options": {
                    "protocol": "ctap2",
                    "transport": "internal",
                    "hasResidentKey": True,
                    "hasUserVerification": True,
                    "isUserVerified": True,
                }
            },
        )
        page.goto(f"{origin}/account")
        inaccessible += browsing.inaccessible(page)
        type_into(page, "#passkey-label", "blue key")
        type_into(page, "#passkey-password", people.PASSWORD)
        tab_to(page, "#passkey button")
        page.keyboard.press("Enter")
        page.wait_for_selector("th:has-text('blue key')")

        tab_to(page, ".self button")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/sign-in")
        inaccessible += browsing.inaccessible(page)
        type_into(page, "#name", "ann")
        type_into(page, "#password", people.PASSWORD)
        type_into(page, "#code", codes[0])
        page.keyboard.press("Enter")
        page.wait_for_selector(".self >> text=ann")

        for path in (
            "/account/keys",
            "/account/credentials",
            "/administration",
            "/administration/rules",
            "/administration/schemes",
            "/administration/schemes/vics-us",
            "/administration/accounts/1",
            "/approvals",
        ):
            page.goto(origin + path)
            inaccessible += browsing.inaccessible(page)

        page.locator(".self button").press("Enter")
        page.goto(f"{origin}/sign-in?next=/account")
        tab_to(page, "#passkey button")
        page.keyboard.press("Enter")
        page.wait_for_url(f"{origin}/account")
        assert page.locator("th:has-text('blue key')").count() == 1

        assert inaccessible == []
        assert complaints == []
