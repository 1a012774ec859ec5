"""Matte: which pixels are the person, and what the wall behind looks like without them.

With both, a moving head no longer drags the whole wall along: what the warp took with it is put
back. Only close to the person the wall still gives a little: the photo does not show what lies
behind, and wall that stretches is seen less than wall that was invented.
No network draws the outline. Graph cuts on colour (Rother et al. 2004, "GrabCut") start from where
the head model says a person must and cannot be; a guided filter (He et al. 2010) follows hair.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._relief import Relief
from primafacie.generator.engines.photo_warp._shape import step
from primafacie.generator.head import OVAL

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

#: Pixels of the longer side at which the cut is made.
_CUT_SIDE: Final = 288
_ROUNDS: Final = 4
#: The person must differ from the wall by this many grey levels along the outline, or the outline
#: is a guess.
_CONTRAST: Final = 10.0
#: Distances to the person, in face widths, between which the wall gives less and less.
_GIVES: Final = (0.03, 0.30)
#: The screen of film studios, ITU-R BT.709 green at 70 %: 0, 177, 64.
GREEN: Final = (0, 177, 64)


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """alpha (H, W): 255 the person, 0 the wall. clean (H, W, 3): the wall without the person.
    behind (H, W, 3): what the film shows there. stays (H, W): 1 where it shows that and nothing
    else, 0 where the wall gives. sure: the outline was seen, not guessed. screen: behind is not
    the photo's own wall."""

    alpha: Picture
    clean: Picture
    behind: Picture
    stays: Floats
    sure: bool
    screen: bool = False

    def lay(self, picture: Picture, alpha: Picture, clean: Picture | None, where: Any) -> Picture:
        """`picture` with the wall it shows exchanged for `behind[where]`; alpha and clean are the
        matte's own, moved as the picture was. A screen needs `clean`, to take the old wall out of
        hair; before its own wall hair may keep a little of it. At rest no bit changes."""
        behind = self.behind[where]
        if not self.screen or clean is None:
            share = cv2.multiply(self.stays[where], 255 - alpha, scale=1 / 255, dtype=cv2.CV_32F)
            return np.asarray(cv2.blendLinear(picture, behind, 1 - share, share), np.uint8)
        open_ = np.float32(1.0) - alpha.astype(np.float32) / np.float32(255)
        mixed = picture + open_[..., None] * (behind.astype(np.float32) - clean)
        laid = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        # Plain wall needs no arithmetic, whose two samplings differ a little.
        return np.asarray(cv2.copyTo(behind, (alpha == 0).view(np.uint8), laid), np.uint8)


def find_matte(plate: Picture, relief: Relief) -> Matte:
    """The matte of a photo's plate; the wall it shows stays where it is."""
    height, width = plate.shape[:2]
    shrink = min(1.0, _CUT_SIDE / max(height, width))
    size = (max(8, round(width * shrink)), max(8, round(height * shrink)))
    small = np.asarray(cv2.resize(plate, size, interpolation=cv2.INTER_AREA), np.uint8)
    seeds = _seeds(relief, size, (width, height))
    cut = _cut(small, seeds)
    rough = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    alpha = _follow_hair(plate, np.asarray(rough, np.float32), relief.face_width)
    clean = _without(plate, alpha, relief.face_width)
    gap = cv2.distanceTransform((alpha == 0).astype(np.uint8), cv2.DIST_L2, 5)
    stays = step(gap / relief.face_width, *_GIVES).astype(np.float32)
    sure = _is_sure(plate, clean, alpha, relief.face_width)
    return Matte(alpha, clean, clean.copy(), stays, sure)


def on_green(matte: Matte) -> Matte:
    """The same person in front of a green screen."""
    behind = np.empty_like(matte.clean)
    behind[:] = GREEN
    return Matte(matte.alpha, matte.clean, behind, np.ones_like(matte.stays), matte.sure, True)


def _seeds(relief: Relief, size: tuple[int, int], full: tuple[int, int]) -> Picture:
    """GrabCut's mask: sure and probable person and wall."""
    x, y = np.meshgrid(
        (np.arange(size[0]) + 0.5) * full[0] / size[0],
        (np.arange(size[1]) + 0.5) * full[1] / size[1],
    )
    mesh, tall, wide = relief.mesh, relief.face_height, relief.face_width
    chin = mesh[152, :2]
    up = (mesh[10, :2] - chin) / tall
    right = np.array([-up[1], up[0]])
    off_x, off_y = x - chin[0], y - chin[1]
    across = np.abs(off_x * right[0] + off_y * right[1]) / wide
    above = (off_x * up[0] + off_y * up[1]) / tall
    below = (y - chin[1]) / tall
    beside = np.abs(x - chin[0]) / wide
    seeds = np.full(x.shape, cv2.GC_PR_BGD, np.uint8)
    head = np.hypot(across / 0.80, (above - 0.62) / 0.82) < 1
    trunk = (below > 0.40) & (beside < 0.55 + 1.9 * (below - 0.40))
    seeds[head | trunk] = cv2.GC_PR_FGD
    far = (above > 1.75) | ((across > 1.75) & (below < 0.1))
    far |= (beside > 1.0) & (across > 1.35) & (np.abs(below) < 0.1)
    seeds[far] = cv2.GC_BGD
    sure = np.zeros(x.shape, np.uint8)
    ratio = np.array([size[0] / full[0], size[1] / full[1]])
    cv2.fillPoly(sure, [np.round(mesh[OVAL, :2] * ratio).astype(np.int32)], 1)
    sure = np.asarray(cv2.erode(sure, np.ones((3, 3), np.uint8)), np.uint8)
    neck = (below > -0.05) & (below < 0.30) & (beside < 0.22)
    chest = (below >= 0.30) & (beside < 0.26 + 1.15 * np.minimum(below - 0.30, 0.8))
    seeds[(sure > 0) | neck | chest] = cv2.GC_FGD
    return seeds


