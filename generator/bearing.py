"""Bearing: where a face in a frame points and looks, measured in the picture alone.

Nothing here asks the renderer. Head: corners of the picture's texture are found again in the frame
by optical flow (Shi and Tomasi 1994; Lucas and Kanade 1981), kept where the way back agrees, and
the turn that explains them is solved for. Their depth is the average head's, laid on the source's
landmarks: a true face is deeper or flatter, and its angles are off by as much. Eyes: the middle of
the iris with its pupil is found again by correlation, once the head's own movement is taken out;
its shift is an angle of an eyeball of 12 mm radius.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import PortraitError
from primafacie.generator.faces import find_faces
from primafacie.generator.head import angles_of, fit_mesh, fit_pose
from primafacie.generator.landmarks import DlibLandmarker

Picture = NDArray[np.uint8]
Doubles = NDArray[np.float64]

_EYES: Final = (slice(36, 42), slice(42, 48))
#: Millimetres between the pupils of an average adult (Dodgson 2004), of an eyeball's radius, and of
#: an iris's.
_PUPILS: Final = 63.0
_EYEBALL: Final = 12.0
_IRIS: Final = 5.9
#: Pixels by which a point may miss its start on the way back.
_RETURNS: Final = 0.5
_FEWEST: Final = 20
_MOST: Final = 400
#: The picture round an eye is enlarged so often to find the iris between pixels.
_ENLARGE: Final = 4


@dataclass(frozen=True, slots=True)
class Bearing:
    """Relative to the source: yaw, pitch, roll in degrees, signs as in MotionTrack; scale, 1 = as
    large; gaze_yaw and gaze_pitch in degrees, mean of both eyes."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    gaze_yaw: float
    gaze_pitch: float


class Onlooker:
    """Knows one source picture (H, W, 3) and reads frames of the same framing.

    pupils: millimetres between the pupils, where they are known. Raises PortraitError when the
    source shows no face.
    """

    def __init__(self, source: Picture, pupils: float = _PUPILS) -> None:
        from scipy.interpolate import LinearNDInterpolator

        faces = find_faces(source)
        if not faces:
            raise PortraitError("no face was found to measure")
        points = DlibLandmarker().find(source, faces[0]).points.astype(np.float64)
        self._pose = fit_pose(points)
        mesh = fit_mesh(points, self._pose)
        self._grey = _grey(source)
        self._even = _evened(self._grey)
        self._middles = [points[eye].mean(0) for eye in _EYES]
        self._apart = float(np.hypot(*(self._middles[1] - self._middles[0])))
        self._mm = self._apart / pupils
        self._start = _corners(self._even, points, self._middles, 0.26 * self._apart)
        depth = LinearNDInterpolator(mesh[:, :2], mesh[:, 2])(self._start)
        seen = np.isfinite(depth)
        self._start = self._start[seen]
        self._head = self._pose.to_head(np.c_[self._start, depth[seen]])
        self._irises = [_Iris(self._grey, m, _IRIS * self._mm) for m in self._middles]
        at = np.array([iris.centre for iris in self._irises])
        deep = LinearNDInterpolator(mesh[:, :2], mesh[:, 2])(at)
        self._balls = self._pose.to_head(np.c_[at, deep])

    def see(self, frame: Picture) -> Bearing:
        """How a frame differs from the source. Raises PortraitError when too little of the face is
        found again."""
        grey = _grey(frame)
        there, kept = _follow(self._even, _evened(grey), self._start)
        if kept.sum() < _FEWEST:
            raise PortraitError("the face cannot be found again in a frame")
        turn, scale, kept, solved = self._turn(there, kept)
        carried = np.c_[self._balls, np.ones(2)] @ solved
        yaw, pitch, roll = angles_of(turn @ self._pose.turn.T)
        eyes = zip(self._irises, carried, strict=True)
        gaze = np.mean([self._gaze(grey, iris, there, kept, to) for iris, to in eyes], axis=0)
        size = scale / self._pose.scale
        return Bearing(yaw, pitch, roll, size, float(gaze[0]), float(gaze[1]))

    def _turn(
        self, there: Doubles, kept: NDArray[np.bool_]
    ) -> tuple[Doubles, float, NDArray[np.bool_], Doubles]:
        """Rotation (3, 3) and scale of the orthographic view that explains the points best; points
        that followed something else are left out of a second look."""
        design = np.c_[self._head, np.ones(len(self._head))]
        for _ in range(3):
            solved = np.linalg.lstsq(design[kept], there[kept], rcond=None)[0]
            miss = np.hypot(*(design @ solved - there).T)
            kept = kept & (miss <= max(3 * float(np.median(miss[kept])), 0.3))
        left, singular, right = np.linalg.svd(solved[:3].T)
        two = left @ np.eye(2, 3) @ right
        turn = np.stack([two[0], two[1], np.cross(two[0], two[1])])
        return turn, float(singular.mean()), kept, np.asarray(solved)

    def _gaze(
        self, grey: Picture, iris: _Iris, there: Doubles, kept: NDArray[np.bool_], carried: Doubles
    ) -> Doubles:
        """carried: where the head alone takes the iris."""
        import cv2

        near = kept & (np.hypot(*(self._start - iris.centre).T) < 0.75 * self._apart)
        if near.sum() < 4:
            near = kept
        back, _ = cv2.estimateAffinePartial2D(
            there[near].astype(np.float32), self._start[near].astype(np.float32), method=cv2.LMEDS
        )
        if back is None:
            raise PortraitError("an eye cannot be found again in a frame")
        size = (self._grey.shape[1], self._grey.shape[0])
        still = np.asarray(cv2.warpAffine(grey, back, size, flags=cv2.INTER_CUBIC), np.uint8)
        moved = iris.shift(still) - (back @ np.r_[carried, 1.0] - iris.centre)
        shift = moved / (self._mm * _EYEBALL)
        return np.asarray(np.degrees(np.arcsin(np.clip(shift, -1, 1))))


