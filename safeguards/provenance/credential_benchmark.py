"""How long signing and reading a credential take, against the SHA-256 of the same bytes.

Films of several sizes, each operation interleaved with its baseline so that a busy machine slows
both. Signing includes the time-stamp, the library's own check of what it wrote and, where the
signer is a process, the way there; reading includes our own checks.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from primafacie.safeguards.asset import AssetNumber
from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.manifest import ClaimSigner, Credentials, TrustList
from primafacie.safeguards.provenance.media import SOUND_RATE, FilmWriter, implicit_label
from primafacie.safeguards.provenance.order import LogEvidence, SealOrder
from primafacie.safeguards.provenance.watermark import SCHEME, soft_binding_value

SIGN_FACTOR, SIGN_SECONDS = 8.0, 0.060
READ_FACTOR, READ_SECONDS = 2.0, 0.040
FRAMES = (3, 24, 96)  # of noise, some 0.3 MB each
_SIDE, _FPS = 512, 25.0


@dataclass(frozen=True, slots=True)
class Timing:
    """One size of film. Seconds: medians and 95th percentiles of the same rounds.

    The limits rest on the median of the SHA-256: a machine that stumbles in its slowest hash must
    not raise what is allowed.
    """

    size: int
    rounds: int
    sha_p50: float
    sign_p50: float
    sign_p95: float
    read_p50: float
    read_p95: float

    @property
    def sign_limit(self) -> float:
        """8 x SHA-256 + 60 ms."""
        return SIGN_FACTOR * self.sha_p50 + SIGN_SECONDS

    @property
    def read_limit(self) -> float:
        """2 x SHA-256 + 40 ms."""
        return READ_FACTOR * self.sha_p50 + READ_SECONDS


def measure(
    trust: TrustList,
    signer: ClaimSigner,
    *,
    rounds: int = 40,
    frames: Sequence[int] = FRAMES,
    tell: Callable[[str], object] = print,
) -> tuple[Timing, ...]:
    """The timings of each size of film, `rounds` rounds each after one that is not counted."""
    credentials, timings = Credentials(trust), []
    for count in frames:
        timings.append(_one(credentials, signer, film(count), rounds))
        tell(line(timings[-1]))
    return tuple(timings)


def line(t: Timing) -> str:
    """One timing as a line for people."""
    return (
        f"{t.size / 1e6:6.2f} MB: sign p95 {t.sign_p95 * 1e3:6.1f} ms of {t.sign_limit * 1e3:6.1f}"
        f", read p95 {t.read_p95 * 1e3:6.1f} ms of {t.read_limit * 1e3:6.1f}"
        f" (sha256 p50 {t.sha_p50 * 1e3:5.1f})"
    )


def film(count: int) -> bytes:
    """An unsigned film of `count` frames of noise, the same each time: the largest there is."""
    rng = np.random.default_rng(count)
    sound = rng.uniform(-0.1, 0.1, round(count / _FPS * SOUND_RATE)).astype(np.float32)
    writer = FilmWriter(_SIDE, _SIDE, _FPS, sound, implicit_label("Primafacie", "benchmark"))
    for _ in range(count):
        writer.add(rng.integers(0, 256, (_SIDE, _SIDE, 3), np.uint8))
    return writer.finish()


def _one(credentials: Credentials, signer: ClaimSigner, media: bytes, rounds: int) -> Timing:
    sha: list[float] = []
    sign: list[float] = []
    read: list[float] = []
    signed = b""
    for _ in range(rounds + 1):
        sha.append(_timed(lambda: hashlib.sha256(media).digest()))
        begun = time.perf_counter()
        signed = credentials.sign(media, _definition(), signer).data
        sign.append(time.perf_counter() - begun)
        begun = time.perf_counter()
        reading = credentials.read(signed)
        read.append(time.perf_counter() - begun)
        if not reading.sound:
            raise RuntimeError("what was signed does not read back")
    p95 = [float(np.percentile(values[1:], 95)) for values in (sign, read)]
    p50 = [float(np.median(values[1:])) for values in (sha, sign, read)]
    return Timing(len(signed), rounds, p50[0], p50[1], p95[0], p50[2], p95[1])


def _timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def _definition() -> dict[str, object]:
    """A manifest as every release has one; the log's evidence has a real one's length."""
    now = datetime.now(UTC)
    order = SealOrder(
        asset_number=AssetNumber(7),
        asset_uuid=uuid.uuid4().hex,
        rid=uuid.uuid4().hex,
        when=now,
        voice_is_real=False,
        engines=(("benchmark", "1.0"),),
        report=(),
        consent_commitment="hmac-sha256:" + "0" * 64,
        consent_status_url="https://example.org/consent",
        scope=("research",),
        not_after=now + timedelta(days=1),
        liveness=1,
        decision_id="0" * 32,
        policy_sha256="0" * 64,
        evidence=LogEvidence("example.org/log", 0, b"l" * 700, "p" * 4000),
        out_path=Path("never-written"),
        label="AI-generated",
    )
    value = soft_binding_value(7, 0)
    return compose(order, (Binding(SCHEME, "Primafacie lattice watermark", value),), 1000)
