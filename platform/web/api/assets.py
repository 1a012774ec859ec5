"""Assets: what the credential inside a video points to: does the consent behind it still hold?"""

from __future__ import annotations

import re

from apiflask import APIBlueprint
from flask import Response, jsonify

from primafacie.platform.errors import NotFoundError
from primafacie.platform.web import access
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.services import services
from primafacie.platform.web.words import stamp

blueprint = APIBlueprint("api_assets", __name__, url_prefix="/api/v1/assets", tag="Assets")
_NUMBER = re.compile(r"[0-9a-f]{14}\Z")


@blueprint.get("/<number>/consent")
@access.public("every copy of a video names this address; whoever meets one may ask")
@blueprint.doc(
    summary="Does the consent behind a video still hold?",
    description="`number` is what the mark carries: 14 hex characters. Nobody is named.",
    responses=described.responses(200, shapes.StatusShape, 404),
)
def consent(number: str) -> Response:
    """The consent's state now."""
    found = services().assets.by_asset_number(int(number, 16)) if _NUMBER.match(number) else None
    if found is None:
        raise NotFoundError("no video with this number was released here")
    gone = stamp(found.revoked_at) if found.revoked_at else None
    return jsonify({"asset_number": number, "consent": found.consent_status,
                    "withdrawn_at": gone, "file_sha256": found.file_sha256,
                    "log_index": found.log_index})  # fmt: skip
