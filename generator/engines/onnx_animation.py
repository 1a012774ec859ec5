"""OnnxAnimation: an adapter for image-animation models, and an example of how to write one.

The model takes the source picture and the motion of a frame and gives the frame:

    source  float32 (1, 3, H, W) in [0, 1], RGB
    motion  float32 (N, 60): yaw, pitch, roll, x, y, scale, gaze yaw, gaze pitch, ARKit's 52
    frames  float32 (N, 3, H, W) in [0, 1]

with H = W fixed in the file. Models with other inputs (keypoints, latents) need another `_feed`.
Such a model need not give the source back when nothing moves; `info` says that it is not exact.
To bring one's own: a package with this class, a factory with these three arguments, an entry point
in the group `primafacie.engines`, and the file registered with its sha256 and licence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError
from primafacie.generator.info import EngineInfo, Weights
from primafacie.generator.motion import MotionTrack
from primafacie.generator.permit import Admission, require

if TYPE_CHECKING:
    from primafacie.generator.portrait import Portrait

_BATCH: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class Avatar:
    """The source as the model wants it; width and height are the frames'."""

    source: NDArray[np.float32]
    width: int
    height: int


class OnnxAnimation:
    """Any ONNX file with the inputs above, run by onnxruntime on one CPU thread."""

    def __init__(self, model: bytes, sha256: str, licence: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        providers = ["CPUExecutionProvider"]
        try:
            self._session: Any = onnxruntime.InferenceSession(model, options, providers=providers)
            shape = {i.name: i.shape for i in self._session.get_inputs()}["source"]
        except Exception as error:
            raise EngineError("the registered file is no image-animation model") from error
        self._side = int(shape[2])
        file = (Weights("model.onnx", sha256, licence),)
        self.info = EngineInfo("onnx-animation", "1.0", "Apache-2.0", file, exact=False)

    def prepare(self, admission: Admission, portrait: Portrait, controls: Controls) -> Avatar:
        """The square round the face, at the model's own size."""
        import cv2

        require(admission)
        face, (tall, wide) = portrait.face, portrait.photo.shape[:2]
        side = min(tall, wide, round(2.2 * max(face.width, face.height)))
        left = int(np.clip((face.left + face.right - side) / 2, 0, wide - side))
        top = int(np.clip((face.top + face.bottom - side) / 2, 0, tall - side))
        square = portrait.photo[top : top + side, left : left + side]
        small = cv2.resize(square, (self._side, self._side), interpolation=cv2.INTER_AREA)
        source = np.moveaxis(small.astype(np.float32) / 255, 2, 0)[None]
        return Avatar(source, controls.size, controls.size)

    def render(
        self, admission: Admission, avatar: Avatar, track: MotionTrack
    ) -> Iterator[NDArray[np.uint8]]:
        """The model's frames, enlarged to what was asked for."""
        require(admission)
        motion = np.concatenate([track.pose, track.gaze, track.coeffs], axis=1)
        for start in range(0, len(track), _BATCH):
            require(admission)
            yield from self._drawn(avatar, motion[start : start + _BATCH])

    def _drawn(self, avatar: Avatar, motion: NDArray[np.float32]) -> Iterator[NDArray[np.uint8]]:
        import cv2

        (frames,) = self._session.run(["frames"], {"source": avatar.source, "motion": motion})
        for frame in np.moveaxis(np.clip(frames, 0, 1), 1, 3):
            large = cv2.resize(frame, (avatar.width, avatar.height), interpolation=cv2.INTER_CUBIC)
            yield np.asarray(np.clip(large, 0, 1) * 255 + 0.5, np.uint8)


def onnx_animation(data: bytes, sha256: str, licence: str) -> OnnxAnimation:
    """The engine that runs this model. Raises EngineError when it is none."""
    return OnnxAnimation(data, sha256, licence)
