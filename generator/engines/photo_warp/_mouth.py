"""Mouth: what is seen between the lips: cavity, tongue, teeth, or the photo's own teeth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._basis import INDEX, Bases, edge_points
from primafacie.generator.engines.photo_warp._flow import Cut, Motion
from primafacie.generator.engines.photo_warp._lips import EDGE
from primafacie.generator.engines.photo_warp._shape import bell, step

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Texture pixels per half mouth width, and the reach of the textures in half widths.
_TEXEL: Final = 80
_REACH_U: Final = 1.15
_REACH_V: Final = 1.3
#: Widths of the upper teeth from the middle outwards, as outer borders in half mouth widths.
_UPPER: Final = (0.0, 0.30, 0.53, 0.73, 0.89, 1.02)
#: Light between lips has touched flesh: shadows there are red. Exponents of red, green and blue.
_WARM: Final = np.array([0.82, 1.05, 1.12], np.float32)
#: How far the upper teeth reach below the resting lip line, in half widths.
_OVERHANG: Final = 0.13
_LOWER: Final = (0.0, 0.19, 0.38, 0.57, 0.74, 0.89)


@dataclass(frozen=True, slots=True, eq=False)
class MouthPaint:
    """Everything about one mouth that does not change.

    upper_edge, lower_edge (EDGE, 3) head points; upper_moves, lower_moves (K, EDGE, 3).
    skull, jaw, tongue: RGBA float32 textures in premultiplied colour, u to the right, v downwards,
    the middle of the mouth in their middle; skull holds the photo's own mouth where it is open.
    The tongue's tip lies at v = 0. teeth: v of the upper teeth's edge.
    cavity (3,): the dark behind. blur: pixels, matches the photo's sharpness. gap: the photo's
    own aperture in mouth widths.
    """

    upper_edge: Doubles
    lower_edge: Doubles
    upper_moves: Doubles
    lower_moves: Doubles
    centre: Doubles
    frame: Doubles  # (3, 2): head units per u and per v
    jaw_move: Doubles  # (K, 3): how the lower teeth follow the bases
    skull: Floats
    jaw: Floats
    tongue: Floats
    teeth: float
    cavity: Floats
    seam: Floats  # (3,): colour of the line between closed lips
    half_px: float
    blur: float
    gap: float


def build_mouth(bases: Bases, plate: Picture, upscale: float) -> MouthPaint:
    """Measure colours in the photo and draw the textures."""
    relief, lips = bases.relief, bases.lips
    top, low = edge_points(relief, lips)
    none = np.zeros(EDGE)
    upper_moves, lower_moves = bases.upper(top, none), bases.lower(low, none)
    half_px = float(relief.pose.scale * lips.half)
    jaw_move = np.zeros_like(lower_moves[:, EDGE // 2])
    for name in ("jaw", "jaw_side"):
        jaw_move[INDEX[name]] = lower_moves[INDEX[name], EDGE // 2]
    jaw_move[INDEX["jaw"]] *= (1.0, 0.92, 1.0)
    colours = _colours(bases, plate)
    frame = lips.half * np.stack([lips.along, lips.down], axis=1)
    centre = lips.centre.copy()
    centre[2] = (top[EDGE // 2, 2] + low[EDGE // 2, 2]) / 2
    skull = _upper_teeth(colours, float(lips.upper_edge[EDGE // 2]))
    if lips.open:
        skull = _own_mouth(bases, plate, centre, frame, colours)
    jaw = _lower_jaw(colours, float(lips.lower_edge[EDGE // 2]))
    teeth = float(lips.upper_edge[EDGE // 2]) + _OVERHANG
    if lips.open:
        teeth = max(teeth, float(lips.lower_edge[EDGE // 2]) - 0.03)
    return MouthPaint(
        top, low, upper_moves, lower_moves, centre, frame, jaw_move, skull, jaw,
        _tongue_tip(colours), teeth,
        colours.cavity, (colours.lip * (0.46, 0.37, 0.36)).astype(np.float32), half_px,
        max(0.45, 0.55 * upscale), max(0.0, lips.gap),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Colours:
    lip: Floats
    skin: Floats
    cavity: Floats
    tooth: Floats
    tongue: Floats


def _colours(bases: Bases, plate: Picture) -> _Colours:
    points = bases.relief.points[:, :2]
    lip = _inside(plate, points[48:60])
    face = _inside(plate, points[[1, 4, 6, 8, 10, 12, 15, 35, 31]])
    skin_bright = np.percentile(face, 78, axis=0)
    skin_middle = np.median(face, axis=0)
    lip_middle = np.median(lip, axis=0)
    # The deepest shadow of the lips, but never lighter than a dark version of them.
    luma = np.array([0.299, 0.587, 0.114])
    shadow = 0.6 * float(np.percentile(lip @ luma, 4)) / max(float(lip_middle @ luma), 1.0)
    cavity = lip_middle * min(0.27, shadow) * (1.0, 0.74, 0.70)
    # Teeth are as bright as the light and as tinted as the picture; skin and the whites of the
    # eyes tell both, on dark skin the eyes alone.
    white = _eye_white(plate, points)
    level = max(0.96 * float(skin_bright @ luma) + 4.0, 0.88 * float(white @ luma))
    grey = np.full(3, level)
    tint = 0.30 * grey + 0.35 * _to_level(skin_bright, level) + 0.35 * _to_level(white, level)
    tooth = tint * min(225.0, level) / max(float(tint @ luma), 1.0)
    tongue = (0.66 * lip_middle + 0.14 * skin_middle) * (1.06, 0.92, 0.94)
    return _Colours(
        lip_middle.astype(np.float32), skin_middle.astype(np.float32),
        cavity.astype(np.float32), np.clip(tooth, 0, 245).astype(np.float32),
        tongue.astype(np.float32),
    )  # fmt: skip


def _eye_white(plate: Picture, points: Doubles) -> Doubles:
    pixels = np.vstack([_inside(plate, points[36:42]), _inside(plate, points[42:48])])
    level = pixels.sum(-1)
    low, high = np.percentile(level, [60, 92])
    return np.asarray(pixels[(level >= low) & (level <= high)].mean(0))


def _to_level(colour: Doubles, level: float) -> Doubles:
    return np.asarray(colour * level / max(float(colour @ (0.299, 0.587, 0.114)), 1.0))


def _inside(plate: Picture, outline: Doubles) -> Doubles:
    mask = np.zeros(plate.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(outline).astype(np.int32)], 1)
    found = plate[mask > 0]
    return found.astype(np.float64) if len(found) else np.full((1, 3), 128.0)


def _texture_grid() -> tuple[Doubles, Doubles]:
    columns, rows = int(2 * _REACH_U * _TEXEL), int(2 * _REACH_V * _TEXEL)
    u = (np.arange(columns) + 0.5) / _TEXEL - _REACH_U
    v = (np.arange(rows) + 0.5) / _TEXEL - _REACH_V
    return np.meshgrid(u, v)


def _tooth_row(
    u: Doubles, v: Doubles, borders: tuple[float, ...], edge: Doubles, root: float
) -> tuple[Doubles, Doubles]:
    """Shade and cover of a row of teeth whose biting edge is at v = edge(|u|), root at root."""
    width = np.abs(u)
    shade, cover = np.zeros_like(u), np.zeros_like(u)
    sign = 1.0 if root < float(edge.mean()) else -1.0
    for inner, outer in pairwise(borders):
        middle, half = (inner + outer) / 2, (outer - inner) / 2
        x = (width - middle) / half
        # Rounded corners: the biting edge recedes towards the gaps.
        corner = edge - sign * 0.035 * np.abs(x) ** 4
        low = step(sign * (corner - v), -0.012, 0.018)
        high = step(sign * (v - root), -0.03, 0.05)
        body = low * high * (np.abs(x) <= 1.0)
        # Between teeth there is a thin shadow, not a gap.
        round_ = 1.0 - 0.10 * np.abs(x) ** 3 - 0.30 * bell(np.abs(x) - 1.0, 0.09)
        shade = np.maximum(shade, body * round_)
        cover = np.maximum(cover, body)
    return shade, cover


def _upper_teeth(colours: _Colours, lip: float) -> Floats:
    """Upper teeth on the dark; their edge reaches a little below the resting lip line."""
    u, v = _texture_grid()
    width = np.abs(u)
    edge = lip + _OVERHANG - 0.07 * width**2 - 0.02 * bell(width - 0.41, 0.12)
    shade, cover = _tooth_row(u, v, _UPPER, edge, -0.55)
    lateral = np.clip(1.05 - 0.72 * width**1.6, 0.10, 1.0)
    # The upper lip throws its shadow on the teeth; they gleam most near the edge.
    gleam = 0.84 + 0.16 * step(v, edge.min() - 0.45, edge.max())
    light = shade * lateral * gleam
    colour = colours.cavity + light[..., None] * (colours.tooth - colours.cavity)
    return _premultiplied(colour, cover * step(1.08 - width, 0.0, 0.2))


def _lower_jaw(colours: _Colours, lip: float) -> Floats:
    """Lower teeth in front of the tongue, in the jaw's frame."""
    u, v = _texture_grid()
    width = np.abs(u)
    # The tongue lies low and back: an ellipse with a groove, darker to the sides and the throat.
    ellipse = np.hypot(u / 0.70, (v - lip - 0.16) / 0.46)
    tongue = step(1.0 - ellipse, 0.0, 0.22)
    shine = 1.0 + 0.22 * bell(u, 0.40) * bell(v - lip + 0.08, 0.11)
    groove = 1.0 - 0.22 * bell(u, 0.07) * step(v, lip - 0.25, lip + 0.05)
    deep = 0.55 + 0.45 * step(v, lip - 0.30, lip + 0.02)
    wet = colours.tongue * (shine * groove * deep)[..., None]
    edge = lip + 0.035 + 0.10 * width**2
    shade, cover = _tooth_row(u, v, _LOWER, edge, 0.75 + lip)
    lateral = np.clip(0.86 - 0.62 * width**1.6, 0.10, 1.0)
    tooth = colours.cavity + (shade * lateral)[..., None] * (colours.tooth - colours.cavity)
    cover = cover * step(0.95 - width, 0.0, 0.2)
    # The cheeks close the mouth at its sides: dark flesh, not a hole.
    wall = 0.85 * step(width, 0.30, 0.85)
    flesh = colours.lip * np.array([0.46, 0.36, 0.35], np.float32)
    alpha = np.maximum(np.maximum(tongue, cover), wall)
    colour = flesh + tongue[..., None] * (wet - flesh)
    colour = colour + cover[..., None] * (tooth - colour)
    return _premultiplied(colour, alpha)


