"""Files that hold a secret."""

from __future__ import annotations

import stat

import pytest

from tutela.core import secretfile
from tutela.core.errors import ServiceError


def test_it_is_for_this_user_only_and_never_overwritten(tmp_path):
    path = tmp_path / "keys" / "one.key"
    secretfile.create(path, b"secret")
    assert path.read_bytes() == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with pytest.raises(ServiceError) as caught:
        secretfile.create(path, b"another")
    assert caught.value.code == "exists"
    assert path.read_bytes() == b"secret"


def test_where_it_cannot_be_written_it_says_so(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ServiceError, match="cannot write"):
        secretfile.create(tmp_path / "file" / "keys" / "key", b"secret")
