"""Camera: where a turned head falls in the picture, by marching rays down to its relief."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from primafacie.platform.sitters.chart import Field, sample
from primafacie.platform.sitters.relief import FAR

DISTANCE = 1500.0  # mm from the lens to the plane of the eyes
PIVOT = np.array([0.0, 60.0, -85.0])  # the head turns about the top of the neck


@dataclass(frozen=True, slots=True)
class Camera:
    """A square picture: `pixels` show `frame` mm, the centre `centre_y` mm below the eyes."""

    pixels: int
    turn: Field
    shift: tuple[float, float] = (0.0, 0.0)
    frame: float = 404.0
    centre_y: float = 26.0

    @property
    def per_mm(self) -> float:
        return self.pixels / self.frame

    def plane(self, step: int = 1) -> tuple[Field, Field]:
        """The x and y, in mm at z=0, that every `step`-th pixel looks at."""
        n = self.pixels // step
        at = (np.arange(n, dtype=np.float32) + 0.5) * step / self.per_mm - self.frame / 2
        gx, gy = np.meshgrid(at, at + self.centre_y)
        return gx, gy

    def place(self, points: Field) -> Field:
        """Head points (…,3) in mm as camera points in mm."""
        moved = (points - PIVOT) @ self.turn.T + PIVOT
        moved = moved + np.array([self.shift[0], self.shift[1], 0.0])
        return moved.astype(np.float32)

    def project(self, placed: Field) -> Field:
        """Camera points (…,3) as pixel coordinates (…,2)."""
        k = DISTANCE / (DISTANCE - placed[..., 2])
        x = (placed[..., 0] * k + self.frame / 2) * self.per_mm - 0.5
        y = (placed[..., 1] * k - self.centre_y + self.frame / 2) * self.per_mm - 0.5
        return np.stack([x, y], -1).astype(np.float32)

    def _head(self, gx: Field, gy: Field, z: Field | float) -> tuple[Field, Field, Field]:
        """Head coordinates of the points at depth z behind the picture plane points."""
        k = (DISTANCE - z) / DISTANCE
        x = gx * k - self.shift[0] - PIVOT[0]
        y = gy * k - self.shift[1] - PIVOT[1]
        zz = z - PIVOT[2]
        t = self.turn.astype(np.float32)
        return (
            x * t[0, 0] + y * t[1, 0] + zz * t[2, 0] + PIVOT[0],
            x * t[0, 1] + y * t[1, 1] + zz * t[2, 1] + PIVOT[1],
            x * t[0, 2] + y * t[1, 2] + zz * t[2, 2] + PIVOT[2],
        )

    def march(self, solid: Field) -> tuple[Field, Field, Field]:
        """Chart x, chart y and camera z where each pixel meets the head (z = FAR: nowhere)."""
        step = 2
        gx, gy = self.plane(step)
        z = np.full(gx.shape, FAR, np.float32)
        open_ = np.ones(gx.shape, bool)
        depths = np.arange(58.0, -104.0, -2.0)
        for d in depths:
            hx, hy, hz = self._head(gx, gy, float(d))
            ground = sample(solid, hx, hy)
            hit = open_ & (ground >= hz) & (ground > FAR + 1)
            z[hit] = d + 1.0
            open_ &= ~hit
        # a finer look from just in front of the coarse answer
        gx, gy = self.plane()
        near = cv2.dilate(z, np.ones((3, 3), np.uint8))
        start = cv2.resize(near, (self.pixels, self.pixels), interpolation=cv2.INTER_NEAREST)
        live = start > FAR + 1
        lx, ly, lz = gx[live], gy[live], start[live]
        far = cv2.resize(
            cv2.erode(z, np.ones((3, 3), np.uint8)),
            (self.pixels, self.pixels),
            interpolation=cv2.INTER_NEAREST,
        )[live]
        top, bottom = lz + 1.5, np.where(far > FAR + 1, np.maximum(far - 16.0, -106.0), -106.0)
        found = np.full(lz.shape, FAR, np.float32)
        todo = np.arange(lz.size)
        d = top.astype(np.float32)
        for i in range(90):
            pace = 0.8 if i < 12 else 2.0
            hx, hy, hz = self._head(lx[todo], ly[todo], d[todo])
            ground = _flat(solid, hx, hy)
            hit = (ground >= hz) & (ground > FAR + 1)
            found[todo[hit]] = d[todo[hit]]
            todo = todo[~hit]
            d[todo] -= pace
            todo = todo[d[todo] > bottom[todo]]
            if not todo.size:
                break
        met = np.flatnonzero(found > FAR + 1)
        lo, hi = found[met].copy(), found[met] + 2.0
        for _ in range(6):
            mid = (lo + hi) / 2
            hx, hy, hz = self._head(lx[met], ly[met], mid)
            ground = _flat(solid, hx, hy)
            deep = (ground >= hz) & (ground > FAR + 1)
            lo, hi = np.where(deep, mid, lo), np.where(deep, hi, mid)
        found[met] = lo
        out_z = np.full(gx.shape, FAR, np.float32)
        out_z[live] = found
        hx, hy, _ = self._head(gx, gy, np.where(out_z > FAR + 1, out_z, 0).astype(np.float32))
        return hx.astype(np.float32), hy.astype(np.float32), out_z


def _flat(solid: Field, x: Field, y: Field) -> Field:
    """`sample` for long lists of points (OpenCV's remap takes at most 32767 columns)."""
    n = x.size
    wide = 16384
    pad = (-n) % wide
    px = np.pad(x, (0, pad)).reshape(-1, wide)
    py = np.pad(y, (0, pad)).reshape(-1, wide)
    return sample(solid, px, py).ravel()[:n]


def turn(yaw: float, pitch: float, roll: float = 0.0) -> Field:
    """Head to camera rotation; degrees. yaw > 0: towards the viewer's right; pitch > 0: down."""
    a, b, c = np.deg2rad([yaw, pitch, roll])
    ry = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    rx = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rz @ ry @ rx
