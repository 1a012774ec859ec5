"""A drawn sitter speaks, for the benchmark: the first frame's time, and frames to look at."""

from __future__ import annotations

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp.engine import PhotoWarp
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.portrait import Portrait
from primafacie.generator.rehearsal import rehearse
from primafacie.generator.speech.truth import Truth
from primafacie.generator.voice import RATE, from_pcm

Picture = NDArray[np.uint8]

#: Sound comes in pieces of this many seconds, as a browser sends it.
PIECE: Final = 0.02


def first_frame(picture: bytes, clip: Truth) -> tuple[float, float]:
    """ms of computing from the piece of sound that completes the look-ahead to the first frame in
    512 x 512, and for each frame after it; medians of 5 starts and of their next 25 frames.

    picture: a portrait drawn by code.
    """
    rehearsal, engine, motion = rehearse(), PhotoWarp(), SpeechMotion()
    controls = Controls(size=512)
    portrait = Portrait.from_bytes(picture)
    avatar = engine.prepare(rehearsal.admit(picture, b"", controls), portrait, controls)
    first, later = [], []
    for _ in range(5):
        admission = rehearsal.admit(picture, b"", controls)
        stream, at, step = motion.stream(admission, controls), 0, int(PIECE * RATE)
        spent: list[float] = []
        while len(spent) < 26:
            started = time.process_time()
            track = stream.push(clip.pcm[at : at + step])
            for _frame in engine.render(admission, avatar, track):
                spent.append(time.process_time() - started)
            at += step
        first.append(spent[0])
        later += spent[1:]
    return float(np.median(first)) * 1000, float(np.median(later)) * 1000


def spoken(picture: bytes, clip: Truth, start: float, every: int, count: int) -> list[Picture]:
    """`count` frames of the lower face saying a clip along its text, every `every`-th from `start`
    seconds on. picture: a portrait drawn by code."""
    rehearsal, engine = rehearse(), PhotoWarp()
    controls = Controls(size=320, crop="face", transcript=clip.text, language=clip.language)
    admission = rehearsal.admit(picture, b"", controls)
    avatar = engine.prepare(admission, Portrait.from_bytes(picture), controls)
    track = SpeechMotion().drive(admission, from_pcm(clip.pcm, RATE), controls)
    first = round(start * controls.fps)
    wanted = set(range(first, first + every * count, every))
    out = []
    for number, frame in enumerate(engine.render(admission, avatar, track)):
        if number in wanted:
            height, width = frame.shape[:2]
            out.append(frame[int(0.42 * height) : int(0.92 * height), width // 5 : -width // 5])
    return out
