"""Watcher: what an onlooker sees of a talking face, measured in the frames and in nothing else.

Two instruments read the lips. Landmarks work on photographs; on drawn and painted lips dlib's
hardly move. There the strips of skin just above and just below the mouth line are found again in
every frame, and their distance is the aperture: that needs a source whose lips touch, and takes
no command, no mask and no geometry from the renderer. Lids are read the same way, by how little the
eye still looks like the open eye of the source.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import PortraitError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.generator.head import fit_pose
from primafacie.generator.landmarks import DlibLandmarker

Picture = NDArray[np.uint8]
Doubles = NDArray[np.float64]

#: Landmarks that speech leaves in place: eye corners and the nose.
RIGID: Final = np.array([36, 39, 42, 45, 27, 28, 29, 30, 31, 33, 35])
#: Frames between two looks for the face; in between it is where it was.
_LOOK_AGAIN: Final = 12
#: The upright face all measuring is done on: pixels between the eyes, their middle, its size.
_APART: Final = 120.0
_MIDDLE: Final = (220.0, 150.0)
_SIZE: Final = (440, 460)
#: Lips further apart than this in the source, in eye distances, cannot be measured by strips.
_TOUCHING: Final = 0.06
#: Pixels of the upright face, two to a millimetre, by which each strip may have moved: up, down.
#: The upper lip hangs on the skull and comes down by three or four millimetres at most; looked for
#: further down, teeth or the lower lip are taken for it, and an open mouth for a shut one.
_UPPER, _LOWER = (-30, 8), (-14, 54)
#: Below this likeness to the open eye of the source, it is shut.
SHUT: Final = 0.60


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """A clip as seen, T frames. Lengths in eye distances, angles in degrees.

    aperture (T,): the lips' distance, by strips where the source's lips touch, else by_landmarks
    (T,), as dlib sees it. lids (T,): likeness of the eyes to the source's open ones, 1 = the same.
    pose (T, 3): yaw, pitch, roll. rigid (T, 11, 2): the points of RIGID. found (T,): a face of
    probability 0.97 or more stood where it was last looked for.
    """

    fps: float
    aperture: Doubles
    by_landmarks: Doubles
    lids: Doubles
    pose: Doubles
    rigid: Doubles
    found: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.aperture)


class Watcher:
    """Knows one source picture and compares frames of the same framing with it.

    Raises PortraitError when the source shows no face.
    """

    def __init__(self, source: Picture) -> None:
        self._finder = DlibLandmarker()
        faces = find_faces(source)
        if not faces:
            raise PortraitError("no face was found to measure")
        points = self._finder.find(source, faces[0]).points.astype(np.float64)
        self._upright = _upright(points)
        self.source_points = points
        grey = self._level(source, points)
        self._strips = _Strips(grey, self._upright)
        eyes = (self._upright[36:42], self._upright[42:48])
        self._eyes = tuple(_eye_patch(grey, eye) for eye in eyes)
        rest = self._upright[66, 1] - self._upright[62, 1]
        #: Whether the strips can be trusted; otherwise `aperture` is dlib's.
        self.lips_touch = bool(rest / _APART < _TOUCHING)

    def watch(self, frames: Iterable[Picture], fps: float) -> Watched:
        """Look at every frame, in order."""
        rows = []
        last: Doubles | None = None
        sure = False
        for number, frame in enumerate(frames):
            if number % _LOOK_AGAIN == 0 or last is None:
                faces = find_faces(frame)
                sure = bool(faces) and faces[0].probability >= 0.97
                face = faces[0] if faces else None
            else:
                face = _where_it_was(last)
            if face is None:
                rows.append(_Row.blank())
                continue
            last = self._finder.find(frame, face).points.astype(np.float64)
            rows.append(self._look(frame, last, sure))
        return _gathered(rows, fps)

    def _look(self, frame: Picture, points: Doubles, sure: bool) -> _Row:
        grey = self._level(frame, points)
        apart = float(np.hypot(*(points[36:42].mean(0) - points[42:48].mean(0))))
        dlib = float(np.hypot(*(points[62] - points[66]))) / apart
        strips = self._strips.distance(grey) / _APART
        lids = float(np.mean([_likeness(grey, patch, at) for patch, at in self._eyes]))
        pose = fit_pose(points).angles
        aperture = strips if self.lips_touch else dlib
        return _Row(aperture, dlib, lids, pose, points[RIGID], sure)

    def _level(self, frame: Picture, points: Doubles) -> Picture:
        """The face upright, at one size, in grey: head turns in the plane and zoom are gone."""
        import cv2

        to = self._upright[RIGID].astype(np.float32)
        turn, _ = cv2.estimateAffinePartial2D(
            points[RIGID].astype(np.float32), to, method=cv2.LMEDS
        )
        if turn is None:
            raise PortraitError("the face cannot be measured in a frame")
        grey = cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY)
        return np.asarray(cv2.warpAffine(grey, turn, _SIZE, flags=cv2.INTER_LINEAR), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    aperture: float
    dlib: float
    lids: float
    pose: tuple[float, float, float]
    rigid: Doubles
    found: bool

    @classmethod
    def blank(cls) -> _Row:
        nan = float("nan")
        return cls(nan, nan, nan, (nan, nan, nan), np.full((len(RIGID), 2), nan), False)


class _Strips:
    """The skin above and below the mouth line of the source, found again by correlation."""

    def __init__(self, grey: Picture, points: Doubles) -> None:
        import cv2

        wide = abs(points[54, 0] - points[48, 0])
        middle = (points[54, 0] + points[48, 0]) / 2
        self._x0, self._x1 = round(middle - 0.22 * wide), round(middle + 0.22 * wide)
        guess = round((points[62, 1] + points[66, 1]) / 2)
        band = cv2.GaussianBlur(grey, (0, 0), 1.2)[guess - 8 : guess + 9, self._x0 : self._x1]
        self._line = guess - 8 + int(band.mean(1).argmin())
        self._above = grey[self._line - 30 : self._line, self._x0 : self._x1]
        self._below = grey[self._line + 1 : self._line + 46, self._x0 : self._x1]

    def distance(self, grey: Picture) -> float:
        """Pixels of the upright face by which the two strips lie further apart than at rest."""
        above = self._find(grey, self._above, self._line - 30, *_UPPER)
        below = self._find(grey, self._below, self._line + 1, *_LOWER)
        return below - above

    def _find(self, grey: Picture, strip: Picture, at: int, least: int, most: int) -> float:
        import cv2

        band = grey[at + least : at + most + len(strip), self._x0 - 7 : self._x1 + 7]
        score = cv2.matchTemplate(band, strip, cv2.TM_CCOEFF_NORMED).max(1)
        best = int(score.argmax())
        return least + best + _between(score, best)


def _between(score: NDArray[np.float32], best: int) -> float:
    """Where between the rows the top of a parabola through three scores lies."""
    if not 0 < best < len(score) - 1:
        return 0.0
    left, top, right = (float(score[best + i]) for i in (-1, 0, 1))
    bend = left - 2 * top + right
    return 0.5 * (left - right) / bend if bend < -1e-6 else 0.0


def _eye_patch(grey: Picture, eye: Doubles) -> tuple[Picture, tuple[int, int]]:
    low, high = eye.min(0), eye.max(0)
    reach = 0.12 * (high[0] - low[0])
    x0, x1 = round(low[0] - reach), round(high[0] + reach)
    y0, y1 = round(low[1] - reach), round(high[1] + reach)
    return grey[y0:y1, x0:x1].copy(), (x0, y0)


def _likeness(grey: Picture, patch: Picture, at: tuple[int, int]) -> float:
    import cv2

    x, y = at
    tall, wide = patch.shape
    band = grey[y - 5 : y + tall + 5, x - 5 : x + wide + 5]
    return float(cv2.matchTemplate(band, patch, cv2.TM_CCOEFF_NORMED).max())


def _upright(points: Doubles) -> Doubles:
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    across = right - left
    apart = float(np.hypot(*across))
    if apart < 8.0:
        raise PortraitError("the face is too small to measure")
    x, y = across / apart
    turn = (_APART / apart) * np.array([[x, y], [-y, x]])
    return np.asarray((points - (left + right) / 2) @ turn.T + _MIDDLE, np.float64)


def _where_it_was(points: Doubles) -> FaceBox:
    five = np.stack(
        [points[36:42].mean(0), points[42:48].mean(0), points[30], points[48], points[54]]
    )
    low, high = points.min(0), points.max(0)
    return FaceBox(low[0], low[1], high[0], high[1], 1.0, five.astype(np.float32))


def _gathered(rows: list[_Row], fps: float) -> Watched:
    def column(name: str) -> Any:
        return np.array([getattr(row, name) for row in rows], np.float64)

    return Watched(
        fps=fps,
        aperture=column("aperture"),
        by_landmarks=column("dlib"),
        lids=column("lids"),
        pose=column("pose").reshape(-1, 3),
        rigid=column("rigid").reshape(-1, len(RIGID), 2),
        found=np.array([row.found for row in rows], bool),
    )
