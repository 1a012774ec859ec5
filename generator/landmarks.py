"""Landmarks: the points of a face, and who finds them.

The renderer needs 68 points in the order of iBUG 300-W. Two finders are known:

- DlibLandmarker, the default: dlib's 68-point regression trees. The file comes with the package
  face_recognition_models. Its training set, iBUG 300-W, excludes commercial use, and so does the
  trained file: research licence.
- MeshLandmarker, optional: MediaPipe's 468-point face mesh (Apache-2.0), read by OpenCV. The
  operator names the file, its sha256 and its licence (`registry.py`); nothing is fetched.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError, PortraitError
from primafacie.generator.faces import FaceBox
from primafacie.generator.head import MESH_OF_68
from primafacie.generator.info import Weights

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

_DLIB_FILE: Final = "shape_predictor_68_face_landmarks.dat"
_DLIB_SHA256: Final = "fbdc2cb80eb9aa7a758672cbfdda32ba6300efe9b6e6c7a299ff7e736b11b92f"
_DLIB_LICENCE: Final = "research only: trained on iBUG 300-W, whose licence excludes commercial use"
_MESH_INPUT: Final = 192
DLIB_68: Final = "dlib-68"
FACE_MESH: Final = "face-mesh"


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """points (68, 2) in picture pixels, iBUG order; mesh (468, 3) or None: MediaPipe's vertices,
    x and y in pixels, z in the same unit, growing towards the viewer."""

    points: Floats
    mesh: Floats | None = None


class Landmarker(Protocol):
    """Promises: the same picture and box give the same points; nothing is written or fetched."""

    info: Weights

    def find(self, picture: Picture, face: FaceBox) -> Landmarks: ...


class DlibLandmarker:
    """Kazemi and Sullivan 2014, "One Millisecond Face Alignment", as trained by dlib's author.

    Raises EngineError when the file is missing or is not the file this project was measured with.
    """

    def __init__(self) -> None:
        self.info = Weights(_DLIB_FILE, _DLIB_SHA256, _DLIB_LICENCE)
        self._predict = _dlib_predictor()

    def find(self, picture: Picture, face: FaceBox) -> Landmarks:
        """The mean over five slightly moved boxes, which halves the jitter of one."""
        import dlib

        found = [
            _points(self._predict(picture, dlib.rectangle(*box)))
            for box in _boxes_for_dlib(face, picture.shape[1], picture.shape[0])
        ]
        return Landmarks(np.asarray(np.mean(found, axis=0), np.float32))


class MeshLandmarker:
    """MediaPipe's face_landmark.tflite through OpenCV: better on side views and paintings.

    Raises EngineError when OpenCV cannot read the file.
    """

    def __init__(self, data: bytes, licence: str) -> None:
        """data: the file's bytes, compared with their registered digest by whoever read them."""
        self.info = Weights(FACE_MESH, hashlib.sha256(data).hexdigest(), licence)
        self._net, self._output = _read_mesh_net(data)

    def find(self, picture: Picture, face: FaceBox) -> Landmarks:
        """Two passes: the second looks where the first one found the face."""
        left, right = face.points[0], face.points[1]
        centre = np.array([(face.left + face.right) / 2, (face.top + face.bottom) / 2])
        side = 1.5 * max(face.width, face.height)
        mesh = self._look(picture, centre, side, np.asarray(right - left, np.float64))
        low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
        mesh = self._look(
            picture, (low + high) / 2, 1.5 * float((high - low).max()),
            (mesh[263, :2] - mesh[33, :2]).astype(np.float64),
        )  # fmt: skip
        return Landmarks(mesh[MESH_OF_68, :2].copy(), mesh)

    def _look(
        self, picture: Picture, centre: NDArray[Any], side: float, eye_line: NDArray[Any]
    ) -> Floats:
        import cv2

        axis = eye_line / max(float(np.hypot(*eye_line)), 1e-6)
        scale = _MESH_INPUT / side
        turn = scale * np.array([[axis[0], axis[1]], [-axis[1], axis[0]]])
        shift = _MESH_INPUT / 2 - turn @ centre
        crop = cv2.warpAffine(
            picture, np.c_[turn, shift], (_MESH_INPUT, _MESH_INPUT), flags=cv2.INTER_LINEAR
        )
        self._net.setInput(cv2.dnn.blobFromImage(crop, 1 / 255.0))
        raw = np.asarray(self._net.forward(self._output), np.float64).reshape(468, 3)
        flat = (raw[:, :2] - shift) @ np.linalg.inv(turn).T
        return np.asarray(np.c_[flat, -raw[:, 2] / scale], np.float32)


