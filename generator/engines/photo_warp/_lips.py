"""Lips: where upper and lower lip meet in the photo, and the mouth's own coordinates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._path import cheapest_path
from primafacie.generator.engines.photo_warp._relief import Relief

Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Inner lips further apart than this, in mouth widths, count as an open mouth.
OPEN_FROM: Final = 0.045
SURELY_OPEN: Final = 0.135
_RIM: Final = 0.03
_COLUMNS: Final = 97
_ROWS: Final = 72
#: Landmarks from corner to corner: outer upper, outer lower, inner upper, inner lower.
_RINGS: Final = (
    (48, 49, 50, 51, 52, 53, 54),
    (48, 59, 58, 57, 56, 55, 54),
    (48, 60, 61, 62, 63, 64, 54),
    (48, 60, 67, 66, 65, 64, 54),
)
#: Samples along each lip edge.
EDGE: Final = 41


@dataclass(frozen=True, slots=True, eq=False)
class Lips:
    """The mouth in its own frame: u along the corner line, 0 in the middle and 1 at the corner on
    the viewer's right; v at right angles, downwards; both in half mouth widths.

    centre, along, down: head units (3,); half: half the mouth width in head units. upper_edge and
    lower_edge (EDGE,): v of the lips' inner edges at u = linspace(-1, 1); equal on a closed mouth.
    upper_thickness, lower_thickness: of the red, in half widths. gap: aperture in mouth widths.
    """

    centre: Doubles
    along: Doubles
    down: Doubles
    half: float
    upper_edge: Doubles
    lower_edge: Doubles
    upper_thickness: float
    lower_thickness: float

    @property
    def gap(self) -> float:
        return float(self.lower_edge[EDGE // 2] - self.upper_edge[EDGE // 2]) / 2.0

    @property
    def open(self) -> bool:
        return self.gap > 0.0

    def to_mouth(self, head: Doubles) -> tuple[Doubles, Doubles]:
        """u and v of head points (..., 3)."""
        off = head - self.centre
        return off @ self.along / self.half, off @ self.down / self.half

    def edge_at(self, u: Doubles, lower: bool) -> Doubles:
        """v of an edge at any u; beyond the corners it goes on level."""
        edge = self.lower_edge if lower else self.upper_edge
        return np.interp(u, np.linspace(-1, 1, EDGE), edge)


def find_lips(plate: Picture, relief: Relief) -> Lips:
    """The lips of a face. Closed: the darkest path between the lips, by dynamic programming, as
    landmarks are 2 to 4 % of the mouth width off there. Open: the landmarks' inner contour."""
    points = relief.points
    head = relief.pose.to_head(points)
    left, right = head[48], head[54]
    along = (right - left) * (1.0, 1.0, 0.0)
    half = float(np.hypot(*along[:2])) / 2.0
    along = along / (2.0 * half)
    down = np.array([-along[1], along[0], 0.0])
    centre = (left + right) / 2.0
    u = np.linspace(-1, 1, EDGE)

    def contour(indices: list[int]) -> Doubles:
        off = head[indices] - centre
        return np.asarray(np.interp(u, off @ along / half, off @ down / half), np.float64)

    outer_top, outer_low, inner_top, inner_low = (contour(list(ring)) for ring in _RINGS)
    middle = EDGE // 2
    apart = float((inner_low - inner_top)[middle]) / 2.0
    if apart > OPEN_FROM and (apart > SURELY_OPEN or _gap_differs(plate, points)):
        # Landmarks run along the middle of the lips' rims; the opening begins a little outside.
        # Seven points draw a trapezoid; lips are round.
        rim = _RIM * (1 - u**2)
        top, low = _smooth(inner_top, 3.0) - rim, _smooth(inner_low, 3.0) + rim
        low = np.maximum(low, top)
    else:
        guess = (inner_top + inner_low) / 2
        path = _darkest_path(plate, relief, points, (u, outer_top, guess, outer_low), half)
        thick = (path.at(0.0) - outer_top[middle], outer_low[middle] - path.at(0.0))
        return _closed(path, centre, along, down, half, thick)
    thick_top = float(np.clip((top - outer_top)[middle], 0.10, 0.55))
    thick_low = float(np.clip((outer_low - low)[middle], 0.14, 0.70))
    return Lips(centre, along, down, half, top, low, thick_top, thick_low)


