"""identify(photo) -> what two detectors and one recogniser see in it. Runs inside the sandbox.

Two independent detectors must agree on one face: MTCNN, which also aligns it, and dlib's HOG
detector. The recogniser is dlib's ResNet (128-D, public domain weights). It answers which face is
nearest; whether that suffices is a policy's question, not this file's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from primafacie.audit.digest import sha256_file, sha256_hex
from primafacie.generator.errors import PortraitError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.generator.picture import decode_picture
from primafacie.generator.portrait import Portrait
from primafacie.safeguards.errors import FaceError

SURE: Final = 0.90  # MTCNN's probability from which a face counts
HOG_SCORE: Final = 0.0  # HOG's score from which a face counts
HOG_SIDE: Final = 900  # pixels to which the longer side is reduced for HOG
CHIP: Final = 150  # pixels of the aligned face the recogniser looks at
MIN_DETAIL: Final = 20.0  # variance of the Laplacian on the chip below which it is blurred
EXPOSURE: Final = (40.0, 220.0)  # mean grey of the chip
MIN_CONTRAST: Final = 14.0  # standard deviation of grey on the chip


class FaceEmbedder(Protocol):
    """Promises: same pixels, same vector; `model` names weights by digest, so that templates of
    different models can never meet."""

    model: str

    def chip(self, picture: NDArray[np.uint8], face: FaceBox) -> NDArray[np.uint8]:
        """The aligned face, (150, 150, 3)."""

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Its descriptor, (D,)."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen in one photo. `vector` is None unless a main face could be aligned.
    aspect: the picture's longer side over its shorter one."""

    faces_a: int
    faces_b: int
    problems: tuple[str, ...]
    model: str
    vector: NDArray[np.float32] | None = field(repr=False, default=None)
    generator_mark: str = ""
    aspect: float = 1.0


def identify(photo: bytes, embedder: FaceEmbedder | None = None) -> Sighting:
    """Look at one photo. A photo that cannot be decoded or used is a Sighting with problems,
    so that its refusal is logged like any other; nothing is raised for bad pictures."""
    embedder = embedder or DlibEmbedder()
    try:
        picture = decode_picture(photo)
    except PortraitError as error:
        return Sighting(0, 0, (str(error),), embedder.model)
    faces = [f for f in find_faces(picture) if f.probability >= SURE]
    problems = list(_unfit(picture, sha256_hex(photo)))
    aspect = max(picture.shape[:2]) / min(picture.shape[:2])
    if not faces:
        hog = count_hog(picture)
        return Sighting(0, hog, tuple(problems), embedder.model, aspect=aspect)
    chip = embedder.chip(picture, faces[0])
    problems += quality(chip)
    return Sighting(
        faces_a=len(faces),
        faces_b=count_hog(picture),
        problems=tuple(dict.fromkeys(problems)),
        model=embedder.model,
        vector=embedder.embed(chip),
        generator_mark=screen(picture),
        aspect=aspect,
    )


def quality(chip: NDArray[np.uint8]) -> list[str]:
    """What is wrong with an aligned face, as sentences; [] when it is good enough to compare."""
    import cv2

    grey = cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY)
    found = []
    if float(cv2.Laplacian(grey, cv2.CV_64F).var()) < MIN_DETAIL:
        found.append("the face is blurred; use a sharp photo")
    mean = float(grey.mean())
    if not EXPOSURE[0] <= mean <= EXPOSURE[1]:
        found.append("the face is too dark or too bright; use even light")
    if float(grey.std()) < MIN_CONTRAST:
        found.append("the face has hardly any contrast; use even light")
    return found


def count_hog(picture: NDArray[np.uint8]) -> int:
    """Faces that dlib's HOG detector counts; the second opinion."""
    import cv2

    shrink = min(1.0, HOG_SIDE / max(picture.shape[:2]))
    small = picture
    if shrink < 1.0:
        small = cv2.resize(picture, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    _, scores, _ = _hog().run(np.ascontiguousarray(small), 0, HOG_SCORE)
    return len(scores)


class DlibEmbedder:
    """dlib_face_recognition_resnet_model_v1 on MTCNN's box; CC0 weights inside a PyPI package."""

    def __init__(self) -> None:
        self.model = f"dlib-resnet-v1@{_weights_digest()}"

    def chip(self, picture: NDArray[np.uint8], face: FaceBox) -> NDArray[np.uint8]:
        """The face aligned by dlib's five points."""
        dlib, five, _ = _dlib_models()
        box = dlib.rectangle(round(face.left), round(face.top), round(face.right),
                             round(face.bottom))  # fmt: skip
        image = np.ascontiguousarray(picture)
        chip = dlib.get_face_chip(image, five(image, box), size=CHIP)
        return np.asarray(chip, np.uint8)

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """128 numbers; distances below 0.5 to a mean of five frames mean the same person."""
        _, _, recogniser = _dlib_models()
        return np.asarray(recogniser.compute_face_descriptor(chip), np.float32)


def _unfit(picture: NDArray[np.uint8], sha256: str) -> tuple[str, ...]:
    """What keeps the studio from animating this photo: the very check it will make itself."""
    try:
        Portrait.from_picture(picture, sha256)
    except PortraitError as error:
        return (str(error),)
    return ()


def screen(picture: NDArray[np.uint8]) -> str:
    """The image generator whose mark the picture carries, "" for none."""
    from primafacie.safeguards.provenance.schemes.stable_signs import screen_source

    return screen_source(picture) or ""


def model_file(name: str) -> Path:
    """A weights file of face_recognition_models, found without importing that package (it needs
    pkg_resources, which no longer exists). Raises FaceError when the package is missing."""
    spec = find_spec("face_recognition_models")
    if spec is None or spec.origin is None:
        raise FaceError("face_recognition_models is not installed")
    return Path(spec.origin).parent / "models" / name


@lru_cache(maxsize=1)
def _weights_digest() -> str:
    return sha256_file(model_file("dlib_face_recognition_resnet_model_v1.dat"))


@lru_cache(maxsize=1)
def _hog() -> Any:
    import dlib

    return dlib.get_frontal_face_detector()


@lru_cache(maxsize=1)
def _dlib_models() -> tuple[Any, Any, Any]:
    import dlib

    five = dlib.shape_predictor(str(model_file("shape_predictor_5_face_landmarks.dat")))
    weights = str(model_file("dlib_face_recognition_resnet_model_v1.dat"))
    return dlib, five, dlib.face_recognition_model_v1(weights)
