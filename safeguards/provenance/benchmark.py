"""Our picture mark beside the invisible-watermark package's methods: one run, the same clips, the
same attacks.

What counts is whether the whole payload comes back. Our payload is 56 bits with a tag, so a wrong
one does not count as read; the package's methods have neither key nor tag and always return some
bits, so they are given the truth to compare with, which a real reader would not have. Times are
ratios to encoding the same frames.
"""

from __future__ import annotations

import runpy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import numpy as np

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.cost import ssim
from primafacie.safeguards.provenance.mark_keys import MarkKeys, keyed_bytes
from primafacie.safeguards.provenance.reencode import encode_again
from primafacie.safeguards.provenance.residual import Frame
from primafacie.safeguards.provenance.schemes.stable_signs import (
    Method as Method,
)
from primafacie.safeguards.provenance.schemes.stable_signs import (
    lay_baseline,
    read_baseline,
)
from primafacie.safeguards.provenance.watermark import PictureMarker, Preset, read_picture

_DELIVERY_CRF = 20
_BASELINE_BITS = 32
_VOTERS = 3  # frames a baseline may vote over; its errors are the same in every frame
#: Methods that need seconds for a frame get so many frames of the clip, and one voter.
_SAMPLED: Mapping[Method, int] = {"rivaGan": 5}


class Attack(Protocol):
    """What the benchmark needs of an attack: a name, a kind, and frames for frames."""

    name: str
    kind: str
    deep: bool

    @property
    def apply(self) -> Callable[[Sequence[Frame]], Sequence[Frame]]: ...


@dataclass(frozen=True, slots=True)
class MethodReport:
    """One method over one clip: quality, times, and per attack the share of payload bits read.

    `read[attack]` is 1.0 exactly when the whole payload came back. `plan_ms` is spent once per
    clip, `lay_ms` per frame; `read_ms` is one whole reading, of as many frames as the method looks
    at.
    """

    method: str
    psnr_db: float
    ssim: float
    plan_ms: float
    lay_ms: float
    read: Mapping[str, float] = field(default_factory=dict)
    read_ms: float = 0.0

    @property
    def exact(self) -> int:
        """How many attacks left the payload whole."""
        return sum(share == 1.0 for share in self.read.values())


@dataclass(frozen=True, slots=True)
class BenchmarkReport:
    """All methods over one clip; `encode_ms` is x264 veryfast, one pass over a frame."""

    clip: str
    encode_ms: float
    methods: tuple[MethodReport, ...]

    def table(self) -> str:
        """Return the report as a Markdown table."""
        names = [report.method for report in self.methods]
        lines = [f"### {self.clip}", "", "| attack | " + " | ".join(names) + " |"]
        lines.append("|---" * (len(names) + 1) + "|")
        for attack in self.methods[0].read:
            cells = [_cell(report.read.get(attack)) for report in self.methods]
            lines.append(f"| {attack} | " + " | ".join(cells) + " |")
        for label, cells in self._summary():
            lines.append(f"| {label} | " + " | ".join(cells) + " |")
        return "\n".join(lines) + "\n"

    def _summary(self) -> list[tuple[str, list[str]]]:
        methods = self.methods
        return [
            ("**exact**", [f"**{one.exact} of {len(one.read)}**" for one in methods]),
            ("PSNR RGB, dB", [f"{one.psnr_db:.1f}" for one in methods]),
            ("SSIM of luma", [f"{one.ssim:.4f}" for one in methods]),
            ("plan, ms per clip", [f"{one.plan_ms:.0f}" for one in methods]),
            ("lay / encode, per frame", [f"{one.lay_ms / self.encode_ms:.2f}" for one in methods]),
            ("one reading, ms", [f"{one.read_ms:.0f}" for one in methods]),
        ]


def run(
    clip: str,
    frames: Sequence[Frame],
    attacks: Sequence[Attack],
    *,
    preset: Preset = "robust",
    baselines: Sequence[Method] = ("dwtDct", "dwtDctSvd"),
    tell: Callable[[str], object] = lambda line: None,
) -> BenchmarkReport:
    """Return how our mark and the baselines fare with one clip (frames uint8 (H, W, 3)).

    Every method's clip is delivered at x264 CRF 20 before each attack. `rivaGan` is given five
    frames of the clip. Raises `MarkError` when the
    clip cannot carry our mark.
    """
    began = time.perf_counter()
    encode_again(frames, _DELIVERY_CRF)
    encode_ms = 1000.0 * (time.perf_counter() - began) / len(frames)
    reports = [_run_ours(frames, attacks, preset)]
    for method in baselines:
        tell(f"{clip}: {reports[-1].method} done, {method} follows")
        reports.append(baseline(frames, attacks, method))
    return BenchmarkReport(clip, encode_ms, tuple(reports))


