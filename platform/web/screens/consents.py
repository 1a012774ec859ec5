"""Consents: invite a person, follow the consent, review it, end it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from primafacie.platform.consents import Offer
from primafacie.platform.errors import InputError, PlatformError
from primafacie.platform.notice import Notice
from primafacie.platform.review import ATTACHED
from primafacie.platform.web import access, fields, media
from primafacie.platform.web.services import services
from primafacie.safeguards.consent import (
    AUDIENCES,
    CAPTIONS,
    LABEL_POSITIONS,
    PURPOSES,
    SubjectKind,
)

blueprint = Blueprint("consents", __name__, url_prefix="/consents")
READERS = ("steward", "reviewer", "researcher", "admin")


@blueprint.get("")
@access.role(*READERS)
def listed() -> ResponseReturnValue:
    """Consents this person may see."""
    wanted = request.args.get("state") or None
    me, s = access.me(), services().consents
    broken: tuple[str, ...] = ()
    if wanted or not me.has("steward", "reviewer", "admin"):
        found = s.listed(me, state=wanted)
    else:
        found, broken = s.surveyed(me)
    return render_template("consents.html", consents=found, wanted=wanted, broken=broken)


@blueprint.get("/new")
@access.role("steward")
def form() -> ResponseReturnValue:
    """The invitation form."""
    return _form(request.form)


@blueprint.post("/new")
@access.role("steward")
def draft() -> ResponseReturnValue:
    """Draft the consent and show the one-time link, once."""
    try:
        view, link = services().consents.draft(
            access.me(),
            fields.text("display_name", "Name", most=120),
            fields.text("contact", "Contact", most=200, least=0),
            _offer(),
        )
    except PlatformError as error:
        return _form(request.form, str(error)), error.status
    return render_template("consent_link.html", consent=view, address=_address(link))


@blueprint.get("/<consent_id>")
@access.role(*READERS)
def show(consent_id: str) -> ResponseReturnValue:
    """One consent with its history."""
    me, s = access.me(), services()
    view = s.consents.show(me, consent_id)
    evidence = s.consents.evidence(me, consent_id) if me.has("reviewer") else ()
    reviews = me.has("reviewer") and view.state == "under_review"
    findings = s.consents.findings(me, consent_id) if reviews else ()
    alike = s.consents.alike(me, consent_id) if reviews else ()
    linked = s.consents.linked(me, consent_id) if me.has("reviewer") else ()
    people = {view.steward, view.reviewer, *(t.who for t in view.history)} - {""}
    return render_template(
        "consent.html", consent=view, evidence=evidence, findings=findings, alike=alike,
        linked=linked, names=s.accounts.names(people),
    )  # fmt: skip


@blueprint.post("/<consent_id>/link")
@access.role("steward")
def link(consent_id: str) -> ResponseReturnValue:
    """A new link; the old one dies."""
    text = services().consents.new_link(access.me(), consent_id)
    view = services().consents.show(access.me(), consent_id)
    return render_template("consent_link.html", consent=view, address=_address(text))


@blueprint.get("/<consent_id>/photos/<sha256>")
@access.role("steward", "reviewer", "researcher")
def photo(consent_id: str, sha256: str) -> Response:
    """A registered photo."""
    return media.picture(services().consents.photo(access.me(), consent_id, sha256))


@blueprint.get("/<consent_id>/evidence/<sha256>")
@access.role("reviewer")
def evidence(consent_id: str, sha256: str) -> Response:
    """A piece of evidence, to look at during the review."""
    data = services().consents.evidence_bytes(access.me(), consent_id, sha256)
    return media.stored(data, sha256)


@blueprint.post("/<consent_id>/photos")
@access.role("steward")
def offer_photo(consent_id: str) -> ResponseReturnValue:
    """Ask the person whether another photo may be used."""
    data = fields.upload("photo", "Photo", services().settings.max_photo_bytes)
    services().consents.offer_photo(access.me(), consent_id, data)
    flash("The person is asked. The photo counts once they have signed for it.")
    return redirect(url_for("consents.show", consent_id=consent_id))


@blueprint.post("/<consent_id>/evidence")
@access.role("steward")
def attach(consent_id: str) -> ResponseReturnValue:
    """Add a document the consent rests on."""
    what = fields.one_of("kind", "Kind", ATTACHED)
    data = fields.upload("file", "Document", services().settings.max_photo_bytes)
    services().consents.attach(access.me(), consent_id, what, data)
    flash("Added to the consent.")
    return redirect(url_for("consents.show", consent_id=consent_id))


@blueprint.post("/<consent_id>/review")
@access.role("reviewer")
def review(consent_id: str) -> ResponseReturnValue:
    """Put in force, or reject."""
    note = fields.text("note", "Note", most=1000, least=0)
    verdict = fields.one_of("decision", "Decision", ("activate", "reject"))
    if verdict == "activate":
        watched = fields.ticked("watched")
        view = services().consents.activate(access.me(), consent_id, watched, note=note)
        flash(
            "The consent is in force." if view.state == "active"
            else "Noted. Whoever cannot speak for themselves needs a second reviewer."
        )  # fmt: skip
    else:
        services().consents.reject(access.me(), consent_id, note)
        flash("The consent was rejected.")
    return redirect(url_for("consents.show", consent_id=consent_id))


@blueprint.post("/<consent_id>/witness")
@access.role("reviewer")
def witness(consent_id: str) -> ResponseReturnValue:
    """The reviewer saw the person, live."""
    services().consents.witness(access.me(), consent_id)
    flash("Noted: you saw the person.")
    return redirect(url_for("consents.show", consent_id=consent_id))


@blueprint.post("/<consent_id>/hold")
@access.role("steward", "admin")
def hold(consent_id: str) -> ResponseReturnValue:
    """Pause, resume, or record a withdrawal that came by letter or word."""
    me, s = access.me(), services().consents
    step = fields.one_of("step", "Step", ("suspend", "resume", "withdraw"))
    note = fields.text("note", "Note", most=1000, least=0)
    if step == "suspend":
        s.suspend(me, consent_id, note)
    elif step == "resume":
        s.release_hold(me, consent_id)
    else:
        s.withdraw_on_paper(me, consent_id, note)
    flash({"suspend": "Paused.", "resume": "Our hold is lifted.", "withdraw": "Withdrawn."}[step])
    return redirect(url_for("consents.show", consent_id=consent_id))


def _form(given: Mapping[str, Any], error: str = "") -> str:
    me = access.me()
    projects = [p for p in services().projects.listed(me) if p.state == "approved"]
    return render_template("consent_new.html", given=given, error=error, projects=projects,
                           kinds=tuple(SubjectKind),
                           languages=tuple(Notice.all(services().settings)))  # fmt: skip


def _offer() -> Offer:
    settings, f = services().settings, fields
    return Offer(
        kind=f.one_of("kind", "Kind of person", tuple(SubjectKind)),
        purposes=f.some_of("purposes", "Purposes", PURPOSES, least=1),
        purpose_text=f.text("purpose_text", "What it is for", most=2000),
        projects=_projects(),
        requesters=(),
        audience=f.one_of("audience", "Audience", AUDIENCES),
        max_seconds=f.whole("max_seconds", "Longest video", 1, 600, 30),
        max_side=f.whole("max_side", "Largest picture", 256, 1080, 512),
        max_outputs=f.whole("max_outputs", "Videos in all", 1, 10_000, 100),
        max_per_day=f.whole("max_per_day", "Videos a day", 1, 1000, 10),
        languages=tuple(request.form.get("languages", "").replace(",", " ").split()),
        photo_mode=f.one_of("photo_mode", "Photos", ("registered", "matched")),
        voice_source=f.one_of("voice_source", "Voice", ("own", "synthetic", "clips")),
        label=f.text("label", "Label", most=60, least=0),
        label_position=f.one_of("label_position", "Where they must lie", LABEL_POSITIONS, ""),
        caption=f.one_of("caption", "Caption", CAPTIONS, ""),
        motion=f.ticked("motion"),
        strict=f.ticked("strict"),
        language=f.one_of("language", "Language of the notice", tuple(Notice.all(settings)), "en"),
        days=f.whole("days", "Days in force", 1, settings.consent_days, settings.consent_days),
    )


def _projects() -> tuple[str, ...]:
    chosen = tuple(request.form.getlist("projects"))
    if not chosen:
        raise InputError("Projects: choose the project the videos are for.")
    return chosen


def _address(link: str) -> str:
    return services().settings.public_url + url_for("capture.show", link=link)
