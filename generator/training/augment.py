"""Making clean synthetic speech sound like the world: rooms, microphones, noise, other throats."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from primafacie.generator.speech.whisper import whispered as whispered

Floats = NDArray[np.float32]
Labels = NDArray[np.uint8]

RATE: Final = 16_000
HOP: Final = 160


def stretched(pcm: Floats, labels: Labels, factor: float) -> tuple[Floats, Labels]:
    """Played `factor` times slower: pitch, formants and time together."""
    count = int(len(labels) * factor)
    at = np.arange(count * HOP) / factor
    index = np.minimum(((np.arange(count) + 0.5) / factor).astype(int), len(labels) - 1)
    return np.interp(at, np.arange(len(pcm)), pcm).astype(np.float32), labels[index]


def reverberant(pcm: Floats, rng: np.random.Generator) -> Floats:
    """A room of decaying noise, T60 from 0.08 to 1 s, the direct sound 10 to -6 dB louder."""
    t60 = np.exp(rng.uniform(np.log(0.08), np.log(1.0)))
    length = int(min(t60, 0.6) * RATE)
    tail = rng.standard_normal(length) * 10 ** (-3 * np.arange(length) / (t60 * RATE))
    tail[: int(rng.uniform(0.001, 0.01) * RATE)] = 0
    tail *= 10 ** (-rng.uniform(-6, 10) / 20) / np.sqrt(np.sum(tail**2) + 1e-12)
    tail[0] = 1
    return np.asarray(fftconvolve(pcm, tail.astype(np.float32))[: len(pcm)], np.float32)


def coloured(pcm: Floats, rng: np.random.Generator) -> Floats:
    """Another microphone: tilt, up to three peaks of 10 dB, perhaps a telephone's band."""
    size = 1 << (len(pcm) - 1).bit_length()
    f = np.fft.rfftfreq(size, 1 / RATE) + 1
    gain = rng.uniform(-4, 4) * np.log2(f / 1000) * 0.5
    for _ in range(rng.integers(0, 4)):
        centre, width = np.exp(rng.uniform(np.log(100), np.log(7000))), rng.uniform(0.3, 1.2)
        gain += rng.uniform(-10, 10) * np.exp(-((np.log2(f / centre) / width) ** 2))
    if rng.random() < 0.3:
        gain -= 40 * np.clip(np.log2(f / rng.uniform(3300, 7000)) * 2, 0, 1)
    if rng.random() < 0.3:
        gain -= 30 * np.clip(np.log2(rng.uniform(80, 350) / f), 0, 1)
    out = np.fft.irfft(np.fft.rfft(pcm, size) * 10 ** (gain / 20), size)[: len(pcm)]
    return out.astype(np.float32)


def noise(count: int, rng: np.random.Generator) -> Floats:
    """Unit-power noise: white, pink, brown, hum or made-up music, perhaps coming and going."""
    kind = int(rng.integers(0, 4))
    made: NDArray[np.float64]
    if kind == 3:
        made = music(count, rng).astype(np.float64)
    else:
        spectrum = np.fft.rfft(rng.standard_normal(count))
        made = np.fft.irfft(spectrum / (np.arange(len(spectrum)) + 5.0) ** (0.5 * kind), count)
    if rng.random() < 0.4:
        rate = rng.uniform(0.3, 6)
        made = made * (0.55 + 0.45 * np.sin(2 * np.pi * rate * np.arange(count) / RATE))
    return np.asarray(made / (np.sqrt(np.mean(made**2)) + 1e-12), np.float32)


def music(count: int, rng: np.random.Generator) -> Floats:
    """A few voices of decaying harmonic notes and a drum."""
    t = np.arange(count) / RATE
    out = np.zeros(count)
    for _ in range(rng.integers(1, 5)):
        at = 0.0
        while at < t[-1]:
            length = rng.uniform(0.1, 0.8)
            first, last = int(at * RATE), min(count, int((at + length) * RATE))
            x = t[first:last] - at
            pitch = 55 * 2 ** (rng.integers(0, 48) / 12)
            for harmonic in range(1, rng.integers(2, 10)):
                if pitch * harmonic < 7800:
                    level = rng.uniform(0.3, 1) / harmonic
                    out[first:last] += (
                        level
                        * np.sin(2 * np.pi * pitch * harmonic * x)
                        * np.exp(-x * rng.uniform(1, 8))
                    )
            at += length
    if rng.random() < 0.5:
        beat = int(rng.uniform(0.2, 0.6) * RATE)
        click = rng.standard_normal(1200) * np.exp(-np.arange(1200) / 250)
        for first in range(0, count - 1200, beat):
            out[first : first + 1200] += click
    return out.astype(np.float32) + 1e-6 * rng.standard_normal(count).astype(np.float32)


def augmented(
    pcm: Floats, labels: Labels, babble: Floats, rng: np.random.Generator
) -> tuple[Floats, Labels]:
    """One random version of an utterance of unit peak."""
    if rng.random() < 0.8:
        pcm, labels = stretched(pcm, labels, rng.uniform(0.85, 1.17))
    if rng.random() < 0.5:
        before, after = rng.integers(5, 60, 2)
        pcm = np.concatenate([np.zeros(before * HOP), pcm, np.zeros(after * HOP)])
        labels = np.concatenate([np.zeros(before), labels, np.zeros(after)]).astype(np.uint8)
    pcm = pcm.astype(np.float32)
    if rng.random() < 0.05:
        pcm = whispered(pcm, rng)
    if rng.random() < 0.45:
        pcm = reverberant(pcm, rng)
    if rng.random() < 0.7:
        pcm = coloured(pcm, rng)
    level = float(np.sqrt(np.mean(pcm**2))) + 1e-6
    if rng.random() < 0.1:
        drive = rng.uniform(1, 6) / (3 * level)
        pcm = np.tanh(pcm * drive).astype(np.float32) / np.float32(drive)
    if rng.random() < 0.65:
        pcm = pcm + noise(len(pcm), rng) * np.float32(level * 10 ** (-rng.uniform(5, 40) / 20))
    if rng.random() < 0.15:
        first = int(rng.integers(0, len(babble) - len(pcm)))
        pcm = pcm + babble[first : first + len(pcm)] * np.float32(
            level * 10 ** (-rng.uniform(10, 25) / 20)
        )
    floor = level * 10 ** (-rng.uniform(45, 75) / 20)
    return pcm + (rng.standard_normal(len(pcm)) * floor).astype(np.float32), labels
