"""DSSE envelopes with Ed25519: one signed-statement format for permits, consents and receipts.

Source: secure-systems-lab/dsse, protocol.md v1.0.2 (PAE, base64 payload, keyid as a hint only).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from primafacie.audit.digest import sha256_hex
from primafacie.audit.errors import AuditError

MAX_ENVELOPE = 64 * 1024

#: Encodings of Ed25519 points of order 1, 2, 4 and 8, canonical or not, sign bit cleared
#: (the list of libsodium's ge25519_has_small_order).
_SMALL_ORDER = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class EnvelopeError(AuditError):
    """The envelope is malformed, or nobody we know signed it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A verified payload and the key ids whose signatures held."""

    payload: bytes
    payload_type: str
    signers: tuple[str, ...]


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: type and payload, each with its length, so neither can bleed."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def key_id(public: bytes) -> str:
    """The key's sha256, hex: a name for a 32-byte raw Ed25519 public key."""
    return sha256_hex(public)


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes of the public half."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(payload: bytes, payload_type: str, *keys: Ed25519PrivateKey) -> bytes:
    """A DSSE envelope over `payload`, signed by every key in turn, as canonical JSON."""
    tbs = pae(payload_type, payload)
    signatures = [
        {"keyid": key_id(public_bytes(k)), "sig": base64.b64encode(k.sign(tbs)).decode()}
        for k in keys
    ]
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": payload_type,
        "signatures": signatures,
    }
    return json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()


def verify(
    envelope: bytes, payload_type: str, keys: Mapping[str, bytes], threshold: int = 1
) -> Statement:
    """The payload, if at least `threshold` different known keys signed it under this type.

    keys: key id -> 32-byte raw public key. Raises EnvelopeError for any malformed byte, an
    unexpected field, another payload type, or too few valid signatures.
    """
    kind, text, signatures = _parse(envelope)
    if kind != payload_type:
        raise EnvelopeError("the envelope carries another kind of statement")
    payload = _unbase64(text)
    tbs = pae(payload_type, payload)
    held: list[str] = []
    for name, signature in signatures:
        public = keys.get(name)
        known = public is not None and name not in held
        if known and _holds(keys[name], _unbase64(signature), tbs):
            held.append(name)
    if threshold < 1 or len(held) < threshold:
        raise EnvelopeError("no known key signed this statement")
    return Statement(payload, payload_type, tuple(held))


def is_weak(public: bytes) -> bool:
    """Is this one of the small-order points, under which anybody can sign anything?"""
    return public[:-1] + bytes([public[-1] & 0x7F]) in _SMALL_ORDER if public else True


def _holds(public: bytes, signature: bytes, tbs: bytes) -> bool:
    if is_weak(public):
        return False
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, tbs)
    except (InvalidSignature, ValueError):
        return False
    return True


def _unbase64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise EnvelopeError("the envelope is not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise EnvelopeError("the envelope's base64 is not canonical")
    return raw


def _parse(envelope: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """(payload type, base64 payload, [(key id, base64 signature)]), shapes checked."""
    if len(envelope) > MAX_ENVELOPE:
        raise EnvelopeError("the envelope is too large")
    try:
        body = json.loads(envelope)
    except (ValueError, RecursionError) as error:
        raise EnvelopeError("the envelope is not JSON") from error
    shape = isinstance(body, dict) and set(body) == {"payload", "payloadType", "signatures"}
    if not shape or not all(isinstance(body[k], str) for k in ("payload", "payloadType")):
        raise EnvelopeError("the envelope has missing or unexpected fields")
    signatures = body["signatures"]
    if not isinstance(signatures, list) or not 1 <= len(signatures) <= 8:
        raise EnvelopeError("the envelope must carry one to eight signatures")
    for entry in signatures:
        if (
            not isinstance(entry, dict)
            or set(entry) != {"keyid", "sig"}
            or not all(isinstance(v, str) for v in entry.values())
        ):
            raise EnvelopeError("a signature has missing or unexpected fields")
    pairs = [(entry["keyid"], entry["sig"]) for entry in signatures]
    return body["payloadType"], body["payload"], pairs
