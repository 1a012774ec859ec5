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
        _refined(_shape(head, outline, brow, left), relief, plate)
        for outline, brow, left in zip(_OUTLINES, _BROWS, (False, True), strict=True)
    )
    return first, second


def _refined(shape: EyeShape, relief: Relief, plate: Picture) -> EyeShape:
    for better in (_to_corners, _to_lower_rim, _to_lashes):
        shape = better(shape, relief, plate)
    return shape


#: Where the ends of an eye may lie, in half widths between the landmarks' corners.
_ENDS: Final = (0.97, 1.46)
#: The white counts as such where it is this much nearer to the eye's white than to skin.
_CERTAIN: Final = (0.35, 0.55)
#: Least difference in colour, in Lab units, at which white and skin can be told apart.
_TELLABLE: Final = 9.0
#: How far grey alone counts as white, and by how much skin's colour must be the purer one.
_SHADED: Final = 0.7
_PURER: Final = 0.06


def _to_corners(shape: EyeShape, relief: Relief, plate: Picture) -> EyeShape:
    """The eye as wide as it is: the white goes on beyond the landmarks' corners on many faces.

    Walks outwards along the corner line while there is white.
    """
    e = np.linspace(-1.6, 1.6, 129)
    white = _whiteness(shape, relief, plate, *np.meshgrid(e, np.linspace(-0.12, 0.22, 12)))
    if white is None:
        return shape
    # Three neighbours in a column make a speck of white; a highlight on skin makes fewer.
    run = cv2.blur(white, (3, 3), borderType=cv2.BORDER_REPLICATE).max(0)
    ends = []
    for side in (-1.0, 1.0):
        end = 1.0
        for certain in _CERTAIN:
            there = np.abs(e[(e * side > 0.5) & (run >= certain)])
            # White without an end is no eye.
            if len(there) and there.max() < 1.59:
                end = float(np.clip(there.max(), *_ENDS))
                break
        ends.append(side * end)
    return _stretched(shape, ends[0], ends[1])


def _whiteness(
    shape: EyeShape, relief: Relief, plate: Picture, e: Doubles, w: Doubles
) -> Doubles | None:
    """-1 where the picture has skin's colour, 1 where it has the white's; None when the two are
    too alike to tell, as in many paintings."""
    from scipy.ndimage import gaussian_filter1d

    lab = cv2.cvtColor(plate, cv2.COLOR_RGB2LAB).astype(np.float32)
    lab = cv2.GaussianBlur(lab, (0, 0), max(0.5, 0.02 * relief.pose.scale * shape.half))
    scale = np.array([0.5, 1.0, 1.0])
    grid_e, grid_w = np.meshgrid(np.linspace(-0.8, 0.8, 41), np.linspace(-0.5, 0.6, 41))
    inner = (grid_w > shape.at(shape.upper, grid_e) + 0.08) & (
        grid_w < shape.at(shape.lower, grid_e) - 0.06
    )
    eye = _look(lab, shape, relief, grid_e[inner][None], grid_w[inner][None])[0]
    if len(eye) < 12:
        return None
    bright = eye[eye[:, 0] >= np.percentile(eye[:, 0], 55)]
    # What is brighter still than the white is a lamp's reflection.
    bright = bright[bright[:, 0] <= np.percentile(bright[:, 0], 85)]
    # Skin below the eye, column by column: one side of a face lies in the shade.
    columns = np.linspace(-1.5, 1.5, 31)
    below = _look(lab, shape, relief, *np.meshgrid(columns, np.linspace(0.55, 0.85, 5)))
    tones = gaussian_filter1d(np.median(below, axis=0), 2.0, axis=0, mode="nearest")
    white = np.median(bright, axis=0)
    if float(np.linalg.norm((white - np.median(tones, axis=0))[1:])) < _TELLABLE:
        return None
    skin = np.stack([np.interp(e, columns, tones[:, i]) for i in range(3)], axis=-1)
    seen = _look(lab, shape, relief, e, w)
    # Whites lie in shadow at the corners: colour tells, and lightness only a little.
    to_white = np.linalg.norm((seen - white) * scale * (0.5, 1, 1), axis=-1)
    to_skin = np.linalg.norm((seen - skin) * scale, axis=-1)
    found = (to_skin - to_white) / np.maximum(to_skin + to_white, 1e-3)
    dark = seen[..., 0] < 0.45 * np.minimum(white[0], skin[..., 0])
    found = np.where(dark, 0.0, found)
    return np.asarray(np.maximum(found, _SHADED * _greyness(seen, bright, skin)))


