"""Permit: the one key that opens the studio, and PermitLock, the lock on its door.

A permit is a DSSE statement (Ed25519) that names exactly one photo, one voice clip, one set of
parameters, one version of one consent and one decision, lives at most two minutes, and comes with
its own leaf of the transparency log and the proof that the leaf is there. The lock holds public
keys only. It checks, in this order:

 1. the statement: signed by a permit key we know, exact fields, canonical bytes;
 2. the time: already valid, not expired, never longer than MAX_LIFE;
 3. the place: issued for this studio;
 4. the work: the very photo, voice and parameters that lie on the table, by sha256;
 5. the log: a leaf that names this permit is included under a checkpoint our log signed;
 6. the ledger: never used before, burned durably before any work begins.

Whether the decision was right is the caller's part; that there was one, and that it is public
record, is settled here.
"""

from __future__ import annotations

import json
import re
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Final, Protocol

from primafacie.audit import canonical, dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind
from primafacie.audit.errors import AuditError
from primafacie.audit.proof import verify_leaf
from primafacie.generator.errors import PermitError

PAYLOAD_TYPE: Final = "application/vnd.primafacie.generation-permit.v1+json"
MAX_LIFE: Final = 120  # seconds from issue to expiry
CLOCK_SKEW: Final = 5  # seconds a studio's clock may lag behind the gate's
WORK_TIME: Final = 3600  # seconds an opened lock stays open for its one performance

_HEX64 = re.compile(r"[0-9a-f]{64}")
_HEX32 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class PermitClaims:
    """What a permit says. Digests are lower-case hex sha256; times are whole Unix seconds."""

    v: int
    permitId: str
    nonce: str
    aud: str
    iat: int
    nbf: int
    exp: int
    photoSha256: str
    audioSha256: str
    paramsSha256: str
    consentId: str
    consentVersion: int
    consentSha256: str
    decisionId: str
    decisionLeafIndex: int
    policySetSha256: str
    subjectKind: str
    maxSeconds: int
    maxWidth: int

    def to_bytes(self) -> bytes:
        """The canonical JSON that is signed."""
        return canonical.encode(asdict(self))


@dataclass(frozen=True, slots=True)
class Permit:
    """The signed statement, its log leaf, and the proof (tlog-proof text) that it is logged."""

    envelope: bytes
    leaf: bytes
    proof: str

    @property
    def sha256(self) -> str:
        """The digest by which the log's leaf names this permit."""
        return sha256_hex(self.envelope)


class SpentPermits(Protocol):
    """Remembers nonces. Promises: atomic among processes, durable before `burn` returns."""

    def burn(self, nonce: str, expires: int) -> None:
        """Record the nonce, or raise PermitError when it was recorded before."""


_MINTED: weakref.WeakSet[Admission] = weakref.WeakSet()
_MINT = object()


class Admission:
    """Proof that a lock was opened for one photo, one voice and one set of parameters.

    Only PermitLock makes one. Everything in the generator that makes motion or pictures takes it
    first and calls `check`. It ends with its performance.
    """

    __slots__ = ("__weakref__", "_closed", "_until", "claims")

    def __init__(self, mint: object, claims: PermitClaims) -> None:
        if mint is not _MINT:
            raise PermitError("an admission is minted by the permit lock and by nothing else")
        self.claims = claims
        self._closed = False
        self._until = time.monotonic() + WORK_TIME
        _MINTED.add(self)

    def check(self) -> None:
        """Return if this admission is genuine and still open; raise PermitError otherwise."""
        if self not in _MINTED or self._closed or time.monotonic() > self._until:
            raise PermitError("this admission has ended")

    def close(self) -> None:
        """End it; every later check fails."""
        self._closed = True

    def __reduce__(self) -> tuple[object, ...]:
        raise PermitError("an admission cannot leave the studio")


def require(admission: object) -> Admission:
    """The admission, checked; raises PermitError for anything that is not one."""
    if type(admission) is not Admission:
        raise PermitError("this needs an admission from the permit lock")
    admission.check()
    return admission


