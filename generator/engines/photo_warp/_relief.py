"""Relief: the photo as a surface: depth, head weight and head coordinates on a coarse grid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._shape import step
from primafacie.generator.engines.photo_warp._view import View
from primafacie.generator.head import MESH_OF_68, OVAL, HeadPose, fit_pose, fit_pose_to_mesh

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Grid nodes along 2.5 head heights; about 3 video pixels per node at 512.
_NODES: Final = 176
#: A surface steeper than this folds over itself when the head turns.
_STEEPEST: Final = 1.7


@dataclass(frozen=True, slots=True, eq=False)
class Relief:
    """Node (i, j) lies at plate pixel (x0 + (j + .5) cell - .5, y0 + (i + .5) cell - .5).

    place (gh, gw, 3): the node in plate pixels with its depth. head (gh, gw, 3): the same point in
    head units. weight (gh, gw): share of the head's movement. free (gh, gw, 2): how freely x and y
    may move away from a border of the photo, 0 at it. outside (gh, gw): distance to the face
    outline in face heights, 0 inside. points (68, 3) and mesh (468, 3): in plate pixels with depth.
    breath (gh, gw, 2): pixels that shoulders rise with a full breath.
    """

    x0: int
    y0: int
    cell: int
    place: Doubles
    head: Doubles
    weight: Doubles
    free: Doubles
    outside: Doubles
    pose: HeadPose
    points: Doubles
    mesh: Doubles
    face_width: float
    face_height: float
    breath: Doubles

    @property
    def inward(self) -> Doubles:
        """The sign of x and y that leads away from the nearer border."""
        x, y = self.place[..., 0], self.place[..., 1]
        return np.where(np.dstack([x < x.mean(), y < y.mean()]), 1.0, -1.0)

    @property
    def shape(self) -> tuple[int, int]:
        return self.weight.shape[0], self.weight.shape[1]

    def sample(self, field: NDArray[Any], points: Doubles) -> Doubles:
        """A grid field (gh, gw, ...) at plate points (n, 2), linear between nodes."""
        at = ((points - (self.x0, self.y0) + 0.5) / self.cell - 0.5).astype(np.float32)
        read = cv2.remap(
            field.astype(np.float32), at[None], None, cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(read[0], np.float64)

    def lift(self, points: Doubles) -> Doubles:
        """Plate points (n, 2) in head units (n, 3), with the surface's own depth."""
        depth = self.sample(self.place[..., 2], points)
        return self.pose.to_head(np.c_[points, depth])


def shape_relief(view: View, photo_mesh: Doubles, photo_points: Doubles, measured: bool) -> Relief:
    """The relief of a face in a view, from 468 and 68 points in photo pixels.

    `measured`: the mesh's depth was seen, not taken from the average head.
    """
    mesh = photo_mesh * view.scale
    mesh[:, :2] += view.offset
    points = photo_points * view.scale + view.offset
    pose = fit_pose_to_mesh(mesh) if measured else fit_pose(points)
    width = float(np.hypot(*(points[16] - points[0])))
    height = float(np.hypot(*(mesh[10, :2] - mesh[152, :2])))
    x0, y0, cell, columns, rows = _grid(view, mesh, width, height)
    xs = x0 + (np.arange(columns) + 0.5) * cell - 0.5
    ys = y0 + (np.arange(rows) + 0.5) * cell - 0.5
    x, y = np.meshgrid(xs, ys)
    inside = _oval_mask(mesh, x0, y0, cell, rows, columns)
    depth, gap = _depth(mesh, x, y, inside, cell, width)
    place = np.dstack([x, y, depth])
    return Relief(
        x0, y0, cell, place, pose.to_head(place),
        _head_weight(mesh, pose, x, y, width, height, cell),
        _freedom(view, x, y, height), gap / height, pose,
        np.c_[points, mesh[MESH_OF_68, 2]], mesh, width, height, _breath(mesh, x, y, height),
    )  # fmt: skip


def _ellipse(mesh: Doubles, width: float, height: float) -> tuple[Doubles, float, float, float]:
    """Centre and radii (across, up, down) within which the head moves as a rigid whole."""
    centre = (mesh[OVAL, :2].min(0) + mesh[OVAL, :2].max(0)) / 2
    up = mesh[10, :2] - mesh[152, :2]
    centre = centre + 0.17 * up
    return centre, 0.72 * max(width, 0.72 * height), 0.80 * height, 0.72 * height


#: Beyond this many radii nothing moves.
_REACH: Final = 1.75
#: How far below the chin breathing is seen, and how far a breath lifts, in face heights.
_CHEST: Final = 1.5
_LIFT: Final = 0.014