def _greyness(seen: Doubles, white: Doubles, skin: Doubles) -> Doubles:
    """Like _whiteness, from purity of colour alone, which shadow leaves as it is: in the corner
    on a face's dark side the white is darker than lit skin."""

    def purity(lab: Doubles) -> Doubles:
        colour = np.hypot(lab[..., 1] - 128.0, lab[..., 2] - 128.0)
        return np.asarray(colour / np.maximum(lab[..., 0], 20.0))

    of_skin, of_white = purity(skin), float(np.median(purity(white)))
    apart = of_skin - of_white
    grey = np.clip(2 * (of_skin - purity(seen)) / np.maximum(apart, 1e-3) - 1, -1, 1)
    lit = seen[..., 0] > 0.25 * np.minimum(float(np.median(white[..., 0])), skin[..., 0])
    return np.where((apart > _PURER) & lit, grey, -1.0)


#: How far below or above the landmarks' lower lid the true one is looked for.
_LOWER: Final = (-0.10, 0.26)


def _to_lower_rim(shape: EyeShape, relief: Relief, plate: Picture) -> EyeShape:
    """The lower lid where the white ends: landmarks lie up to a fifth of the eye too high."""
    from scipy.ndimage import gaussian_filter1d

    grid = np.linspace(-1, 1, LID)
    offsets = np.linspace(*_LOWER, 37)
    rows = shape.lower[None] + offsets[:, None]
    white = _whiteness(shape, relief, plate, np.broadcast_to(grid, rows.shape), rows)
    if white is None:
        return shape
    # The iris hides the white in the middle: what is not skin's colour belongs to the eye.
    gain = np.cumsum(np.clip(white + 0.05, -0.5, 0.5), axis=0)
    cost = -gain + 4.0 * (offsets[:, None] / 0.3) ** 2
    path = gaussian_filter1d(offsets[cheapest_path(cost, 0.35)], 1.5, mode="nearest")
    hold = np.clip((1 - np.abs(grid)) / 0.3, 0, 1) ** 0.75
    return replace(shape, lower=shape.lower + hold * path)


def _stretched(shape: EyeShape, start: float, stop: float) -> EyeShape:
    """The same lids between new corners on the same line."""
    middle, factor = (start + stop) / 2, (stop - start) / 2
    grid = np.linspace(-1, 1, LID)
    old = middle + factor * grid

    rounded = np.maximum(1 - grid**2, 0.02) ** 0.75

    def lid(curve: Doubles) -> Doubles:
        # Between the landmarks the lid stays where it is; its ends run out to the new corners.
        height = np.interp(old, grid[3:-3], (curve / rounded)[3:-3])
        stays = height * np.maximum(1 - np.clip(old, -1, 1) ** 2, 0.0) ** 0.75
        runs = height * np.maximum(1 - grid**2, 0.0) ** 0.75
        near = np.clip((np.abs(old) - 0.3) / 0.5, 0, 1)
        return np.asarray(((1 - near) * stays + near * runs) / factor)

    centre = shape.centre + shape.half * middle * shape.along
    return replace(
        shape, centre=centre, half=shape.half * factor, upper=lid(shape.upper),
        lower=lid(shape.lower), brow=np.interp(old, grid, shape.brow) / factor,
    )  # fmt: skip


def _look(picture: Picture, shape: EyeShape, relief: Relief, e: Doubles, w: Doubles) -> Doubles:
    """Colours (..., C) at eye coordinates."""
    flat = shape.centre + shape.half * (e[..., None] * shape.along + w[..., None] * shape.down)
    at = relief.pose.to_picture(flat)[..., :2].astype(np.float32)
    read = cv2.remap(
        picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(read, np.float64)


_ROWS: Final = 25
_SEARCH: Final = (-0.10, 0.05)


def _to_lashes(shape: EyeShape, relief: Relief, plate: Picture) -> EyeShape:
    grid = np.linspace(-1, 1, LID)
    offsets = np.linspace(*_SEARCH, _ROWS)[:, None]
    rows = shape.upper[None] + offsets
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY)
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.03 * relief.pose.scale * shape.half))
    strip = _look(grey, shape, relief, np.broadcast_to(grid, rows.shape), rows)
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
