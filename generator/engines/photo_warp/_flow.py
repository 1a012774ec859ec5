"""Flow: where every output pixel comes from. Forward on the grid, inverted, sampled.

Two fields are kept: `whole` holds for everything but the lower lip, `low` for the lower lip and
what hangs on it. The backward map of a pixel y solves b + d(b) = y by damped fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from primafacie.generator.engines.photo_warp._basis import Bases
from primafacie.generator.engines.photo_warp._matte import Matte
from primafacie.generator.engines.photo_warp._relief import Relief
from primafacie.generator.engines.photo_warp._view import View
from primafacie.generator.head import rotation

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Lobes of the Lanczos kernel that finds what lies half-way between two pixels.
_LOBES: Final = 8

STEPS: Final = 10
DAMPING: Final = 0.75
#: Pixels by which no node may miss any more when fewer steps are enough.
_NEAR: Final = 0.02
#: Grid nodes by which the lower field's window is widened on every side.
_SLACK: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """One frame's movement. weights (K,) of the bases; turn (3, 3) scales and rotates head units
    into pixels, shift (3,) follows it; rest (3, 3) does what turn does for the photo's own pose.
    tongue: 0 in its bed, 1 between the teeth. breath: 0 to 1, how far the shoulders have risen."""

    weights: Doubles
    turn: Doubles
    shift: Doubles
    rest: Doubles
    tongue: float = 0.0
    breath: float = 0.0

    def place(self, head: Doubles, moved: Doubles) -> Doubles:
        """Plate pixels (..., 2) of head points displaced by `moved`, where the head moves fully."""
        return np.asarray(((head + moved) @ self.turn.T + self.shift)[..., :2])


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A rectangle of grid nodes."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def cut(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """What does not change from frame to frame, in float32.

    weight (gh, gw, 2): the head's share of x and of y. bases (K, face nodes x 3), low_bases (K,
    low nodes x 3): bases on their windows only. shown: the nodes that the video's window needs;
    home (h, w, 2): the plate pixels that it shows of the area that moves, each with its own x and
    y.
    """

    relief: Relief
    head: Floats
    place: Floats
    weight: Floats
    free: Floats
    inward: Floats
    breath: Floats
    face: Window
    bases: Floats
    low: Window
    low_bases: Floats
    shown: Window
    home: Floats

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of the area that moves."""
        rows, columns = self.relief.shape
        return columns * self.relief.cell, rows * self.relief.cell

    @property
    def corner(self) -> tuple[int, int]:
        """The plate pixel of the first of `home`."""
        return int(self.home[0, 0, 0]), int(self.home[0, 0, 1])

    @property
    def where(self) -> tuple[slice, slice]:
        """The pixels of `home` in the plate."""
        (x, y), (height, width) = self.corner, self.home.shape[:2]
        return slice(y, y + height), slice(x, x + width)


def build_field(bases: Bases, view: View) -> Field:
    """Lay the bases of a face out on its grid, and find what of it a view shows."""
    relief = bases.relief
    upper = bases.upper(relief.head, relief.outside)
    lower = bases.lower(relief.head, relief.outside)
    upper, lower = _quiet(upper), _quiet(lower)
    face = _window(np.abs(upper).max((0, 3)) + np.abs(lower).max((0, 3)) > 0, 1)
    low = _window(np.abs(upper - lower).max((0, 3)) > 1e-6, _SLACK)
    count = len(upper)

    def part(values: Doubles, window: Window) -> Floats:
        rows, columns = window.cut
        return np.ascontiguousarray(values[:, rows, columns].reshape(count, -1), np.float32)

    return Field(
        relief, relief.head.astype(np.float32), relief.place[..., :2].astype(np.float32),
        np.dstack([relief.weight] * 2).astype(np.float32), relief.free.astype(np.float32),
        relief.inward.astype(np.float32),
        relief.breath.astype(np.float32), face, part(upper, face), low, part(lower, low),
        *_shown(relief, view),
    )  # fmt: skip


