"""Bust: neck, shoulders and what is worn, modelled straight in the picture plane."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import PchipInterpolator

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.chart import (
    Field,
    blur,
    lump,
    noise,
    smooth_max,
    smoothstep,
    stroke_distance,
)
from primafacie.platform.sitters.light import Surface, linear
from primafacie.platform.sitters.relief import FAR


def model(a: Anatomy, x: Field, y: Field, per_mm: float) -> tuple[Surface, Field]:
    """The surface over picture-plane points, and its coverage 0..1."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 900))
    m = a.masculine
    ax = np.abs(x)
    neck = 51 + 9 * m + 3 * a.fullness
    drop = 112 * (a.length - 1) - 14
    yy = np.array([40, 90, 118, 136, 150, 162, 174, 186, 200, 216, 236, 262, 300]) + drop
    span = 186 + 34 * m
    half = PchipInterpolator(
        yy,
        [
            neck,
            neck,
            neck + 1,
            neck + 8,
            neck + 22,
            neck + 46,
            neck + 76,
            neck + 100,
            span - 26,
            span - 9,
            span + 6,
            span + 14,
            span + 16,
        ],
    )(np.clip(y, 40, 300 + drop))
    half = blur(half.astype(np.float32), 7, per_mm)
    slope = np.gradient(half[:, 0], 1 / per_mm)[:, None]
    inside = ((half - ax) / np.sqrt(1 + slope**2)).astype(np.float32)
    # neck: an upright cylinder; chest: a broad shell
    t = np.clip(ax / (neck + 5), 0, 0.999)
    zn = -34 - 60 * (1 - np.sqrt(1 - t * t)) + 0.10 * (y - 130)
    front = PchipInterpolator(
        np.array([100, 150, 172, 200, 240, 300]) + drop, [-70, -48, -33, -20, -6, 2]
    )(np.clip(y, 100, 300 + drop))
    zt = front - 0.0016 * ax**2
    q = np.clip(1 - inside / 46, 0, 1)
    zt = zt - 52 * (1 - np.sqrt(np.clip(1 - q * q, 0, 1)))
    z = smooth_max(zn.astype(np.float32), zt.astype(np.float32), 16)
    z = blur(z.astype(np.float32), 3, per_mm)
    for s in (-1, 1):
        d, u = stroke_distance(
            np.array([(s * 50.0, 96 + drop), (s * 32.0, 132 + drop), (s * 9.0, 171 + drop)]), x, y
        )
        z = z + (1.9 + 0.8 * m - a.fullness) * np.exp(-((d / (10.0 - 3 * u)) ** 2))
        d, u = stroke_distance(
            np.array([(s * 12.0, 174 + drop), (s * 55.0, 170 + drop), (s * 105.0, 160 + drop)]),
            x,
            y,
        )
        z = z + 3.2 * np.exp(-((d / 6.5) ** 2)) * smoothstep(1.0, 0.75, u) * smoothstep(
            -0.01, 0.1, u
        )
        z = z - 3.0 * lump(x, y, (s * 62, 158 + drop), (22, 7))
    z = z - 4.0 * lump(x, y, (0, 170 + drop), (8, 7))
    z = z + 3.4 * m * lump(x, y, (0, 136 + drop), (7, 9))
    z = z.astype(np.float32)

    skin = linear(a.skin) * np.array([0.96, 0.93, 0.92])
    albedo = np.broadcast_to(skin, (*x.shape, 3)).astype(np.float32).copy()
    mel = 0.05 * noise(rng, x.shape, 24, per_mm) + 0.03 * noise(rng, x.shape, 6, per_mm)
    mel = mel + 0.02 * noise(rng, x.shape, 1.5, per_mm)
    red = 0.18 * a.ruddy * lump(x, y, (0, 190 + drop), (60, 26))
    albedo *= np.exp(
        -mel[..., None] * np.array([0.8, 1.0, 1.2]) - red[..., None] * np.array([0.05, 0.5, 0.5])
    )
    bump = 0.03 * noise(rng, x.shape, 1.2, per_mm)
    for k in range(2):  # rings of the neck
        ring = y - (124 + 15 * k + drop) - 4 * np.cos(x / 22 + k)
        bump = bump - (0.15 + 0.5 * a.lines) * np.exp(-((ring / 1.3) ** 2)) * smoothstep(46, 20, ax)
    rough = np.full(x.shape, 0.56, np.float32)
    gloss = np.full(x.shape, 0.12 + 0.35 * float(skin.mean()), np.float32)
    scatter = np.ones(x.shape, np.float32)

    cover, rise, weave, tint = _garment(a, x, y, drop, per_mm, rng)
    z = z + rise
    on = cover[..., None]
    albedo = albedo * (1 - on) + tint * on
    bump = bump * (1 - cover) + weave * cover
    rough = rough * (1 - cover) + 0.75 * cover
    gloss = gloss * (1 - cover) + 0.25 * cover
    scatter = scatter * (1 - cover) + 0.05 * cover
    alpha = smoothstep(-0.4, 0.6, inside) * smoothstep(24, 40, y)
    return Surface(
        z.astype(np.float32),
        albedo.astype(np.float32),
        rough.astype(np.float32),
        gloss.astype(np.float32),
        scatter.astype(np.float32),
        bump.astype(np.float32),
        per_mm,
    ), alpha