def _tongue_tip(colours: _Colours) -> Floats:
    """The tongue as it rises to the teeth: a rounded tip with a wet gleam and a soft groove."""
    u, v = _texture_grid()
    wide = 0.46 + 0.16 * step(v, 0.0, 0.5)
    round_ = np.hypot(u / wide, np.minimum(v - 0.16, 0.0) / 0.16)
    cover = step(1.0 - round_, -0.02, 0.10)
    side = np.clip(1.0 - 0.45 * np.abs(u / wide) ** 3, 0.3, 1.0)
    gleam = 1.0 + 0.24 * bell(u, 0.24) * bell(v - 0.10, 0.07)
    groove = 1.0 - 0.16 * bell(u, 0.06) * step(v, 0.10, 0.30)
    deep = 1.0 - 0.35 * step(v, 0.10, 0.60)
    edge = 0.80 + 0.20 * step(v, 0.0, 0.08)
    colour = 1.2 * colours.tongue * (side * gleam * groove * deep * edge)[..., None]
    return _premultiplied(colour, cover)


def _own_mouth(
    bases: Bases, plate: Picture, centre: Doubles, frame: Doubles, colours: _Colours
) -> Floats:
    """The photo's own open mouth, its rows repeated upwards so that teeth reach under the lip."""
    u, v = _texture_grid()
    lips = bases.lips
    top, low = lips.edge_at(u, False), lips.edge_at(u, True)
    clear = 0.06 * np.maximum(low - top, 0.05)
    # Above the lip edge the teeth go on: rows repeat, drawn out ten times.
    inner_top = top + 0.03 + clear
    read_v = np.where(v < inner_top, inner_top + 0.12 * (inner_top - v), v)
    read_v = np.minimum(read_v, low - 0.02 - clear)
    read_u = np.clip(u, -0.93, 0.93)
    local = np.stack([read_u, read_v], axis=-1)
    head = centre + local @ frame.T
    at = bases.relief.pose.to_picture(head)[..., :2].astype(np.float32)
    own = cv2.remap(
        plate, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float64)
    # What the lower lip hid of the side teeth goes on below it: drawn, in the shade of the cheek.
    edge = 0.5 * low + 0.5 * (float(low.max()) - 0.10 * u**2) - 0.03
    shade, drawn = _tooth_row(u, v, _UPPER, edge, float(top.min()) - 0.2)
    lateral = np.clip(0.98 - 0.62 * np.abs(u) ** 1.5, 0.10, 1.0)
    teeth = colours.cavity + (shade * lateral)[..., None] * (colours.tooth - colours.cavity)
    teeth_cover = drawn * step(0.95 - np.abs(u), 0.0, 0.25)
    cover = step(low - v, 0.0, 0.07) * step(1.0 - np.abs(u), 0.0, 0.10)
    both = teeth_cover + cover * (1.0 - teeth_cover)
    colour = teeth * (teeth_cover * (1 - cover))[..., None] + own * cover[..., None]
    return np.asarray(np.dstack([colour, np.maximum(both, cover)]), np.float32)


