"""Sitter: a person who does not exist, drawn by this project's own code.

Every portrait is computed from a seed: a head is modelled in millimetres, lit by lamps, covered
with single hairs and photographed by a virtual lens. No photograph, no learned weight and no
downloaded picture takes part, so nobody's likeness can be in it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.platform.sitters import bust, eye, glasses, hair, skin
from primafacie.platform.sitters.anatomy import Anatomy, invent, smiling
from primafacie.platform.sitters.camera import Camera, turn
from primafacie.platform.sitters.cast import CAST
from primafacie.platform.sitters.chart import PER_MM, Field, sample
from primafacie.platform.sitters.light import (
    LIGHTS,
    Surface,
    linear,
    occlusion,
    shade,
    shadow,
    unit,
)
from primafacie.platform.sitters.relief import FAR, Relief, sculpt

GENERATOR = "primafacie-sitter"
VERSION = "1"
SIZES = (256, 1536)
WALLS = ((168, 164, 156), (104, 116, 126), (138, 126, 112), (90, 92, 96), (150, 160, 150))


@dataclass(frozen=True, slots=True)
class Sitter:
    """A named person who does not exist."""

    name: str
    seed: int
    age: str
    skin: str
    hair: str

    def picture(self, size: int = 768) -> NDArray[np.uint8]:
        """The sitter's portrait, RGB (size,size,3)."""
        return draw(self.seed, size)

    def evidence(self, size: int = 768) -> dict[str, str | int]:
        """Where the portrait comes from: generator, version, seed and the digest of its pixels."""
        digest = hashlib.sha256(np.ascontiguousarray(self.picture(size)).tobytes()).hexdigest()
        return {
            "generator": GENERATOR,
            "version": VERSION,
            "name": self.name,
            "seed": self.seed,
            "size": size,
            "picture_sha256": digest,
        }


SITTERS: tuple[Sitter, ...] = tuple(Sitter(p.name, p.seed, p.age, p.skin, p.hair) for p in CAST)


@dataclass(frozen=True, slots=True)
class Pose:
    """One exposure of a sitter; angles in degrees, smile 0..1."""

    yaw: float = 0.0
    pitch: float = 0.0
    smile: float = 0.0
    light: str = "studio"
    backdrop: int = 0


def seed_of(seed: int | str) -> int:
    """A sitter's name or any other text as the whole number its portrait is drawn from."""
    if isinstance(seed, int):
        return seed & ((1 << 63) - 1)
    for p in CAST:
        if p.name == seed:
            return p.seed
    return int.from_bytes(hashlib.sha256(seed.encode()).digest()[:7], "big")


def anatomy_of(seed: int | str) -> Anatomy:
    """The measures of the person behind `seed`."""
    number = seed_of(seed)
    for p in CAST:
        if p.seed == number:
            return p.anatomy
    return invent(number)


def draw(
    seed: int | str,
    size: int = 768,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    smile: float = 0.0,
    light: str = "studio",
    backdrop: int = 0,
    mouth: str = "closed",
) -> NDArray[np.uint8]:
    """A portrait of the person behind `seed`: RGB uint8 (size,size,3), the same on every call.

    yaw > 0 turns the head to its left (viewer's right), pitch > 0 looks down, both in degrees
    within ±20 (past ±12 the ears and the underside of the chin lose their shape); smile 0..1
    with closed lips; light is a key of LIGHTS; backdrop picks another wall. The eyes look into
    the lens. Raises ValueError outside these ranges.
    """
    if not SIZES[0] <= size <= SIZES[1]:
        raise ValueError(f"size must lie between {SIZES[0]} and {SIZES[1]}")
    if abs(yaw) > 20 or abs(pitch) > 20 or not 0 <= smile <= 1:
        raise ValueError("yaw and pitch lie within ±20 degrees, smile within 0..1")
    if light not in LIGHTS:
        raise ValueError(f"light must be one of {', '.join(LIGHTS)}")
    if mouth != "closed":
        raise ValueError("sitters keep their mouths closed")
    pose = Pose(float(yaw), float(pitch), float(smile), light, int(backdrop))
    return _drawn(seed_of(seed), size, pose).copy()


