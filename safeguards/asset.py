"""A sealed video by its names: the number in its marks, the digests in the log, the file itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:  # the log brings a database along; an examiner's child process needs none
    from primafacie.audit.log import Receipt

AssetNumber = NewType("AssetNumber", int)
"""56 random bits, never 0. The picture carries all of them, the sound its low 32."""

ASSET_NUMBER_BITS = 56
SOUND_NUMBER_MASK = 0xFFFFFFFF


def fresh_asset_number() -> AssetNumber:
    """A new number from the system's random source; the index refuses one it has seen before."""
    return AssetNumber(secrets.randbelow(2**ASSET_NUMBER_BITS - 1) + 1)


def format_asset_number(number: int) -> str:
    """The number as 14 lower-case hex digits, as people and the log see it."""
    if not 0 < number < 2**ASSET_NUMBER_BITS:
        raise ValueError("an asset number has 56 bits and is not zero")
    return f"{number:014x}"


@dataclass(frozen=True, slots=True)
class SealedAsset:
    """A marked, signed, time-stamped video whose marks and signature were read back from the file.

    size in bytes, duration in seconds. fingerprint: what binds the mark to this picture
    (`Fingerprint.to_bytes`). notes: how it was sealed (mark strength, sizes), as (name, value).
    """

    path: Path
    asset_number: AssetNumber
    asset_uuid: str
    manifest_label: str
    file_sha256: str
    manifest_sha256: str
    size: int
    duration: float
    width: int
    height: int
    fps: float
    frame_count: int
    sealed_at: datetime
    fingerprint: bytes = field(repr=False)
    notes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """What the registry remembers of a released video; an examiner resolves marks to it.

    consent_status: the consent's state now (`active`, `suspended`, `withdrawn`, ...). leaf and
    proof: the log leaf of the release and its C2SP tlog-proof, empty until one was published.
    revoked_at: when this video itself was called back, or None.
    """

    asset_number: int
    rid: str
    file_sha256: str
    manifest_sha256: str
    consent_id: str
    consent_status: str
    log_index: int
    leaf: bytes = field(repr=False)
    proof: str = field(repr=False)
    revoked_at: datetime | None = None
    fingerprint: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Delivery:
    """The only thing that leaves: a sealed video together with the receipt of its release."""

    asset: SealedAsset
    receipt: Receipt
