"""One contract for every kind of master key: file, variable and a real PKCS#11 token."""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from tutela.core.errors import IntegrityError, ServiceError, SettingsError
from tutela.core.settings import VaultSettings
from tutela.evidence.vault import MasterKey, hsm, master_key
from tutela.evidence.vault.master import create_file

ID, OTHER_ID = bytes(range(16)), bytes(range(1, 17))


def _opened(where: str) -> MasterKey:
    return master_key(VaultSettings(master_key=where))


@pytest.fixture(params=["file", "env", "pkcs11"])
def make(request, tmp_path: Path, monkeypatch) -> Callable[[], str]:
    """Makes a new master key and returns where it is."""

    def file() -> str:
        path = tmp_path / "keys" / uuid.uuid4().hex
        create_file(path)
        return f"file:{path}"

    def env() -> str:
        name = f"KEY_{uuid.uuid4().hex}"
        monkeypatch.setenv(name, os.urandom(32).hex())
        return f"env:{name}"

    def pkcs11() -> str:
        address = request.getfixturevalue("softhsm").format(key=uuid.uuid4().hex)
        hsm.create(address)
        with pytest.raises(ServiceError, match="already"):
            hsm.create(address)
        return f"pkcs11:{address}"

    return {"file": file, "env": env, "pkcs11": pkcs11}[request.param]


def test_it_unwraps_what_it_wrapped_for_this_object_only(make):
    where = make()
    key, secret = _opened(where), os.urandom(32)
    wrapped = key.wrap(secret, ID)
    assert secret not in wrapped
    assert wrapped != key.wrap(secret, ID)
    assert len(wrapped) <= 95  # what a slot of a key book holds

    again = _opened(where)
    assert again.unwrap(wrapped, ID) == secret
    assert again.key_id == key.key_id
    assert len(key.key_id) == 8

    other = _opened(make())
    assert other.key_id != key.key_id
    changed = bytes((wrapped[0] ^ 1,)) + wrapped[1:]
    for opener, stored, object_id in (
        (key, wrapped, OTHER_ID),
        (key, changed, ID),
        (key, wrapped[:-1], ID),
        (key, b"", ID),
        (other, wrapped, ID),
    ):
        with pytest.raises(IntegrityError) as caught:
            opener.unwrap(stored, object_id)
        assert caught.value.code == "wrapped_key"


def test_threads_share_it(make):
    key = _opened(make())
    wrong: list[object] = []

    def work() -> None:
        for _ in range(50):
            secret = os.urandom(32)
            if key.unwrap(key.wrap(secret, ID), ID) != secret:
                wrong.append(secret)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_key_in_a_token_cannot_be_read_out(softhsm):
    import pkcs11  # noqa: PLC0415 - reads its settings when it is loaded

    address = softhsm.format(key="stays")
    hsm.create(address)
    with (
        pkcs11.lib(softhsm.partition("?")[0]).get_token(token_label="tutela").open() as session,
        pytest.raises(pkcs11.exceptions.AttributeSensitive),
    ):
        _ = session.get_key(label="stays")[pkcs11.Attribute.VALUE]


def test_what_a_token_lacks_is_said(softhsm, monkeypatch):
    for wrong in (
        softhsm.format(key="absent"),
        softhsm.format(key="absent").replace("token=tutela", "token=other"),
        softhsm.format(key="absent").replace(".so", ".nothing"),
    ):
        with pytest.raises(ServiceError, match="does not give the master key"):
            _opened(f"pkcs11:{wrong}")
    monkeypatch.setenv("NO_PIN", "")
    for wrong in (
        "/module.so",
        "/module.so?token=a&key=b&pin=1234",
        "/module.so?token=a&key=b&pin=env:NO_PIN",
        "?token=a&key=b&pin=env:NO_PIN",
    ):
        with pytest.raises(SettingsError):
            _opened(f"pkcs11:{wrong}")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path, mode):
    path = tmp_path / "key"
    create_file(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(mode)
    with pytest.raises(SettingsError, match="can be read by others") as caught:
        _opened(f"file:{path}")
    assert caught.value.hint == f"chmod 600 {path}"


def test_a_master_key_is_never_overwritten(tmp_path):
    path = tmp_path / "key"
    create_file(path)
    before = path.read_bytes()
    with pytest.raises(ServiceError, match="never overwritten"):
        create_file(path)
    assert path.read_bytes() == before


def test_what_holds_no_key_is_refused(tmp_path, monkeypatch):
    short = tmp_path / "short"
    short.write_bytes(bytes(31))
    short.chmod(0o600)
    monkeypatch.setenv("SHORT", "ab" * 31)
    monkeypatch.setenv("WORDS", "not hexadecimal")
    for where, kind in (
        (f"file:{short}", SettingsError),
        (f"file:{tmp_path / 'absent'}", ServiceError),
        ("file:", SettingsError),
        ("env:SHORT", SettingsError),
        ("env:WORDS", SettingsError),
        ("env:ABSENT_VARIABLE", SettingsError),
        ("vault:somewhere", SettingsError),
        ("", SettingsError),
    ):
        with pytest.raises(kind) as caught:
            _opened(where)
        assert "not hexadecimal" not in caught.value.message
