"""Figures of the voice benchmark, drawn with matplotlib (extra `bench`) from synthetic voices only.

Every picture is returned as PNG bytes, plots with a small palette, faces in full colour.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from primafacie.generator.errors import GeneratorError
from primafacie.generator.speech import benchmark, hearing, mel, phones, visemes
from primafacie.generator.speech.truth import Truth
from primafacie.generator.speech.visemes import CLOSE, JAW, ROUND
from primafacie.generator.voice import RATE

if TYPE_CHECKING:
    from primafacie.generator.speech.align import Span
    from primafacie.generator.speech.benchmark import Findings

Floats = NDArray[np.float32]
Picture = NDArray[np.uint8]

_INK: Final = {
    benchmark.ALONG: "#1b4f72", benchmark.GUESSED: "#2e86c1", benchmark.ALONE: "#17a589",
    benchmark.LIVE: "#76d7c4", benchmark.ALLPHONE: "#b9770e", benchmark.LOUDNESS: "#909497",
}  # fmt: skip
_COLOURS: Final = 64


def _plt() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise GeneratorError("figures need matplotlib: install the extra bench") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def _png(figure: Any, colours: int | None = _COLOURS) -> bytes:
    raw = io.BytesIO()
    figure.savefig(raw, format="png", dpi=110, bbox_inches="tight")
    _plt().close(figure)
    picture = Image.open(raw).convert("RGB")
    if colours:
        picture = picture.quantize(colours)
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def accuracy(found: Findings) -> bytes:
    """Viseme accuracy and closures of every method on every set."""
    plt = _plt()
    figure, axes = plt.subplots(
        len(found.sets), 1, figsize=(9, 2.4 * len(found.sets)), squeeze=False
    )
    for axis, heard in zip(axes[:, 0], found.sets, strict=True):
        names = ("accuracy", "f1", "recall", "precision", "jaw", "rounding")
        for i, score in enumerate(heard.scores):
            at = np.arange(len(names)) + (i - len(heard.scores) / 2) * 0.13
            axis.bar(at, [getattr(score, n) for n in names], 0.12, label=score.method,
                     color=_INK[score.method])  # fmt: skip
        axis.set_xticks(range(len(names)), ("15 visemes", "F1", "p b m recall", "p b m precision",
                                            "jaw r", "rounding r"))  # fmt: skip
        axis.set_ylim(0, 1.02)
        axis.grid(axis="y", alpha=0.3)
        axis.set_title(f"{heard.name} ({heard.count} clips, {heard.seconds:.0f} s)", fontsize=9)
    most = max(axes[:, 0], key=lambda axis: len(axis.get_legend_handles_labels()[1]))
    figure.tight_layout()
    figure.legend(*most.get_legend_handles_labels(), fontsize=7, ncols=6, loc="lower center",
                  bbox_to_anchor=(0.5, 1.0))  # fmt: skip
    return _png(figure)


def noise(found: Findings) -> bytes:
    """Viseme accuracy and recall of closures against the level of noise."""
    plt = _plt()
    kinds = list(dict.fromkeys(n.kind for n in found.noisy))
    figure, axes = plt.subplots(
        2, len(kinds), figsize=(3.4 * len(kinds), 5), sharey=True, squeeze=False
    )
    for column, kind in enumerate(kinds):
        rows = [n for n in found.noisy if n.kind == kind]
        for row, (what, title) in enumerate(
            (("accuracy", "15 visemes"), ("recall", "p b m recall"))
        ):
            axis = axes[row, column]
            for i, score in enumerate(rows[0].scores):
                axis.plot([n.snr for n in rows], [getattr(n.scores[i], what) for n in rows], "o-",
                          color=_INK[score.method], label=score.method)  # fmt: skip
            title = "15 visemes" if row == 0 else "p b m recall"
            axis.set_title(f"{title}, {kind} noise", fontsize=9)
            axis.set_xlabel("dB")
            axis.invert_xaxis()
            axis.set_ylim(0, 1)
            axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=7, ncols=4, loc="lower center",
                  bbox_to_anchor=(0.5, 1.0))  # fmt: skip
    return _png(figure)


def clip(truth: Truth) -> bytes:
    """A clip's waveform, its phones as spoken and as heard, and the lips that follow."""
    plt = _plt()
    alone = hearing.hear(truth.pcm, language=truth.language)
    along = hearing.hear(truth.pcm, truth.text, truth.language)
    seconds = len(truth.pcm) / RATE
    figure, (wave, strip, lips) = plt.subplots(
        3, 1, figsize=(12, 5), sharex=True, height_ratios=(1, 1.2, 1.6)
    )
    wave.plot(np.arange(len(truth.pcm))[::8] / RATE, truth.pcm[::8], lw=0.4, color="#566573")
    wave.set_yticks([])
    wave.set_title(f"{truth.language}: {truth.text}", fontsize=9)
    for row, (name, spans) in enumerate(
        (("alone", alone.spans), ("along the text", along.spans), ("spoken", truth.spans))
    ):
        _strip(strip, spans, row)
        strip.text(-0.01 * seconds, row + 0.4, name, fontsize=7, ha="right", va="center")
    strip.set_ylim(0, 3)
    strip.set_yticks([])
    frames = int(seconds * 50)
    for heard, dash in ((along, "-"), (alone, ":")):
        shape = visemes.lips(heard.spans, heard.posteriors, heard.speech, frames, 50).shape
        for column, colour, label in (
            (JAW, "#c0392b", "jaw"), (CLOSE, "#1b4f72", "sealed"), (ROUND, "#17a589", "round"),
        ):  # fmt: skip
            lips.plot(np.arange(frames) / 50, shape[:, column], dash, color=colour, lw=1.2,
                      label=label if dash == "-" else None)  # fmt: skip
    lips.legend(fontsize=7, ncols=3, loc="upper right")
    lips.set_ylim(0, 1.25)
    lips.set_xlabel("s; lips along the text, and dotted from the sound alone, 40 ms ahead of it")
    lips.set_xlim(0, seconds)
    figure.tight_layout()
    return _png(figure)


