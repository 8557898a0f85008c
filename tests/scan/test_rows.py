import base64
import csv
import io
import sys

import msgspec
import pytest

from tutela.cli import output
from tutela.core.entry import Classification, ListEntry, Provenance, Role
from tutela.core.hit import Hit, Strength
from tutela.core.media import Digests
from tutela.core.time import now
from tutela.evidence.folder import Found
from tutela.scan import rows
from tutela.scan.journal import Recorded
from tutela.scan.wire import Outcome, Status


def hit(role: Role = Role.ALERT, strength: Strength = Strength.EXACT) -> Hit:
    entry = ListEntry(
        provenance=Provenance("list", "file.csv", 7, now(), "someone"),
        classifications=(Classification("uk", "A"),),
    )
    return Hit("list", role, 3, entry, "sha256", strength)


def recorded(path: bytes = b"/a", inside: tuple[bytes, ...] = (), *hits: Hit) -> Recorded:
    outcome = Outcome(
        item=1,
        order=(),
        status=Status.HASHED,
        inside=inside,
        size_bytes=5,
        digests=Digests(sha256=b"\1" * 32),
    )
    return Recorded(Found(path, "file"), outcome, list(hits))


def test_a_content_and_its_hits_are_rows_of_version_1():
    content, found = rows.rows_of(recorded(b"/a.zip", (b"b/c.jpg",), hit()))
    assert (content["v"], content["type"], content["inside"]) == (1, "file", ["b/c.jpg"])
    assert found["type"] == "hit"
    assert found["classification"] == [{"scheme": "uk", "code": "A"}]
    assert found["entry"]["row"] == 7
    assert set(content) | set(found) <= set(rows.COLUMNS)


def test_a_name_that_is_not_utf8_keeps_its_bytes():
    (row,) = rows.rows_of(recorded(b"/\xff\xfe.jpg", (b"in\xe9",)))
    assert row["path"] == "/\\xff\\xfe.jpg"
    assert base64.b64decode(row["path_base64"]) == b"/\xff\xfe.jpg"
    assert [base64.b64decode(name) for name in row["inside_base64"]] == [b"in\xe9"]


@pytest.mark.parametrize("evil", ["\x1b[2J", "a\nb", "\u202egpj.exe", "\x9b31m", "\r"])
def test_a_shown_name_cannot_steer_the_terminal(evil: str):
    seen = rows.shown(evil)
    assert seen.isprintable()
    assert seen != evil


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_csv_cell_is_never_a_formula(start: str, monkeypatch: pytest.MonkeyPatch):
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    write = output.writer("csv", str, ("path", "inside"))
    write({"path": f"{start}cmd|' /C calc'!A0", "inside": [f"{start}x"]})
    _, (path, inside) = csv.reader(io.StringIO(out.getvalue()))
    assert path == f" {start}cmd|' /C calc'!A0"
    assert inside.startswith("[")


def test_an_ignorable_list_silences_what_is_only_indicative():
    alert, known_good = hit(strength=Strength.INDICATIVE), hit(Role.IGNORABLE)
    assert rows.alerts([alert]) == [alert]
    assert rows.alerts([alert, known_good]) == []
    told = list(rows.rows_of(recorded(b"/a", (), alert, known_good)))
    assert [row.get("silenced") for row in told] == [None, True, None]


def test_an_exact_alert_beats_every_other_list():
    exact = hit()
    assert rows.alerts([exact, hit(Role.ALLOW), hit(Role.IGNORABLE)]) == [exact]


def test_rows_are_valid_json_whatever_the_name():
    for row in rows.rows_of(recorded(bytes(range(1, 256)), (b"\xff",), hit())):
        assert msgspec.json.decode(output.jsonl(row)) == msgspec.to_builtins(row)
