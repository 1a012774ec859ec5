"""Policies: every rule, its sentence and its text; two admins put a set in force."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, url_for
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
    digest, history = found.shipped.sha256, found.history()
    waiting = next(
        (a for a in history if a.policy_sha256 == digest and a.activated_at is None), None
    )
    return render_template(
        "policies.html", rules=sorted(found.shipped.reasons.values(), key=lambda r: r.rule),
        sources=found.shipped.sources, matcher=found.shipped.matcher, digest=digest,
        permits=PERMITS, waiting=waiting,
        in_force=found.activated() == digest, titles=checklist.TITLES,
        history=[a for a in history if a.activated_at is not None],
    )  # fmt: skip


@blueprint.post("/propose")
@access.role("admin")
def propose() -> ResponseReturnValue:
    """Propose the rules of this machine; another admin puts them in force."""
    services().policies.propose(access.me())
    flash("Proposed. Another admin puts the rules in force.")
    return redirect(url_for("policies.show"))


@blueprint.post("/activate")
@access.role("admin")
def activate() -> ResponseReturnValue:
    """Put the proposed rules in force, as the second admin."""
    services().policies.activate(access.me())
    flash("The rules are in force.")
    return redirect(url_for("policies.show"))
