"""Skin: the colour, gloss and fine relief of a face over its chart."""

from __future__ import annotations

import cv2
import numpy as np

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.chart import (
    PER_MM,
    Field,
    blur,
    grid,
    lump,
    noise,
    smoothstep,
    stroke_distance,
    window,
)
from primafacie.platform.sitters.light import Surface, linear
from primafacie.platform.sitters.relief import Relief


def _mix(base: Field, colour: Field, weight: Field) -> Field:
    return base + (colour - base) * np.clip(weight, 0, 1)[..., None]


def lips_mask(r: Relief, soft: float = 0.45) -> Field:
    x, y = grid()
    top, low = r.lips.top(x), r.lips.bottom(x)
    inside = np.minimum(y - top, low - y)
    ends = smoothstep(1.0, 0.90, np.abs(x) / r.lips.half)
    return (smoothstep(-soft, soft, inside) * ends).astype(np.float32)


def paint(a: Anatomy, r: Relief) -> Surface:
    """The skin of this head (eyes are painted over it by `eye.paint`)."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 101))
    x, y = grid()
    ax = np.abs(x)
    shape = x.shape
    base = linear(a.skin)
    pale = float(np.clip(base.mean() / 0.5, 0.12, 1.1))
    albedo = np.broadcast_to(base, (*shape, 3)).astype(np.float32).copy()

    # blood: cheeks, nose, chin, ears, lids
    blood = 0.55 * (
        lump(ax, y, (38, 34), (16, 14))
        + 0.9 * lump(x, y, (0, r.nose_y - 8), (11, 9))
        + 0.45 * lump(x, y, (0, r.chin_y - 14), (13, 9))
        + 0.5 * lump(ax, y, (30, 9), (15, 4))
        + 0.8 * r.ear * (r.inside < 0)
    )
    blood = blood * (0.85 + 0.35 * noise(rng, shape, 16)) + 0.10 * noise(rng, shape, 9)
    blood = (blood + 0.08 * noise(rng, shape, 3)) * a.ruddy
    albedo *= np.exp(
        -np.clip(blood, -0.3, 2)[..., None] * np.array([0.06, 0.36, 0.30]) * (0.5 + 0.5 * pale)
    )
    # yellower forehead, cooler lower face of men, dark circles
    brow_y = smoothstep(-20, -50, y)
    albedo *= 1 - brow_y[..., None] * np.array([0.0, 0.005, 0.05])
    circles = lump(ax, y, (28, 9.5), (12, 4.0)) + 0.6 * lump(ax, y, (19, 3), (4, 6))
    albedo *= np.exp(-circles[..., None] * (0.10 + 0.10 * a.lines) * np.array([0.9, 1.25, 1.0]))
    lidded = np.zeros(shape, np.float32)
    for eye in r.eyes:
        u, v = eye.local(x, y)
        lidded += np.exp(-(np.hypot(u / 1.15, (v + 4.5) / 5.2) ** 4))
    albedo *= np.exp(-lidded[..., None] * np.array([0.10, 0.22, 0.20]) * (0.7 + 0.6 * a.makeup))
    # melanin: blotches, freckles, moles
    mel = (
        0.035 * noise(rng, shape, 22)
        + 0.03 * noise(rng, shape, 7)
        + 0.022 * noise(rng, shape, 2.0)
        + 0.02 * noise(rng, shape, 0.9)
    )
    mel = mel + _spots(rng, a, x, y) + 0.20 * r.folds * (0.4 + 0.6 * a.lines)
    albedo *= np.exp(-mel[..., None] * np.array([0.75, 1.05, 1.25]))
    if a.beard != "none":
        zone = beard_zone(a, r)
        depth = {"shadow": 0.34, "stubble": 0.42, "short": 0.5, "full": 0.55}[a.beard]
        hair = linear(a.brow) * 0.5 + 0.3 * albedo.mean((0, 1))
        speck = np.clip(0.75 + 0.35 * noise(rng, shape, 0.8), 0, 1.4)
        albedo = _mix(albedo, hair * np.array([0.9, 1.0, 1.08]), zone * depth * speck)
    # hair roots darken the scalp line a little, brows too
    for line in r.brow_lines:
        ys, xs = window(tuple(line.min(0) - 9), tuple(line.max(0) + 9))
        d, t = stroke_distance(line, x[ys, xs], y[ys, xs])
        under = np.exp(-((d / (3.0 * a.brow_thick)) ** 2)) * (0.38 - 0.12 * t)
        under = under * smoothstep(0.0, 0.14, t)
        albedo[ys, xs] = _mix(albedo[ys, xs], linear(a.brow) * 0.6 + base * 0.25, under * 0.9)
    if a.hair_style != "bald":
        roots = linear(a.hair) * (1 - a.grey) + linear((150, 146, 140)) * a.grey
        albedo = _mix(albedo, roots * 0.9 + base * 0.10, 0.72 * scalp_zone(a, r))
    # lips
    mask = lips_mask(r)
    wrinkle = noise(rng, shape, 0.9)
    wrinkle = blur(wrinkle, 0.25)
    vertical = _streaks(rng, shape)
    tone = linear(a.lips)
    lip = np.broadcast_to(tone, albedo.shape) * (
        1 + 0.11 * vertical[..., None] + 0.05 * noise(rng, shape, 5)[..., None]
    )
    sunk = smoothstep(0, 1, (y - r.lips.top(x)) / np.maximum(r.lips.line(x) - r.lips.top(x), 1))
    upper = (y < r.lips.line(x)).astype(np.float32)
    lip = lip * (1 - (0.06 + 0.16 * sunk) * upper)[..., None]
    albedo = _mix(albedo, lip, mask * (0.80 + 0.15 * a.makeup))
    seam = np.exp(-(((y - r.lips.line(x)) / 0.72) ** 2)) * smoothstep(1.01, 0.92, ax / r.lips.half)
    albedo = _mix(albedo, tone * np.array([0.14, 0.08, 0.08]), seam * 0.95)
    # nostrils
    albedo = _mix(albedo, base * np.array([0.16, 0.08, 0.06]), r.nostril * 0.92)

    zone_t = (
        lump(x, y, (0, -40), (26, 22))
        + lump(x, y, (0, 22), (8, 20))
        + 0.5 * lump(x, y, (0, r.chin_y - 12), (10, 7))
        + 0.5 * lump(ax, y, (42, 20), (12, 9))
    )
    dull = 0.05 * (1 - pale)  # a sheen shows more on dark skin
    rough = 0.54 + dull - 0.07 * np.clip(zone_t, 0, 1) + 0.02 * noise(rng, shape, 5)
    gloss = 0.62 - 0.12 * (1 - pale) + 0.26 * np.clip(zone_t, 0, 1.2)
    gloss = gloss + 0.10 * noise(rng, shape, 1.5)
    rough = rough * (1 - mask) + (0.42 - 0.06 * a.makeup) * mask
    gloss = gloss * (1 - mask) + (0.85 + 0.10 * vertical + 0.4 * a.makeup) * mask
    gloss = gloss * (1 - 0.9 * r.nostril) * (1 - 0.7 * seam)
    pores = np.clip(noise(rng, shape, 0.75), -2.5, 1.2) * 0.020
    grainy = 0.018 * noise(rng, shape, 1.6) + 0.016 * noise(rng, shape, 3.2)
    bump = (pores * (0.7 + 0.6 * np.clip(zone_t, 0, 1)) + grainy * (0.6 + 0.8 * a.lines)) * (
        1 - mask
    )
    bump = bump + mask * (0.055 * vertical + 0.03 * wrinkle)
    return Surface(
        r.height,
        albedo.astype(np.float32),
        np.clip(rough, 0.2, 0.7).astype(np.float32),
        np.clip(gloss, 0, 2).astype(np.float32),
        np.ones(shape, np.float32),
        bump.astype(np.float32),
        PER_MM,
    )


def _streaks(rng: np.random.Generator, shape: tuple[int, int]) -> Field:
    """Fine upright furrows, as lips have."""
    rows, columns = int(shape[0] / (4 * PER_MM)), int(shape[1] / (0.5 * PER_MM))
    raw = rng.standard_normal((rows, columns)).astype(np.float32)
    out = cv2.resize(raw, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return ((out - out.mean()) / out.std()).astype(np.float32)


def _spots(rng: np.random.Generator, a: Anatomy, x: Field, y: Field) -> Field:
    """Freckles, age spots and a few moles as extra melanin."""
    out = np.zeros(x.shape, np.float32)
    n = int(700 * a.freckles) + int(40 * max(0.0, (a.age - 45) / 20)) + 14
    for i in range(n):
        px, py = rng.normal(0, 34), rng.normal(14, 26)
        size = float(np.exp(rng.normal(-0.55, 0.35)))
        depth = float(rng.uniform(0.08, 0.34)) if i > 3 else 0.7
        if i <= 3:
            size = float(rng.uniform(0.45, 0.9))
            px, py = rng.uniform(-55, 55), rng.uniform(-60, 95)
        if abs(px) > 62 or (abs(px) < 23 and py > 58 and i > 3):
            continue
        c = int((px - x[0, 0]) * PER_MM), int((py - y[0, 0]) * PER_MM)
        k = int(size * PER_MM * 3) + 2
        ys, xs = slice(c[1] - k, c[1] + k), slice(c[0] - k, c[0] + k)
        out[ys, xs] += depth * np.exp(
            -(((x[ys, xs] - px) / size) ** 2 + ((y[ys, xs] - py) / (size * 0.85)) ** 2)
        )
    return out


def scalp_zone(a: Anatomy, r: Relief) -> Field:
    """Where the hair of the head grows, 0..1: behind a ragged hairline."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 750))
    x, y = grid()
    back = 9.0 * a.masculine * np.clip((a.age - 30) / 35, 0, 1)
    middle = -66.0 * a.forehead - 0.6 * back
    corner = -66.0 * a.forehead - 2.2 * back
    edge = np.interp(
        np.abs(x) / a.width,
        [0, 17, 34, 47, 55, 60.5, 64.5, 69],
        [middle, middle - 0.5, corner + 4, corner + 14, -36, -18, -4, 14],
    )
    edge = edge + 1.8 * noise(rng, x.shape, 5) + 1.2 * noise(rng, x.shape, 1.5)
    zone = smoothstep(1.5, -5.0, y - edge) * (r.inside > 0.2) * (y < 30)
    if a.hair_style == "fringe":  # bald on top, a wreath above the ears
        zone = zone * smoothstep(-68, -38, y + 3 * noise(rng, x.shape, 4))
    return zone.astype(np.float32)


