"""Spec: the API's own description, OpenAPI 3.1."""

from __future__ import annotations

import re
from typing import Any

from apiflask import APIFlask
from flask import Blueprint, Response, current_app, jsonify
from pydantic import BaseModel

from primafacie.platform.web import access
from primafacie.platform.web.api import described, shapes, softbinding_shapes
from primafacie.platform.web.order import ControlsOrder, Order, PoseOrder

blueprint = Blueprint("api_spec", __name__)
SHAPES: tuple[type[BaseModel], ...] = (
    shapes.ReasonShape, shapes.ProblemShape, shapes.AssetShape, shapes.RequestShape,
    shapes.RequestsShape, shapes.ConsentShape, shapes.ConsentsShape, shapes.EntryShape,
    shapes.PageShape, shapes.ProofShape, shapes.CheckpointShape, shapes.VerdictShape,
    shapes.StatusShape, shapes.HealthLineShape, shapes.HealthShape, PoseOrder, ControlsOrder, Order,
    *softbinding_shapes.SHAPES,
)  # fmt: skip
_SEARCH = [
    {"in": "query", "name": "q", "schema": {"type": "string", "maxLength": 500},
     "description": "kind: actor: subject: rid: out: why: at:>= and free words."},
    {"in": "query", "name": "before", "schema": {"type": "integer", "minimum": 1},
     "description": "Only entries before this index: the next page."},
]  # fmt: skip
_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}


@blueprint.get("/api/v1/openapi.json")
@access.public("programs read it before they have a token")
def document() -> Response:
    """The whole document."""
    return jsonify(describe(current_app))


def describe(app: APIFlask) -> dict[str, Any]:
    """The OpenAPI document of `app`, with the shapes, the uploads and the bearer token."""
    spec: dict[str, Any] = app.spec
    spec["openapi"] = "3.1.0"
    components = spec.setdefault("components", {})
    components["schemas"] = _schemas()
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "pf_<id>_<secret>"}
    }
    spec["security"] = [{"token": []}]
    _say_what_is_public(app, spec)
    spec["paths"]["/api/v1/log"]["get"]["parameters"] = _SEARCH
    _upload(
        spec,
        "/api/v1/requests",
        {"order": described.reference(Order), "photo": _FILE, "voice": _FILE},
    )
    _upload(spec, "/api/v1/verify", {"file": _FILE})
    softbinding_shapes.describe(spec, "/api/v1/c2pa")
    return spec


def _schemas() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for shape in SHAPES:
        schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        found[shape.__name__] = schema
    return found


def _say_what_is_public(app: APIFlask, spec: dict[str, Any]) -> None:
    """A call that anybody may make asks for no token: as its view declares it, not as one types."""
    for rule in app.url_map.iter_rules():
        item = spec["paths"].get(re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), {})
        declared = access.of(app.view_functions[rule.endpoint])
        for method in rule.methods or ():
            if method.lower() in item and declared is not None and declared.kind == "public":
                item[method.lower()]["security"] = []


def _upload(spec: dict[str, Any], path: str, parts: dict[str, Any]) -> None:
    spec["paths"][path]["post"]["requestBody"] = {
        "required": True,
        "content": {"multipart/form-data": {"schema": {
            "type": "object", "properties": parts, "required": list(parts)}}},
    }  # fmt: skip
