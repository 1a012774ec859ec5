"""Hair: brows, lashes, beards and heads of hair as single strands, lit as fibres are.

Fibre light follows J. Kajiya and T. Kay (SIGGRAPH 1989) with the two shifted highlights of
S. Marschner et al. (SIGGRAPH 2003).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.camera import Camera
from primafacie.platform.sitters.chart import PER_MM, Field, grid, sample, smoothstep
from primafacie.platform.sitters.light import Light, linear, unit
from primafacie.platform.sitters.relief import Relief
from primafacie.platform.sitters.skin import beard_zone, scalp_zone

OVER_EARS = frozenset({"long", "bob", "parted"})
SKULL = np.array([0.0, -22.0, -78.0])
RADII = np.array([71.5, 92.0, 95.0])


@dataclass(frozen=True, slots=True)
class Strands:
    """Hairs: `points` (N,S,3) mm from root to tip, linear colour (N,3), width mm (N,)."""

    points: Field
    colour: Field
    width: Field
    deep: Field  # (N,) 0 buried .. 1 outermost
    gloss: float = 1.0
    turns: bool = True  # moves with the head


def _jitter(rng: np.random.Generator, base: Field, n: int, a: Anatomy, grey: float) -> Field:
    tone = base[None] * np.exp(rng.normal(0, 0.20, (n, 1))) * np.exp(rng.normal(0, 0.05, (n, 3)))
    white = linear((196, 192, 186))
    pick = rng.random((n, 1)) < grey
    return np.where(pick, white * np.exp(rng.normal(0, 0.15, (n, 1))), tone).astype(np.float32)


def brows(a: Anatomy, r: Relief) -> Strands:
    """Both eyebrows: hairs that rise at the inner end and lie outwards along the arch."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 400))
    pts, n = [], int(620 * (0.6 + 0.45 * a.brow_thick))
    for eye, line in zip(r.eyes, r.brow_lines, strict=True):
        t = rng.beta(1.25, 1.30, n)
        half = (
            4.3 * a.brow_thick * np.interp(t, [0, 0.08, 0.3, 0.65, 1], [0.5, 0.85, 1, 0.68, 0.10])
        )
        off = np.clip(rng.normal(0, 0.42, n), -1, 1) * half
        grid_t = np.linspace(0, 1, len(line))
        x = np.interp(t, grid_t, line[:, 0]) + rng.normal(0, 0.4, n)
        y = np.interp(t, grid_t, line[:, 1]) + off + 0.8
        slope = np.gradient(line[:, 1], line[:, 0] * eye.side)
        along = np.arctan(np.interp(t, grid_t, slope))
        lift = np.interp(t, [0, 0.15, 0.4, 1], [1.15, 0.75, 0.36, 0.05]) + rng.normal(0, 0.16, n)
        lift = lift + 0.30 * off / np.maximum(half, 0.3) * np.interp(t, [0, 0.4], [0.3, 1.3])
        length = rng.uniform(3.8, 7.6, n) * np.interp(t, [0, 0.5, 1], [0.85, 1.0, 0.62])
        s = np.linspace(0, 1, 5)[None]
        bend = lift[:, None] * (1 - 0.55 * s) - along[:, None]
        dx = np.cos(bend) * length[:, None] * eye.side
        dy = -np.sin(bend) * length[:, None]
        px = x[:, None] + np.concatenate([np.zeros((n, 1)), np.cumsum(dx[:, 1:] / 4, 1)], 1)
        py = y[:, None] + np.concatenate([np.zeros((n, 1)), np.cumsum(dy[:, 1:] / 4, 1)], 1)
        pz = sample(r.height, px.astype(np.float32), py.astype(np.float32)) + 0.35 + 0.5 * s
        pts.append(np.stack([px, py, pz], -1))
    points = np.concatenate(pts).astype(np.float32)
    m = len(points)
    colour = _jitter(rng, linear(a.brow), m, a, a.grey * 0.5)
    return Strands(
        points,
        colour,
        rng.uniform(0.11, 0.20, m).astype(np.float32) * (0.8 + 0.25 * a.brow_thick),
        np.full(m, 0.8, np.float32),
        0.35,
    )


