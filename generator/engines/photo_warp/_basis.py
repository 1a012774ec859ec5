"""Bases: how each muscle moves the skin, written for any face in its own proportions.

A base is a displacement of head points in head units. The mouth is cut, so every base has an
upper and a lower version: they agree beyond the corners and away from the lip line, and each is
continued a little way past the cut.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._eyes_shape import EyeShape
from primafacie.generator.engines.photo_warp._lips import EDGE, Lips
from primafacie.generator.engines.photo_warp._relief import Relief
from primafacie.generator.engines.photo_warp._shape import bell, step
from primafacie.generator.head import rotation

Doubles = NDArray[np.float64]

BASES: Final[tuple[str, ...]] = (
    "jaw", "jaw_side", "close", "seal", "press", "roll_upper", "roll_lower",
    "pucker", "funnel", "mouth_side",
    "stretch_l", "stretch_r", "smile_l", "smile_r", "frown_l", "frown_r",
    "upraise_l", "upraise_r", "lowdown_l", "lowdown_r", "shrug", "puff",
    "sneer_l", "sneer_r", "cheek_l", "cheek_r",
    "brow_in", "brow_out_l", "brow_out_r", "brow_down_l", "brow_down_r",
    "lid_l", "lid_r", "low_l", "low_r",
)  # fmt: skip
INDEX: Final[dict[str, int]] = {name: i for i, name in enumerate(BASES)}

#: Share of the upper lid's travel that the skin above takes part in; more smears the lashes.
LID_SKIN: Final = 0.45
_JAW_DEGREES: Final = 17.0


@dataclass(frozen=True, slots=True, eq=False)
class Bases:
    """The bases of one face."""

    relief: Relief
    lips: Lips
    eyes: tuple[EyeShape, EyeShape]
    hinge: Doubles
    nose_base: float
    chin: float
    jaw_gap: Doubles  # (EDGE, 3): lower minus upper displacement along the lip edges at jaw = 1

    def upper(self, head: Doubles, outside: Doubles) -> Doubles:
        """(K, ..., 3) for points on and above the lip line; fades into `lower` below it."""
        return self._blend(head, outside, lower=False)

    def lower(self, head: Doubles, outside: Doubles) -> Doubles:
        """(K, ..., 3) for points on and below the lip line; fades into `upper` above it."""
        return self._blend(head, outside, lower=True)

    def _blend(self, head: Doubles, outside: Doubles, lower: bool) -> Doubles:
        u, v = self.lips.to_mouth(head)
        if lower:
            past = self.lips.edge_at(u, True) - v
        else:
            past = v - self.lips.edge_at(u, False)
        share = step(past, 0.15, 0.45)[..., None]
        own = _raw(self, head, outside, lower)
        other = _raw(self, head, outside, not lower)
        return (1 - share) * own + share * other


def build_bases(relief: Relief, lips: Lips, eyes: tuple[EyeShape, EyeShape]) -> Bases:
    """The bases of a face; the closing base is calibrated to the face's own jaw."""
    head = relief.pose.to_head(relief.points)
    ear = (head[1] + head[15]) / 2
    hinge = np.array([ear[0], ear[1] - 0.5, ear[2] - 1.0])
    draft = Bases(
        relief, lips, eyes, hinge, float(head[33, 1]), float(head[8, 1]), np.zeros((EDGE, 3))
    )
    top, low = edge_points(relief, lips)
    none = np.zeros(EDGE)
    jaw = INDEX["jaw"]
    gap = _raw(draft, low, none, True)[jaw] - _raw(draft, top, none, False)[jaw]
    return Bases(relief, lips, eyes, hinge, draft.nose_base, draft.chin, gap)


def edge_points(relief: Relief, lips: Lips) -> tuple[Doubles, Doubles]:
    """The lips' inner edges as head points (EDGE, 3), upper and lower."""
    u = np.linspace(-1, 1, EDGE)
    return (
        on_surface(relief, lips.centre, lips.along, lips.down, lips.half, u, lips.upper_edge),
        on_surface(relief, lips.centre, lips.along, lips.down, lips.half, u, lips.lower_edge),
    )


