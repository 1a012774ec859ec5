"""My likeness: what was done and what was refused with one's face, and how to change or stop it."""

from __future__ import annotations

import base64

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.consents import Change
from primafacie.platform.errors import InputError, LinkError, PlatformError
from primafacie.platform.plain_words import plain_words
from primafacie.platform.web import access, again, fields, media
from primafacie.platform.web.services import services
from primafacie.safeguards.consent import AUDIENCES, PURPOSES, ConsentRecord
from primafacie.safeguards.errors import SafeguardError

blueprint = Blueprint("likeness", __name__, url_prefix="/me")
WHY = "the person has no account; the token on the receipt is the key"


def _page(receipt: str, error: str = "", secret: str = "") -> str:
    mine = services().consents.mine(receipt)
    audiences = AUDIENCES[: AUDIENCES.index(mine.offer.audience) + 1]
    return render_template("likeness.html", mine=mine, receipt=receipt, error=error,
                           secret=secret, audiences=audiences)  # fmt: skip


@blueprint.get("/<receipt>")
@access.public(WHY)
def show(receipt: str) -> ResponseReturnValue:
    """Uses and refused attempts, newest first, and everything one can do about them."""
    return _page(receipt)


@blueprint.get("/<receipt>/receipt.json")
@access.public(WHY)
def download(receipt: str) -> Response:
    """The receipt, with the log's proof of the last step."""
    given = services().consents.receipt(receipt)
    return media.download(given.data, given.name, "application/json")


@blueprint.get("/<receipt>/everything.zip")
@access.public(WHY)
def everything(receipt: str) -> Response:
    """All of one's data."""
    data = services().consents.take_away(receipt)
    return media.download(data, "my-consent.zip", "application/zip")


@blueprint.get("/<receipt>/uses/<rid>/proof.json")
@access.public(WHY)
def proof(receipt: str, rid: str) -> Response:
    """The log's entries of one use or refusal, with their proofs."""
    data = services().consents.use_proof(receipt, rid)
    return media.download(data, f"proof-{rid[:8]}.json", "application/json")


@blueprint.get("/<receipt>/uses/<rid>/picture")
@access.public(WHY)
def picture(receipt: str, rid: str) -> Response:
    """A small picture of a video."""
    return media.picture(services().consents.use_picture(receipt, rid))


@blueprint.get("/<receipt>/photos/<sha256>")
@access.public(WHY)
def photo(receipt: str, sha256: str) -> Response:
    """One's own photo."""
    return media.picture(services().consents.my_photo(receipt, sha256))


@blueprint.post("/<receipt>/photos")
@access.public(WHY)
@again.shown_on(_page, "receipt")
def add_photo(receipt: str) -> ResponseReturnValue:
    """Add a photo; it counts once it is signed for."""
    most = services().settings.max_photo_bytes
    services().consents.offer_my_photo(receipt, fields.upload("photo", "Photo", most))
    flash("Photo added. It counts once you have ticked it and signed the change.")
    return redirect(url_for("likeness.show", receipt=receipt) + "#change")


@blueprint.post("/<receipt>/photos/<sha256>/decline")
@access.public(WHY)
def decline_photo(receipt: str, sha256: str) -> ResponseReturnValue:
    """Say no to an offered photo."""
    services().consents.decline_photo(receipt, sha256)
    flash("The photo was deleted.")
    return redirect(url_for("likeness.show", receipt=receipt) + "#change")


@blueprint.post("/<receipt>/change")
@access.public(WHY)
def change(receipt: str) -> ResponseReturnValue:
    """Write the new version and show it, to be signed."""
    try:
        prepared = services().consents.prepare_change(receipt, _change())
    except LinkError:
        raise
    except (PlatformError, SafeguardError) as error:
        return _page(receipt, str(error)), int(getattr(error, "status", 409))
    return render_template(
        "likeness_change.html", receipt=receipt, prepared=prepared,
        tbs=base64.b64encode(prepared.tbs).decode(),
        record=(record := ConsentRecord.from_bytes(prepared.record)), words=plain_words(record),
    )  # fmt: skip


@blueprint.post("/<receipt>/change/sign")
@access.public(WHY)
def sign(receipt: str) -> ResponseReturnValue:
    """Take the signature; the new version is in force, or waits for a reviewer."""
    services().consents.sign_change(receipt, fields.encoded("signature", "Signature"))
    flash("Changed, and signed by you. Take the new receipt with you.")
    return redirect(url_for("likeness.show", receipt=receipt))


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
    """Lift one's own pause."""
    services().consents.resume(receipt)
    flash("Your pause is over.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/withdraw")
@access.public(WHY)
def withdraw(receipt: str) -> ResponseReturnValue:
    """The end: two clicks, no reason needed."""
    services().consents.withdraw(receipt, note=fields.text("note", "Note", most=1000, least=0))
    flash("Withdrawn. Nothing more can be made, and what was made is locked away.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/forget-face")
@access.public(WHY)
def forget_face(receipt: str) -> ResponseReturnValue:
    """Destroy the biometric template; the consent rests."""
    services().consents.forget_biometrics(receipt)
    flash("Done: the system knows nothing of your face any more. Your consent rests.")
    return redirect(url_for("likeness.show", receipt=receipt))


@blueprint.post("/<receipt>/complain")
@access.public(WHY)
@again.shown_on(_page, "receipt")
def complain(receipt: str) -> ResponseReturnValue:
    """Complain; a reviewer answers on this page."""
    services().consents.complain(receipt, fields.text("text", "Complaint", most=4000))
    flash("Your complaint has arrived. The answer will stand on this page.")
    return redirect(url_for("likeness.show", receipt=receipt) + "#complaints")


@blueprint.post("/<receipt>/tell")
@access.public(WHY)
@again.shown_on(_page, "receipt")
def tell(receipt: str) -> ResponseReturnValue:
    """Be told at a web address too, or no more."""
    url = fields.text("url", "Address", most=500, least=0)
    return _page(receipt, secret=services().consents.tell_me_at(receipt, url))


@blueprint.post("/<receipt>/erase")
@access.public(WHY)
def erase(receipt: str) -> ResponseReturnValue:
    """Erase name, contact, photos and templates; only digests stay in the log."""
    if request.form.get("sure") != "erase":
        raise InputError("Tick the box to confirm that everything shall be erased.")
    services().consents.erase(receipt)
    return render_template("likeness_erased.html")


def _change() -> Change:
    photos = tuple(dict.fromkeys(request.form.getlist("photos")))
    days = request.form.get("days", "").strip()
    return Change(
        purposes=fields.some_of("purposes", "What for", PURPOSES),
        audience=fields.one_of("audience", "Who may see it", AUDIENCES),
        max_seconds=fields.whole("max_seconds", "Longest video", 1, 600),
        max_outputs=fields.whole("max_outputs", "Videos in all", 1, 100_000),
        max_per_day=fields.whole("max_per_day", "Videos a day", 1, 100_000),
        days=fields.whole("days", "Days from today", 1, 3653) if days else None,
        motion=fields.ticked("motion"),
        strict=fields.ticked("strict"),
        photos=photos,
    )