def _premultiplied(colour: NDArray[Any], alpha: Doubles) -> Floats:
    return np.asarray(np.dstack([colour * alpha[..., None], alpha]), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """The lips' inner edges in one frame, in plate pixels (EDGE, 2); activity 0 to 1: how far the
    mouth has left the photo's own state."""

    upper: Doubles
    lower: Doubles
    activity: float


def open_mouth(paint: MouthPaint, motion: Motion) -> Opening:
    """Where the lip edges are under a motion."""
    upper_shift = np.tensordot(motion.weights, paint.upper_moves, 1)
    lower_shift = np.tensordot(motion.weights, paint.lower_moves, 1)
    upper = motion.place(paint.upper_edge, upper_shift)
    lower = motion.place(paint.lower_edge, lower_shift)
    apart = float(np.abs(lower_shift - upper_shift)[..., 1].max())
    activity = step(apart / float(paint.frame[:, 1].max()), 0.004, 0.09)
    return Opening(upper, lower, float(activity))


def cut_below(opening: Opening, x0: int, y0: int, half_px: float) -> Cut:
    """The half plane below the middle of the opening, for the lower field, near the mouth."""
    line = (opening.upper + opening.lower) / 2
    reach = 1.9 * half_px
    centre = line.mean(0)
    left, top = (np.floor(centre - reach)).astype(int)
    side = int(np.ceil(2 * reach))
    along = line[-1] - line[0]
    along = along / max(float(np.hypot(*along)), 1e-6)
    down = np.array([-along[1], along[0]])
    far = 4 * reach
    outline = np.vstack([
        line[0] - far * along + far * down, line[0] - far * along, line,
        line[-1] + far * along, line[-1] + far * along + far * down,
    ])  # fmt: skip
    mask = np.zeros((side, side), np.uint8)
    fixed = np.round((outline - (left, top)) * 256).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, lineType=cv2.LINE_AA, shift=8)
    return Cut(int(left) - x0, int(top) - y0, mask.astype(np.float32) / 255.0)