def landmarks(
    seed: int | str,
    size: int = 768,
    *,
    yaw: float = 0.0,
    pitch: float = 0.0,
    smile: float = 0.0,
) -> dict[str, tuple[float, float]]:
    """Where the modelled head has its landmarks in `draw`'s picture, in pixels (x, y).

    Keys: left_eye_outer, left_eye_inner, right_eye_inner, right_eye_outer (left is the viewer's),
    left_pupil, right_pupil, nose_tip, nose_base, mouth_left, mouth_right, mouth_middle, chin.
    """
    _, r, _, _ = _head(seed_of(seed), float(smile))
    points: dict[str, tuple[float, float]] = {}
    for word, e in zip(("left", "right"), r.eyes, strict=True):
        c, s = float(np.cos(e.tilt)), float(np.sin(e.tilt))
        for end, u in (("outer", 1.0), ("inner", -1.0)):
            d = u * e.half * e.side
            points[f"{word}_eye_{end}"] = (e.cx + d * c, e.cy + d * s)
        points[f"{word}_pupil"] = (e.cx, e.cy)
    a = anatomy_of(seed)
    corner = r.lips.y - r.lips.corner
    points |= {
        "nose_tip": (0.0, r.nose_y - 10.5 + a.tip_turn),
        "nose_base": (0.0, r.nose_y),
        "mouth_left": (-r.lips.half, corner),
        "mouth_right": (r.lips.half, corner),
        "mouth_middle": (0.0, float(r.lips.line(np.zeros(1, np.float32))[0])),
        "chin": (0.0, r.chin_y - 2.0),
    }
    at = np.array(list(points.values()), np.float32)
    z = sample(r.height, at[None, :, 0], at[None, :, 1])[0]
    camera = Camera(size, turn(yaw, pitch))
    px = camera.project(camera.place(np.column_stack([at, z])))
    return {k: (float(x), float(y)) for k, (x, y) in zip(points, px, strict=True)}


def matte(seed: int | str, size: int = 768) -> NDArray[np.float32]:
    """How much of each pixel of `draw(seed, size)` is the person: 0 to 1, (size,size)."""
    return _Exposure(seed_of(seed), size, Pose()).cover()


@lru_cache(maxsize=24)
def _drawn(seed: int, size: int, pose: Pose) -> NDArray[np.uint8]:
    return _Exposure(seed, size, pose).develop()


@lru_cache(maxsize=4)
def _head(seed: int, smile: float) -> tuple[Anatomy, Relief, Surface, Field]:
    a = smiling(anatomy_of(seed), smile)
    r = sculpt(a)
    return a, r, skin.paint(a, r), occlusion(r.height, PER_MM)


@lru_cache(maxsize=4)
def _strands(seed: int, smile: float) -> tuple[list[hair.Strands], list[hair.Strands]]:
    a, r, _, _ = _head(seed, smile)
    fine = [hair.brows(a, r), hair.lashes(a, r)]
    grown = hair.beard(a, r)
    return fine + ([grown] if grown else []), hair.head_of_hair(a, r)


def _bleed(colour: Field, trusted: NDArray[np.bool_]) -> Field:
    """Carry colours a little over the head's edge, so that no sample there reads the void."""
    keep = trusted.astype(np.float32)
    near = cv2.GaussianBlur(colour * keep[..., None], (0, 0), 4)
    weight = cv2.GaussianBlur(keep, (0, 0), 4)
    filled = near / np.maximum(weight, 1e-4)[..., None]
    return np.where(trusted[..., None], colour, filled).astype(np.float32)


