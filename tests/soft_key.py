"""A passkey in software: what an authenticator does, and what a dishonest one would.

Made by hand from the WebAuthn specification, sharing no code with the verifier that is tested.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class SoftKey:
    """One credential for one host."""

    host: str = "localhost"
    origin: str = "http://localhost"
    count: int = 0
    credential_id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    user: str = ""  # whom it was made for, as it says when it signs

    def make(self, options: str, *, flags: int = PRESENT | VERIFIED, **forged: Any) -> str:
        """The answer to navigator.credentials.create(). forged: `origin`, `host`, `challenge`."""
        point = self.private.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: point.x.to_bytes(32), -3: point.y.to_bytes(32)}
        attested = (
            bytes(16) + struct.pack(">H", len(self.credential_id)) + self.credential_id
            + cbor2.dumps(cose)
        )  # fmt: skip
        told = self._data(flags | ATTESTED, forged.get("host", self.host)) + attested
        client = self._client("webauthn.create", options, forged)
        self.user = json.loads(options)["user"]["id"]
        response = {
            "clientDataJSON": b64(client),
            "attestationObject": b64(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": told})),
        }
        return self._answer(response)

    def sign(
        self, options: str, user_id: str | None = None, *, flags: int = PRESENT | VERIFIED,
        **forged: Any,
    ) -> str:  # fmt: skip
        """The answer to navigator.credentials.get(). user_id: of whom it says to be, "" for nobody.
        forged: as above, and `count`."""
        self.count = forged.get("count", self.count + 1)
        told = self._data(flags, forged.get("host", self.host))
        client = self._client("webauthn.get", options, forged)
        signature = self.private.sign(
            told + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256())
        )
        response = {
            "clientDataJSON": b64(client),
            "authenticatorData": b64(told),
            "signature": b64(signature),
        }
        handle = self.user if user_id is None else b64(bytes.fromhex(user_id))
        if handle:
            response["userHandle"] = handle
        return self._answer(response)

    def _data(self, flags: int, host: str) -> bytes:
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.count.to_bytes(4)

    def _client(self, kind: str, options: str, forged: dict[str, Any]) -> bytes:
        challenge = forged.get("challenge", json.loads(options)["challenge"])
        origin = forged.get("origin", self.origin)
        told = {"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": False}
        return json.dumps(told).encode()

    def _answer(self, response: dict[str, Any]) -> str:
        name = b64(self.credential_id)
        return json.dumps(
            {"id": name, "rawId": name, "type": "public-key", "response": response,
             "clientExtensionResults": {}}
        )  # fmt: skip
