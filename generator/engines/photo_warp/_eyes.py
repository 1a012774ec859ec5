"""Eyes: gaze and blinking. The eyeball is the photo's own; the closed lid is painted.

Everything is drawn in the eye's own frame (e, w), see EyeShape, straight into the output, so that
eyeball pixels are resampled once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._basis import LID_SKIN
from primafacie.generator.engines.photo_warp._eyes_shape import LID, EyeShape
from primafacie.generator.engines.photo_warp._flow import Motion
from primafacie.generator.engines.photo_warp._relief import Relief
from primafacie.generator.engines.photo_warp._shape import bell, step
from primafacie.generator.motion import COLUMN

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Radius of the iris in half eye widths, and of the eyeball in distances between the pupils: 12 of
#: 63 mm (Dodgson 2004). The head's own unit would do worse: faces differ more in width.
_IRIS: Final = 0.40
_EYEBALL: Final = 12.0 / 63.0
#: How far lashes hang over the rim of a closed lid, in half eye widths.
_LASH: Final = 0.04
#: How far the lower lid comes to meet the upper one, in shares of the opening.
_MEET: Final = 0.105
#: Degrees of eyeLook* at 1, and the furthest that an eye may turn.
_LOOK: Final = 25.0
_FURTHEST: Final = 24.0


@dataclass(frozen=True, slots=True)
class EyeMotion:
    """closure: 0 as in the photo, 1 shut, below 0 wider. yaw, pitch in degrees from the photo's
    gaze. lower: how far the lower lid has risen, in shares of the opening."""

    closure: float
    yaw: float
    pitch: float
    lower: float

    @property
    def still(self) -> bool:
        return self == EyeMotion(0.0, 0.0, 0.0, 0.0)


def read_eye(coeffs: Floats, gaze: Floats, left: bool, lower_weight: float) -> EyeMotion:
    """One eye's motion out of one frame's coefficients (52,) and gaze (2,)."""
    side = "Left" if left else "Right"

    def c(name: str) -> float:
        return float(np.clip(coeffs[COLUMN[name + side]], 0, 1))

    out = c("eyeLookOut") - c("eyeLookIn")
    yaw = float(gaze[0]) + _LOOK * (out if left else -out)
    pitch = float(gaze[1]) + _LOOK * (c("eyeLookDown") - c("eyeLookUp"))
    yaw, pitch = (float(np.clip(a, -_FURTHEST, _FURTHEST)) for a in (yaw, pitch))
    # Lids go with the gaze: down by about a third of the opening at 20 degrees.
    follow = 0.016 * pitch if pitch > 0 else 0.010 * pitch
    closure = c("eyeBlink") + (1 - c("eyeBlink")) * (
        follow + 0.22 * c("eyeSquint") - 0.26 * c("eyeWide")
    )
    return EyeMotion(float(np.clip(closure, -0.35, 1.0)), yaw, pitch, 0.30 * lower_weight)


def lid_weight(eye: EyeMotion) -> float:
    """Weight of the lid base: the skin takes part in closing, and follows opening wholly."""
    return eye.closure if eye.closure >= 0 else eye.closure / LID_SKIN


@dataclass(frozen=True, slots=True, eq=False)
class EyePaint:
    """One eye, ready to be drawn. ball: the plate's pixels round the eye, completed under the
    lids, first pixel at corner. raw: the
    plate itself there; grain: its fine texture. skin,
    lash (LID, 3): colours along the lid. crease (LID,): w where the lid's fold lies."""

    shape: EyeShape
    frame: Doubles  # (3, 2) head units per e and w
    centre: Doubles
    corner: Doubles
    ball: Picture
    raw: Floats
    grain: Floats
    skin: Doubles
    fold: Doubles
    lash: Doubles
    crease: Doubles
    iris: Doubles
    rest: Doubles  # (2, 3) eye frame to plate pixels in the photo's own pose
    pixel: float  # one pixel in half eye widths
    ball_radius: float  # of the eyeball, in half eye widths


