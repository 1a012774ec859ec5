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
Scales = npt.NDArray[np.float64]

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


def values_only(plane: Map, scales: Scales, reach: int) -> Complex:
    """Return the coefficients (S, 2 reach + 1, reach + 1) for `scales` (S, 2), each along y and x:
    y indices -reach..reach, x indices 0..reach.

    All scales go through one real product along x. Along y the sums over negative indices need no
    waves of their own: they are those of the conjugate.
    """
    (height, width), count, n = plane.shape, scales.shape[0], reach + 1
    waves = _waves_of(width, scales[:, 1], n)
    across = (plane @ waves.reshape(width, -1)).reshape(height, count, 2 * n)
    if height != width or not np.array_equal(scales[:, 0], scales[:, 1]):
        waves = _waves_of(height, scales[:, 0], n)
    both = waves.transpose(1, 2, 0) @ across.transpose(1, 0, 2)
    rr, ri, ir, ii = both[:, :n, :n], both[:, :n, n:], both[:, n:, :n], both[:, n:, n:]
    values = np.empty((count, 2 * reach + 1, n), np.complex64)
    values.real[:, reach:], values.imag[:, reach:] = rr - ii, ri + ir
    values.real[:, reach::-1], values.imag[:, reach::-1] = rr + ii, ri - ir
    return values


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


def _waves_of(length: int, scales: Scales, count: int) -> Floats:
    """Return real and imaginary parts of `_waves` from index 0 on for each scale: (length, S,
    2 count).
    """
    places = (np.arange(length) + 0.5)[:, None] * (2.0 * np.pi / (PERIOD * scales))
    steps = np.empty((count, *places.shape), np.complex128)
    steps[0] = 1.0
    steps[1:] = np.exp(-1j * places)
    np.cumprod(steps, axis=0, out=steps)
    waves = np.empty((*places.shape, 2 * count), np.float32)
    waves[:, :, :count] = steps.real.transpose(1, 2, 0)
    waves[:, :, count:] = steps.imag.transpose(1, 2, 0)
    return waves
