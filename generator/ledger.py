"""Ledger: the studio's own book of spent permits, apart from the gate's log (double entry).

One append-only file, one line per permit: `expiry nonce`. The studio opens it before it is shut
in its box and keeps only the descriptor.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from primafacie.generator.errors import PermitError


class Ledger:
    """SpentPermits over one file. Atomic among processes (flock), durable (fsync) before return."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def burn(self, nonce: str, expires: int) -> None:
        """Record the nonce, or raise PermitError if it was used or the book cannot be written."""
        line = f"{expires} {nonce}\n".encode()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._append(nonce, line)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise PermitError("the studio's ledger cannot be written") from error

    def _append(self, nonce: str, line: bytes) -> None:
        size = os.fstat(self._descriptor).st_size
        book = os.pread(self._descriptor, size, 0)
        if book and not book.endswith(b"\n"):
            os.write(self._descriptor, b"\n")  # a torn line of a killed writer ends here
        if f" {nonce}".encode() in book:
            raise PermitError("the permit was used before")
        if os.write(self._descriptor, line) != len(line):
            raise OSError("short write")
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._descriptor)
