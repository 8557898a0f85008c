"""The pages in German: every page says so, and says nothing in English that the catalog has."""

from __future__ import annotations

import re
from functools import cache
from html.parser import HTMLParser
from importlib.resources import files

import conversations_support
import leads_support
import pytest
from babel.messages.pofile import read_po
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import insert

from tutela.core.principal import Role
from tutela.observation.sealing import Words
from tutela.store.tables.casework import MediaHit
from tutela.web import app

ATTRIBUTES = ("aria-label", "title", "placeholder", "alt")
# Short words, such as `Name` and `no`, are German too or parts of other words.
SHORTEST = 12
# The accounts of the shared installation are called as their roles are.
NAMES = {role.replace("_", " ") for role in Role}


class _Said(HTMLParser):
    """Gathers what a page says: its words, labels, and texts that scripts will say."""

    def __init__(self) -> None:
        super().__init__()
        self.language, self.said = "", []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "html":
            self.language = given["lang"]
        self.said += [
            text or ""
            for name, text in attrs
            if name in ATTRIBUTES or (name.startswith("data-") and name != "data-settings")
        ]

    def handle_data(self, data):
        self.said.append(data)


def _said(answer) -> tuple[str, str]:
    """Return the language of a page and what it says."""
    parser = _Said()
    parser.feed(answer.text)
    parser.close()
    return parser.language, "\n".join(parser.said)


@cache
def _english() -> dict[str, str]:
    """Return parts of English texts by part, between what is filled in; none that German has."""
    with (files("tutela.web") / "languages" / "de.po").open("rb") as stream:
        messages = [message for message in read_po(stream, locale="de") if message.id]
    german = "\n".join(str(message.string) for message in messages)
    found = {}
    for message in messages:
        forms = message.id if isinstance(message.id, tuple) else (message.id,)
        for text in forms:
            for part in re.split(r"%\(\w+\)s|%%", text):
                if len(part.strip()) > SHORTEST and part not in german and part not in NAMES:
                    # Sentences of errors begin with a capital on a page.
                    found |= {part.strip(): text, part[:1].upper() + part[1:].rstrip(): text}
    return found


def _in_english(said: str) -> list[str]:
    return [part for part in _english() if part in said]


def _get(client, installation, path, role):
    headers = {"cookie": f"language=de; tutela={installation.tokens[role]}"}
    return client.get(path, headers=headers, follow_redirects=False)


def _post(client, installation, path, role, form):
    headers = {
        "cookie": f"language=de; tutela={installation.tokens[role]}",
        "sec-fetch-site": "same-origin",
    }
    return client.post(path, data=form, headers=headers, follow_redirects=False)


@pytest.fixture(scope="module")
def used(client, installation):
    """The shared installation after some work, so that pages have something to say."""
    case, media = f"/cases/{installation.case_id}", installation.media
    for path, role, form in (
        (f"{case}/media/{media[4]}/grade", Role.GRADER, {"code": "C"}),
        (f"{case}/stacks/{installation.stacks[0]}/grade", Role.GRADER, {"code": "none"}),
        (f"{case}/media/{media[5]}/tag", Role.GRADER, {"name": "blau"}),
        (f"{case}/media/{media[5]}/note", Role.GRADER, {"text": "Blau"}),
        (f"{case}/series", Role.VICTIM_IDENTIFICATION, {"name": "S", "media": "6", "reason": "R"}),
        (f"{case}/victims", Role.VICTIM_IDENTIFICATION, {"name": "K1", "media": "6"}),
        (f"{case}/export/ask", Role.EXAMINER, {"reason": "Beschluss 1"}),
        (f"{case}/move", Role.EXAMINER, {"act": "hold"}),
    ):
        answer = _post(client, installation, path, role, form)
        assert answer.status_code == 303, (path, answer.text)
    leads_support.fill(
        installation.database, installation.case_id, Words(installation.office.vault)
    )
    assert _post(client, installation, f"{case}/leads", Role.INVESTIGATOR, {}).status_code == 303
    heron = leads_support.account(installation.database, installation.case_id, "heron")
    for path, form in (
        ("propose", {}),
        ("marks", {"kind": "administrator", "reason": "R"}),
        ("marks", {"kind": "contact_abuse", "reason": "R"}),
    ):
        page = f"{case}/accounts/{heron}/{path}"
        assert _post(client, installation, page, Role.INVESTIGATOR, form).status_code == 303
    conversations_support.fill(installation)
    judged = {"verdict": "false", "message": "50", "sign": "picture"}
    page = f"{case}/conversations/1/judge"
    assert _post(client, installation, page, Role.INVESTIGATOR, judged).status_code == 303
    with installation.database.write() as tx:
        for number, strength in ((6, "exact"), (7, "indicative")):
            tx.execute(
                insert(MediaHit).values(
                    case_id=installation.case_id,
                    media_id=media[number],
                    list_name="L",
                    role="alert",
                    strength=strength,
                    algorithm="sha256",
                    distance_bits=0,
                    variant="",
                    entry_number=number,
                    classifications=[],
                    silenced=False,
                )
            )
    return installation


