"""Checkpoint: what the log commits to by its signature. C2SP tlog-checkpoint v1.

    example.org/primafacie
    20852163
    CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

Three lines: the log's origin, the number of leaves, the root of the Merkle tree over them. Two
checkpoints of one log are either two views of one history or proof that its owner lied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primafacie.audit.canonical import decode_base64, decode_decimal, encode_base64
from primafacie.audit.errors import CanonicalError, CheckpointError, MerkleError, NoteError
from primafacie.audit.merkle import HASH_BYTES, verify_consistency
from primafacie.audit.note import (
    Algorithm,
    Held,
    Signer,
    VerifierKey,
    open_note,
    parse_note,
    parse_vkey,
    sign_note,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree head. `note` is the signed note it was read from or written to; "" while unsigned."""

    origin: str
    size: int
    root: bytes
    note: str = ""

    def text(self) -> str:
        """The three lines that are signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def sign_checkpoint(head: Checkpoint, signer: Signer, at: int) -> Checkpoint:
    """`head` with its signed note; `at` in POSIX seconds."""
    return Checkpoint(head.origin, head.size, head.root, sign_note(head.text(), signer, at))


def parse_checkpoint(note: str | bytes) -> Checkpoint:
    """The tree head that the note claims. NOTHING is verified: see `open_checkpoint`."""
    try:
        text = parse_note(note).text
    except NoteError as error:
        raise CheckpointError(f"this is not a signed note: {error}") from error
    lines = text.split("\n")
    if len(lines) != 4:
        raise CheckpointError("a checkpoint of this log has exactly three lines")
    try:
        size, root = decode_decimal(lines[1]), decode_base64(lines[2])
    except CanonicalError as error:
        raise CheckpointError(f"the checkpoint's size or root is malformed: {error}") from error
    if not lines[0] or len(root) != HASH_BYTES:
        raise CheckpointError("the checkpoint's origin or root is malformed")
    return Checkpoint(lines[0], size, root, note if isinstance(note, str) else note.decode())


def open_checkpoint(
    note: str | bytes,
    vkeys: Sequence[str],
    *,
    origin: str | None = None,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
) -> Checkpoint:
    """The checkpoint, once its log signed it and `quorum` different witnesses cosigned it.

    1. The note is well-formed, and a checkpoint.
    2. Its origin is `origin`, where one is asked for.
    3. A key of `vkeys` whose name is the origin signed it: as type 0x01 or 0x06, for type 0x04 is
       what witnesses use. Which keys to give is the caller's: give only those whose word you
       require.
    4. `quorum` different names among `witnesses` cosigned it (types 0x04 and 0x06).
    No signature under a given key may be wrong. Raises CheckpointError.
    """
    head = parse_checkpoint(note)  # 1
    if origin is not None and head.origin != origin:  # 2
        raise CheckpointError("the checkpoint is that of another log")
    logs, others = _keys(vkeys), _keys(witnesses)
    held = _held(note, [*logs, *others])
    if not any(h.key in logs and _is_log_key(h.key, head.origin) for h in held):  # 3
        raise CheckpointError("the log did not sign this checkpoint")
    names = {h.key.name for h in held if h.key in others and _is_witness_key(h.key, head.origin)}
    if len(names) < quorum:  # 4
        raise CheckpointError(f"{len(names)} of {quorum} witnesses cosigned this checkpoint")
    return head


def require_extension(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Return if `new` extends `old` by this RFC 6962 consistency proof; CheckpointError if not."""
    if old.origin != new.origin:
        raise CheckpointError("the two checkpoints are of different logs")
    if new.size < old.size:
        raise CheckpointError(f"the log went back from {old.size} to {new.size} leaves")
    try:
        verify_consistency(old.size, new.size, old.root, new.root, proof)
    except MerkleError as error:
        raise CheckpointError(f"the log does not extend what it signed before: {error}") from error


def _held(note: str | bytes, keys: Sequence[VerifierKey]) -> tuple[Held, ...]:
    try:
        return open_note(note, keys)[1]
    except NoteError as error:
        raise CheckpointError(str(error)) from error


def _keys(vkeys: Sequence[str]) -> list[VerifierKey]:
    try:
        return [parse_vkey(text) for text in vkeys]
    except NoteError as error:
        raise CheckpointError(str(error)) from error


def _is_log_key(key: VerifierKey, origin: str) -> bool:
    return key.name == origin and key.algorithm is not Algorithm.ED25519_COSIGNATURE


def _is_witness_key(key: VerifierKey, origin: str) -> bool:
    return key.name != origin and key.algorithm is not Algorithm.ED25519
