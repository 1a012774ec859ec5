"""View: which part of the photo the video shows, and that part at the video's size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.head import fit_mesh
from primafacie.generator.portrait import Portrait

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Picture = NDArray[np.uint8]

#: Window sides in head sizes (the larger of 1.15 face widths and forehead to chin), and how far
#: above the middle of the window the face sits, in window heights.
_FRAMING: Final = {
    "face": (1.62, 1.0, 0.03),
    "square": (2.25, 1.0, 0.04),
    "portrait": (1.9, 16 / 9, -0.06),
}
#: The plate reaches this much beyond the window where the photo does, so that what moves in
#: from outside is the photo and not a smear.
_MARGIN: Final = 0.12
_LONGEST: Final = 1920


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """plate: the photo at video scale, a margin round the window included. The window is
    plate[top:top + height, left:left + width]. A photo point p lies at scale * p + offset in the
    plate. edges: whether the plate ends where the photo ends (left, top, right, bottom). zoom:
    how much the head itself must be scaled because the window could not give the distance."""

    plate: Picture
    left: int
    top: int
    width: int
    height: int
    scale: float
    offset: Doubles
    edges: tuple[bool, bool, bool, bool]
    zoom: float

    @property
    def window(self) -> Picture:
        return self.plate[self.top : self.top + self.height, self.left : self.left + self.width]


def face_mesh(portrait: Portrait) -> Doubles:
    """468 points of the face in photo pixels: measured where the landmarker gave them, else the
    average head bent onto the 68 points."""
    if portrait.landmarks.mesh is not None:
        return portrait.landmarks.mesh.astype(np.float64)
    return fit_mesh(portrait.landmarks.points.astype(np.float64), portrait.pose)


def frame_view(portrait: Portrait, mesh: Doubles, controls: Controls) -> View:
    """The view that the controls ask for; shifted into the photo and shrunk where it must be."""
    from PIL import Image

    (x, y, w, h), zoom = _window(portrait.photo.shape, mesh, controls)
    width, height = _even_size(w, h, controls.size)
    scale = width / w
    photo_h, photo_w = portrait.photo.shape[:2]
    reach = int(_MARGIN * max(width, height))
    # Room to each side in whole video pixels; a remainder below half a pixel is no room.
    room = (x * scale, y * scale, (photo_w - x - w) * scale, (photo_h - y) * scale - height)
    pad = [max(0, min(reach, int(side + 1e-6))) for side in room]
    edges = tuple(side <= reach for side in room)
    box = (
        max(0.0, x - pad[0] / scale), max(0.0, y - pad[1] / scale),
        min(photo_w, x + w + pad[2] / scale), min(photo_h, y + (height + pad[3]) / scale),
    )  # fmt: skip
    size = (width + pad[0] + pad[2], height + pad[1] + pad[3])
    kernel = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
    plate = np.array(Image.fromarray(portrait.photo).resize(size, kernel, box=box), np.uint8)
    # Pixel centres: photo x lies at plate (x + .5 - box.left) * scale - .5.
    offset = (0.5 - np.array(box[:2])) * scale - 0.5
    left, top, right, bottom = edges
    return View(
        plate, pad[0], pad[1], width, height, scale, offset, (left, top, right, bottom), zoom
    )


def _window(
    shape: tuple[int, ...], mesh: Doubles, controls: Controls
) -> tuple[tuple[float, float, float, float], float]:
    photo_h, photo_w = float(shape[0]), float(shape[1])
    if controls.crop == "full":
        return (0.0, 0.0, photo_w, photo_h), 1.0 / controls.distance
    factor, aspect, lift = _FRAMING[controls.crop]
    low, high = mesh[:, :2].min(0), mesh[:, :2].max(0)
    centre = (low + high) / 2
    side = factor * max(1.15 * float(high[0] - low[0]), float(high[1] - low[1]))
    largest = min(photo_w, photo_h / aspect)
    near = min(side, largest)
    w = min(near * controls.distance, largest)
    zoom = w / (near * controls.distance)
    h = w * aspect
    x = min(max(centre[0] - w / 2, 0.0), photo_w - w)
    y = min(max(centre[1] - h * (0.5 + lift), 0.0), photo_h - h)
    return (float(x), float(y), w, h), zoom


def _even_size(w: float, h: float, size: int) -> tuple[int, int]:
    shorter, longer = min(w, h), max(w, h)
    size = min(size, int(_LONGEST * shorter / longer))
    grown = size * longer / shorter
    small, large = 2 * (size // 2), 2 * round(grown / 2)
    return (small, large) if w <= h else (large, small)
