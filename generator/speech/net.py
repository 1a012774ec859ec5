"""The network that hears phones: 48 mel bands in, 26 classes out, 100 times a second.

192 000 numbers trained on synthetic voices only (generator/weights/MODEL_CARD.md). The forward
pass is numpy: half a second of sound takes a millisecond, on any machine, without a framework.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError
from primafacie.generator.speech.phones import CLASSES

Floats = NDArray[np.float32]

PATH: Final = Path(__file__).parent.parent / "weights/speech.npz"
WIDTH: Final = 96
#: Kernel size, dilation and steps ahead of each convolution; a step is 20 ms.
KERNELS: Final = ((5, 1, 2), (3, 1, 1), (3, 2, 2), (3, 4, 0), (3, 2, 2), (3, 1, 1))
#: How far the network hears, in feature frames of 10 ms.
AHEAD: Final = 2 * sum(ahead for _, _, ahead in KERNELS)
BEHIND: Final = 2 * sum((size - 1) * dilation - ahead for size, dilation, ahead in KERNELS)


class Layer(NamedTuple):
    """A convolution as one matrix (size x inputs, WIDTH), and its bias."""

    weight: Floats
    bias: Floats


class Net(NamedTuple):
    """The trained numbers. prior: log share of each class; bigram: log P(next | class)."""

    layers: tuple[Layer, ...]
    head: Layer
    prior: Floats
    bigram: Floats
    sha256: str


def read(data: bytes) -> Net:
    """Raises EngineError when the bytes are not this network's weights."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: np.asarray(file[name], np.float32) for name in file.files}
        layers = tuple(
            Layer(_matrix(arrays[f"conv{i}.weight"], size), arrays[f"conv{i}.bias"])
            for i, (size, _, _) in enumerate(KERNELS)
        )
        head = Layer(np.ascontiguousarray(arrays["head.weight"].T), arrays["head.bias"])
        if head.weight.shape != (WIDTH, 2 * len(CLASSES)):
            raise ValueError("another number of classes")
        digest = hashlib.sha256(data).hexdigest()
        return Net(layers, head, arrays["prior"], arrays["bigram"], digest)
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise EngineError("the speech network's weights are damaged") from error


def _matrix(weight: Floats, size: int) -> Floats:
    """(out, in, size) -> (size x in, out)."""
    if weight.ndim != 3 or weight.shape[2] != size:
        raise ValueError("another kernel")
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, weight.shape[0]))


@cache
def default() -> Net:
    """The network this version ships. Raises EngineError when its file is missing or damaged."""
    try:
        return read(PATH.read_bytes())
    except OSError as error:
        raise EngineError("the speech network's weights are missing") from error


def log_posteriors(features: Floats, net: Net | None = None) -> Floats:
    """log P(class | sound) for each 10 ms frame, (T, 26), from mel.features."""
    net = default() if net is None else net
    frames, bands = features.shape
    steps = -(-frames // 2)
    padded = np.zeros((steps * 2, bands), np.float32)
    padded[:frames] = features
    x: Floats = padded.reshape(steps, 2 * bands)
    for i, ((size, dilation, ahead), layer) in enumerate(zip(KERNELS, net.layers, strict=True)):
        y = _convolve(x, layer, size, dilation, ahead)
        x = y if i == 0 else x + y
    logits = (x @ net.head.weight + net.head.bias).reshape(steps * 2, len(CLASSES))[:frames]
    peak = logits.max(axis=1, keepdims=True)
    total = np.log(np.exp(logits - peak).sum(axis=1, keepdims=True))
    return np.asarray(logits - peak - total, np.float32)


def _convolve(x: Floats, layer: Layer, size: int, dilation: int, ahead: int) -> Floats:
    behind = (size - 1) * dilation - ahead
    padded = np.pad(x, ((behind, ahead), (0, 0)))
    taps = [padded[k * dilation : k * dilation + len(x)] for k in range(size)]
    out: Floats = np.maximum(np.concatenate(taps, axis=1) @ layer.weight + layer.bias, 0)
    return out