def _shown(relief: Relief, view: View) -> tuple[Window, Floats]:
    """The nodes and the pixels of the moving area that lie in the view's window."""
    (rows, columns), cell = relief.shape, relief.cell
    height, width = view.plate.shape[:2]
    left, top = max(relief.x0, view.left), max(relief.y0, view.top)
    right = min(relief.x0 + columns * cell, view.left + view.width, width)
    bottom = min(relief.y0 + rows * cell, view.top + view.height, height)
    # A node more on every side: between nodes a pixel needs both.
    nodes = Window(
        max(0, (top - relief.y0) // cell - 1), min(rows, -(-(bottom - relief.y0) // cell) + 1),
        max(0, (left - relief.x0) // cell - 1), min(columns, -(-(right - relief.x0) // cell) + 1),
    )  # fmt: skip
    x, y = np.meshgrid(np.arange(left, right), np.arange(top, bottom))
    return nodes, np.dstack([x, y]).astype(np.float32)


def _quiet(values: Doubles) -> Doubles:
    """Gaussian tails below a thousandth of a millimetre are cut, so that windows stay small."""
    return np.where(np.abs(values) < 1e-3, 0.0, values)


def _window(mask: NDArray[np.bool_], margin: int) -> Window:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return Window(0, 1, 0, 1)
    return Window(
        max(0, int(rows[0]) - margin), min(mask.shape[0], int(rows[-1]) + 1 + margin),
        max(0, int(columns[0]) - margin), min(mask.shape[1], int(columns[-1]) + 1 + margin),
    )  # fmt: skip


def move_head(relief: Relief, pose: Floats, weights: Doubles, zoom: float) -> Motion:
    """The motion for one row of a track's pose: angles, x and y in face widths, scale."""
    yaw, pitch, roll, x, y, scale = (float(value) for value in pose)
    own = relief.pose
    turn = own.scale * scale * zoom * rotation(yaw, pitch, roll) @ own.turn
    rest = own.scale * own.turn
    head = own.to_head(relief.points)
    ear = (head[1] + head[15]) / 2
    # The neck's joint: between the ears, below them, behind the face.
    pivot = np.array([0.0, (head[33, 1] + head[8, 1]) / 2, ear[2] - 1.5])
    fixed = rest @ pivot + own.shift
    moved = np.array([x, y, 0.0]) * relief.face_width
    return Motion(weights, turn, fixed + moved - turn @ pivot, rest)


def forward(field: Field, motion: Motion) -> tuple[Floats, Floats]:
    """Displacements in pixels (gh, gw, 2) of the two fields."""
    turn, rest = motion.turn[:2].astype(np.float32), motion.rest[:2].astype(np.float32)
    lay = np.c_[motion.turn[:2], motion.shift[:2]].astype(np.float32)
    rigid = cv2.transform(field.head, lay) - field.place
    rigid *= field.weight
    if motion.breath:
        rigid += np.float32(motion.breath) * field.breath
    low = rigid[field.low.cut].copy()
    weights = motion.weights.astype(np.float32)
    rigid[field.face.cut] += _skin(field, weights, field.bases, field.face, turn, rest)
    low += _skin(field, weights, field.low_bases, field.low, turn, rest)
    _hold(rigid, field.free, field.inward)
    _hold(low, field.free[field.low.cut], field.inward[field.low.cut])
    both = rigid.copy()
    both[field.low.cut] = low
    return rigid, both


def _hold(moved: Floats, free: Floats, inward: Floats) -> None:
    """Nothing is pulled in over a border of the photo; what leaves over it may, or a head that
    grows or rises there would be squeezed until it folds."""
    np.multiply(moved, free, out=moved, where=moved * inward > 0)


def _skin(
    field: Field, weights: Floats, bases: Floats, window: Window, turn: Floats, rest: Floats
) -> Floats:
    rows, columns = window.cut
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    moved = (weights @ bases).reshape(*shape, 3)
    share = field.weight[window.cut]
    return np.asarray(cv2.transform(moved, rest) + share * cv2.transform(moved, turn - rest))


def invert(displacement: Floats, cell: int, window: Window | None = None) -> Floats:
    """Backward displacement in pixels on the grid, or on a window of it, (h, w, 2).

    Solves b = y - d(b) from b = y; the residual is below a tenth of a pixel while the forward map
    nowhere stretches by more than 1.6.
    """
    rows, columns = displacement.shape[:2]
    window = window or Window(0, rows, 0, columns)
    home = np.empty((window.bottom - window.top, window.right - window.left, 2), np.float32)
    home[..., 0] = np.arange(window.left, window.right)
    home[..., 1] = np.arange(window.top, window.bottom)[:, None]
    field, back = displacement * np.float32(1 / cell), home
    for _ in range(STEPS):
        d = cv2.remap(field, back, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        goal = cv2.subtract(home, d)
        if cv2.norm(back, goal, cv2.NORM_INF) * cell < _NEAR:
            break
        back = cv2.addWeighted(back, 1 - DAMPING, goal, DAMPING, 0)
    return np.asarray(cv2.subtract(back, home) * np.float32(cell))


def low_window(field: Field, motion: Motion) -> Window:
    """Where in the output the lower field can matter: its own window, carried along."""
    rows, columns = field.relief.shape
    head = field.head[field.low.cut].reshape(-1, 3)
    at = motion.place(head.astype(np.float64), np.zeros(3)) - (field.relief.x0, field.relief.y0)
    at = at / field.relief.cell
    slack = 2 * _SLACK
    left = int(np.clip(at[:, 0].min() - slack, 0, columns - 2))
    top = int(np.clip(at[:, 1].min() - slack, 0, rows - 2))
    right = int(np.clip(at[:, 0].max() + slack, left + 2, columns))
    bottom = int(np.clip(at[:, 1].max() + slack, top + 2, rows))
    return Window(top, bottom, left, right)


def jacobian(displacement: Floats, cell: int) -> Doubles:
    """Determinant of the forward map at every node; 0 or below means that the face folds."""
    dx = np.gradient(displacement[..., 0].astype(np.float64), cell)
    dy = np.gradient(displacement[..., 1].astype(np.float64), cell)
    return np.asarray((1 + dx[1]) * (1 + dy[0]) - dx[0] * dy[1])


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Where the lower field takes over: mask (h, w) in [0, 1] at pixel (left, top) of the area
    that moves."""

    left: int
    top: int
    mask: Floats


def warp(
    field: Field, fine: Picture, motion: Motion, cut: Cut, matte: Matte | None, base: Picture
) -> tuple[Picture, Floats]:
    """The plate, moved where the window shows it, and the backward displacement on the nodes shown.

    fine is the plate as `refine` returned it. What lies outside the moving area is the base's own
    pixels; with a matte the wall does not move.
    """
    whole, low = forward(field, motion)
    cell, shown, (x, y) = field.relief.cell, field.shown, field.corner
    coarse = invert(whole, cell, shown)
    back = _enlarge(coarse, cell)
    left, top = shown.left * cell, shown.top * cell
    window = low_window(field, motion)
    lower = _enlarge(invert(low, cell, window), cell)
    inner = Cut(cut.left - left, cut.top - top, cut.mask)
    _join(back, lower, window.left * cell - left, window.top * cell - top, inner)
    x, y = x - field.relief.x0 - left, y - field.relief.y0 - top
    height, width = field.home.shape[:2]
    at = cv2.add(back[y : y + height, x : x + width], field.home)
    moved = _sample(fine, cv2.add(at, at), cv2.INTER_CUBIC)
    if matte is not None:
        alpha = _sample(matte.alpha, at, cv2.INTER_LINEAR)
        clean = _sample(matte.clean, at, cv2.INTER_LINEAR) if matte.screen else None
        moved = matte.lay(moved, alpha, clean, field.where)
    out = base.copy()
    out[field.where] = moved
    return out, coarse


def refine(plate: Picture) -> Picture:
    """The plate at twice its size: every second pixel is its own, those between are found once by
    a kernel too long to be used in every frame.

    Pores and grain lie close to what a grid of pixels can hold. One cubic reading between pixels
    takes a fifth of their contrast away, on this finer grid next to nothing. (Duchon 1979.)
    """
    wide = _between(plate, 1)
    return _between(wide, 0)


def _between(picture: Picture, axis: int) -> Picture:
    x = np.arange(-_LOBES + 0.5, _LOBES)
    taps = np.sinc(x) * np.sinc(x / _LOBES)
    taps = (taps / taps.sum()).astype(np.float32)
    before, after = _LOBES, _LOBES - 1  # the new pixel lies after its own
    shape = list(picture.shape)
    shape[axis] *= 2
    out = np.empty(shape, np.uint8)
    kernel = taps[:, None] if axis == 0 else taps[None]
    top, left = (before, 0) if axis == 0 else (0, before)
    bottom, right = (after + 1, 0) if axis == 0 else (0, after + 1)
    padded = cv2.copyMakeBorder(picture, top, bottom, left, right, cv2.BORDER_REPLICATE)
    anchor = (0, _LOBES - 1) if axis == 0 else (_LOBES - 1, 0)
    found = cv2.filter2D(padded, cv2.CV_8U, kernel, anchor=anchor)
    own = found[before : before + picture.shape[0]] if axis == 0 else found[:, before : -after - 1]
    if axis == 0:
        out[0::2], out[1::2] = picture, own
    else:
        out[:, 0::2], out[:, 1::2] = picture, own
    return out


def _sample(picture: Picture, at: Any, kernel: int) -> Picture:
    read = cv2.remap(picture, at, None, kernel, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(read, np.uint8)


def _enlarge(values: Floats, cell: int) -> Floats:
    rows, columns = values.shape[:2]
    return np.asarray(
        cv2.resize(values, (columns * cell, rows * cell), interpolation=cv2.INTER_LINEAR)
    )


def _join(back: Any, lower: Any, left: int, top: int, cut: Cut) -> None:
    """Blend `lower`, which starts at pixel (left, top), into `back` by the cut's mask."""
    h, w = cut.mask.shape
    x1, y1 = max(cut.left, left, 0), max(cut.top, top, 0)
    x2 = min(cut.left + w, left + lower.shape[1], back.shape[1])
    y2 = min(cut.top + h, top + lower.shape[0], back.shape[0])
    if x2 <= x1 or y2 <= y1:
        return
    mask = cut.mask[y1 - cut.top : y2 - cut.top, x1 - cut.left : x2 - cut.left, None]
    own = back[y1:y2, x1:x2]
    own += mask * (lower[y1 - top : y2 - top, x1 - left : x2 - left] - own)
