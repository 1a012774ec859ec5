"""Relief: the head as a height above every point of the chart, and where its parts lie.

Measures follow common adult anthropometry (L. Farkas, Anthropometry of the Head and Face, 1994).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.chart import (
    Field,
    blur,
    grid,
    lump,
    noise,
    smooth_max,
    smoothstep,
    stroke_distance,
    window,
)

BALL = 12.0  # radius of an eyeball
FAR = -140.0
BACK = -94.0


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye on the chart: centre, half width, tilt (radians) and its two lid lines."""

    cx: float
    cy: float
    half: float
    tilt: float
    up: float
    down: float
    side: int  # -1 the viewer's left
    ball_z: float

    def local(self, x: Field, y: Field) -> tuple[Field, Field]:
        """Coordinates along (outwards, -1..1) and across (mm, down) the eye."""
        dx, dy = x - self.cx, y - self.cy
        c, s = np.cos(self.tilt), np.sin(self.tilt)
        u = (dx * c + dy * s) * self.side / self.half
        v = -dx * s + dy * c
        return u.astype(np.float32), v.astype(np.float32)

    def upper(self, u: Field) -> Field:
        """The upper lid's margin: highest a little inwards of the middle."""
        w = u + 0.16 * (1 - u * u)
        c = 1 - w * w
        return -self.up * np.sign(c) * np.abs(c) ** 0.80

    def lower(self, u: Field) -> Field:
        """The lower lid's margin: lowest a little outwards of the middle."""
        w = u - 0.14 * (1 - u * u)
        c = 1 - w * w
        return self.down * np.sign(c) * np.abs(c) ** 0.95

    def aperture(self, x: Field, y: Field) -> Field:
        """About the distance in mm to the nearer lid, positive where the eyeball shows."""
        u, v = self.local(x, y)
        return np.minimum(v - self.upper(u), self.lower(u) - v).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Lips:
    """The mouth's three curves over x: upper edge, the closed line, lower edge."""

    y: float
    half: float
    corner: float
    upper: float
    lower: float
    cupid: float

    def line(self, x: Field) -> Field:
        t = x / self.half
        c = np.clip(1 - t * t, 0, None)
        sag = 0.9 * np.exp(-((t / 0.22) ** 2)) - 0.7 * np.exp(-(((np.abs(t) - 0.45) / 0.25) ** 2))
        return (self.y - self.corner * np.minimum(t * t, 1.6) + sag * c).astype(np.float32)

    def top(self, x: Field) -> Field:
        t = np.abs(x / self.half)
        c = np.clip(1 - t, 0, None) ** 0.85 * (1 + 0.35 * t)
        dip = self.cupid * 1.5 * np.exp(-((x / 3.4) ** 2))
        peak = self.cupid * 0.55 * np.exp(-(((np.abs(x) - 6.5) / 3.6) ** 2))
        return (self.line(x) - self.upper * np.clip(c, 0, 1.02) + dip - peak).astype(np.float32)

    def bottom(self, x: Field) -> Field:
        t = np.abs(x / (self.half * 0.97))
        c = np.clip(1 - t**2.3, 0, None) * (1 - 0.10 * np.exp(-((x / 5.0) ** 2)))
        return (self.line(x) + self.lower * c).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Relief:
    """Height of the head over the chart (mm) with the landmarks that other parts need."""

    height: Field
    inside: Field  # mm to the outline, positive on the head
    folds: Field  # 0..1 how deep a wrinkle runs here
    eyes: tuple[Eye, Eye]
    lips: Lips
    chin_y: float
    nose_y: float
    ear: Field
    nostril: Field
    brow_lines: tuple[Field, Field]


def outline(a: Anatomy) -> CubicSpline:
    """Radius of the head's outline around the origin, over the angle from straight up."""
    w, ln, f = a.width, a.length, a.forehead
    jaw, chin = a.jaw_width, a.chin_width
    full = a.fullness
    points = np.array(
        [
            (0, -113 * f),
            (30 * w, -107 * f),
            (52 * w, -90 * f),
            (65 * w, -64),
            (70.5 * w, -34),
            (70.0 * w, -8),
            (68.5 * w + full, 14),
            (64.5 * w + 2 * full, 38 * ln),
            (58.5 * w * jaw**0.7 + 3.0 * full, 60 * ln),
            (50 * w * jaw + 3.4 * full, 79 * ln),
            (38 * w * (0.6 * jaw + 0.4 * chin) + 3.0 * full, 96 * ln),
            (24.5 * chin + 2 * full, 107.5 * ln),
            (12 * chin, 112.6 * ln),
            (0, 113.6 * ln),
        ]
    )
    angle = np.arctan2(points[:, 0], -points[:, 1])
    radius = np.hypot(points[:, 0], points[:, 1])
    return CubicSpline(angle, radius, bc_type="clamped")


