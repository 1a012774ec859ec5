"""Shade: how light on the skin changes when the head turns and when muscles bulge.

Both are factors near 1 on the photo's own pixels, smooth enough for the coarse grid. The photo's
light is guessed from the photo: luminance on the face as a linear function of the surface normal
(first-order spherical harmonics; Basri and Jacobs 2003).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._basis import INDEX, Bases
from primafacie.generator.engines.photo_warp._flow import Field, Motion
from primafacie.generator.engines.photo_warp._relief import Relief
from primafacie.generator.engines.photo_warp._shape import bell, step

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: How much of the estimated change of light is shown, and its bounds: the guess is rough.
_TRUST: Final = 0.7
_BOUNDS: Final = (0.80, 1.22)
#: No fold makes skin darker or lighter than this.
_DEEPEST: Final = 0.25
_FOLDS: Final = ("smile_r", "smile_l", "brow_down_r", "brow_down_l", "jaw", "pucker")


@dataclass(frozen=True, slots=True, eq=False)
class Shade:
    """shape: (gh, gw); face: the part of the grid with skin, fh by fw nodes, to which all else
    belongs. normals (fh, fw, 3) in the photo's pose; light (4,): ambient and direction, scaled so
    that the face's mean is 1; skin (fh, fw): where it may act; folds (F, fh, fw): change of
    brightness at weight 1 of the bases in _FOLDS."""

    shape: tuple[int, int]
    face: tuple[slice, slice]
    normals: Floats
    light: Doubles
    skin: Floats
    folds: Floats


def build_shade(bases: Bases, plate: Picture) -> Shade:
    """Guess the light and lay out the folds of one face."""
    relief = bases.relief
    normals = _normals(relief)
    skin = (1.0 - step(relief.outside, -0.001, 0.12)).astype(np.float32)
    acts: NDArray[np.bool_] = np.greater(skin, 0)
    face = slice(*_span(acts.any(axis=1))), slice(*_span(acts.any(axis=0)))
    folds = _folds(bases).astype(np.float32) * skin
    return Shade(
        relief.shape, face, normals[face].astype(np.float32), _guess_light(relief, normals, plate),
        skin[face], np.ascontiguousarray(folds[:, *face]),
    )  # fmt: skip


def _normals(relief: Relief) -> Doubles:
    from scipy.ndimage import gaussian_filter

    depth = gaussian_filter(relief.place[..., 2], 0.025 * relief.face_width / relief.cell)
    down, across = np.gradient(depth, relief.cell)
    normal = np.dstack([-across, -down, np.ones_like(depth)])
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True))


def _guess_light(relief: Relief, normals: Doubles, plate: Picture) -> Doubles:
    grey = cv2.cvtColor(plate, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.GaussianBlur(grey, (0, 0), max(1.0, 0.6 * relief.cell))
    x = np.clip(relief.place[..., 0].round().astype(int), 0, plate.shape[1] - 1)
    y = np.clip(relief.place[..., 1].round().astype(int), 0, plate.shape[0] - 1)
    seen = grey[y, x].astype(np.float64)
    face = relief.outside <= 0
    low, high = np.percentile(seen[face], [25, 96])
    # Brows, eyes, lips and beards are not skin; neither are highlights.
    use = face & (seen >= low) & (seen <= high) & (normals[..., 2] > 0.35)
    design = np.c_[np.ones(use.sum()), normals[use]]
    level = seen[use] / max(float(seen[use].mean()), 1.0)
    # A ridge keeps a flat light flat: a photo says little about what it does not show.
    ridge = np.diag([0.0, 1.0, 1.0, 4.0]) * 0.02 * len(level)
    found = np.linalg.solve(design.T @ design + ridge + 1e-9 * np.eye(4), design.T @ level)
    return np.asarray(found)


def _folds(bases: Bases) -> Doubles:
    relief, lips = bases.relief, bases.lips
    u, v = lips.to_mouth(relief.head)
    width = np.abs(u)
    left = step(u, -0.2, 0.2)
    # The nasolabial fold runs from beside the nose past the corner of the mouth.
    line = 0.62 + 0.68 * step(v, -1.15, 0.25)
    along = step(v, -1.35, -0.85) * (1.0 - step(v, 0.05, 0.65))
    crease = -0.17 * bell(width - line, 0.10) + 0.07 * bell(width - line - 0.30, 0.22)
    apple = 0.05 * bell(width - 1.5, 0.4) * bell(v + 1.25, 0.45)
    smile = crease * along + apple
    hollow = -0.06 * bell(width - 1.55, 0.35) * bell(v - 0.35, 0.6)
    chin = -0.05 * bell(u, 0.7) * bell(v - 0.95, 0.22)
    round_ = -0.07 * bell(width - 1.12, 0.16) * bell(v - 0.05, 0.3)
    frowns = []
    for eye in bases.eyes:
        e, w = eye.to_eye(relief.head)
        inner = -1.0 if eye.left else 1.0
        brow = float(eye.brow[len(eye.brow) // 2])
        frowns.append(-0.13 * bell(e * inner - 1.72, 0.13) * bell(w - brow - 0.15, 0.55))
    return np.stack([
        smile * (1 - left), smile * left, frowns[0], frowns[1], hollow + chin, round_,
    ])  # fmt: skip


def apply_shade(shade: Shade, field: Field, motion: Motion, back: Floats, picture: Picture) -> None:
    """Relight the moved picture in place; back is the backward displacement on the nodes shown."""
    factor = _factor(shade, motion)
    if factor is None:
        return
    relief, shown = field.relief, field.shown
    at = back / np.float32(relief.cell)
    at[..., 0] += np.arange(shown.left, shown.right, dtype=np.float32)
    at[..., 1] += np.arange(shown.top, shown.bottom, dtype=np.float32)[:, None]
    moved = cv2.remap(factor, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    active = np.abs(moved - 1) > 1 / 512
    if not active.any():
        return
    top, bottom = _span(active.any(1))
    left, right = _span(active.any(0))
    cell = relief.cell
    part = np.ascontiguousarray(moved[top:bottom, left:right])
    large = cv2.resize(
        part, ((right - left) * cell, (bottom - top) * cell), interpolation=cv2.INTER_LINEAR
    )
    x0 = relief.x0 + (shown.left + left) * cell
    y0 = relief.y0 + (shown.top + top) * cell
    area = picture[y0 : y0 + large.shape[0], x0 : x0 + large.shape[1]]
    large = large[: area.shape[0], : area.shape[1]]
    # Light that reaches a fold has passed through skin: shadows on a face are warm.
    red, blue = 0.3 * np.sqrt(large) + 0.7 * large, 0.15 * large * large + 0.85 * large
    gain = cv2.merge([red, large, blue])
    area[:] = cv2.multiply(area, gain, dtype=cv2.CV_8U)


def _factor(shade: Shade, motion: Motion) -> Floats | None:
    weights = np.array([motion.weights[INDEX[name]] for name in _FOLDS], np.float32)
    weights[0:2] += [
        0.5 * (motion.weights[INDEX[f"upraise_{s}"]] + motion.weights[INDEX[f"sneer_{s}"]])
        for s in "rl"
    ]
    weights = np.maximum(weights, 0)  # a fold can be added but not taken out of the photo
    turned = not np.allclose(motion.turn, motion.rest, rtol=0, atol=1e-9)
    if not turned and not weights.any():
        return None
    area = np.ones(shade.skin.shape, np.float32)
    if turned:
        area += shade.skin * _relight(shade, motion)
    if weights.any():
        change = np.tensordot(weights, shade.folds, 1)
        area *= 1 + np.clip(change, -_DEEPEST, _DEEPEST)
    factor = np.ones(shade.shape, np.float32)
    factor[shade.face] = area
    return factor


def _relight(shade: Shade, motion: Motion) -> Floats:
    size = float(np.cbrt(np.linalg.det(motion.turn)))
    rest_size = float(np.cbrt(np.linalg.det(motion.rest)))
    turn = (motion.turn / size) @ (motion.rest / rest_size).T
    ambient, direction = shade.light[0], shade.light[1:]
    toward = np.stack([np.r_[direction, ambient], np.r_[turn.T @ direction, ambient]])
    before, after = cv2.split(cv2.transform(shade.normals, toward.astype(np.float32)))
    ratio = np.maximum(after, np.float32(0.15)) / np.maximum(before, np.float32(0.15))
    return np.asarray(np.float32(_TRUST) * (np.clip(ratio, *_BOUNDS) - 1), np.float32)


def _span(mask: Any) -> tuple[int, int]:
    found = np.flatnonzero(mask)
    return int(found[0]), int(found[-1]) + 1
