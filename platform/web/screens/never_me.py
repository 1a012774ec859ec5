"""Never me: somebody asks never to be shown, whoever consents."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import InputError, PlatformError, TooLargeError
from primafacie.platform.opt_outs import MOST_PHOTOS
from primafacie.platform.web import access, fields
from primafacie.platform.web.services import services

blueprint = Blueprint("never_me", __name__, url_prefix="/never-me")
WHY = "whoever does not want to be shown needs no account"


@blueprint.get("")
@access.public(WHY)
def form() -> ResponseReturnValue:
    """The form."""
    return render_template("never_me.html", given={}, error="")


@blueprint.post("")
@access.public(WHY)
def ask() -> ResponseReturnValue:
    """Take the request in; a reviewer looks at it."""
    try:
        reference = services().opt_outs.ask(
            fields.text("name", "Your name", most=120),
            fields.text("contact", "How to reach you", most=200),
            _photos(),
            fields.ticked("honest"),
            source=request.remote_addr or "",
        )
    except PlatformError as error:
        page = render_template("never_me.html", given=request.form, error=str(error))
        return page, error.status
    address = services().settings.public_url + url_for("never_me.status", reference=reference)
    return render_template("never_me_done.html", address=address)


@blueprint.get("/<reference>")
@access.public("the reference is the key")
def status(reference: str) -> ResponseReturnValue:
    """What became of it."""
    asked = services().opt_outs.status(reference)
    return render_template("never_me_status.html", asked=asked, reference=reference)


@blueprint.post("/<reference>/renew")
@access.public("the reference is the key")
def renew(reference: str) -> ResponseReturnValue:
    """New photos, where they were asked for."""
    services().opt_outs.renew(reference, _photos(), fields.ticked("honest"))
    flash("Thank you. A reviewer looks at the photos; until then your entry stands as it was.")
    return redirect(url_for("never_me.status", reference=reference))


@blueprint.post("/<reference>/leave")
@access.public("the reference is the key")
def leave(reference: str) -> ResponseReturnValue:
    """Off the list; everything about it is forgotten."""
    services().opt_outs.leave(reference)
    flash("Done. Everything about it was erased.")
    return redirect(url_for("never_me.form"))


def _photos() -> list[bytes]:
    most, found = services().settings.max_photo_bytes, []
    for given in request.files.getlist("photos")[: MOST_PHOTOS + 1]:
        data = given.stream.read(most + 1)
        if len(data) > most:
            raise TooLargeError(f"Photos: at most {most // 1_000_000} MB each.")
        if data:
            found.append(data)
    if not found:
        raise InputError("Photos: choose at least one.")
    return found
