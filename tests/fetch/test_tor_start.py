"""What a tor says that does not come up; programs that pretend to be it say so here."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from tutela.core.errors import FetchError
from tutela.fetch.tor import TorProcess, TorSettings

BEHIND = (
    "[warn] Our clock is 2 days, 3 hours, 4 minutes behind the time published in the consensus "
    "network status document (2026-11-24 10:00:00 UTC).  Tor needs an accurate clock to work "
    "correctly. Please check your time and date settings!"
)
SKEWED = (
    "[warn] Received NETINFO cell with skewed time (OR:[scrubbed]): It seems that our clock is "
    "ahead by 2 hours, 0 minutes, or that theirs is behind. Tor requires an accurate clock to "
    "work: please check your time, timezone, and date settings."
)
WAITING = """
import socket, sys, time
lines = sys.stdin.read().splitlines()
path = next(line.split()[1] for line in lines if line.startswith("ControlSocket"))
server = socket.socket(socket.AF_UNIX)
server.bind(path)
server.listen()
"""
SERVING = """
print("Nov 27 10:00:00.000 [notice] Bootstrapped 10% (conn_done): Connected to a relay", flush=True)
talk = server.accept()[0]
for _ in range(2):
    talk.recv(100)
    talk.sendall(b"250 OK\\r\\n")
time.sleep(60)
"""


def pretended(folder: Path, *parts: str) -> TorSettings:
    program = folder / "program"
    program.write_text("#!/usr/bin/env python3\n" + "\n".join(parts))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return TorSettings(folder=folder / "data", command=(str(program),), boot_s=1.0)


def code_of(settings: TorSettings) -> FetchError:
    tor = TorProcess(settings)
    begin = time.monotonic()
    with pytest.raises(FetchError) as caught:
        tor.start()
    assert time.monotonic() - begin < 4
    assert not tor.is_running
    return caught.value


@pytest.mark.parametrize("said", [BEHIND, SKEWED])
def test_a_wrong_clock_is_named(tmp_path: Path, said: str):
    error = code_of(pretended(tmp_path, WAITING, f"print({said!r}, flush=True)", SERVING))
    assert error.code == "clock"
    assert "clock of this machine" in error.message


def test_how_far_it_came_is_said(tmp_path: Path):
    error = code_of(pretended(tmp_path, WAITING, SERVING))
    assert error.code == "tor_slow"
    assert "10% (Connected to a relay)" in error.message


def test_one_that_never_listens_has_its_time(tmp_path: Path):
    assert code_of(pretended(tmp_path, "import time; time.sleep(60)")).code == "tor_slow"


def test_one_that_does_not_obey_is_not_used(tmp_path: Path):
    error = code_of(pretended(tmp_path, WAITING, SERVING.replace("250 OK", "515 No")))
    assert error.code == "tor_down"


def test_its_last_word_is_told(tmp_path: Path):
    settings = TorSettings(folder=tmp_path / "data", lines=("NoSuchOption 1",))
    error = code_of(settings)
    assert error.code == "tor_down"
    assert "Reading config failed" in error.message


def test_no_program_at_all(tmp_path: Path):
    error = code_of(TorSettings(folder=tmp_path / "data", command=("/nowhere/tor",)))
    assert error.code == "tor_down"
    assert "apt-get install tor" in error.hint


def test_its_folder_is_for_us_alone(tmp_path: Path):
    settings = pretended(tmp_path, "import time; time.sleep(60)")
    settings.folder.mkdir(mode=0o755)
    code_of(settings)
    assert stat.S_IMODE(settings.folder.stat().st_mode) == 0o700


def test_its_settings_say_what_protects_those_it_serves(tmp_path: Path):
    torrc = TorProcess(TorSettings(folder=tmp_path, lines=("UseBridges 1",))).torrc()
    for line in ("SafeLogging 1", "ClientOnly 1", "AvoidDiskWrites 1", "UseBridges 1"):
        assert line in torrc.splitlines()
    onion, clear = (line for line in torrc.splitlines() if line.startswith("SocksPort"))
    assert "OnionTrafficOnly" in onion
    assert "NoOnionTraffic" in clear
    assert all("ExtendedErrors" in line and "IsolateSOCKSAuth" in line for line in (onion, clear))