def _eyes(a: Anatomy, rng: np.random.Generator) -> tuple[Eye, Eye]:
    made = []
    for side in (-1, 1):
        jit = rng.normal(0, 1, 4)
        made.append(
            Eye(
                cx=side * (a.eye_gap / 2) + 0.35 * jit[0],
                cy=0.4 * jit[1],
                half=a.eye_width / 2,
                tilt=side * -np.deg2rad(a.eye_tilt + 0.6 * jit[2]),
                up=4.7 * a.eye_open * (1 + 0.02 * jit[3]),
                down=5.0 * a.eye_open**0.6,
                side=side,
                ball_z=-1.0 - a.eye_depth,
            )
        )
    return made[0], made[1]


def brow_line(a: Anatomy, eye: Eye) -> Field:
    """Seven points along a brow from its inner end outwards."""
    t = np.linspace(0, 1, 9)
    inner = eye.cx - eye.side * (a.eye_width * 0.62)
    x = inner + eye.side * t * 41 * a.brow_length
    arch = 5.2 * a.brow_arch * np.sin(np.clip(t / 0.66, 0, 1) * np.pi / 2) ** 1.3
    fall = 6.4 * np.clip((t - 0.6) / 0.4, 0, 1) ** 1.7
    y = eye.cy - 14.0 - a.brow_height - arch + fall - a.brow_slope * (t - 0.5) * 3
    return np.stack([x, y], 1)


