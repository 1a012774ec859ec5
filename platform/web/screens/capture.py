"""Capture: the page behind the one-time link, where a person says yes or no. No account."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.consents import Choices, Estate
from primafacie.platform.errors import InputError, LinkError, PlatformError
from primafacie.platform.plain_words import plain_words
from primafacie.platform.web import access, again, fields, media
from primafacie.platform.web.services import services
from primafacie.safeguards.consent import PURPOSES, RELATIONS, ConsentRecord
from primafacie.safeguards.errors import SafeguardError
from primafacie.safeguards.liveness import LONGEST, MOVES

blueprint = Blueprint("capture", __name__, url_prefix="/c")
WHY = "the person invited has no account; the link is the key"


def _page(
    link: str, error: str = "", given: Mapping[str, str] | None = None, language: str = ""
) -> str:
    language = language or (given or {}).get("notice_language", "")[:16]
    invitation = services().consents.invitation(link, language)
    return render_template("capture.html", link=link, invitation=invitation, error=error,
                           given=given or {}, relations=RELATIONS)  # fmt: skip


@blueprint.get("/<link>")
@access.public(WHY)
def show(link: str) -> ResponseReturnValue:
    """The invitation, with all there is to know before saying yes."""
    return _page(link, language=request.args.get("notice", "")[:16])


@blueprint.post("/<link>/photos")
@access.public(WHY)
@again.shown_on(_page, "link")
def add_photo(link: str) -> ResponseReturnValue:
    """Add a photo of oneself."""
    most = services().settings.max_photo_bytes
    services().consents.add_photo(link, fields.upload("photo", "Photo", most))
    flash("Photo added.")
    return redirect(url_for("capture.show", link=link) + "#photos")


@blueprint.post("/<link>/photos/<sha256>/remove")
@access.public(WHY)
def remove_photo(link: str, sha256: str) -> ResponseReturnValue:
    """Take a photo back."""
    services().consents.remove_photo(link, sha256)
    flash("Photo removed.")
    return redirect(url_for("capture.show", link=link) + "#photos")


@blueprint.get("/<link>/photos/<sha256>")
@access.public(WHY)
def photo(link: str, sha256: str) -> Response:
    """One's own photo, as it was stored."""
    return media.picture(services().consents.link_photo(link, sha256))


@blueprint.post("/<link>/challenge")
@access.public(WHY)
def begin(link: str) -> ResponseReturnValue:
    """Show new words and movements: the recording begins. Answers JSON for the page's script."""
    try:
        challenge = services().consents.begin(link)
    except LinkError:
        raise
    except PlatformError as error:
        return {"problem": str(error)}, error.status
    return {"words": challenge.words, "moves": [(m, MOVES[m]) for m in challenge.moves],
            "seconds": int(LONGEST), "tries_left": challenge.tries_left}  # fmt: skip


@blueprint.get("/<link>/recording")
@access.public(WHY)
def recording(link: str) -> ResponseReturnValue:
    """How the recording stands, for the page that waits: `waiting` until it was looked at."""
    return {"recording": services().consents.invitation(link).recording}


@blueprint.post("/<link>/video")
@access.public(WHY)
@again.shown_on(_page, "link")
def add_video(link: str) -> ResponseReturnValue:
    """Add the spoken statement."""
    most = services().settings.max_video_bytes
    services().consents.add_video(link, fields.upload("video", "Video", most))
    flash("Recording sent.")
    return redirect(url_for("capture.show", link=link) + "#statement")


@blueprint.post("/<link>/voice")
@access.public(WHY)
@again.shown_on(_page, "link")
def add_voice(link: str) -> ResponseReturnValue:
    """Add a clip of one's voice."""
    most = services().settings.max_voice_bytes
    services().consents.add_voice(link, fields.upload("voice", "Voice", most))
    flash("Voice clip added.")
    return redirect(url_for("capture.show", link=link) + "#voice")


@blueprint.post("/<link>/documents/<kind>")
@access.public(WHY)
@again.shown_on(_page, "link")
def add_document(link: str, kind: str) -> ResponseReturnValue:
    """Add what shows that somebody has died, or that it is one's own to decide for them."""
    most = services().settings.max_photo_bytes
    services().consents.add_document(link, kind, fields.upload("document", "Document", most))
    flash("Document added.")
    return redirect(url_for("capture.show", link=link) + "#estate")


@blueprint.post("/<link>/prepare")
@access.public(WHY)
def prepare(link: str) -> ResponseReturnValue:
    """Write the record from the choices and show it once more, to be signed.

    The key is made in the browser: one that this server made would let the house sign for people.
    """
    try:
        choices = _choices()
        if not request.form.get("public_key"):
            raise InputError(
                "Your browser made no key to sign with. Allow JavaScript, or use a newer one."
            )
        public = fields.encoded("public_key", "Key", 32)
        prepared = services().consents.prepare(link, choices, public)
    except LinkError:
        raise
    except (PlatformError, SafeguardError) as error:
        return _again(link, error)
    return render_template(
        "capture_confirm.html", link=link, prepared=prepared,
        tbs=base64.b64encode(prepared.tbs).decode(),
        record=(record := ConsentRecord.from_bytes(prepared.record)), words=plain_words(record),
    )  # fmt: skip


@blueprint.post("/<link>/confirm")
@access.public(WHY)
def confirm(link: str) -> ResponseReturnValue:
    """Take the signature; show the receipt and the private page, once."""
    receipt = services().consents.confirm(link, fields.encoded("signature", "Signature", 64))
    return render_template(
        "capture_done.html", receipt=receipt,
        address=services().settings.public_url + url_for("likeness.show", receipt=receipt.token),
    )  # fmt: skip


@blueprint.post("/<link>/decline")
@access.public(WHY)
def decline(link: str) -> ResponseReturnValue:
    """Say no. Everything given so far is thrown away."""
    services().consents.decline(link)
    return render_template("capture_declined.html")


def _again(link: str, error: PlatformError | SafeguardError) -> ResponseReturnValue:
    """The page with what was wrong, or just that where the link ended with it (a minor's)."""
    try:
        return _page(link, error=str(error), given=request.form), getattr(error, "status", 409)
    except LinkError:
        raise error from None


def _choices() -> Choices:
    if not fields.ticked("read"):
        raise InputError("Please read the notice and tick that you did.")
    return Choices(
        purposes=fields.some_of("purposes", "What for", PURPOSES, least=1),
        adult=fields.one_of("adult", "Your age", ("adult", "minor", "unknown"), "unknown"),
        notice_sha256=fields.text("notice_sha256", "Notice", most=64),
        days=fields.whole("days", "For how long", 1, 3653),
        audience=fields.text("audience", "Who may see it", most=32),
        motion=fields.ticked("motion"),
        strict=fields.ticked("strict"),
        estate=_estate() if "relation" in request.form else None,
    )


def _estate() -> Estate:
    return Estate(
        name=fields.text("representative", "Your name", most=120),
        relation=fields.one_of("relation", "Who you are to them", RELATIONS),
        died=fields.whole("died", "Year in which they died", 1800, 2200),
        right=fields.text("right", "What makes it yours to decide", most=1000),
        honest=fields.ticked("honest"),
    )
