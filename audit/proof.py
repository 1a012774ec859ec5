"""Proof: text with which a stranger, offline, sees that a leaf is in the log. C2SP tlog-proof@v1.

    c2sp.org/tlog-proof@v1
    index 5
    gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
    ...

    example.org/primafacie
    8
    sFodV/vSp5O8n9a8QpW6PRY97tfOSW5bsc2Xl/EQi08=

    — example.org/primafacie hI2DJw...

Kept in files ending in `.tlog-proof`. Verifying needs the leaf, the proof and public keys.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primafacie.audit.canonical import (
    decode_base64,
    decode_decimal,
    encode_base64,
)
from primafacie.audit.checkpoint import Checkpoint, open_checkpoint
from primafacie.audit.entry import Leaf, read_leaf
from primafacie.audit.errors import (
    CanonicalError,
    CheckpointError,
    EntryError,
    MerkleError,
    ProofError,
)
from primafacie.audit.merkle import HASH_BYTES, leaf_hash, verify_inclusion

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PROOF_CHARS = 300 * 1024
MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """The parts of a proof text; nothing in it is verified. `extra` is never authenticated."""

    index: int
    hashes: tuple[bytes, ...]
    note: str
    extra: bytes = b""

    def text(self) -> str:
        """The proof as C2SP tlog-proof@v1 text."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {encode_base64(self.extra)}")
        lines.append(f"index {self.index}")
        lines += [encode_base64(item) for item in self.hashes]
        return "\n".join(lines) + "\n\n" + self.note


def parse_proof(text: str) -> Proof:
    """The parts of `text`, unverified; ProofError for anything that is not a proof."""
    if len(text) > MAX_PROOF_CHARS:
        raise ProofError("the proof is too large")
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines.pop(0) != HEADER:
        raise ProofError("this is not a tlog-proof@v1")
    try:
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
        if not lines or not lines[0].startswith("index "):
            raise ProofError("the proof does not say which leaf it is for")
        index = decode_decimal(lines.pop(0).removeprefix("index "))
        hashes = tuple(decode_base64(line) for line in lines)
    except CanonicalError as error:
        raise ProofError(f"the proof is malformed: {error}") from error
    if len(hashes) > MAX_HASHES or any(len(item) != HASH_BYTES for item in hashes):
        raise ProofError("the proof has a malformed hash, or too many")
    return Proof(index, hashes, note, extra)


def verify_proof(
    text: str,
    leaf: bytes,
    vkeys: Sequence[str],
    *,
    origin: str | None = None,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
) -> Checkpoint:
    """The checkpoint under which exactly `leaf` stands in the log; ProofError if it does not.

    1. The text is a proof.
    2. Its checkpoint holds under `vkeys` (see `open_checkpoint`, also for the witnesses).
    3. The hashes lead from the leaf at the stated index to the checkpoint's root.
    What the leaf says is the caller's to read: `verify_leaf` does both.
    """
    proof = parse_proof(text)  # 1
    try:
        head = open_checkpoint(  # 2
            proof.note, vkeys, origin=origin, witnesses=witnesses, quorum=quorum
        )
        verify_inclusion(proof.index, head.size, leaf_hash(leaf), proof.hashes, head.root)  # 3
    except (CheckpointError, MerkleError) as error:
        raise ProofError(f"this proof does not hold: {error}") from error
    return head


def verify_leaf(
    text: str,
    leaf: bytes,
    vkeys: Sequence[str],
    *,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
) -> tuple[Leaf, Checkpoint]:
    """What the leaf says and the checkpoint that covers it, once `verify_proof` holds.

    The leaf must also name the index and the log that the proof places it in. ProofError otherwise.
    """
    head = verify_proof(text, leaf, vkeys, witnesses=witnesses, quorum=quorum)
    try:
        said = read_leaf(leaf)
    except EntryError as error:
        raise ProofError(f"the proven bytes are no entry of ours: {error}") from error
    if said.index != parse_proof(text).index or said.log != head.origin:
        raise ProofError("the leaf names another place or log than the proof")
    return said, head
