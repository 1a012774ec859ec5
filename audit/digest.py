"""sha256 digests: lower-case hexadecimal text, 64 characters."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

from primafacie.audit.errors import DigestError

CHUNK_BYTES = 1 << 20

_HEX = re.compile(r"[0-9a-f]{64}\Z")


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


def require_digest(text: str) -> str:
    """`text` itself, if it is a digest in the one form we write; DigestError otherwise."""
    if not isinstance(text, str) or not _HEX.match(text):
        raise DigestError("this is not a lower-case hexadecimal sha256")
    return text
