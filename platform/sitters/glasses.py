"""Glasses: a frame before the eyes, its shadow, and the faint mirror of the room in the lenses."""

from __future__ import annotations

import numpy as np

from primafacie.platform.sitters.anatomy import Anatomy
from primafacie.platform.sitters.chart import Field
from primafacie.platform.sitters.relief import Relief

LENS = ((25.0, 17.0), (22.5, 20.0))  # half width and half height: square, round


def rims(a: Anatomy, r: Relief) -> list[Field]:
    """Closed outlines of both lenses, the bridge and the temples, as head points in mm."""
    square = a.glasses == "square"
    made: list[Field] = []
    t = np.linspace(0, 2 * np.pi, 73)
    for e in r.eyes:
        power = 3.0 if square else 2.1
        rx, ry = LENS[0] if square else LENS[1]
        c, s = np.cos(t), np.sin(t)
        x = e.cx + e.side * 1.5 + rx * np.sign(c) * np.abs(c) ** (2 / power)
        y = 2.5 + ry * np.sign(s) * np.abs(s) ** (2 / power)
        z = 27.0 - 0.0042 * x**2 - 0.05 * (y - 3)
        made.append(np.stack([x, y, z], -1))
    gap = abs(r.eyes[1].cx) + 1.5 - rx
    u = np.linspace(-1, 1, 15)
    bridge = np.stack([u * (gap + 1.0), -1.5 - 3.2 * (1 - u**2), 26.5 + 2.2 * (1 - u**2)], -1)
    made.append(bridge)
    for side in (-1, 1):
        x0 = side * (abs(r.eyes[1].cx) + 1.5 + rx)
        v = np.linspace(0, 1, 12)
        flare = 9.5 * np.minimum(1, v * 3) * (74 * a.width - abs(x0)) / 12
        made.append(np.stack([x0 + side * flare, -2.0 + v, 14.0 - 88 * v], -1))
    return made