def solid(s: Surface, alpha: Field) -> Field:
    return np.where(alpha > 0.5, s.height, FAR).astype(np.float32)


def _garment(
    a: Anatomy, x: Field, y: Field, drop: float, per_mm: float, rng: np.random.Generator
) -> tuple[Field, Field, Field, Field]:
    """Coverage, thickness over the skin (mm), weave relief and colour."""
    ax = np.abs(x)
    crew = 176 + drop - 24 * smoothstep(12, 74, ax)
    vee = 232 + drop - 1.12 * np.minimum(ax, 75) - 0.2 * np.clip(ax - 75, 0, None)
    collar = 168 + drop - 0.92 * np.minimum(ax, 90)
    scoop = 206 + drop - 52 * smoothstep(20, 92, ax)
    line = {"crew": crew, "vneck": vee, "collar": collar, "scoop": scoop}.get(a.garment, crew)
    d = (y - line).astype(np.float32)
    cover = smoothstep(-0.5, 0.5, d)
    rise = 1.6 * smoothstep(-0.3, 1.5, d)
    tint = np.broadcast_to(linear(a.cloth), (*x.shape, 3)).astype(np.float32).copy()
    # folds: long soft lumps that run outwards and down
    warp = x + 18 * noise(rng, x.shape, 70, per_mm)
    along = y + 0.35 * ax
    soft = noise(rng, x.shape, 46, per_mm)
    folds = (
        1.5
        * np.sin(warp / 19 + soft * 1.2)
        * smoothstep(10, 70, d)
        * (0.35 + 0.5 * np.abs(np.sin(along / 47)))
    )
    rise = rise + folds + 1.3 * soft * smoothstep(5, 40, d)
    knit = a.garment in ("crew", "vneck")
    if knit and a.asymmetry % 3:
        wale = np.sin(2 * np.pi * x / 2.6) * 0.5 + 0.5
        row = np.sin(2 * np.pi * (y / 2.2 + 0.5 * np.abs(((x / 2.6) % 1) - 0.5)))
        weave = 0.11 * wale + 0.05 * row
        tint *= 0.96 + 0.04 * wale[..., None]
    else:
        weave = 0.06 * noise(rng, x.shape, 0.9, per_mm) + 0.05 * np.sin(2 * np.pi * (x + y) / 1.6)
    weave = weave + 0.04 * noise(rng, x.shape, 1.4, per_mm)
    tint *= (1 + 0.05 * noise(rng, x.shape, 2.0, per_mm) + 0.04 * noise(rng, x.shape, 0.7, per_mm))[
        ..., None
    ]
    if a.garment in ("crew", "vneck", "scoop"):
        wide = 14 if a.garment == "crew" else 11
        band = smoothstep(wide, wide - 1, d) * cover
        rib = np.sin(2 * np.pi * x / 3.0)
        rise = rise + 0.9 * band
        weave = weave * (1 - band) + 0.28 * rib * band
        seam = np.exp(-(((d - wide - 0.3) / 0.8) ** 2))
        tint *= (1 - 0.35 * seam * (d > 0))[..., None]
    else:
        leaf = np.zeros(x.shape, np.float32)
        stitch = np.zeros(x.shape, np.float32)
        for s in (-1, 1):
            shape = np.array(
                [
                    (66, 104),
                    (51, 118),
                    (26, 143),
                    (2.5, 170),
                    (13, 190),
                    (33, 205),
                    (58, 176),
                    (86, 148),
                    (80, 120),
                ],
                float,
            )
            shape = np.asarray([(s * px, py + drop) for px, py in shape])
            leaf = np.maximum(leaf, _polygon(shape, x, y, per_mm))
            d2, _ = stroke_distance(shape[3:8], x, y)
            stitch = np.maximum(stitch, np.exp(-(((d2 - 3.4) / 0.45) ** 2)))
        cover = np.maximum(cover, leaf)
        dark = blur(leaf, 3.0, per_mm)
        tint = tint * (1 - 0.40 * dark * (1 - leaf))[..., None]  # type: ignore[assignment]
        rise = rise * (1 - leaf) + leaf * (6.0 + 0.4 * soft)
        tint = tint * (1 - 0.16 * (stitch * leaf)[..., None])
        placket = smoothstep(13.5, 12.5, np.abs(x - 1)) * smoothstep(172 + drop, 176 + drop, y)
        rise = rise + 0.9 * placket * (1 - leaf)
        for by in (186, 252):
            btn = smoothstep(4.9, 4.3, np.hypot(x - 1, y - by - drop)) * (1 - leaf)
            rise = rise + 1.2 * btn
            tint = tint * (1 - 0.7 * btn[..., None])
            tint = tint + linear((196, 190, 180)) * 0.6 * btn[..., None]  # type: ignore[assignment]
    rise = blur(rise.astype(np.float32), 0.5, per_mm)
    return cover, rise, weave.astype(np.float32), tint


