"""Appeals: what people from outside wait for: takedowns, complaints, never-me requests."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.web import access, fields, media
from primafacie.platform.web.services import services

blueprint = Blueprint("appeals", __name__, url_prefix="/appeals")


@blueprint.get("")
@access.role("reviewer", "admin")
def show() -> ResponseReturnValue:
    """What waits, the oldest first."""
    me, s = access.me(), services()
    return render_template(
        "appeals.html", takedowns=s.takedowns.listed(me), complaints=s.consents.complaints(me),
        opt_outs=s.opt_outs.listed(me), outdated=s.opt_outs.outdated(me, ""),
        answered=s.consents.complaints(me, "answered")[:10],
        decided=[*s.takedowns.listed(me, "upheld"), *s.takedowns.listed(me, "declined")][:10],
    )  # fmt: skip


@blueprint.post("/takedowns/<takedown_id>")
@access.role("reviewer", "admin")
def takedown(takedown_id: str) -> ResponseReturnValue:
    """Uphold or decline."""
    uphold = fields.one_of("decision", "Decision", ("uphold", "decline")) == "uphold"
    note = fields.text("note", "Why", most=1000)
    services().takedowns.decide(access.me(), takedown_id, uphold, note)
    flash("Upheld: the video stays away." if uphold else "Declined.")
    return redirect(url_for("appeals.show"))


@blueprint.post("/complaints/<complaint_id>")
@access.role("reviewer", "admin")
def complaint(complaint_id: str) -> ResponseReturnValue:
    """Answer a complaint."""
    services().consents.answer(access.me(), complaint_id, fields.text("text", "Answer", most=4000))
    flash("Answered.")
    return redirect(url_for("appeals.show"))


@blueprint.post("/never-me/<opt_out_id>")
@access.role("reviewer")
def opt_out(opt_out_id: str) -> ResponseReturnValue:
    """Put on the list, or not."""
    yes = fields.one_of("decision", "Decision", ("list", "decline")) == "list"
    services().opt_outs.decide(access.me(), opt_out_id, yes)
    flash("The worker makes the template next." if yes else "Declined, and erased.")
    return redirect(url_for("appeals.show"))


@blueprint.get("/never-me/<opt_out_id>/photos/<sha256>")
@access.role("reviewer")
def photo(opt_out_id: str, sha256: str) -> Response:
    """A photo of a request."""
    return media.picture(services().opt_outs.photo(access.me(), opt_out_id, sha256))