def lashes(a: Anatomy, r: Relief) -> Strands:
    """Upper and lower lashes."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 500))
    pts, widths = [], []
    for eye in r.eyes:
        for upper, n in ((True, 130), (False, 34)):
            u = np.round(rng.uniform(-0.80, 0.99, n) * 11) / 11 + rng.normal(0, 0.022, n)
            u = np.clip(u, -0.86, 1.0)
            uu = u.astype(np.float32)
            v = eye.upper(uu) + 0.15 if upper else eye.lower(uu) + 0.25
            c, s = np.cos(eye.tilt), np.sin(eye.tilt)
            du = u * eye.half * eye.side
            x, y = eye.cx + du * c - v * s, eye.cy + du * s + v * c
            z = (
                sample(
                    r.height,
                    x.astype(np.float32)[None],
                    (y + (-0.9 if upper else 0.9)).astype(np.float32)[None],
                )[0]
                + 0.4
            )
            size = (
                rng.uniform(2.2, 5.2, n)
                * (0.8 + 0.35 * a.makeup - 0.12 * a.masculine)
                * (0.72 + 0.4 * np.clip(u, 0, 1))
                if upper
                else rng.uniform(0.8, 2.2, n) * 0.8
            )
            k = np.linspace(0, 1, 5)[None]
            fan = (0.15 + 0.75 * u + rng.normal(0, 0.22, n)) * eye.side
            out = size[:, None]
            px = x[:, None] + fan[:, None] * out * (0.35 * k + 0.35 * k**2)
            if upper:  # forwards, a dip, then curled up
                py = y[:, None] + out * (0.10 * k - 0.62 * k**2.0)
                pz = z[:, None] + out * 0.75 * k
            else:
                py = y[:, None] + out * (0.55 * k + 0.15 * k**2)
                pz = z[:, None] + out * 0.5 * k
            pts.append(np.stack([px, py, pz], -1))
            widths.append(np.full(n, (0.15 + 0.08 * a.makeup) if upper else 0.08))
    points = np.concatenate(pts).astype(np.float32)
    n = len(points)
    dark = np.minimum(linear(a.brow) * 0.5, 0.02)
    return Strands(
        points,
        np.tile(dark, (n, 1)).astype(np.float32),
        np.concatenate(widths).astype(np.float32),
        np.ones(n, np.float32),
        0.05,
    )


def beard(a: Anatomy, r: Relief) -> Strands | None:
    """Beard hairs over the zone where one grows."""
    length = {"stubble": 1.3, "short": 5.5, "full": 13.0}.get(a.beard)
    if length is None:
        return None
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 600))
    zone = beard_zone(a, r) * (r.inside > 1.0)
    x, y = grid()
    n = {"stubble": 6500, "short": 13000, "full": 13000}[a.beard]
    p = (zone**1.4).ravel().astype(np.float64)
    at = rng.choice(p.size, n, p=p / p.sum())
    rx = x.ravel()[at] + rng.uniform(-0.12, 0.12, n)
    ry = y.ravel()[at] + rng.uniform(-0.12, 0.12, n)
    z = r.height.ravel()[at]
    m = r.lips.y
    tache = (ry < m + 1) & (np.abs(rx) < 28)
    gx = np.where(tache, np.tanh(rx / 7) * (0.75 + 0.1 * np.abs(rx) / 10), 0.25 * rx / 30)
    gy = np.where(tache, 0.55, 1.0)
    norm = np.hypot(gx, gy)
    ang = rng.normal(0, 0.33, n)
    dx = (gx * np.cos(ang) - gy * np.sin(ang)) / norm
    dy = (gx * np.sin(ang) + gy * np.cos(ang)) / norm
    size = length * rng.uniform(0.6, 1.15, n) * (0.35 + 0.65 * zone.ravel()[at])
    size = size * (1 - 0.45 * smoothstep(m - 2, m - 26, ry.astype(np.float32)))
    size = np.where(tache, np.minimum(size, 0.55 * (m - ry) + 4.0), size)
    k = np.linspace(0, 1, 6)[None]
    curl = rng.normal(0, 0.10, (n, 1)) * size[:, None] * k**2
    px = rx[:, None] + dx[:, None] * size[:, None] * k + curl
    py = ry[:, None] + dy[:, None] * size[:, None] * k
    under = sample(r.height, px.astype(np.float32), np.minimum(py, r.chin_y - 2).astype(np.float32))
    rise = z[:, None] + size[:, None] * (0.30 * k - 0.14 * k**2)
    pz = np.maximum(rise - np.clip(z[:, None] - under, -3, 6) * 0.6 * k, under + 0.3)
    points = np.stack([px, py, pz], -1).astype(np.float32)
    tone = 0.5 * linear(a.brow) + 0.5 * linear(a.hair)
    colour = _jitter(rng, tone, n, a, a.grey)
    return Strands(
        points,
        colour,
        rng.uniform(0.10, 0.19, n).astype(np.float32),
        rng.uniform(0.3, 1, n).astype(np.float32),
        0.45,
    )


def scalp(a: Anatomy, r: Relief, rng: np.random.Generator, n: int) -> tuple[Field, Field]:
    """Root points on the head behind the hairline and the outward directions there."""
    x, y = grid()
    p = scalp_zone(a, r)
    gy, gx = np.gradient(r.height, 1 / PER_MM)
    p = p * np.clip(np.sqrt(1 + gx**2 + gy**2), 1, 5)
    weight = (p / p.sum()).ravel().astype(np.float64)
    weight /= weight.sum()
    m = int(n * (1.0 if a.hair_style == "fringe" else 0.86))
    at = rng.choice(weight.size, m, p=weight)
    front = np.stack(
        [
            x.ravel()[at] + rng.uniform(-0.2, 0.2, m),
            y.ravel()[at] + rng.uniform(-0.2, 0.2, m),
            r.height.ravel()[at],
        ],
        -1,
    )
    # the back of the head, for the outline
    k = n - m
    d = rng.normal(0, 1, (k * 3, 3))
    d /= np.linalg.norm(d, axis=1, keepdims=True)
    d = d[(d[:, 2] < 0.25) & (d[:, 2] > -0.8) & (d[:, 1] < 0.45)][:k]
    rad = RADII * np.array([a.width, a.forehead, 1.0]) * 0.985
    back = SKULL + d * rad
    roots = np.concatenate([front, back])
    out = (roots - SKULL) / (RADII**2)
    out /= np.linalg.norm(out, axis=1, keepdims=True)
    return roots, out


def _clumps(rng: np.random.Generator, roots: Field, count: int) -> Field:
    """The index of the nearest of `count` random roots: hairs hang together in locks."""
    from scipy.spatial import cKDTree

    seeds = roots[rng.choice(len(roots), count, replace=False)]
    return np.asarray(cKDTree(seeds).query(roots)[1])


def _grow(
    a: Anatomy,
    roots: Field,
    out: Field,
    comb: Callable[[Field, float], Field],
    length: Field,
    lift: Field,
    room: Field,
    fall: tuple[float, float],
    steps: int,
) -> Field:
    """Strands that leave the scalp, lie over it along `comb` and give way to gravity.

    `lift` is how steeply they rise at the root, `room` how far (mm) they stay off the skull, and
    `fall` the pull downwards at the root and at the tip.
    """
    rad = RADII * np.array([a.width, a.forehead, 1.0])
    p = roots.copy()
    pts = [p.copy()]
    pace = (length / (steps - 1))[:, None]
    for i in range(1, steps):
        k = i / (steps - 1)
        n = (p - SKULL) / rad**2
        n /= np.linalg.norm(n, axis=1, keepdims=True)
        q = np.linalg.norm((p - SKULL) / rad, axis=1, keepdims=True)
        d = comb(p, k)
        d = d - (d * n).sum(1, keepdims=True) * n * smoothstep(2.2, 1.5, q)
        d = d + np.array([0, 1.0, 0]) * (fall[0] + (fall[1] - fall[0]) * k)
        d = d / (np.linalg.norm(d, axis=1, keepdims=True) + 1e-6)
        inward = np.minimum((d * n).sum(1, keepdims=True), 0)
        d = d - inward * n * smoothstep(1.35, 1.05, q)
        d = d + n * (lift * max(0.0, 1 - 3.0 * k))[:, None]
        d /= np.linalg.norm(d, axis=1, keepdims=True) + 1e-6
        p = p + d * pace
        shell = rad + (room * min(1.0, 4 * k))[:, None]
        e = (p - SKULL) / shell
        e_len = np.linalg.norm(e, axis=1, keepdims=True)
        p = np.where(e_len < 1, SKULL + e / np.maximum(e_len, 1e-3) * shell, p)
        pts.append(p.copy())
    return np.stack(pts, 1).astype(np.float32)


def _lock(points: Field, clump: Field, pull: float) -> Field:
    """Draw the strands of each lock together towards their tips."""
    count = clump.max() + 1
    size = np.bincount(clump, minlength=count)[:, None, None]
    mean = np.zeros((count, *points.shape[1:]))
    np.add.at(mean, clump, points)
    mean /= np.maximum(size, 1)
    s = np.linspace(0, 1, points.shape[1])[None, :, None]
    return points + (mean[clump] - points) * pull * s**1.2


def _stray(points: Field, rng: np.random.Generator, share: float, mm: float) -> Field:
    loose = rng.random(len(points)) < share
    s = np.linspace(0, 1, points.shape[1])[None, :, None]
    points[loose] += rng.normal(0, 1, (int(loose.sum()), 1, 3)) * s**1.5 * mm
    return points


def head_of_hair(a: Anatomy, r: Relief) -> list[Strands]:
    """All strands of this sitter's style."""
    rng = np.random.Generator(np.random.PCG64(a.asymmetry + 700))
    makers = {
        "crop": _crop,
        "short": _short,
        "swept": _short,
        "fringe": _short,
        "back": _back,
        "long": _long,
        "bob": _long,
        "parted": _long,
        "curly": _curly,
        "afro": _curly,
    }
    maker = makers.get(a.hair_style)
    return maker(a, r, rng) if maker else []


