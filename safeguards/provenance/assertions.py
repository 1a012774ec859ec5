"""What a Primafacie credential says: the C2PA 2.4 manifest of one sealed film, whole.

The film is said to be made by a trained model from a withheld photo and voice (or, where a
person's recorded voice is in it unchanged, to be a composite holding that voice). It names the
engine, the visible text, both watermarks, the consent it rests on (a blinded commitment and where
to ask), the policy that allowed it, and the log's proof that this was decided beforehand. Nothing
in it comes from the photo: no pixel, no digest, no name, no place.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from primafacie.audit.entry import format_time
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.order import SealOrder, Words
from primafacie.safeguards.provenance.rubric import ALGORITHMIC, COMPOSITE_TRAINED, TRAINED

SPEC_VERSION = "2.4.0"
VENDOR = "primafacie"
CONSENT = "org.primafacie.consent"
POLICY = "org.primafacie.policy"
TRANSPARENCY = "org.primafacie.transparency"
REPORT = "org.primafacie.report"
SOFT_BINDING = "c2pa.soft-binding"
WORDS = "org.primafacie.words"
FORMATS: Final = {"mp4": "video/mp4", "png": "image/png", "jpg": "image/jpeg", "wav": "audio/wav"}
_ONLY_INPUT: Final = {"png": "photo", "jpg": "photo", "wav": "voice"}


@dataclass(frozen=True, slots=True)
class Binding:
    """A watermark the manifest binds itself to: scheme, a name for people, value."""

    alg: str
    name: str
    value: bytes


Part = Literal["mp4", "png", "jpg", "wav"]


def compose(
    order: SealOrder, bindings: tuple[Binding, ...], duration_ms: int, part: Part = "mp4"
) -> dict[str, Any]:
    """The manifest definition for the C2PA builder; ManifestError when the order is wrong.

    `part`: the film of `duration_ms`, its middle frame as a still, or its sound alone. Each names
    what went into it and nothing else: a still holds no voice, so it is no composite; a sound shows
    no face.
    """
    order.check()
    if part == "wav" and order.voice_is_real:
        raise ManifestError("a person's recording alone is nothing that was generated here")
    film = part == "mp4"
    own = uuid.UUID(order.asset_uuid) if film else uuid.uuid4()
    return {
        "claim_generator_info": [
            {"name": order.producer, "version": order.version, "specVersion": SPEC_VERSION}
        ],
        "vendor": VENDOR,
        "title": f"primafacie-{order.asset_uuid}.{part}",
        "format": FORMATS[part],
        "instance_id": f"urn:uuid:{own}",
        "ingredients": _ingredients(order.voice_is_real, part),
        "assertions": [
            _created("c2pa.actions.v2", _actions(order, part, duration_ms)),
            *(_created(SOFT_BINDING, _soft_binding(b, film * duration_ms)) for b in bindings),
            *([] if part == "wav" else [_created("c2pa.ai-disclosure", _ai_disclosure(order))]),
            _gathered("cawg.training-mining", _no_training()),
            _created(CONSENT, _consent(order)),
            _created(POLICY, _policy(order)),
            _created(TRANSPARENCY, _transparency(order)),
        ],
    }


def _created(label: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": label, "created": True, "data": dict(data)}


def _gathered(label: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"label": label, "data": dict(data)}


def _ingredients(voice_is_real: bool, part: Part) -> list[dict[str, str]]:
    """Byte-less: a title and a random id each, so that a reader learns only that they existed."""
    both = [
        {
            "title": "Source portrait (withheld)",
            "format": "image/jpeg",
            "relationship": "inputTo",
            "label": "photo",
            "instance_id": f"urn:uuid:{uuid.uuid4()}",
            "description": "The face that was animated; not part of this file.",
        },
        {
            "title": "Voice recording" if voice_is_real else "Synthetic voice (withheld)",
            "format": "audio/wav",
            "relationship": "componentOf" if voice_is_real else "inputTo",
            "label": "voice",
            "instance_id": f"urn:uuid:{uuid.uuid4()}",
            "description": "A person's recorded voice, heard in this file."
            if voice_is_real
            else "A synthetic voice that drove the face and is heard in this file.",
        },
    ]
    return [one for one in both if part == "mp4" or one["label"] == _ONLY_INPUT[part]]


def _actions(order: SealOrder, part: Part, duration_ms: int) -> dict[str, Any]:
    actions = [_sounded(order) if part == "wav" else _creation(order, part)]
    if order.voice_is_real and part == "mp4":
        actions.append({"action": "c2pa.placed", "parameters": {"ingredientIds": ["voice"]}})
    agent = {"name": order.producer, "version": order.version}
    actions += [_added(words, part, agent) for words in _words(order, part, duration_ms)]
    actions.append({"action": "c2pa.watermarked.bound", "softwareAgent": agent})
    return {"allActionsIncluded": True, "actions": actions}


def _words(order: SealOrder, part: Part, duration_ms: int) -> list[Words]:
    """What can be read in the film, or in its middle frame."""
    every = [] if part == "wav" else order.words(duration_ms / 1000)
    return [words for words in every if part == "mp4" or words.at(duration_ms / 2000)]


def _added(words: Words, part: Part, agent: Mapping[str, str]) -> dict[str, Any]:
    shown: dict[str, Any] = {"text": words.text, "position": words.position}
    if part == "mp4":
        shown |= {"startMs": round(words.start * 1000), "endMs": round(words.end * 1000)}
    return {
        "action": "c2pa.addedText",
        "digitalSourceType": ALGORITHMIC,
        "softwareAgent": dict(agent),
        "description": f"Visible words: {words.text}",
        "parameters": {WORDS: shown},
    }


def _sounded(order: SealOrder) -> dict[str, Any]:
    """A voice that its uploader declared synthetic; what made it is not known here."""
    return {
        "action": "c2pa.created",
        "when": format_time(order.when),
        "digitalSourceType": TRAINED,
        "softwareAgent": {"name": order.producer, "version": order.version},
        "description": "A voice that was declared synthetic; no person said this.",
        "parameters": {"ingredientIds": ["voice"]},
    }


def _creation(order: SealOrder, part: Part) -> dict[str, Any]:
    name, version = order.engines[0]
    real = order.voice_is_real and part == "mp4"
    inputs = ["photo"] if real or part != "mp4" else ["photo", "voice"]
    report = [{"name": n, "version": v} for n, v in order.engines]
    return {
        "action": "c2pa.created",
        "when": format_time(order.when),
        "digitalSourceType": COMPOSITE_TRAINED if real else TRAINED,
        "softwareAgent": {"name": name, "version": version},
        "description": "A portrait was animated to speak; the person did not say this on camera.",
        "parameters": {
            "ingredientIds": inputs,
            REPORT: {"engines": report, "facts": dict(order.report)},
        },
    }


def _soft_binding(binding: Binding, duration_ms: int) -> dict[str, Any]:
    """The value as base64 text: JSON has no byte strings, and text is what others ship too."""
    span = {"timespan": {"start": 0, "end": duration_ms}} if duration_ms else {}
    value = base64.b64encode(binding.value).decode()
    return {
        "alg": binding.alg,
        "name": binding.name,
        "blocks": [{"scope": span, "value": value}],
        "pad": [],
    }


def _ai_disclosure(order: SealOrder) -> dict[str, Any]:
    name, version = order.engines[0]
    return {
        "modelType": order.model_type,
        "modelName": name,
        "modelIdentifier": f"{name} {version}",
        "contentProfile": {"humanOversightLevel": "prompt_guided"},
    }


def _no_training() -> dict[str, Any]:
    uses = ("data_mining", "ai_inference", "ai_training", "ai_generative_training")
    return {"entries": {f"cawg.{use}": {"use": "notAllowed"} for use in uses}}


def _consent(order: SealOrder) -> dict[str, Any]:
    return {
        "v": 1,
        "commitment": order.consent_commitment,
        "statusUrl": order.consent_status_url,
        "scope": list(order.scope),
        "notAfter": format_time(order.not_after),
        "liveness": order.liveness,
    }


def _policy(order: SealOrder) -> dict[str, Any]:
    return {
        "v": 1,
        "decision": "allow",
        "decisionId": order.decision_id,
        "policySha256": order.policy_sha256,
        "requestId": order.rid,
    }


def _transparency(order: SealOrder) -> dict[str, Any]:
    """The authorised leaf and its proof, as text: both are public in the log's own tiles."""
    evidence = order.evidence
    return {
        "v": 1,
        "origin": evidence.origin,
        "leafIndex": evidence.leaf_index,
        "leaf": base64.b64encode(evidence.leaf).decode(),
        "proof": evidence.proof,
    }
