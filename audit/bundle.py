"""Bundle: a whole log in one file that anyone verifies offline, with public keys alone.

Lines of canonical JSON (FORMAT.md): a header, the checkpoints, the leaves as they are, a footer.
The footer is itself a leaf of the log: the export is logged with the sha256 of every byte above it,
and the footer carries that leaf, its proof, and the proof that the newer tree extends the exported
one. So the file is signed by the log's own checkpoint keys, and no export goes unrecorded.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, TypeGuard

from primafacie.audit import store
from primafacie.audit.canonical import Json, decode_base64, decode_object, encode, encode_base64
from primafacie.audit.checkpoint import Checkpoint, require_extension
from primafacie.audit.entry import Kind, LogEntry, Outcome, format_time
from primafacie.audit.errors import (
    BundleError,
    CanonicalError,
    CheckpointError,
    ProofError,
)
from primafacie.audit.log import Log, Receipt
from primafacie.audit.proof import verify_leaf
from primafacie.audit.replay import BundleReport, Replay, open_heads
from primafacie.audit.store import Database

FORMAT = "primafacie-audit-bundle"
VERSION = 1
MAX_LINE_BYTES = 1 << 20


def export_bundle(
    database: Database, log: Log, path: Path, at: datetime, *, actor: str = "", rid: str = ""
) -> Receipt:
    """Write the log as it stands now to `path`, and log that `actor` exported it; that receipt.

    1. Publish, so that every leaf so far is covered.   Committed: a checkpoint.
    2. Write header, checkpoints and leaves to a file beside `path`; leaves never change, so they
       are read in short transactions.                  A crash leaves a file ending in `.part`.
    3. Log the export with the file's sha256, publish.  Committed: the export is on record.
    4. Add the footer and move the file to `path`.      A crash before: an export on record that
       nobody received.
    """
    with database.begin() as tx:  # 1
        size = log.publish(tx).size
        notes = [
            note + "".join(store.cosignatures(tx, at_size))
            for at_size, note in store.checkpoints(tx)
        ]
    part = path.with_name(path.name + ".part")
    with part.open("wb") as stream:
        digest = hashlib.sha256()
        for line in _above(database, log, size, notes):  # 2
            stream.write(line)
            digest.update(line)
        with database.begin() as tx:  # 3
            receipt = log.append(tx, _exported(at, actor, rid, size, digest.hexdigest()))
            newer = log.publish(tx)
        with database.begin() as tx:  # 4
            extension = log.consistency(tx, size, newer.size)
            footer: dict[str, Json] = {
                "consistency": [encode_base64(item) for item in extension],
                "leaf": receipt.leaf.decode(),
                "proof": log.prove(tx, receipt.index, newer.size),
            }
        stream.write(encode(footer) + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)
    return receipt


def verify_bundle(
    path: Path,
    vkeys: Sequence[str],
    *,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
    seen: Sequence[str] = (),
) -> BundleReport:
    """Everything that can be known of the log in this file, with these public keys and no network.

    1. Header, lines and footer have their one form, and nothing follows.
    2. Every checkpoint is signed by the log, the largest cosigned by `quorum` witnesses.
    3. Every leaf is genuine: see `Replay`. The notes in `seen`, checkpoints that the reader or a
       witness kept from earlier, are part of the same history.
    4. The export itself is logged, with the sha256 of these very bytes.
    Raises BundleError. What the leaves tell is in the report: see `BundleReport.require_sound`.
    """
    try:
        with path.open("rb") as stream:
            return _verify(stream, vkeys, witnesses, quorum, seen)
    except OSError as error:
        raise BundleError(f"the file cannot be read: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class _Header:
    log: str
    size: int
    checkpoints: int

    def encode(self) -> bytes:
        body: dict[str, Json] = {
            "format": FORMAT,
            "v": VERSION,
            "log": self.log,
            "size": self.size,
            "checkpoints": self.checkpoints,
        }
        return encode(body) + b"\n"


class _Lines:
    """Reads a file line by line and keeps the sha256 of what was read."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def next(self) -> bytes:
        """The next line without its newline; BundleError when the file or the line is cut."""
        line = self._stream.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise BundleError("the file ends early, or a line has no end")
        self.digest.update(line)
        return line[:-1]

    def require_end(self) -> None:
        """Return if nothing is left."""
        if self._stream.read(1):
            raise BundleError("something follows the footer")