def build_eye(relief: Relief, shape: EyeShape, plate: Picture) -> EyePaint:
    """Find the iris, complete the eyeball, and mix the lid's colours."""
    head = relief.pose.to_head(relief.points)
    start, stop = (head[42], head[45]) if shape.left else (head[36], head[39])
    slope = (stop - start)[2] / max(float(np.hypot(*(stop - start)[:2])), 1e-6)
    across = shape.half * (shape.along + slope * np.array([0.0, 0.0, 1.0]))
    frame = np.stack([across, shape.half * shape.down], axis=1)
    ring = head[42:48] if shape.left else head[36:42]
    centre = shape.centre.copy()
    centre[2] = ring[:, 2].mean()
    rest = np.c_[
        relief.pose.scale * relief.pose.turn[:2] @ frame, relief.pose.to_picture(centre)[:2]
    ]
    pixel = 1.0 / float(np.hypot(*rest[:, 0]))
    x, y, corner = _roi(rest, plate)
    patch = plate[y[0] : y[1], x[0] : x[1]]
    e, w = _coordinates(rest, corner, patch.shape)
    iris = _find_iris(patch, shape, e, w)
    ball = _complete(plate, rest, shape, iris, e, w, patch)
    fine = patch.astype(np.float32)
    grain = fine - cv2.GaussianBlur(fine, (0, 0), max(1.0, 0.10 / pixel))
    skin, fold, lash, crease = _lid_colours(plate, rest, shape, pixel)
    return EyePaint(
        shape, frame, centre, corner, ball, fine, grain, skin, fold, lash, crease, iris, rest,
        pixel, _EYEBALL * _eyes_apart(head) / shape.half,
    )  # fmt: skip


def _eyes_apart(head: Doubles) -> float:
    """Between the middles of both eyes, in head units, from 68 head points."""
    return float(np.hypot(*(head[36:42].mean(0) - head[42:48].mean(0))[:2]))


def _roi(rest: Doubles, plate: Picture) -> tuple[tuple[int, int], tuple[int, int], Doubles]:
    box = np.array([(-1.5, -1.5), (1.5, -1.5), (1.5, 1.2), (-1.5, 1.2)])
    at = box @ rest[:, :2].T + rest[:, 2]
    height, width = plate.shape[:2]
    x = (max(0, int(at[:, 0].min())), min(width, int(at[:, 0].max()) + 2))
    y = (max(0, int(at[:, 1].min())), min(height, int(at[:, 1].max()) + 2))
    return x, y, np.array([x[0], y[0]], np.float64)


def _coordinates(
    affine: Doubles, corner: Doubles, shape: tuple[int, ...]
) -> tuple[Doubles, Doubles]:
    """e and w of the pixels of an area whose first pixel is corner."""
    inverse = np.linalg.inv(affine[:, :2])
    x = np.arange(shape[1]) + corner[0] - affine[0, 2]
    y = np.arange(shape[0]) + corner[1] - affine[1, 2]
    e = inverse[0, 0] * x[None] + inverse[0, 1] * y[:, None]
    w = inverse[1, 0] * x[None] + inverse[1, 1] * y[:, None]
    return e, w


