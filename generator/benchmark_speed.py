"""How fast the face is, how it fares in a long clip and live, and what a graphics card adds.

As in benchmark.py frames stay in memory; each function yields lines of a report.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np

from primafacie.generator import espeak, measures, take
from primafacie.generator.benchmark import (
    Picture,
    Sitting,
    Stage,
    Utterance,
    commanded,
    driven,
)
from primafacie.generator.clip import UnsealedClip
from primafacie.generator.controls import Controls
from primafacie.generator.engines.photo_warp.engine import PhotoWarp
from primafacie.generator.engines.speech_motion import SpeechMotion
from primafacie.generator.motion import MotionTrack
from primafacie.generator.rehearsal import rehearse
from primafacie.generator.sentences import LONG, SENTENCES
from primafacie.generator.take import Take
from primafacie.generator.voice import RATE, from_pcm

BATCHES: Final = (1, 4, 8, 16)
#: Seconds of sound that come at once in the live test, and within which a first frame must follow.
_PIECE: Final = 0.02
_SOON: Final = 0.400


def performance(sitting: Sitting, said: Utterance, size: int, engine: PhotoWarp) -> UnsealedClip:
    """A clip as the studio makes it, for the seal to be timed with."""
    rehearsal, controls = rehearse(), Controls(size=size)
    track = driven(rehearsal, SpeechMotion(), said, size, 1)
    stage = Stage(sitting, rehearsal, size)
    admission = rehearsal.admit(sitting.picture, b"", controls)
    return UnsealedClip(
        width=stage.avatar.width, height=stage.avatar.height, fps=track.fps,
        frame_count=len(track), frames=engine.render(admission, stage.avatar, track),
        sound=said.voice.native,
    )  # fmt: skip


def speed(sitting: Sitting, said: Utterance, size: int) -> Iterator[str]:
    """CPU time of each part on one thread."""
    rehearsal = rehearse()
    begun = time.process_time()
    track = driven(rehearsal, SpeechMotion(), said, size, 1)
    heard = time.process_time() - begun
    begun = time.process_time()
    stage = Stage(sitting, rehearsal, size)
    ready = time.process_time() - begun
    begun = time.process_time()
    frames = sum(1 for _ in stage.frames(track))
    each = (time.process_time() - begun) / frames
    remap = _remap(stage.source)
    yield (f"movement from {said.voice.duration:.1f} s of voice: {heard:.2f} s of CPU; "
           f"portrait made ready and looked at: {ready:.1f} s")  # fmt: skip
    yield (f"drawing: {1000 * each:.1f} ms of CPU a frame at {size} x {size}, "
           f"{each / remap:.1f} times one bicubic cv2.remap of the same frame in the same minute "
           f"(target <= 20 ms: {'reached' if each <= 0.02 else 'not reached'})")  # fmt: skip


def _remap(picture: Picture) -> float:
    """Seconds of CPU of one bicubic resampling of the whole frame."""
    import cv2

    tall, wide = picture.shape[:2]
    x, y = np.meshgrid(np.arange(wide, dtype=np.float32), np.arange(tall, dtype=np.float32))
    begun = time.process_time()
    for n in range(20):
        cv2.remap(picture, x + 0.1 * n, y, cv2.INTER_CUBIC)
    return (time.process_time() - begun) / 20


def has(device: str) -> bool:
    """Whether this machine has the device: cpu or cuda."""
    import torch

    return device != "cuda" or bool(torch.cuda.is_available())


def batched(device: str, batch: int) -> PhotoWarp:
    """The reference renderer on a device, so many frames at a time."""
    return PhotoWarp("torch", device, batch)


def on_device(sitting: Sitting, said: Utterance, size: int, device: str) -> Iterator[str]:
    """Frames a second of the torch engine alone, by batch size. device: cpu or cuda."""
    import torch

    if not has(device):
        yield "CUDA: no device on this machine; not measured"
        return
    name = torch.cuda.get_device_name(0) if device == "cuda" else "one CPU thread"
    rehearsal = rehearse()
    stage, track = Stage(sitting, rehearsal, size), driven(rehearsal, SpeechMotion(), said, size, 1)
    short = MotionTrack(track.fps, track.pose[:48], track.gaze[:48], track.coeffs[:48])
    for batch in BATCHES:
        engine, took = batched(device, batch), 0.0
        for shown in (short, track if device == "cuda" else short):  # the first pass loads
            begun = time.perf_counter()
            count = sum(1 for _ in engine.render(stage.admission(), stage.avatar, shown))
            took = time.perf_counter() - begun
        yield (f"torch engine alone on {device} ({name}), batches of {batch}: {count / took:.1f} "
               f"frames a second at {size} x {size}")  # fmt: skip


# ---- live ---------------------------------------------------------------------------------------


def live(sitting: Sitting, said: Utterance, other: Utterance, size: int) -> Iterator[str]:
    """The same voice as it comes, against the whole clip heard at once. other: another sentence,
    the control."""
    rehearsal, engine = rehearse(), SpeechMotion()
    stage = Stage(sitting, rehearsal, size)
    offline = driven(rehearsal, engine, said, size, 1, listen=True)
    wrong = driven(rehearsal, engine, other, size, 1, listen=True)
    controls = Controls(size=size, seed=1)
    stream = engine.stream(rehearsal.admit(sitting.picture, b"", controls), controls)
    pcm, step = said.voice.pcm16k, round(_PIECE * RATE)
    parts: list[MotionTrack] = []
    spent: list[float] = []
    for at in range(0, len(pcm), step):
        begun = time.process_time()
        part = stream.push(pcm[at : at + step])
        parts.append(part)
        for _frame in stage.frames(part) if len(part) and len(spent) < 26 else ():
            spent.append(time.process_time() - begun)
    jaw = np.concatenate([p.column("jawOpen") for p in parts])
    first = stream.look_ahead + spent[0]
    yield (f"live: the first frame follows {1000 * first:.0f} ms after the first sound "
           f"({1000 * stream.look_ahead:.0f} ms of it listening, the rest computing; target <= "
           f"{1000 * _SOON:.0f}: {'reached' if first <= _SOON else 'not reached'}), the next 25 "
           f"take {1000 * float(np.median(spent[1:])):.0f} ms of computing each")  # fmt: skip
    for name, track in (("the whole clip", offline), ("another sentence, the control", wrong)):
        both = min(len(jaw), len(track))
        there = track.column("jawOpen")[:both]
        r = measures.correlation(list(jaw[:both]), list(there))
        yield (f"live lips against {name}: jaw r {r:.2f}, mean difference "
               f"{np.abs(jaw[:both] - there).mean():.3f}")  # fmt: skip
    whole = MotionTrack(
        controls.fps, np.concatenate([p.pose for p in parts]),
        np.concatenate([p.gaze for p in parts]), np.concatenate([p.coeffs for p in parts]),
    )  # fmt: skip
    shown = [Take(said.name, commanded(whole), said.sounds)]
    yield (f"live: p b m sealed {take.sealed(shown):.2f}, mouth shut after "
           f"{take.shut_after(shown):.2f} s")  # fmt: skip


# ---- long ---------------------------------------------------------------------------------------


def long_run(
    sitting: Sitting, minutes: int, size: int, report: Callable[[str], None]
) -> Iterator[str]:  # fmt: skip
    """One long clip, drawn whole: does it blur, drift, repeat itself or fill the memory?"""
    text = " ".join(text for language, text, _ in SENTENCES if language == LONG)
    piece = espeak.speak(text, LONG, "", 155)
    pcm = np.tile(piece.pcm, -(-minutes * 60 * piece.rate // len(piece.pcm)))
    voice = from_pcm(pcm[: minutes * 60 * piece.rate], piece.rate)
    said = Utterance("long", LONG, "", voice, ())
    rehearsal = rehearse()
    track = driven(rehearsal, SpeechMotion(), said, size, 9, listen=True)
    stage = Stage(sitting, rehearsal, size)
    kept: list[Picture] = []
    early = 0
    for number, frame in enumerate(stage.frames(track)):
        if number % (len(track) // 60) == 0:
            kept.append(frame)
        if number == len(track) // 10:
            early = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        if number % 1500 == 0:
            report(f"long clip: {number} of {len(track)} frames")
    late = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seen = [r for r in map(measures.read_frame, kept) if r is not None]
    sharp, third = [r.sharpness for r in seen], len(seen) // 3
    apart = [float(np.linalg.norm(r.descriptor - seen[0].descriptor)) for r in seen]
    ratio = float(np.median(sharp[-third:]) / np.median(sharp[:third]))
    yield (
        f"{minutes} minutes, {len(track)} frames: sharpness of the last third over the first "
        f"{ratio:.3f} (target >= .99: {'reached' if ratio >= 0.99 else 'not reached'})"
    )
    yield (
        f"{minutes} minutes: distance to the source, first third {np.mean(apart[:third]):.3f}, "
        f"last third {np.mean(apart[-third:]):.3f}; memory grew by {(late - early) / 1024:.0f} MB "
        "after the first tenth"
    )
    yield from _moved(track, minutes)


def _moved(track: MotionTrack, minutes: int) -> Iterator[str]:
    shut = np.maximum(track.column("eyeBlinkLeft"), track.column("eyeBlinkRight")) > 0.5
    angles, looked = track.pose[:, :3].astype(np.float64), track.gaze.astype(np.float64)
    blinks, moved = take.blinks_of([shut], track.fps), take.head_of([angles], track.fps)
    yield (
        f"{minutes} minutes: {blinks.per_minute:.1f} blinks a minute, interval CV "
        f"{blinks.cv:.2f} (target .4 to .9); head dP {moved.speed:.2f}, half of the power below "
        f"{moved.half:.2f} Hz, 95 % below {moved.most:.2f} Hz"
    )
    minute = angles[: round(60 * track.fps)]
    loop = np.tile(minute, (max(2, minutes), 1))
    yield (
        f"{minutes} minutes: the head repeats itself with r {take.repeats(angles, track.fps):.2f} "
        f"at most, the gaze with {take.repeats(looked, track.fps):.2f} (ten seconds later or "
        f"more; a minute played over and over, the control: {take.repeats(loop, track.fps):.2f})"
    )
