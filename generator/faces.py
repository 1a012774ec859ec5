"""FaceBox: where a face is. Found by MTCNN, whose weights come inside facenet-pytorch."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

#: The detector looks at the picture at most this large; time grows with the pixels.
_DETECT_SIDE: Final = 640
_SMALLEST_FACE: Final = 40


@dataclass(frozen=True, slots=True, eq=False)
class FaceBox:
    """A face in pixels of the picture it was found in.

    probability is the detector's own, 0 to 1. points (5, 2): the eye on the viewer's left, the
    eye on the right, nose tip, mouth corner on the left, mouth corner on the right.
    """

    left: float
    top: float
    right: float
    bottom: float
    probability: float
    points: NDArray[np.float32]

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)


def find_faces(picture: NDArray[np.uint8]) -> tuple[FaceBox, ...]:
    """Every face MTCNN sees in an RGB picture (H, W, 3), the largest first; () when there is none.

    Zhang et al. 2016, "Joint Face Detection and Alignment Using Multitask Cascaded CNNs". Runs on
    the CPU and is deterministic. Faces narrower than 1/16 of the longer side may be missed.
    """
    from PIL import Image

    height, width = picture.shape[:2]
    shrink = min(1.0, _DETECT_SIDE / max(height, width))
    small = Image.fromarray(picture)
    if shrink < 1.0:
        small = small.resize((round(width * shrink), round(height * shrink)), Image.Resampling.BOX)
    boxes, probabilities, points = _detector().detect(small, landmarks=True)
    if boxes is None:
        return ()
    found = [
        FaceBox(
            left=float(box[0]) / shrink,
            top=float(box[1]) / shrink,
            right=float(box[2]) / shrink,
            bottom=float(box[3]) / shrink,
            probability=float(probability),
            points=np.asarray(five, np.float32) / np.float32(shrink),
        )
        for box, probability, five in zip(boxes, probabilities, points, strict=True)
    ]
    return tuple(sorted(found, key=lambda face: -face.area))


@contextlib.contextmanager
def _without_compiler() -> Iterator[None]:
    """Keeps torchvision from loading torch's compiler while it is imported.

    It asks the compiler one question there, about an operator that MTCNN never calls (roi_align:
    may it be compiled on this device?), and loading a compiler for that takes as long as all the
    rest of a child's start. Here the answer is no. Whoever needs the compiler later gets the real
    one.
    """
    if not {"torch._dynamo", "torchvision"}.isdisjoint(sys.modules):
        yield
        return
    package, asked = ModuleType("torch._dynamo"), ModuleType("torch._dynamo.utils")
    asked.is_compile_supported = lambda _device: False  # type: ignore[attr-defined]
    stand_in = {package.__name__: package, asked.__name__: asked}
    sys.modules.update(stand_in)
    try:
        yield
    finally:
        for name, module in stand_in.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]


@lru_cache(maxsize=1)
def _detector() -> Any:
    with _without_compiler():
        from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, device="cpu", min_face_size=_SMALLEST_FACE)