def _pages(installation):
    """Yield the path of every page that is asked for by GET."""
    values = {
        "case_id": installation.case_id,
        "media_id": installation.media[5],
        "stack_id": installation.stacks[0],
        "seq": 0,
        "account_id": installation.accounts["list_member"],
        "name": "uk-abc",
        "site_account_id": leads_support.account(
            installation.database, installation.case_id, "heron"
        ),
        "site_id": 2,
        "conversation_id": 1,
    }
    for route in app.build(installation.office).routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and "GET" in handler.http_methods:
                path = re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path)
                if not path.startswith(("/static", "/welcome", "/oidc")):
                    yield path.format(**values)


def test_every_page_is_german_throughout(client, used):
    shown = set()
    # Between them they are shown everything, and all buttons.
    roles = (
        *(Role.VICTIM_IDENTIFICATION, Role.SUPERVISOR, Role.ADMINISTRATOR),
        *(Role.AUDITOR, Role.INVESTIGATOR),
    )
    for path in [
        *_pages(used),
        "/administration/schemes/vics-us",
        "/administration/schemes/vics-uk",
        "/account/keys?scheme=ncmec",
        f"/cases/{used.case_id}/items?state=graded",
        f"/cases/{used.case_id}/media/{used.media[6]}",
        f"/cases/{used.case_id}/compare?left={used.media[4]}&right={used.media[5]}",
    ]:
        for role in roles:
            answer = _get(client, used, path, role)
            if answer.headers.get("content-type", "").startswith("text/html"):
                lang, said = _said(answer)
                assert lang == "de", path
                assert not _in_english(said), (path, role, answer.status_code)
                if answer.status_code == 200:
                    shown.add(path)
    # What no role was shown would have been checked as a refusal only.
    assert len(shown) > 35
    assert {f"/cases/{used.case_id}/leads", f"/cases/{used.case_id}/graph"} <= shown
    assert f"/cases/{used.case_id}/conversations/1" in shown
    assert {f"/cases/{used.case_id}/review", "/audit", "/administration/rules"} <= shown


def test_without_a_session_too(client):
    for path in ("/sign-in", "/welcome/unknown", "/sign-in/code", "/nowhere"):
        lang, said = _said(client.get(path, headers={"cookie": "language=de"}))
        assert (lang, _in_english(said)) == ("de", []), path
        assert "Tutela" in said
    asked = client.get("/sign-in", headers={"accept-language": "de-CH, en;q=0.5"})
    assert _said(asked)[0] == "de"


def test_what_went_wrong_is_said_in_german(client, installation):
    case = f"/cases/{installation.case_id}"
    for path, role, form, wanted in (
        ("/administration/invite", Role.ADMINISTRATOR, {"name": "x"}, "Ein Kontoname hat 2 bis"),
        (f"{case}/series", Role.VICTIM_IDENTIFICATION, {"series": "1", "media": "x"}, "Medien"),
        ("/account/breaks", Role.GRADER, {"views_before_break": "x"}, "Eine eigene Grenze"),
        ("/cases/new", Role.EXAMINER, {"number": "9"}, "datum fehlt"),
        ("/account/password", Role.GRADER, {"old": "x", "password": "y"}, "nicht das Passwort"),
        ("/administration/rules", Role.ADMINISTRATOR, {}, "Dies ist keine ganze Zahl"),
    ):
        answer = _post(client, installation, path, role, form)
        assert answer.status_code == 400, path
        lang, said = _said(answer)
        assert (lang, _in_english(said)) == ("de", []), path
        assert wanted.lower() in said.lower(), path


def test_scripts_are_told_in_german_what_went_wrong(client, installation):
    answer = client.get(
        f"/cases/{installation.case_id}/media/999999",
        headers={
            "cookie": f"language=de; tutela={installation.tokens['grader']}",
            "accept": "application/json",
        },
    )
    assert answer.json()["title"] == "ein genanntes Medium gehört nicht zu diesem Fall"


def test_values_and_schemes_are_translated(client, used):
    case = f"/cases/{used.case_id}"
    for path, role, words in (
        (case, Role.GRADER, ("vollständig", "Kategorie A", "dieselben Zahlen")),
        (f"{case}/review", Role.GRADER, ("Kategorie C", "Leertaste", "Wie es entstanden ist")),
        (f"{case}/hits", Role.GRADER, ("Alarm, exakt", "Alarm, Hinweis")),
        (f"{case}/items", Role.GRADER, (" Objekte", "bei Eingang bekannt")),
        ("/cases", Role.GRADER, ("offen · Löschsperre",)),
        ("/administration", Role.ADMINISTRATOR, ("Opferidentifizierung", "aktiv", "Person")),
        ("/administration/schemes/uk-abc", Role.ADMINISTRATOR, ("Vereinigtes Königreich",)),
        ("/approvals", Role.EXAMINER, ("Medien eines Falls exportieren",)),
    ):
        _, said = _said(_get(client, used, path, role))
        plain = " ".join(said.split())
        for text in words:
            assert text in plain, (path, text)


def test_english_left_on_a_page_is_found():
    assert _in_english("Sie sehen: You are not signed in.") == ["You are not signed in"]
    assert _in_english("There is no such case")
    assert not _in_english("Sie sind nicht angemeldet. Code: administrator")