def on_surface(
    relief: Relief, centre: Doubles, along: Doubles, down: Doubles, half: float,
    u: Doubles, v: Doubles,
) -> Doubles:  # fmt: skip
    """Head points (n, 3) at local coordinates, with depth from the relief."""
    flat = centre + half * (u[:, None] * along + v[:, None] * down)
    for _ in range(4):
        # Depth moves a point in the picture when the head is turned, so depth is found there.
        place = relief.pose.to_picture(flat)
        lifted = relief.lift(place[:, :2])
        flat[:, 2] = lifted[:, 2]
    return flat


def _raw(b: Bases, head: Doubles, outside: Doubles, lower: bool) -> Doubles:
    field: dict[str, Doubles] = {}
    _mouth(b, head, outside, lower, field)
    for eye in b.eyes:
        _eye(b, eye, head, field)
    skin = 1.0 - step(outside, 0.10, 0.45)
    found = np.stack([field[name] for name in BASES])
    fades = np.ones((len(BASES), *([1] * outside.ndim))) * skin
    fades[INDEX["jaw"]] = 1.0
    fades[INDEX["jaw_side"]] = 1.0
    return np.asarray(found * fades[..., None])


def _mouth(
    b: Bases, head: Doubles, outside: Doubles, lower: bool, field: dict[str, Doubles]
) -> None:
    lips, a = b.lips, b.lips.half
    along, down = a * lips.along, a * lips.down
    deep = a * np.array([0.0, 0.0, 1.0])
    u, v = lips.to_mouth(head)
    rel = v - lips.edge_at(u, lower)
    lip = lips.lower_thickness if lower else lips.upper_thickness
    arch = np.maximum(1 - u**2, 0.0)
    width = np.abs(u)
    past = bell(np.maximum(width - 1, 0.0), 0.55)
    left = step(u, -0.35, 0.35)
    right = 1.0 - left
    line = lips.edge_at(u, False) * 0.5 + lips.edge_at(u, True) * 0.5
    away = v - line

    def vec(across: Doubles | float, fall: Doubles | float, out: Doubles | float = 0.0) -> Doubles:
        shape = np.broadcast_arrays(u, across, fall, out)
        return shape[1][..., None] * along + shape[2][..., None] * down + shape[3][..., None] * deep

    # The jaw turns about the ears; the upper lip stays, cheeks follow by their height.
    cheek = step(head[..., 1], b.nose_base, b.chin)
    # An open smile is already wide at the corners; a jaw that drops rounds it in the middle.
    pointed = 0.62 + 0.40 * min(1.0, max(0.0, lips.gap) / 0.10)
    grip = np.maximum(1 - (u / 0.97) ** 2, 0.0) ** pointed
    weight = cheek + (1 - cheek) * grip if lower else cheek * (1 - grip)
    fade = 1.0 - step(outside, 0.0, 0.42)
    turned = (head - b.hinge) @ (rotation(0, _JAW_DEGREES, 0) - np.eye(3)).T
    near = bell(away, 3.0 * 0.35)
    narrowing = vec(-0.10 * np.clip(u, -1, 1) * past * near, 0.0)
    lift = vec(0.0, -0.06 * arch * bell(rel, 2.6 * lip) * (0.0 if lower else 1.0))
    field["jaw"] = turned * (weight * fade)[..., None] + narrowing + lift
    field["jaw_side"] = vec(0.25 * weight * fade, 0.0)

    # Closing undoes the jaw at the lips only.
    gap = np.stack(
        [np.interp(u, np.linspace(-1, 1, EDGE), b.jaw_gap[:, i]) for i in range(3)], axis=-1
    )
    gap = gap * (arch > 0)[..., None]
    close = bell(rel, 3.2 * lip)[..., None]
    field["close"] = (-0.86 if lower else 0.14) * gap * close
    own_gap = lips.edge_at(u, True) - lips.edge_at(u, False)
    field["seal"] = vec(0.0, (-0.59 if lower else 0.47) * own_gap * bell(rel, 2.0 * lip))

    squeeze = rel * bell(rel, 1.3 * lip) * past
    field["press"] = vec(0.0, -0.30 * squeeze * (arch > 0) * arch**0.5)
    tuck = vec(0.0, -0.42 * squeeze * arch**0.5, -0.05 * arch * bell(rel, 1.3 * lip))
    zero = np.zeros_like(tuck)
    field["roll_upper"] = zero if lower else tuck
    bite = vec(0.0, -0.10 * arch * bell(rel, 2.2 * lip), -0.06 * arch * bell(rel, 2 * lip))
    field["roll_lower"] = 0.8 * tuck + bite if lower else zero

    near_lip = bell(away, 3.0 * 0.32)
    inward = np.clip(u, -1, 1) * past * near_lip
    swell = rel * bell(rel, 2.0 * lip) * past
    field["pucker"] = vec(-0.34 * inward, 0.10 * swell, 0.22 * arch * near_lip)
    flare = (0.17 if lower else -0.13) * arch * bell(rel, 2.6 * lip)
    field["funnel"] = vec(-0.20 * inward, flare, 0.18 * arch * near_lip)
    field["mouth_side"] = vec(0.20 * past * bell(away, 1.0), 0.0)

    outward = np.sign(u) * np.minimum(width, 1.0) ** 1.2 * past * near_lip
    corner = np.minimum(width, 1.0) ** 2 * past
    grin = np.sign(u) * np.minimum(width, 1.0) ** 1.3 * past * bell(away, 1.0)
    lobe = bell(width - 1.35, 0.5) * bell(v + 0.75, 0.55)
    raise_ = (0.0 if lower else -0.16) * arch * bell(rel, 2.6 * lip)
    fall = (0.20 if lower else 0.0) * arch * bell(rel, 2.6 * lip)
    wing = bell(width - 0.42, 0.28) * bell(v + 0.95, 0.45)
    for side, share in (("l", left), ("r", right)):
        field[f"stretch_{side}"] = vec(0.17 * outward * share, 0.0)
        rise = -0.20 * corner * bell(away, 0.9) - 0.08 * lobe
        field[f"smile_{side}"] = vec(0.20 * grin * share, rise * share)
        field[f"frown_{side}"] = vec(0.0, 0.14 * corner * bell(away, 0.9) * share)
        field[f"upraise_{side}"] = vec(0.0, raise_ * share)
        field[f"lowdown_{side}"] = vec(0.0, fall * share)
        field[f"sneer_{side}"] = vec(0.0, -0.10 * wing * share + 0.25 * raise_ * share)
    field["shrug"] = vec(
        0.0, -0.10 * bell(u, 0.9) * bell(v - 1.1, 0.6) - (0.05 * arch * bell(rel, 2 * lip))
    )
    puffed = bell(width - 1.5, 0.45) * bell(v - 0.1, 0.7)
    field["puff"] = vec(0.12 * np.sign(u) * puffed, 0.0, 0.2 * puffed)


