"""VoiceTemplate: whose voice it is, by 256 numbers. Runs inside the sandbox; the parent compares.

The network is Resemblyzer's (a GE2E encoder, Wan et al. 2018, Apache-2.0), an optional extra whose
bundled weights are read without importing the package: its chain of imports needs a compiler.

What it is not: a spoof detector. A good clone of a voice passes, as it does with every verifier of
this kind; a cold, a whisper or a telephone line makes the same person fail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from primafacie.audit.digest import sha256_hex
from primafacie.generator.speech.vad import segments
from primafacie.safeguards.errors import VoiceprintError

Floats = NDArray[np.float32]

#: Cosine similarity from which two voices count as one. On 261 readers of LibriSpeech with clips of
#: ten seconds: 5 % of genuine pairs fall below, 0.7 % of strangers' pairs reach it.
ACCEPT: Final = 0.76
#: From here to ACCEPT a person has to listen; below, the voice is another's.
REVIEW: Final = 0.65
#: Seconds of speech below which nothing is said. At 3 s one genuine clip in eight fails.
LEAST_SPEECH: Final = 5.0
#: Two groups of looks at one clip less alike than this are two people. Chosen on eight recorded
#: readers in six languages; of 70 clips of 12 to 30 s by seven others none was parted, and of 126
#: clips that joined two of them one in six was taken for one voice.
PARTED: Final = 0.70
DIMENSIONS: Final = 256
UNKNOWN, MATCH, NEAR, MISMATCH = "unknown", "match", "review", "mismatch"

RATE: Final = 16_000
_WINDOW, _HOP, _BANDS = 400, 160, 40
_PART: Final = 160  # frames of one look of the network: 1.6 s
_STEP: Final = 77  # frames from one look to the next: 1.3 looks a second
_LOOK, _LOOK_STEP = 2 * RATE, RATE  # samples of a look for a second voice, and to the next look
_FEWEST_LOOKS: Final = 2  # of one person
_LEVEL: Final = 10 ** (-30 / 20)  # RMS of speech the network was trained on
_WEIGHTS: Final = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"


class SpeakerVerifier(Protocol):
    """Promises: the same sound, the same vector, of length one; `model` names weights by digest, so
    that templates of different models can never meet."""

    model: str

    def embed(self, clips: Sequence[Floats]) -> Floats:
        """The voices in clips of mono speech at 16 kHz without pauses, (N, D)."""


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """What was heard of a voice in one clip. vector is None without a verifier, or where too little
    was said. seconds: of speech. unity: how alike the two most different voices in it are, -1 to 1;
    None where that is not known."""

    seconds: float
    model: str = ""
    vector: Floats | None = field(repr=False, default=None)
    unity: float | None = None

    @property
    def several(self) -> bool:
        """Whether two people were heard for sure; False also where nobody could tell."""
        return self.unity is not None and self.unity < PARTED


@dataclass(frozen=True, slots=True)
class VoiceTemplate:
    """The voice of the person who consented, as heard when they read the statement."""

    model: str  # name@sha256 of the weights; templates never match across models
    seconds: float
    vector: Floats = field(repr=False)  # (D,), length one

    def similarity(self, heard: Voiceprint) -> float | None:
        """Cosine of the two voices, -1 to 1; None when nothing can be said about it."""
        if heard.vector is None or heard.model != self.model or heard.seconds < LEAST_SPEECH:
            return None
        return float(self.vector @ heard.vector)


def verdict(similarity: float | None) -> str:
    """`match`, `review`, `mismatch`, or `unknown` where there is no similarity."""
    if similarity is None or not np.isfinite(similarity):
        return UNKNOWN
    return MATCH if similarity >= ACCEPT else NEAR if similarity >= REVIEW else MISMATCH


def listen(pcm: Floats, verifier: SpeakerVerifier | None) -> Voiceprint:
    """The voice in mono sound at 16 kHz. Less than LEAST_SPEECH of speech gives no vector."""
    speech = spoken(pcm)
    seconds = len(speech) / RATE
    if verifier is None or seconds < LEAST_SPEECH:
        return Voiceprint(seconds)
    return Voiceprint(seconds, verifier.model, verifier.embed([speech])[0], unity(speech, verifier))


def unity(speech: Floats, verifier: SpeakerVerifier) -> float:
    """How alike the two most different voices in speech without pauses are, -1 to 1: the cosine
    between the means of two groups of looks, parted by two-means from the two least alike looks.
    1 where no second voice holds for _FEWEST_LOOKS."""
    starts = range(0, max(1, len(speech) - _LOOK + 1), _LOOK_STEP)
    looks = verifier.embed([speech[at : at + _LOOK] for at in starts])
    i, j = np.unravel_index(int((looks @ looks.T).argmin()), (len(looks), len(looks)))
    one, other = looks[i], looks[j]
    for _ in range(12):
        ones = looks @ one >= looks @ other
        if min(int(ones.sum()), int((~ones).sum())) < _FEWEST_LOOKS:
            return 1.0
        one, other = _mean(looks[ones]), _mean(looks[~ones])
    return float(one @ other)


def _mean(looks: Floats) -> Floats:
    mean = looks.mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def spoken(pcm: Floats) -> Floats:
    """The sound in which somebody speaks, pauses cut out."""
    parts = [pcm[round(s.start * RATE) : round(s.end * RATE)] for s in segments(pcm)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def installed() -> SpeakerVerifier | None:
    """The verifier this installation has; None without the extra `speaker`. Raises VoiceprintError
    when its weights are not the ones this project was measured with."""
    path = _weights_path()
    return Resemblyzer(path) if path else None


class Resemblyzer:
    """Three LSTM layers over mel power, in windows of 1.6 s whose mean is the voice."""

    def __init__(self, path: Path) -> None:
        self._net = _network(path)
        self.model = f"resemblyzer-0.1.4@{_WEIGHTS}"

    def embed(self, clips: Sequence[Floats]) -> Floats:
        """256 numbers of length one for each clip. At least one window of speech; shorter is filled
        with nothing. All windows go through the network together.

        Raises VoiceprintError when nothing can be heard in one of them.
        """
        import torch

        cut = [_windows(mel_power(_levelled(speech))) for speech in clips]
        lstm, weight, bias = self._net
        with torch.inference_mode():
            _, (hidden, _) = lstm(torch.from_numpy(np.concatenate(cut)))
            raw = torch.relu(torch.nn.functional.linear(hidden[-1], weight, bias))
            parts = torch.nn.functional.normalize(raw, dim=1).numpy()
        starts = np.cumsum([0, *(len(one) for one in cut)])[:-1]
        counts = np.array([len(one) for one in cut], np.float32)
        means = np.add.reduceat(parts, starts, axis=0) / counts[:, None]
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        if not np.isfinite(lengths).all() or float(lengths.min()) < 1e-6:
            raise VoiceprintError("no voice can be heard in this sound")
        return np.asarray(means / lengths, np.float32)


def mel_power(pcm: Floats) -> Floats:
    """Mel power per 10 ms, (N // 160 + 1, 40): 25 ms periodic Hann windows, centred; Slaney's mel
    scale to 8 kHz with triangles of equal area. No logarithm: so the network was trained."""
    padded = np.pad(pcm, _WINDOW // 2)
    cut = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
    window = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(cut * window)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(power @ _filters(), np.float32)


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float64]:
    """Slaney 1998, "Auditory Toolbox": linear to 1 kHz, logarithmic above, (201, 40)."""
    top = 15.0 + np.log(8000 / 1000) / (np.log(6.4) / 27)
    mels = np.linspace(0.0, top, _BANDS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    bins = np.arange(_WINDOW // 2 + 1) * RATE / _WINDOW
    left, centre, right = hertz[:-2], hertz[1:-1], hertz[2:]
    rise = (bins[:, None] - left) / (centre - left)
    fall = (right - bins[:, None]) / (right - centre)
    return np.asarray(np.maximum(0, np.minimum(rise, fall)) * 2 / (right - left), np.float64)


def _levelled(pcm: Floats) -> Floats:
    rms = float(np.sqrt(np.mean(np.square(pcm)))) if len(pcm) else 0.0
    if rms < 1e-6:
        raise VoiceprintError("no voice can be heard in this sound")
    return np.asarray(pcm * (_LEVEL / rms), np.float32)


def _windows(mels: Floats) -> Floats:
    """(K, 160, 40); a last window counts when three quarters of it are sound."""
    starts = list(range(0, max(1, len(mels) - _PART + _STEP), _STEP))
    if len(starts) > 1 and len(mels) - starts[-1] < 0.75 * _PART:
        starts.pop()
    padded = np.pad(mels, ((0, max(0, starts[-1] + _PART - len(mels))), (0, 0)))
    return np.stack([padded[at : at + _PART] for at in starts])


def _weights_path() -> Path | None:
    spec = find_spec("resemblyzer")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    found = [Path(root) / "pretrained.pt" for root in roots]
    return next((path for path in found if path.is_file()), None)


@lru_cache(maxsize=1)
def _network(path: Path) -> tuple[Any, Any, Any]:
    import io

    import torch

    data = path.read_bytes()
    if sha256_hex(data) != _WEIGHTS:
        raise VoiceprintError("the speaker weights are not the ones this project was measured with")
    state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)["model_state"]
    lstm = torch.nn.LSTM(_BANDS, DIMENSIONS, 3, batch_first=True)
    names = {key.removeprefix("lstm."): value for key, value in state.items()
             if key.startswith("lstm.")}  # fmt: skip
    lstm.load_state_dict(names)
    return lstm.eval(), state["linear.weight"], state["linear.bias"]
