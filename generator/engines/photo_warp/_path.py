"""The cheapest path from left to right through a strip of picture, by dynamic programming."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]


def cheapest_path(cost: Doubles, jump: float) -> NDArray[np.intp]:
    """The row for each column of cost (rows, columns) on the path whose cost is least.

    Neighbouring columns are at most two rows apart, and each row of change costs `jump`.
    """
    rows, columns = cost.shape
    total = cost[:, 0].copy()
    came = np.zeros((rows, columns), np.intp)
    index = np.arange(rows)
    for column in range(1, columns):
        padded = np.pad(total, 2, constant_values=np.inf)
        options = np.stack([padded[2 + d : 2 + d + rows] + jump * abs(d) for d in range(-2, 3)])
        came[:, column] = np.clip(index + options.argmin(0) - 2, 0, rows - 1)
        total = options.min(0) + cost[:, column]
    path = np.zeros(columns, np.intp)
    path[-1] = int(total.argmin())
    for column in range(columns - 1, 0, -1):
        path[column - 1] = came[path[column], column]
    return path