def beard_zone(a: Anatomy, r: Relief) -> Field:
    """Where a beard grows, 0..1."""
    x, y = grid()
    ax = np.abs(x)
    m = r.lips.y
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 150))
    ragged = 1.5 * noise(rng, x.shape, 4) + 1.0 * noise(rng, x.shape, 1.5)
    cheek = m - 13 - 27 * smoothstep(32, 60, ax) + 9 * np.exp(-(((ax - 42) / 9) ** 2)) + ragged
    sides = smoothstep(cheek - 5, cheek + 9, y) * smoothstep(
        r.lips.half - 2, r.lips.half + 7, ax + 0.25 * (y - m)
    )
    below = r.lips.bottom(x) + 3.2 + 4.5 * np.exp(-(((ax - 13) / 7) ** 2)) + 0.6 * ragged
    chin = smoothstep(below - 1.5, below + 4.5, y)
    above = r.lips.top(x) - 2.4 + 0.3 * ragged
    tache = smoothstep(r.nose_y + 1.5, r.nose_y + 10, y + 0.3 * ragged) * smoothstep(
        above + 1.0, above - 1.5, y
    )
    tache = (
        tache
        * smoothstep(r.lips.half + 7, r.lips.half - 3, ax)
        * (1 - 0.15 * np.exp(-((x / 2.2) ** 2)))
    )
    link = lump(ax, y, (r.lips.half + 4.5, m + 1), (3.6, 9))
    zone = np.maximum.reduce([sides, chin, tache, link])
    zone = zone * (1 - blur(lips_mask(r), 0.8))
    burns = smoothstep(58, 64, ax) * smoothstep(-10, 8, y)
    return (np.clip(np.maximum(zone, burns), 0, 1) * (r.inside > 0.5)).astype(np.float32)