@dataclass(frozen=True, slots=True)
class PermitLock:
    """Opens once per valid, logged permit.

    permit_keys: key id -> raw Ed25519 public key of the gate. log_vkeys: verifier keys of the
    log (C2SP signed-note form). audience: this studio's name. now: Unix seconds.
    """

    permit_keys: Mapping[str, bytes]
    log_vkeys: tuple[str, ...]
    audience: str
    spent: SpentPermits
    now: Callable[[], float] = time.time

    def spend(self, permit: Permit, photo: bytes, voice: bytes, params: bytes) -> Admission:
        """Check everything, burn the permit, and admit. Raises PermitError with the reason."""
        claims = self._statement(permit)
        self._time(claims)
        if claims.aud != self.audience:
            raise PermitError("the permit was issued for another studio")
        self._work(claims, photo, voice, params)
        self._log(permit, claims)
        self.spent.burn(claims.nonce, claims.exp)
        return Admission(_MINT, claims)

    def _statement(self, permit: Permit) -> PermitClaims:
        try:
            statement = dsse.verify(permit.envelope, PAYLOAD_TYPE, self.permit_keys)
        except AuditError as error:
            raise PermitError(f"the permit is not genuine: {error}") from error
        return _claims(statement.payload)

    def _time(self, claims: PermitClaims) -> None:
        now = self.now()
        if claims.exp - claims.iat > MAX_LIFE or claims.nbf < claims.iat:
            raise PermitError("the permit claims a longer life than permits may have")
        if now < claims.nbf - CLOCK_SKEW:
            raise PermitError("the permit is not valid yet")
        if now >= claims.exp:
            raise PermitError("the permit has expired")

    @staticmethod
    def _work(claims: PermitClaims, photo: bytes, voice: bytes, params: bytes) -> None:
        for what, named, given in (
            ("photo", claims.photoSha256, photo),
            ("voice clip", claims.audioSha256, voice),
            ("set of parameters", claims.paramsSha256, params),
        ):
            if sha256_hex(given) != named:
                raise PermitError(f"the permit was issued for another {what}")

    def _log(self, permit: Permit, claims: PermitClaims) -> None:
        try:
            said, _ = verify_leaf(permit.proof, permit.leaf, self.log_vkeys)
        except AuditError as error:
            raise PermitError(f"the permit is not in the log: {error}") from error
        named = dict(said.facts).get("permit_sha256")
        if said.kind is not Kind.PERMIT_ISSUED or named != permit.sha256:
            raise PermitError("the log entry shown is not this permit's")
        if not claims.decisionLeafIndex < said.index:
            raise PermitError("the permit was logged before its decision")


def _claims(payload: bytes) -> PermitClaims:
    try:
        body = json.loads(payload)
        kinds = {f.name: (int if f.type == "int" else str) for f in fields(PermitClaims)}
        exact = isinstance(body, dict) and set(body) == set(kinds)
        if not exact or any(type(body[name]) is not kind for name, kind in kinds.items()):
            raise PermitError("the permit has missing, extra or mistyped fields")
        claims = PermitClaims(**body)
    except (ValueError, RecursionError) as error:
        raise PermitError("the permit is not JSON") from error
    if claims.to_bytes() != payload:
        raise PermitError("the permit's bytes are not canonical")
    digests = (claims.photoSha256, claims.audioSha256, claims.paramsSha256, claims.consentSha256,
               claims.policySetSha256, claims.nonce)  # fmt: skip
    ids = (claims.permitId, claims.consentId, claims.decisionId)
    if claims.v != 1 or not all(map(_HEX64.fullmatch, digests)):
        raise PermitError("the permit's digests are malformed")
    if not all(map(_HEX32.fullmatch, ids)) or min(claims.maxSeconds, claims.maxWidth) < 1:
        raise PermitError("the permit's ids or limits are malformed")
    return claims
