"""Takedown: somebody without an account asks to have a video removed."""

from __future__ import annotations

from functools import partial

from flask import Blueprint, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import TooManyRequests

from primafacie.platform.errors import PlatformError
from primafacie.platform.takedown import Filed, Plea
from primafacie.platform.web import access, fields, verdict
from primafacie.platform.web.services import services

blueprint = Blueprint("takedown", __name__, url_prefix="/takedown")
WHY = "whoever is shown against their will has no account"


@blueprint.get("")
@access.public(WHY)
def form() -> ResponseReturnValue:
    """The form."""
    return render_template("takedown.html", given={}, error="")


@blueprint.post("")
@access.public(WHY)
def send() -> ResponseReturnValue:
    """Take the request in. A video of ours is locked away before the answer leaves."""
    try:
        filed = _submit()
    except PlatformError as error:
        page = render_template("takedown.html", given=request.form, error=str(error))
        return page, error.status
    address = services().settings.public_url + url_for("takedown.status", reference=filed.reference)
    return render_template("takedown_done.html", filed=filed, address=address)


@blueprint.get("/<reference>")
@access.public("the reference is the key")
def status(reference: str) -> ResponseReturnValue:
    """What became of it."""
    return render_template("takedown_status.html", asked=services().takedowns.status(reference))


def _submit() -> Filed:
    plea = Plea(
        name=fields.text("name", "Your name", most=120),
        contact=fields.text("contact", "How to reach you", most=200),
        signature=fields.text("signature", "Signature", most=120),
        where_seen=fields.text("where_seen", "Where you saw it", most=1000, least=0),
        statement=fields.text("statement", "What it shows", most=4000),
        in_good_faith=fields.ticked("in_good_faith"),
    )
    given = request.files.get("file")
    data = b""
    if given is not None and given.filename:
        data = fields.upload("file", "The video", services().settings.max_video_bytes)
    digest = request.form.get("sha256", "").strip().lower()
    submit = partial(
        services().takedowns.submit, plea, data=data, sha256=digest,
        source=request.remote_addr or "",
    )  # fmt: skip
    if not data:
        return submit()
    try:
        with verdict.turn():
            return submit()
    except TooManyRequests:  # no turn: taken in all the same
        return submit(at_once=False)
