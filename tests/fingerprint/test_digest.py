from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from tutela.fingerprint.digest import Digester, digests


@given(st.lists(st.binary(max_size=200), max_size=8))
def test_blocks_give_what_each_digest_gives_alone(blocks):
    whole = b"".join(blocks)
    digester = Digester()
    for block in blocks:
        digester.update(memoryview(block))
    assert digester.result() == digests(whole)
    assert digests(whole).md5 == hashlib.md5(whole).digest()
    assert digests(whole).sha1 == hashlib.sha1(whole).digest()
    assert digests(whole).sha256 == hashlib.sha256(whole).digest()


def test_known_values():
    found = digests(b"abc")
    assert found.md5.hex() == "900150983cd24fb0d6963f7d28e17f72"
    assert found.sha1.hex() == "a9993e364706816aba3e25717850c26c9cd0d89d"
    assert found.sha256.hex().startswith("ba7816bf8f01cfea414140de5dae2223")
