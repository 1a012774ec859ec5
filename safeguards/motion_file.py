"""MotionFile: movement that left as data, and the signed word inside it.

A film carries its mark in every frame; numbers cannot be marked so that it lasts. So the file holds
a DSSE statement that names the video it belongs to, and the log's release entry holds the file's
digest. Who finds the file whole can verify it; who strips the statement still has bytes whose
digest the register knows; who changes the numbers has a file that nobody answers for.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import canonical, dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.errors import AuditError
from primafacie.generator.errors import EngineError
from primafacie.generator.exports import export
from primafacie.safeguards.errors import SealError

PAYLOAD_TYPE: Final = "application/vnd.primafacie.motion.v1+json"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ASSET = re.compile(r"[0-9a-f]{14}")


@dataclass(frozen=True, slots=True)
class MotionClaims:
    """What the statement says. content: sha256 of the file without it. video: sha256 of the sealed
    film of the same performance. status: where the consent's state can be asked. issued: Unix s."""

    v: int
    asset: str
    content: str
    video: str
    decision: str
    policy: str
    status: str
    issued: int
    notice: str = "AI-generated movement. Use within the consent of the person shown."


@dataclass(frozen=True, slots=True)
class MotionFile:
    """A signed motion file on disk: form is json, csv or glb; sha256 of the whole file."""

    path: Path
    form: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class MotionReading:
    """What a found motion file says of itself. claims: None without a statement. signed: a known
    key signed it. whole: the content is the one that was signed. sha256 of the file as found."""

    form: str
    sha256: str
    claims: MotionClaims | None
    signed: bool
    whole: bool


def seal_motion(
    content: bytes, form: str, claims: MotionClaims, key: Ed25519PrivateKey, path: Path
) -> MotionFile:
    """Write the content with its statement, whole or not at all, and read it back.

    Raises SealError when it is no motion file, does not read back, or cannot be stored.
    """
    try:
        statement = dsse.sign(canonical.encode(asdict(claims)), PAYLOAD_TYPE, key)
        data = export.attach(content, form, statement)
        public = dsse.public_bytes(key)
        reading = read_motion(data, {dsse.key_id(public): public})
    except (EngineError, AuditError) as error:
        raise SealError(f"the motion file could not be signed: {error}") from error
    if not reading.whole or reading.claims != claims or reading.form != form:
        raise SealError("the motion file's statement does not read back")
    _publish(data, path)
    return MotionFile(path, form, reading.sha256, len(data))


def read_motion(data: bytes, keys: Mapping[str, bytes]) -> MotionReading:
    """What a motion file says, judged by public keys alone. keys: key id -> raw public key.

    Raises EngineError for bytes that are no motion file.
    """
    form, content, statement = export.detach(data)
    digest = sha256_hex(data)
    if not statement:
        return MotionReading(form, digest, None, signed=False, whole=False)
    try:
        claims = _claims(dsse.verify(statement, PAYLOAD_TYPE, keys).payload)
    except AuditError:
        return MotionReading(form, digest, None, signed=False, whole=False)
    return MotionReading(form, digest, claims, True, claims.content == sha256_hex(content))


def _claims(payload: bytes) -> MotionClaims:
    try:
        body = json.loads(payload)
        kinds = {f.name: (int if f.type == "int" else str) for f in fields(MotionClaims)}
        if set(body) != set(kinds) or any(type(body[n]) is not k for n, k in kinds.items()):
            raise AuditError("the statement has missing, extra or mistyped fields")
        claims = MotionClaims(**body)
    except (ValueError, TypeError, RecursionError) as error:
        raise AuditError("the statement cannot be read") from error
    digests = (claims.content, claims.video, claims.policy)
    if claims.v != 1 or not all(map(_SHA256.fullmatch, digests)):
        raise AuditError("the statement's digests are malformed")
    if not _ASSET.fullmatch(claims.asset):
        raise AuditError("the statement names no video")
    return claims


def _publish(data: bytes, path: Path) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sealing-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except OSError as error:
        raise SealError(f"the motion file could not be stored: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
