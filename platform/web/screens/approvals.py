"""Approvals: what waits for a second person: access, projects, consents."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.web import access, fields
from primafacie.platform.web.services import services

blueprint = Blueprint("approvals", __name__, url_prefix="/approvals")


@blueprint.get("")
@access.role("reviewer", "admin")
def show() -> ResponseReturnValue:
    """Everything that waits, oldest first."""
    me, s = access.me(), services()
    now = datetime.now(UTC)
    waiting = [
        a
        for a in s.accounts.listed(me)
        if a.active and a.has("researcher") and (a.approved_until is None or a.approved_until < now)
    ]
    applications = s.projects.listed(me, state="applied")
    people = {p for a in applications for p in (a.applicant, a.principal)}
    return render_template(
        "approvals.html",
        waiting=waiting,
        applications=applications,
        consents=s.consents.pending(me) if me.has("reviewer") else (),
        matches=s.confirmations.waiting(me) if me.has("reviewer") else (),
        names=s.accounts.names(people),
    )


@blueprint.post("/access/<user_id>")
@access.role("reviewer", "admin")
def grant(user_id: str) -> ResponseReturnValue:
    """Grant access for some days; never to oneself (the service refuses)."""
    days = fields.whole("days", "Days", 1, 730, 365)
    services().accounts.grant(access.me(), user_id, datetime.now(UTC) + timedelta(days=days))
    flash("Access granted.")
    return redirect(url_for("approvals.show"))


@blueprint.post("/same-person/<consent_id>")
@access.role("reviewer")
def same_person(consent_id: str) -> ResponseReturnValue:
    """Find that two consents come from one person, after comparing their photos."""
    other = fields.text("other", "The other consent", most=32)
    services().consents.same_person(access.me(), consent_id, other)
    flash("Noted: the same person.")
    return redirect(url_for("consents.show", consent_id=consent_id))


@blueprint.post("/not-same-person/<consent_id>")
@access.role("reviewer")
def not_same_person(consent_id: str) -> ResponseReturnValue:
    """Take back that two consents come from one person."""
    other = fields.text("other", "The other consent", most=32)
    services().consents.not_same_person(access.me(), consent_id, other)
    flash("Taken back: not the same person.")
    return redirect(url_for("consents.show", consent_id=consent_id))
