"""Requests: ask for a video, follow it, fetch it, cancel it."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, jsonify, request, url_for
from pydantic import ValidationError

from primafacie.platform.errors import InputError
from primafacie.platform.requests import Submission
from primafacie.platform.web import access, fields, media
from primafacie.platform.web.api import described, shapes
from primafacie.platform.web.order import Order
from primafacie.platform.web.services import services

blueprint = APIBlueprint("api_requests", __name__, url_prefix="/api/v1/requests", tag="Requests")
IDEMPOTENCY = "Idempotency-Key"


@blueprint.post("")
@access.token("generate")
@blueprint.doc(
    summary="Ask for a video",
    description="A multipart form with three parts: `order` (the JSON object Order), `photo` and "
    "`voice`. Answers 202: the request is logged and queued; the gate decides when a worker takes "
    "it up. The header Idempotency-Key makes a repeated call answer with the same request.",
    responses=described.responses(202, shapes.RequestShape, 400, 413, 415, 422),
)
def create() -> tuple[Response, int]:
    """Submit."""
    settings = services().settings
    order = _order()
    view = services().requests.submit(
        access.me(),
        Submission(
            project_id=order.project_id, consent_id=order.consent_id, purpose=order.purpose,
            audience=order.audience, controls=order.controls.controls(),
            photo=fields.upload("photo", "photo", settings.max_photo_bytes),
            voice=fields.upload("voice", "voice", settings.max_voice_bytes),
            voice_synthetic=order.voice_synthetic,
            idempotency_key=request.headers.get(IDEMPOTENCY, "")[:200],
        ),
    )  # fmt: skip
    response = jsonify(shapes.of_request(view))
    response.headers["Location"] = url_for("api_requests.show", rid=view.rid)
    return response, 202


@blueprint.get("")
@access.token("read")
@blueprint.doc(
    summary="My requests, newest first", responses=described.responses(200, shapes.RequestsShape)
)
def listed() -> Response:
    """The fifty newest."""
    found = services().requests.listed(access.me(), limit=50)
    return jsonify({"requests": [shapes.of_request(view) for view in found]})


@blueprint.get("/<rid>")
@access.token("read")
@blueprint.doc(
    summary="One request",
    description="Refused ones carry every reason.",
    responses=described.responses(200, shapes.RequestShape, 404),
)
def show(rid: str) -> Response:
    """Where it stands."""
    return jsonify(shapes.of_request(services().requests.show(access.me(), rid)))


@blueprint.post("/<rid>/cancel")
@access.token("generate")
@blueprint.doc(
    summary="Cancel a request", responses=described.responses(202, shapes.RequestShape, 404, 409)
)
def cancel(rid: str) -> tuple[Response, int]:
    """Stop it; nothing made so far is kept."""
    services().requests.cancel(access.me(), rid)
    return jsonify(shapes.of_request(services().requests.show(access.me(), rid))), 202


@blueprint.get("/<rid>/video")
@access.token("read")
@blueprint.doc(summary="The sealed video", responses=described.files("video/mp4", 404, 409))
def video(rid: str) -> Response:
    """Logged as handed out before the first byte leaves."""
    return media.film(services().requests.deliver(access.me(), rid, "downloaded"), save=True)


@blueprint.get("/<rid>/motion")
@access.token("read")
@blueprint.doc(
    summary="The movement as data, signed",
    description="Where it was asked for: JSON, Live Link Face CSV or glTF.",
    responses=described.files("application/octet-stream", 404, 409),
)
def motion(rid: str) -> Response:
    """Logged as handed out first."""
    found = services().requests.motion(access.me(), rid)
    return media.download(found.read(), found.name, "application/octet-stream")


@blueprint.get("/<rid>/still", defaults={"form": "png"})
@blueprint.get("/<rid>/still.jpg", defaults={"form": "jpg"})
@access.token("read")
@blueprint.doc(
    summary="A still of the sealed video, marked and signed",
    description="As PNG, or as JPEG (`still.jpg`).",
    responses=described.files("image/*", 404, 409),
)
def still(rid: str, form: str) -> Response:
    """Logged as handed out first."""
    found = services().requests.companion(access.me(), rid, form)
    return media.download(found.data, found.name, media.PICTURES[form])


@blueprint.get("/<rid>/sound")
@access.token("read")
@blueprint.doc(
    summary="The sound of the sealed video, marked and signed",
    description="Only where the voice is synthetic, and for at most a minute.",
    responses=described.files("audio/wav", 404, 409),
)
def sound(rid: str) -> Response:
    """A WAV; logged as handed out first."""
    found = services().requests.companion(access.me(), rid, "wav")
    return media.download(found.data, found.name, "audio/wav")


@blueprint.get("/<rid>/receipt")
@access.token("read")
@blueprint.doc(
    summary="The proof that the release is in the log",
    responses=described.files("application/json", 404, 409),
)
def receipt(rid: str) -> Response:
    """To be checked offline."""
    return media.download(services().requests.receipt(access.me(), rid),
                          f"primafacie-receipt-{rid[:8]}.json", "application/json")  # fmt: skip


def _order() -> Order:
    raw: Any = request.form.get("order")
    if raw is None and "order" in request.files:
        raw = request.files["order"].stream.read(100_000)
    if not raw:
        raise InputError("order: send a multipart form with the parts order, photo and voice.")
    try:
        return Order.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "order"
        raise InputError(f"order: {where}: {first['msg']}") from error
