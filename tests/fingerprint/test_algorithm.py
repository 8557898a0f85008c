from __future__ import annotations

import os
import subprocess
import sys

import pytest

MODULE = """
from tutela.core.media import Fingerprint

class Mean:
    name = "{name}"
    bits = 8

    def fingerprints(self, picture):
        frame = next(picture.frames())
        return [Fingerprint(self.name, bytes([round(float(frame.upright().mean()))]))]

class Unfinished:
    name = "unfinished"
"""
PROGRAM = """
import io
from PIL import Image
from tutela.core.errors import ServiceError
from tutela.fingerprint.algorithm import algorithms
from tutela.fingerprint.content import fingerprint
try:
    print([one.name for one in algorithms()])
except ServiceError as error:
    raise SystemExit(f"{error.code}: {error.message}")
stream = io.BytesIO()
Image.new("RGB", (8, 8), (77, 77, 77)).save(stream, "PNG")
found = [one for one in fingerprint(stream.getvalue()) if one.algorithm != "pdq"]
print([(one.algorithm, one.bits[0]) for one in found])
"""


@pytest.fixture
def licensed(tmp_path):
    """Run a program where a licensee's package is installed as `pip` would lay it."""

    def run(name: str, entry: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "licensed.py").write_text(MODULE.format(name=name))
        info = tmp_path / "licensed-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: licensed\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[tutela.algorithms]\nadded = {entry}\n")
        environment = os.environ | {"PYTHONPATH": str(tmp_path)}
        return subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_a_licensee_adds_an_algorithm(licensed):
    done = licensed("a_mean", "licensed:Mean")
    assert done.stdout == "['pdq', 'a_mean']\n[('a_mean', 77)]\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("name", "entry", "said"),
    [
        ("mean", "licensed:Absent", "cannot be loaded"),
        ("mean", "licensed:Unfinished", "is no algorithm"),
        ("pdq", "licensed:Mean", "two installed packages provide the algorithm pdq"),
    ],
)
def test_what_is_wrong_is_said(licensed, name, entry, said):
    done = licensed(name, entry)
    assert done.returncode == 1
    assert done.stderr.startswith("algorithm: ")
    assert said in done.stderr


def test_photodna_is_never_computed_by_us():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout == "['pdq']\n[]\n"