def paint_mouth(paint: MouthPaint, motion: Motion, opening: Opening, picture: Picture) -> None:
    """Draw the inside of the mouth over the opening, in place."""
    gap = opening.lower - opening.upper
    axis = _unit(motion.turn[:2, 1])
    tall = gap @ axis
    if paint.gap > 0:
        _draw_seam(paint, motion, opening, picture, float(tall.max()))
    if opening.activity <= 0 or float(tall.max()) < 0.35:
        return
    upper = opening.upper
    lower = np.where((tall > 0)[:, None], opening.lower, opening.upper)
    outline = np.vstack([upper, lower[::-1]])
    margin = 3 + int(0.3 * paint.half_px)
    height, width = picture.shape[:2]
    low, high = outline.min(0), outline.max(0)
    left, top = max(0, int(low[0]) - margin), max(0, int(low[1]) - margin)
    right, bottom = min(width, int(high[0]) + margin + 1), min(height, int(high[1]) + margin + 1)
    if right - left < 3 or bottom - top < 3:
        return
    size = (right - left, bottom - top)
    mask = _polygon(outline - (left, top), size)
    sigma = max(0.45, 0.012 * paint.half_px * 2)
    soft = cv2.GaussianBlur(mask, (0, 0), sigma)
    inside = _interior(paint, motion, (left, top), size)
    # Light comes in through the lips: the middle of a wide opening is bright, rims are dark.
    light = cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.11 * paint.half_px))
    # A narrow slit is all rim, yet the teeth right behind it are lit.
    light = light / float(np.clip(light.max(), 0.42, 1.0))
    if paint.gap > 0:
        # The photo's own mouth brings its own shading; only what is new is darkened.
        grown = min(1.0, max(0.0, float(tall.max()) / (2 * paint.half_px) / paint.gap - 1.0))
        shade = np.clip(1.0 - 0.45 * grown * (1 - light), 0, 1)
        # Little light gets through lips that are about to meet, unless the teeth stand in the gap.
        lit = float(step(tall.max() / paint.half_px, 0.0, 0.11))
        lit = max(lit, 0.75 * min(1.0, float(motion.weights[INDEX["roll_lower"]])))
        shade = shade * (0.38 + 0.62 * lit)
    else:
        shade = np.clip(0.16 + 1.0 * light, 0.0, 1.0)
    warm = np.asarray(shade, np.float32)[..., None] ** _WARM
    inside = paint.cavity * 0.9 * (1 - warm) + inside * warm
    inside = cv2.GaussianBlur(inside, (0, 0), paint.blur)
    area = picture[top:bottom, left:right]
    around = cv2.GaussianBlur(mask, (0, 0), max(0.6, 0.07 * paint.half_px))
    aperture = min(1.0, float(tall.max()) / (0.35 * paint.half_px))
    contact = 1.0 - (0.50 * opening.activity * aperture * around * (1 - soft))[..., None]
    alpha = (soft * opening.activity)[..., None]
    area[:] = np.clip(area * contact * (1 - alpha) + inside * alpha + 0.5, 0, 255).astype(np.uint8)