def _finish(
    a: Anatomy,
    rng: np.random.Generator,
    points: Field,
    clump: Field,
    deep: Field,
    width: float,
    gloss: float = 1.0,
) -> Strands:
    n = len(points)
    colour = _jitter(rng, linear(a.hair), n, a, a.grey)
    lock = np.exp(rng.normal(0, 0.16, clump.max() + 1)).astype(np.float32)
    colour = colour * lock[clump][:, None]
    w = rng.uniform(0.7, 1.25, n).astype(np.float32) * width
    return Strands(points.astype(np.float32), colour, w, deep.astype(np.float32), gloss)


def _crop(a: Anatomy, r: Relief, rng: np.random.Generator) -> list[Strands]:
    n = 15000
    roots, out = scalp(a, r, rng, n)
    n = len(roots)
    flow = np.array([0.0, 0.2, 0.5]) + rng.normal(0, 0.45, (n, 3))
    length = rng.uniform(4, 7, n)
    pts = _grow(
        a, roots, out, lambda p, k: flow, length, np.full(n, 1.2), np.full(n, 1.0), (0.0, 0.1), 5
    )
    return [_finish(a, rng, pts, _clumps(rng, roots, 300), rng.uniform(0.2, 1, n), 0.24, 0.6)]


def _short(a: Anatomy, r: Relief, rng: np.random.Generator) -> list[Strands]:
    """Short hair combed from a side parting, close at the sides."""
    roots, out = scalp(a, r, rng, 5000 if a.hair_style == "fringe" else 16000)
    n = len(roots)
    side = 1.0 if (a.asymmetry % 2) else -1.0
    count = 380
    clump = _clumps(rng, roots, count)
    cj = rng.normal(0, 1, (count, 5))[clump]
    top = smoothstep(-38, -80, roots[:, 1].astype(np.float32))
    swept = a.hair_style == "swept"
    part = -side * 30.0

    def comb(p: Field, k: float) -> Field:
        over = np.tanh((roots[:, 0] - part) * side / 7) * side
        fx = over * (1.0 if swept else 0.8) * top + 0.05 * np.sign(roots[:, 0]) * (1 - top)
        fy = (-0.35 + 0.7 * k) * top + 1.0 * (1 - top)
        fz = (-0.85 if swept else 0.15) * top - 0.55 * (1 - top)
        return np.stack([fx, fy, fz], -1) + 0.13 * cj[:, :3]

    length = (10 + (38 if swept else 27) * top) * (1 + 0.13 * cj[:, 3])
    length = length * rng.uniform(0.75, 1.08, n)
    lift = (0.25 + (0.9 if swept else 0.55) * top) * (1 + 0.2 * cj[:, 4])
    room = 1.5 + 7.5 * top * rng.uniform(0.2, 1, n)
    pts = _grow(a, roots, out, comb, length, lift, room, (0.0, 0.45), 11)
    loose = rng.normal(0, 0.5, (n, 1, 3)) * np.linspace(0, 1, 11)[None, :, None]
    pts = _lock(pts, clump, 0.42) + loose
    pts = _stray(pts, rng, 0.02, 4)
    return [_finish(a, rng, pts, clump, rng.uniform(0.15, 1, n), 0.26)]


