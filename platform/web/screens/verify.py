"""Verify: anybody drops a file and learns what can be said about it. Nothing is kept."""

from __future__ import annotations

from flask import Blueprint, g, render_template, request
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import PlatformError
from primafacie.platform.web import access, fields, verdict
from primafacie.platform.web.services import services

blueprint = Blueprint("verify", __name__, url_prefix="/verify")
WHY = "whoever meets a video may ask where it comes from"


@blueprint.get("")
@access.public(WHY)
def form() -> ResponseReturnValue:
    """The drop zone."""
    return render_template("verify.html", found=None, error="", rungs=verdict.RUNGS)


@blueprint.post("")
@access.public(WHY)
def check() -> ResponseReturnValue:
    """Check one file. It is examined in memory, or in a file that is gone with the answer."""
    try:
        data = fields.upload("file", "File", services().settings.max_video_bytes)
        name = (request.files["file"].filename or "")[:120]
        found = verdict.examined(services(), g.account, data, name)
    except PlatformError as error:
        return render_template("verify.html", found=None, error=str(error), rungs=verdict.RUNGS), (
            error.status
        )
    return render_template("verify.html", found=found, error="", name=name,
                           rungs=verdict.RUNGS)  # fmt: skip
