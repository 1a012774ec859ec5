"""Verify: what can be said about a file, for anybody. Nothing is kept."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, g, jsonify, request

from primafacie.platform.web import access, fields, verdict
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.services import services

blueprint = APIBlueprint("api_verify", __name__, url_prefix="/api/v1/verify", tag="Verify")


@blueprint.post("")
@access.public("whoever meets a video may ask where it comes from")
@blueprint.doc(
    summary="Check a file",
    description="A multipart form with one part, `file`. The file is examined and thrown away.",
    responses=described.responses(200, shapes.VerdictShape, 413),
)
def check() -> Response:
    """The verdict."""
    data = fields.upload("file", "file", services().settings.max_video_bytes)
    name = (request.files["file"].filename or "")[:120]
    told = verdict.examined(services(), g.account, data, name)
    return jsonify({"level": told.level, "sentence": told.sentence, "details": told.raw,
                    "statement": told.statement})  # fmt: skip