def _back(a: Anatomy, r: Relief, rng: np.random.Generator) -> list[Strands]:
    """Hair drawn back tightly from the face."""
    roots, out = scalp(a, r, rng, 16000)
    n = len(roots)
    count = 420
    clump = _clumps(rng, roots, count)
    cj = rng.normal(0, 1, (count, 4))[clump]

    def comb(p: Field, k: float) -> Field:
        d = np.array([0.0, -25.0, -190.0]) - p
        d = d / np.linalg.norm(d, axis=1, keepdims=True)
        d[:, 0] += 0.25 * np.sign(p[:, 0]) * (1 - k)
        return d + 0.05 * cj[:, :3]

    length = rng.uniform(85, 125, n)
    pts = _grow(
        a, roots, out, comb, length, np.full(n, 0.2), 2.5 + 3.5 * rng.random(n), (0.0, 0.0), 15
    )
    pts = _lock(pts, clump, 0.25)
    pts = _stray(pts, rng, 0.02, 6)
    return [_finish(a, rng, pts, clump, rng.uniform(0.2, 1, n), 0.26)]


def _long(a: Anatomy, r: Relief, rng: np.random.Generator) -> list[Strands]:
    """Hair parted on top that falls beside the face; a bob ends at the jaw."""
    bob = a.hair_style == "bob"
    roots, out = scalp(a, r, rng, 13000)
    n = len(roots)
    side = 1.0 if (a.asymmetry % 2) else -1.0
    part = side * (24.0 if a.hair_style == "parted" else 5.0)
    count = 260
    clump = _clumps(rng, roots, count)
    cj = rng.normal(0, 1, (count, 8))[clump]
    go = np.where(roots[:, 0] + 0.6 * rng.normal(0, 1, n) > part, 1.0, -1.0)
    clump = clump * 2 + (go > 0)
    front = smoothstep(-75, 0, roots[:, 2].astype(np.float32))
    layer = np.clip(0.5 + 0.25 * cj[:, 0] + rng.normal(0, 0.22, n), 0, 1)
    end = (104.0 if bob else 212.0) + 8 * cj[:, 1] + rng.normal(0, 4, n)
    length = np.clip(end - roots[:, 1], 30, None) + 26 * smoothstep(
        -60, -100, roots[:, 1].astype(np.float32)
    )
    steps = 40

    def comb(p: Field, k: float) -> Field:
        # combed to the side while on top of the head, hanging once beside it
        low = ((p[:, 1] - SKULL[1]) / RADII[1]).astype(np.float32)
        w = smoothstep(-0.10, -0.75, low - 0.18 * front)
        fx = go * 1.6 * w - (0.8 * go * max(0.0, k - 0.70) / 0.30 if bob else 0.0)
        fz = -(0.75 * front + 0.10) * smoothstep(-50, -15, p[:, 2].astype(np.float32))
        return np.stack([fx, 0.25 + 0 * fx, fz], -1) + 0.06 * cj[:, 2:5] * w[:, None]

    lift = 0.55 + 0.15 * cj[:, 5]
    room = 3.0 + 9.0 * layer
    pts = _grow(a, roots, out, comb, length, lift, room, (0.35, 2.0), steps)
    pts = _lock(pts, clump, 0.35)
    s = np.linspace(0, 1, steps)[None]
    grow = smoothstep(0.2, 0.9, s.astype(np.float32))
    wave = (
        grow
        * (1.2 if bob else 4.5)
        * np.sin(2 * np.pi * (s * (1.9 + 0.2 * cj[:, 6:7]) + 0.11 * cj[:, 7:8]))
    )
    pts[..., 0] += wave * go[:, None]
    pts[..., 2] += 0.7 * wave
    # below the jaw the outer locks come forward over the shoulder, the others fall behind
    ahead = smoothstep(55, 215, pts[..., 1].astype(np.float32))
    pts[..., 2] += ahead * (np.where(layer > 0.40, 66.0, -20.0)[:, None]) * (not bob)
    pts[..., 0] -= ahead * go[:, None] * 10 * (not bob)
    pts += rng.normal(0, 1, (n, 1, 3)) * (0.3 + 1.4 * s[..., None])
    pts = _stray(pts, rng, 0.012, 7)
    return [_finish(a, rng, pts, clump, layer, 0.30)]


