"""Picture scheme `org.primafacie.lattice.1`: a keyed periodic pattern in luma, laid as strong as
its survival needs.

The pattern does not move with the picture's content, so all frames of a clip add up for the
reader, and one frame is enough when it has to be. Strength is found by trial: the planned frames
are encoded twice as the world might (x264 CRF 20, then CRF 28 at 75 per cent size, which pictures
under 448 pixels are spared) and read back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.lattice_pattern import LatticePattern, pattern_stretch
from primafacie.safeguards.provenance.lattice_search import CUTOFFS, Effort, LatticeSearch
from primafacie.safeguards.provenance.reading import MarkStatus
from primafacie.safeguards.provenance.reencode import encode_again
from primafacie.safeguards.provenance.residual import Frame, Map, canonical, luma, residual
from primafacie.safeguards.provenance.spectrum import Floats, measure

SMALLEST_MARKED_SIDE = 256
QUALITY_FLOOR_DB, QUALITY_CEILING_DB = 41.0, 56.0
LEAST_CORRELATION = 17.0  # of the tried-out clip, a harsher one than a whole clip would be

_FLAT = 1.5  # grey levels of spread: below it there is no picture to hide in
_HOST_CUTOFF = 14.0  # lattice radius a CRF 28 channel keeps
_PLANNED_FRAMES = 6
_ROUNDS = 5
_TRIAL_FRAMES = 12
_CLOSE = 1.15  # times the target is near enough
_ROWS_READ = 2  # of the reader's four, each by itself
_LEAN = 6.0  # sigmas the free bits alone are worth
_CALM_LIMIT = 16.0  # grey levels of spread beyond which a busy place is no busier
_DARK = 60.0  # grey levels below which the mark is weakened
_FIRST_CRF, _WORLD_CRF, _WORLD_SIZE = 20, 28, 0.75


@dataclass(frozen=True, slots=True)
class StrengthGoal:
    """What a preset asks for: the PSNR (dB, RGB) it starts from and the correlation left by the
    trial.

    Below `needed` the mark is laid stronger, down to the quality floor; above `plenty` it is laid
    fainter, which is what smooth pictures get. `calm`: how much fainter it is in busy places, per
    grey level of their spread. The reader trusts busy places little and VMAF counts noise there
    most, but what is cut out of the picture may be one.
    """

    start_db: float
    needed: float
    plenty: float
    calm: float


@dataclass(frozen=True, slots=True)
class PicturePlan:
    """What was decided for a clip: strength (grey levels), PSNR (dB, RGB), correlation expected
    after the trial.
    """

    strength: float
    psnr_db: float
    correlation: float
    rounds: int


class LatticeMarker:
    """Lays one number into the frames of one clip; plan first, then apply to every frame in any
    order.
    """

    def __init__(self, pattern: LatticePattern, number: int, goal: StrengthGoal) -> None:
        self._pattern, self._number, self._goal = pattern, number, goal
        self._drawn: Map | None = None
        self._stretch = 1.0
        pattern.code.signs(number)  # a number that does not fit is refused before any work

    def plan(self, first_frames: Sequence[Frame]) -> PicturePlan:
        """Choose the code word and the strength from up to six frames uint8 (H, W, 3) of one
        shape.

        Raises `MarkError` when they are too small, too flat, already marked with this epoch's
        keys, or when the payload would not survive the trial at 41 dB.
        """
        frames = list(first_frames)[:_PLANNED_FRAMES]
        _refuse_unfit(frames)
        self._refuse_marked(frames)
        height, width = frames[0].shape[:2]
        self._stretch = pattern_stretch(min(height, width))
        spectrum = measure(_mean_residual(frames), self._stretch, self._stretch)
        host, _ = self._pattern.soft(spectrum, (0.0, 0.0), _HOST_CUTOFF)
        signs = self._pattern.code.signs(self._number, host)
        drawn = self._pattern.draw(signs, height, width)
        plan = self._find_strength(frames, signs, drawn)
        self._drawn = drawn * np.float32(plan.strength)
        return plan

    def apply(self, frame: Frame) -> Frame:
        """Return the marked frame, uint8 of the same shape. Raises `MarkError` unless it fits the
        plan.
        """
        if self._drawn is None:
            raise MarkError("a frame came before the mark was planned")
        if frame.dtype != np.uint8 or frame.shape != (*self._drawn.shape, 3):
            raise MarkError("a frame does not have the planned size")
        return _lay(frame, self._drawn, self._goal.calm)

    def _refuse_marked(self, frames: Sequence[Frame]) -> None:
        reading = LatticeSearch([self._pattern]).read(frames[:1], Effort.QUICK)
        if reading.status is not MarkStatus.NONE:
            raise MarkError("the picture already carries our mark")

    def _find_strength(self, frames: Sequence[Frame], signs: Floats, drawn: Map) -> PicturePlan:
        """Move the strength from the preset's start until the trial gives what the preset asks
        for.
        """
        unit_db = _psnr(frames, [_lay(frame, drawn, self._goal.calm) for frame in frames])
        low = 10.0 ** ((unit_db - QUALITY_CEILING_DB) / 20.0)
        high = 10.0 ** ((unit_db - QUALITY_FLOOR_DB) / 20.0)
        strength = 10.0 ** ((unit_db - self._goal.start_db) / 20.0)
        plan = self._tried(frames, signs, drawn, strength, 1)
        if plan.correlation < self._goal.needed:
            target, low = self._goal.needed, strength
        elif plan.correlation > _CLOSE * self._goal.plenty:
            target, high = self._goal.plenty, strength
        else:
            return plan
        best, tried = plan, {strength}
        for rounds in range(2, _ROUNDS + 1):
            # What the free bits give stays when the strength goes, hence the offset.
            step = (1.05 * target - _LEAN) / max(plan.correlation - _LEAN, 1.0)
            strength = plan.strength * float(np.clip(step, 0.5, 1.6))
            strength = min(max(strength, low), high)
            # What did not read says nothing of how far to go.
            if strength in tried or (plan.correlation == 0.0 and best is not plan):
                strength = float(np.sqrt(low * high))
            tried.add(strength)
            plan = self._tried(frames, signs, drawn, strength, rounds)
            best = _better(plan, best, target)
            if target <= plan.correlation < _CLOSE * target:
                break
            if plan.correlation < target:
                low = max(low, plan.strength)
            else:
                high = min(high, plan.strength)
            if high <= 1.01 * low:
                break
        if best.correlation < LEAST_CORRELATION:
            raise MarkError("the mark would not survive in this picture within the quality floor")
        return best

    def _tried(
        self, frames: Sequence[Frame], signs: Floats, drawn: Map, strength: float, rounds: int
    ) -> PicturePlan:
        scaled = drawn * np.float32(strength)
        marked = [_lay(frame, scaled, self._goal.calm) for frame in frames]
        left = self._left_after_trial(marked, signs)
        return PicturePlan(strength, _psnr(frames, marked), left, rounds)

    def _left_after_trial(self, marked: Sequence[Frame], signs: Floats) -> float:
        """Return the correlation left after the trial, 0 when the payload does not read back.

        It must do so by two of the reader's rows alone: what one row reads by itself may be luck,
        and a whole clip, which an encoder treats a little otherwise, then carries nothing.
        """
        there_and_back = [*marked, *marked[::-1]]
        clip = (there_and_back * _TRIAL_FRAMES)[:_TRIAL_FRAMES]
        size = _WORLD_SIZE if self._stretch == 1.0 else 1.0
        world = encode_again(encode_again(clip, _FIRST_CRF), _WORLD_CRF, size)
        seen = _mean_residual(world[:: len(world) // _PLANNED_FRAMES])
        spectrum = measure(seen, self._stretch, self._stretch)
        rows = [self._pattern.soft(spectrum, (0.0, 0.0), cutoff) for cutoff in CUTOFFS]
        found = self._pattern.code.read_each(np.stack([soft for soft, _ in rows]))
        read = [one for one in found if one is not None and one.number == self._number]
        if len(read) < _ROWS_READ:
            return 0.0
        return max(float(soft @ signs) / spread for soft, spread in rows)


def _better(plan: PicturePlan, best: PicturePlan, target: float) -> PicturePlan:
    """Prefer a plan that reaches the target, then the fainter of two that do, the stronger of two
    that don't.
    """
    reaches, reached = plan.correlation >= target, best.correlation >= target
    if reaches != reached:
        return plan if reaches else best
    if reaches:
        return plan if plan.strength < best.strength else best
    return plan if plan.correlation > best.correlation else best


def _mean_residual(frames: Sequence[Frame]) -> Map:
    total = np.sum([residual(canonical(frame)) for frame in frames], axis=0)
    return np.asarray(total / np.float32(len(frames)), np.float32)


def _lay(frame: Frame, drawn: Map, calm: float) -> Frame:
    """Add the pattern to all three channels, less where the picture is busy and where it is
    dark. In place and in bytes wherever it can be: this is done to every frame.
    """
    grey = luma(frame)
    mean = cv2.boxFilter(grey, -1, (9, 9))
    change = cv2.min(mean, _DARK)
    change *= np.float32(0.3 / _DARK)
    change += np.float32(0.7)
    change *= drawn
    if calm:
        spread = cv2.boxFilter(cv2.multiply(grey, grey), -1, (9, 9))
        spread -= cv2.multiply(mean, mean)
        spread = cv2.min(cv2.sqrt(cv2.max(spread, 0.0)), _CALM_LIMIT)
        spread *= np.float32(calm)
        spread += np.float32(1.0)
        change /= spread
    np.rint(change, out=change)
    more, less = (cv2.max(each, 0.0).astype(np.uint8) for each in (change, -change))
    brighter = cv2.add(frame, cv2.merge((more, more, more)))
    return np.asarray(cv2.subtract(brighter, cv2.merge((less, less, less))), np.uint8)


def _refuse_unfit(frames: Sequence[Frame]) -> None:
    if not frames:
        raise MarkError("no frame was given to plan the mark from")
    shape = frames[0].shape
    for frame in frames:
        if (
            frame.dtype != np.uint8
            or frame.ndim != 3
            or frame.shape[2] != 3
            or frame.shape != shape
        ):
            raise MarkError("frames to mark are RGB pictures of one size with 8 bits per channel")
    if min(shape[:2]) < SMALLEST_MARKED_SIDE:
        raise MarkError(f"a picture needs {SMALLEST_MARKED_SIDE} pixels per side to carry the mark")
    if luma(frames[0]).std() < _FLAT:
        raise MarkError("the picture is too flat to carry the mark unseen")


def _psnr(before: Sequence[Frame], after: Sequence[Frame]) -> float:
    errors = [
        np.mean((one.astype(np.float32) - two.astype(np.float32)) ** 2)
        for one, two in zip(before, after, strict=True)
    ]
    return float(10.0 * np.log10(255.0**2 / max(float(np.mean(errors)), 1e-9)))
