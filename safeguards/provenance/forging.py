"""What an attacker gets for what he pays: removing a mark, mixing marked copies, moving a mark.

Removal is told as the best picture that no longer reads: for every kind of damage the strengths
are tried from weak to strong until the number is gone, and the PSNR then left, against the
unmarked picture, is the price. Moving a mark always works for whoever owns both versions of one
clip; whether the content binding then says so is what is counted here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from primafacie.safeguards.provenance.cost import KEYS, mark, psnr
from primafacie.safeguards.provenance.fingerprint import THRESHOLD, Fingerprint
from primafacie.safeguards.provenance.reencode import encode_again
from primafacie.safeguards.provenance.residual import Frame
from primafacie.safeguards.provenance.watermark import read_picture

Frames = Sequence[Frame]
_COLLUDERS = 5
_FIRST_NUMBER = 0x5EED0000000000


@dataclass(frozen=True, slots=True)
class Removal:
    """One kind of damage: the weakest strength that took the number away and the PSNR (dB) then
    left; `strength` is None when none of those tried did, and the PSNR is that of the strongest."""

    damage: str
    strength: float | None
    psnr_db: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """What several marked clips gave together: how it reads, whether that is one of theirs, and how
    far the content agrees with the clip of the number read (None where none was)."""

    attack: str
    status: str
    one_of_theirs: bool
    agreement: float | None
    psnr_db: float | None

    @property
    def attached(self) -> bool:
        """Whether a credential would be found for it: a number is read, and the content fits."""
        return self.agreement is not None and self.agreement >= THRESHOLD


@dataclass(frozen=True, slots=True)
class Binding:
    """Content binding over many clips: moved marks that read, those then told from the original,
    and legitimate copies, and those wrongly told apart. With the agreement nearest the wrong side.
    """

    moved: int
    moved_told: int
    highest_moved: float
    copies: int
    copies_told: int
    lowest_copy: float


def removals(plain: Frames) -> tuple[Removal, ...]:
    """Return what it takes to remove the mark of a clip, kind by kind (uint8 (H, W, 3))."""
    marked = mark(plain)
    return tuple(_removal(name, marked, plain) for name in DAMAGE)


def mixtures(clips: Sequence[Frames]) -> tuple[Mixture, ...]:
    """Return what five owners of one clip, or of clips of one key, get by averaging."""
    plain = clips[0]
    numbers = [_FIRST_NUMBER + i for i in range(_COLLUDERS)]
    copies = [mark(plain, number=number) for number in numbers]
    known = _known(copies, _FIRST_NUMBER)
    mean = [np.mean(each, axis=0).round().astype(np.uint8) for each in zip(*copies, strict=True)]
    found = [_mixture("five copies of one clip, averaged", mean, plain, known)]
    middle = [np.median(each, axis=0).astype(np.uint8) for each in zip(*copies, strict=True)]
    found.append(_mixture("five copies of one clip, median", middle, plain, known))
    first = _FIRST_NUMBER + 16
    others = [mark(clip, number=first + i) for i, clip in enumerate(clips[1:])]
    guess = np.mean([_high(clip) for clip in others], axis=0)
    guess *= 2.5 / guess.std()
    pasted = [np.clip(frame + guess, 0, 255).astype(np.uint8) for frame in plain]
    what = f"pattern guessed from {len(others)} clips of one key, pasted on another"
    found.append(_mixture(what, pasted, plain, _known(others, first)))
    erased = [np.clip(frame - guess, 0, 255).astype(np.uint8) for frame in copies[0]]
    what = "the same guess subtracted from a marked clip"
    found.append(_mixture(what, erased, plain, _known(copies[:1], _FIRST_NUMBER)))
    return tuple(found)


def binding(clips: Sequence[Frames], copies: Sequence[Callable[[Frames], Frames]]) -> Binding:
    """Return how the content binding judges marks moved between neighbouring clips, and each
    clip's own copies."""
    marked = [mark(clip, number=_FIRST_NUMBER + i) for i, clip in enumerate(clips)]
    prints = [Fingerprint.of(clip) for clip in marked]
    moved: list[float] = []
    for (i, _), (j, _) in pairwise([*enumerate(clips), (0, clips[0])]):
        pattern = marked[i][0].astype(np.int16) - clips[i][0]
        forged = [np.clip(frame + pattern, 0, 255).astype(np.uint8) for frame in clips[j]]
        delivered = encode_again(forged, 20)
        reading = read_picture(delivered, [KEYS])
        if reading.asset_number == _FIRST_NUMBER + i:
            moved.append(prints[i].agreement(delivered, reading.geometry))
    kept: list[float] = []
    for clip, known in zip(marked, prints, strict=True):
        delivered = encode_again(clip, 20)
        for copy in copies:
            hurt = copy(delivered)
            reading = read_picture(hurt, [KEYS])
            if reading.asset_number is not None:
                kept.append(known.agreement(hurt, reading.geometry))
    return Binding(
        len(moved),
        sum(score < THRESHOLD for score in moved),
        max(moved, default=0.0),
        len(kept),
        sum(score < THRESHOLD for score in kept),
        min(kept, default=1.0),
    )


