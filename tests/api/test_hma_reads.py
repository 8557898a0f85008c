"""HMA's reading routes, in the shapes of its OpenAPI (schemas/curation.py of HMA 1.1, recorded)."""

from __future__ import annotations

import re

import api_support as support
import msgspec
import pytest

from tutela.core.principal import Role


class BankConfig(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    matching_enabled_ratio: float


class BankedContentMetadata(msgspec.Struct, forbid_unknown_fields=True):
    content_id: str | None = None
    content_uri: str | None = None
    json: dict | None = None
    collab: dict[str, list[str]] | None = None


class BankContentResponse(msgspec.Struct, forbid_unknown_fields=True):
    id: int
    disable_until_ts: int
    bank: BankConfig
    original_media_uri: str | None = None
    signals: dict[str, str] | None = None
    metadata: BankedContentMetadata | None = None
    note: str | None = None


class ExchangeApiConfigResponse(msgspec.Struct, forbid_unknown_fields=True):
    supports_authentification: bool
    has_set_authentification: bool


class CredentialStatus(msgspec.Struct, forbid_unknown_fields=True):
    supports_auth: bool
    has_credentials: bool
    source: str | None


class ExchangeConfig(msgspec.Struct):
    """It allows more fields."""

    name: str
    api: str
    enabled: bool
    credential_status: CredentialStatus


class FetchStatus(msgspec.Struct, forbid_unknown_fields=True):
    checkpoint_ts: int | None
    running_fetch_start_ts: int | None
    last_fetch_complete_ts: int | None
    last_fetch_succeeded: bool | None
    up_to_date: bool
    fetched_items: int


class SignalTypeConfig(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    enabled_ratio: float


class ContentTypeConfig(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    enabled: bool


SHAPES = {
    "/c/banks": list[BankConfig],
    "/c/bank/KNOWN": BankConfig,
    "/c/exchanges/apis": list[str],
    "/c/exchanges/api/tutela": ExchangeApiConfigResponse,
    "/c/exchanges": list[str],
    "/c/exchange/KNOWN": ExchangeConfig,
    "/c/exchange/KNOWN/status": FetchStatus,
    "/c/signal_type": list[SignalTypeConfig],
    "/c/content_type": list[ContentTypeConfig],
}


@pytest.mark.parametrize("path", SHAPES)
def test_answers_have_the_shapes_of_hma(client, small, path):
    small.add(support.image(1))
    answer = client.get(path, headers=small.members["platform"].bearer)
    assert answer.status_code == 200, answer.text
    found = msgspec.json.decode(answer.content, type=SHAPES[path])
    assert found


def test_banks_are_the_lists_of_a_member(client, small):
    small.join(small.members["platform"], small.another_list("known-2026"))
    headers = small.members["platform"].bearer
    names = [bank["name"] for bank in client.get("/c/banks", headers=headers).json()]
    assert names == ["KNOWN", "KNOWN_2026"]
    assert all(re.fullmatch("[A-Z_][A-Z0-9_]*", name) for name in names)
    assert client.get("/c/exchanges", headers=headers).json() == names
    for path in ("bank", "exchange"):
        assert client.get(f"/c/{path}/KNOWN_2026", headers=headers).status_code == 200
        assert client.get(f"/c/{path}/known_2026", headers=headers).status_code == 404
        assert client.get(f"/c/{path}/KNOWN-2026", headers=headers).status_code == 404
    # Its owner has it by no exchange.
    owner = small.account("Example Hotline", "owner.program", Role.LIST_MEMBER).bearer
    assert client.get("/c/banks", headers=owner).json()
    assert client.get("/c/exchanges", headers=owner).json() == []
    assert client.get("/c/exchange/KNOWN", headers=owner).status_code == 404


def test_content_is_that_of_its_bank_only(client, small):
    picture, film = small.add(support.image(1, tags=("series-7",)), support.video(2))
    other = small.another_list("other")
    small.join(small.members["platform"], other)
    headers = small.members["platform"].bearer
    asked = f"/c/bank/KNOWN/content/{picture}"
    plain = client.get(asked, headers=headers)
    content = msgspec.json.decode(plain.content, type=BankContentResponse)
    assert (content.id, content.disable_until_ts) == (picture, 1)
    assert "signals" not in plain.json()
    whole = client.get(f"{asked}?include_signals=true&include_metadata=true", headers=headers)
    content = msgspec.json.decode(whole.content, type=BankContentResponse)
    assert content.signals == {"pdq": support.pdq(1)}
    assert content.metadata.collab == {"KNOWN": [str(picture)]}
    assert content.metadata.json["tags"] == ["ncmec:A1:US", "series-7"]
    whole = client.get(f"/c/bank/KNOWN/content/{film}?include_signals=true", headers=headers)
    assert set(whole.json()["signals"]) == {"video_md5", "video_sha256"}
    # HMA does not look whether the content is of the bank that the address names.
    assert client.get(f"/c/bank/OTHER/content/{picture}", headers=headers).status_code == 404
    small.withdraw(picture)
    assert client.get(asked, headers=headers).status_code == 404


def test_nothing_is_changed_by_these_routes(client, small):
    headers = small.members["platform"].bearer
    for method, path in (
        ("POST", "/c/banks"),
        ("PUT", "/c/bank/KNOWN"),
        ("DELETE", "/c/bank/KNOWN"),
        ("POST", "/c/exchanges"),
        ("DELETE", "/c/exchange/KNOWN"),
    ):
        answer = client.request(method, path, headers=headers, json={"name": "X"})
        assert answer.status_code == 405, (method, path)
