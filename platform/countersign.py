"""Countersigning: the platform's signature beside the one a subject gave over the same bytes."""

from __future__ import annotations

import base64
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from primafacie.audit import dsse
from primafacie.safeguards.consent import PAYLOAD_TYPE, ConsentRecord, open_consent
from primafacie.safeguards.errors import ConsentError


def countersigned(
    body: bytes, public: bytes, signature: bytes, platform_key: Ed25519PrivateKey
) -> tuple[ConsentRecord, bytes]:
    """The envelope with both signatures, opened again as any reader would.

    public: the subject's Ed25519 key. Raises ConsentError when the signature does not hold for
    exactly this record under exactly this key, or for a record that nobody can give today.
    """
    ConsentRecord.from_bytes(body).check()
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, dsse.pae(PAYLOAD_TYPE, body))
    except (InvalidSignature, ValueError) as error:
        raise ConsentError("the signature does not hold for this record") from error
    envelope = json.loads(dsse.sign(body, PAYLOAD_TYPE, platform_key))
    own = envelope["signatures"][0]["keyid"]
    theirs = {"keyid": dsse.key_id(public), "sig": base64.b64encode(signature).decode()}
    envelope["signatures"].insert(0, theirs)
    sealed = json.dumps(envelope, sort_keys=True, separators=(",", ":")).encode()
    keys = {own: dsse.public_bytes(platform_key), theirs["keyid"]: public}
    return open_consent(sealed, keys, own), sealed
