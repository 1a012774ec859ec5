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
#: A shut lid's red, green and blue over those of the skin below the eye (drawn heads with shut
#: eyes, none of them a sitter that the benchmark knows), and how far that is believed.
_LID_TO_CHEEK: Final = (0.96, 0.95, 0.95)
_LIT: Final = 0.9
#: How much longer lashes look that hang down than those that stand up towards the lens.
_HANG: Final = 1.4
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
    lids, first pixel at corner. raw: the plate itself there; soft: its large forms; grain: its
    fine texture. skin, fold, lash (LID, 3): colours along the shut lid; bare: of the open one,
    above its lashes. crease (LID,): w where the lid's fold lies."""

    shape: EyeShape
    frame: Doubles  # (3, 2) head units per e and w
    centre: Doubles
    corner: Doubles
    ball: Picture
    raw: Floats
    soft: Floats
    grain: Floats
    skin: Doubles
    fold: Doubles
    bare: Doubles
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
    soft = cv2.GaussianBlur(fine, (0, 0), max(1.0, 0.10 / pixel))
    grain = fine - soft
    skin, fold, bare, lash, crease = _lid_colours(plate, rest, shape, pixel)
    return EyePaint(
        shape, frame, centre, corner, ball, fine, soft, grain, skin, fold, bare, lash, crease, iris,
        rest, pixel, _EYEBALL * _eyes_apart(head) / shape.half,
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
) -> tuple[Doubles, Doubles, Doubles, Doubles, Doubles]:
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
    # How light falls along the lid the skin above it says; how bright a lid is that comes out of
    # its fold, the skin below the eye, which lies as open to the light.
    skin = gaussian_filter1d(skin, 5.0, axis=0, mode="nearest")
    cheek = _open_skin(soft, rest)
    level = _LID_TO_CHEEK * cheek / skin.mean(0)
    skin = skin * (1 + _LIT * (level - 1))
    fold = _read(soft, rest, np.clip(e, -0.7, 0.7)[None], (crease - 0.03)[None])[0]
    fold = np.minimum(gaussian_filter1d(fold, 2.5, axis=0, mode="nearest"), skin)
    # Towards the corners the fold is hidden by lashes; there it has the lid's colour.
    fold = fold + step(np.abs(e), 0.55, 0.9)[:, None] * (0.88 * skin - fold)
    above = _read(
        soft,
        rest,
        np.broadcast_to(e, (5, LID)),
        shape.upper + np.linspace(0.3, 1.0, 5)[:, None] * (crease - shape.upper),
    )
    bare = gaussian_filter1d(np.minimum(above.max(0), skin), 3.0, axis=0, mode="nearest")
    # Lashes: the darkest part of the margin.
    rows = shape.upper + np.linspace(-0.10, 0.10, 7)[:, None]
    margin = _read(plate, rest, columns[:7], rows).reshape(-1, 3)
    dark = margin[np.argsort(margin.sum(-1))[: max(3, len(margin) // 5)]].mean(0)
    lash = np.broadcast_to(0.9 * dark + 0.08 * skin.mean(0), (LID, 3)).copy()
    return skin, fold, bare, lash, crease


def _open_skin(soft: Picture, rest: Doubles) -> Doubles:
    """The skin below the eye, without the rims of glasses and without a lamp's reflection."""
    seen = _read(soft, rest, *np.meshgrid(np.linspace(-0.7, 0.7, 9), np.linspace(0.85, 1.05, 3)))
    seen = seen.reshape(-1, 3)
    order = np.argsort(seen.sum(-1))
    return np.asarray(seen[order[len(seen) // 3 : -len(seen) // 6]].mean(0))


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
    shadow = (1.0 - deep * bell(w - lid, 0.17)) * (1.0 - 0.4 * step(eye.closure, 0.45, 0.95))
    return np.asarray(ball * shadow[..., None], np.float32)


def _draw_lid(
    paint: EyePaint, eye: EyeMotion, colour: Floats, e: Doubles, w: Doubles,
    upper: Doubles, lower: Doubles, lid: Doubles,
) -> Floats:  # fmt: skip
    shape = paint.shape
    crease = shape.at(paint.crease, e)
    skin_edge = upper + LID_SKIN * eye.closure * (lower - upper)
    soft = 0.8 * paint.pixel
    shut = float(step(eye.closure, 0.5, 0.9))
    along = np.clip((e + 1) / 2 * (LID - 1), 0, LID - 1)
    tone = _along(paint.skin, along)
    tall = np.maximum(upper - crease, 0.05)
    share = np.clip((w - crease) / np.maximum(lid - crease, 0.05), 0, 1)
    # A lid is a small ball under skin: bright in the middle, darker in the fold and at the edge.
    light = 1.0 - (0.07 + 0.13 * shut) * np.square(2 * share - 1)
    crease_tone = _along(paint.fold, along)
    middle = step(share, 0.0, 0.6 - 0.3 * shut) * (1.0 - step(np.abs(e), 0.55, 1.05))
    tone = crease_tone + middle[..., None] * (tone - crease_tone)
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
    # The lashes of a shut lid hang down from it and leave it bare.
    carried = step((rim - crease) / tall, 0.05, 0.75) * (1 - shut)
    patch = patch + carried[..., None] * (own - patch)
    # It must hide the photo's own lashes where the skin carried them, and fades out above.
    # Lashes are longest towards the outer corner; they go down with a lid that shuts.
    outer = step(e if shape.left else -e, 0.35, 0.95)
    long = 0.15 + 0.16 * outer * float(step(eye.closure, 0.25, 0.75))
    full = step(w - (skin_edge - long), -0.10, 0.05)
    reach = np.maximum(skin_edge - 0.12 - crease, 0.10)
    early = step((w - crease) / reach, -0.1, 1.0)
    wider = float(step(eye.closure, 0.15, 0.6))
    wider = 0.11 * wider + 0.10 * shut
    sides = 1.0 - step(np.abs(e), 0.82 + wider, 1.05 + wider)
    below = _LASH * float(step(eye.closure, 0.0, 0.3))
    cover = np.maximum(full, early) * step(lid + below - w, -soft, soft) * sides
    cover = cover * float(step(eye.closure, 0.0, 0.06))
    out = colour * (1 - cover[..., None]) + patch * cover[..., None]
    if shut:
        out = _hang_lashes(paint, out, e, w, upper, lid, shut)
    thick = (0.040 + 0.012 * shut) * (1.0 - 0.4 * np.abs(e))
    line = bell((w - lid - 0.5 * below) / np.maximum(thick, 0.6 * paint.pixel), 1.0)
    line = line * (1.0 - step(np.abs(e), 0.92, 1.10)) * float(step(eye.closure, 0.3, 0.8))
    line = line * (0.45 + 0.35 * shut)
    return np.asarray(out * (1 - line[..., None]) + lash * line[..., None], np.float32)


def _hang_lashes(
    paint: EyePaint, colour: Doubles, e: Doubles, w: Doubles, upper: Doubles, lid: Doubles,
    shut: float,
) -> Doubles:  # fmt: skip
    """The photo's own upper lashes, mirrored at the rim: on a shut lid they point downwards. What
    stood up at the corners is taken away."""
    away = np.abs(e)
    stood = step(away, 0.72, 0.92) * (1.0 - step(away, 1.20, 1.40))
    stood = stood * step(w - lid, -0.50, -0.36) * (1.0 - step(w - lid, -0.04, 0.04)) * shut
    along = np.clip((e + 1) / 2 * (LID - 1), 0, LID - 1)
    # Skin goes on there as it is further out, where no lash reaches.
    bare = _read_patch(paint, paint.soft, e + 0.38 * np.sign(e), w - 0.05)
    darker = 1.0 - colour.sum(-1) / np.maximum(bare.sum(-1), 1.0)
    stood = stood * step(darker, 0.0, 0.10)
    colour = colour + stood[..., None].astype(np.float32) * (bare - colour)
    hang = w - lid
    zone = step(hang, -0.05, 0.0) * (1.0 - step(hang, 0.20, 0.36)) * (1.0 - step(away, 0.98, 1.15))
    own = _read_patch(paint, paint.raw, e, upper - hang / _HANG).sum(-1)
    dark = 1.0 - own / np.maximum(_along(paint.bare, along).sum(-1), 1.0)
    dark = np.clip((dark - 0.12) / 0.5, 0.0, 1.0) * zone * shut
    lash = _along(paint.lash, along)
    return np.asarray(colour + dark[..., None] * (lash - colour))


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
