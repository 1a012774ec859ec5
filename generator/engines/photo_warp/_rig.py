"""Rig: from ARKit-52 coefficients to base weights, with the lip aperture under exact control."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._basis import BASES, INDEX, Bases, edge_points
from primafacie.generator.engines.photo_warp._lips import EDGE
from primafacie.generator.engines.photo_warp._shape import step
from primafacie.generator.motion import APERTURE_AT_FULL_JAW, ARKIT_52, COLUMN, MotionTrack

Doubles = NDArray[np.float64]

#: coefficient -> bases it drives and how strongly. jawOpen and mouthClose are solved, not listed;
#: eyeBlink, eyeLook, eyeWide and eyeSquint also go to the eyes' painter.
DRIVES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "browDownLeft": (("brow_down_l", 1.0),),
    "browDownRight": (("brow_down_r", 1.0),),
    "browInnerUp": (("brow_in", 1.0),),
    "browOuterUpLeft": (("brow_out_l", 1.0),),
    "browOuterUpRight": (("brow_out_r", 1.0),),
    "cheekPuff": (("puff", 1.0),),
    "cheekSquintLeft": (("cheek_l", 1.0), ("low_l", 0.5)),
    "cheekSquintRight": (("cheek_r", 1.0), ("low_r", 0.5)),
    "eyeBlinkLeft": (("low_l", 0.35),),
    "eyeBlinkRight": (("low_r", 0.35),),
    "eyeSquintLeft": (("low_l", 0.8), ("cheek_l", 0.25)),
    "eyeSquintRight": (("low_r", 0.8), ("cheek_r", 0.25)),
    "jawForward": (("shrug", -0.2),),
    "jawLeft": (("jaw_side", 1.0),),
    "jawRight": (("jaw_side", -1.0),),
    "mouthDimpleLeft": (("stretch_l", 0.45), ("press", 0.15)),
    "mouthDimpleRight": (("stretch_r", 0.45), ("press", 0.15)),
    "mouthFrownLeft": (("frown_l", 1.0),),
    "mouthFrownRight": (("frown_r", 1.0),),
    "mouthFunnel": (("funnel", 1.0),),
    "mouthLeft": (("mouth_side", 1.0),),
    "mouthRight": (("mouth_side", -1.0),),
    "mouthLowerDownLeft": (("lowdown_l", 1.0),),
    "mouthLowerDownRight": (("lowdown_r", 1.0),),
    "mouthPressLeft": (("press", 0.5),),
    "mouthPressRight": (("press", 0.5),),
    "mouthPucker": (("pucker", 1.0),),
    "mouthRollLower": (("roll_lower", 1.0),),
    "mouthRollUpper": (("roll_upper", 1.0),),
    "mouthShrugLower": (("shrug", 1.0),),
    "mouthShrugUpper": (("upraise_l", 0.3), ("upraise_r", 0.3)),
    "mouthSmileLeft": (("smile_l", 1.0),),
    "mouthSmileRight": (("smile_r", 1.0),),
    "mouthStretchLeft": (("stretch_l", 1.0),),
    "mouthStretchRight": (("stretch_r", 1.0),),
    "mouthUpperUpLeft": (("upraise_l", 1.0),),
    "mouthUpperUpRight": (("upraise_r", 1.0),),
    "noseSneerLeft": (("sneer_l", 1.0),),
    "noseSneerRight": (("sneer_r", 1.0),),
}

_MOST_ROUND: Final = 1.2
_MOST_JAW: Final = 1.1
#: A mouth at rest: half its width in eye distances, and how far its line hangs below its corners,
#: in half widths (means of the drawn sitters and of paintings with closed lips).
_REST_WIDTH: Final = 0.42
_REST_LINE: Final = 0.10
#: What one unit of the smile bases widens and lifts, in half widths.
_SMILE_GAIN: Final = 0.20
_MOST_SMILE: Final = 1.25
#: A lower lip that is tucked under the teeth leaves this much less to see of the opening.
_TUCK: Final = 0.35
#: The same where the photo shows its teeth: they are bright down to their edge, and the lip rests
#: on it.
_TUCK_TOOTHY: Final = 0.75
#: The photo's aperture, in mouth widths, from which on its teeth show.
_TOOTHY: Final = 0.08


@dataclass(frozen=True, slots=True, eq=False)
class Rig:
    """Coefficients to weights for one face.

    table (52, K). opening (K,): what each base adds to the aperture in the middle of the mouth,
    in mouth widths. gap: the photo's own aperture. smile: how much the photo itself smiles, as a
    weight of the smile bases.
    """

    table: Doubles
    opening: Doubles
    gap: float
    smile: float = 0.0

    def weights(self, coeffs: NDArray[np.float32], speaking: bool = False) -> Doubles:
        """Base weights (K,) for one frame (52,). All-zero coefficients give all-zero weights.

        speaking matters for a photo with parted lips only. Its own aperture is what no movement
        means; but in a clip whose lips meet at all, the commanded aperture is taken as it is, and
        the smile that parts the lips is relaxed throughout, or the mouth would jump between
        shut and grinning.
        """
        c = np.clip(coeffs.astype(np.float64), 0.0, 1.0)
        c = _rounded(c)
        w = c @ self.table
        shut = float(c[COLUMN["mouthClose"]])
        wanted = APERTURE_AT_FULL_JAW * float(c[COLUMN["jawOpen"]])
        tuck = _TUCK + min(1.0, self.gap / _TOOTHY) * (_TUCK_TOOTHY - _TUCK)
        wanted *= 1.0 - tuck * float(c[COLUMN["mouthRollLower"]])
        if self.gap > 0:
            pucker, funnel = c[COLUMN["mouthPucker"]], c[COLUMN["mouthFunnel"]]
            rounded = min(1.0, float(pucker + 0.6 * funnel))
            wide = float(step(wanted / APERTURE_AT_FULL_JAW, 0.3, 1.0))
            self._unsmile(w, max(0.60 * shut, 0.85 * rounded), wide, speaking)
            wanted = wanted if speaking else max(wanted, self.gap)
        jaw, close = INDEX["jaw"], INDEX["close"]
        reached = self.gap + float(w @ self.opening)
        w[jaw] = np.clip((wanted - reached) / self.opening[jaw], 0.0, _MOST_JAW)
        # Sealed lips hide most of the jaw's way.
        w[jaw] *= 1.0 - 0.45 * shut
        excess = reached + w[jaw] * self.opening[jaw] - wanted * (1.0 - shut)
        if excess > 1e-6:
            # Lips that are shut are pressed together a little.
            excess += min(excess, 0.006) * (1.0 - float(step(wanted * (1.0 - shut), 0.0, 0.02)))
            seal = INDEX["seal"]
            if self.gap > 0:
                w[seal] = min(1.0, excess / -self.opening[seal])
                excess -= w[seal] * -self.opening[seal]
            w[close] = max(0.0, excess) / -self.opening[close]
        return w

    def aperture(self, weights: Doubles) -> float:
        """Lip aperture in mouth widths under these weights."""
        return self.gap + float(weights @ self.opening)

    def _unsmile(self, w: Doubles, meets: float, wide: float, speaking: bool) -> None:
        """Teeth that show in the photo belong to a smile; lips can only close, round or open wide
        if it relaxes. How far it must is measured in the photo: its own smile, the other way."""
        toothy = min(1.0, self.gap / _TOOTHY)
        relax = toothy * self.smile * max(meets, 0.40 + 0.40 * wide if speaking else 0.0)
        for side in "lr":
            w[INDEX[f"smile_{side}"]] -= relax
            for other in ("stretch", "upraise"):
                w[INDEX[f"{other}_{side}"]] *= 1.0 - 0.6 * toothy


def lips_meet(track: MotionTrack) -> bool:
    """Whether a track seals the lips anywhere, as speech does."""
    return bool((track.column("mouthClose") > 0.5).any())


def build_rig(bases: Bases) -> Rig:
    """The rig of a face, measured on its own lip edges."""
    table = np.zeros((len(ARKIT_52), len(BASES)))
    for name, drives in DRIVES.items():
        for base, gain in drives:
            table[COLUMN[name], INDEX[base]] += gain
    top, low = edge_points(bases.relief, bases.lips)
    none = np.zeros(EDGE)
    moved = bases.lower(low, none)[:, EDGE // 2] - bases.upper(top, none)[:, EDGE // 2]
    opening = moved @ bases.lips.down / (2.0 * bases.lips.half)
    return Rig(table, opening, max(0.0, bases.lips.gap), smile_of(bases))


def smile_of(bases: Bases) -> float:
    """How much the photo smiles, 0 to 1.25 of the smile bases: the mean of what the mouth's width
    and the lift of its corners over the middle say."""
    head, lips = bases.relief.pose.to_head(bases.relief.points), bases.lips
    eyes = float(np.hypot(*(head[36:42].mean(0) - head[42:48].mean(0))[:2]))
    wider = lips.half / eyes / _REST_WIDTH - 1.0
    middle = float((lips.upper_edge + lips.lower_edge)[EDGE // 2]) / 2.0
    lifted = middle - _REST_LINE
    return float(np.clip((wider + lifted) / 2.0 / _SMILE_GAIN, 0.0, _MOST_SMILE))


def _rounded(c: Doubles) -> Doubles:
    pucker, funnel = COLUMN["mouthPucker"], COLUMN["mouthFunnel"]
    both = c[pucker] + c[funnel]
    if both > _MOST_ROUND:
        c = c.copy()
        c[[pucker, funnel]] *= _MOST_ROUND / both
    return c
