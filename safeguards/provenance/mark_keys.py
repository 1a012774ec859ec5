"""The secret halves of the watermark: where the pattern lies and what proves a payload is ours.

One master secret gives one `MarkKeys` per epoch by HKDF-SHA256 (RFC 5869). Everything a scheme
draws from a key comes out of SHAKE-256 (FIPS 202), never out of a numerical library's generator,
so that a file marked today can be read by any later version. A new epoch costs nothing: readers
try every epoch they are given.

What the loss of a master key means: whoever holds it can read, remove and forge marks of all its
epochs. The verdict of a reader is then no longer evidence; the log and the content binding still
are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from primafacie.safeguards.errors import MarkError

_MINIMUM_MASTER_BYTES = 16
_LAST_EPOCH = 0xFFFF
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class MarkKeys:
    """The keys of one epoch; its `repr` shows the epoch and nothing secret.

    `picture` and `sound` place the pattern (32 bytes each), `mac` authenticates the payload (32
    bytes).
    """

    epoch: int
    picture: bytes = field(repr=False)
    sound: bytes = field(repr=False)
    mac: bytes = field(repr=False)

    @classmethod
    def derive(cls, master: bytes, epoch: int) -> MarkKeys:
        """Return the keys of `epoch` (0..65535); the same inputs give the same keys for ever.

        Raises `MarkError` when the master secret is shorter than 16 bytes or the epoch is out of
        range.
        """
        if len(master) < _MINIMUM_MASTER_BYTES:
            raise MarkError("the watermark's master secret is shorter than 16 bytes")
        if not 0 <= epoch <= _LAST_EPOCH:
            raise MarkError("a watermark epoch is a number from 0 to 65535")
        return cls(
            epoch,
            _expand(master, f"primafacie mark picture {epoch}"),
            _expand(master, f"primafacie mark sound {epoch}"),
            _expand(master, f"primafacie mark mac {epoch}"),
        )


def keyed_bytes(key: bytes, label: str, count: int) -> bytes:
    """Return `count` bytes of the SHAKE-256 stream named `label` under `key`."""
    name = label.encode("ascii")
    return hashlib.shake_256(key + len(name).to_bytes(2, "big") + name).digest(count)


def keyed_units(key: bytes, label: str, count: int) -> npt.NDArray[np.float64]:
    """Return `count` numbers in [0, 1), each from 32 bits of the stream `label`."""
    words = np.frombuffer(keyed_bytes(key, label, 4 * count), dtype=">u4")
    return words.astype(np.float64) / 2.0**32


def keyed_signs(key: bytes, label: str, count: int) -> npt.NDArray[np.float32]:
    """Return `count` values of +1 or -1, each from one byte's lowest bit of the stream `label`."""
    octets = np.frombuffer(keyed_bytes(key, label, count), dtype=np.uint8)
    return (1.0 - 2.0 * (octets & 1)).astype(np.float32)


def keyed_order(key: bytes, label: str, count: int) -> npt.NDArray[np.intp]:
    """Return a permutation of 0..count-1: the stable order of 64-bit words of that stream."""
    words = np.frombuffer(keyed_bytes(key, label, 8 * count), dtype=">u8")
    return np.argsort(words.astype(np.uint64), kind="stable")


def _expand(master: bytes, info: str) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt=None, info=info.encode("ascii")).derive(master)