def sculpt(a: Anatomy) -> Relief:
    """The relief of a head with these measures."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 17))
    x0, y0 = grid()
    # no face is symmetric: a slow warp of the whole sheet
    x = x0 + 0.5 * noise(rng, x0.shape, 60)
    y = y0 + 0.5 * noise(rng, x0.shape, 60)
    ax = np.abs(x)
    ln = a.length
    chin_y = 113.6 * ln
    nose_y = 47.5 * a.nose_length * ln
    mouth_y = min(nose_y + 21.5 * a.philtrum * ln, chin_y - 35)

    radius = np.hypot(x, y)
    angle = np.arctan2(ax, -y)
    rho = outline(a)(angle).astype(np.float32)
    slope = outline(a)(angle, 1).astype(np.float32) / np.maximum(rho, 1)
    inside = ((rho - radius) / np.sqrt(1 + slope**2)).astype(np.float32)

    # midline profile without nose and lips
    ys = np.array(
        [
            -125,
            -112,
            -92,
            -72,
            -50,
            -30,
            -17,
            -5,
            10,
            0.63 * nose_y,
            nose_y,
            mouth_y,
            mouth_y + 17,
            chin_y - 13,
            chin_y - 2,
            chin_y + 12,
        ]
    )
    ridge = 2.2 * a.brow_ridge
    zs = np.array(
        [
            -34,
            -14,
            5,
            14.5,
            19,
            20.5,
            20.5 + ridge,
            16 + 0.4 * ridge,
            14,
            16,
            19,
            19,
            15.6,
            17 + a.chin_forward,
            13 + a.chin_forward,
            4,
        ]
    )
    zm = PchipInterpolator(ys, zs)(y0[:, 0]).astype(np.float32)[:, None]
    reach = PchipInterpolator(
        [-125, -60, -30, 0, 20, 48, 70, 90, 114, 130], [84, 84, 85, 85, 83, 76, 68, 58, 44, 40]
    )(y0[:, 0]).astype(np.float32)[:, None]
    deep = PchipInterpolator([-125, -40, 0, 45, 75, 114, 130], [82, 88, 96, 88, 70, 40, 36])(
        y0[:, 0]
    ).astype(np.float32)[:, None]
    t = np.clip(ax / (reach * (0.5 + 0.5 * a.width)), 0, 0.995)
    z = zm - deep * (1 - np.sqrt(1 - t**2.25))
    # the outline rolls away from the viewer
    roll = PchipInterpolator([-130, -60, 0, 60, 95, 115], [55, 40, 24, 22, 19, 15])(
        y0[:, 0]
    ).astype(np.float32)[:, None]
    drop = PchipInterpolator([-130, -60, 0, 60, 95, 115], [58, 40, 30, 34, 30, 24])(
        y0[:, 0]
    ).astype(np.float32)[:, None]
    q = np.clip(1 - inside / roll, 0, 1)
    z = z - drop * (1 - np.sqrt(np.clip(1 - q * q, 0, 1)))

    z = blur(z.astype(np.float32), 3.0)
    eyes = _eyes(a, rng)
    z = _large_forms(a, x, y, z, mouth_y, chin_y)
    brows = (brow_line(a, eyes[0]), brow_line(a, eyes[1]))
    z = _brow_ridge(a, x, y, z, brows)
    folds, z = _folds(a, x, y, z, nose_y, mouth_y, rng)
    z, nostril = _nose(a, x, y, z, nose_y)
    lips = Lips(mouth_y, a.mouth_width / 2, a.mouth_corner, a.upper_lip, a.lower_lip, a.cupid)
    z = _mouth(a, lips, x, y, z)
    for eye in eyes:
        z = _eye(a, eye, x0, y0, z)
    # the sheet ends before it runs away from the viewer altogether
    z = np.where(inside > 0, np.maximum(z, BACK), FAR).astype(np.float32)
    ear_z, ear = _ears(a, x0, y0)
    z = np.maximum(z, ear_z)
    return Relief(
        z.astype(np.float32), inside, folds, eyes, lips, chin_y, nose_y, ear, nostril, brows
    )


def _large_forms(a: Anatomy, x: Field, y: Field, z: Field, mouth_y: float, chin_y: float) -> Field:
    """Sockets, cheekbones, cheeks, temples, muzzle and chin."""
    for side in (-1, 1):
        e = side * a.eye_gap / 2
        z = z - (6.0 + 2 * a.brow_ridge + a.eye_depth) * lump(x, y, (e + side, -3), (15, 9.5))
        z = z - 3.6 * lump(x, y, (side * 16, -4), (5.5, 8))
        z = z + 3.6 * a.cheekbone * lump(x, y, (side * 47, 22), (13, 11))
        z = z + (2.0 + 1.5 * a.fullness) * lump(x, y, (side * 34, 34), (15, 15))
        z = z + (-2.2 + 4.5 * a.fullness - 1.0 * a.lines) * lump(x, y, (side * 44, 62), (12, 18))
        z = z - 2.5 * lump(x, y, (side * 63, -26), (9, 16))
        z = z + 1.6 * lump(x, y, (side * 27, -48), (17, 14))
        z = z + 2.4 * (a.jaw_width - 0.8) * 3 * lump(x, y, (side * 40, 88), (12, 10))
    z = z + 3.8 * lump(x, y, (0, mouth_y - 2), (21, 15))
    z = z + (2.6 + a.masculine) * lump(x, y, (0, chin_y - 13), (13 * a.chin_width, 8))
    z = z - 1.3 * lump(x, y, (0, mouth_y + 17), (15, 5.0))
    return z.astype(np.float32)


def _brow_ridge(a: Anatomy, x: Field, y: Field, z: Field, brows: tuple[Field, Field]) -> Field:
    for line in brows:
        pts = line.copy()
        pts[:, 1] += 1.5
        ys, xs = window(tuple(pts.min(0) - 18), tuple(pts.max(0) + 18))
        d, t = stroke_distance(pts, x[ys, xs], y[ys, xs])
        z[ys, xs] += (1.2 + 2.4 * a.brow_ridge) * np.exp(-((d / 6.5) ** 2)) * (1 - 0.5 * t)
    return z


def _folds(
    a: Anatomy,
    x: Field,
    y: Field,
    z: Field,
    nose_y: float,
    mouth_y: float,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    """Nasolabial folds, bags, crow's feet, forehead and marionette lines; deeper with age."""
    folds = np.zeros(x.shape, np.float32)
    k = a.lines
    strokes: list[tuple[Field, float, float]] = []
    for side in (-1, 1):
        w = a.mouth_width / 2
        s = side
        strokes.append(
            (
                np.array(
                    [
                        (s * 18.5 * a.nose_width, nose_y - 9),
                        (s * 22.5, nose_y - 1),
                        (s * (w + 2.5), mouth_y - 9),
                        (s * (w + 6.5), mouth_y + 1),
                    ]
                ),
                0.55 + 1.0 * k,
                2.4,
            )
        )
        if k > 0.45:
            strokes.append(
                (
                    np.array(
                        [
                            (s * (w + 1.5), mouth_y + 3),
                            (s * (w + 3.2), mouth_y + 10),
                            (s * (w + 2.5), mouth_y + 17),
                        ]
                    ),
                    0.9 * (k - 0.4),
                    2.0,
                )
            )
        e = s * a.eye_gap / 2
        strokes.append(
            (
                np.array(
                    [(e - s * 13, 5.5), (e - s * 6, 10.5), (e + s * 3, 12.2), (e + s * 11, 10.5)]
                ),
                0.25 + 0.6 * k,
                1.7,
            )
        )
        if k > 0.25:
            for j in range(3):
                dy = (j - 1) * 4.5 + rng.normal(0, 0.5)
                strokes.append(
                    (
                        np.array(
                            [
                                (e + s * 18, -1 + dy * 0.6),
                                (e + s * 24, 0.5 + dy * 1.1),
                                (e + s * 29, 2.5 + dy * 1.7),
                            ]
                        ),
                        0.42 * (k - 0.2),
                        0.9,
                    )
                )
    if k > 0.3:
        for j in range(3):
            base = -38 - j * 9.5 + rng.normal(0, 1)
            xs = np.linspace(-36, 36, 9) + rng.normal(0, 1, 9)
            strokes.append(
                (
                    np.stack([xs, base - 2.5 * np.cos(xs / 16) + rng.normal(0, 0.5, 9)], 1),
                    0.5 * (k - 0.25),
                    1.2,
                )
            )
        for s in (-1, 1):
            strokes.append(
                (np.array([(s * 5, -12), (s * 6, -19), (s * 5, -26)]), 0.5 * (k - 0.25), 1.1)
            )
    for pts, depth, width in strokes:
        lo, hi = pts.min(0) - 14, pts.max(0) + 14
        rows, columns = window((lo[0], lo[1]), (hi[0], hi[1]))
        fine = _refine(pts)
        d, t = stroke_distance(fine, x[rows, columns], y[rows, columns])
        fade = np.sin(np.pi * np.clip(t * 0.94 + 0.03, 0, 1)) ** 0.7
        crease = np.exp(-((d / width) ** 2)) * fade
        banks = np.exp(-((d / (width * 3)) ** 2)) * fade
        z[rows, columns] += depth * (0.55 * banks - 1.15 * crease)
        folds[rows, columns] = np.maximum(folds[rows, columns], crease * min(1.0, depth))
    return folds, z.astype(np.float32)