def _gap_differs(plate: Picture, points: Doubles) -> bool:
    """Whether what lies between the inner landmarks is teeth or darkness and not lip.

    Under moustaches and on soft pictures the inner landmarks open over a closed mouth.
    """
    inner, ring = np.zeros(plate.shape[:2], np.uint8), np.zeros(plate.shape[:2], np.uint8)
    inside = np.round(points[60:68, :2]).astype(np.int32)
    cv2.fillPoly(ring, [np.round(points[48:60, :2]).astype(np.int32)], 1)
    cv2.fillPoly(ring, [inside], 0)
    cv2.fillPoly(inner, [inside], 1)
    if not (inner.any() and ring.any()):
        return False
    colours = cv2.cvtColor(plate, cv2.COLOR_RGB2LAB).astype(np.float64)
    lip, gap = colours[ring > 0], colours[inner > 0]
    light, red = max(float(np.median(lip[:, 0])), 1.0), float(np.median(lip[:, 1]))
    paler = gap[:, 1] < red - 5.0 if red > 133.0 else gap[:, 0] > 1.1 * light  # 128 is grey
    teeth = (gap[:, 0] > 0.9 * light) & paler
    dark = gap[:, 0] < 0.4 * light
    return bool(teeth.mean() > 0.4 or dark.mean() > 0.5)


def _smooth(curve: Doubles, sigma: float) -> Doubles:
    from scipy.ndimage import gaussian_filter1d

    soft = gaussian_filter1d(curve, sigma, mode="nearest")
    soft[0], soft[-1] = curve[0], curve[-1]
    return np.asarray(soft)


@dataclass(frozen=True, slots=True, eq=False)
class _Path:
    """The lip line in landmark mouth coordinates, and where it ends on both sides."""

    u: Doubles
    v: Doubles
    start: float
    stop: float

    def at(self, u: float) -> float:
        return float(np.interp(u, self.u, self.v))


def _closed(
    path: _Path, centre: Doubles, along: Doubles, down: Doubles, half: float,
    thick: tuple[float, float],
) -> Lips:  # fmt: skip
    """The mouth's frame laid through the ends of its own line."""
    ends = [centre + half * (u * along + path.at(u) * down) for u in (path.start, path.stop)]
    across = ends[1] - ends[0]
    own_half = float(np.hypot(*across[:2])) / 2.0
    own_along = across / (2.0 * own_half)
    own_down = np.array([-own_along[1], own_along[0], 0.0])
    own_centre = (ends[0] + ends[1]) / 2.0
    inner = (path.u >= path.start) & (path.u <= path.stop)
    line = centre + half * (path.u[inner, None] * along + path.v[inner, None] * down)
    off = line - own_centre
    grid = np.linspace(-1, 1, EDGE)
    edge = np.interp(grid, off @ own_along / own_half, off @ own_down / own_half)
    edge[0] = edge[-1] = 0.0
    ratio = half / own_half
    return Lips(
        own_centre, own_along, own_down, own_half, edge, edge,
        float(np.clip(ratio * thick[0], 0.10, 0.55)), float(np.clip(ratio * thick[1], 0.14, 0.70)),
    )  # fmt: skip


#: How far beyond the landmarks' corners the line is followed, in half mouth widths.
_BEYOND: Final = 1.25
_CORNERS: Final = (0.88, 1.16)


