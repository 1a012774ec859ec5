"""EyeShape: one eye's outline in its own frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._path import cheapest_path
from primafacie.generator.engines.photo_warp._relief import Relief

Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Samples along each lid.
LID: Final = 33
#: The lids meet a little beyond the landmarks' corners.
_CORNERS: Final = 1.05
#: Corner, two upper points, corner, two lower points: first the eye on the viewer's left.
_OUTLINES: Final = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47))
_BROWS: Final = ((17, 18, 19, 20, 21), (22, 23, 24, 25, 26))


@dataclass(frozen=True, slots=True, eq=False)
class EyeShape:
    """e along the corner line, -1 at the viewer's left corner and 1 at the right; w at right
    angles, downwards; both in half eye widths. upper, lower (LID,): the lid margins' w at
    e = linspace(-1, 1). brow (LID,): the brow's w there, negative. left: the sitter's left eye,
    on the viewer's right."""

    centre: Doubles
    along: Doubles
    down: Doubles
    half: float
    upper: Doubles
    lower: Doubles
    brow: Doubles
    left: bool

    def to_eye(self, head: Doubles) -> tuple[Doubles, Doubles]:
        """e and w of head points (..., 3)."""
        off = head - self.centre
        return off @ self.along / self.half, off @ self.down / self.half

    def at(self, curve: Doubles, e: Doubles) -> Doubles:
        """One of the three curves at any e, level beyond the corners."""
        return np.interp(e, np.linspace(-1, 1, LID), curve)


def find_eyes(relief: Relief, plate: Picture) -> tuple[EyeShape, EyeShape]:
    """The eye on the viewer's left (the sitter's right), then the other.

    Landmarks lie inside the lash line and miss it by up to a tenth of the eye; the darkest path
    near them is the margin of the upper lid.
    """
    head = relief.pose.to_head(relief.points)
    first, second = (
        _to_lashes(_shape(head, outline, brow, left), relief, plate)
        for outline, brow, left in zip(_OUTLINES, _BROWS, (False, True), strict=True)
    )
    return first, second


_ROWS: Final = 25
_SEARCH: Final = (-0.10, 0.05)


def _to_lashes(shape: EyeShape, relief: Relief, plate: Picture) -> EyeShape:
    grid = np.linspace(-1, 1, LID)
    offsets = np.linspace(*_SEARCH, _ROWS)[:, None]
    rows = shape.upper[None] + offsets
    flat = shape.centre + shape.half * (
        grid[None, :, None] * shape.along + rows[..., None] * shape.down
    )
    at = relief.pose.to_picture(flat)[..., :2].astype(np.float32)
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY).astype(np.float32)
    pixel = relief.pose.scale * shape.half
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.03 * pixel))
    strip = np.asarray(cv2.remap(
        grey, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ), np.float64)  # fmt: skip
    spread = max(float(strip.std()), 4.0)
    cost = (strip - strip.mean()) / spread + 0.8 * (offsets / 0.10) ** 2
    path = offsets[cheapest_path(cost, 0.15), 0]
    from scipy.ndimage import gaussian_filter1d

    path = gaussian_filter1d(path, 2.0, mode="nearest")
    hold = np.clip((1 - np.abs(grid)) / 0.3, 0, 1)
    upper = shape.upper + hold * path
    return replace(shape, upper=upper, lower=np.maximum(shape.lower, upper + 0.02))


def _shape(head: Doubles, outline: tuple[int, ...], brow: tuple[int, ...], left: bool) -> EyeShape:
    start, stop = head[outline[0]], head[outline[3]]
    along = (stop - start) * (1.0, 1.0, 0.0)
    half = float(np.hypot(*along[:2])) / 2
    along = along / (2 * half)
    half *= _CORNERS
    down = np.array([-along[1], along[0], 0.0])
    centre = (start + stop) / 2

    def curve(indices: list[int], tension: float) -> Doubles:
        off = head[indices] - centre
        return _arch(off @ along / half, off @ down / half, tension)

    upper = curve([outline[0], outline[1], outline[2], outline[3]], 0.75)
    lower = curve([outline[0], outline[5], outline[4], outline[3]], 0.75)
    # Landmarks may cross on squinting eyes; an eye keeps a slit.
    lower = np.maximum(lower, upper + 0.02)
    off = head[list(brow)] - centre
    e, w = off @ along / half, off @ down / half
    order = np.argsort(e)
    grid = np.linspace(-1, 1, LID)
    return EyeShape(
        centre, along, down, half, upper, lower, np.interp(grid, e[order], w[order]), left
    )


def _arch(e: Doubles, w: Doubles, power: float) -> Doubles:
    """A rounded arch through two inner points that ends at both corners.

    (1 - e^2)^power keeps the round shape of a lid; what multiplies it is linear in e.
    """
    grid = np.linspace(-1, 1, LID)
    inner = slice(1, 3)
    base = np.maximum(1 - np.clip(e[inner], -0.9, 0.9) ** 2, 0.05) ** power
    height = w[inner] / base
    slope = (height[1] - height[0]) / max(e[2] - e[1], 1e-3)
    middle = height.mean() + slope * (grid - e[inner].mean())
    bounded = np.clip(middle, min(height) - 0.15, max(height) + 0.15)
    return np.asarray(bounded * np.maximum(1 - grid**2, 0.0) ** power)
