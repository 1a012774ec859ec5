# ruff: noqa: E402 (the environment comes before numpy)
"""A newsroom's worth of provenance: keys, a clock, a log and one sealed film, made once a session.

Pictures and voices are synthetic: coloured noise that drifts, and a humming source with formants.
"""

from __future__ import annotations

import os

# Before numpy is imported: as the command line does, see primafacie.platform.cli.
for _library in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_library, "1")

import importlib.util
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from primafacie.safeguards.asset import AssetNumber, AssetRecord, SealedAsset

ORIGIN = "test.invalid/provenance"
SIDE, FPS, FRAMES = 320, 25.0, 60


def scene(seed: int, frames: int = FRAMES, side: int = SIDE) -> Iterator[NDArray[np.uint8]]:
    """A drifting landscape of coloured noise, never the same for two seeds."""
    import cv2

    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)

    def noise(sigma: float) -> NDArray[np.float32]:
        grains = rng.normal(size=(side, side, 3)).astype(np.float32)
        smooth = cv2.GaussianBlur(grains, (0, 0), sigma)
        return np.asarray(smooth / smooth.std(), np.float32)

    rows, columns = np.mgrid[0:side, 0:side] / side
    light = 110 + 50 * np.stack([columns, rows, 1 - columns], -1)
    coarse, fine = noise(side / 12), noise(1.5)
    for number in range(frames):
        moving = np.roll(coarse, number, axis=1)
        grain = rng.normal(0, 1.0, (side, side, 3))
        frame = light + 25 * moving + 8 * fine + grain
        yield np.clip(frame, 0, 255).astype(np.uint8)