def _refine(pts: Field) -> Field:
    t = np.linspace(0, 1, len(pts))
    return np.asarray(CubicSpline(t, pts)(np.linspace(0, 1, 13)))


def _nose(a: Anatomy, x: Field, y: Field, z: Field, nose_y: float) -> tuple[Field, Field]:
    ax = np.abs(x)
    tip_y = nose_y - 10.5 + a.tip_turn
    f, bh = a.nose_forward, a.bridge_height
    ys = np.array(
        [
            -22,
            -12,
            -4,
            0.16 * tip_y,
            0.43 * tip_y,
            0.73 * tip_y,
            tip_y - 3,
            tip_y + 1.5,
            nose_y - 4.6,
            nose_y - 0.6,
            nose_y + 4.5,
        ]
    )
    hs = np.array(
        [
            0,
            0.3,
            2.0 * bh,
            6.2 * bh + 0.6 * a.nose_hump,
            10.8 * bh + 1.6 * a.nose_hump,
            15.5 * f + 0.8 * a.nose_hump,
            20.6 * f,
            20.8 * f,
            15.5 * f,
            5.5,
            0,
        ]
    )
    h = PchipInterpolator(ys, hs, extrapolate=False)(y)
    h = np.nan_to_num(h, nan=0.0)
    half = PchipInterpolator(
        [-22, -8, 2, 0.4 * tip_y, 0.72 * tip_y, tip_y, nose_y, nose_y + 8],
        np.array([9.5, 8.4, 7.6, 8.6, 9.8, 9.6 * a.nose_tip, 8.0 * a.nose_tip, 7.0])
        * np.array(
            [1, a.bridge_width, a.bridge_width, a.bridge_width, a.bridge_width**0.5, 1, 1, 1]
        ),
    )(np.clip(y, -22, nose_y + 8))
    ridge = h * np.exp(-(np.abs(ax / half) ** 2.1) * 0.95)
    # side walls spread into the cheek
    spread = h * np.exp(-(np.abs(ax / (half * 2.05)) ** 1.8))
    nose = ridge * 0.66 + spread * 0.34
    ball = 20.6 * f + 1.2
    tip = ball * np.sqrt(
        np.clip(1 - (ax / (11.0 * a.nose_tip)) ** 2 - ((y - tip_y) / 9.5) ** 2, 0, 1)
    )
    nose = smooth_max(nose.astype(np.float32), (tip * 0.985).astype(np.float32), 5.0)
    # wings
    wx = 12.2 * a.nose_width
    wy = nose_y - 6.6
    wing = (
        12.2
        * f
        * np.sqrt(
            np.clip(1 - ((ax - wx) / (5.9 * a.nose_width**0.5)) ** 2 - ((y - wy) / 7.4) ** 2, 0, 1)
        )
    )
    nose = blur(smooth_max(nose, wing.astype(np.float32), 5.0), 0.7)
    z = z + nose
    z = z + 2.4 * lump(x, y, (0, nose_y - 1.8), (2.7, 3.4))
    # the groove behind the wing
    d = np.hypot((ax - wx) / 1.0, (y - wy) / 1.12)
    ring = np.exp(-(((d - 7.0 * a.nose_width**0.4) / 1.5) ** 2)) * smoothstep(0, 4, ax - wx + 1.5)
    z = z - 1.1 * ring * smoothstep(nose_y + 3, nose_y - 3, y)
    # nostrils
    tilt = 0.32
    nx = ax - 7.5 * a.nose_width
    ny = y - (nose_y - 2.4) - tilt * nx * 0.5
    nostril = np.clip(1.25 - np.hypot(nx / (3.7 * a.nose_width), ny / 2.1), 0, 1)
    nostril = smoothstep(0.0, 0.75, nostril.astype(np.float32))
    z = z - 6.5 * nostril
    # philtrum: two columns and a valley below the nose
    fade = smoothstep(nose_y - 1, nose_y + 3, y) * smoothstep(nose_y + 17, nose_y + 10, y)
    z = z + fade * (0.8 * np.exp(-(((ax - 5.2) / 2.2) ** 2)) - 0.7 * np.exp(-((x / 2.6) ** 2)))
    return z.astype(np.float32), nostril


