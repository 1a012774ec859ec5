"""sha256 digests: lower-case hexadecimal text, 64 characters."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1 << 20


def sha256_hex(data: bytes) -> str:
    """The sha256 of `data` as 64 lower-case hexadecimal characters."""
    return hashlib.sha256(data).hexdigest()


def sha256_stream(stream: BinaryIO) -> str:
    """The sha256 of everything left in `stream`, read in pieces of 1 MiB."""
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        state.update(chunk)
    return state.hexdigest()


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes. Raises OSError as `open` does."""
    with path.open("rb") as stream:
        return sha256_stream(stream)
