"""`/v1/openapi.json` says what this API is: all of it, and in sound OpenAPI."""

from __future__ import annotations

import json

import pytest
from litestar.handlers import HTTPRouteHandler
from openapi_spec_validator import OpenAPIV31SpecValidator

from tutela.access.model import Permission


@pytest.fixture
def document(client):
    response = client.get("/v1/openapi.json")  # needs no credential
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    return response.json()


def test_it_validates(document):
    OpenAPIV31SpecValidator(document).validate()


def test_it_names_every_route_and_who_may_use_it(document, client):
    named = {
        (path, method) for path, item in document["paths"].items() for method in item
    }  # fmt: skip
    there = {}
    for route in client.app.routes:
        for handler in route.route_handlers:
            if isinstance(handler, HTTPRouteHandler) and handler.http_methods != {"OPTIONS"}:
                for method in handler.http_methods - {"OPTIONS"}:
                    there[route.path_format, method.lower()] = handler.opt["needs"]
    assert named == set(there)
    assert len(there) > 30
    for (path, method), needs in there.items():
        operation = document["paths"][path][method]
        assert bool(operation["security"]) == (needs != "public"), path
        if isinstance(needs, Permission):
            assert f"`{needs}`" in operation["description"], path


def test_it_says_what_goes_in_and_out(document):
    match = document["paths"]["/v1/match"]["post"]
    assert match["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Question"
    }
    assert set(match["responses"]["200"]["content"]) == {
        "application/json",
        "application/vnd.tutela.match",
    }
    fields = document["components"]["schemas"]["Match"]["properties"]
    assert {"list", "entry", "distance_bits", "codes", "source", "tags", "strength"} <= set(fields)


def test_there_is_no_page_with_scripts(client):
    for path in ("/schema", "/v1/openapi", "/schema/swagger", "/docs"):
        assert client.get(path).status_code == 404


def test_it_names_no_machine(document):
    assert "127.0.0.1" not in json.dumps(document)