def _mouth(a: Anatomy, lips: Lips, x: Field, y: Field, z: Field) -> Field:
    top, line, low = lips.top(x), lips.line(x), lips.bottom(x)
    t = np.clip(np.abs(x) / lips.half, 0, 1)
    taper = np.sqrt(np.clip(1 - t**2.6, 0, 1))
    s_up = (y - top) / np.maximum(line - top, 0.8)
    s_lo = (y - line) / np.maximum(low - line, 0.8)
    up = np.where((s_up > -1) & (s_up <= 1), np.clip(s_up, 0, 1), 0)
    bulge_u = np.sin(np.pi * np.clip(0.12 + 0.80 * up, 0, 1)) * (s_up > 0) * (s_up <= 1)
    bulge_l = (
        np.sin(np.pi * np.clip(0.14 + 0.72 * np.clip(s_lo, 0, 1), 0, 1)) * (s_lo > 0) * (s_lo <= 1)
    )
    full_u = 2.2 + 0.32 * (a.upper_lip - 6)
    full_l = 3.2 + 0.30 * (a.lower_lip - 8)
    tubercle = 0.5 * np.exp(-((x / 4.5) ** 2)) - 0.25 * np.exp(-(((np.abs(x) - 9) / 4) ** 2))
    lift = (full_u + tubercle) * bulge_u * taper
    pillow = 0.35 * np.exp(-(((np.abs(x) - 8) / 6) ** 2))
    lift = lift + (full_l + pillow) * bulge_l * taper
    lift = blur(lift.astype(np.float32), 0.55)
    roll = 0.38 * np.exp(-(((y - top + 0.6) / 1.0) ** 2)) * taper * (np.abs(x) < lips.half)
    z = z + lift + blur(roll.astype(np.float32), 0.3)
    # the closed line itself, deepest near the corners
    seam = np.exp(-(((y - line) / 0.85) ** 2)) * smoothstep(1.03, 0.93, np.abs(x) / lips.half)
    z = z - (1.6 + 0.8 * t**2) * seam
    corner = np.zeros_like(z)
    for s in (-1, 1):
        corner += lump(x, y, (s * lips.half, float(lips.y - lips.corner)), (2.6, 2.2))
        corner -= 0.5 * lump(x, y, (s * (lips.half + 5.5), float(lips.y - lips.corner)), (4, 5))
    return (z - 1.3 * corner).astype(np.float32)


