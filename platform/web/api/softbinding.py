"""Soft bindings: the C2PA Soft Binding Resolution API 2.4, its queries and its manifests.

Manifests and bindings come from releases alone: nothing can be stored here from outside. An
address is never fetched (`byReference`): whoever asks could otherwise make this server connect
anywhere.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, Final

from apiflask import APIBlueprint
from flask import Response, current_app, jsonify, request

from primafacie.audit.errors import ProofError
from primafacie.audit.proof import verify_leaf
from primafacie.platform.clock import now, rfc3339
from primafacie.platform.errors import InputError
from primafacie.platform.manifests import MOST, Match
from primafacie.platform.web import access, problem, verdict, words
from primafacie.platform.web.api import described
from primafacie.platform.web.api import softbinding_shapes as shapes
from primafacie.platform.web.limits import Limiter
from primafacie.platform.web.services import services

PREFIX: Final = "/api/v1/c2pa"
WELL_KNOWN: Final = "/.well-known/c2pa-soft-binding-resolution"
VERSION: Final = "2.4.0"
PROOF: Final = "org.primafacie.tlog-proof.1"
LOOKUPS, CONTENTS = 60, 6  # a minute and address
_WHY: Final = "whoever meets a copy without its credential may ask for it"
_CONTENT: Final = ("image/", "video/", "audio/", "application/")
_MATCHES: Final = described.responses(200, shapes.MatchesShape)

blueprint = APIBlueprint("api_softbinding", __name__, tag="Soft bindings")


@blueprint.record_once
def _fresh(state: Any) -> None:
    """Each app counts by itself."""
    state.app.extensions["softbinding_limits"] = (Limiter(LOOKUPS), Limiter(CONTENTS))


@blueprint.before_request
def _limited() -> Response | None:
    """Too many questions from one address are answered with when to come back."""
    dear = request.path.endswith("/matches/byContent")
    limiter: Limiter = current_app.extensions["softbinding_limits"][int(dear)]
    seconds = limiter.wait(services().journal.source(request.remote_addr or "-"))
    if not seconds:
        return None
    response = problem.answer(429, words.STATUS[429])
    response.headers["Retry-After"] = str(seconds)
    return response


# queries ---------------------------------------------------------------------------------------


@blueprint.get(f"{PREFIX}/matches/byBinding")
@access.public(_WHY)
@blueprint.doc(summary="Manifests that name a soft binding", responses=_MATCHES)
def by_binding() -> Response:
    """The value (base64) and the scheme (alg) stand in the query."""
    return _bound(request.args.get("alg"), request.args.get("value"))


@blueprint.post(f"{PREFIX}/matches/byBinding")
@access.public(_WHY)
@blueprint.doc(summary="The same, for values too long for an address", responses=_MATCHES)
def by_binding_in_body() -> Response:
    """The value and the scheme stand in a JSON object."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise InputError("send a JSON object with alg and value")
    return _bound(body.get("alg"), body.get("value"))


@blueprint.post(f"{PREFIX}/matches/byContent")
@access.public(_WHY)
@blueprint.doc(
    summary="Manifests of the video this file is a copy of",
    description="The file is the body. Its watermark is read, and its content compared with the "
    "fingerprint of the video found: a mark alone is not enough. The file is not kept.",
    responses=described.responses(200, shapes.MatchesShape, 413, 415),
)
def by_content() -> Response:
    """Best first."""
    kind = request.mimetype
    if not kind.startswith(_CONTENT):
        return problem.answer(415, "send the file itself, with its media type")
    data = request.get_data(cache=False)
    if not data:
        raise InputError("the body is empty")
    algorithm = request.args.get("alg", "")
    if algorithm:
        _known(algorithm)
    hint = None
    if "hintAlg" in request.args or "hintValue" in request.args:
        hint = _known(request.args.get("hintAlg")), _value(request.args.get("hintValue"))
    with verdict.turn():
        found = services().manifests.by_content(data, algorithm, hint, request.remote_addr or "")
    return _matches(found)


@blueprint.post(f"{PREFIX}/matches/byReference")
@access.public("it answers everybody that it is not offered")
@blueprint.doc(
    summary="Not offered: no address is fetched",
    responses=described.responses(501, shapes.MatchesShape, 501),
)
def by_reference() -> Response:
    """Refused whatever the body says; nothing in it is looked at."""
    return problem.answer(501, "this service fetches no address; send the file to byContent")


# manifests -------------------------------------------------------------------------------------


@blueprint.get(f"{PREFIX}/manifests/<manifest>")
@access.public(_WHY)
@blueprint.doc(
    summary="A manifest store",
    description="As it was signed. Fitted to a copy that was re-encoded it says, rightly, that the "
    "file changed since.",
    responses=described.files("application/c2pa", 404),
)
def show(manifest: str) -> Response:
    """The bytes."""
    store = services().manifests.store(manifest)
    return Response(store, content_type="application/c2pa")


@blueprint.get(f"{PREFIX}/manifests/<manifest>/receipts")
@access.public("a receipt proves nothing unless strangers can check it")
@blueprint.doc(
    summary="The proof that the log holds the release this manifest belongs to",
    responses=described.responses(200, shapes.ReceiptShape, 404),
)
def receipt(manifest: str) -> Response:
    """Checked with the log's public keys alone."""
    found = services().manifests.record(manifest)
    value = json.dumps({"leaf": base64.b64encode(found.leaf).decode(), "proof": found.proof})
    told = _receipt(manifest, base64.b64encode(value.encode()).decode())
    return jsonify({**told, "verified": _holds(manifest, told)})