def _darkest_path(
    plate: Picture,
    relief: Relief,
    points: Doubles,
    curves: tuple[Doubles, Doubles, Doubles, Doubles],
    half: float,
) -> _Path:
    from scipy.ndimage import gaussian_filter1d

    u, top, guess, low = curves
    columns = np.linspace(-_BEYOND, _BEYOND, _COLUMNS)
    top, guess, low = (np.interp(columns, u, c) for c in (top, guess, low))
    thickness = max(float((low - top).max()), 0.2)
    # Near the corners the landmarks' lips have no height; the line may leave them a little.
    side = 0.5 * thickness * np.clip((np.abs(columns) - 0.5) / 0.4, 0, 1)
    start = np.minimum(guess + 0.72 * (top - guess), guess - side)
    stop = np.maximum(guess + 0.70 * (low - guess), guess + side)
    v = start + np.linspace(0, 1, _ROWS)[:, None] * (stop - start)
    strip, red = _rectify(plate, points, relief, columns, v, half)
    prior = 0.35 * ((v - guess) / thickness * 2.0) ** 2
    redness = gaussian_filter1d(red, 0.12 * _ROWS, axis=0, mode="nearest")
    # Between the lips it is dark, and red above and below: a moustache is only dark.
    cost = _scaled(strip, 4.0) + prior - 0.8 * _scaled(redness, 3.0)
    row = cheapest_path(cost, 0.08)
    path = v[row, np.arange(_COLUMNS)]
    path = gaussian_filter1d(path, 2.0, mode="nearest")
    first, last = _ends(strip, v, path, columns)
    return _Path(columns, path, first, last)


def _scaled(values: Doubles, least: float) -> Doubles:
    return np.asarray((values - values.mean()) / max(float(values.std()), least))


def _ends(strip: Doubles, v: Doubles, path: Doubles, columns: Doubles) -> tuple[float, float]:
    """Where the line fades into the cheeks: its contrast falls to a third of the middle's."""
    from scipy.ndimage import gaussian_filter1d

    def read(at: Doubles) -> Doubles:
        share = (at - v[0]) / np.maximum(v[-1] - v[0], 1e-6) * (_ROWS - 1)
        index = np.clip(np.round(share), 0, _ROWS - 1).astype(int)
        return np.asarray(strip[index, np.arange(len(columns))])

    contrast = (read(path - 0.10) + read(path + 0.10)) / 2 - read(path)
    contrast = gaussian_filter1d(contrast, 1.5, mode="nearest")
    middle = float(np.median(contrast[np.abs(columns) < 0.6]))
    if middle < 3.0:
        return -1.0, 1.0
    ends = []
    for side in (-1.0, 1.0):
        reach = (columns * side >= _CORNERS[0]) & (columns * side <= _CORNERS[1])
        alive = np.abs(columns[reach & (contrast > 0.33 * middle)])
        ends.append(side * float(alive.max() if len(alive) else _CORNERS[0]))
    return ends[0], ends[1]


def _rectify(
    plate: Picture, points: Doubles, relief: Relief, u: Doubles, v: Doubles, half: float
) -> tuple[Doubles, Doubles]:
    """Luminance and redness at mouth coordinates (rows, columns), read in the picture plane."""
    left, right = points[48, :2], points[54, :2]
    turn = relief.pose.turn
    axis = (right - left) / 2.0
    # The picture's own 'down' at the mouth: how a head point moves when it goes down.
    down = relief.pose.scale * half * turn[:2, 1]
    centre = (left + right) / 2.0
    x = centre[0] + u[None] * axis[0] + v * down[0]
    y = centre[1] + u[None] * axis[1] + v * down[1]
    lab = cv2.cvtColor(plate, cv2.COLOR_RGB2LAB)[..., :2].astype(np.float32)
    pixel = float(np.hypot(*axis)) * 2 / _COLUMNS
    lab = cv2.GaussianBlur(lab, (0, 0), max(0.6, 0.8 * pixel))
    read = cv2.remap(
        lab, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return read[..., 0].astype(np.float64), read[..., 1].astype(np.float64)
