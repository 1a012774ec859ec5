"""Sound scheme `org.primafacie.lattice-sound.1`: the picture's idea in one dimension, shaped by
the voice itself.

A keyed pattern of 1.024 s repeats under the sound, between 300 and 6000 Hz, everywhere as loud as
the voice's own spectrum allows (short-time magnitude, smoothed over three bins). The reader
divides the sound by the same envelope, which leaves the pattern flat and the voice as noise, and
folds everything onto one period. It carries the low 32 bits of the asset number and a 24-bit tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import cv2
import numpy as np
import numpy.typing as npt
from scipy import fft, signal
from scipy.ndimage import uniform_filter1d

from primafacie.safeguards.errors import MarkError
from primafacie.safeguards.provenance.mark_keys import (
    MarkKeys,
    keyed_order,
    keyed_signs,
    keyed_units,
)
from primafacie.safeguards.provenance.payload import PayloadCode, PayloadFormat
from primafacie.safeguards.provenance.reading import MarkStatus, SoundReading
from primafacie.safeguards.provenance.reencode import encode_sound_again

Sound = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float32]
Complex = npt.NDArray[np.complex64]

SOUND_SCHEME = "org.primafacie.lattice-sound.1"
SOUND_FORMAT = PayloadFormat(SOUND_SCHEME, number_bits=32, tag_bits=24, free_bits=32, length=512)
LEAST_SECONDS = 0.8
PRESENT_Z = 7.0

_RATE = 16_000  # Hz: everything is laid and read at this rate
_PERIOD = 16_384  # samples
_LOW_HZ, _HIGH_HZ = 300.0, 6000.0
_PILOT_SHARE = 0.22  # of the bins
_WINDOW, _HOP = 512, 256  # samples
_PEAKS = 5  # shifts decoded per query
_LEVELS_DB = (-26.0, -24.5, -23.0, -21.5, -20.0)  # mark to voice, tried from faint to loud
_LAST_LEVELS_DB = (-18.5, -17.0)  # where none of those reads at all: for a second of speech or less
_SILENCE = 1e-3  # RMS of full scale
_CUT_SECONDS = 2
_LONG_SECONDS = 10  # longer sounds are also read in pieces
_SPEED_REACH = 0.02  # how much faster or slower a sound may play and still be found
_SPEED_STEP = 1.6e-4  # over one period: there the highest bin slips by half a turn from end to end
_SPEED_Z = 5.0  # least pilot correlation for decoding; the best of some 2,000 speeds is 6 by chance
_SPEEDS_READ = 3  # speeds decoded per query
_PADDING = 8
_DELIVERY = ("aac", 64_000)
_WORLD = ("libopus", 24_000)


@dataclass(frozen=True, slots=True)
class LaidSound:
    """Marked sound, the level of the mark against it (dB), and the share of two-second cuts that
    read alone.
    """

    pcm: Sound
    level_db: float
    cuts_read: float
    survives_opus: bool


class SoundPattern:
    """The sound pattern of one epoch; building it takes a few milliseconds."""

    def __init__(self, keys: MarkKeys) -> None:
        self.keys = keys
        self.code = PayloadCode(SOUND_FORMAT, keys)
        first = int(np.ceil(_LOW_HZ * _PERIOD / _RATE))
        self._bins = np.arange(first, int(_HIGH_HZ * _PERIOD / _RATE) + 1)
        order = keyed_order(keys.sound, "pilot points", self._bins.size)
        pilots = int(_PILOT_SHARE * self._bins.size)
        self._pilots, self._data = np.sort(order[:pilots]), np.sort(order[pilots:])
        self._pilot = np.exp(2j * np.pi * keyed_units(keys.sound, "pilot phases", pilots))
        self._pilot_conj = np.conj(self._pilot).astype(np.complex64)
        self._slot = (
            keyed_order(keys.sound, "interleave", 2 * self._data.size) % SOUND_FORMAT.length
        )
        self._scramble = keyed_signs(keys.sound, "scramble", 2 * self._data.size)

    def draw(self, signs: Floats) -> Sound:
        """Return one period (16384,) of the pattern of a codeword (512,), with unit spread."""
        bins = np.zeros(_PERIOD // 2 + 1, np.complex128)
        bins[self._bins[self._pilots]] = self._pilot
        carried = signs[self._slot] * self._scramble
        half = carried.size // 2
        bins[self._bins[self._data]] = (carried[:half] + 1j * carried[half:]) / np.sqrt(2.0)
        drawn = np.fft.irfft(bins, _PERIOD)
        return np.asarray(drawn / drawn.std(), np.float32)

    def flatten(self, whitened: Sound) -> Complex:
        """Return the pattern's bins of a whitened sound folded onto one period, each with about
        unit power.
        """
        periods = -(-whitened.size // _PERIOD)
        folded = np.pad(whitened, (0, periods * _PERIOD - whitened.size)).reshape(-1, _PERIOD)
        bins = np.fft.rfft(folded.sum(axis=0))[self._bins]
        power = np.convolve(np.abs(bins) ** 2, np.ones(201) / 201.0, "same")
        return np.asarray(bins / np.sqrt(power + 1e-20), np.complex64)

    def shifts(self, flat: Complex) -> list[tuple[float, int]]:
        """Return the best shifts of the pattern as (pilot correlation in standard deviations,
        samples).
        """
        products = np.zeros(_PERIOD, np.complex64)
        products[self._bins[self._pilots]] = flat[self._pilots] * np.conj(self._pilot)
        # Either sign counts: a sound of turned phase keeps its payload, as the code does.
        z = np.abs(np.fft.fft(products).real) / np.sqrt(0.5 * self._pilots.size)
        found: list[tuple[float, int]] = []
        for shift in np.argsort(-z)[: 8 * _PEAKS].tolist():
            if all(abs(shift - other) > 2 for _, other in found):
                found.append((float(z[shift]), shift))
        return found[:_PEAKS]

    def soft(self, flat: Complex, shift: int) -> Floats:
        """Return the code's soft values (512,) were the pattern shifted by that many samples."""
        bins = self._bins[self._data]
        turned = flat[self._data] * np.exp(-2j * np.pi / _PERIOD * bins * shift)
        both = np.concatenate((turned.real, turned.imag)) * self._scramble
        soft = np.bincount(self._slot, weights=both, minlength=SOUND_FORMAT.length)
        return soft.astype(np.float32)

    def flat_at(self, white: Complex, fine: int, speed: float) -> Complex:
        """Return the pattern's bins as `flatten` does, for a sound that plays faster by `speed`,
        from its flattened spectrum with `fine` bins to each of the pattern's."""
        return np.asarray(white[np.rint(self._bins * (fine * speed)).astype(np.intp)])

    def pilot_z(self, white: Complex, fine: int, speed: float) -> float:
        """Return the pilots' correlation at the best shift, in standard deviations."""
        bins = self._bins[self._pilots]
        products = np.zeros(_PERIOD, np.complex64)
        found = white[np.rint(bins * (fine * speed)).astype(np.intp)]
        products[bins] = found * self._pilot_conj
        z = np.abs(fft.fft(products, overwrite_x=True).real)
        return float(z.max() / np.sqrt(0.5 * self._pilots.size))

    def correlation(self, soft: Floats, signs: Floats) -> float:
        """Return the codeword's correlation in standard deviations."""
        return float(abs(soft @ signs) / np.sqrt(self._data.size))


