"""When somebody speaks: silero-vad, so that music, noise and silence never move a mouth.

The network and its weights are silero-vad's (MIT), read from its own distribution. Its forward
pass is written out here in numpy: an eighth of the time of the packaged one, the same on every run,
and no other library to load. tests/generator/test_speech.py holds both against each other.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError
from primafacie.generator.speech.mel import HOP, RATE

Floats = NDArray[np.float32]

CHUNK: Final = 512
_CONTEXT: Final = 64
_HIDDEN: Final = 128
#: A stretch of speech may begin here and ends below OFF: on a long sung vowel the network slowly
#: forgets that it heard a voice, in a pause at once. It counts only if the network was ever SURE in
#: it: music, animals and machines seldom get that far, speech always does.
ON: Final = 0.5
OFF: Final = 0.2
SURE: Final = 0.9
#: Speech is taken to begin this long before the network is sure, and to end this long after.
PRE_ROLL: Final = 0.120
HANG_OVER: Final = 0.120


class Segment(NamedTuple):
    """Somebody speaks from start to end, in seconds."""

    start: float
    end: float


class _Stretch(NamedTuple):
    """Perhaps somebody speaks from start to end; top: the network's highest opinion of it."""

    start: float
    end: float
    top: float


@cache
def weights_sha256() -> str:
    """The digest of silero-vad's network as installed."""
    return hashlib.sha256(weights_path().read_bytes()).hexdigest()


class _Weights(NamedTuple):
    """silero-vad's arrays: spectrum, four convolutions, one LSTM (gates i, o, f, c), one output."""

    basis: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    inputs: Floats
    recurrent: Floats
    bias: Floats
    output: Floats
    offset: float


def weights_path() -> Path:
    """Where silero-vad keeps the network read here; EngineError when it is not installed."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise EngineError("silero-vad is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data/silero_vad_16k_sequence.onnx"
    if not path.is_file():
        raise EngineError("this silero-vad does not bring silero_vad_16k_sequence.onnx")
    return path


@cache
def _weights() -> _Weights:
    found = _initializers(weights_path().read_bytes())
    try:
        lstm = [found[name][0] for name in sorted(found) if "LSTM" in name]
        return _Weights(
            found["stft.forward_basis_buffer"][:, 0],
            tuple((found[f"encoder.{i}.weight"], found[f"encoder.{i}.bias"]) for i in range(4)),
            lstm[0], lstm[1], lstm[2][: 4 * _HIDDEN] + lstm[2][4 * _HIDDEN :],
            found["output.weight"][0, :, 0], float(found["output.bias"][0]),
        )  # fmt: skip
    except (KeyError, IndexError) as error:
        raise EngineError("this silero-vad's network has another shape") from error


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """(number, value) of each field of a protocol buffer message."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        if key & 7 == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size, at = _varint(data, at) if key & 7 == 2 else ({1: 8, 5: 4}[key & 7], at)
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _initializers(data: bytes) -> dict[str, Floats]:
    """The float32 tensors an ONNX file holds, by name (ModelProto.graph.initializer)."""
    out: dict[str, Floats] = {}
    try:
        for number, graph in _fields(memoryview(data)):
            if number != 7 or not isinstance(graph, memoryview):
                continue
            for part, tensor in _fields(graph):
                if part == 5 and isinstance(tensor, memoryview):
                    name, array = _tensor(tensor)
                    out[name] = array
    except (IndexError, KeyError, ValueError) as error:
        raise EngineError("the weights of silero-vad are damaged") from error
    return out


def _tensor(data: memoryview) -> tuple[str, Floats]:
    """One TensorProto: dims = 1 (packed or not), name = 8, raw_data = 9."""
    shape: list[int] = []
    name, raw = "", memoryview(b"")
    for number, value in _fields(data):
        if number == 1 and isinstance(value, int):
            shape.append(value)
        elif number == 1 and isinstance(value, memoryview):
            at = 0
            while at < len(value):
                size, at = _varint(value, at)
                shape.append(size)
        elif number == 8 and isinstance(value, memoryview):
            name = bytes(value).decode("utf-8", "replace")
        elif number == 9 and isinstance(value, memoryview):
            raw = value
    return name, np.frombuffer(raw, "<f4").reshape(shape)


def _conv(x: Floats, weight: Floats, bias: Floats, stride: int) -> Floats:
    """Conv1d with kernel 3 and padding 1 over (B, C, T), then ReLU."""
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 3, axis=2)[:, :, ::stride]
    batch, channels, steps, _ = windows.shape
    flat = windows.transpose(0, 2, 1, 3).reshape(batch * steps, channels * 3)
    out: Floats = np.maximum(flat @ weight.reshape(len(weight), -1).T + bias, 0)
    return out.reshape(batch, steps, -1).transpose(0, 2, 1)