def _curly(a: Anatomy, r: Relief, rng: np.random.Generator) -> list[Strands]:
    """Coils that stand off the scalp in a soft cloud."""
    afro = a.hair_style == "afro"
    n = 5200
    roots, out = scalp(a, r, rng, n)
    n = len(roots)
    clump = _clumps(rng, roots, 360)
    cj = rng.normal(0, 1, (360, 4))
    steps = 52
    s = np.linspace(0, 1, steps)[None, :, None]
    height = (33 if afro else 18) * (
        0.55 + 0.45 * smoothstep(10, -70, roots[:, 1].astype(np.float32))
    )
    height = height * (1 + 0.12 * cj[clump, 0]) * rng.uniform(0.55, 1.08, n)
    fall = 0.0 if afro else 0.5
    axis = out + np.array([0, 1.0, 0]) * fall * 0.3 + 0.18 * cj[clump, 1:4] * 0.5
    axis[:, 2] += 0.10
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    side = np.cross(axis, np.array([0.3, 0.2, 0.9]))
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    other = np.cross(axis, side)
    rad = rng.uniform(1.3, 2.6, n) * (1.0 if afro else 1.7)
    turns = height / (rad * (1.5 if afro else 2.6))
    ph = 2 * np.pi * (turns[:, None, None] * s + rng.random((n, 1, 1)))
    grow = np.minimum(1, s * 6)
    pts = (
        roots[:, None]
        + axis[:, None] * height[:, None, None] * s
        + grow * rad[:, None, None] * (side[:, None] * np.cos(ph) + other[:, None] * np.sin(ph))
    )
    return [_finish(a, rng, pts, clump, rng.uniform(0.1, 1, n), 0.30, 0.55)]


