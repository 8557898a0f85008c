"""The tutorial of a first case, followed to the letter: its commands, a browser, real keys."""

from __future__ import annotations

import os
import re
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import browsing
import pyotp
import pytest
from playwright.sync_api import expect

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial" / "first-case.md"
TUTELA = Path(sys.executable).with_name("tutela")
PASSWORD = "a calm and long sentence"


@pytest.fixture
def surroundings(tmp_path):
    """A home of its own, and a free port, for every command."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("CONFIG", "DATA", "STATE")}
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("XDG_")},
        **home,
        "HOME": str(tmp_path),
        "TUTELA_WEB_PORT": str(port),
        "TUTELA_WEB_ORIGIN": f"http://localhost:{port}",
    }


def _commands():
    """Yield each command of the page with the lines that it is said to print."""
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for part in block.split("$ ")[1:]:
            command, *lines = part.strip().splitlines()
            yield shlex.split(command)[1:], lines


def _run(words, lines, surroundings, folder):
    done = subprocess.run(
        [TUTELA, *words], env=surroundings, cwd=folder, capture_output=True, text=True, check=False
    )
    allowed = {0, 1} if words[:2] == ["case", "add"] else {0}
    assert done.returncode in allowed, (words, done.stderr)
    for line in lines:
        assert line in done.stdout + done.stderr, (words, done.stdout)
    return done.stdout + done.stderr


def test_a_newcomer_gets_from_init_to_a_graded_exported_audited_case(surroundings, tmp_path):
    commands = list(_commands())
    _run(["demo"], [], surroundings, tmp_path)
    (init, _), (serve, _) = commands[:2]
    assert serve == ["serve"]
    link = re.search(r"http://\S+/welcome/\S+", _run(init, [], surroundings, tmp_path))[0]
    server = subprocess.Popen(
        [TUTELA, *serve], env=surroundings, cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    try:
        assert "listens" in server.stderr.readline()
        _wait(int(surroundings["TUTELA_WEB_PORT"]))
        middle = [one for one in commands[2:] if one[0][0] != "audit" and one[0][1] != "export"]
        last = [one for one in commands[2:] if one not in middle]
        with browsing.browser(viewport={"width": 1280, "height": 900}) as context:
            page = context.new_page()
            found = browsing.complaints(page)
            _welcome(page, link)
            for words, lines in middle:
                _run(words, lines, surroundings, tmp_path)
            _review(page, surroundings["TUTELA_WEB_ORIGIN"])
            _export(page, tmp_path)
            assert found == []
        for words, lines in last:
            said = _run(words, lines, surroundings, tmp_path)
        assert "sound" in said.lower() or "fit" in said.lower()
        assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    finally:
        server.terminate()
        server.wait(20)
        server.stderr.close()
    assert server.returncode in {0, -15, 130, 143}


def _wait(port):
    """Wait until the server takes connections; the test's time limit bounds it."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def _welcome(page, link):
    page.goto(link)
    secret = page.locator("#secret").inner_text().replace(" ", "")
    page.locator("#password").fill(PASSWORD)
    page.locator("#code").fill(pyotp.TOTP(secret).now())
    page.keyboard.press("Enter")
    expect(page.locator("ul.mono li").first).to_be_visible()


def _review(page, origin):
    page.goto(f"{origin}/cases")
    page.get_by_role("link", name="NS/2026/1").click()
    browsing.keep_picture(page, "board")
    assert browsing.inaccessible(page) == []
    page.get_by_role("link", name="Review", exact=True).click()
    expect(page.locator(".cell.current img")).to_be_visible()
    browsing.keep_picture(page, "review")
    stacks = page.locator(".cell").count()
    assert stacks > 5
    page.keyboard.down(" ")
    expect(page.locator("#clear img")).to_be_visible()
    page.keyboard.up(" ")
    expect(page.locator("#meter")).to_contain_text("1 seen clear")
    for _ in range(stacks):
        page.keyboard.press("n")
    expect(page.locator("#saving")).to_be_hidden()
    # How far the case is, is asked for a while after the last save.
    expect(page.locator("#status")).to_contain_text(re.compile(r"\b(\d+) of \1 items decided"))
    assert browsing.inaccessible(page) == []


def _export(page, folder):
    page.get_by_role("link", name="Export", exact=True).click()
    assert browsing.inaccessible(page) == []
    with page.expect_download() as coming:
        page.get_by_role("button", name="Export", exact=True).click()
    coming.value.save_as(folder / "report.html")
    assert "NS/2026/1" in (folder / "report.html").read_text()
    page.get_by_role("button", name="End session").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
