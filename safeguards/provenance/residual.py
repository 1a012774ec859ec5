"""Pictures at canonical size with what is predictable in them taken away, so that a faint pattern
shows.

The canonical size has a short side of 512 pixels; a mark is laid and looked for in that geometry,
so that no plain change of size needs a search. The residual is a self-guided filter's remainder
(He et al. 2013) divided by a power of its local spread: places where the picture itself is busy
say little about the mark and are weighted down as their noise demands.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Map = npt.NDArray[np.float32]
Frame = npt.NDArray[np.uint8]

CANONICAL_SHORT_SIDE = 512

_BOX = (11, 11)  # pixels: the guided filter's window
_EDGE_VARIANCE = 8.0  # grey levels squared: above it, structure counts as the picture's own
_DRIFT_SIGMA = 5.0  # pixels: anything slower is not the pattern
_SPREAD_SIGMA = 3.0  # pixels: the neighbourhood whose spread sets a pixel's weight
_SPREAD_FLOOR = 0.7  # grey levels: rounding and codec noise, even in a flat sky
_CLIP = 2.0  # spreads


def luma(frame: Frame) -> Map:
    """Return the BT.601 luma (H, W), 0..255, of an RGB (H, W, 3) or grey (H, W) picture."""
    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    return np.asarray(grey, np.float32)


def canonical(frame: Frame) -> Map:
    """Return the luma of a picture (H, W[, 3]) at canonical size (short side 512 pixels)."""
    grey = frame if frame.ndim == 2 else cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = CANONICAL_SHORT_SIDE / min(height, width)
    if scale == 1.0:
        return np.asarray(grey, np.float32)
    size = (round(width * scale), round(height * scale))
    way = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(grey, size, interpolation=way), np.float32)


def residual(grey: Map) -> Map:
    """Return the whitened remainder of a canonical picture (H, W), about unit spread, clipped."""
    mean = _box(grey)
    variance = np.maximum(_box(grey * grey) - mean * mean, 0.0)
    own = np.asarray(variance / (variance + _EDGE_VARIANCE), np.float32)
    rest = grey - (_box(own) * grey + _box(np.asarray(mean * (1.0 - own), np.float32)))
    rest -= cv2.GaussianBlur(rest, (0, 0), _DRIFT_SIGMA)
    spread = np.sqrt(cv2.GaussianBlur(rest * rest, (0, 0), _SPREAD_SIGMA)) + _SPREAD_FLOOR
    return np.asarray(np.clip(rest / spread, -_CLIP, _CLIP) / np.sqrt(spread), np.float32)


def _box(plane: Map) -> Map:
    return np.asarray(cv2.boxFilter(plane, -1, _BOX), np.float32)
