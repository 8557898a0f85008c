"""The signed feed: whoever has the key can check it, with our code or with openssl."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import api_support as support
import pytest

from tutela.api.protocols import feed
from tutela.audit import note
from tutela.core.errors import IntegrityError


def fetch(client, small, **asked):
    answer = client.get("/feed/known", params=asked, headers=small.members["platform"].bearer)
    assert answer.status_code == 200, answer.text
    return answer.text


def opened(text: str, verifier: str) -> tuple[dict, list[dict]]:
    parsed = note.parse(text)
    note.verified(parsed, [note.parse_verifier(verifier)])
    head, *lines = map(json.loads, parsed.text.splitlines())
    return head, lines


def test_pages_are_signed_and_bring_all_and_then_the_changes(client, small):
    first, *_ = small.add(*(support.image(number) for number in range(5)))
    verifier = client.get("/feed-key").json()["verifier"]
    kept, after, more = {}, 0, True
    while more:
        head, lines = opened(fetch(client, small, after=after, limit=2), verifier)
        assert (head["after"], head["count"]) == (after, len(lines))
        kept |= {line["id"]: line for line in lines}
        after, more = head["until"], head["more"]
    assert {line["fingerprints"][0]["value"] for line in kept.values()} == {
        support.pdq(number) for number in range(5)
    }
    assert kept[first]["codes"] == [{"jurisdiction": "US", "scheme": "ncmec", "code": "A1"}]
    small.withdraw(first)
    head, (gone,) = opened(fetch(client, small, after=after), verifier)
    assert (gone["id"], gone["state"]) == (first, "withdrawn")
    assert set(gone) == {"id", "content", "state", "change", "changed_at"}
    head, lines = opened(fetch(client, small, after=head["until"]), verifier)
    assert lines == []
    assert head["organisation"] == small.members["platform"].organisation_id


def test_what_was_altered_does_not_verify(client, small):
    small.add(support.image(1))
    verifier = client.get("/feed-key").json()["verifier"]
    text = fetch(client, small)
    opened(text, verifier)
    for altered in (
        text.replace('"A1"', '"A2"'),
        text.replace('"more":false', '"more":true'),
        text.replace(text.splitlines()[1] + "\n", ""),
    ):
        assert altered != text
        with pytest.raises(IntegrityError):
            opened(altered, verifier)


def blocks(language: str) -> list[str]:
    page = Path(__file__).parents[2] / "docs" / "reference" / "wire-protocols.md"
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


@pytest.mark.parametrize("how", ["python", "bash"])
def test_a_page_is_checked_as_the_docs_say(client, small, tmp_path, how):
    small.add(*(support.image(number) for number in range(3)))
    (tmp_path / "key.pem").write_text(client.get("/feed-key").json()["pem"])
    (program,) = [block for block in blocks(how) if "key.pem" in block]
    (tmp_path / "check.py").write_text(program)
    command = {
        "python": [sys.executable, "check.py", "key.pem"],
        "bash": ["bash", "-ec", program],
    }[how]
    text = fetch(client, small)
    for page, right in ((text, True), (text.replace("A1", "A2", 1), False)):
        assert (page == text) == right
        (tmp_path / "page").write_text(page)
        done = subprocess.run(
            command, cwd=tmp_path, input=page, capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0) == right, done.stderr


def test_a_page_is_no_longer_than_a_note_may_be(client, small, monkeypatch):
    monkeypatch.setattr(feed, "LONGEST", 1_500)
    small.add(*(support.image(number) for number in range(9)))
    verifier = client.get("/feed-key").json()["verifier"]
    head, lines = opened(fetch(client, small), verifier)
    assert 0 < len(lines) < 9
    assert head["more"]
    rest = opened(fetch(client, small, after=head["until"], limit=9), verifier)[1]
    assert rest[0]["change"] == head["until"] + 1


def test_without_a_key_nothing_is_signed_and_the_operator_is_told_how(client, small):
    small.desk.settings.api.feed_key.unlink()
    answer = client.get("/feed/known", headers=small.members["platform"].bearer)
    assert (answer.status_code, answer.json()["code"]) == (503, "no_key")
    assert "tutela init" in answer.json()["detail"]
