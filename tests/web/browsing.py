"""A real browser for tests: Debian's Chromium, driven by Playwright, with axe at hand."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page, sync_playwright

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What WCAG 2.2 AA asks for, as far as a program can tell.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


@contextlib.contextmanager
def browser(**options: object) -> Iterator[BrowserContext]:
    """Start Chromium with a profile of its own."""
    assert Path(CHROMIUM).exists(), "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield started.new_context(**options)
        finally:
            started.close()


def sign_in(context: BrowserContext, address: str, token: str) -> None:
    """Give the browser the cookie that signing in gives."""
    context.add_cookies([{"name": "tutela", "value": token, "url": address}])


def complaints(page: Page) -> list[str]:
    """Collect what the browser complains about from now on, such as a broken content policy."""
    found: list[str] = []
    page.on("console", lambda said: found.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    return found


def inaccessible(page: Page) -> list[str]:
    """Return what axe finds wrong on the page as it is now.

    axe is put in through the debugger, which the page's content policy does not govern.
    """
    options = {"runOnly": {"type": "tag", "values": RULES}}
    answer = Axe().run(page, options=options)
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in answer.response["violations"]
        for node in one["nodes"]
    ]


def keep_picture(page: Page, name: str) -> None:
    """Keep a screenshot for the docs where `TUTELA_PICTURES` names a folder."""
    folder = os.environ.get("PICTURES")
    if folder:
        page.wait_for_load_state("networkidle")
        page.screenshot(path=str(Path(folder) / f"{name}.png"))
