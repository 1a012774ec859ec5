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
    summary="Does a video still stand?",
    description="`number` is what the mark carries: 14 hex characters. Nobody is named. A video "
    "whose `called_back_at` is set does not stand, even where its consent is active.",
    responses=described.responses(200, shapes.StatusShape, 404),
)
def consent(number: str) -> Response:
    """The consent's state now, and whether this video itself was called back."""
    found = services().assets.by_asset_number(int(number, 16)) if _NUMBER.match(number) else None
    if found is None:
        raise NotFoundError("no video with this number was released here")
    ended, called_back = found.consent_ended_at, found.revoked_at
    return jsonify({"asset_number": number, "consent": found.consent_status,
                    "withdrawn_at": stamp(ended) if ended else None,
                    "called_back_at": stamp(called_back) if called_back else None,
                    "file_sha256": found.file_sha256, "log_index": found.log_index})  # fmt: skip
