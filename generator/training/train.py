"""Trains the speech network and writes generator/weights/speech.npz.

    OMP_NUM_THREADS=1 python -m primafacie.generator.training.train FOLDER [SEED [FILE]]

FOLDER is the one corpus.py filled, FILE another place for the weights. Every random choice is
seeded; MODEL_CARD.md tells how long it takes. The network hears 320 ms back and 160 ms ahead, so
that the same weights could serve live sound.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from primafacie.generator.speech import mel
from primafacie.generator.speech.net import KERNELS, WIDTH
from primafacie.generator.speech.phones import CLASSES
from primafacie.generator.training import augment
from primafacie.generator.training.corpus import HOP, UNKNOWN

Floats = NDArray[np.float32]

COPIES: Final = 2
STEPS: Final = 3000
BATCH: Final = 48
CROP: Final = 256
RATE: Final = 2e-3
WEIGHT: Final = {"espeak-en": 0.35, "espeak-ml": 0.5}
WEIGHTS: Final = Path(__file__).parent.parent / "weights/speech.npz"


class Network(nn.Module):
    """(B, T, bands) -> (B, T, classes); two frames are heard together, 50 steps a second."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for i, (size, dilation, _) in enumerate(KERNELS):
            inputs = 2 * mel.BANDS if i == 0 else WIDTH
            self.convs.append(nn.Conv1d(inputs, WIDTH, size, dilation=dilation, bias=False))
            self.norms.append(nn.BatchNorm1d(WIDTH))
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Conv1d(WIDTH, 2 * len(CLASSES), 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, frames, bands = x.shape
        x = x.reshape(batch, frames // 2, 2 * bands).transpose(1, 2)
        for i, (size, dilation, ahead) in enumerate(KERNELS):
            behind = (size - 1) * dilation - ahead
            y = self.convs[i](functional.pad(x, (behind, ahead)))
            y = functional.relu(self.norms[i](y))
            x = y if i == 0 else x + self.dropout(y)
        out: torch.Tensor = self.head(x)
        return out.transpose(1, 2).reshape(batch, frames, len(CLASSES))


def prepare(path: Path, copies: int, seed: int) -> tuple[NDArray[np.float16], Any, Any, Any]:
    """Features, labels and sampling weights of the whole corpus in random order, and the labels
    as they stand in the corpus."""
    rng = np.random.default_rng(seed)
    with np.load(path) as file:
        pcm, labels, source, frames = (file[k] for k in ("pcm", "labels", "source", "frames"))
    ends = np.cumsum(frames)
    starts = ends - frames
    babble = _babble(pcm, rng)
    warps = [mel.filterbank(warp=float(w)) for w in np.linspace(0.86, 1.16, 31)]
    plan = [(i, k) for i in range(len(ends)) for k in range(copies + 1)]
    feats: list[NDArray[np.float16]] = []
    tags, weights = [], []
    for n in rng.permutation(len(plan)):
        i, k = plan[n]
        x = pcm[starts[i] * HOP : ends[i] * HOP].astype(np.float32) / 32768
        y = labels[starts[i] : ends[i]]
        bank = warps[15]
        if k:
            x, y = augment.augmented(x, y, babble, rng)
            bank = warps[int(rng.integers(0, len(warps)))]
        f = mel.normalised(mel.power(x, bank))
        feats.append(f.astype(np.float16))
        tags.append(y[: len(f)])
        weights.append(np.full(len(f), WEIGHT.get(str(source[i]), 1.0), np.float32))
    for _ in range(len(plan) // 40):
        x = augment.noise(int(rng.integers(3, 9)) * 16_000, rng)
        f = mel.normalised(mel.power(x))
        feats.append(f.astype(np.float16))
        tags.append(np.zeros(len(f), np.uint8))
        weights.append(np.ones(len(f), np.float32))
    return np.concatenate(feats), np.concatenate(tags), np.concatenate(weights), labels


def _babble(pcm: NDArray[np.int16], rng: np.random.Generator) -> Floats:
    """A minute of many voices at once, unit power."""
    count = 60 * 16_000
    out = np.zeros(count, np.float32)
    for _ in range(6):
        first = int(rng.integers(0, len(pcm) - count))
        out += pcm[first : first + count]
    return out / np.float32(np.sqrt(np.mean(out**2)) + 1e-9)


def bigram(labels: NDArray[np.uint8]) -> Floats:
    """log P(next phone | phone), (26, 26), smoothed, over changes of label."""
    known = labels[labels != UNKNOWN].astype(int)
    change = np.flatnonzero(np.diff(known))
    counts = np.full((len(CLASSES), len(CLASSES)), 0.5)
    np.add.at(counts, (known[change], known[change + 1]), 1)
    return np.asarray(np.log(counts / counts.sum(axis=1, keepdims=True)), np.float32)


def train(folder: Path, steps: int = STEPS, seed: int = 1) -> tuple[Network, Floats, Floats]:
    """The trained network with averaged weights, class priors and bigram."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    feats, labels, weights, clean = prepare(folder / "train.npz", COPIES, seed + 2)
    print(f"{len(feats) / 360_000:.1f} h of features", flush=True)
    rng = np.random.default_rng(seed + 4)
    chance = np.cumsum(weights[:-CROP:16].astype(np.float64))
    chance /= chance[-1]
    known = labels[labels != UNKNOWN]
    share = np.bincount(known, minlength=len(CLASSES)) / len(known)
    loss = nn.CrossEntropyLoss(
        weight=torch.tensor((share.mean() / np.maximum(share, 1e-5)) ** 0.35, dtype=torch.float32),
        label_smoothing=0.05, ignore_index=UNKNOWN,
    )  # fmt: skip
    net = Network()
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=0.01)
    average = {k: v.clone() for k, v in net.state_dict().items()}
    for step in range(steps):
        rate = RATE * min(1, (step + 1) / 200) * 0.5 * (1 + np.cos(np.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        at = np.searchsorted(chance, rng.random(BATCH)) * 16
        x = np.stack([feats[a : a + CROP] for a in at]).astype(np.float32)
        y = np.stack([labels[a : a + CROP] for a in at]).astype(np.int64)
        _mask(x, rng)
        net.train()
        said = net(torch.from_numpy(x)).reshape(-1, len(CLASSES))
        value = loss(said, torch.from_numpy(y).reshape(-1))
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        decay = min(0.998, (step + 1) / (step + 10))
        with torch.no_grad():
            for key, now in net.state_dict().items():
                if now.dtype.is_floating_point:
                    average[key].mul_(decay).add_(now, alpha=1 - decay)
        if step % 100 == 99:
            print(step + 1, f"{value.item():.3f}", flush=True)
    net.load_state_dict(average)
    prior = share + 1e-4
    return net.eval(), np.log(prior / prior.sum()).astype(np.float32), bigram(clean)


def _mask(x: Floats, rng: np.random.Generator) -> None:
    """Blots out a band and a moment of some crops; shifts the level of others. In place."""
    for row in x:
        if rng.random() < 0.4:
            low = rng.integers(0, mel.BANDS - 6)
            row[:, low : low + rng.integers(1, 7)] = 0
        if rng.random() < 0.3:
            first = rng.integers(0, CROP - 10)
            row[first : first + rng.integers(2, 10)] = 0
        if rng.random() < 0.5:
            row += rng.normal(0, 0.15, (1, mel.BANDS)).astype(np.float32)


def save(
    net: Network, prior: Floats, pairs: Floats, path: Path = WEIGHTS, seconds: float = 0
) -> None:
    """Folds the normalisation into the convolutions and writes float16 arrays. seconds: of
    computing that the training took."""
    arrays: dict[str, Any] = {"prior": prior, "bigram": pairs, "seconds": np.float32(seconds)}
    for i, (conv, norm) in enumerate(zip(net.convs, net.norms, strict=True)):
        weight, bias = _folded(conv, norm)
        arrays[f"conv{i}.weight"], arrays[f"conv{i}.bias"] = weight.astype(np.float16), bias
    head = {name: value.detach().numpy() for name, value in net.head.named_parameters()}
    arrays["head.weight"] = head["weight"][:, :, 0].astype(np.float16)
    arrays["head.bias"] = head["bias"]
    np.savez(path, **arrays)


def _folded(conv: Any, norm: Any) -> tuple[Floats, Floats]:
    """A convolution and the normalisation after it as one convolution."""
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = (conv.weight * scale[:, None, None]).detach().numpy()
    return weight, (norm.bias - norm.running_mean * scale).detach().numpy()


if __name__ == "__main__":
    made = train(Path(sys.argv[1]), seed=int(sys.argv[2]) if sys.argv[2:] else 1)
    target = Path(sys.argv[3]) if sys.argv[3:] else WEIGHTS
    save(*made, path=target, seconds=time.process_time())
