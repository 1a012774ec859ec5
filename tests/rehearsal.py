"""A lock of one's own, made for one process, for benchmarks and conformance checks.

Keys, a log and a ledger that live as long as the process. No check of an engine is switched off for
it, and what it issues opens nothing else: its permits name a studio, a key and a log that no
installation trusts. It lies here, and in no installed package, because it admits any photo.
"""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from typing import Final

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
from primafacie.generator.permit import (
    MAX_LIFE,
    PAYLOAD_TYPE,
    Admission,
    Permit,
    PermitClaims,
    PermitLock,
)

_ORIGIN: Final = "rehearsal.invalid/log"
_STUDIO: Final = "rehearsal"


class _Spent:
    """A ledger in memory."""

    def __init__(self) -> None:
        self._nonces: set[str] = set()

    def burn(self, nonce: str, expires: int) -> None:
        if nonce in self._nonces:
            raise PermitError("the permit was used before")
        self._nonces.add(nonce)


class Rehearsal:
    """Keys, a log and a lock that no studio knows."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._log = NoteSigner.from_seed(_ORIGIN, secrets.token_bytes(32))
        public = dsse.public_bytes(self._key)
        self._lock = PermitLock(
            {dsse.key_id(public): public}, self._log.vkeys, _STUDIO, _Spent()
        )  # fmt: skip

    def admit(self, photo: bytes, voice: bytes, controls: Controls) -> Admission:
        """Issue a permit and spend it at once."""
        params = controls.to_params()
        permit = self._logged(self._claims(photo, voice, params).to_bytes())
        return self._lock.spend(permit, photo, voice, params)

    def _claims(self, photo: bytes, voice: bytes, params: bytes) -> PermitClaims:
        now = int(time.time())
        nothing = sha256_hex(b"rehearsal")
        return PermitClaims(
            v=1, permitId=nothing[:32], nonce=secrets.token_hex(32),
            aud=_STUDIO, iat=now, nbf=now, exp=now + MAX_LIFE, photoSha256=sha256_hex(photo),
            audioSha256=sha256_hex(voice), paramsSha256=sha256_hex(params),
            consentId=nothing[:32], consentVersion=1, consentSha256=nothing,
            decisionId=nothing[:32], decisionLeafIndex=0, policySetSha256=nothing,
            subjectKind="synthetic", maxSeconds=600, maxWidth=1080,
        )  # fmt: skip

    def _logged(self, payload: bytes) -> Permit:
        envelope = dsse.sign(payload, PAYLOAD_TYPE, self._key)
        leaf = Leaf(
            log=_ORIGIN, index=1, at=datetime.now(UTC), kind=Kind.PERMIT_ISSUED, rid="0" * 32,
            actor="", subject="", out=Outcome.ALLOW, why=(),
            facts=(("permit_sha256", sha256_hex(envelope)),), commitment="",
        ).encode()  # fmt: skip
        first = leaf_hash(b"rehearsal")
        head = sign_checkpoint(
            Checkpoint(_ORIGIN, 2, node_hash(first, leaf_hash(leaf))), self._log, int(time.time())
        )
        return Permit(envelope, leaf, Proof(1, (first,), head.note).text())