def _read_mesh_net(data: bytes) -> tuple[Any, str]:
    import cv2

    try:
        net = cv2.dnn.readNetFromTFLite(np.frombuffer(data, np.uint8))
        net.setInput(np.zeros((1, 3, _MESH_INPUT, _MESH_INPUT), np.float32))
        for name in net.getUnconnectedOutLayersNames():
            if np.asarray(net.forward(name)).size == 468 * 3:
                return net, str(name)
    except cv2.error as error:
        raise EngineError("OpenCV cannot read the landmark file") from error
    raise EngineError("the landmark file does not give 468 points")


def _points(shape: Any) -> NDArray[np.float64]:
    return np.array([(p.x, p.y) for p in shape.parts()], np.float64)


def _boxes_for_dlib(face: FaceBox, width: int, height: int) -> list[tuple[int, int, int, int]]:
    """dlib was trained on its own detector's square boxes: brows to chin, not MTCNN's tall ones.

    Built on the five points so that a box that cuts the chin does no harm.
    """
    eyes = (face.points[0] + face.points[1]) / 2
    mouth = (face.points[3] + face.points[4]) / 2
    middle = (eyes + mouth) / 2
    across = float(np.hypot(*(face.points[1] - face.points[0])))
    down = float(np.hypot(*(mouth - eyes)))
    half = 1.10 * max(across, down)
    middle = middle - 0.12 * half * _upright(eyes, mouth)
    boxes = []
    for dx, dy, grow in ((0, 0, 1), (0.04, 0, 1), (-0.04, 0, 1), (0, 0.04, 1.04), (0, -0.04, 0.97)):
        x, y, r = middle[0] + dx * half, middle[1] + dy * half, half * grow
        boxes.append((round(x - r), round(y - r), round(x + r), round(y + r)))
    return boxes


def _upright(eyes: NDArray[Any], mouth: NDArray[Any]) -> NDArray[np.float64]:
    axis = np.asarray(mouth - eyes, np.float64)
    return axis / max(float(np.hypot(*axis)), 1e-6)


def _dlib_path() -> Path:
    # The package's own __init__ needs setuptools' pkg_resources, so it is located, not imported.
    spec = find_spec("face_recognition_models")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    for root in roots:
        path = Path(root) / "models" / _DLIB_FILE
        if path.is_file():
            return path
    raise EngineError("dlib's 68-point file is missing: install face_recognition_models 0.3.0")


@lru_cache(maxsize=1)
def _dlib_predictor() -> Any:
    import dlib

    path = _dlib_path()
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    if digest.hexdigest() != _DLIB_SHA256:
        raise EngineError("dlib's 68-point file is not the one this project was measured with")
    return dlib.shape_predictor(str(path))


def check_agreement(face: FaceBox, landmarks: Landmarks) -> float:
    """Mean distance between the detector's five points and the same five from the landmarks, in
    eye distances. Good faces measure below 0.075; side views and animals above 0.14."""
    p = landmarks.points
    five = np.stack([p[36:42].mean(0), p[42:48].mean(0), p[30], p[48], p[54]])
    apart = float(np.hypot(*(five[1] - five[0])))
    if apart < 1.0:
        raise PortraitError("the eyes cannot be told apart in this photo")
    return float(np.hypot(*(five - face.points).T).mean() / apart)
