"""From a mixed folder of exports to a ranked list with reasons: on the terminal, in the browser."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path

import pytest
from installed import Installed, accept, link

import chat_exports
from chat_exports import Line
from tutela.cli.demo.draw import landscape
from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.core.time import now
from tutela.fingerprint import content
from tutela.fingerprint.digest import digests
from tutela.hashlist.library import Library
from tutela.hashlist.live import Change, LiveList

CASE = "OP-21"
GLASS = ("--break-glass", "a test of the whole way")
AUTHORITY = ["--legal-basis", "Invented Act", "--reference", "W 1", "--granted-by", "A Court"]
BASIS = ("--legal-basis", "warrant W 12 of an invented court")

HARMLESS = [
    Line("u1", "Ann", "Is swimming at six today?", 0),
    Line("u2", "Björn", "Yes, at the old pool. Bring your cap", 1),
    Line("u1", "Ann", "can you send a photo of the timetable?", 4),
    Line("u2", "Björn", "later, I am on the bus", 7),
]
RISKY = [
    Line("u1", "kite", "hey, how old are you?", 0),
    Line("u2", "mo", "im 13", 1),
    Line("u1", "kite", "are you home alone right now?", 2),
    Line("u2", "mo", "my brother is here", 3),
    Line("u1", "kite", "can you send me a picture of you", 5),
    Line("u2", "mo", "no, i dont want to", 6),
    Line("u1", "kite", "come on, send me a pic of yourself, just one", 7),
    Line("u1", "kite", "dont tell your parents about us", 8),
    Line("u2", "mo", "i have to go", 9),
]


@pytest.fixture
def home(tmp_path: Path) -> Installed:
    installed = Installed.new(tmp_path / "home", f"sqlite:///{tmp_path / 'home' / 'tutela.db'}")
    installed.run(
        *("account", "roles", "cli", "--role", "examiner", "--role", "investigator"),
        *("--reason", "reads conversations", *GLASS),
    )
    installed.run("case", "new", CASE, *AUTHORITY)
    return installed


@pytest.fixture
def exports(tmp_path: Path) -> Path:
    """A folder of every format; the risky one is a WhatsApp export, nested, with a picture."""
    folder = tmp_path / "exports"
    for number, how in enumerate(chat_exports.WRITTEN):
        place = folder / f"{number:02}"
        place.mkdir(parents=True)
        (place / f"pool-{how.id}.{how.format}").write_bytes(how.write(HARMLESS))
    inner = folder / "phone" / "chats"
    inner.mkdir(parents=True)
    picture = Line("u1", "kite", "look", 6, media="IMG-1.jpg")
    (inner / "kite.txt").write_bytes(chat_exports.android([*RISKY[:5], picture, *RISKY[5:]]))
    landscape(7).convert("RGB").save(inner / "IMG-1.jpg")
    (folder / "notes.txt").write_text("Buy milk.\n")
    return folder


def rows(text: str) -> tuple[list[dict], dict, dict]:
    """Return the conversations, the budget and the totals of JSON lines."""
    found = [json.loads(line) for line in text.splitlines()]
    *talks, budget, totals = found
    assert {row["type"] for row in talks} <= {"conversation"}
    assert (budget["type"], totals["type"]) == ("budget", "total")
    return talks, budget, totals


def list_picture(installed: Installed, picture: bytes) -> None:
    path = installed.settings.library.path
    Library.create(path)
    live = LiveList.create(path, "known", role=Role.ALERT)
    entry = ListEntry(
        Provenance("known", "test", 1, now()),
        digests(picture),
        tuple(one for one in content.fingerprint(picture) if one.variant == "original"),
        (Classification("uk-abc", "A"),),
    )
    live.apply([Change(b"1", entry)], b"")


def test_nothing_is_scored_without_a_legal_basis(home: Installed, exports: Path):
    refused = home.run("chat", "score", exports, status=2)
    assert "legal basis" in refused.stderr
    assert "--case" in refused.stderr


def test_a_mixed_folder_becomes_a_ranked_list_with_reasons(home: Installed, exports: Path):
    done = home.run("chat", "score", exports, "--budget", 3, *BASIS)
    assert "They prove nothing" in done.stdout
    assert "offender" not in done.stdout
    first = done.stdout.partition("\n")[2].partition("\n   2.")[0]
    assert "over the point" in first
    assert "phone/chats/kite.txt" in first
    assert "send me a picture of you" in first
    assert "speaker 1 towards speaker 2" in first
    assert "no data" in done.stdout, "nobody said what harmless traffic is like here"
    assert "warrant W 12" in done.stdout


def test_rows_say_where_every_sign_was_and_totals_add_up(home: Installed, exports: Path):
    words = ("--budget", 5, "--format", "jsonl", *BASIS)
    talks, _, totals = rows(home.run("chat", "score", exports, *words).stdout)
    assert totals["alerts"] == 1
    assert totals["sources"] == len(chat_exports.WRITTEN) + 1
    assert totals["left"] == {"no_conversation": 1, "media": 1} | totals["left"]
    top = talks[0]
    assert top["alert"]
    assert {"picture", "secrecy", "alone"} <= set(top["signs"])
    said = [
        one for pair in top["pairs"] for reason in pair["reasons"] for one in reason["messages"]
    ]
    assert all("text" in one for one in said)
    quiet = rows(home.run("chat", "score", exports, "--no-text", *words).stdout)[0]
    assert not any(
        "text" in one
        for row in quiet
        for pair in row["pairs"]
        for reason in pair["reasons"]
        for one in reason["messages"]
    )
    assert not any(row["conversation"] for row in quiet), "they are numbered"


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_a_picture_that_a_list_has_is_a_reason(home: Installed, exports: Path, *, packed: bool):
    list_picture(home, (exports / "phone" / "chats" / "IMG-1.jpg").read_bytes())
    if packed:
        shutil.make_archive(str(exports / "phone"), "zip", exports / "phone" / "chats")
        shutil.rmtree(exports / "phone")
    words = ("--budget", 1, "--format", "jsonl", *BASIS)
    (top,), _, totals = rows(home.run("chat", "score", exports, *words).stdout)
    assert "known_media" in top["signs"]
    assert totals["known"] == 1


def test_harmless_traffic_says_what_a_budget_means(home: Installed, exports: Path, tmp_path: Path):
    calm = tmp_path / "calm"
    calm.mkdir()
    for number in range(30):
        (calm / f"{number}.jsonl").write_bytes(chat_exports.jsonl(HARMLESS))
    words = ("--budget", 1, "--harmless", calm, "--format", "jsonl", *BASIS)
    _, budget, _ = rows(home.run("chat", "score", exports, *words).stdout)
    assert budget["harmless"] == 30
    assert budget["false_rate"] == 0.0
    assert 0.05 < budget["false_rate_most"] < 0.13, "three in thirty cannot be ruled out"


def test_csv_has_conversations_and_the_rest_is_said_aside(home: Installed, exports: Path):
    done = home.run("chat", "score", exports, "--budget", 2, "--format", "csv", *BASIS)
    (row,) = csv.DictReader(io.StringIO(done.stdout))
    assert (row["type"], row["alert"]) == ("conversation", "true")
    assert "warrant W 12" in done.stderr
    assert "no data" in done.stderr


def test_the_same_traffic_comes_as_far_as_itself(home: Installed, exports: Path):
    words = ("--budget", 1, "--harmless", exports, "--zone", "Asia/Tokyo", "--format", "jsonl")
    _, budget, _ = rows(home.run("chat", "score", exports, *words, *BASIS).stdout)
    assert budget["false_alerts"] >= 1


def test_a_case_keeps_them_and_the_browser_shows_them(home: Installed, exports: Path):
    home.run("chat", "score", exports, "--case", CASE, "--no-encoder")
    again = home.run("chat", "score", exports, "--case", CASE, "--no-encoder", "--format", "jsonl")
    assert rows(again.stdout)[2]["legal_basis"] == f"authority of case {CASE}"
    words = ["--display-name", "Iris Vale", "--role", "investigator", *GLASS]
    invited = home.run("account", "invite", "iris.vale", *words)
    with home.serving(), home.client() as browser:
        accept(browser, link(invited.stdout))
        home.run("case", "team", CASE, "--add", "iris.vale")
        (case,) = set(re.findall(r'href="/cases/(\d+)"', browser.get("/cases").text))
        listed = browser.get(f"/cases/{case}/conversations")
        assert "triage, not proof" in listed.text
        numbers = re.findall(rf'href="/cases/{case}/conversations/(\d+)"', listed.text)
        page = browser.get(f"/cases/{case}/conversations/{numbers[0]}").text
        words = re.sub(r"<[^>]*>|\s+", " ", page)
        assert "picture of you" in words
        assert "kite" not in words, "names are masked"
        form = {"verdict": "true"}
        judged = browser.post(f"/cases/{case}/conversations/{numbers[0]}/judge", data=form)
        assert judged.status_code == 303, judged.text
        evaluated = home.run("chat", "evaluate", "--case", CASE, "--no-encoder")
        assert "precision" in evaluated.stdout
        assert "no data" in evaluated.stdout
        assert "not evidence of performance on real victims" in evaluated.stdout
    home.assert_sound()
