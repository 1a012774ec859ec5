"""Rights: what anybody may know: how long what is kept, and where to turn."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from primafacie.platform.retention import schedule
from primafacie.platform.web import access
from primafacie.platform.web.services import services

blueprint = Blueprint("rights", __name__)


@blueprint.get("/retention")
@access.public("how long biometric data are kept must be known to everybody")
def retention() -> ResponseReturnValue:
    """The schedule, made of the very rows the worker keeps to."""
    return render_template("retention.html", rows=schedule(services().settings))
