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
SURELY_OPEN: Final = 0.16
_RIM: Final = 0.03
_COLUMNS: Final = 97
_ROWS: Final = 72
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
        return np.interp(u, off @ along / half, off @ down / half)

    outer_top, outer_low = contour([48, 49, 50, 51, 52, 53, 54]), contour([48, 59, 58, 57, 56, 55, 54])
    inner_top, inner_low = contour([48, 60, 61, 62, 63, 64, 54]), contour([48, 60, 67, 66, 65, 64, 54])
    middle = EDGE // 2
    apart = float((inner_low - inner_top)[middle]) / 2.0
    if apart > OPEN_FROM and (apart > SURELY_OPEN or _gap_differs(plate, points)):
        # Landmarks run along the middle of the lips' rims; the opening begins a little outside.
        rim = _RIM * (1 - u**2)
        top, low = _smooth(inner_top, 1.0) - rim, _smooth(inner_low, 1.0) + rim
        low = np.maximum(low, top)
    else:
        guess = (inner_top + inner_low) / 2
        top = low = _darkest_path(plate, relief, points, (u, outer_top, guess, outer_low), half)
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
    teeth = ((gap[:, 0] > 0.9 * light) & (gap[:, 1] < red - 5.0)) | (gap[:, 0] > 1.3 * light)
    dark = gap[:, 0] < 0.5 * light
    return bool((teeth | dark).mean() > 0.5)


def _smooth(curve: Doubles, sigma: float) -> Doubles:
    from scipy.ndimage import gaussian_filter1d

    soft = gaussian_filter1d(curve, sigma, mode="nearest")
    soft[0], soft[-1] = curve[0], curve[-1]
    return np.asarray(soft)


def _darkest_path(
    plate: Picture,
    relief: Relief,
    points: Doubles,
    curves: tuple[Doubles, Doubles, Doubles, Doubles],
    half: float,
) -> Doubles:
    u, top, guess, low = curves
    columns = np.linspace(-1, 1, _COLUMNS)
    top, guess, low = (np.interp(columns, u, c) for c in (top, guess, low))
    start, stop = guess + 0.72 * (top - guess), guess + 0.55 * (low - guess)
    share = np.linspace(0, 1, _ROWS)[:, None]
    v = start + share * (stop - start)
    strip = _rectify(plate, points, relief, columns, v, half)
    thickness = max(float((low - top).max()), 1e-3)
    spread = max(float(strip.std()), 2.0)
    cost = (strip - strip.mean()) / spread + 0.35 * ((v - guess) / thickness * 2.0) ** 2
    row = cheapest_path(cost, 0.08)
    path = v[row, np.arange(_COLUMNS)]
    from scipy.ndimage import gaussian_filter1d

    path = gaussian_filter1d(path, 2.0, mode="nearest")
    # At the corners the landmarks are right and the darkness is shadow.
    hold = np.clip((1.0 - np.abs(columns)) / 0.15, 0, 1)
    path = guess + hold * (path - guess)
    return np.interp(u, columns, path)


def _rectify(
    plate: Picture, points: Doubles, relief: Relief, u: Doubles, v: Doubles, half: float
) -> Doubles:
    """Luminance at mouth coordinates (rows, columns), read straight in the picture plane."""
    left, right = points[48, :2], points[54, :2]
    turn = relief.pose.turn
    axis = (right - left) / 2.0
    # The picture's own 'down' at the mouth: how a head point moves when it goes down.
    down = relief.pose.scale * half * turn[:2, 1]
    centre = (left + right) / 2.0
    x = centre[0] + u[None] * axis[0] + v * down[0]
    y = centre[1] + u[None] * axis[1] + v * down[1]
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY).astype(np.float32)
    pixel = float(np.hypot(*axis)) * 2 / _COLUMNS
    grey = cv2.GaussianBlur(grey, (0, 0), max(0.6, 0.8 * pixel))
    read = cv2.remap(
        grey, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.asarray(read, np.float64)
