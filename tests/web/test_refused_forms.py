"""A form that is refused is shown again, with what was typed and what is wrong, as 4xx."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from tutela.audit import log
from tutela.cli.open import BREAK_GLASS
from tutela.core.principal import Role
from tutela.web.language import language


class _Fields(HTMLParser):
    """What a page's fields hold, by name; and what it says aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, list[str]] = {}
        self.invalid: set[str] = set()
        self.alert = ""
        self._area = ""
        self._loud = 0

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "input" and given.get("name"):
            self.held.setdefault(given["name"], []).append(given.get("value") or "")
        if given.get("aria-invalid") == "true":
            self.invalid.add(given["name"])
        self._area = given["name"] if tag == "textarea" else ""
        self._loud += given.get("role") == "alert"

    def handle_endtag(self, tag):
        self._area = ""
        self._loud = 0 if tag == "div" else self._loud

    def handle_data(self, data):
        if self._area:
            self.held.setdefault(self._area, []).append(data)
        if self._loud:
            self.alert += data


def sent(client, installation, path, role, form, **headers):
    return client.post(
        path,
        data=form,
        headers={
            "cookie": f"tutela={installation.tokens[str(role)]}",
            "sec-fetch-site": "same-origin",
        }
        | headers,
        follow_redirects=False,
    )


LONG = "word " * 30


@pytest.mark.parametrize(
    ("path", "role", "form", "said", "field"),
    [
        ("/media/{media}/tag", Role.GRADER, {"name": LONG}, "one line of 1 to 60", "name"),
        ("/media/{media}/note", Role.GRADER, {"text": "x" * 10_001}, "a note has", "text"),
        ("/team/add", Role.EXAMINER, {"name": "nobody.here"}, "no account nobody.here", "name"),
        ("/series", Role.VICTIM_IDENTIFICATION, {"name": "Blue", "media": "x1"}, "numbers", ""),
        ("/victims", Role.VICTIM_IDENTIFICATION, {"name": "B", "media": "y"}, "numbers", ""),
        ("/export/ask", Role.EXAMINER, {"reason": " "}, "say why", "reason"),
        ("/delete/ask", Role.SUPERVISOR, {"reason": " "}, "say why", "reason"),
        ("/media/{media}/grade", Role.GRADER, {"code": "Z"}, "no code of uk-abc", ""),
        ("/stacks/{stack}/grade", Role.GRADER, {"code": "Z", "shown": "{media}"}, "no code", ""),
        ("/team/remove", Role.EXAMINER, {"account": "9999"}, "not on this team", ""),
        ("/export", Role.EXAMINER, {"format": "vics", "profile": "Atlantis"}, "unknown VICS", ""),
    ],
)
def test_the_page_comes_back_with_what_was_typed(  # noqa: PLR0917 the columns of the table
    client, installation, path, role, form, said, field
):
    values = {"media": installation.media[5], "stack": installation.stacks[0]}
    path = f"/cases/{installation.case_id}{path}".format(**values)
    form = {name: text.format(**values) for name, text in form.items()}
    answer = sent(client, installation, path, role, form)
    assert answer.status_code == 400
    fields = _Fields()
    fields.feed(answer.text)
    assert said.lower() in fields.alert.lower()
    assert f"/cases/{installation.case_id}/" in answer.text, "it is a page of the case"
    assert fields.invalid == ({field} if field else set())
    for name in form.keys() & {"name", "text", "reason", "media"}:
        assert form[name] in fields.held[name], name
    program = sent(client, installation, path, role, form, accept="application/json")
    assert (program.status_code, program.headers["content-type"]) == (
        400,
        "application/problem+json",
    )


def test_of_several_forms_only_the_one_that_was_sent_holds_it(client, installation):
    path = f"/cases/{installation.case_id}/export/ask"
    fields = _Fields()
    fields.feed(sent(client, installation, path, Role.SUPERVISOR, {"reason": "  "}).text)
    assert sorted(fields.held["reason"]) == ["", "  "]


def test_who_may_not_is_shown_no_form(client, installation):
    path = f"/cases/{installation.case_id}/team/add"
    answer = sent(client, installation, path, Role.GRADER, {"name": "x"})
    assert answer.status_code == 403
    assert "aria-invalid" not in answer.text


def test_a_made_up_sentence_is_told_with_its_values():
    german = language("de").told
    assert german("there is no account ann%s <b>") == "es gibt kein Konto ann%s <b>"
    assert german("case OP-7 is closed") == "Fall OP-7 ist geschlossen"
    assert german("the password has fewer than 12 characters") == (
        "das Passwort hat weniger als 12 Zeichen"
    )
    assert german("there is no account 7, or it is closed") == (
        "es gibt kein Konto 7, oder es ist geschlossen"
    )
    assert german("nothing that anybody says") == "nothing that anybody says"
    assert language("en").told("case OP-7 is closed") == "case OP-7 is closed"


def test_the_log_says_facts_as_words_or_json(client, installation):
    with installation.database.write() as tx:
        facts = {"sound": True, "nothing": None, "some": ["a", {"n": 1}], "code": "A"}
        log.record(tx, BREAK_GLASS, "case.held", "case:77", **facts)
    cookie = {"cookie": f"tutela={installation.tokens['auditor']}"}
    page = client.get("/audit?subject=case:77", headers=cookie).text
    assert "code: A, nothing: null, some: [&#34;a&#34;,{&#34;n&#34;:1}], sound: true" in page
