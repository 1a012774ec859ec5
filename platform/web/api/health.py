"""Health: can this installation work? For load balancers and people."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, jsonify

from primafacie.platform.web import access
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.services import services

blueprint = APIBlueprint("api_health", __name__, tag="Health")


@blueprint.get("/api/v1/healthz")
@access.public("tells whether it works, nothing about anybody")
@blueprint.doc(summary="Can it work?", responses=described.responses(200, shapes.HealthShape))
def healthz() -> tuple[Response, int]:
    """200 when it can, 503 when it cannot."""
    health = services().health()
    lines = [{"name": li.name, "ok": li.ok, "text": li.text} for li in health.lines]
    return jsonify({"ok": health.ok, "lines": lines}), 200 if health.ok else 503


@blueprint.get("/healthz")
@access.public("tells whether it works, nothing about anybody")
@blueprint.doc(hide=True)
def short() -> tuple[Response, int]:
    """The same at the usual place."""
    return healthz()
