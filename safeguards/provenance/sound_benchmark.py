"""What the sound mark survives: twenty-four attacks, three voices of nobody, and cuts of them.

The voices are synthesised (a gliding buzz through moving formants), because no recording of a
person belongs into a measurement that anybody can repeat. Such voices fill fewer bins than human
ones do, which makes them the harder case.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import signal

from primafacie.safeguards.provenance.cost import KEYS, NUMBER
from primafacie.safeguards.provenance.reencode import encode_sound_again
from primafacie.safeguards.provenance.schemes.lattice_sound import SoundPattern, lay_sound
from primafacie.safeguards.provenance.watermark import read_sound

Sound = npt.NDArray[np.float32]
Heard = tuple[Sound, int]

RATE = 48_000
_LOW = NUMBER & 0xFFFFFFFF
_VOICES, _SECONDS = 3, 8.0
_CUTS = (1.0, 1.5, 2.0, 3.0)


def run(tell: Callable[[str], object]) -> dict[str, Any]:
    """Return, per attack, the share of voices whose whole number came back; the share of cuts by
    length; the levels (dB below the voice) the marks were laid at; and each one's PESQ (wide
    band, 1 to 4.64), None without the package for it."""
    marked, levels, heard = [], [], []
    for seed in range(_VOICES):
        plain = voice(_SECONDS, seed)
        laid = lay_sound(plain, RATE, SoundPattern(KEYS), _LOW)
        marked.append(laid.pcm)
        levels.append(laid.level_db)
        heard.append(pesq(plain, laid.pcm))
    read = {}
    for name, attack in ATTACKS.items():
        found = [read_sound(*attack(each), [KEYS], deep=True).sound_number for each in marked]
        read[name] = sum(number == _LOW for number in found) / len(found)
        tell(f"sound, {name}: {read[name]:.2f}")
    cuts = {str(s): _cuts(marked, s) for s in _CUTS}
    return {"read": read, "cuts": cuts, "levels_db": levels, "pesq": heard}


def pesq(before: Sound, after: Sound) -> float | None:
    """Return the wide-band PESQ (ITU-T P.862.2) of `after` against `before`, both at 48 kHz; None
    without the package `pesq`, which is built from C when installed and belongs to no extra."""
    try:
        from pesq import pesq as measured
    except ImportError:
        return None
    narrow = [signal.resample_poly(each, 1, 3) for each in (before, after)]
    return float(measured(16_000, *narrow, "wb"))


def voice(seconds: float, seed: int = 0) -> Sound:
    """Return a voice of nobody (M,) at 48 kHz: voiced and breathy parts, with pauses."""
    rng = np.random.default_rng(seed)
    count = int(seconds * 16_000)
    t = np.arange(count) / 16_000
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.7 * t + seed) + 10 * np.sin(2 * np.pi * 2.3 * t)
    phase = 2 * np.pi * np.cumsum(pitch) / 16_000
    source = np.sum([np.cos(k * phase) / k for k in range(1, 45)], axis=0)
    source += 0.3 * rng.normal(size=count)
    out = np.zeros(count)
    for start in range(0, count, 1600):
        piece = source[start : start + 1600]
        for centre in rng.uniform((300, 900, 2200, 3300), (800, 2000, 3000, 4500)):
            band = signal.butter(2, (0.88 * centre, 1.12 * centre), "bandpass", fs=16_000)
            out[start : start + 1600] += signal.lfilter(*band, piece)
    loud = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * t + seed)
    wide = signal.resample_poly(out * loud, 3, 1)
    return np.asarray(0.5 * wide / np.abs(wide).max(), np.float32)


def _cuts(marked: list[Sound], seconds: float) -> float:
    length = int(seconds * RATE)
    found = [
        read_sound(sound[at : at + length], RATE, [KEYS]).sound_number == _LOW
        for sound in marked
        for at in range(0, sound.size - length, RATE)
    ]
    return float(np.mean(found))


def _codec(codec: str, bits: int, times: int = 1) -> Callable[[Sound], Heard]:
    def apply(sound: Sound) -> Heard:
        heard, rate = sound, RATE
        for _ in range(times):
            heard, rate = encode_sound_again(heard, rate, codec, bits)
        return heard, rate

    return apply


def _rate(down: int) -> Callable[[Sound], Heard]:
    return lambda s: (np.asarray(signal.resample_poly(s, 1, down), np.float32), RATE // down)


def _noise(db: float) -> Callable[[Sound], Heard]:
    def apply(sound: Sound) -> Heard:
        level = np.sqrt(np.mean(sound**2)) * 10 ** (-db / 20)
        noise = np.random.default_rng(2).normal(size=sound.size)
        return np.asarray(sound + level * noise, np.float32), RATE

    return apply


def _cut(seconds: float, codec: str, bits: int) -> Callable[[Sound], Heard]:
    def apply(sound: Sound) -> Heard:
        start = int(1.3 * RATE)
        return encode_sound_again(sound[start : start + int(seconds * RATE)], RATE, codec, bits)

    return apply


def _clipped(sound: Sound) -> Heard:
    limit = 0.4 * float(np.abs(sound).max())
    return np.clip(sound, -limit, limit).astype(np.float32), RATE


def _room(sound: Sound) -> Heard:
    rng = np.random.default_rng(3)
    length = int(0.25 * RATE)
    tail = rng.normal(size=length) * np.exp(-np.arange(length) / (0.05 * RATE))
    tail[0] = 8.0
    wet = signal.fftconvolve(sound, tail)[: sound.size]
    return np.asarray(0.5 * wet / np.abs(wet).max(), np.float32), RATE


def _telephone(sound: Sound) -> Heard:
    """300 to 3400 Hz, 8 kHz, 8 bits by the mu law."""
    band = signal.butter(4, (300, 3400), "bandpass", fs=RATE, output="sos")
    narrow = signal.resample_poly(signal.sosfilt(band, sound), 1, 6)
    peak = np.abs(narrow).max()
    code = np.sign(narrow) * np.log1p(255 * np.abs(narrow / peak)) / np.log(256)
    code = np.round(code * 127) / 127
    back = np.sign(code) * np.expm1(np.abs(code) * np.log(256)) / 255
    return np.asarray(peak * back, np.float32), RATE // 6


def _music(sound: Sound) -> Heard:
    t = np.arange(sound.size) / RATE
    chord = np.sum([np.sin(2 * np.pi * f * t) for f in (220, 277, 330, 440, 554)], axis=0)
    level = np.sqrt(np.mean(sound**2) / np.mean(chord**2)) * 10 ** (-10 / 20)
    return np.asarray(sound + level * chord, np.float32), RATE


def _gated(sound: Sound) -> Heard:
    """A noise gate in the spectrum: what is fainter than a part of the loudest goes."""
    _, _, spectra = signal.stft(sound, RATE, nperseg=1024)
    size = np.abs(spectra)
    kept = spectra * (size > 0.15 * np.median(size[size > 0.0]))
    return np.asarray(signal.istft(kept, RATE, nperseg=1024)[1], np.float32), RATE


def _speed(factor: float) -> Callable[[Sound], Heard]:
    def apply(sound: Sound) -> Heard:
        places = np.arange(0, sound.size - 1, factor)
        return np.interp(places, np.arange(sound.size), sound).astype(np.float32), RATE

    return apply


ATTACKS: dict[str, Callable[[Sound], Heard]] = {
    "AAC 128": _codec("aac", 128_000),
    "AAC 64": _codec("aac", 64_000),
    "MP3 64": _codec("libmp3lame", 64_000),
    "MP3 32": _codec("libmp3lame", 32_000),
    "Opus 32": _codec("libopus", 32_000),
    "Opus 24": _codec("libopus", 24_000),
    "Opus 16": _codec("libopus", 16_000),
    "Opus 12": _codec("libopus", 12_000),
    "Opus 24 twice": _codec("libopus", 24_000, 2),
    "16 kHz": _rate(3),
    "8 kHz": _rate(6),
    "noise 30 dB": _noise(30),
    "noise 20 dB": _noise(20),
    "noise 15 dB": _noise(15),
    "noise 10 dB": _noise(10),
    "clipped": _clipped,
    "a room": _room,
    "3 s cut, Opus 24": _cut(3.0, "libopus", 24_000),
    "2 s cut, AAC 64": _cut(2.0, "aac", 64_000),
    "telephone": _telephone,
    "music 10 dB below": _music,
    "noise gate": _gated,
    "1 % faster": _speed(1.01),
    "1.5 % slower": _speed(0.985),
}
