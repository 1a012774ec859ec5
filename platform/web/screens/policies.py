"""Policies: every rule, its sentence and its text."""

from __future__ import annotations

from flask import Blueprint, render_template

from primafacie.platform.web import access, checklist
from primafacie.safeguards.policy import PERMITS, PolicySet

blueprint = Blueprint("policies", __name__, url_prefix="/policies")


@blueprint.get("")
@access.public("people judged by rules may read them")
def show():
    """The set that ships with this version."""
    policies = PolicySet.shipped()
    return render_template("policies.html", policies=policies, permits=PERMITS,
                           titles=checklist.TITLES)  # fmt: skip