def _removal(name: str, marked: Frames, plain: Frames) -> Removal:
    left = 0.0
    for strength in DAMAGE[name][0]:
        hurt = [DAMAGE[name][1](frame, strength) for frame in marked]
        left = psnr(plain, hurt)
        if read_picture(hurt, [KEYS]).asset_number is None:
            return Removal(name, strength, left)
    return Removal(name, None, left)


def _known(clips: Sequence[Frames], first: int) -> dict[int, Fingerprint]:
    """Return what a register keeps of marked clips with numbers from `first` on."""
    return {first + i: Fingerprint.of(clip) for i, clip in enumerate(clips)}


def _mixture(
    attack: str, frames: Frames, plain: Frames, known: Mapping[int, Fingerprint]
) -> Mixture:
    reading = read_picture(frames, [KEYS])
    number = reading.asset_number
    theirs = None if number is None else known.get(number)
    agreement = None if theirs is None else theirs.agreement(frames, reading.geometry)
    return Mixture(attack, str(reading.status), number is None or theirs is not None, agreement,
                   psnr(plain, frames))  # fmt: skip


def _high(frames: Frames) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    mean = np.mean(frames, axis=0).astype(np.float32)
    return np.asarray(mean - cv2.GaussianBlur(mean, (0, 0), 3), np.float32)


def _resampled(frame: Frame, factor: float) -> Frame:
    height, width = frame.shape[:2]
    small = cv2.resize(frame, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    back = cv2.resize(small, (width, height), interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(back, np.uint8)


def _redrawn(frame: Frame, factor: float) -> Frame:
    """Smaller, smoothed along edges, enlarged, sharpened, with fresh grain: what a picture looks
    like that was drawn anew from a small one."""
    height, width = frame.shape[:2]
    small = cv2.resize(frame, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
    smooth = cv2.bilateralFilter(small, 5, 25, 3)
    large = cv2.resize(smooth, (width, height), interpolation=cv2.INTER_CUBIC)
    sharp = cv2.addWeighted(large, 1.5, cv2.GaussianBlur(large, (0, 0), 1.5), -0.5, 0)
    grain = np.random.default_rng(3).normal(0, 1.5, frame.shape)
    return np.asarray(np.clip(sharp + grain, 0, 255), np.uint8)


def _jpeg(frame: Frame, worse: float) -> Frame:
    data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(100 - worse)])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _noisy(frame: Frame, sigma: float) -> Frame:
    noise = np.random.default_rng(int(frame.sum()) % 2**32).normal(0, sigma, frame.shape)
    return np.asarray(np.clip(frame + noise, 0, 255), np.uint8)


#: kind of damage -> strengths from weak to strong, and what it does to a frame
DAMAGE: dict[str, tuple[tuple[float, ...], Callable[[Frame, float], Frame]]] = {
    "Gaussian blur, sigma": (
        (1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0),
        lambda f, s: np.asarray(cv2.GaussianBlur(f, (0, 0), s), np.uint8),
    ),
    "bilateral filter, grey levels": (
        (10.0, 20.0, 40.0, 80.0),
        lambda f, s: np.asarray(cv2.bilateralFilter(f, 9, s, 6), np.uint8),
    ),
    "median, pixels": (
        (5.0, 7.0, 9.0, 13.0, 17.0),
        lambda f, s: np.asarray(cv2.medianBlur(f, int(s)), np.uint8),
    ),
    "smaller and back, factor": ((2.0, 3.0, 4.0, 5.0, 6.0, 8.0), _resampled),
    "smaller, smoothed, drawn anew, factor": ((1.5, 2.0, 3.0, 4.0, 5.0), _redrawn),
    "JPEG, 100 minus quality": ((50.0, 70.0, 80.0, 90.0, 95.0), _jpeg),
    "noise, grey levels": ((10.0, 20.0, 40.0, 60.0, 90.0), _noisy),
}
