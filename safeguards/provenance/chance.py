"""How often what carries no mark of ours is taken for marked: trials beside the bound they test.

Under the hypothesis "no mark of this key" the key is independent of the picture, so a fresh key
over an old picture is as good a trial as a fresh picture. The trials go through the product's own
readers. The last one shortens the tag until false readings do happen, and counts them against the
same bound that promises none with the real tag.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from primafacie.safeguards.provenance.lattice_pattern import PICTURE_FORMAT, LatticePattern
from primafacie.safeguards.provenance.lattice_search import CUTOFFS, Effort, LatticeSearch
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.payload import PayloadCode
from primafacie.safeguards.provenance.reading import MarkStatus
from primafacie.safeguards.provenance.residual import Frame, canonical, residual
from primafacie.safeguards.provenance.schemes.lattice_sound import SoundPattern, find_sound
from primafacie.safeguards.provenance.spectrum import measure

_SIDE = 256  # pixels of a tried picture
_RATE, _SECONDS = 16_000, 2
_TOGETHER = 25  # keys of one full search
_BREADTH = 8

Tell = Callable[[int, int], object]


@dataclass(frozen=True, slots=True)
class Trials:
    """What was tried, how often, how often a mark was seen or read, and the highest pilot z."""

    what: str
    count: int
    present: int
    read: int
    highest_z: float


@dataclass(frozen=True, slots=True)
class ShortTag:
    """False readings with a tag of `bits` bits, beside `bound`, the most the bound allows."""

    bits: int
    count: int
    read: int
    bound: float


def unmarked_pictures(count: int, seed: int = 0) -> Iterator[Frame]:
    """Yield pictures (256, 256, 3) of nothing: noise of every colour, soft shapes, stripes, grids
    that repeat at the mark's own period, flat fields and JPEG remains of all of them."""
    for index in range(count):
        yield _picture(np.random.default_rng((seed, index)), index)


def unmarked_sounds(count: int, seed: int = 0) -> Iterator[npt.NDArray[np.float32]]:
    """Yield two seconds at 16 kHz each (32000,): coloured noise, buzzes, chirps, clicks."""
    for index in range(count):
        yield _sound(np.random.default_rng((seed, 7, index)), index)


def fresh_keys(index: int) -> MarkKeys:
    """Return the keys of trial `index`: nobody's, and the same in every run."""
    return MarkKeys.derive(b"the keys of a trial %d" % index, index & 0xFFFF)


def try_pictures(count: int, tell: Tell | None = None) -> Trials:
    """Read `count` unmarked pictures, each under a key of its own, where marks are laid: unmoved,
    moved, mirrored, transposed, in both pattern sizes."""
    tally = _Tally("pictures, each under its own key, fast path")
    for index, picture in enumerate(unmarked_pictures(count)):
        search = LatticeSearch([LatticePattern(fresh_keys(index))])
        reading = search.read([picture], Effort.GLANCE)
        tally.note(reading.status, reading.confidence)
        if tell is not None:
            tell(index + 1, count)
    return tally.trials


def try_searches(count: int, tell: Tell | None = None) -> Trials:
    """Search whole pictures, all shifts, scales, mirrors, aspects and borders, for `count` keys
    that are not in them; 25 keys share one search, as the epochs of one installation do."""
    tally = _Tally("keys in searches over all scales, 25 to a picture")
    for at, picture in enumerate(unmarked_pictures(count // _TOGETHER, seed=1)):
        first = 1_000_000 + at * _TOGETHER
        patterns = [LatticePattern(fresh_keys(first + i)) for i in range(_TOGETHER)]
        reading = LatticeSearch(patterns).read([picture], Effort.QUICK)
        tally.note(reading.status, reading.confidence, _TOGETHER)
        if tell is not None:
            tell((at + 1) * _TOGETHER, count)
    return tally.trials


def try_sounds(count: int, tell: Tell | None = None) -> Trials:
    """Read `count` unmarked sounds of two seconds at all speeds, each under a key of its own."""
    tally = _Tally("sounds of two seconds, all speeds, each under its own key")
    for index, sound in enumerate(unmarked_sounds(count)):
        pattern = SoundPattern(fresh_keys(2_000_000 + index))
        reading = find_sound(sound, _RATE, [pattern], deep=True)
        tally.note(reading.status, reading.confidence)
        if tell is not None:
            tell(index + 1, count)
    return tally.trials


def try_short_tags(count: int, lengths: tuple[int, ...] = (8, 12)) -> tuple[ShortTag, ...]:
    """Decode `count` unmarked pictures under fresh keys with tags of few bits.

    With b bits a reading of 4 rows and 8 paths may go wrong with a chance of 32 / 2^b at most;
    what is counted must stay below, or the bound with 40 bits is worth nothing either.
    """
    read = dict.fromkeys(lengths, 0)
    for index, picture in enumerate(unmarked_pictures(count, seed=2)):
        keys = fresh_keys(3_000_000 + index)
        pattern = LatticePattern(keys)
        spectrum = measure(residual(canonical(picture)), 1.0, 1.0)
        sync = pattern.find_shift(spectrum)
        shift = (sync.shift_y, sync.shift_x)
        soft = np.stack([pattern.soft(spectrum, shift, cutoff)[0] for cutoff in CUTOFFS])
        for bits in lengths:
            code = PayloadCode(replace(PICTURE_FORMAT, tag_bits=bits), keys)
            read[bits] += code.read(soft, _BREADTH) is not None
    share = len(CUTOFFS) * _BREADTH
    return tuple(
        ShortTag(bits, count, read[bits], count * min(1.0, share * 2.0**-bits)) for bits in lengths
    )


class _Tally:
    def __init__(self, what: str) -> None:
        self.trials = Trials(what, 0, 0, 0, 0.0)

    def note(self, status: MarkStatus, z: float, count: int = 1) -> None:
        old = self.trials
        self.trials = Trials(
            old.what,
            old.count + count,
            old.present + (status is MarkStatus.PRESENT),
            old.read + (status is MarkStatus.READ),
            max(old.highest_z, z),
        )


def _picture(rng: np.random.Generator, index: int) -> Frame:
    kinds = (_coloured, _shapes, _stripes, _grid, _flat)
    plane = kinds[index % len(kinds)](rng)
    colour = rng.uniform(0.5, 1.0, 3)
    picture = np.clip(plane[..., None] * colour, 0, 255).astype(np.uint8)
    if index % 3 == 0:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 95))]
        data = cv2.imencode(".jpg", picture, quality)[1]
        picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(picture, np.uint8)


