"""Memory: the newest checkpoint seen of a log, kept in one small file outside the log's database.

A database restored from an older copy looks sound to itself: every leaf it holds verifies, and
what was withdrawn since is in force again. Only something that was not restored with it can tell.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from primafacie.audit import store
from primafacie.audit.canonical import Json, decode_object, encode
from primafacie.audit.checkpoint import Checkpoint, parse_checkpoint, require_extension
from primafacie.audit.errors import CanonicalError, CheckpointError
from primafacie.audit.log import Log
from primafacie.audit.store import Tx


class Memory:
    """The last checkpoint of each log, by origin. Processes may share it: a lock file is beside it.

    What it must keep apart from the database, and may be shown to anybody. Losing it makes it start
    again; rolled back together with the database it notices nothing: keep it on another disk.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def known(self, origin: str) -> Checkpoint | None:
        """The last checkpoint kept for this log. A damaged file raises CheckpointError."""
        return self._read().get(origin)

    def keep(self, head: Checkpoint) -> None:
        """Keep this checkpoint, in place of an older one; on disk when this returns.

        What it replaces is the caller's to compare, under `locked`.
        """
        heads = {**self._read(), head.origin: head}
        notes: dict[str, Json] = {origin: each.note for origin, each in heads.items()}
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as stream:
            stream.write(encode(notes))
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Compare and keep as one step, among threads and processes."""
        with self._path.with_name(self._path.name + ".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def follow(self, read: Callable[[], AbstractContextManager[Tx]], log: Log) -> Checkpoint | None:
        """Compare the log as it stands with what is remembered of it, then remember its newest
        checkpoint; None before the first.

        read: opens a read transaction. Raises CheckpointError when the log lost entries it once
        signed or holds others in their place.
        """
        with self.locked(), read() as tx:
            known, newest = self.known(log.origin), log.checkpoint(tx)
            if known is not None:
                _require_grown(tx, log, known)
            if newest is not None and (known is None or newest.size > known.size):
                self.keep(newest)
            return newest

    def _read(self) -> dict[str, Checkpoint]:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            heads = [parse_checkpoint(str(note)) for note in decode_object(data).values()]
        except (CanonicalError, CheckpointError) as error:
            raise CheckpointError("the memory of checkpoints is damaged") from error
        return {head.origin: head for head in heads}


def _require_grown(tx: Tx, log: Log, known: Checkpoint) -> None:
    size = log.size(tx)
    tree = Checkpoint(log.origin, size, store.frontier(tx, size).root())
    proof = log.consistency(tx, known.size, size) if known.size <= size else ()
    require_extension(known, tree, proof)