def _draw_seam(
    paint: MouthPaint, motion: Motion, opening: Opening, picture: Picture, tall: float
) -> None:
    """Lips that were apart in the photo have no line where they meet; draw it, in place."""
    shut = float(motion.weights[INDEX["seal"]])
    shut *= 1.0 - float(step(tall / paint.half_px, 0.03, 0.14))
    # A lip on the teeth touches no lip.
    shut *= 1.0 - 0.75 * min(1.0, float(motion.weights[INDEX["roll_lower"]]))
    if shut <= 0.05:
        return
    line = (opening.upper + opening.lower) / 2
    margin = 4 + int(0.15 * paint.half_px)
    height, width = picture.shape[:2]
    low, high = line.min(0), line.max(0)
    left, top = max(0, int(low[0]) - margin), max(0, int(low[1]) - margin)
    right, bottom = min(width, int(high[0]) + margin), min(height, int(high[1]) + margin)
    if right - left < 3 or bottom - top < 3:
        return
    thick = 0.026 * paint.half_px * np.maximum(1 - np.linspace(-1, 1, EDGE) ** 2, 0.04) ** 0.7
    down = _unit(motion.turn[:2, 1])
    outline = np.vstack([line - thick[:, None] * down, (line + thick[:, None] * down)[::-1]])
    mask = _polygon(outline - (left, top), (right - left, bottom - top))
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.5, 0.02 * paint.half_px))
    area = picture[top:bottom, left:right]
    alpha = (0.85 * min(1.0, shut) * mask)[..., None]
    area[:] = np.clip(area * (1 - alpha) + paint.seam * alpha + 0.5, 0, 255).astype(np.uint8)