def _eye(a: Anatomy, eye: Eye, x: Field, y: Field, z: Field) -> Field:
    ys, xs = window((eye.cx - 30, eye.cy - 24), (eye.cx + 30, eye.cy + 24))
    x, y, zz = x[ys, xs], y[ys, xs], z[ys, xs]
    u, v = eye.local(x, y)
    dx, dy = x - eye.cx, y - eye.cy
    ball = np.sqrt(np.clip(BALL**2 - dx**2 - dy**2, 0, None))
    lid_r = BALL + 1.5
    lid = eye.ball_z + np.sqrt(np.clip(lid_r**2 - (dx * 0.86) ** 2 - (dy * 0.95) ** 2, 0, None))
    near = np.exp(-((np.hypot(dx / 17, dy / 13)) ** 4))
    lid = np.where(near > 0.02, lid, -60)
    skin = smooth_max(zz, lid.astype(np.float32) - (1 - near) * 14, 4.5)
    # crease above the upper lid and the fold of skin over it
    up = eye.upper(np.clip(u, -1.12, 1.12))
    room = 4.4 * np.clip(1.0 - 0.28 * u**2, 0.2, 1) * (1 - 0.45 * a.lid_hood)
    dv = v - (up - room)
    span = smoothstep(1.22, 0.9, np.abs(u - 0.08))
    crease = np.exp(-((dv / 0.95) ** 2)) * span
    fold = np.exp(-(((dv + 2.6) / 2.2) ** 2)) * span
    skin = skin - a.lid_crease * 1.15 * crease + (0.55 + 1.1 * a.lid_hood) * fold
    # rims of both lids, then the opening
    ap = eye.aperture(x, y)
    rim = np.exp(-(((ap + 0.75) / 0.75) ** 2)) * smoothstep(1.15, 0.95, np.abs(u))
    skin = skin + 0.35 * rim
    eyeball = eye.ball_z + ball
    iris = np.hypot(dx, dy)
    eyeball = eyeball + 0.5 * smoothstep(6.3, 3.0, iris)
    open_ = smoothstep(-0.12, 0.32, ap) * (np.abs(u) < 1.05)
    # towards the corners the ball gives way to the caruncle and the outer canthus
    inner = smoothstep(-0.72, -0.95, u)
    eyeball = np.maximum(eyeball, skin - 2.6) + inner * 0.9
    out = z.copy()
    out[ys, xs] = skin * (1 - open_) + np.minimum(eyeball, skin - 0.25) * open_
    return out.astype(np.float32)


def _ears(a: Anatomy, x: Field, y: Field) -> tuple[Field, Field]:
    """Both ears as far as they show from the front, behind the cheeks."""
    edge = 69.5 * a.width
    height = 31.0 * a.ear
    cy = 14.0
    z = np.full(x.shape, FAR, np.float32)
    mask = np.zeros(x.shape, np.float32)
    for side in (-1, 1):
        dx = (x * side - edge + 4.0) - 0.13 * (cy - y)
        t = np.clip((y - cy) / height, -1, 1)
        wide = (10.5 - 3.6 * t) * a.ear * np.sqrt(np.clip(1 - np.abs(t) ** 2.4, 0, 1)) + 3.0 * (
            np.abs(t) < 1
        )
        p = dx / np.maximum(wide, 0.5)
        on = (np.abs(y - cy) < height) & (p < 1) & (dx > -14)
        rim = np.exp(-(((p - 0.84) / 0.13) ** 2)) * smoothstep(0.75, 0.4, t)
        shell = np.exp(-(((p - 0.25) / 0.26) ** 2)) * smoothstep(0.75, 0.1, np.abs(t + 0.05))
        anti = np.exp(-(((p - 0.56) / 0.10) ** 2)) * smoothstep(0.5, 0.2, np.abs(t + 0.1))
        lobe = smoothstep(0.45, 0.8, t)
        zz = -63 + 3.0 * rim + 2.0 * anti - 4.5 * shell + 1.5 * lobe - 5.5 * np.clip(p, 0, 1) ** 6
        zz = zz - 3 * np.clip(np.abs(t), 0, 1) ** 6
        z = np.where(on, np.maximum(z, zz), z)
        mask = np.maximum(mask, on.astype(np.float32))
    return z.astype(np.float32), mask