class _Exposure:
    """One picture being made, layer over layer from the wall to the lens."""

    def __init__(self, seed: int, size: int, pose: Pose) -> None:
        self.seed, self.size, self.pose = seed, size, pose
        self.a, self.relief, self.surface, self.open = _head(seed, pose.smile)
        self.light = LIGHTS[pose.light]
        self.turn = turn(pose.yaw, pose.pitch)
        self.camera = Camera(size * 2, self.turn)

    def develop(self) -> NDArray[np.uint8]:
        head, depth, cover = self._head()
        body, body_depth, body_cover = self._body(depth)
        fine, long_hair = _strands(self.seed, self.pose.smile)
        scene = np.maximum(depth, body_depth)
        locks, locks_alpha = self._strands(long_hair, scene)
        shade_hair = self._hair_shadow(locks_alpha)
        image = self._backdrop()
        image = image * (1 - body_cover[..., None]) + body * body_cover[..., None]
        under = shade_hair * self._chin_shadow(depth)
        image = image * (1 - body_cover[..., None] * (1 - under[..., None]))
        lit = head * shade_hair[..., None]
        image = image * (1 - cover[..., None]) + lit * cover[..., None]
        small, small_alpha = self._strands(fine, depth)
        image = image * (1 - small_alpha[..., None]) + small
        image = self._glasses(image, depth)
        image = image * (1 - locks_alpha[..., None]) + locks
        return self._print(image)

    def cover(self) -> Field:
        """What of each pixel hides the wall, 0 to 1."""
        _, depth, head = self._head()
        _, body_depth, body = self._body(depth)
        fine, long_hair = _strands(self.seed, self.pose.smile)
        _, locks = self._strands(long_hair, np.maximum(depth, body_depth))
        _, small = self._strands(fine, depth)
        wall = (1 - body) * (1 - head) * (1 - small) * (1 - locks)
        size = (self.size, self.size)
        return np.asarray(1 - cv2.resize(wall, size, interpolation=cv2.INTER_AREA), np.float32)

    def _head(self) -> tuple[Field, Field, Field]:
        key = unit(self.turn.T @ unit(self.light.key))
        seen = shadow(self.relief.height, PER_MM, key)
        lit = shade(self.surface, self.light, self.turn, seen, self.open)
        eyes, where = eye.overlay(self.a, self.relief, self.light, self.turn, seen, self.open)
        lit = lit * (1 - where[..., None]) + eyes * where[..., None]
        lit = _bleed(
            lit,
            (self.relief.inside > 0.6)
            | (cv2.erode(self.relief.ear, np.ones((5, 5), np.uint8)) > 0),
        )
        solid = np.where((self.relief.inside > 0) | (self.relief.ear > 0), self.relief.height, FAR)
        if self.a.hair_style in hair.OVER_EARS:
            solid = np.where(self.relief.inside > 0, solid, FAR)
        x, y, z = self.camera.march(solid.astype(np.float32))
        colour = sample(lit, x, y, cubic=True)
        cover = (z > FAR + 1).astype(np.float32)
        return np.clip(colour, 0, None), z, cv2.GaussianBlur(cover, (0, 0), 0.7)

    def _body(self, depth: Field) -> tuple[Field, Field, Field]:
        gx, gy = self.camera.plane(2)
        per_mm = self.camera.per_mm / 2
        s, alpha = bust.model(self.a, gx, gy, per_mm)
        small = cv2.resize(depth, (self.size, self.size), interpolation=cv2.INTER_AREA)
        both = np.maximum(s.height, small)
        seen = shadow(both, per_mm, unit(self.light.key))
        ao = occlusion(both, per_mm)
        lit = shade(s, self.light, np.eye(3), seen, ao)
        n = self.camera.pixels
        up = [
            cv2.resize(v, (n, n), interpolation=cv2.INTER_LINEAR)
            for v in (lit, bust.solid(s, alpha), alpha)
        ]
        return up[0], up[1], up[2]

    def _chin_shadow(self, depth: Field) -> Field:
        """The soft dark under the jaw."""
        head = (depth > FAR + 1).astype(np.float32)
        n = self.camera.pixels
        small = cv2.resize(head, (n // 4, n // 4), interpolation=cv2.INTER_AREA)
        k = self.camera.per_mm / 4
        move = np.array([[1, 0, 4 * k], [0, 1, 12 * k]], np.float32)
        small = cv2.warpAffine(small, move, small.shape[::-1])
        small = cv2.GaussianBlur(small, (0, 0), 9 * k)
        return 1 - 0.55 * cv2.resize(small, (n, n), interpolation=cv2.INTER_LINEAR)

    def _strands(self, sets: list[hair.Strands], scene: Field) -> tuple[Field, Field]:
        n = self.camera.pixels
        canvas = np.zeros((n, n, 4), np.uint8)
        hair.draw(canvas, sets, self.camera, self.light, scene)
        alpha = canvas[..., 3].astype(np.float32) / 255
        shown = canvas[..., :3].astype(np.float32) / 255
        tone = shown / np.maximum(alpha, 1e-3)[..., None]
        return tone * tone * alpha[..., None], alpha

    def _hair_shadow(self, alpha: Field) -> Field:
        n = self.camera.pixels
        small = cv2.resize(alpha, (n // 4, n // 4), interpolation=cv2.INTER_AREA)
        k = self.camera.per_mm / 4
        near = cv2.GaussianBlur(small, (0, 0), 2.4 * k)
        lamp = unit(self.light.key)
        move = np.array([[1, 0, -lamp[0] * 9 * k], [0, 1, -lamp[1] * 9 * k]], np.float32)
        cast = cv2.GaussianBlur(cv2.warpAffine(small, move, small.shape[::-1]), (0, 0), 3.4 * k)
        out = (1 - 0.45 * near) * (1 - 0.50 * cast)
        return cv2.resize(out, (n, n), interpolation=cv2.INTER_LINEAR)

    def _glasses(self, image: Field, depth: Field) -> Field:
        if self.a.glasses == "none":
            return image
        n = self.camera.pixels
        frame = np.zeros((n, n), np.uint8)
        thick = max(1, round(self.camera.per_mm * (1.9 if self.a.glasses == "square" else 1.3)))
        lens = np.zeros((n, n), np.uint8)
        for i, line in enumerate(glasses.rims(self.a, self.relief)):
            placed = self.camera.place(line)
            px = self.camera.project(placed)
            if i < 2:
                cv2.fillPoly(lens, [np.round(px * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            if i > 2:
                at = np.clip(np.round(px).astype(int), 0, n - 1)
                px = px[placed[:, 2] > depth[at[:, 1], at[:, 0]] - 1.0]
                if len(px) < 2:
                    continue
            cv2.polylines(
                frame, [np.round(px * 16).astype(np.int32)], False, 255, thick, cv2.LINE_AA, 4
            )
        on = frame.astype(np.float32) / 255
        k = self.camera.per_mm
        lamp = unit(self.light.key)
        cast = cv2.warpAffine(
            on, np.array([[1, 0, -lamp[0] * 9 * k], [0, 1, -lamp[1] * 9 * k]], np.float32), (n, n)
        )
        cast = cv2.GaussianBlur(cast, (0, 0), 1.3 * k)
        image = image * (1 - 0.42 * cast[..., None] * (depth > FAR + 1)[..., None])
        glass = lens.astype(np.float32) / 255
        yy = np.linspace(0, 1, n, dtype=np.float32)[:, None]
        image = image * (1 - 0.03 * glass[..., None]) + (glass * 0.012 * (1 - yy))[
            ..., None
        ] * np.asarray(self.light.sky, np.float32)
        height = cv2.GaussianBlur(on, (0, 0), 0.45 * k) * 2.0
        gx = cv2.Sobel(height, cv2.CV_32F, 1, 0) * k / 8
        gy = cv2.Sobel(height, cv2.CV_32F, 0, 1) * k / 8
        norm = np.sqrt(gx**2 + gy**2 + 1)
        nl = np.clip((-gx * lamp[0] - gy * lamp[1] + lamp[2]) / norm, 0, 1)
        shine = nl**24
        base = linear((34, 28, 26) if self.a.glasses == "square" else (120, 96, 62))
        colour = base * (0.25 + 1.1 * nl)[..., None] + 0.35 * shine[..., None]
        return image * (1 - on[..., None]) + colour.astype(np.float32) * on[..., None]

    def _backdrop(self) -> Field:
        tone = self.a.backdrop
        if self.pose.backdrop:
            tone = WALLS[(self.pose.backdrop + self.seed) % len(WALLS)]
        return bust.backdrop(self.camera.pixels, self.seed + self.pose.backdrop, tone)

    def _print(self, image: Field) -> NDArray[np.uint8]:
        small = cv2.resize(image, (self.size, self.size), interpolation=cv2.INTER_AREA)
        glow = np.clip(small - 0.85, 0, 2)
        small = small + 0.10 * cv2.GaussianBlur(glow, (0, 0), self.size / 120)
        n = self.size
        yy, xx = np.mgrid[0:n, 0:n].astype(np.float32) / n - 0.5
        small = small * (1 - 0.55 * np.clip(xx**2 + (yy + 0.05) ** 2 - 0.06, 0, 1))[..., None]
        film = small * 1.02
        film = film * (1 + film / 6.0) / (1 + film * 0.62) * 1.28  # a soft shoulder
        srgb = np.where(
            film <= 0.0031308, 12.92 * film, 1.055 * np.clip(film, 1e-6, None) ** (1 / 2.4) - 0.055
        )
        rng = np.random.Generator(np.random.PCG64(self.seed + 1000 + self.pose.backdrop))
        grain = rng.standard_normal((n, n, 1)).astype(np.float32)
        grain = 1.2 * cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None] + 0.25 * (
            rng.standard_normal((n, n, 3)).astype(np.float32)
        )
        srgb = srgb + grain * 0.0085 * (1 - 0.5 * srgb)
        picture: NDArray[np.uint8] = np.clip(srgb * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture
