"""A sealed video by its names: the number in its marks, the digests in the log, the file itself."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:  # the log brings a database along; an examiner's child process needs none
    from primafacie.audit.log import Receipt
    from primafacie.safeguards.motion_file import MotionFile

AssetNumber = NewType("AssetNumber", int)
"""56 random bits, never 0. The picture carries all of them, the sound its low 32."""

ASSET_NUMBER_BITS = 56
COMPANIONS = ("png", "jpg", "wav")
"""What may stand beside a video; the release's leaf names the digest of each."""
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
class Companion:
    """A still or the sound of a sealed video: marked, signed and read back like the video itself.

    kind: `png`, `jpg` or `wav`. Handed out only beside the released video.
    """

    kind: str
    sha256: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedAsset:
    """A marked, signed, time-stamped video whose marks and signature were read back from the file.

    size in bytes, duration in seconds. fingerprint: what binds the mark to this picture
    (`Fingerprint.to_bytes`). manifest: the manifest store as it stands in the file. notes: how it
    was sealed (mark strength, sizes), as (name, value). motion: the movement as data, if asked for.
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
    manifest: bytes = field(default=b"", repr=False)
    companions: tuple[Companion, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    motion: MotionFile | None = None

    def discard(self) -> None:
        """Delete its files: they were not released."""
        self.path.unlink(missing_ok=True)
        if self.motion is not None:
            self.motion.path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class AssetRecord:
    """What the registry remembers of a released video; an examiner resolves marks to it.

    consent_status: the consent's state now (`active`, `suspended`, `withdrawn`, ...). leaf and
    proof: the log leaf of the release and its C2SP tlog-proof, empty until one was published.
    revoked_at: when this video itself was called back, or None. manifest: its label and the store
    as it stands in the file, and companions: on the way in; empty when asked for.
    consent_ended_at: when the consent was withdrawn or revoked, or None. motion: movement as data,
    on the way in; so are uuid, seconds, width, height and fps, for people to read.
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
    manifest: tuple[str, bytes] = field(default=("", b""), repr=False)
    companions: tuple[Companion, ...] = ()
    consent_ended_at: datetime | None = None
    motion: MotionFile | None = None
    asset_uuid: str = ""
    duration: float = 0.0
    width: int = 0
    height: int = 0
    fps: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """The only thing that leaves: a sealed video together with the receipt of its release."""

    asset: SealedAsset
    receipt: Receipt
