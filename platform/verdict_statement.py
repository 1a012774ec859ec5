"""Verdict statement: an examiner's answer that can be handed on, signed and checkable offline.

A DSSE envelope around canonical JSON: which file (by digest), which detector, when, and the whole
verdict. The key is the installation's own for this purpose alone, made from its vault master, so a
statement can never stand for a consent, a permit or a log entry. Its public half is published
beside the trust anchors. What is signed is what was said then: a withdrawal since is not in it.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import canonical, dsse
from primafacie.audit.canonical import Json
from primafacie.audit.errors import AuditError
from primafacie.platform.clock import rfc3339
from primafacie.platform.errors import InputError
from primafacie.safeguards.provenance.verdict import Verdict

PURPOSE: Final = "verdict"
PAYLOAD_TYPE: Final = "application/vnd.primafacie.verdict.v1+json"


@dataclass(frozen=True, slots=True)
class Detector:
    """Who examined: name, version, and the address of the page where anybody may ask again."""

    name: str
    version: str
    url: str


@dataclass(frozen=True, slots=True)
class VerdictStatement:
    """A statement whose signature held. details: the whole verdict as JSON values."""

    level: str
    sentence: str
    file_sha256: str
    said_at: str
    detector: Detector
    details: dict[str, Json]


def sign_verdict(
    verdict: Verdict, key: Ed25519PrivateKey, detector: Detector, at: datetime
) -> bytes:
    """The envelope of what `detector` said at `at`."""
    statement: dict[str, Json] = {
        "v": 1,
        "saidAt": rfc3339(at),
        "detector": {"name": detector.name, "version": detector.version, "url": detector.url},
        "verdict": verdict.to_json(),
    }
    return dsse.sign(canonical.encode(statement), PAYLOAD_TYPE, key)


def read_verdict(envelope: bytes, public: bytes) -> VerdictStatement:
    """What the statement says, if the key with this 32-byte public half signed it.

    Raises InputError for anything else: another key, another kind of statement, a changed byte.
    """
    try:
        said = dsse.verify(envelope.strip(), PAYLOAD_TYPE, {dsse.key_id(public): public})
        body = canonical.decode_object(said.payload)
        details, detector = _object(body["verdict"]), _object(body["detector"])
        return VerdictStatement(
            level=str(details["verdict"]),
            sentence=str(details["sentence"]),
            file_sha256=str(_object(details["file"])["sha256"]),
            said_at=str(body["saidAt"]),
            detector=Detector(*(str(detector[name]) for name in ("name", "version", "url"))),
            details=details,
        )
    except (AuditError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"this verdict does not hold: {error}") from error


def read_key(text: str) -> bytes:
    """The 32 raw bytes of a public key written in base64. Raises InputError."""
    try:
        raw = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("this is no key: it is not base64") from error
    if len(raw) != 32 or dsse.is_weak(raw):
        raise InputError("this is no key: an Ed25519 public key has 32 bytes")
    return raw


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InputError("this verdict does not hold: a part is no object")
    return value
