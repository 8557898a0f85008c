"""Lifting a legal hold on the pages: asked by one, granted and done by another."""

from __future__ import annotations

import pytest
import web_support
from litestar.testing import TestClient
from sqlalchemy import select

from tutela.core.principal import Role
from tutela.store import Database
from tutela.store.tables.casework import Case
from tutela.web import app


@pytest.fixture
def place(embedded: Database, tmp_path) -> web_support.Installation:
    return web_support.build(embedded, tmp_path, None)


def test_a_hold_ends_when_another_person_grants_it(place: web_support.Installation) -> None:
    case = f"/cases/{place.case_id}"

    def held() -> bool:
        with place.database.read() as tx:
            return tx.execute(select(Case.legal_hold)).scalar_one()

    with TestClient(app.build(place.office), base_url="http://127.0.0.1") as client:

        def post(role: Role, path: str, **form: str):
            headers = {
                "cookie": f"tutela={place.tokens[role]}",
                "sec-fetch-site": "same-origin",
            }
            return client.post(path, data=form, headers=headers, follow_redirects=False)

        def get(role: Role, path: str) -> str:
            return client.get(path, headers={"cookie": f"tutela={place.tokens[role]}"}).text

        refused = post(Role.EXAMINER, f"{case}/release/ask", reason="no hold is there")
        assert refused.status_code == 400
        assert "release/ask" not in get(Role.EXAMINER, f"{case}/team")
        assert post(Role.EXAMINER, f"{case}/move", act="hold").status_code == 303
        assert "release/ask" in get(Role.EXAMINER, f"{case}/team")
        assert post(Role.EXAMINER, f"{case}/move", act="release").status_code == 303
        assert held(), "one person does not lift it"
        asked = post(Role.EXAMINER, f"{case}/release/ask", reason="the appeal is over")
        assert (asked.status_code, held()) == (303, True)
        assert "the appeal is over" in get(Role.SUPERVISOR, "/approvals")
        own = {"approval": "1", "decision": "grant"}
        assert post(Role.EXAMINER, "/approvals", **own).status_code == 403
        assert post(Role.SUPERVISOR, "/approvals", **own).status_code == 303
        assert not held()