class _Iris:
    """The middle of one iris: a patch with the pupil and both its rims, low enough that lids,
    which follow the gaze, stay out of it."""

    def __init__(self, grey: Picture, eye: Doubles, radius: float) -> None:
        self.centre = _dark_disc(grey, eye, radius)
        self._radius = radius
        wide, tall = 1.2 * radius, 0.5 * radius
        self._patch = self._cut(grey, wide, tall)

    def shift(self, grey: Picture) -> Doubles:
        """Pixels (x, y) by which the iris has moved."""
        import cv2

        reach = 0.75 * self._radius
        area = self._cut(grey, 1.2 * self._radius + reach, 0.5 * self._radius + reach)
        score = cv2.matchTemplate(area, self._patch, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        middle = (np.array(score.shape) - 1) / 2
        return np.array([column - middle[1], row - middle[0]]) / _ENLARGE

    def _cut(self, grey: Picture, wide: float, tall: float) -> Picture:
        import cv2

        size = (2 * round(wide * _ENLARGE) + 1, 2 * round(tall * _ENLARGE) + 1)
        middle = (np.array(size) - 1) / 2
        at = np.array([[1 / _ENLARGE, 0.0], [0.0, 1 / _ENLARGE]])
        back = np.c_[at, self.centre - at @ middle]
        read = cv2.warpAffine(
            grey, back, size, flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        return np.asarray(read, np.uint8)


def _grey(picture: Picture) -> Picture:
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY), np.uint8)


def _evened(grey: Picture) -> Picture:
    """Texture alone: light that changes when a head turns would hold points back."""
    import cv2

    soft = np.asarray(grey, np.float32)
    wide = 0.018 * max(grey.shape)
    off = soft - cv2.GaussianBlur(soft, (0, 0), wide)
    spread = np.sqrt(cv2.GaussianBlur(off * off, (0, 0), wide) + 4.0)
    return np.asarray(np.clip(128 + 40 * off / spread, 0, 255), np.uint8)


def _corners(even: Picture, points: Doubles, middles: list[Doubles], hole: float) -> Doubles:
    """Corners of the texture on brows, nose, cheeks and the upper lip; not on eyes, which look
    about, nor near the outline and the chin, where a neck holds the skin back."""
    import cv2

    inner = np.zeros(even.shape, np.uint8)
    ring = np.vstack([points[17:27] - (0, 0.25 * hole), points[[14, 13]], points[[54, 48]],
                      points[[3, 2]]])  # fmt: skip
    middle = ring.mean(0)
    outline = np.asarray(
        cv2.convexHull(np.round(middle + 0.94 * (ring - middle)).astype(np.int32)), np.int32
    )
    cv2.fillPoly(inner, [outline], 255)
    for m in middles:
        cv2.circle(inner, (round(float(m[0])), round(float(m[1]))), round(hole), 0, -1)
    apart = max(3.0, 0.0075 * even.shape[0])
    found = cv2.goodFeaturesToTrack(even, _MOST, 0.01, apart, mask=inner)
    if found is None:
        raise PortraitError("the face is too smooth to measure")
    return np.asarray(found[:, 0], np.float64)


def _follow(before: Picture, after: Picture, points: Doubles) -> tuple[Doubles, NDArray[np.bool_]]:
    import cv2

    start = points.astype(np.float32)[:, None]
    window = max(9, round(0.028 * max(before.shape)) | 1)
    how: dict[str, Any] = {
        "winSize": (window, window), "maxLevel": 4,
        "criteria": (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 40, 0.005),
    }  # fmt: skip
    there, found, _ = cv2.calcOpticalFlowPyrLK(before, after, start, None, **how)
    back, again, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **how)
    miss = np.hypot(*(back - start)[:, 0].T)
    kept = (found[:, 0] > 0) & (again[:, 0] > 0) & (miss < _RETURNS)
    return there[:, 0].astype(np.float64), np.asarray(kept, bool)


def _dark_disc(grey: Picture, near: Doubles, radius: float) -> Doubles:
    """Centre of the disc of an iris's size, near `near`, that is darkest against
    its sides and what lies below it; above it hang lashes, as dark as itself."""
    import cv2

    reach = int(np.ceil(2.6 * radius))
    x0, y0 = max(0, round(float(near[0])) - reach), max(0, round(float(near[1])) - reach)
    area = grey[y0 : y0 + 2 * reach + 1, x0 : x0 + 2 * reach + 1].astype(np.float32)
    area = np.minimum(area, np.float32(np.percentile(area, 90)))
    side = int(np.ceil(1.4 * radius))
    y, x = np.mgrid[-side : side + 1, -side : side + 1] / radius
    far = np.hypot(x, y)
    disc = (far < 0.95).astype(np.float32)
    around = ((far > 1.05) & (far < 1.4) & (y > -0.45)).astype(np.float32)
    score = cv2.filter2D(area, -1, around / around.sum() - disc / disc.sum())
    rows, columns = np.mgrid[0 : area.shape[0], 0 : area.shape[1]]
    off = np.hypot(columns + x0 - near[0], 2 * (rows + y0 - near[1])) > radius
    row, column = np.unravel_index(int(np.where(off, -np.inf, score).argmax()), score.shape)
    return np.array([column + x0, row + y0], np.float64)
