"""`tutela list`, as a person runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tutela.cli.main import run

MD5 = ["0cc175b9c0f1b6a831c399e269772661", "92eb5ffee6ae2fec3ad71c777531578f"]


@pytest.fixture
def hashes(tmp_path):
    file = tmp_path / "hashes.txt"
    file.write_text("\n".join(MD5) + "\n")
    return str(file)


def imported(hashes, *more: str) -> int:
    return run(["list", "import", hashes, "--name", "L", "--role", "alert", *more])


def test_import_then_info_then_export(hashes, tmp_path, capfd):
    assert imported(hashes, "--from", "Example Hotline", "--scheme", "uk-2014", "--code", "A") == 0
    assert "2 entries of 2 rows" in capfd.readouterr().out
    assert run(["list", "info", "--format", "jsonl"]) == 0
    row = json.loads(capfd.readouterr().out)
    assert (row["v"], row["type"], row["name"], row["entries"]) == (1, "list", "L", 2)
    assert row["received_from"] == "Example Hotline"
    assert run(["list", "info", "L"]) == 0
    assert "classification  uk-2014 A: 2, alert" in capfd.readouterr().out
    out = tmp_path / "out.txt"
    assert (
        run(["list", "export", "L", "--format", "lines", "--algorithm", "md5", "-o", str(out)]) == 0
    )
    assert out.read_text().split() == MD5
    assert "not carried by lines: classification (2 entries)" in capfd.readouterr().err
    assert run(["list", "export", "L", "--format", "vics", "--model", "1.3"]) == 0
    text = capfd.readouterr().out
    assert [medium["MD5"].lower() for medium in json.loads(text)["value"]] == MD5


def test_bad_rows_give_exit_status_1_and_say_where_they_are(tmp_path, capfd):
    file = tmp_path / "hashes.txt"
    file.write_text(f"{MD5[0]}\nnot a hash\n")
    assert imported(str(file)) == 1
    error = capfd.readouterr().err
    (said,) = re.findall(r"note: 1 of 2 rows is in quarantine, with its reason, in (.*)", error)
    (row,) = Path(said).read_text().splitlines()
    assert json.loads(row)["text"] == "not a hash"


def test_a_file_without_a_usable_entry_gives_exit_status_1(tmp_path, capfd):
    (tmp_path / "empty.txt").touch()
    assert imported(str(tmp_path / "empty.txt")) == 1
    said = capfd.readouterr()
    assert "L: 0 entries of 0 rows" in said.out
    assert "no entry can be compared" in said.err


def test_options_that_change_nothing_are_named(tmp_path, capfd):
    file = tmp_path / "list.csv"
    file.write_text(f"md5,scheme,code\n{MD5[0]},s,1\n")
    assert imported(str(file), "--role-of", "1=allow", "--role-of", "7=ignorable") == 1
    error = capfd.readouterr().err
    assert "--role-of 7=ignorable changed nothing" in error
    assert "--role-of 1" not in error
    assert imported(str(file), "--replace", "--algorithm", "pdq") == 0
    assert "--algorithm pdq changed nothing" in capfd.readouterr().err


def test_an_export_overwrites_nothing_unless_told(hashes, capfd):
    assert imported(hashes) == 0
    export = ["list", "export", "L", "--format", "csv", "-o", hashes]
    before = Path(hashes).read_text()
    assert run(export) == 2
    assert "--replace" in capfd.readouterr().err
    assert Path(hashes).read_text() == before
    assert run([*export, "--replace"]) == 0
    assert Path(hashes).read_text().startswith("v,md5")


def test_all_lists_stand_under_a_header(hashes, capfd):
    assert run(["list", "import", hashes, "--name", "one", "--role", "alert"]) == 0
    assert run(["list", "import", hashes, "--name", "two", "--role", "alert"]) == 0
    capfd.readouterr()
    assert run(["list", "info"]) == 0
    header, *rows = capfd.readouterr().out.splitlines()
    assert header.split() == ["name", "role", "entries", "format", "received", "from"]
    assert [row.split()[:4] for row in rows] == [
        [name, "alert", "2", "lines"] for name in ("one", "two")
    ]
    assert header.index("received") == rows[0].index("20")
    assert header.index("entries") + len("entries") == rows[0].index("  lines")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list", "info"], "there is no library"),
        (["list", "import", "missing.txt", "--name", "L", "--role", "alert"], "cannot read"),
        (["list", "import", "x", "--name", "L", "--role", "evil"], "Choose from"),
        (
            ["list", "import", "x", "--name", "L", "--role", "alert", "--format", "x"],
            "unknown list",
        ),
        (["list", "import", "x", "--name", "L", "--role", "alert", "--role-of", "1"], "CODE=ROLE"),
    ],
)
def test_wrong_use_gives_exit_status_2_and_a_reason(words, said, capfd):
    assert run(words) == 2
    error = capfd.readouterr().err
    assert said in error


def test_a_broken_file_gives_exit_status_1(tmp_path, capfd):
    file = tmp_path / "set.json"
    file.write_text('{"@odata.context":"x","value":[{"MD5":')
    assert imported(str(file)) == 1
    assert "ends at byte" in capfd.readouterr().err


def test_a_name_is_replaced_only_on_request(hashes, capfd):
    assert imported(hashes) == 0
    assert imported(hashes) == 2
    assert "--replace" in capfd.readouterr().err
    assert imported(hashes, "--replace") == 0
    assert run(["list", "remove", "L"]) == 0
    assert run(["list", "info", "L"]) == 2


def test_roles_by_code_are_shown(tmp_path, capfd):
    media = [{"MD5": MD5[0], "Category": 1}, {"MD5": MD5[1], "Category": 0}]
    file = tmp_path / "set.json"
    file.write_text(json.dumps({"@odata.context": "x", "value": media}))
    assert imported(str(file)) == 0
    error = capfd.readouterr().err
    assert "names no VICS model and profile" in error
    assert "say so with --role-of" in error
    assert imported(str(file), "--replace", "--role-of", "0=ignorable") == 0
    assert "--role-of" not in capfd.readouterr().err
    assert run(["list", "info", "L"]) == 0
    assert "vics-unknown-media 0: 1, ignorable" in capfd.readouterr().out


def test_an_export_that_fails_leaves_no_file(hashes, tmp_path, capfd):
    assert imported(hashes) == 0
    out = tmp_path / "out.te"
    assert run(["list", "export", "L", "--format", "te", "-o", str(out)]) == 2
    assert not list(tmp_path.glob("out.te*"))
    assert run(["list", "export", "L", "--format", "csv", "-o", str(tmp_path / "no" / "x")]) == 3
    assert "hint:" in capfd.readouterr().err
