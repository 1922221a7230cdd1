"""The OpenAPI 3.1 document: self-contained, made from the routes and the types that they answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from twin import __version__
from twin.api.auth import SESSION_COOKIE
from twin.api.routes import REF, Endpoint, types_of

_TEXT: Final = """The live state of a road network, its next hour, and the decisions made from it.

Times are RFC 3339 with an offset (answers: UTC). Speeds are km/h, flows veh/h, densities veh/km.
`null` means not known. Every error is a problem document (RFC 9457) that names the field, the
value and the rule. The live stream is a WebSocket at `/api/v1/stream` (see the reference).
"""
_SECURITY: Final = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "an API key, `twk_<id>_<secret>`; `twin keys add` makes one",
    },
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "a token of the identity provider (OpenID Connect), RS256 or ES256, where "
        "TWIN_OIDC_ISSUER is set; one of its roles stands for a role here",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": SESSION_COOKIE,
        "description": "a person's session, from a one-time login link",
    },
}


def install(app: FastAPI, endpoints: Iterable[Endpoint]) -> None:
    """Make `app.openapi()` give the whole document, computed once."""
    rows = list(endpoints)

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = build(app, rows)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign] # the framework's own way to replace it


def build(app: FastAPI, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    """Build the document from the application's routes and the types of the endpoints."""
    document: dict[str, Any] = get_openapi(
        title="twin",
        version=__version__,
        summary="A streaming traffic digital twin",
        description=_TEXT,
        routes=app.routes,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
    )
    _, components = msgspec.json.schema_components(types_of(endpoints), ref_template=REF)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.update(components)
    document["components"]["securitySchemes"] = _SECURITY
    return document