@blueprint.post(f"{PREFIX}/manifests/<manifest>/receipts")
@access.public("whoever holds a receipt may have it checked")
@blueprint.doc(
    summary="Does a receipt hold for this manifest?",
    responses=described.responses(200, shapes.ReceiptShape, 404),
)
def check_receipt(manifest: str) -> Response:
    """It does where its proof verifies and its leaf names this manifest."""
    services().manifests.record(manifest)
    told = request.get_json(silent=True)
    if not isinstance(told, dict):
        raise InputError("send a receipt: a JSON object")
    body = {name: told[name] for name in ("@context", "@type", "repository", "anchor")
            if name in told}  # fmt: skip
    return jsonify({**body, "verified": _holds(manifest, told)})


# about the service -----------------------------------------------------------------------------


@blueprint.get(f"{PREFIX}/services/supportedAlgorithms")
@access.public("what this service can read is no secret")
@blueprint.doc(
    summary="Which schemes can be resolved",
    responses=described.responses(200, shapes.AlgorithmsShape),
)
def algorithms() -> Response:
    """Two watermarks; the fingerprint confirms them and is no way in by itself."""
    return jsonify({"watermarks": [{"alg": alg} for alg in _schemes()], "fingerprints": []})


@blueprint.get(f"{PREFIX}/services/capabilities")
@access.public("what this service can do is no secret")
@blueprint.doc(
    summary="Which parts of the API are offered",
    responses=described.responses(200, shapes.CapabilitiesShape),
)
def capabilities() -> Response:
    """Queries by binding and by content; nothing is stored from outside."""
    return jsonify({"c2paSpecificationVersion": VERSION, "supportedCapabilities": [
        "queryByContent"]})  # fmt: skip


@blueprint.get(f"{PREFIX}/services/status")
@access.public("whether this service works is no secret")
@blueprint.doc(
    summary="Does it work?", responses=described.responses(200, shapes.ServiceStatusShape)
)
def status() -> Response:
    """As good as the log and the database it answers from."""
    word = "ok" if services().journal.ready() else "down"
    return jsonify({"status": word, "timestamp": rfc3339(now())})


@blueprint.get(WELL_KNOWN)
@access.public("programs look here first")
@blueprint.doc(hide=True)
def well_known() -> Response:
    """Where the API is."""
    base = f"{services().settings.public_url}{PREFIX}"
    return jsonify({"apiEndpoint": base, "c2paSpecificationVersion": VERSION,
                    "capabilitiesEndpoint": f"{base}/services/capabilities",
                    "statusEndpoint": f"{base}/services/status"})  # fmt: skip


# ----------------------------------------------------------------------------------------------


def _bound(algorithm: Any, value: Any) -> Response:
    found = services().manifests.by_binding(
        _known(algorithm), _value(value), request.remote_addr or ""
    )
    return _matches(found)


def _matches(found: tuple[Match, ...]) -> Response:
    return jsonify({"matches": [
        {"manifestId": match.label} | ({} if match.score is None else
                                       {"similarityScore": match.score})
        for match in found[: _most()]]})  # fmt: skip


def _most() -> int:
    raw = request.args.get("maxResults", str(MOST))
    if not raw.isascii() or not raw.isdigit() or not int(raw[:9]) >= 1:
        raise InputError("maxResults: a whole number from 1")
    return min(int(raw[:9]), MOST)


def _known(algorithm: Any) -> str:
    if algorithm not in _schemes():
        raise InputError(f"alg: one of {', '.join(_schemes())}")
    return str(algorithm)


def _value(value: Any) -> bytes:
    """Base64; in an address a plus sign may have arrived as a blank."""
    try:
        text = str(value if isinstance(value, str) else "").replace(" ", "+")
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("value: base64, please") from error
    if not 0 < len(decoded) <= 1024:
        raise InputError("value: 1 to 1024 bytes in base64")
    return decoded


def _schemes() -> tuple[str, ...]:
    from primafacie.safeguards.provenance.watermark import SCHEME, SOUND_SCHEME

    return SCHEME, SOUND_SCHEME


def _receipt(manifest: str, proof: str) -> dict[str, Any]:
    base = f"{services().settings.public_url}{PREFIX}"
    return {
        "@context": {"c2pa": "https://c2pa.org/", "receipt": "https://c2pa.org/receipt/"},
        "@type": "org.c2pa.manifest-receipt",
        "repository": {"uri": base, "manifestId": manifest},
        "anchor": {"uri": f"{services().settings.public_url}/api/v1/log/checkpoint",
                   "proof": {"alg": PROOF, "value": proof}},
    }  # fmt: skip


def _holds(manifest: str, told: dict[str, Any]) -> bool:
    """Whether the log's proof in a receipt verifies and its leaf released this manifest."""
    try:
        proof = told["anchor"]["proof"]
        body = json.loads(base64.b64decode(proof["value"], validate=True))
        leaf = base64.b64decode(body["leaf"], validate=True)
        said, _ = verify_leaf(str(body["proof"]), leaf, services().log.vkeys)
        named = told["repository"]["manifestId"]
    except (ProofError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return False
    digest = services().manifests.record(manifest).manifest_sha256
    return bool(
        proof.get("alg") == PROOF
        and named == manifest
        and said.kind.value == "output.released"
        and said.fact("manifest_sha256") == digest
    )