def load_attacks(path: Path) -> tuple[Attack, ...]:
    """Return the `ATTACKS` table of an attack file such as tests/robustness/attacks.py.

    Raises `MarkError` when there is none. The file is Python and is run.
    """
    if not path.is_file():
        raise MarkError(f"there is no attack table at {path}")
    return cast(tuple[Attack, ...], runpy.run_path(str(path))["ATTACKS"])


def _run_ours(frames: Sequence[Frame], attacks: Sequence[Attack], preset: Preset) -> MethodReport:
    keys = MarkKeys.derive(b"the benchmark's own secret", 0)
    number = int.from_bytes(keyed_bytes(keys.mac, "benchmark number", 7), "big")
    marker = PictureMarker(keys, number, preset)
    began = time.perf_counter()
    marker.plan(frames[:6])
    plan_ms = 1000.0 * (time.perf_counter() - began)
    began = time.perf_counter()
    marked = [marker.apply(frame) for frame in frames]
    lay_ms = 1000.0 * (time.perf_counter() - began) / len(frames)
    delivered = encode_again(marked, _DELIVERY_CRF)
    read: dict[str, float] = {}
    spent = 0.0
    for attack in attacks:
        hurt = attack.apply(delivered)
        began = time.perf_counter()
        reading = read_picture(hurt, [keys], deep=attack.deep)
        spent += time.perf_counter() - began
        read[attack.name] = float(reading.asset_number == number)
    name = f"lattice, 56 bits, {preset}"
    return MethodReport(
        name, *_quality(frames, marked), plan_ms, lay_ms, read, 1000.0 * spent / max(len(read), 1)
    )


def baseline(frames: Sequence[Frame], attacks: Sequence[Attack], method: Method) -> MethodReport:
    """Return how one of the package's methods fares with a clip (frames uint8 (H, W, 3))."""
    sampled = _SAMPLED.get(method)
    voters = 1 if sampled else _VOTERS
    frames = frames[:: max(1, len(frames) // sampled)][:sampled] if sampled else frames
    keys = MarkKeys.derive(b"the benchmark's own secret", 0)
    octets = np.frombuffer(keyed_bytes(keys.mac, "baseline bits", _BASELINE_BITS), np.uint8)
    bits = [int(octet & 1) for octet in octets]
    began = time.perf_counter()
    marked = [lay_baseline(frame, method, bits) for frame in frames]
    lay_ms = 1000.0 * (time.perf_counter() - began) / len(frames)
    delivered = encode_again(marked, _DELIVERY_CRF)
    read: dict[str, float] = {}
    spent = 0.0
    for attack in attacks:
        hurt = attack.apply(delivered)
        chosen = [
            hurt[i] for i in np.linspace(0, len(hurt) - 1, min(voters, len(hurt))).astype(int)
        ]
        began = time.perf_counter()
        read[attack.name] = _share_read(chosen, method, bits)
        spent += time.perf_counter() - began
    name = f"{method}, {_BASELINE_BITS} bits" + (f", {len(frames)} frames" if sampled else "")
    return MethodReport(
        name, *_quality(frames, marked), 0.0, lay_ms, read, 1000.0 * spent / max(len(read), 1)
    )


def _share_read(frames: Sequence[Frame], method: Method, bits: Sequence[int]) -> float:
    try:
        votes = [read_baseline(frame, method, len(bits)) for frame in frames]
    except MarkError:
        return 0.0
    voted = np.mean(votes, axis=0) > 0.5
    return float(np.mean(voted == np.array(bits, bool)))


def _quality(before: Sequence[Frame], after: Sequence[Frame]) -> tuple[float, float]:
    pairs = list(zip(before, after, strict=True))[:: max(1, len(before) // 6)]
    errors = [np.mean((one.astype(np.float64) - two) ** 2) for one, two in pairs]
    psnr = 10.0 * np.log10(255.0**2 / max(float(np.mean(errors)), 1e-9))
    return float(psnr), float(np.mean([ssim(one, two) for one, two in pairs]))


def _cell(share: float | None) -> str:
    if share is None:
        return ""
    return "exact" if share == 1.0 else f"{share:.2f}" if share > 0.0 else "-"