def draw(
    canvas: NDArray[np.uint8],
    sets: list[Strands],
    camera: Camera,
    light: Light,
    scene: Field,
) -> None:
    """Draw strands, far ones first, on a premultiplied RGBA canvas (gamma 2) in place.

    `scene` is the camera depth (mm) already in the picture; what lies behind it is not drawn.
    """
    ends, depths, colours, wides = [], [], [], []
    for s in sets:
        placed = camera.place(s.points) if s.turns else s.points
        px = camera.project(placed)
        mid = 0.5 * (placed[:, 1:] + placed[:, :-1])
        t = placed[:, 1:] - placed[:, :-1]
        t = t / (np.linalg.norm(t, axis=-1, keepdims=True) + 1e-6)
        at = 0.5 * (px[:, 1:] + px[:, :-1])
        z = cv2.remap(
            scene, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        seen = mid[..., 2] > z - 1.2
        rgb = _fibre(s, mid, t, light, camera)
        wide = np.broadcast_to(s.width[:, None], seen.shape).copy()
        k = t.shape[1]
        wide = wide * np.interp(np.arange(k) / k, [0, 0.6, 1], [1, 0.95, 0.45])[None]
        pair = np.concatenate([px[:, :-1], px[:, 1:]], -1)
        ends.append(pair[seen])
        depths.append((mid[..., 2] + np.broadcast_to(6 * s.deep[:, None], seen.shape))[seen])
        colours.append(rgb[seen])
        wides.append(wide[seen])
    if not ends:
        return
    xy = np.concatenate(ends)
    z = np.concatenate(depths)
    rgb = np.concatenate(colours)
    wide = np.concatenate(wides) * camera.per_mm
    order = np.argsort(z, kind="stable")
    # a line is at least a pixel wide: thinner hairs are drawn fainter
    alpha = np.clip(wide, 0.12, 1.0)
    thick = np.maximum(1, np.round(wide)).astype(int)
    n = canvas.shape[0]
    inside = (xy[:, 0] > -40) & (xy[:, 0] < n + 40) & (xy[:, 1] > -40) & (xy[:, 1] < n + 40)
    order = order[inside[order]]
    fixed = np.round(xy[order] * 16).astype(int).tolist()
    level = np.sqrt(np.clip(rgb[order], 0, 1)) * 255
    tone = np.concatenate([level, np.full((len(order), 1), 255.0)], 1).tolist()
    thin = (alpha[order] < 0.95).tolist()
    wide_list = thick[order].tolist()
    faint = alpha[order].tolist()
    line, aa = cv2.line, cv2.LINE_AA
    rng = np.random.Generator(np.random.PCG64(5))
    dice = rng.random(len(order)).tolist()
    for i, (x0, y0, x1, y1) in enumerate(fixed):
        if thin[i] and dice[i] > faint[i] * 1.15 + 0.1:
            continue
        line(canvas, (x0, y0), (x1, y1), tone[i], wide_list[i], aa, 4)


def _fibre(s: Strands, at: Field, t: Field, light: Light, camera: Camera) -> Field:
    """Light leaving each piece of hair towards the camera, linear RGB."""
    centre = camera.place(SKULL[None])[0]
    n = (at - centre) / (RADII * 1.1)
    n = n / (np.linalg.norm(n, axis=-1, keepdims=True) + 1e-6)
    k = t.shape[1]
    along = np.linspace(0, 1, k)[None]
    out = np.zeros(at.shape, np.float32)
    base = s.colour[:, None, :]
    own = 0.40 + 0.60 * s.deep[:, None]
    shift = 0.10
    for d, rgb, amount in (
        (light.key, light.key_rgb, 1.0),
        (light.fill, light.fill_rgb, 0.9),
        (light.rim, light.rim_rgb, 0.9),
    ):
        lamp = unit(d)
        tl = np.clip(t @ lamp, -1, 1)
        diffuse = np.sqrt(1 - tl**2) ** 1.4
        face = np.clip((n @ lamp + 0.30) / 1.30, 0, 1)
        half = unit(lamp + np.array([0, 0, 1.0]))
        th = np.clip(t @ half, -1, 1)
        first = np.sqrt(np.clip(1 - (th + shift) ** 2, 0, 1)) ** 95
        second = np.sqrt(np.clip(1 - (th - 1.6 * shift) ** 2, 0, 1)) ** 28
        tint = np.asarray(rgb, np.float32) * amount
        gate = (face * own)[..., None]
        out += (
            gate
            * tint
            * (
                base * (0.72 * diffuse)[..., None]
                + s.gloss * 0.075 * first[..., None]
                + s.gloss * base * second[..., None]
            )
        )
    up = 0.5 - 0.5 * n[..., 1]
    bowl = (
        np.asarray(light.ground)
        + (np.asarray(light.sky) - np.asarray(light.ground)) * up[..., None]
    )
    out += base * bowl * (0.55 * own * (0.75 + 0.25 * along))[..., None]
    return out.astype(np.float32)
