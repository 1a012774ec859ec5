"""New request: a photo, a voice, a purpose, and what the policies would say to it so far."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from pydantic import ValidationError

from primafacie.generator.controls import CROPS, EMOTIONS, RATES, REGIONS, Controls, pose_keys
from primafacie.generator.errors import GeneratorError
from primafacie.platform.errors import InputError, PlatformError
from primafacie.platform.requests import Submission
from primafacie.platform.web import access, checklist, fields
from primafacie.platform.web.order import ControlsOrder, Order
from primafacie.platform.web.services import services
from primafacie.safeguards.consent import AUDIENCES, PURPOSES
from primafacie.safeguards.errors import SafeguardError

blueprint = Blueprint("request", __name__, url_prefix="/requests")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_SIZES = (256, 384, 512, 720, 1080)


@blueprint.get("/new")
@access.role("researcher")
def form() -> ResponseReturnValue:
    """The form."""
    return _page(request.args)


@blueprint.post("/new")
@access.role("researcher")
def send() -> ResponseReturnValue:
    """Send it. Whatever the list said, the gate decides."""
    settings = services().settings
    try:
        form_id = fields.text("form_id", "Form", most=64)
        submission = Submission(
            project_id=fields.text("project_id", "Project", most=32),
            consent_id=fields.text("consent_id", "Consent", most=32),
            purpose=fields.one_of("purpose", "Purpose", PURPOSES),
            audience=fields.one_of("audience", "Audience", AUDIENCES),
            photo=fields.upload("photo", "Photo", settings.max_photo_bytes),
            voice=fields.upload("voice", "Voice", settings.max_voice_bytes),
            controls=_controls(),
            voice_synthetic=fields.ticked("voice_synthetic"),
        )
        view = services().requests.submit(access.me(), _once(submission, form_id))
    except (PlatformError, SafeguardError, GeneratorError) as error:
        return _page(request.form, str(error)), getattr(error, "status", 400)
    return redirect(url_for("jobs.show", rid=view.rid))


@blueprint.post("/check")
@access.role("researcher")
def check() -> ResponseReturnValue:
    """The live checklist, and the same request as JSON and as a curl command."""
    problem = ""
    try:
        controls = _controls()
    except (PlatformError, GeneratorError) as error:
        controls, problem = Controls(), str(error)
    draft = checklist.Draft(
        project_id=_known("project_id"), consent_id=_known("consent_id"),
        purpose=request.form.get("purpose", "") if request.form.get("purpose") in PURPOSES else "",
        audience=request.form.get("audience", "")[:32], controls=controls,
        photo_digest=_digest("photo_digest"), voice_digest=_digest("voice_digest"),
        voice_ms=_milliseconds(), voice_synthetic=fields.ticked("voice_synthetic"),
    )  # fmt: skip
    checks = checklist.check(services(), access.me(), draft)
    body = json.dumps(_order(draft), indent=2, ensure_ascii=False)
    return render_template("fragments/checklist.html", checks=checks, problem=problem, order=body)


def _page(given: Any, error: str = "") -> str:
    me, s = access.me(), services()
    return render_template(
        "request_new.html", given=given, error=error,
        projects=[p for p in s.projects.listed(me) if p.in_force and me.user_id in p.members],
        consents=s.consents.usable(me),
        purposes=PURPOSES, emotions=EMOTIONS, crops=CROPS, rates=RATES, regions=REGIONS,
        sizes=_SIZES, used=s.requests.used_today(me.user_id), form_id=access.fresh_id(),
    )  # fmt: skip


def _once(submission: Submission, form_id: str) -> Submission:
    """The same form sent twice is one request; sent again with anything changed, another."""
    said = repr((form_id, submission)).encode()  # the files are not in its repr
    key = hashlib.sha256(said + submission.photo + submission.voice).hexdigest()
    return replace(submission, idempotency_key=key)


def _controls() -> Controls:
    f = request.form
    return Controls(
        size=fields.whole("size", "Size", 256, 1080, 512),
        fps=fields.whole("fps", "Frames a second", 1, 60, 25),
        crop=f.get("crop", "square"),  # type: ignore[arg-type]  # checked by Controls
        background=f.get("background", "photo"),  # type: ignore[arg-type]
        emotion=f.get("emotion", "neutral"),  # type: ignore[arg-type]
        intensity=fields.decimal("intensity", "Intensity", 0.5),
        amplitude=fields.decimal("amplitude", "Head movement", 1.0),
        distance=fields.decimal("distance", "Distance", 1.0),
        gaze=(fields.decimal("gaze_yaw", "Gaze", 0.0), fields.decimal("gaze_pitch", "Gaze", 0.0)),
        pose=pose_keys(fields.text("pose", "Head at set times", most=20_000, least=0)),
        regions=fields.some_of("regions", "What moves", REGIONS) or REGIONS,  # type: ignore[arg-type]
        seed=fields.whole("seed", "Seed", 0, 2**32 - 1, 0),
        transcript=fields.text("transcript", "Transcript", most=5000, least=0),
        language=fields.text("language", "Language", most=35, least=0) or "en",
        motion=f.get("motion", ""),
        label=f.get("label", ""),
        caption=f.get("caption", ""),
    )


def _order(draft: checklist.Draft) -> dict[str, Any]:
    """The same request for the API, with only those controls that differ from the default."""
    c = draft.controls
    raw = {"size": c.size, "fps": c.fps, "crop": c.crop,
           "background": c.background, "emotion": c.emotion,
           "intensity": c.intensity, "amplitude": c.amplitude, "distance": c.distance,
           "gaze": c.gaze, "pose": [asdict(key) for key in c.pose],
           "regions": list(c.regions), "seed": c.seed, "transcript": c.transcript,
           "language": c.language, "motion": c.motion, "label": c.label,
           "caption": c.caption}  # fmt: skip
    body: dict[str, Any] = {
        "project_id": draft.project_id or "…", "consent_id": draft.consent_id or "…",
        "purpose": draft.purpose or "…", "audience": draft.audience or "internal",
        "voice_synthetic": draft.voice_synthetic,
    }  # fmt: skip
    try:
        chosen = ControlsOrder.model_validate(raw).model_dump(exclude_defaults=True)
        Order.model_validate(body | {"controls": chosen})
    except ValidationError:
        usual = ControlsOrder().model_dump()
        chosen = {k: v for k, v in raw.items() if v != usual[k]}
        chosen.pop("regions", None)
    if chosen:
        body["controls"] = chosen
    return body


def _known(name: str) -> str:
    value = request.form.get(name, "")
    if len(value) > 32:
        raise InputError(f"{name}: not an id.")
    return value


def _digest(name: str) -> str:
    value = request.form.get(name, "")
    return value if _DIGEST.match(value) else ""


def _milliseconds() -> int:
    return int(min(3600.0, max(0.0, fields.decimal("seconds", "Length", 0.0))) * 1000)
