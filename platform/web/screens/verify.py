"""Verify: anybody chooses a file and learns what can be said about it. Nothing is kept.

The browser checks the file's credential by itself; a second button asks the server, which also
looks for the marks and asks register and log. Only the second sends the file.
"""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Blueprint, current_app, g, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from primafacie.platform.errors import InputError, PlatformError
from primafacie.platform.source import network
from primafacie.platform.web import access, fields, headers, verdict
from primafacie.platform.web.limits import Limiter
from primafacie.platform.web.services import services

blueprint = Blueprint("verify", __name__, url_prefix="/verify")
WHY = "whoever meets a video may ask where it comes from"
ANSWERS: Final = ("right", "wrong", "unclear")
OPINIONS: Final = 6  # from one address in ten minutes
_SHA256: Final = re.compile(r"[0-9a-f]{64}\Z")


@blueprint.record_once
def _fresh(state: Any) -> None:
    """Each app counts by itself, the page and the API together."""
    state.app.extensions["verify_limit"] = Limiter(verdict.FILES)
    state.app.extensions["feedback_limit"] = Limiter(OPINIONS, 600.0)


@blueprint.get("")
@access.public(WHY)
def form() -> ResponseReturnValue:
    """The drop zone."""
    return _page()


@blueprint.post("")
@access.public(WHY)
def check() -> ResponseReturnValue:
    """Check one file. It is examined in memory, or in a file that is gone with the answer."""
    part = "HX-Request" in request.headers
    try:
        data = fields.upload("file", "File", services().settings.max_video_bytes)
        name = (request.files["file"].filename or "")[:120]
        found = verdict.examined(services(), g.account, data, name)
    except PlatformError as error:
        if part:
            answer = render_template("fragments/error.html", status=error.status, text=str(error))
            return answer, error.status
        return _page(error=str(error)), error.status
    if part:
        return render_template("fragments/answer.html", found=found, name=name)
    return _page(found=found, name=name)


@blueprint.get("/trust.json")
@access.public("whoever checks a file elsewhere needs our public keys")
def trust() -> ResponseReturnValue:
    """Roots and public keys: what the browser's check, and anybody's, rests on."""
    return jsonify(services().examiner.anchors())


@blueprint.post("/feedback")
@access.public("whoever was answered may say that the answer is wrong")
def feedback() -> ResponseReturnValue:
    """Keep what somebody says about an answer."""
    limiter: Limiter = current_app.extensions["feedback_limit"]
    limiter.count(network(request.remote_addr or ""))
    answer = fields.one_of("answer", "Was the answer right", ANSWERS)
    file_sha256 = request.form.get("file_sha256", "")
    if file_sha256 and not _SHA256.match(file_sha256):
        raise InputError("The digest of a file has 64 hexadecimal characters.")
    text = fields.text("text", "In your words", most=1000, least=0)
    services().examiner.feedback(request.remote_addr or "", answer, file_sha256, text)
    if "HX-Request" in request.headers:
        return render_template("fragments/thanks.html")
    return _page(thanks=True)


def _page(**parts: object) -> str:
    headers.checks_files()
    return render_template(
        "verify.html",
        **({"found": None, "error": "", "name": "", "thanks": False} | parts),
        rungs=verdict.RUNGS,
        actions=verdict.ACTIONS,
        sources=verdict.SOURCES,
    )
