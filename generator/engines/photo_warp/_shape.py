"""Small curves that the bases are written with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def step(x: Array | float, low: float = 0.0, high: float = 1.0) -> Array:
    """0 below low, 1 above high, smooth between (cubic Hermite)."""
    t = np.clip((np.asarray(x, np.float64) - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def bell(x: Array, width: Array | float) -> Array:
    """exp(-(x / width)^2)."""
    return np.asarray(np.exp(-np.square(x / width)))