def lay_sound(pcm: Sound, rate: int, pattern: SoundPattern, number: int) -> LaidSound:
    """Return the sound (M,) with `number` (32 bits) under it, as faint as its survival allows.

    The level rises from -26 to -20 dB below the voice until two-second cuts read alone and the
    whole reads after Opus at 24 kbit/s; to -17 dB only where nothing read until then, as with
    sounds of about a second. Raises `MarkError` when the sound is shorter than 0.8 s, silent, not
    finite, or unreadable after AAC at 64 kbit/s even at the highest level.
    """
    _refuse_unfit(pcm, rate)
    voice = _resample(pcm, rate, _RATE)
    host = pattern.soft(pattern.flatten(_whiten(voice)), 0)
    signs = pattern.code.signs(number, host)
    drawn = np.tile(pattern.draw(signs), -(-voice.size // _PERIOD))[: voice.size]
    shaped = _shape(drawn, voice)
    unit = np.sqrt(np.mean(voice**2) / max(float(np.mean(shaped**2)), 1e-20))
    mark = _resample(np.asarray(shaped * unit, np.float32), _RATE, rate, pcm.size)

    def laid(level: float) -> Sound:
        return np.asarray(np.clip(pcm + mark * 10.0 ** (level / 20.0), -1.0, 1.0), np.float32)

    for level in _LEVELS_DB:
        marked = laid(level)
        if _holds(marked, rate, pattern, number):
            return LaidSound(marked, level, 1.0, True)
    best: LaidSound | None = None
    for level in (*_LEVELS_DB, *_LAST_LEVELS_DB):
        if best is not None and level > _LEVELS_DB[-1]:
            break
        marked = laid(level)
        if not _reads(marked, rate, pattern, number, _DELIVERY):
            continue
        cuts = _share_of_cuts(marked, rate, pattern, number)
        opus = _reads(marked, rate, pattern, number, _WORLD)
        if best is None or (opus, cuts) > (best.survives_opus, best.cuts_read):
            best = LaidSound(marked, level, cuts, opus)
        if opus and cuts == 1.0:
            break
    if best is None:
        raise MarkError("the mark would not survive in this sound")
    return best


def find_sound(
    pcm: object, rate: int, patterns: Sequence[SoundPattern], *, deep: bool = False
) -> SoundReading:
    """Return what a sound carries under any of the patterns; never raises, whatever it is given.

    Mono or interleaved float or int16 arrays are read; anything else carries nothing. `deep` also
    undoes speeds up to two per cent off, which takes about a second for each pattern.
    """
    voice = _usable(pcm, rate)
    if voice is None or not patterns:
        return SoundReading(MarkStatus.NONE, scheme=SOUND_SCHEME)
    pieces = [voice]
    length = _LONG_SECONDS * _RATE
    if voice.size > 1.5 * length:
        pieces += [
            voice[at : at + length] for at in range(0, voice.size - length // 2, length // 2)
        ]
    best = SoundReading(MarkStatus.NONE, scheme=SOUND_SCHEME)
    bound = 0.0
    for piece in pieces:
        whitened = _whiten(piece)
        for pattern in patterns:
            bound += pattern.code.false_bound(_PEAKS)
            reading = _read_piece(whitened, pattern, bound)
            if reading.status is MarkStatus.READ:
                return reading
            if reading.confidence > best.confidence:
                best = reading
    if deep and best.status is MarkStatus.NONE:
        return _read_at_speeds(_loudest(voice, length), patterns, bound) or best
    return best


def _read_at_speeds(
    voice: Sound, patterns: Sequence[SoundPattern], bound: float
) -> SoundReading | None:
    """Try every speed two per cent about the true one by the pilots, and decode the best few."""
    periods = max(1, -(-voice.size // _PERIOD))
    fine = _PADDING * periods
    spectrum = np.asarray(fft.rfft(_whiten(voice), fine * _PERIOD), np.complex64)
    power = uniform_filter1d(np.abs(spectrum) ** 2, 201 * fine, mode="constant")
    white = spectrum / np.sqrt(power + 1e-20)
    step = _SPEED_STEP / periods
    grid = 1.0 + step * np.arange(-int(_SPEED_REACH / step), int(_SPEED_REACH / step) + 1)
    for pattern in patterns:
        z = np.array([pattern.pilot_z(white, fine, speed) for speed in grid])
        for at in np.argsort(-z)[:_SPEEDS_READ]:
            near = grid[at] + step * np.array([-0.5, -0.25, 0.0, 0.25, 0.5])
            speed = max(near, key=lambda one: pattern.pilot_z(white, fine, one))
            if z[at] < _SPEED_Z:
                break
            bound += pattern.code.false_bound(_PEAKS)
            reading = _decoded(pattern.flat_at(white, fine, speed), pattern, bound, float(speed))
            if reading.status is MarkStatus.READ:
                return reading
    return None


def _loudest(voice: Sound, length: int) -> Sound:
    """Return the `length` samples with most energy; all of a shorter sound."""
    if voice.size <= length:
        return voice
    energy = np.cumsum(np.concatenate(([0.0], voice.astype(np.float64) ** 2)))
    at = int(np.argmax(energy[length:] - energy[:-length]))
    return voice[at : at + length]


def _read_piece(whitened: Sound, pattern: SoundPattern, bound: float) -> SoundReading:
    return _decoded(pattern.flatten(whitened), pattern, bound, 1.0)


def _decoded(flat: Complex, pattern: SoundPattern, bound: float, speed: float) -> SoundReading:
    peaks = pattern.shifts(flat)
    rows = np.stack([pattern.soft(flat, shift) for _, shift in peaks])
    epoch, z = pattern.keys.epoch, peaks[0][0]
    found = pattern.code.read(rows)
    if found is not None:
        d = max(pattern.correlation(row, found.signs) for row in rows)
        return SoundReading(
            MarkStatus.READ, found.number, epoch, z, d, min(1.0, bound), speed, SOUND_SCHEME
        )
    if z >= PRESENT_Z:
        return SoundReading(MarkStatus.PRESENT, None, epoch, z, bound=1e-6, scheme=SOUND_SCHEME)
    return SoundReading(MarkStatus.NONE, confidence=z, scheme=SOUND_SCHEME)


def _reads(
    marked: Sound, rate: int, pattern: SoundPattern, number: int, codec: tuple[str, int]
) -> bool:
    again, again_rate = encode_sound_again(marked, rate, *codec)
    return find_sound(again, again_rate, [pattern]).sound_number == number


def _holds(marked: Sound, rate: int, pattern: SoundPattern, number: int) -> bool:
    """Return whether the sound reads after both codecs and in every two-second cut; the first
    failure ends the trial, and the faintest cuts, which fail first, come first."""
    cuts = sorted(_cuts(marked, rate), key=lambda cut: float(np.mean(cut**2)))
    return all(find_sound(cut, _RATE, [pattern]).sound_number == number for cut in cuts) and all(
        _reads(marked, rate, pattern, number, codec) for codec in (_DELIVERY, _WORLD)
    )


def _share_of_cuts(marked: Sound, rate: int, pattern: SoundPattern, number: int) -> float:
    """Return which part of the two-second cuts with a voice in them reads alone; 1 when there is
    no such cut.
    """
    cuts = _cuts(marked, rate)
    read = [find_sound(cut, _RATE, [pattern]).sound_number == number for cut in cuts]
    return float(np.mean(read)) if read else 1.0


def _cuts(marked: Sound, rate: int) -> list[Sound]:
    """Return the two-second cuts, half a second apart, with a voice in them, at 16 kHz."""
    voice = _resample(marked, rate, _RATE)
    length, loud = _CUT_SECONDS * _RATE, 0.3 * np.sqrt(np.mean(voice**2))
    cuts = [voice[at : at + length] for at in range(0, voice.size - length + 1, _RATE // 2)]
    return [cut for cut in cuts if np.sqrt(np.mean(cut**2)) > loud]


def _refuse_unfit(pcm: Sound, rate: int) -> None:
    if pcm.ndim != 1 or not np.issubdtype(pcm.dtype, np.floating) or not 8_000 <= rate <= 192_000:
        raise MarkError("sound to mark is one channel of floating samples at 8 to 192 kHz")
    if pcm.size < LEAST_SECONDS * rate:
        raise MarkError(f"sound shorter than {LEAST_SECONDS} seconds cannot carry the mark")
    if not np.all(np.isfinite(pcm)):
        raise MarkError("the sound has samples that are not numbers")
    if np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) < _SILENCE:
        raise MarkError("the sound is too faint to hide a mark in")


def _usable(pcm: object, rate: int) -> Sound | None:
    if not isinstance(pcm, np.ndarray) or pcm.ndim not in (1, 2) or not 4_000 <= rate <= 384_000:
        return None
    if pcm.dtype == np.int16:
        pcm = pcm / 32768.0
    if not np.issubdtype(pcm.dtype, np.floating) or pcm.size == 0:
        return None
    mono = pcm if pcm.ndim == 1 else pcm.mean(axis=int(np.argmin(pcm.shape)))
    if mono.size < rate // 4 or not np.all(np.isfinite(mono)) or np.abs(mono).max() > 1e4:
        return None
    return _resample(np.asarray(mono, np.float32), rate, _RATE)


def _resample(pcm: Sound, rate: int, wanted: int, length: int | None = None) -> Sound:
    common = gcd(rate, wanted)
    out = pcm
    if rate != wanted:
        out = signal.resample_poly(pcm, wanted // common, rate // common).astype(np.float32)
    if length is not None:
        out = np.pad(out, (0, max(0, length - out.size)))[:length]
    return out


def _spectra(sound: Sound) -> Complex:
    """Return short-time spectra (257, frames): square-root Hann windows overlapping by half."""
    frames = -(-sound.size // _HOP) + 1
    padded = np.pad(sound, (_HOP, frames * _HOP - sound.size))
    pieces = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    return np.asarray(np.fft.rfft(pieces * _hann(), axis=1).T, np.complex64)


def _sound_of(spectra: Complex, length: int) -> Sound:
    pieces = np.fft.irfft(spectra.T, _WINDOW, axis=1) * _hann()
    out = np.zeros((pieces.shape[0] + 1) * _HOP)
    for offset in (0, 1):
        part = pieces[:, offset * _HOP : (offset + 1) * _HOP]
        out[offset * _HOP : offset * _HOP + part.size] += part.reshape(-1)
    return out[_HOP : _HOP + length].astype(np.float32)


def _hann() -> npt.NDArray[np.float64]:
    return np.sin(np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW)


def _envelope(spectra: Complex) -> Floats:
    power = cv2.blur(np.abs(spectra).astype(np.float32) ** 2, (1, 3))
    return np.asarray(np.sqrt(np.maximum(power, 0.0)), np.float32)


def _shape(drawn: Sound, voice: Sound) -> Sound:
    return _sound_of(_spectra(drawn) * _envelope(_spectra(voice)), voice.size)


def _whiten(voice: Sound) -> Sound:
    """Return the sound divided by its own envelope; where only steady noise is heard, it is held
    down.
    """
    spectra = _spectra(voice)
    envelope = _envelope(spectra)
    steady = np.quantile(envelope, 0.1, axis=1, keepdims=True).astype(np.float32)
    steady = np.maximum(cv2.blur(steady, (1, 9)), 0.0)
    least = 1e-4 * np.sqrt(np.mean(np.abs(spectra) ** 2)) + 1e-12
    return _sound_of(spectra / (envelope + 4.0 * steady + least), voice.size)
