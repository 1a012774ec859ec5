"""A sitter in front of the browser's camera: drawn, speaking with espeak, obeying the page.

The browser's getUserMedia is replaced by a canvas and a WebAudio stream (sitting.js); all that lies
behind it, the page's script, MediaRecorder, the upload, is the real thing. The sitter knows no
challenge beforehand: it answers what the page shows. It is loaded by path, since tests are no
package.
"""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from primafacie.safeguards.liveness import MOVES, WORDS

SCRIPT = Path(__file__).with_name("sitting.js")


def honest(word: str) -> str:
    """Say what is shown."""
    return word


def prepared(word: str) -> str:
    """Say another word of the list, as somebody does who recorded it before."""
    return WORDS[(WORDS.index(word) + 128) % len(WORDS)]


@dataclass
class Sitting:
    """One person before the camera. says: what they say when a word is shown."""

    scene: ModuleType
    says: Callable[[str], str]
    person: int = 0

    def before(self, page: Any) -> None:
        """Take the place before this page's camera, ahead of loading it."""
        page.expose_function("sitterPictures", self._pictures)
        page.expose_function("answerCue", self._answer)
        page.add_init_script(path=str(SCRIPT))

    def record(self, page: Any) -> None:
        """From the camera's switch to the end of the upload, as the page asks for it."""
        page.get_by_role("button", name="Switch the camera on").click()
        page.get_by_role("button", name="Begin").click()
        statement = page.locator("[data-statement]")
        statement.wait_for()
        page.evaluate("(text) => window.readAloud(text)", statement.inner_text())
        page.get_by_role("button", name="I have read it aloud").click()
        page.get_by_text("Your recording is being checked").wait_for(timeout=60_000)

    def _answer(self, cue: str) -> dict[str, str]:
        if cue == "Look ahead":
            return {"pose": ""}
        move = MOVES.get(cue[0].lower() + cue[1:])
        if move:
            return {"pose": move}
        return {"wav": _wav(self.scene, self.says(cue) if cue in WORDS else cue)}

    def _pictures(self) -> dict[str, str]:
        return {name: _address(self.scene, self.person, name) for name in ("", *MOVES.values())}


@lru_cache(maxsize=64)
def _address(scene: ModuleType, person: int, move: str) -> str:
    png: bytes = scene.png(scene.head(person, move))
    return "data:image/png;base64," + base64.b64encode(png).decode()


@lru_cache(maxsize=64)
def _wav(scene: ModuleType, text: str) -> str:
    pcm = np.clip(scene.say(text) * 32767, -32768, 32767).astype("<i2")
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(scene.RATE)
        file.writeframes(pcm.tobytes())
    return base64.b64encode(target.getvalue()).decode()
