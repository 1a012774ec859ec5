"""The keyed pattern of the picture mark: which lattice points are pilots, which carry which code
sign.

Points with 8 <= |k| <= 25 of a lattice with 1/160 cycles per canonical pixel: 150 keyed pilots
with keyed phases say that a mark is there and where its origin lies; the rest carry the code's
signs, scrambled and interleaved, on real and imaginary part. The band (0.05 to 0.156 cycles per
pixel) is what low-rate codecs and halved sizes keep.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft

from primafacie.safeguards.provenance.mark_keys import (
    MarkKeys,
    keyed_order,
    keyed_signs,
    keyed_units,
)
from primafacie.safeguards.provenance.payload import PayloadCode, PayloadFormat
from primafacie.safeguards.provenance.residual import CANONICAL_SHORT_SIDE, Map
from primafacie.safeguards.provenance.spectrum import PERIOD, REACH, Spectrum

Floats = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

PICTURE_SCHEME = "org.primafacie.lattice.1"
PICTURE_FORMAT = PayloadFormat(
    PICTURE_SCHEME, number_bits=56, tag_bits=40, free_bits=48, length=1024
)

PILOT_REACH = 22
SMALL_STRETCH = 1.6
_SMALL_SIDE = 448  # pixels
_LOWEST, _HIGHEST = 8.0, 25.0
_PILOTS = 150
_PILOT_SHARE = 0.2  # of the pattern's energy
_SLOPE = -0.25  # the reader takes amplitude ~ |k| ** slope
_LAID = -0.75  # laid steeper by so much: low waves cost an encoder least and survive best
_GRID = 160  # shifts tried per axis: one canonical pixel apart
_COARSE_GRID = 96


def pattern_stretch(short_side: int) -> float:
    """Return how much wider than its canonical period the pattern is laid in a picture of that
    size.

    Below 448 pixels the canonical pattern would be too fine for a codec to keep.
    """
    return SMALL_STRETCH if short_side < _SMALL_SIDE else 1.0


def flattened(right: Complex) -> Complex:
    """Return coefficients (S, 45, 23) with the loudness around each taken out."""
    loud = np.ascontiguousarray(np.moveaxis(np.abs(right) ** 2, 0, -1))
    around = np.moveaxis(cv2.blur(loud, (7, 7)).reshape(loud.shape), -1, 0)
    return np.asarray(right / (np.sqrt(around) + np.float32(1e-20)), np.complex64)


@dataclass(frozen=True, slots=True)
class Sync:
    """Where the pilots agree best: z in standard deviations, shift in canonical pixels."""

    z: float
    shift_y: float
    shift_x: float


class LatticePattern:
    """The pattern of one epoch; building it takes a few milliseconds, so keep it."""

    def __init__(self, keys: MarkKeys) -> None:
        self.keys = keys
        self.code = PayloadCode(PICTURE_FORMAT, keys)
        ky, kx = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
        radius = np.hypot(ky, kx)
        upper = (kx > 0) | ((kx == 0) & (ky > 0))
        band = upper & (radius >= _LOWEST) & (radius <= _HIGHEST)
        ky, kx, radius = ky[band], kx[band], radius[band]
        order = keyed_order(keys.picture, "pilot points", radius.size)
        pilots = np.sort(order[radius[order] <= PILOT_REACH][:_PILOTS])
        data = np.setdiff1d(np.arange(radius.size), pilots)
        amplitude = radius**_SLOPE
        turn = 2.0 * np.pi * keyed_units(keys.picture, "pilot phases", radius.size)[pilots]
        self._py, self._px = ky[pilots], kx[pilots]
        self._pilot = (amplitude[pilots] * np.exp(1j * turn)).astype(np.complex64)
        self._once = np.where(self._px > 0, np.float32(0.5), np.float32(1.0))
        self._dy, self._dx, self._radius = ky[data], kx[data], radius[data]
        self._amplitude = amplitude[data]
        self._slot = keyed_order(keys.picture, "interleave", 2 * data.size) % PICTURE_FORMAT.length
        self._scramble = keyed_signs(keys.picture, "scramble", 2 * data.size)
        share = _PILOT_SHARE / (1.0 - _PILOT_SHARE)
        self._pilot_gain = np.sqrt(
            share * np.sum(self._amplitude**2) / np.sum(np.abs(self._pilot) ** 2)
        )

    def draw(self, signs: Floats, height: int, width: int) -> Map:
        """Return the pattern of a codeword (1024,) for a picture of that size, with unit spread."""
        lattice = np.zeros((2 * REACH + 1, REACH + 1), np.complex128)
        pilots = np.hypot(self._py, self._px) ** _LAID * self._pilot * self._pilot_gain
        lattice[self._py + REACH, self._px] = pilots
        carried = signs[self._slot] * self._scramble
        half = carried.size // 2
        point = (carried[:half] + 1j * carried[half:]) / np.sqrt(2.0)
        lattice[self._dy + REACH, self._dx] = self._radius**_LAID * self._amplitude * point
        short = min(height, width)
        period = PERIOD * pattern_stretch(short) * short / CANONICAL_SHORT_SIDE
        indices = np.arange(-REACH, REACH + 1)
        down = np.exp(2j * np.pi / period * np.outer(np.arange(height) + 0.5, indices))
        across = np.exp(2j * np.pi / period * np.outer(indices[REACH:], np.arange(width) + 0.5))
        drawn = (down @ lattice @ across).real
        return np.asarray(drawn / drawn.std(), np.float32)

    def soft(
        self, spectrum: Spectrum, shift: tuple[float, float], cutoff: float
    ) -> tuple[Floats, float]:
        """Return the code's soft values (1024,) and their spread were there no mark.

        `shift` (y, x) in canonical pixels; `cutoff` is the lattice radius beyond which the channel
        is taken to have lost the pattern (infinite for none).
        """
        at = (self._dy + REACH, self._dx + REACH)
        turn = np.exp(-2j * np.pi / PERIOD * (self._dy * shift[0] + self._dx * shift[1]))
        spread = np.sqrt(0.5 * spectrum.noise[at])
        found = spectrum.values[at] * turn / spread
        weight = self._amplitude * np.exp(-((self._radius / cutoff) ** 2)) / spread
        weight = weight / np.sqrt(np.mean(weight**2))
        both = np.concatenate((found.real * weight, found.imag * weight)) * self._scramble
        soft = np.bincount(self._slot, weights=both, minlength=PICTURE_FORMAT.length)
        return soft.astype(np.float32), float(np.sqrt(2.0 * np.sum(weight**2)))

    def pilot_z(self, spectrum: Spectrum, shift: tuple[float, float]) -> float:
        """Return the pilots' correlation at one shift, in standard deviations, either sign."""
        turn = np.exp(-2j * np.pi / PERIOD * (self._py * shift[0] + self._px * shift[1]))
        return abs(float(np.sum((self._pilots_in(spectrum) * turn).real)))

    def find_shift(self, spectrum: Spectrum) -> Sync:
        """Return the best shift over one whole period, to a quarter of a canonical pixel.

        A negative picture has the pilots' sign turned; both signs count, as the code reads both.
        """
        products = self._pilots_in(spectrum)
        z = np.abs(self._over_shifts(products, _GRID))
        y, x = np.unravel_index(int(np.argmax(z)), z.shape)
        fine = np.arange(-1.0, 1.01, 0.25)
        down = np.exp(-2j * np.pi / PERIOD * np.outer(y + fine, self._py))
        across = np.exp(-2j * np.pi / PERIOD * np.outer(self._px, x + fine))
        near = np.abs(((down * products) @ across).real)
        i, j = np.unravel_index(int(np.argmax(near)), near.shape)
        return Sync(float(near[i, j]), float(y + fine[i]), float(x + fine[j]))

    def coarse_z(self, flat: Complex, flips: tuple[tuple[bool, bool], ...]) -> Floats:
        """Return (S, flips) the best pilot correlation over shifts, per flip (y, x).

        `flat` (S, 45, 23) are `flattened` coefficients for y indices -22..22 and x indices 0..22.
        """
        columns = self._px
        points = []
        for flip_y, flip_x in flips:
            rows = PILOT_REACH + (self._py if flip_y == flip_x else -self._py)
            point = flat[:, rows, columns]
            points.append(np.conj(point) if flip_x else point)
        products = self._standard(np.stack(points, axis=1) * np.conj(self._pilot))
        return np.asarray(self._over_shifts(products, _COARSE_GRID).max(axis=(-2, -1)))

    def _over_shifts(self, products: Complex, side: int) -> Floats:
        """Return the real part of the products' sum (..., side, side) at every shift of a grid over
        one period.
        """
        grid = np.zeros((*products.shape[:-1], side, PILOT_REACH + 1), np.complex64)
        # Only columns x >= 0 hold pilots; a real transform counts all but the first twice.
        grid[..., self._py % side, self._px] = np.conj(products) * self._once
        columns = fft.ifft(grid, axis=-2, norm="forward", overwrite_x=True)
        return np.asarray(fft.irfft(columns, side, axis=-1, norm="forward"), np.float32)

    def _pilots_in(self, spectrum: Spectrum) -> Complex:
        """Return each pilot's product with the key, scaled so that their sum is in standard
        deviations.

        The scale comes from the pilots' own energy. Whatever the picture, the key's phases are
        uniform and independent of it, so without our mark the sum exceeds t with a chance below
        exp(-t^2 / 2): also in pictures that carry somebody else's mark at the same lattice points.
        """
        at = (self._py + REACH, self._px + REACH)
        own = cv2.blur(np.abs(spectrum.values) ** 2, (7, 7))[at]
        flat = spectrum.values[at] / np.sqrt(spectrum.noise[at] + own)
        return self._standard(flat * np.conj(self._pilot))

    def _standard(self, products: Complex) -> Complex:
        energy = np.sum(np.abs(products) ** 2, axis=-1, keepdims=True)
        return np.asarray(products / np.sqrt(0.5 * energy + 1e-30), np.complex64)
