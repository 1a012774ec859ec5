"""Light: lamps, and how a modelled surface answers them.

Skin scatters light beneath its surface: red furthest. That is drawn by blurring the light that
falls on it, and the surface it falls on, differently for every colour.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from primafacie.platform.sitters.chart import Field, blur, smoothstep

Vec = Field
SCATTER_MM = (1.15, 0.65, 0.4)


def unit(v: tuple[float, float, float] | Vec) -> Vec:
    a = np.asarray(v, float)
    return a / np.linalg.norm(a)


def linear(rgb: tuple[int, int, int] | Field) -> Vec:
    """sRGB 0..255 as linear light 0..1."""
    c = np.asarray(rgb, float) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True, slots=True)
class Light:
    """A portrait set-up: key, fill and rim lamp with their directions (towards the lamp)."""

    key: tuple[float, float, float] = (-0.50, -0.52, 0.70)
    key_rgb: tuple[float, float, float] = (1.20, 1.10, 0.98)
    fill: tuple[float, float, float] = (0.75, -0.05, 0.66)
    fill_rgb: tuple[float, float, float] = (0.20, 0.215, 0.24)
    rim: tuple[float, float, float] = (0.82, -0.45, -0.36)
    rim_rgb: tuple[float, float, float] = (0.42, 0.42, 0.43)
    sky: tuple[float, float, float] = (0.27, 0.28, 0.30)
    ground: tuple[float, float, float] = (0.13, 0.11, 0.10)


LIGHTS = {
    "studio": Light(),
    "window": Light(
        key=(0.62, -0.35, 0.70),
        key_rgb=(1.06, 1.10, 1.16),
        fill=(-0.7, -0.05, 0.7),
        fill_rgb=(0.24, 0.22, 0.20),
        rim=(-0.8, -0.4, -0.4),
    ),
    "soft": Light(
        key=(-0.14, -0.46, 0.88),
        key_rgb=(0.95, 0.92, 0.86),
        fill=(0.3, 0.2, 0.93),
        fill_rgb=(0.24, 0.24, 0.25),
        rim_rgb=(0.25, 0.25, 0.25),
    ),
    "warm": Light(
        key=(-0.60, -0.32, 0.73),
        key_rgb=(1.30, 1.08, 0.84),
        fill_rgb=(0.22, 0.21, 0.22),
        sky=(0.30, 0.27, 0.25),
    ),
    "overcast": Light(
        key=(0.12, -0.62, 0.77),
        key_rgb=(0.80, 0.83, 0.87),
        fill=(-0.4, 0.1, 0.9),
        fill_rgb=(0.24, 0.25, 0.26),
        rim_rgb=(0.2, 0.2, 0.22),
        sky=(0.38, 0.40, 0.42),
    ),
}


def normals(height: Field, per_mm: float) -> Field:
    gx = cv2.Sobel(height, cv2.CV_32F, 1, 0, ksize=3) * (per_mm / 8)
    gy = cv2.Sobel(height, cv2.CV_32F, 0, 1, ksize=3) * (per_mm / 8)
    k = 1 / np.sqrt(gx * gx + gy * gy + 1)
    return np.stack([-gx * k, -gy * k, k], -1).astype(np.float32)


def occlusion(height: Field, per_mm: float) -> Field:
    """How open every point is to light from all round, 0..1."""
    shut = np.zeros_like(height)
    for mm, weight in ((1.2, 0.45), (3.5, 0.5), (9.0, 0.55), (20.0, 0.4)):
        rise = np.clip((blur(height, mm, per_mm) - height) / mm, 0, 1.2)
        shut = 1 - (1 - shut) * (1 - weight * rise / (0.35 + rise))
    return (1 - shut).astype(np.float32)


def shadow(height: Field, per_mm: float, lamp: Vec, soft: float = 0.16) -> Field:
    """How much of a soft lamp every point sees, 0..1, by walking towards it over the relief."""
    f = 2.0 / per_mm
    h0, w0 = height.shape
    small = cv2.resize(height, (int(w0 * f), int(h0 * f)), interpolation=cv2.INTER_AREA)
    h, w = small.shape
    flat = max(1e-3, float(np.hypot(lamp[0], lamp[1])))
    dx, dy, rise = lamp[0] / flat, lamp[1] / flat, lamp[2] / flat
    seen = np.ones_like(small)
    for s in np.geomspace(1.0, 95.0, 26):
        move = np.array([[1, 0, dx * s * 2.0], [0, 1, dy * s * 2.0]], np.float32)
        there = cv2.warpAffine(
            small,
            move,
            (w, h),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=-400,
        )
        gap = (there - small - s * rise) / (s * soft + 0.6)
        seen = np.minimum(seen, 1 - smoothstep(-0.7, 1.0, gap))
    seen = cv2.GaussianBlur(seen, (0, 0), 1.6)
    return cv2.resize(seen, (w0, h0), interpolation=cv2.INTER_LINEAR)


def ggx(n: Field, lamp: Vec, eye: Vec, rough: Field | float) -> Field:
    half = unit(lamp + eye)
    nh = np.clip(n @ half.astype(np.float32), 0, 1)
    nl = np.clip(n @ lamp.astype(np.float32), 0, 1)
    nv = np.clip(n @ eye.astype(np.float32), 0.05, 1)
    a2 = np.asarray(rough, np.float32) ** 4
    d = a2 / (np.pi * (nh * nh * (a2 - 1) + 1) ** 2)
    k = (np.asarray(rough, np.float32) + 1) ** 2 / 8
    g = nl / (nl * (1 - k) + k) * (1 / (nv * (1 - k) + k))
    vh = float(np.clip(half @ eye, 0, 1))
    fresnel = 0.028 + 0.972 * (1 - vh) ** 5
    edge = smoothstep(0.06, 0.34, n[..., 2])  # the sheet cannot show what lies steeper
    return (d * g * fresnel / 4 * np.pi * edge).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Surface:
    """What is lit: heights in mm, colour (linear), roughness, gloss 0..2, scattering 0..1."""

    height: Field
    albedo: Field
    rough: Field
    gloss: Field
    scatter: Field
    bump: Field
    per_mm: float


def shade(s: Surface, light: Light, turn: Vec, seen: Field, ao: Field) -> Field:
    """The light the surface sends to the camera. `turn` takes surface to camera directions."""
    key, fill, rim = (unit(turn.T @ unit(v)) for v in (light.key, light.fill, light.rim))
    eye = unit(turn.T @ np.array([0.0, 0.0, 1.0]))
    up = unit(turn.T @ np.array([0.0, -1.0, 0.0]))
    fine = normals(s.height + s.bump, s.per_mm)
    out = np.empty_like(s.albedo)
    for c, mm in enumerate(SCATTER_MM):
        soft = normals(blur(s.height, mm * 0.8, s.per_mm), s.per_mm)
        k = (0.53, 0.57, 0.60)[c]
        share = (s.scatter * (1 - k))[..., None]
        mixed = soft * share + fine * (1 - share)
        wrap = np.float32((0.17, 0.09, 0.06)[c]) * s.scatter

        def lamp(v: Vec, mixed: Field = mixed, wrap: Field = wrap) -> Field:
            nl = (mixed @ v.astype(np.float32) + wrap) / (1 + wrap)
            return np.clip(nl, 0, 1).astype(np.float32) ** (1 + 0.3 * wrap)

        tint = ao ** (0.88, 1.0, 1.06)[c]
        lit = light.key_rgb[c] * lamp(key) * (seen ** (0.9, 1.0, 1.05)[c]) * (0.45 + 0.55 * tint)
        lit += light.fill_rgb[c] * lamp(fill) * tint
        lit += light.rim_rgb[c] * lamp(rim) * 0.6 * tint
        bowl = 0.5 + 0.5 * (mixed @ up.astype(np.float32))
        lit += (light.ground[c] + (light.sky[c] - light.ground[c]) * bowl) * tint
        spread = blur(lit, mm, s.per_mm)
        lit = spread * s.scatter + lit * (1 - s.scatter)
        out[..., c] = s.albedo[..., c] * lit
    sheen = np.zeros((*s.height.shape, 3), np.float32)
    for v, rgb, gate in (
        (key, light.key_rgb, seen),
        (fill, light.fill_rgb, ao),
        (rim, light.rim_rgb, ao),
    ):
        lobe = 0.72 * ggx(fine, v, eye, s.rough) + 0.28 * ggx(fine, v, eye, s.rough * 0.6)
        sheen += (lobe * gate)[..., None] * np.asarray(rgb, np.float32)
    graze = (1 - np.clip(fine @ eye.astype(np.float32), 0, 1)) ** 4 * 0.10 * ao
    sheen += graze[..., None] * np.asarray(light.sky, np.float32)
    return (out + sheen * s.gloss[..., None]).astype(np.float32)
