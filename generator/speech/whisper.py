"""Whisper made from a voice: for training, and to measure how well it is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Floats = NDArray[np.float32]


def whispered(pcm: Floats, rng: np.random.Generator) -> Floats:
    """The same spectrum envelope (LPC of order 18) excited by noise instead of a voice."""
    size, step, order = 512, 256, 18
    out = np.zeros(len(pcm) + size, np.float32)
    window = np.hanning(size).astype(np.float32)
    for at in range(0, len(pcm) - size, step):
        frame = pcm[at : at + size] * window
        power = np.abs(np.fft.rfft(frame, 2 * size)) ** 2
        r = np.fft.irfft(power)[: order + 1]
        if r[0] < 1e-9:
            continue
        lags = np.abs(np.subtract.outer(np.arange(order), np.arange(order)))
        a = np.linalg.solve(r[lags] + 1e-4 * r[0] * np.eye(order), r[1:])
        noise = rng.standard_normal(size)
        made = lfilter([1.0], np.concatenate([[1.0], -a]), noise) * window
        scale = np.sqrt(np.sum(frame**2) / (np.sum(made**2) + 1e-12))
        out[at : at + size] += (made * scale).astype(np.float32)
    return out[: len(pcm)]