def voice(seed: int, seconds: float = FRAMES / FPS) -> NDArray[np.float32]:
    """Something like speech: harmonics under a moving formant, with syllables and breath."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * 48_000)) / 48_000
    pitch = 120 + 20 * np.sin(2 * np.pi * 2.3 * t + seed) + 10 * np.sin(2 * np.pi * 0.7 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 48_000
    formant = 700 * (1 + 0.5 * np.sin(2 * np.pi * 3 * t))
    tone = sum(
        np.sin(k * phase) / k**0.8 * np.exp(-(((k * 120 - formant) / 1500) ** 2))
        for k in range(1, 40)
    )
    syllables = 0.4 + 0.6 * np.clip(np.sin(2 * np.pi * 3.1 * t) + 0.4, 0, 1)
    sound = (tone + 0.05 * rng.normal(size=len(t))) * syllables
    return np.asarray(0.3 * sound / np.abs(sound).max(), np.float32)


@dataclass
class Registry:
    """A Resolver in memory."""

    records: list[AssetRecord] = field(default_factory=list)

    def by_asset_number(self, number: int) -> AssetRecord | None:
        return next((r for r in self.records if r.asset_number == number), None)

    def by_sound_number(self, low32: int) -> Sequence[AssetRecord]:
        return [r for r in self.records if r.asset_number & 0xFFFFFFFF == low32]

    def by_file(self, sha256: str) -> AssetRecord | None:
        return next((r for r in self.records if r.file_sha256 == sha256), None)

    def by_manifest(self, sha256: str) -> AssetRecord | None:
        return next((r for r in self.records if r.manifest_sha256 == sha256), None)


@dataclass
class Revoked:
    """Revocations in memory: serial number -> since when."""

    serials: dict[str, datetime] = field(default_factory=dict)

    def revoked(self, serial: str) -> datetime | None:
        return self.serials.get(serial)


class Newsroom:
    """Everything it takes to seal and examine, with a time-stamp authority that is running."""

    def __init__(self, folder: Path) -> None:
        from primafacie.audit.note import NoteSigner
        from primafacie.safeguards.provenance.certificates import make_pki
        from primafacie.safeguards.provenance.manifest import TrustList
        from primafacie.safeguards.provenance.timestamp import LocalTsa
        from primafacie.safeguards.provenance.watermark import MarkKeys

        self.folder = folder
        self.now = datetime.now(UTC)
        self.pki = make_pki(self.now)
        self.trust = TrustList.of(self.pki.root_pem, self.pki.time_root_pem)
        self.keys = MarkKeys.derive(b"a master secret of the tests ...", 3)
        self.log = NoteSigner.from_seed(ORIGIN, b"l" * 32)
        self.tsa = LocalTsa(self.pki.time).start()
        self.registry = Registry()
        self.revocations = Revoked()
        self._sealed: tuple[SealedAsset, Any] | None = None

    def signer(self, **changes: Any) -> Any:
        from primafacie.safeguards.provenance.manifest import LocalSigner

        claim = self.pki.claim
        parts = {"chain_pem": claim.chain_pem, "key_pem": claim.key_pem, "tsa_url": self.tsa.url}
        return LocalSigner(**{**parts, **changes})

    def proven(self, kind: Any, rid: str, facts: tuple[tuple[str, str], ...]) -> tuple[bytes, str]:
        """A leaf alone in a log of its own size, and its proof."""
        from primafacie.audit.checkpoint import Checkpoint, sign_checkpoint
        from primafacie.audit.entry import Leaf, Outcome
        from primafacie.audit.merkle import leaf_hash
        from primafacie.audit.proof import Proof

        leaf = Leaf(
            log=ORIGIN, index=0, at=self.now, kind=kind, rid=rid, actor="", subject="",
            out=Outcome.ALLOW, why=(), facts=facts, commitment="",
        ).encode()  # fmt: skip
        head = sign_checkpoint(
            Checkpoint(ORIGIN, 1, leaf_hash(leaf)), self.log, int(self.now.timestamp())
        )
        return leaf, Proof(0, (), head.note).text()

    def order(self, name: str, **changes: Any) -> Any:
        from primafacie.audit.entry import Kind
        from primafacie.safeguards.provenance.order import LogEvidence, SealOrder

        rid = changes.pop("rid", uuid.uuid4().hex)
        leaf, proof = self.proven(Kind.PERMIT_ISSUED, rid, (("permit_sha256", "d" * 64),))
        parts: dict[str, Any] = {
            "asset_number": AssetNumber(0x0123456789ABCD),
            "asset_uuid": uuid.uuid4().hex,
            "rid": rid,
            "when": self.now,
            "voice_is_real": True,
            "engines": (("mesh-warp", "1.0"), ("phoneme", "1.0")),
            "report": (("sandbox", "enforced"),),
            "consent_commitment": "hmac-sha256:" + "a" * 64,
            "consent_status_url": "https://test.invalid/api/v1/assets/0123456789abcd/consent",
            "scope": ("research", "internal"),
            "not_after": self.now + timedelta(days=365),
            "liveness": 1,
            "decision_id": "b" * 32,
            "policy_sha256": "c" * 64,
            "evidence": LogEvidence(ORIGIN, 0, leaf, proof),
            "out_path": self.folder / f"{name}.mp4",
            "label": "AI-generated",
        }
        return SealOrder(**{**parts, **changes})

    def clip(self, seed: int = 1, **changes: Any) -> Any:
        from primafacie.generator.clip import UnsealedClip

        parts: dict[str, Any] = {
            "width": SIDE,
            "height": SIDE,
            "fps": FPS,
            "frame_count": FRAMES,
            "frames": scene(seed),
            "sound": voice(seed),
        }
        return UnsealedClip(**{**parts, **changes})

    def seal(self, clip: Any, order: Any, signer: Any = None) -> SealedAsset:
        from primafacie.safeguards.provenance.seal import Seal

        seal = Seal(signer or self.signer(), self.trust, self.keys, self.revocations)
        return seal.seal(clip, order)

    def release(self, sealed: SealedAsset, rid: str, **changes: Any) -> AssetRecord:
        """The registry's record of a sealed film, with the log's proof of its release."""
        from primafacie.audit.entry import Kind

        facts = (
            ("asset", f"{sealed.asset_number:014x}"),
            ("file_sha256", sealed.file_sha256),
            ("manifest_sha256", sealed.manifest_sha256),
        )
        leaf, proof = self.proven(Kind.OUTPUT_RELEASED, rid, facts)
        record = AssetRecord(
            asset_number=sealed.asset_number,
            rid=rid,
            file_sha256=sealed.file_sha256,
            manifest_sha256=sealed.manifest_sha256,
            consent_id="e" * 32,
            consent_status="active",
            log_index=0,
            leaf=leaf,
            proof=proof,
            fingerprint=sealed.fingerprint,
        )
        return replace(record, **changes)

    @property
    def film(self) -> tuple[SealedAsset, Any]:
        """The film every test may look at and none may touch, with its order; released."""
        if self._sealed is None:
            order = self.order("film")
            sealed = self.seal(self.clip(), order)
            self.registry.records.append(self.release(sealed, order.rid))
            self._sealed = sealed, order
        return self._sealed

    @property
    def data(self) -> bytes:
        """The bytes of that film."""
        return self.film[0].path.read_bytes()

    def examine(self, source: Path | bytes, **changes: Any) -> Any:
        """Examine with everything at hand."""
        from primafacie.safeguards.provenance.examine import examine

        self.film  # noqa: B018 - the registry knows it from here on
        parts: dict[str, Any] = {
            "trust": self.trust,
            "keys": [self.keys],
            "resolver": self.registry,
            "log_vkeys": self.log.vkeys,
        }
        return examine(source, **{**parts, **changes})


@pytest.fixture(scope="session")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    room = Newsroom(tmp_path_factory.mktemp("newsroom"))
    yield room
    room.tsa.stop()


@pytest.fixture(scope="session")
def make_scene() -> Any:
    return scene


@pytest.fixture(scope="session")
def make_voice() -> Any:
    return voice


@pytest.fixture(scope="session")
def own_checker() -> Any:
    """`check` of own_checker.py: a second opinion that shares no code with the product."""
    path = Path(__file__).with_name("own_checker.py")
    spec = importlib.util.spec_from_file_location("own_checker", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.check
