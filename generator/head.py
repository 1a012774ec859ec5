"""HeadShape: an average head, and how it must be turned to lie on a face in a photo.

Frames. Picture: x right, y down, z towards the viewer, in pixels. Head: the same axes on a head
that looks straight ahead, about centimetres (a face is 14 wide). A point V of the head lies at
s R V + t in the picture. Angles as in MotionTrack: yaw > 0 turns to the head's own left (the
viewer's right), pitch > 0 looks down, roll > 0 tilts clockwise for the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import PortraitError

Doubles = NDArray[np.float64]

#: Which of the 468 vertices stand for the 68 points of iBUG 300-W.
MESH_OF_68: Final = np.array([
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
])  # fmt: skip

#: The outline of the face in the 468 vertices, clockwise from the middle of the forehead.
OVAL: Final = np.array([
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
])  # fmt: skip

#: Points that hardly move when a face speaks: ear line, nose, eye corners.
_RIGID_68: Final = np.array([0, 1, 2, 14, 15, 16, 27, 28, 29, 30, 31, 33, 35, 36, 39, 42, 45])
#: The jaw outline is where landmarkers disagree most, so it counts for less.
_RIGID_WEIGHT: Final = np.array([0.4] * 6 + [1.0] * 11)


@dataclass(frozen=True, slots=True, eq=False)
class HeadPose:
    """picture = scale * turn @ head + shift; turn (3, 3) is a rotation, shift is (x, y, 0)."""

    scale: float
    turn: Doubles
    shift: Doubles

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees."""
        return angles_of(self.turn)

    def to_head(self, points: Doubles) -> Doubles:
        """Picture points (..., 3) in the head's frame."""
        return np.asarray((points - self.shift) @ self.turn / self.scale, np.float64)

    def to_picture(self, points: Doubles) -> Doubles:
        """Head points (..., 3) in the picture's frame."""
        return np.asarray(self.scale * points @ self.turn.T + self.shift, np.float64)


@lru_cache(maxsize=1)
def head_template() -> Doubles:
    """468 vertices (468, 3) of a mean face, symmetrical, in head units.

    Means of mesh fits to frontal faces, aligned and mirrored; it describes nobody.
    """
    template = _stored("vertices").astype(np.float64) / 1000.0
    template.flags.writeable = False
    return np.asarray(template)


@lru_cache(maxsize=1)
def head_triangles() -> NDArray[np.uint16]:
    """(852, 3) vertices of the template's skin, with eyes and mouth left open; as the viewer sees
    them they run counter-clockwise. Source: MediaPipe's FACEMESH_TESSELATION (Apache-2.0)."""
    triangles = _stored("triangles").astype(np.uint16)
    triangles.flags.writeable = False
    return np.asarray(triangles)


def _stored(name: str) -> NDArray[np.generic]:
    data = files("primafacie.generator").joinpath("head_template.npz").read_bytes()
    with np.load(BytesIO(data)) as stored:
        return np.asarray(stored[name])


def rotation(yaw: float, pitch: float, roll: float) -> Doubles:
    """Roll after yaw after pitch, (3, 3), from degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    cy, sy, cp, sp, cr, sr = np.cos(y), np.sin(y), np.cos(p), np.sin(p), np.cos(r), np.sin(r)
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x, np.float64)


def angles_of(turn: Doubles) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of a rotation as `rotation` makes them."""
    yaw = float(np.degrees(np.arcsin(np.clip(-turn[2, 0], -1, 1))))
    pitch = float(np.degrees(np.arctan2(-turn[2, 1], turn[2, 2])))
    roll = float(np.degrees(np.arctan2(turn[1, 0], turn[0, 0])))
    return yaw, pitch, roll


def fit_pose(points: Doubles) -> HeadPose:
    """The pose under which the average head lies on 68 picture points (68, 2) best.

    Weighted scaled-orthographic least squares, made orthonormal by SVD (Kanade and Morris 1998).
    Raises PortraitError when the points span no face.
    """
    model = head_template()[MESH_OF_68][_RIGID_68]
    return _orthographic(model, points[_RIGID_68], _RIGID_WEIGHT)


def _orthographic(model: Doubles, seen: Doubles, weight: Doubles) -> HeadPose:
    root = np.sqrt(weight)[:, None]
    design = np.c_[model, np.ones(len(model))] * root
    solution, *_ = np.linalg.lstsq(design, seen * root, rcond=None)
    rows = solution[:3].T
    left, singular, right = np.linalg.svd(rows)
    if singular[1] < 1e-3:
        raise PortraitError("the landmarks do not form a face in this photo")
    two = left @ np.eye(2, 3) @ right
    turn = np.stack([two[0], two[1], np.cross(two[0], two[1])])
    if turn[2, 2] < 0:
        raise PortraitError("the landmarks form a face seen from behind")
    return HeadPose(float(singular.mean()), turn, np.array([solution[3, 0], solution[3, 1], 0.0]))


def fit_mesh(points: Doubles, pose: HeadPose) -> Doubles:
    """468 picture points (468, 3): the average head, bent until it passes through 68 points.

    x and y by a smoothed thin-plate spline of what the pose leaves over (Bookstein 1989); depth
    is the turned average head's.
    """
    from scipy.interpolate import RBFInterpolator

    laid = pose.to_picture(head_template())
    anchors = laid[MESH_OF_68, :2]
    size = 14.0 * pose.scale
    bend = RBFInterpolator(
        anchors / size, points - anchors, kernel="thin_plate_spline", smoothing=1e-3
    )
    bent = laid.copy()
    bent[:, :2] += bend(laid[:, :2] / size)
    return bent


def fit_pose_to_mesh(mesh: Doubles) -> HeadPose:
    """The pose of a measured mesh (468, 3): Umeyama 1991 on vertices that speech hardly moves."""
    rigid = MESH_OF_68[_RIGID_68]
    model, seen = head_template()[rigid], mesh[rigid]
    weight = (_RIGID_WEIGHT / _RIGID_WEIGHT.sum())[:, None]
    model_mean, seen_mean = (weight * model).sum(0), (weight * seen).sum(0)
    spread = (weight * (seen - seen_mean)).T @ (model - model_mean)
    left, singular, right = np.linalg.svd(spread)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    turn = left @ np.diag(sign) @ right
    scale = float((singular * sign).sum() / (weight * (model - model_mean) ** 2).sum())
    shift = seen_mean - scale * turn @ model_mean
    # Depth has no origin in a photo; the head's frame sets it.
    return HeadPose(scale, turn, np.array([shift[0], shift[1], shift[2]]))
