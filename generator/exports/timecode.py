"""Timecode: SMPTE hours:minutes:seconds:frames, non-drop, from a frame's number."""

from __future__ import annotations


def timecode(frame: int, fps: float) -> str:
    """`HH:MM:SS:FF` of a frame counted from 0; frames run from 0 to the rounded rate less one."""
    rate = max(1, round(fps))
    seconds, frames = divmod(frame, rate)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}:{frames:02d}"
