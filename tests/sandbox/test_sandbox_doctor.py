from __future__ import annotations

from tutela.core.errors import SandboxError
from tutela.sandbox import doctor, landlock, seccomp, status


def test_every_protection_is_active_here():
    protections = status()
    assert [protection.name for protection in protections] == [
        "seccomp",
        "landlock",
        "memory limit",
        "no new privileges",
    ]
    assert [p for p in protections if not p.active] == []
    assert f"version {landlock.abi()}" in protections[1].detail


def test_a_missing_library_is_said_and_landlock_still_counts(monkeypatch):
    def missing():
        raise ImportError("the system's libseccomp2 is not installed")

    monkeypatch.setattr(seccomp, "library", missing)
    first, *others = status()
    assert (first.active, first.detail) == (False, "the system's libseccomp2 is not installed")
    assert all(protection.active for protection in others)


def test_a_kernel_without_landlock_is_said(monkeypatch):
    monkeypatch.setattr(landlock, "abi", lambda: 0)
    protection = status()[1]
    assert (protection.active, protection.detail) == (False, "the kernel has none, or it is off")


def test_a_layer_that_refuses_nothing_is_found_out(monkeypatch):
    """Claimed by the kernel, without effect: only trying tells."""
    monkeypatch.setattr(landlock, "restrict", lambda: None)
    protection = status()[1]
    assert not protection.active
    assert protection.detail == "not refused: reading files, writing files, programs"


def test_processes_that_cannot_be_confined_are_said(monkeypatch):
    def fail(_attempts, _layers):
        raise SandboxError("a process cannot be confined: OSError")

    monkeypatch.setattr(doctor, "_refused", fail)
    assert [protection.active for protection in status()] == [False] * 4