def _eye(b: Bases, eye: EyeShape, head: Doubles, field: dict[str, Doubles]) -> None:
    side = "l" if eye.left else "r"
    h = eye.half
    e, w = eye.to_eye(head)
    upper, lower, brow = eye.at(eye.upper, e), eye.at(eye.lower, e), eye.at(eye.brow, e)
    inner = -1.0 if eye.left else 1.0  # where the nose is
    gap = (lower - upper) * (np.abs(e) < 1)
    inside = np.clip((lower - w) / np.maximum(lower - upper, 1e-3), 0, 1)

    def fall(amount: Doubles, across: Doubles | float = 0.0) -> Doubles:
        side_part = np.broadcast_to(np.asarray(across), amount.shape)
        return h * (amount[..., None] * eye.down + side_part[..., None] * eye.along)

    above = bell(np.minimum(w - upper, 0.0), 0.55)
    field[f"lid_{side}"] = fall(LID_SKIN * gap * np.where(w < upper, above, inside))
    below = bell(np.maximum(w - lower, 0.0), 0.5)
    field[f"low_{side}"] = fall(-0.30 * gap * np.where(w > lower, below, 1 - inside))
    pouch = bell(e, 1.1) * bell(w - 1.15, 0.55)
    field[f"cheek_{side}"] = fall(-0.16 * pouch)

    off = w - brow
    band = np.where(off < 0, bell(off, 1.1), bell(off, 0.62)) * bell(
        np.maximum(np.abs(e) - 1.5, 0.0), 0.55
    )
    toward_nose = step(e * inner, -0.5, 1.0)
    outer = 1.0 - toward_nose
    raised = -0.34 * band
    field["brow_in"] = field.get("brow_in", 0.0) + fall(raised * toward_nose)
    field[f"brow_out_{side}"] = fall(raised * outer)
    lowered = 0.20 * band * (0.35 + 0.65 * toward_nose)
    field[f"brow_down_{side}"] = fall(lowered, 0.16 * inner * band * toward_nose)