def _find_iris(patch: Picture, shape: EyeShape, e: Doubles, w: Doubles) -> Doubles:
    """Centre of the iris (e, w): the dark disc's, by a centroid whose window follows it."""
    grey = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float64)
    upper, lower = shape.at(shape.upper, e), shape.at(shape.lower, e)
    seen = (w > upper + 0.06) & (w < lower - 0.04) & (np.abs(e) < 0.85)
    if seen.sum() < 12:
        return np.array([0.0, float((shape.upper + shape.lower)[LID // 2] / 2)])
    bright, dark = np.percentile(grey[seen], [70, 3])
    mass = np.where(seen, np.clip((bright - grey) / max(bright - dark, 1.0), 0, 1) ** 1.5, 0.0)
    centre = np.array([0.0, 0.0])
    for radius in (0.8, 0.62, 0.52, 0.48, 0.48):
        near = mass * np.clip(1.25 - np.hypot(e - centre[0], (w - centre[1]) * 0.6) / radius, 0, 1)
        total = max(float(near.sum()), 1e-6)
        centre = np.array([(near * e).sum() / total, (near * w).sum() / total])
    # The lids hide more of the top of the disc: its true centre lies a little higher.
    middle_upper = float(shape.at(shape.upper, centre[:1])[0])
    middle_lower = float(shape.at(shape.lower, centre[:1])[0])
    hidden = max(0.0, middle_upper - (centre[1] - _IRIS)) - max(
        0.0, (centre[1] + _IRIS) - middle_lower
    )
    centre[1] -= 0.25 * hidden
    centre[0] = np.clip(centre[0], -0.5, 0.5)
    return centre


def _complete(
    plate: Picture, rest: Doubles, shape: EyeShape, iris: Doubles, e: Doubles, w: Doubles,
    patch: Picture,
) -> Picture:  # fmt: skip
    """The eyeball as it goes on under the lids: the iris mirrored, the white drawn out."""
    upper, lower = shape.at(shape.upper, e), shape.at(shape.lower, e)
    colours = patch.astype(np.float64)
    far = np.hypot(e - iris[0], w - iris[1]) / _IRIS
    seen = (w > upper + 0.10) & (w < lower - 0.08) & (np.abs(e) < 0.9)
    made = _white(colours, seen & (far > 1.12), e, w, iris, upper)
    # The disc: what the lids hide of it is its own mirror image, or else its usual colour.
    disc = seen & (far < 0.95)
    usual = np.median(colours[disc], axis=0) if disc.sum() > 5 else made.mean((0, 1)) * 0.4
    mirrored = 2 * iris[1] - w
    there = (mirrored > upper + 0.10) & (mirrored < lower - 0.10)
    image = _read(plate, rest, e, mirrored)
    if disc.sum() > 5:  # a lamp's reflection has no mirror image
        image = np.minimum(image, np.percentile(colours[disc], 80, axis=0))
    sure = step(mirrored - upper, 0.08, 0.2) * step(lower - mirrored, 0.08, 0.2) * there
    hidden = usual + sure[..., None] * (image - usual)
    made = made + (1.0 - step(far, 0.90, 1.10))[..., None] * (hidden - made)
    inside = step(w - upper, 0.02, 0.12) * step(lower - w, 0.03, 0.14) * step(1 - np.abs(e), 0, 0.1)
    blend = inside[..., None]
    mixed = colours * blend + made * (1 - blend)
    return np.asarray(np.clip(mixed + 0.5, 0, 255), np.uint8)


def _white(
    colours: Doubles, seen: NDArray[np.bool_], e: Doubles, w: Doubles, iris: Doubles,
    upper: Doubles,
) -> Doubles:  # fmt: skip
    """The white of the eye everywhere: its colours left and right of the iris, shaded upwards."""
    sides = []
    for side in (seen & (e < iris[0]), seen & (e > iris[0])):
        found = colours[side]
        if len(found) >= 4:
            level = found.sum(-1)
            sides.append(found[level >= np.median(level)].mean(0))
    if not sides:
        sides = [np.percentile(colours.reshape(-1, 3), 70, axis=0)]
    left, right = sides[0], sides[-1]
    share = step(e - iris[0], -0.8, 0.8)[..., None]
    shade = 0.62 + 0.38 * step(w - upper, -0.1, 0.40)
    return np.asarray((left + share * (right - left)) * shade[..., None])


def _lid_colours(
    plate: Picture, rest: Doubles, shape: EyeShape, pixel: float
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    from scipy.ndimage import gaussian_filter1d

    e = np.linspace(-1, 1, LID)
    middle = LID // 2
    room = float(np.clip(shape.upper[middle] - shape.brow[middle], 0.4, 1.6))
    depth = float(np.clip(0.28 * room, 0.12, 0.34))
    crease = shape.upper - depth * np.maximum(1 - e**2, 0.0) ** 0.5
    soft = cv2.GaussianBlur(plate, (0, 0), max(0.6, 0.03 / pixel))
    share = np.linspace(0.15, 0.65, 13)[:, None]
    rows = shape.upper + share * (np.minimum(shape.brow, shape.upper - 0.4) - shape.upper)
    columns = np.broadcast_to(np.clip(e, -0.85, 0.85), rows.shape)
    samples = _read(soft, rest, columns, rows)
    order = np.argsort(samples.sum(-1), axis=0)
    ranked = np.take_along_axis(samples, order[..., None], axis=0)
    skin = ranked[5:12].mean(0)
    cheek = _read(soft, rest, np.linspace(-0.7, 0.7, 9)[None], np.full((1, 9), 0.95))[0].mean(0)
    skin = 0.60 * gaussian_filter1d(skin, 5.0, axis=0, mode="nearest") + 0.40 * cheek
    fold = _read(soft, rest, np.clip(e, -0.7, 0.7)[None], (crease - 0.03)[None])[0]
    fold = gaussian_filter1d(fold, 2.5, axis=0, mode="nearest")
    lid = _read(soft, rest, np.clip(e, -0.8, 0.8)[None], (0.55 * shape.upper + 0.45 * crease)[None])
    skin = 0.72 * skin + 0.28 * gaussian_filter1d(lid[0], 4.0, axis=0, mode="nearest")
    # Towards the corners the fold is hidden by lashes; there it has the lid's colour.
    fold = fold + step(np.abs(e), 0.45, 0.8)[:, None] * (0.96 * skin - fold)
    # Lashes: the darkest part of the margin.
    rows = shape.upper + np.linspace(-0.10, 0.10, 7)[:, None]
    margin = _read(plate, rest, columns[:7], rows).reshape(-1, 3)
    dark = margin[np.argsort(margin.sum(-1))[: max(3, len(margin) // 5)]].mean(0)
    lash = np.broadcast_to(0.9 * dark + 0.08 * skin.mean(0), (LID, 3)).copy()
    return skin, fold, lash, crease


def _read(plate: Picture, rest: Doubles, e: Doubles, w: Doubles) -> Doubles:
    x = (e * rest[0, 0] + w * rest[0, 1] + rest[0, 2]).astype(np.float32)
    y = (e * rest[1, 0] + w * rest[1, 1] + rest[1, 2]).astype(np.float32)
    found = cv2.remap(plate, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.float64)


def paint_eye(paint: EyePaint, eye: EyeMotion, motion: Motion, picture: Picture) -> None:
    """Draw eyeball and lid over the moved picture, in place. Does nothing for a still eye."""
    if eye.still:
        return
    affine = np.c_[motion.turn[:2] @ paint.frame, motion.place(paint.centre, np.zeros(3))]
    x, y, corner = _roi(affine, picture)
    area = picture[y[0] : y[1], x[0] : x[1]]
    if min(area.shape[:2]) < 4:
        return
    e, w = _coordinates(affine, corner, area.shape)
    shape = paint.shape
    upper, lower = shape.at(shape.upper, e), shape.at(shape.lower, e)
    gap = lower - upper
    low = lower - eye.lower * gap
    lid = upper + eye.closure * (1 - _MEET) * gap
    lid = np.minimum(lid, low)
    soft = 0.8 * paint.pixel
    wide = step(1.0 - np.abs(e), 0.02, 0.22)
    # Towards the rims the moved photo stays, with its own lashes and wet edges; only a lid that
    # comes down has no rim in the photo yet.
    fresh = min(1.0, max(0.0, eye.closure) / 0.10)
    # A lamp in the eye goes along with it, and must not be left behind at the rim.
    looks = min(1.0, float(np.hypot(eye.yaw, eye.pitch)) / 4.0)
    depth = 0.14 - max(0.10 * fresh, 0.07 * looks)
    # An iris that has risen or sunk would leave its old rim on the lower lid.
    shallow = 0.14 - 0.11 * max(fresh, min(1.0, abs(eye.pitch) / 5.0))
    opening = step(w - lid, -soft * fresh, depth) * step(low - w, -soft * fresh, shallow) * wide
    moved = max(abs(eye.closure) / 0.06, abs(eye.yaw) / 1.5, abs(eye.pitch) / 1.5, eye.lower / 0.04)
    active = float(step(moved, 0.0, 1.0))
    colour = area.astype(np.float32)
    ball = _eyeball(paint, eye, e, w, lid)
    alpha = (opening * active)[..., None].astype(np.float32)
    colour = colour * (1 - alpha) + ball * alpha
    if eye.closure > 0:
        colour = _draw_lid(paint, eye, colour, e, w, upper, lower, lid)
    area[:] = np.clip(colour + 0.5, 0, 255).astype(np.uint8)


def _eyeball(paint: EyePaint, eye: EyeMotion, e: Doubles, w: Doubles, lid: Doubles) -> Floats:
    shift_e = paint.ball_radius * np.sin(np.radians(eye.yaw))
    shift_w = paint.ball_radius * np.sin(np.radians(eye.pitch))
    far = np.hypot(e - paint.iris[0] - shift_e, w - paint.iris[1] - shift_w) / _IRIS
    weight = 1.0 - step(far, 1.14, 2.3)
    from_e, from_w = e - shift_e * weight, w - shift_w * weight
    rest, corner = paint.rest, paint.corner
    x = (from_e * rest[0, 0] + from_w * rest[0, 1] + rest[0, 2] - corner[0]).astype(np.float32)
    y = (from_e * rest[1, 0] + from_w * rest[1, 1] + rest[1, 2] - corner[1]).astype(np.float32)
    ball = cv2.remap(paint.ball, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # The lid's shadow comes down with it.
    deep = min(1.0, max(0.0, eye.closure) * 2.5) * (0.38 + 0.22 * max(0.0, eye.closure))
    shadow = 1.0 - deep * bell(w - lid, 0.17)
    return np.asarray(ball * shadow[..., None], np.float32)


def _draw_lid(
    paint: EyePaint, eye: EyeMotion, colour: Floats, e: Doubles, w: Doubles,
    upper: Doubles, lower: Doubles, lid: Doubles,
) -> Floats:  # fmt: skip
    shape = paint.shape
    crease = shape.at(paint.crease, e)
    skin_edge = upper + LID_SKIN * eye.closure * (lower - upper)
    soft = 0.8 * paint.pixel
    along = np.clip((e + 1) / 2 * (LID - 1), 0, LID - 1)
    tone = _along(paint.skin, along)
    tall = np.maximum(upper - crease, 0.05)
    share = np.clip((w - crease) / np.maximum(lid - crease, 0.05), 0, 1)
    # A lid is a small ball under skin: bright in the middle, darker in the fold and at the edge.
    light = 0.93 + 0.09 * np.sin(np.pi * share) - 0.08 * share**3 - 0.10 * np.abs(e) ** 3
    crease_tone = _along(paint.fold, along)
    tone = crease_tone + step(share, 0.0, 0.6)[..., None] * (tone - crease_tone)
    # The photo's own grain, from the cheek below the eye, where nothing is drawn.
    below = shape.lower.max() + 0.35 + 0.5 * np.clip(w - crease, 0.0, 1.2)
    grain = _read_patch(paint, paint.grain, e, below)
    grain = np.clip(grain, -6, 6)
    patch = tone * light[..., None] + 0.8 * grain
    # The rim of the lid with its lashes is the photo's own, carried down unstretched.
    rim = w - lid + upper
    own = _read_patch(paint, paint.raw, e, np.maximum(rim, crease))
    # A rim is not brighter than its lid: what is, is the eye's own white or a lamp in it.
    own = np.minimum(own, 1.10 * patch)
    lash = _along(paint.lash, along)
    # Below its rim the photo shows the eye, and a shut lid must not.
    past = step(w - lid, -0.03, 0.03) * float(step(eye.closure, 0.5, 0.9))
    rim_tone = own + past[..., None] * (lash - own)
    carried = step((rim - crease) / tall, 0.05, 0.75)
    patch = patch + carried[..., None] * (rim_tone - patch)
    # It must hide the photo's own lashes where the skin carried them, and fades out above.
    # Lashes are longest towards the outer corner; they go down with a lid that shuts.
    outer = step(e if shape.left else -e, 0.35, 0.95)
    long = 0.15 + 0.16 * outer * float(step(eye.closure, 0.25, 0.75))
    full = step(w - (skin_edge - long), -0.10, 0.05)
    reach = np.maximum(skin_edge - 0.12 - crease, 0.10)
    early = step((w - crease) / reach, -0.1, 1.0)
    wider = float(step(eye.closure, 0.15, 0.6))
    sides = 1.0 - step(np.abs(e), 0.82 + 0.11 * wider, 1.04 + 0.12 * wider)
    below = _LASH * float(step(eye.closure, 0.0, 0.3))
    cover = np.maximum(full, early) * step(lid + below - w, -soft, soft) * sides
    cover = cover * float(step(eye.closure, 0.0, 0.06))
    out = colour * (1 - cover[..., None]) + patch * cover[..., None]
    thick = 0.040 * (1.0 - 0.4 * np.abs(e))
    line = bell((w - lid - 0.5 * below) / np.maximum(thick, 0.6 * paint.pixel), 1.0)
    line = line * 0.45 * (1.0 - step(np.abs(e), 0.92, 1.10)) * float(step(eye.closure, 0.3, 0.8))
    return np.asarray(out * (1 - line[..., None]) + lash * line[..., None], np.float32)


def _read_patch(paint: EyePaint, patch: Floats, e: Doubles, w: Doubles) -> Floats:
    rest, corner = paint.rest, paint.corner
    x = (e * rest[0, 0] + w * rest[0, 1] + rest[0, 2] - corner[0]).astype(np.float32)
    y = (e * rest[1, 0] + w * rest[1, 1] + rest[1, 2] - corner[1]).astype(np.float32)
    found = cv2.remap(patch, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(found, np.float32)


def _along(colours: Doubles, index: Doubles) -> Floats:
    """Colours (LID, 3) at any place between them."""
    row = colours[None].astype(np.float32)
    at = index.astype(np.float32)
    return np.asarray(cv2.remap(row, at, np.zeros_like(at), cv2.INTER_LINEAR), np.float32)
