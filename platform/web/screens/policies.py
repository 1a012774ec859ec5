"""Policies: every rule, its sentence and its text."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from primafacie.platform.web import access, checklist
from primafacie.platform.web.services import services
from primafacie.safeguards.policy import PERMITS

blueprint = Blueprint("policies", __name__, url_prefix="/policies")


@blueprint.get("")
@access.public("people judged by rules may read them")
def show() -> ResponseReturnValue:
    """The set that ships with this version."""
    found = services().policies
    return render_template(
        "policies.html", rules=sorted(found.shipped.reasons.values(), key=lambda r: r.rule),
        sources=found.shipped.sources, digest=found.shipped.sha256, permits=PERMITS,
        in_force=found.activated() == found.shipped.sha256, titles=checklist.TITLES,
    )  # fmt: skip
