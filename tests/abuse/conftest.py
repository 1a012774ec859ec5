"""A gate's keys and a log in memory, good enough to issue real permits; attackers start here."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.checkpoint import Checkpoint, sign_checkpoint
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Leaf, Outcome
from primafacie.audit.merkle import leaf_hash, node_hash
from primafacie.audit.note import NoteSigner
from primafacie.audit.proof import Proof
from primafacie.generator.controls import Controls
from primafacie.generator.errors import PermitError
from primafacie.generator.permit import PAYLOAD_TYPE, Permit, PermitClaims, PermitLock

ORIGIN = "test.invalid/log"
PHOTO, VOICE, PARAMS = b"photo", b"voice", Controls().to_params()


class Spent:
    """SpentPermits in memory."""

    def __init__(self) -> None:
        self.nonces: set[str] = set()

    def burn(self, nonce: str, expires: int) -> None:
        if nonce in self.nonces:
            raise PermitError("the permit was used before")
        self.nonces.add(nonce)


def key(letter: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(letter.encode() * 32)


@dataclass
class Issuer:
    """Issues permits as the gate does. Every part can be swapped for a wrong one."""

    permit_key: Ed25519PrivateKey = field(default_factory=lambda: key("p"))
    log: NoteSigner = field(default_factory=lambda: NoteSigner.from_seed(ORIGIN, b"l" * 32))
    now: int = field(default_factory=lambda: int(time.time()))

    def claims(self, **changes: Any) -> dict[str, Any]:
        return {
            "v": 1, "permitId": "1" * 32, "nonce": "2" * 64, "aud": "studio-1",
            "iat": self.now, "nbf": self.now, "exp": self.now + 120,
            "photoSha256": sha256_hex(PHOTO), "audioSha256": sha256_hex(VOICE),
            "paramsSha256": sha256_hex(PARAMS), "consentId": "3" * 32, "consentVersion": 1,
            "consentSha256": "4" * 64, "decisionId": "5" * 32, "decisionLeafIndex": 0,
            "policySetSha256": "6" * 64, "subjectKind": "synthetic", "maxSeconds": 10,
            "maxWidth": 512, **changes,
        }  # fmt: skip

    def permit(self, **changes: Any) -> Permit:
        payload = PermitClaims(**self.claims(**changes)).to_bytes()
        return self.logged(dsse.sign(payload, PAYLOAD_TYPE, self.permit_key))

    def logged(self, envelope: bytes, **changes: Any) -> Permit:
        """Two leaves: the decision's at index 0, the permit's at index 1."""
        facts = (("permit_sha256", sha256_hex(envelope)),)
        parts: dict[str, Any] = {
            "log": ORIGIN, "index": 1, "at": datetime.now(UTC), "kind": Kind.PERMIT_ISSUED,
            "rid": "r" * 32, "actor": "", "subject": "", "out": Outcome.ALLOW, "why": (),
            "facts": facts, "commitment": "", **changes,
        }  # fmt: skip
        leaf = Leaf(**parts).encode()
        first = leaf_hash(b"the decision")
        root = node_hash(first, leaf_hash(leaf))
        head = sign_checkpoint(Checkpoint(ORIGIN, 2, root), self.log, self.now)
        return Permit(envelope, leaf, Proof(1, (first,), head.note).text())

    def lock(self, **changes: Any) -> PermitLock:
        public = dsse.public_bytes(key("p"))
        parts: dict[str, Any] = {
            "permit_keys": {dsse.key_id(public): public},
            "log_vkeys": NoteSigner.from_seed(ORIGIN, b"l" * 32).vkeys,
            "audience": "studio-1",
            "spent": Spent(),
            **changes,
        }
        return PermitLock(**parts)


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()