def _coloured(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Noise with a spectrum of 1/f^a: from white to clouds."""
    fy = np.fft.fftfreq(_SIDE)[:, None]
    fx = np.fft.rfftfreq(_SIDE)[None, :]
    colour = 1.0 / np.maximum(np.hypot(fy, fx), 1 / _SIDE) ** rng.uniform(0.0, 2.0)
    wave = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(_SIDE, _SIDE))) * colour, (_SIDE, _SIDE))
    return np.asarray(128 + rng.uniform(10, 60) * wave / wave.std(), np.float64)


def _shapes(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Soft ellipses over a slope, with a little grain: what portraits and rooms look like."""
    plane = np.full((_SIDE, _SIDE), rng.uniform(30, 200), np.float32)
    for _ in range(12):
        centre = tuple(int(v) for v in rng.integers(0, _SIDE, 2))
        axes = tuple(int(v) for v in rng.integers(5, 90, 2))
        cv2.ellipse(plane, centre, axes, rng.uniform(0, 180), 0, 360, rng.uniform(0, 255), -1)
    soft = cv2.GaussianBlur(plane, (0, 0), rng.uniform(0.8, 4.0))
    return np.asarray(soft + rng.normal(0, rng.uniform(0.5, 6), soft.shape), np.float64)


def _stripes(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    y, x = np.mgrid[0:_SIDE, 0:_SIDE]
    plane = np.full((_SIDE, _SIDE), 128.0)
    for _ in range(5):
        fy, fx = rng.uniform(-0.3, 0.3, 2)
        plane += rng.uniform(5, 30) * np.cos(2 * np.pi * (fy * y + fx * x) + rng.uniform(0, 6.3))
    return np.asarray(plane + rng.normal(0, 2, plane.shape), np.float64)


def _grid(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Random tiles that repeat with the period of the mark (160 canonical pixels, or 256)."""
    period = int(rng.choice([80, 128]))
    tile = cv2.GaussianBlur(rng.normal(0, 60, (period, period)), (0, 0), rng.uniform(0.7, 2.0))
    again = -(-_SIDE // period)
    plane = np.tile(tile, (again, again))[:_SIDE, :_SIDE]
    return np.asarray(128 + plane + rng.normal(0, 3, plane.shape), np.float64)


def _flat(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    slope = np.linspace(0, rng.uniform(0, 60), _SIDE)[:, None]
    noise = rng.normal(0, rng.uniform(0.3, 2.0), (_SIDE, _SIDE))
    return np.asarray(rng.uniform(20, 190) + slope + noise, np.float64)


def _sound(rng: np.random.Generator, index: int) -> npt.NDArray[np.float32]:
    count = _RATE * _SECONDS
    t = np.arange(count) / _RATE
    noise = rng.normal(size=count)
    kind = index % 4
    if kind == 0:
        tilt = np.maximum(np.fft.rfftfreq(count), 1e-4) ** -rng.uniform(0, 1.5)
        wave = np.fft.irfft(np.fft.rfft(noise) * tilt, count)
    elif kind == 1:
        pitch = rng.uniform(80, 250) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(0.3, 3) * t))
        phase = 2 * np.pi * np.cumsum(pitch) / _RATE
        wave = np.sum([np.cos(k * phase) / k for k in range(1, 25)], axis=0) + 0.1 * noise
    elif kind == 2:
        wave = np.cos(2 * np.pi * (rng.uniform(100, 2000) * t + rng.uniform(50, 900) * t**2))
        wave = wave + 0.02 * noise
    else:
        wave = np.where(rng.random(count) < 0.002, noise, 0.001 * noise)
    return np.asarray(0.4 * wave / np.abs(wave).max(), np.float32)
