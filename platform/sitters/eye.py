"""Eye: sclera, iris and the lamp mirrored in the cornea, painted over the chart."""

from __future__ import annotations

import cv2
import numpy as np

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.chart import Field, blur, grid, noise, smoothstep, window
from primafacie.platform.sitters.light import Light, linear, unit
from primafacie.platform.sitters.relief import BALL, Eye, Relief

IRIS = 5.95


def overlay(
    a: Anatomy, r: Relief, light: Light, turn: Field, seen: Field, ao: Field
) -> tuple[Field, Field]:
    """Lit eyeballs over the whole chart and where they show (0..1)."""
    x, y = grid()
    colour = np.zeros((*x.shape, 3), np.float32)
    alpha = np.zeros(x.shape, np.float32)
    for n, e in enumerate(r.eyes):
        ys, xs = window((e.cx - 22, e.cy - 16), (e.cx + 22, e.cy + 16))
        rng = np.random.Generator(np.random.PCG64(a.asymmetry + 300 + n))
        got, al = _one(a, e, x[ys, xs], y[ys, xs], light, turn, seen[ys, xs], ao[ys, xs], rng)
        colour[ys, xs] = got
        alpha[ys, xs] = al
    return colour, alpha


def _one(
    a: Anatomy,
    e: Eye,
    x: Field,
    y: Field,
    light: Light,
    turn: Field,
    seen: Field,
    ao: Field,
    rng: np.random.Generator,
) -> tuple[Field, Field]:
    gaze = turn.T @ np.array([0.0, 0.0, 1.0])
    ix, iy = e.cx + gaze[0] * 11.0, e.cy + gaze[1] * 11.0 + 0.1
    u, v = e.local(x, y)
    ap = e.aperture(x, y)
    dx, dy = x - ix, y - iy
    rad = np.hypot(dx, dy)
    ang = np.arctan2(dy, dx)
    shape = x.shape

    white = linear((226, 220, 214)) * (0.94 - 0.10 * min(1.0, a.lines))
    sclera = np.broadcast_to(white, (*shape, 3)).astype(np.float32).copy()
    pink = smoothstep(0.25, 1.0, np.abs(u)) * 0.5 + 0.12 + smoothstep(1.6, 0.2, ap) * 0.25
    veins = np.clip(np.abs(noise(rng, shape, 1.6)), 0, 3)
    veins = np.exp(-((veins / 0.16) ** 2)) * smoothstep(0.35, 0.95, np.abs(u)) * 0.30
    sclera *= np.exp(-(pink * 0.22 + veins * 0.5)[..., None] * np.array([0.20, 1.0, 0.95]))
    caruncle = smoothstep(-0.80, -0.93, u)
    sclera += (linear((206, 136, 124)) * 0.8 - sclera) * (0.85 * caruncle)[..., None]

    base = linear(a.iris)
    fibre = noise(rng, (64, 256), 1.0, 8.0)
    fibre = 0.6 * _polar(fibre, ang, rad) + 0.5 * np.sin(
        ang * 37 + 2.1 * _polar(fibre, ang * 0.7, rad)
    )
    t = np.clip(rad / IRIS, 0, 1.2)
    iris = (
        np.broadcast_to(base, (*shape, 3)).astype(np.float32)
        * (1.25 + 0.42 * fibre * smoothstep(0.3, 0.6, t))[..., None]
    )
    warm = linear((150, 104, 52)) * (0.35 + 1.0 * base.mean())
    iris = iris + (warm * 1.4 - iris) * (0.5 * np.exp(-(((t - 0.44) / 0.13) ** 2)))[..., None]
    ring = smoothstep(0.78, 1.0, t)
    iris *= (1 - 0.72 * ring)[..., None]
    # light that entered the cornea brightens the side away from the lamp
    key = unit(turn.T @ unit(light.key))
    away = np.clip(-(dx * key[0] + dy * key[1]) / IRIS, -1, 1)
    iris *= (0.92 + 0.38 * away)[..., None]
    pupil = smoothstep(2.45, 2.0, rad)
    iris *= (1 - 0.97 * pupil)[..., None]
    disc = smoothstep(IRIS + 0.35, IRIS - 0.35, rad)
    body = sclera + (iris - sclera) * disc[..., None]

    n = np.stack(
        [
            (x - e.cx) / BALL,
            (y - e.cy) / BALL,
            np.sqrt(np.clip(1 - ((x - e.cx) ** 2 + (y - e.cy) ** 2) / BALL**2, 0.05, 1)),
        ],
        -1,
    )
    n /= np.linalg.norm(n, axis=-1, keepdims=True)
    lid_shade = 0.24 + 0.76 * smoothstep(-0.4, 4.4, v - e.upper(u))
    lid_shade *= 0.62 + 0.38 * smoothstep(-0.3, 1.3, e.lower(u) - v)
    lid_shade *= 0.70 + 0.30 * smoothstep(1.02, 0.55, np.abs(u))
    lit = np.zeros((*shape, 3), np.float32)
    for d, rgb, gate in (
        (light.key, light.key_rgb, 0.35 + 0.65 * blur(seen, 2.5)),
        (light.fill, light.fill_rgb, 1.0),
    ):
        lamp = unit(turn.T @ unit(d))
        nl = np.clip((n @ lamp + 0.35) / 1.35, 0, 1) * gate
        lit += nl[..., None] * np.asarray(rgb, np.float32)
    lit += np.asarray(light.sky, np.float32) * 0.9
    body = body * lit * (lid_shade * (0.45 + 0.55 * ao))[..., None] * 0.66

    # the cornea mirrors the soft box and, faintly, the bright room
    c = np.stack([dx / 8.4, dy / 8.4, np.sqrt(np.clip(1 - (dx**2 + dy**2) / 70.6, 0.05, 1))], -1)
    wet = np.where((rad < 6.6)[..., None], c, n)
    view = unit(turn.T @ np.array([0.0, 0.0, 1.0]))
    mirror = 2 * (wet @ view)[..., None] * wet - view
    right = unit(np.cross(key, [0.0, 1.0, 0.0]))
    down = np.cross(key, right)
    bx, by = mirror @ right, mirror @ down
    ahead = (mirror @ key) > 0.3
    box = smoothstep(0.27, 0.19, np.abs(bx)) * smoothstep(0.34, 0.26, np.abs(by)) * ahead
    glint = box * smoothstep(0.2, 0.9, ap) * (rad < 6.6)
    body += (glint * 1.9)[..., None] * np.asarray(light.key_rgb, np.float32)
    fill = unit(turn.T @ unit(light.fill))
    faint = smoothstep(0.90, 0.97, mirror @ fill) * (rad < 6.6) * smoothstep(0.2, 0.9, ap)
    body += (faint * 0.25)[..., None] * np.asarray(light.fill_rgb, np.float32)
    room = 0.020 * (0.5 - 0.5 * mirror[..., 1]) * disc * lid_shade
    body += room[..., None]
    # tear line along the lower lid
    tear = np.exp(-(((e.lower(u) - v - 0.30) / 0.22) ** 2)) * smoothstep(0.95, 0.6, np.abs(u))
    tear *= 0.35 + 0.65 * np.clip(noise(rng, shape, 4) * 0.5 + 0.5, 0, 1)
    body += (tear * 0.16)[..., None] * np.asarray(light.key_rgb, np.float32)
    alpha = smoothstep(-0.10, 0.28, ap) * (np.abs(u) < 1.04)
    return body.astype(np.float32), alpha.astype(np.float32)


def _polar(texture: Field, ang: Field, rad: Field) -> Field:
    h, w = texture.shape
    u = ((ang / (2 * np.pi) + 0.5) % 1.0 * (w - 1)).astype(np.float32)
    v = np.clip(rad / 7.0 * (h / 8), 0, h - 1).astype(np.float32)
    return cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