def _cut(small: Picture, seeds: Picture) -> NDArray[np.bool_]:
    if not ((seeds == cv2.GC_BGD).any() or (seeds == cv2.GC_PR_BGD).any()):
        return np.ones(seeds.shape, bool)
    mask = seeds.copy()
    cv2.setRNGSeed(1)  # its clusters start from OpenCV's own dice
    cv2.grabCut(
        cv2.cvtColor(small, cv2.COLOR_RGB2BGR), mask, (0, 0, 1, 1), np.zeros((1, 65)),
        np.zeros((1, 65)), _ROUNDS, cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    person = ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).astype(np.uint8)
    # One person in one piece, without holes.
    _, labels = cv2.connectedComponents(person)
    own = labels[seeds == cv2.GC_FGD]
    own = own[own > 0]
    if not len(own):
        return np.ones(seeds.shape, bool)
    piece = (labels == np.bincount(own).argmax()).astype(np.uint8)
    _, holes = cv2.connectedComponents(1 - piece)
    rim = np.unique(np.r_[holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    return np.asarray(~np.isin(holes, rim[rim > 0]))


def _follow_hair(plate: Picture, rough: Floats, wide: float) -> Picture:
    """The guided filter: alpha as a linear function of grey in every small window."""
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY).astype(np.float32) / np.float32(255)
    reach = max(2, round(0.035 * wide))
    box = (2 * reach + 1, 2 * reach + 1)

    def mean(values: Any) -> Floats:
        return np.asarray(cv2.blur(values, box, borderType=cv2.BORDER_REFLECT), np.float32)

    m, a = mean(grey), mean(rough)
    slope = (mean(grey * rough) - m * a) / (mean(grey * grey) - m * m + np.float32(4e-4))
    soft = mean(slope) * grey + mean(a - slope * m)
    # Contrast is raised, so that mist in the wall's own texture becomes wall again, and hair that
    # is half seen counts as hair: wall that moves with hair is seen less than hair that stays.
    soft = np.clip((soft - 0.12) / 0.68, 0, 1)
    # The filter may only soften near the cut.
    near = cv2.dilate((rough > 0.02).astype(np.uint8), np.ones(box, np.uint8)) > 0
    deep = cv2.erode((rough > 0.98).astype(np.uint8), np.ones(box, np.uint8)) > 0
    soft = np.where(deep, 1.0, np.where(near, soft, 0.0))
    return np.asarray(np.rint(255 * soft), np.uint8)


def _without(plate: Picture, alpha: Picture, wide: float) -> Picture:
    """The wall goes on behind the person: filled from its surroundings, coarse to fine."""
    reach = max(1, round(0.02 * wide))
    person = cv2.dilate((alpha > 8).astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8))
    known = (1 - person).astype(np.float32)
    if not known.any():
        return plate.copy()
    levels: list[tuple[Floats, Floats]] = []
    colour, weight = plate.astype(np.float32) * known[..., None], known
    while True:
        levels.append((np.asarray(colour, np.float32), np.asarray(weight, np.float32)))
        if min(weight.shape) < 4:
            break
        colour, weight = cv2.pyrDown(colour), cv2.pyrDown(weight)
    colour, weight = levels[-1]
    total = np.maximum(weight, 1e-6)[..., None]
    filled = np.asarray(colour / total, np.float32)
    for colour, weight in reversed(levels[:-1]):
        size = (weight.shape[1], weight.shape[0])
        coarse = cv2.resize(filled, size, interpolation=cv2.INTER_LINEAR)
        share = np.clip(weight, 0, 1)[..., None]
        filled = colour + (1 - share) * coarse
    # Where there is wall it is the wall itself, to the bit.
    filled = np.clip(np.rint(filled), 0, 255).astype(np.uint8)
    return np.where(alpha[..., None] > 0, filled, plate)


def _is_sure(plate: Picture, clean: Picture, alpha: Picture, wide: float) -> bool:
    reach = max(2, round(0.05 * wide))
    solid = (alpha > 250).astype(np.uint8)
    band = (solid > 0) & (cv2.erode(solid, np.ones((reach, reach), np.uint8)) == 0)
    if band.sum() < 50:
        return False
    apart = np.abs(plate[band].astype(np.int16) - clean[band]).mean(-1)
    return bool(np.median(apart) >= _CONTRAST)
