"""Consents: what may be asked for. Nothing here names a person."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, jsonify

from primafacie.platform.consents import ConsentView
from primafacie.platform.web import access
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.services import services

blueprint = APIBlueprint("api_consents", __name__, url_prefix="/api/v1/consents", tag="Consents")


@blueprint.get("")
@access.token("read")
@blueprint.doc(
    summary="The consents this account may use or look after",
    responses=described.responses(200, shapes.ConsentsShape),
)
def listed() -> Response:
    """All of them."""
    found = services().consents.listed(access.me())
    return jsonify({"consents": [_of(view) for view in found]})


@blueprint.get("/<consent_id>")
@access.token("read")
@blueprint.doc(summary="One consent", responses=described.responses(200, shapes.ConsentShape, 404))
def show(consent_id: str) -> Response:
    """Its scope and state."""
    return jsonify(_of(services().consents.show(access.me(), consent_id)))


def _of(view: ConsentView) -> dict[str, Any]:
    return {
        "consent_id": view.consent_id, "version": view.version, "state": str(view.state),
        "kind": view.kind, "purposes": list(view.purposes), "audience": view.audience,
        "not_before": view.not_before or None,
        "not_after": view.not_after or None,
        "photos": [photo.sha256 for photo in view.photos], "outputs": view.outputs,
    }  # fmt: skip