def _above(database: Database, log: Log, size: int, notes: Sequence[str]) -> Iterator[bytes]:
    """Header, checkpoints and leaves, each line with its newline."""
    yield _Header(log.origin, size, len(notes)).encode()
    for note in notes:
        yield encode({"checkpoint": note}) + b"\n"
    for start in range(0, size, store.PAGE):
        with database.begin() as tx:
            page = list(store.leaves(tx, start, min(start + store.PAGE, size)))
        yield from (body + b"\n" for _, body in page)


def _exported(at: datetime, actor: str, rid: str, size: int, digest: str) -> LogEntry:
    return LogEntry(
        Kind.LOG_EXPORTED,
        rid or uuid.uuid4().hex,
        at,
        actor=actor,
        out=Outcome.OK,
        facts=(("bundle", digest), ("size", size), ("exported", format_time(at))),
    )


def _verify(
    stream: BinaryIO,
    vkeys: Sequence[str],
    witnesses: Sequence[str],
    quorum: int,
    seen: Sequence[str],
) -> BundleReport:
    lines = _Lines(stream)
    header = _header(lines.next())  # 1
    notes = [_checkpoint(lines.next()) for _ in range(header.checkpoints)]
    heads = open_heads(notes, vkeys, header.log, witnesses=witnesses, quorum=quorum)  # 2
    _require_rising(heads, header.size)
    replay = Replay(header.log, [*heads, *open_heads(seen, vkeys, header.log)])
    for _ in range(header.size):  # 3
        replay.read(lines.next())
    report = replay.finish(tail=False)
    digest = lines.digest.hexdigest()
    _require_footer(lines.next(), heads[-1], digest, vkeys)  # 4
    lines.require_end()
    return report


def _require_rising(heads: Sequence[Checkpoint], size: int) -> None:
    sizes = [head.size for head in heads]
    if not sizes or sizes[-1] != size or any(a >= b for a, b in itertools.pairwise(sizes)):
        raise BundleError("the checkpoints do not rise to the size of the bundle")


def _require_footer(line: bytes, head: Checkpoint, digest: str, vkeys: Sequence[str]) -> None:
    """Return if the log itself recorded that it exported exactly these bytes."""
    footer = _fields(line, {"consistency", "leaf", "proof"})
    leaf, proof, path = footer["leaf"], footer["proof"], footer["consistency"]
    if not isinstance(leaf, str) or not isinstance(proof, str) or not isinstance(path, list):
        raise BundleError("the footer is malformed")
    try:
        said, newer = verify_leaf(proof, leaf.encode(), vkeys)
        require_extension(head, newer, [decode_base64(str(item)) for item in path])
    except (CanonicalError, CheckpointError, ProofError) as error:
        raise BundleError(f"the footer does not hold: {error}") from error
    if said.kind is not Kind.LOG_EXPORTED or said.fact("bundle") != digest:
        raise BundleError("the log did not export these bytes")


def _header(line: bytes) -> _Header:
    body = _fields(line, {"format", "v", "log", "size", "checkpoints"})
    log, size, checkpoints = body["log"], body["size"], body["checkpoints"]
    if body["format"] != FORMAT or not _is_version(body["v"]) or not isinstance(log, str):
        raise BundleError("this is no audit bundle, or one of another version")
    if not _is_count(size) or not _is_count(checkpoints):
        raise BundleError("the header's counts are malformed")
    return _Header(log, size, checkpoints)


def _is_version(value: Json) -> bool:
    return _is_count(value) and value == VERSION


def _is_count(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _checkpoint(line: bytes) -> str:
    note = _fields(line, {"checkpoint"})["checkpoint"]
    if not isinstance(note, str):
        raise BundleError("a checkpoint line is malformed")
    return note


def _fields(line: bytes, names: set[str]) -> Mapping[str, Json]:
    try:
        body = decode_object(line)
    except CanonicalError as error:
        raise BundleError(f"a line is malformed: {error}") from error
    if set(body) != names:
        raise BundleError("a line has missing or unexpected fields")
    return body