def _interior(
    paint: MouthPaint, motion: Motion, corner: tuple[int, int], size: tuple[int, int]
) -> Floats:
    jaw_shift = motion.weights @ paint.jaw_move
    # Rounded lips come forward and leave the teeth in the dark.
    rounded = motion.weights[INDEX["pucker"]] + 0.55 * motion.weights[INDEX["funnel"]]
    drawn = float(step(rounded, 0.1, 0.9))
    dark = 1.0 - (0.45 if paint.gap > 0 else 0.66) * drawn
    deep = float(np.abs(paint.frame[:, 0]).max())
    down = paint.frame[:, 1]
    back = np.array([0.0, 0.0, -0.18 * deep])
    teeth = back - (0.0 if paint.gap > 0 else 0.10 * drawn) * down
    jaw_at = jaw_shift + np.array([0, 0, -0.30 * deep]) + 0.16 * drawn * down
    picture = paint.cavity + np.zeros((size[1], size[0], 3), np.float32)
    picture = _over(picture, _lay(paint, motion, paint.jaw, jaw_at, corner, size))
    raised = float(np.clip(motion.tongue, 0.0, 1.0))
    between = float(step(raised, 0.65, 0.9))
    tip = None
    if raised > 0.02:
        # From its bed behind the lower teeth up to the upper ones; for th a little over them.
        bed = jaw_shift + (paint.teeth + 0.30) * down
        goal = 0.2 * jaw_shift + (paint.teeth - 0.07 - 0.05 * between) * down
        rise = float(step(raised, 0.0, 0.55))
        where = bed + rise * (goal - bed) + np.array([0, 0, -0.20 * deep])
        tip = _lay(paint, motion, paint.tongue, where, corner, size)
        tip = tip * float(step(raised, 0.02, 0.2))
        picture = _over(picture, tip)
    # Behind rounded lips the photo's own teeth are out of sight.
    seen = 1.0 - 0.85 * drawn if paint.gap > 0 else 1.0
    picture = _over(picture, seen * _lay(paint, motion, paint.skull, teeth, corner, size))
    if tip is not None and between > 0:
        picture = _over(picture, tip * between)
    return np.asarray(paint.cavity + dark**_WARM * (picture - paint.cavity), np.float32)


def _over(picture: Floats, layer: Floats) -> Floats:
    return np.asarray(picture * (1 - layer[..., 3:]) + layer[..., :3], np.float32)


def _lay(
    paint: MouthPaint, motion: Motion, texture: Floats, shift: Doubles,
    corner: tuple[int, int], size: tuple[int, int],
) -> Floats:  # fmt: skip
    origin = motion.place(paint.centre, shift) - corner
    axes = motion.turn[:2] @ paint.frame / _TEXEL
    middle = np.array([_REACH_U, _REACH_V]) * _TEXEL - 0.5
    # Depth moves textures sideways when the head turns, but not when it rests.
    if paint.gap > 0 and texture is paint.skull:
        origin = motion.place(paint.centre, np.zeros(3)) - corner
    rest = origin - axes @ middle
    return np.asarray(cv2.warpAffine(
        texture, np.c_[axes, rest], size, flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT, borderValue=(0, 0, 0, 0),
    ))  # fmt: skip


def _polygon(outline: Doubles, size: tuple[int, int]) -> Floats:
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(
        mask, [np.round(outline * 256).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=8
    )
    return mask.astype(np.float32) / np.float32(255)


def _unit(vector: Doubles) -> Doubles:
    return np.asarray(vector / max(float(np.hypot(*vector)), 1e-9))