def _grid(view: View, mesh: Doubles, width: float, height: float) -> tuple[int, int, int, int, int]:
    centre, across, up, down = _ellipse(mesh, width, height)
    radius = _REACH * max(across, up, down)
    low = np.floor(centre - radius).astype(int)
    high = np.ceil(centre + radius).astype(int)
    # Shoulders breathe below the head's own reach.
    high[1] = max(high[1], int(mesh[152, 1] + _CHEST * height))
    plate_h, plate_w = view.plate.shape[:2]
    left, top = max(0, int(low[0])), max(0, int(low[1]))
    right, bottom = min(plate_w, int(high[0])), min(plate_h, int(high[1]))
    cell = max(2, round(2.5 * height / _NODES))
    return left, top, cell, -(-(right - left) // cell), -(-(bottom - top) // cell)


def _oval_mask(
    mesh: Doubles, x0: int, y0: int, cell: int, rows: int, columns: int
) -> NDArray[np.uint8]:
    outline = (mesh[OVAL, :2] - (x0, y0) + 0.5) / cell - 0.5
    mask = np.zeros((rows, columns), np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 1, shift=4)
    return mask


def _depth(
    mesh: Doubles, x: Doubles, y: Doubles, inside: NDArray[np.uint8], cell: int, width: float
) -> tuple[Doubles, Doubles]:
    """Depth in pixels and the distance to the face outline in pixels, both (gh, gw)."""
    from scipy.interpolate import LinearNDInterpolator
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    seen = LinearNDInterpolator(mesh[:, :2], mesh[:, 2])(x, y)
    within = (inside > 0) & np.isfinite(seen)
    gap, nearest = distance_transform_edt(~within, return_indices=True)
    gap = gap * cell
    filled = np.where(within, seen, 0.0)[nearest[0], nearest[1]]
    soft = max(1.0, 0.012 * width / cell)
    face = gaussian_filter(filled, soft)
    # The nearest edge's depth jumps along the outline's skeleton; blur takes the jumps out.
    edge = gaussian_filter(filled, 0.08 * width / cell)
    rim = step(gap, 0.0, 0.06 * width)
    back = float(np.percentile(seen[within], 25)) - 0.18 * width
    around = back + (edge - back) * np.exp(-((gap / (0.22 * width)) ** 1.3))
    depth = np.where(within, face, (1 - rim) * face + rim * around)
    depth = gaussian_filter(_limit_slope(depth, _STEEPEST * cell), 0.7)
    return np.asarray(depth), np.asarray(gap)


def _limit_slope(depth: Doubles, rise: float) -> Doubles:
    """The lowest surface above this one that nowhere rises more than `rise` per node."""
    cross = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], np.uint8)
    corners = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], np.uint8)
    field = depth.astype(np.float32)
    for _ in range(40):
        side = np.asarray(cv2.dilate(field, cross)) - rise
        corner = np.asarray(cv2.dilate(field, corners)) - rise * np.sqrt(2.0)
        field = np.maximum(field, np.maximum(side, corner)).astype(np.float32)
    return field.astype(np.float64)


def _head_weight(
    mesh: Doubles, pose: HeadPose, x: Doubles, y: Doubles, width: float, height: float, cell: int
) -> Doubles:
    """1 on the head, 0 on background and shoulders, smooth between: an elastic background."""
    centre, across, up, down = _ellipse(mesh, width, height)
    _, _, roll = pose.angles
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    dx, dy = x - centre[0], y - centre[1]
    right, below = c * dx + s * dy, -s * dx + c * dy
    radii = np.hypot(right / across, below / np.where(below < 0, up, down))
    weight = 1.0 - step(radii, 1.0, _REACH)
    chin = mesh[152, :2] - centre
    neck = (below - (-s * chin[0] + c * chin[1])) / height
    weight = weight * (1.0 - step(neck, -0.05, 0.57))
    return np.asarray(cv2.GaussianBlur(weight, (0, 0), max(0.6, 8.0 / cell * 1.0)))


def _breath(mesh: Doubles, x: Doubles, y: Doubles, height: float) -> Doubles:
    """Shoulders rise and widen a little; the head and the wall stay."""
    below, beside = (y - mesh[152, 1]) / height, (x - mesh[152, 0]) / height
    share = step(below, 0.18, 0.75) * (1.0 - step(below, 1.0, _CHEST))
    share = share * (1.0 - step(np.abs(beside), 0.85, 1.3))
    wide = 0.35 * beside * _LIFT * height * share
    return np.dstack([wide, -_LIFT * height * share])


def head_room(view: View, relief: Relief) -> float:
    """Share of its usual movement that a head has where the photo cuts it: 0.35 to 1.

    Borders stay where they are, so a head that touches one would be squeezed against it.
    """
    centre, across, up, _ = _ellipse(relief.mesh, relief.face_width, relief.face_height)
    left, top, right, _ = view.edges
    room = [1.0]
    if left:
        room.append((centre[0] - across) / relief.face_height)
    if right:
        room.append((view.plate.shape[1] - 1 - centre[0] - across) / relief.face_height)
    if top:  # only pitch moves hair across the upper border
        room.append((centre[1] - up) / relief.face_height + 0.15)
    return 0.35 + 0.65 * float(step(min(room), -0.30, 0.12))


def _freedom(view: View, x: Doubles, y: Doubles, height: float) -> Doubles:
    """Nothing may be pulled in over a border of the photo: movement away from it fades to 0."""
    plate_h, plate_w = view.plate.shape[:2]
    left, top, right, bottom = view.edges
    fade = 0.12 * height
    across, down = np.ones_like(x), np.ones_like(y)
    if left:
        across = across * step(x, 0.0, fade)
    if right:
        across = across * step(plate_w - 1 - x, 0.0, fade)
    if top:
        down = down * step(y, 0.0, fade)
    if bottom:
        down = down * step(plate_h - 1 - y, 0.0, fade)
    return np.dstack([across, down])