def _polygon(points: Field, x: Field, y: Field, per_mm: float) -> Field:
    """1 inside a polygon given in mm, 0 outside, with soft edges."""
    at = (points - np.array([x[0, 0], y[0, 0]])) * per_mm
    mask = np.zeros(x.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(at * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask.astype(np.float32) / 255


def backdrop(size: int, seed: int, tone: tuple[int, int, int]) -> Field:
    """A painted studio backdrop, lit brighter behind the sitter, linear RGB."""
    rng = np.random.Generator(np.random.PCG64(seed + 77))
    n = 256
    yy, xx = np.mgrid[0:n, 0:n].astype(np.float32) / n - 0.5
    glow = np.exp(-(((xx - 0.10) / 0.50) ** 2 + ((yy + 0.10) / 0.52) ** 2))
    mottled = (
        0.5 * noise(rng, (n, n), 60, 1.0)
        + 0.3 * noise(rng, (n, n), 26, 1.0)
        + 0.15 * noise(rng, (n, n), 11, 1.0)
    )
    level = (0.48 + 0.62 * glow) * (1 + 0.055 * mottled)
    out = linear(tone)[None, None] * level[..., None]
    out = out * (1 + 0.03 * noise(rng, (n, n), 40, 1.0)[..., None] * np.array([1, 0, -1.0]))
    return cv2.resize(out.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC)
