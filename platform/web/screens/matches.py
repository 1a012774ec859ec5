"""Matches: a reviewer compares a photo with the registered ones. No names, no purpose, no score."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.web import access, fields, media
from primafacie.platform.web.services import services

blueprint = Blueprint("matches", __name__, url_prefix="/approvals/faces")


@blueprint.get("/<rid>")
@access.role("reviewer")
def show(rid: str) -> ResponseReturnValue:
    """The photo beside the registered ones."""
    match = services().confirmations.show(access.me(), rid)
    return render_template("matches.html", match=match)


@blueprint.get("/<rid>/<which>")
@access.role("reviewer")
def picture(rid: str, which: str) -> Response:
    """One of the photos; that it was looked at is logged."""
    return media.picture(services().confirmations.picture(access.me(), rid, which))


@blueprint.post("/<rid>")
@access.role("reviewer")
def answer(rid: str) -> ResponseReturnValue:
    """The same person, or not surely. The gate goes on from there."""
    same = fields.one_of("answer", "Your answer", ("same", "no")) == "same"
    services().confirmations.answer(access.me(), rid, same)
    flash("Noted: the same person." if same else "Noted. Nothing is made.")
    return redirect(url_for("approvals.show"))