def _encode(pcm: Floats) -> Floats:
    """The convolutional front, (chunks, 128), all chunks at once."""
    w = _weights()
    count = -(-len(pcm) // CHUNK)
    padded = np.zeros(_CONTEXT + count * CHUNK, np.float32)
    padded[_CONTEXT : _CONTEXT + len(pcm)] = pcm
    chunks = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + CHUNK)[::CHUNK]
    chunks = np.pad(chunks, ((0, 0), (0, 64)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(chunks, 256, axis=1)[:, ::128]
    steps = frames.shape[1]
    spectrum = (frames.reshape(-1, 256) @ w.basis.T).reshape(count, steps, -1)
    real, imaginary = spectrum[..., :129], spectrum[..., 129:]
    x = np.sqrt(real**2 + imaginary**2).transpose(0, 2, 1)
    for (weight, bias), stride in zip(w.convolutions, (1, 2, 2, 1), strict=True):
        x = _conv(x, weight, bias, stride)
    return np.ascontiguousarray(x[:, :, 0])


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -40, 40))), np.float32)


def probabilities(pcm: Floats) -> Floats:
    """How likely each 32 ms of 16 kHz sound is speech, (ceil(N / CHUNK),)."""
    blocks = [_encode(pcm[at : at + 512 * CHUNK]) if not at else
              _encode(pcm[at - CHUNK : at + 512 * CHUNK])[1:]
              for at in range(0, len(pcm), 512 * CHUNK)]  # fmt: skip
    if not blocks:
        return np.zeros(0, np.float32)
    return Memory().recall(np.concatenate(blocks))


class Memory:
    """The recurrent half of silero-vad: what it keeps in mind from one chunk to the next."""

    def __init__(self) -> None:
        self._hidden = self._cell = np.zeros(_HIDDEN, np.float32)

    def recall(self, encoded: Floats) -> Floats:
        """How likely each encoded chunk is speech, going on from the last call, (chunks,)."""
        w = _weights()
        recurrent = np.ascontiguousarray(w.recurrent.T)
        hidden, cell = self._hidden, self._cell
        states = np.empty((len(encoded), _HIDDEN), np.float32)
        for t, row in enumerate(encoded @ w.inputs.T + w.bias):
            raw = row + hidden @ recurrent
            into, out, keep = _sigmoid(raw[: 3 * _HIDDEN]).reshape(3, _HIDDEN)
            cell = keep * cell + into * np.tanh(raw[3 * _HIDDEN :])
            hidden = out * np.tanh(cell)
            states[t] = hidden
        self._hidden, self._cell = hidden, cell
        return _sigmoid(np.maximum(states, 0) @ w.output + np.float32(w.offset))


class Watch:
    """silero-vad on sound that arrives: which 10 ms frames are speech, as far as is known."""

    def __init__(self) -> None:
        self._memory = Memory()
        self._before = np.zeros(CHUNK, np.float32)
        self._chunks = 0
        self._since: float | None = None
        self._top = 0.0
        self._found: list[_Stretch] = []

    @property
    def known(self) -> float:
        """Seconds of sound that were judged."""
        return self._chunks * CHUNK / RATE

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks at the end of what was judged."""
        return self._since is not None

    def hear(self, chunk: Floats) -> None:
        """The next CHUNK samples."""
        encoded = _encode(np.concatenate((self._before, chunk)))[1:]
        self._before = chunk
        chance = float(self._memory.recall(encoded)[0])
        at = self.known
        self._chunks += 1
        if self._since is None and chance >= ON:
            self._since, self._top = at, 0.0
        elif self._since is not None and chance < OFF:
            self._found = [*self._found[-8:], _Stretch(self._since, at, self._top)]
            self._since = None
        self._top = max(self._top, chance)

    def segments(self) -> tuple[Segment, ...]:
        """The last places of speech, padded and joined as in `segments`; one that goes on has no
        end yet (infinity)."""
        going = [] if self._since is None else [_Stretch(self._since, np.inf, self._top)]
        return _padded([*self._found, *going], np.inf)


def segments(pcm: Floats) -> tuple[Segment, ...]:
    """Where somebody speaks in 16 kHz sound, pre-roll and hang-over included, none overlapping."""
    found: list[_Stretch] = []
    start: int | None = None
    chance = probabilities(pcm)
    for i, p in enumerate((*chance, 0.0)):
        if start is None and p >= ON:
            start = i
        elif start is not None and p < OFF:
            end = min(i * CHUNK, len(pcm)) / RATE
            found.append(_Stretch(start * CHUNK / RATE, end, float(chance[start:i].max())))
            start = None
    return _padded(found, len(pcm) / RATE)


def _padded(found: list[_Stretch], duration: float) -> tuple[Segment, ...]:
    """Stretches with their margins, joined where they touch, that were speech for sure."""
    merged: list[_Stretch] = []
    for start, end, top in found:
        start, end = max(0.0, start - PRE_ROLL), min(duration, end + HANG_OVER)
        if merged and start <= merged[-1].end:
            merged[-1] = _Stretch(merged[-1].start, end, max(merged[-1].top, top))
        else:
            merged.append(_Stretch(start, end, top))
    return tuple(Segment(start, end) for start, end, top in merged if top >= SURE)


def mask(found: tuple[Segment, ...], frames: int) -> NDArray[np.bool_]:
    """True for each 10 ms frame whose middle lies in a segment, (frames,)."""
    middle = (np.arange(frames) + 0.5) * HOP / RATE
    out = np.zeros(frames, np.bool_)
    for start, end in found:
        out |= (middle >= start) & (middle < end)
    return out
