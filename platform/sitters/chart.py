"""Chart: the flat sheet, in millimetres, on which a head is modelled seen from the front.

x grows to the viewer's right, y downwards, z towards the viewer. The origin lies between the
eyes, in the plane of the eyeballs' centres.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[Any]  # single-precision numbers over the chart or the picture

PER_MM = 4.0
LEFT, RIGHT, TOP, BOTTOM = -105.0, 105.0, -140.0, 130.0
SHAPE = (int((BOTTOM - TOP) * PER_MM), int((RIGHT - LEFT) * PER_MM))


@lru_cache(maxsize=1)
def grid() -> tuple[Field, Field]:
    """The x and y of every sample, in millimetres."""
    xs = LEFT + (np.arange(SHAPE[1], dtype=np.float32) + 0.5) / PER_MM
    ys = TOP + (np.arange(SHAPE[0], dtype=np.float32) + 0.5) / PER_MM
    x, y = np.meshgrid(xs, ys)
    x.setflags(write=False)
    y.setflags(write=False)
    return x, y


def window(low: tuple[float, float], high: tuple[float, float]) -> tuple[slice, slice]:
    """Rows and columns of the samples between two corners (x, y) in millimetres."""
    gx, gy = grid()
    rows = np.searchsorted(gy[:, 0], [low[1], high[1]])
    columns = np.searchsorted(gx[0], [low[0], high[0]])
    return slice(int(rows[0]), int(rows[1])), slice(int(columns[0]), int(columns[1]))


def sample(field: Field, x: Field, y: Field, cubic: bool = False) -> Field:
    """`field` at points given in millimetres; the border repeats outwards."""
    u = ((x - LEFT) * PER_MM - 0.5).astype(np.float32)
    v = ((y - TOP) * PER_MM - 0.5).astype(np.float32)
    how = cv2.INTER_CUBIC if cubic else cv2.INTER_LINEAR
    return cv2.remap(field, u, v, how, borderMode=cv2.BORDER_REPLICATE)


def blur(field: Field, mm: float, per_mm: float = PER_MM) -> Field:
    """Gaussian blur with a standard deviation in millimetres; wide ones run on a smaller sheet."""
    sigma = mm * per_mm
    if sigma > 10:
        h, w = field.shape[:2]
        f = int(sigma // 4)
        small = cv2.resize(field, (max(2, w // f), max(2, h // f)), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / f, borderType=cv2.BORDER_REPLICATE)
        return cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC)
    return cv2.GaussianBlur(field, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)


def smoothstep(lo: Field | float, hi: Field | float, v: Field) -> Field:
    t = np.clip((v - lo) / (hi - lo), 0, 1)
    return (t * t * (3 - 2 * t)).astype(np.float32)


def smooth_max(a: Field, b: Field, k: float) -> Field:
    """The larger of both, with a fillet `k` millimetres wide."""
    h = np.clip(0.5 + 0.5 * (a - b) / k, 0, 1)
    return (b + (a - b) * h + k * h * (1 - h)).astype(np.float32)


def lump(x: Field, y: Field, at: tuple[float, float], spread: tuple[float, float]) -> Field:
    """A Gaussian of height one."""
    return np.exp(-0.5 * (((x - at[0]) / spread[0]) ** 2 + ((y - at[1]) / spread[1]) ** 2))


def noise(
    rng: np.random.Generator, shape: tuple[int, int], mm: float, per_mm: float = PER_MM
) -> Field:
    """Smooth random field, zero mean, unit deviation, with lumps about `mm` wide."""
    step = max(1.0, mm * per_mm / 2)
    if step < 3:  # too fine to enlarge from a smaller sheet without a pattern of its own
        fine = cv2.GaussianBlur(rng.standard_normal(shape, np.float32), (0, 0), 0.55 * step)
        return ((fine - fine.mean()) / (fine.std() + 1e-6)).astype(np.float32)
    small = (max(3, int(shape[0] / step) + 3), max(3, int(shape[1] / step) + 3))
    raw = rng.standard_normal(small).astype(np.float32)
    raw = cv2.GaussianBlur(raw, (0, 0), 0.8)
    out = cv2.resize(raw, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return ((out - out.mean()) / (out.std() + 1e-6)).astype(np.float32)


def stroke_distance(points: Field, x: Field, y: Field) -> tuple[Field, Field]:
    """Distance in mm from every sample to a polyline, and the place along it (0..1)."""
    best = np.full(x.shape, 1e9, np.float32)
    along = np.zeros(x.shape, np.float32)
    n = len(points) - 1
    for i in range(n):
        a, b = points[i], points[i + 1]
        d = b - a
        t = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / (d @ d + 1e-9), 0, 1)
        dist = (x - a[0] - t * d[0]) ** 2 + (y - a[1] - t * d[1]) ** 2
        near = dist < best
        best = np.where(near, dist, best).astype(np.float32)
        along = np.where(near, (i + t) / n, along).astype(np.float32)
    return np.sqrt(best), along
