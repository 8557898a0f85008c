"""The OpenAPI document of the whole API, made from the routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig

from tutela.edge.routes import PUBLIC, needs_of

_REF = "#/components/schemas/{name}"
_BYTES = {"type": "string", "format": "binary"}
# Every place that a token may stand in; see `credentials`.
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "functions_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"},
    "access_token": {"type": "apiKey", "in": "query", "name": "access_token"},
}
_SECURITY: list[dict[str, list[str]]] = [{name: []} for name in _SCHEMES]
_PROBLEM = {
    "description": "What went wrong and what to do about it (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "properties": {
                    "status": {"type": "integer"},
                    "title": {"type": "string"},
                    "detail": {"type": "string"},
                    "code": {"type": "string"},
                },
                "required": ["status", "title", "detail", "code"],
            }
        }
    },
}


@cache
def document(routes: tuple[HTTPRouteHandler, ...]) -> bytes:
    """Return the document as JSON.

    A route says with `takes` and `gives` what its body and its answer hold, by media type: a type,
    or None for bytes, where its signature does not say it.
    """
    described = Litestar(
        list(routes),
        openapi_config=OpenAPIConfig(
            title="Tutela", version=version("tutela"), use_handler_docstrings=True
        ),
        logging_config=None,
    )
    said: dict[str, Any] = described.openapi_schema.to_schema()
    components = said.setdefault("components", {})
    components["securitySchemes"] = _SCHEMES
    schemas = components.setdefault("schemas", {})
    for path, method, handler in operations(described):
        operation = said["paths"][path][method]
        needs = needs_of(handler)
        operation["security"] = [] if needs == PUBLIC else _SECURITY
        if needs != PUBLIC:
            operation["description"] += f"\n\nNeeds the permission `{needs}`."
        if takes := handler.opt.get("takes"):
            operation["requestBody"] = {"required": True, "content": _content(takes, schemas)}
        if gives := handler.opt.get("gives"):
            operation["responses"]["200"]["content"] = _content(gives, schemas)
        operation["responses"].pop("400", None)  # the framework's own form, which ours replaces
        operation["responses"]["default"] = _PROBLEM
    return msgspec.json.encode(said)


def operations(app: Litestar) -> Iterable[tuple[str, str, HTTPRouteHandler]]:
    """Yield path, method and handler of every operation of an application."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler) and needs_of(handler) is not None:
                for method in sorted(handler.http_methods - {"OPTIONS"}):
                    yield route.path_format, method.lower(), handler


def _content(by_media_type: Mapping[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for media_type, kind in by_media_type.items():
        if kind is None:
            content[media_type] = {"schema": _BYTES}
            continue
        (schema,), parts = msgspec.json.schema_components([kind], ref_template=_REF)
        schemas.update(parts)
        content[media_type] = {"schema": schema}
    return content