def _strip(axis: Any, spans: Sequence[Span], row: float) -> None:
    """Phones as boxes with their names; lips that meet stand out."""
    for span in spans:
        a, b = span.start / mel.FRAME_RATE, span.end / mel.FRAME_RATE
        colour = "#1b4f72" if span.phone in phones.BILABIAL else (
            "#fadbd8" if span.phone in phones.VOWELS else "#eaeded")  # fmt: skip
        axis.barh(row + 0.4, b - a, 0.8, a, color=colour, edgecolor="white", lw=0.5)
        if b - a > 0.035:
            axis.text((a + b) / 2, row + 0.4, phones.CLASSES[span.phone], fontsize=5.5,
                      ha="center", va="center", clip_on=True,
                      color="white" if span.phone in phones.BILABIAL else "black")  # fmt: skip


def talking(truth: Truth, frames: Sequence[Picture], fps: float, columns: int = 12) -> bytes:
    """A talking face as a contact sheet: rows of frames, each over its own piece of the sound with
    the phones that were spoken. Lips lead their phone by 40 ms, as they should."""
    plt = _plt()
    rows = -(-len(frames) // columns)
    figure, axes = plt.subplots(
        2 * rows, 1, figsize=(columns * 1.05, rows * 1.85), height_ratios=(1.05, 0.8) * rows
    )
    for row in range(rows):
        part = frames[row * columns : (row + 1) * columns]
        blank = np.full_like(frames[0], 255)
        image = np.concatenate([*part, *[blank] * (columns - len(part))], axis=1)
        face, sound = axes[2 * row], axes[2 * row + 1]
        face.imshow(image, aspect="auto")
        face.axis("off")
        start, end = (row * columns - 0.5) / fps, ((row + 1) * columns - 0.5) / fps
        a, b = max(0, int(start * RATE)), int(end * RATE)
        piece = truth.pcm[a:b]
        sound.plot(
            (a + np.arange(len(piece))) / RATE, 0.45 * piece / 0.4 + 1.5, lw=0.5, color="#566573"
        )
        _strip(sound, [s for s in truth.spans if start < s.end / 100 and s.start / 100 < end], 0)
        sound.set_xlim(start, end)
        sound.set_ylim(0, 2.2)
        sound.set_yticks([])
        sound.tick_params(labelsize=6, direction="in", pad=-9, top=True, labeltop=True,
                          bottom=False, labelbottom=False)  # fmt: skip
    figure.subplots_adjust(0.005, 0.03, 0.995, 0.97, hspace=0.06)
    figure.suptitle(f"{truth.language}: {truth.text}", fontsize=8, y=0.995)
    return _png(figure, colours=None)
