"""My likeness: what was done and what was refused with one's face, and how to stop it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import InputError
from primafacie.platform.web import access, fields, media
from primafacie.platform.web.services import services

blueprint = Blueprint("likeness", __name__, url_prefix="/me")
WHY = "the person has no account; the token on the receipt is the key"


@blueprint.get("/<receipt>")
@access.public(WHY)
def show(receipt: str) -> ResponseReturnValue:
    """Uses and refused attempts, newest first."""
    return render_template("likeness.html", mine=services().consents.mine(receipt), receipt=receipt)


@blueprint.get("/<receipt>/receipt.json")
@access.public(WHY)
def download(receipt: str) -> Response:
    """The receipt, with the log's proof once the consent is in force."""
    given = services().consents.receipt(receipt)
    return media.download(given.data, given.name, "application/json")


@blueprint.post("/<receipt>/pause")
@access.public(WHY)
def pause(receipt: str) -> ResponseReturnValue:
    """Nothing more until resumed."""
    services().consents.pause(receipt)
    flash("Paused. No video can be made until you resume.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/resume")
@access.public(WHY)
def resume(receipt: str) -> ResponseReturnValue:
    """In force again."""
    services().consents.resume(receipt)
    flash("In force again.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/withdraw")
@access.public(WHY)
def withdraw(receipt: str) -> ResponseReturnValue:
    """The end: two clicks, no reason needed."""
    services().consents.withdraw(receipt, note=fields.text("note", "Note", most=1000, least=0))
    flash("Withdrawn. Nothing more can be made, and what was made is locked away.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/erase")
@access.public(WHY)
def erase(receipt: str) -> ResponseReturnValue:
    """Erase name, contact, photos and templates; only digests stay in the log."""
    if request.form.get("sure") != "erase":
        raise InputError("Tick the box to confirm that everything shall be erased.")
    services().consents.erase(receipt)
    return render_template("likeness_erased.html")
