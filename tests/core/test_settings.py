from pathlib import Path

import pytest

from tutela.core import settings
from tutela.core.errors import SettingsError


def test_defaults_need_no_file():
    assert settings.load(environ={}).scan.radius_bits == 31


def test_a_variable_beats_the_file_and_a_flag_beats_both(tmp_path: Path):
    file = tmp_path / "t.toml"
    file.write_text("[scan]\njobs = 2\nradius_bits = 20\n")
    loaded = settings.load(file, environ={"TUTELA_SCAN_JOBS": "3"})
    assert (loaded.scan.jobs, loaded.scan.radius_bits) == (3, 20)
    assert settings.override(loaded, "scan", {"jobs": 4}).scan.jobs == 4


def test_paths_may_begin_at_home():
    loaded = settings.load(environ={"TUTELA_LIBRARY_PATH": "~/lists"})
    assert loaded.library.path == Path.home() / "lists"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[scan]\njob = 1\n", "job"),
        ("[scna]\njobs = 1\n", "scna"),
        ("[scan]\nradius_bits = 32\n", "radius_bits"),
        ("[scan]\njobs = 'many'\n", "jobs"),
        ("[scan\n", "TOML"),
    ],
)
def test_what_is_not_ours_is_an_error_with_its_place(tmp_path: Path, text: str, told: str):
    file = tmp_path / "t.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=told) as caught:
        settings.load(file, environ={})
    assert str(file) in str(caught.value)


def test_a_missing_named_file_is_an_error(tmp_path: Path):
    with pytest.raises(SettingsError, match="cannot read"):
        settings.load(tmp_path / "none.toml", environ={})


def test_an_unknown_variable_is_an_error():
    with pytest.raises(SettingsError, match="TUTELA_SCAN_JOB"):
        settings.load(environ={"TUTELA_SCAN_JOB": "1"})


def test_every_setting_says_what_it_means():
    assert all(meaning for *_, meaning in settings.describe())
