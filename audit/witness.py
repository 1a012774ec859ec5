"""Witness: someone who remembers the last checkpoint he saw, and cosigns the next one only if it
extends it. C2SP tlog-witness, without the HTTP: `add_checkpoint` takes a request body and gives a
response body, or raises with the status to answer.

A log that shows two histories must show one of them to somebody else; a witness it cannot choose is
that somebody. What the witness must keep is one small file. Losing the file makes the witness
start again at the next checkpoint it is shown; rolling it back can make it cosign a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from primafacie.audit.canonical import decode_base64, decode_decimal, encode_base64
from primafacie.audit.checkpoint import (
    Checkpoint,
    open_checkpoint,
    parse_checkpoint,
    require_extension,
)
from primafacie.audit.errors import CanonicalError, CheckpointError, WitnessError
from primafacie.audit.log import Log
from primafacie.audit.memory import Memory
from primafacie.audit.note import Algorithm, NoteSigner
from primafacie.audit.store import Tx

MAX_BODY_BYTES = 512 * 1024
MAX_PROOF_LINES = 63


class Witness:
    """A cosigner of checkpoints for the logs it knows.

    signer: type 0x04 or 0x06, its name not that of a log. logs: origin → vkeys of that log.
    state: path of its file; a lock file stands beside it, so that processes may share it.
    """

    def __init__(
        self,
        signer: NoteSigner,
        logs: Mapping[str, Sequence[str]],
        state: Path,
        clock: Callable[[], datetime],
    ) -> None:
        if signer.algorithm is Algorithm.ED25519 or signer.name in logs:
            raise WitnessError(500, "a witness cosigns, under a name of its own")
        self._signer = signer
        self._logs = dict(logs)
        self._memory = Memory(state)
        self._clock = clock

    @property
    def vkeys(self) -> tuple[str, ...]:
        """The public key that verifies the cosignatures."""
        return self._signer.vkeys

    def known(self, origin: str) -> Checkpoint | None:
        """The last checkpoint cosigned for this log, None before the first."""
        return _remembered(self._memory, origin)

    def add_checkpoint(self, body: str | bytes) -> str:
        """The cosignature line for the checkpoint in a C2SP add-checkpoint request body.

        1. The body is well-formed (400).          5. The old size is the one remembered (409).
        2. The log is known (404).                 6. The tree extends the remembered one (422),
        3. The log's signature holds (403).           and equals it at the same size (409).
        4. The tree is not below the old size (400).
        The new checkpoint is on the disk before the line is returned. Raises WitnessError.
        """
        old, proof, note = parse_request(body)  # 1
        claimed = _parse(note)
        if claimed.origin not in self._logs:  # 2
            raise WitnessError(404, "this witness does not know the log")
        try:
            head = open_checkpoint(note, self._logs[claimed.origin], origin=claimed.origin)  # 3
        except CheckpointError as error:
            raise WitnessError(403, str(error)) from error
        if old > head.size:  # 4
            raise WitnessError(400, "the old size is above that of the checkpoint")
        with self._memory.locked():
            _require_known(_remembered(self._memory, head.origin), old, head, proof)  # 5, 6
            self._memory.keep(head)
        return "".join(self._signer.sign(head.text(), int(self._clock().timestamp())))


def write_request(tx: Tx, log: Log, old: int) -> str:
    """The add-checkpoint body that asks a witness which remembers size `old` to cosign the newest
    checkpoint. Raises WitnessError when there is none."""
    head = log.checkpoint(tx)
    if head is None:
        raise WitnessError(400, "the log has no checkpoint yet")
    hashes = log.consistency(tx, old, head.size)
    lines = [f"old {old}", *map(encode_base64, hashes)]
    return "\n".join(lines) + "\n\n" + head.note


def parse_request(body: str | bytes) -> tuple[int, tuple[bytes, ...], str]:
    """(old size, consistency proof, checkpoint note); WitnessError 400 for anything else."""
    if len(body) > MAX_BODY_BYTES:
        raise WitnessError(400, "the request is too large")
    try:
        text = body if isinstance(body, str) else body.decode()
        above, separator, note = text.partition("\n\n")
        first, *rest = above.split("\n")
        if not separator or not first.startswith("old ") or len(rest) > MAX_PROOF_LINES:
            raise CanonicalError("not an add-checkpoint request")
        old = decode_decimal(first.removeprefix("old "))
        return old, tuple(decode_base64(line) for line in rest), note
    except (CanonicalError, UnicodeError) as error:
        raise WitnessError(400, f"the request is malformed: {error}") from error


def _require_known(
    known: Checkpoint | None, old: int, head: Checkpoint, proof: Sequence[bytes]
) -> None:
    size = 0 if known is None else known.size
    if old != size:
        raise WitnessError(409, f"the last checkpoint seen has {size} leaves", size)
    if known is None:
        if proof:
            raise WitnessError(422, "nothing can be consistent with an empty tree by proof")
        return
    if known.size == head.size and known.root != head.root:
        raise WitnessError(409, "the log signed two trees of one size", size)
    try:
        require_extension(known, head, proof)
    except CheckpointError as error:
        raise WitnessError(422, str(error)) from error


def _remembered(memory: Memory, origin: str) -> Checkpoint | None:
    """A damaged file is no empty memory: WitnessError 500."""
    try:
        return memory.known(origin)
    except CheckpointError as error:
        raise WitnessError(500, f"{error}; this witness cosigns nothing") from error


def _parse(note: str) -> Checkpoint:
    try:
        return parse_checkpoint(note)
    except CheckpointError as error:
        raise WitnessError(400, str(error)) from error
