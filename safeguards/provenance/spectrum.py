"""The Fourier coefficients of a residual map at the places where a periodic pattern of known scale
must have them.

A pattern of period P = 160 canonical pixels has energy only at whole multiples of 1/P; the bins
half way between say how loud the picture is around them. Both are computed by two small matrix
products, exactly for any scale, without resampling the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from primafacie.safeguards.provenance.residual import Map

Complex = npt.NDArray[np.complex64]
Floats = npt.NDArray[np.float32]

PERIOD = 160  # canonical pixels
REACH = 25  # the highest lattice index along an axis
_NOISE_SIGMA = 1.5  # bins over which the noise estimate is smoothed


@dataclass(frozen=True, slots=True)
class Spectrum:
    """`values` and `noise` (51, 51): lattice coefficient and mean power nearby, indices -25..25
    along y and x.
    """

    values: Complex
    noise: Floats

    def turned(self, flip_y: bool, flip_x: bool, transposed: bool) -> Spectrum:
        """Return the spectrum of the map after undoing flips and transposition, up to an unknown
        shift.
        """
        values, noise = self.values, self.noise
        if flip_y:
            values, noise = values[::-1], noise[::-1]
        if flip_x:
            values, noise = values[:, ::-1], noise[:, ::-1]
        if transposed:
            values, noise = values.T, noise.T
        return Spectrum(values, noise)


def measure(plane: Map, scale_y: float, scale_x: float) -> Spectrum:
    """Return the lattice spectrum of `plane` (H, W) for a period of 160 * scale pixels per axis."""
    whole = _across(plane, _waves(plane.shape[1], scale_x, 0.0, REACH + 1))
    halves = _across(plane, _waves(plane.shape[1], scale_x, 0.5, REACH + 1))
    right = _waves(plane.shape[0], scale_y, -REACH, 2 * REACH + 1).T @ whole
    between = _waves(plane.shape[0], scale_y, -REACH - 0.5, 2 * REACH + 2).T @ halves
    values = np.concatenate((np.conj(right[::-1, :0:-1]), right), axis=1)
    loud = np.abs(between) ** 2
    around = np.concatenate((loud[::-1, ::-1], loud), axis=1)
    four = around[1:, 1:] + around[:-1, 1:] + around[1:, :-1] + around[:-1, :-1]
    noise = cv2.GaussianBlur(0.25 * four, (0, 0), _NOISE_SIGMA)
    return Spectrum(values, np.asarray(np.maximum(noise, 1e-20), np.float32))


def values_only(plane: Map, scale_y: float, scale_x: float, reach: int) -> Complex:
    """Return the coefficients (2 reach + 1, reach + 1): y indices -reach..reach, x indices
    0..reach.
    """
    across = _across(plane, _waves(plane.shape[1], scale_x, 0.0, reach + 1))
    # The sums over negative y indices need no waves of their own: they are those of the conjugate.
    waves = _waves(plane.shape[0], scale_y, 0.0, reach + 1).T
    upper, lower = waves @ across, np.conj(waves) @ across
    return np.concatenate((lower[:0:-1], upper), axis=0)


def _across(plane: Map, waves: Complex) -> Complex:
    """Return plane @ waves as one real product, which is half the work of a complex one."""
    count = waves.shape[1]
    both = plane @ np.concatenate((waves.real, waves.imag), axis=1)
    return both[:, :count] + 1j * both[:, count:]


def _waves(length: int, scale: float, first: float, count: int) -> Complex:
    """Return exp(-2 pi i k x / period), (length, count), for indices k = first, first + 1, ...

    Pixel centres lie at half integers, so that the phase origin is the picture's corner at every
    size.
    """
    places = (np.arange(length) + 0.5) * (2.0 * np.pi / (PERIOD * scale))
    steps = np.empty((count, length), np.complex128)
    steps[0] = np.exp(-1j * first * places)
    steps[1:] = np.exp(-1j * places)
    return np.asarray(np.cumprod(steps, axis=0).T, np.complex64)
