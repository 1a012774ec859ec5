"""Looking at two things at once: nothing is believed that would not have been believed in turn."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primafacie.generator.errors import EngineError, GeneratorError
from primafacie.safeguards.errors import FaceError, GateError
from primafacie.safeguards.gate import Gate
from primafacie.safeguards.inspector import Heard, Inspector, Onlooker, Seen, Voiceprint

SEEN = Seen(1, 1, (), "m", None, "")
FRAMES = [np.full((2, 2, 3), number, np.uint8) for number in range(4)]


class Eyes(Inspector):
    """An inspector whose children answer as they are told to."""

    def __init__(self, photo: Any = None, told: Any = SEEN) -> None:
        self.model, self.said, self.dropped = "m", [], 0
        self._photo, self._tell = photo, told

    def _ask(self, question: dict[str, Any], data: bytes, deadline: float = 1.0) -> Any:
        if isinstance(self._photo, Exception):
            raise self._photo
        return {}

    def _told(self, answer: dict[str, Any]) -> Seen:
        if isinstance(self._tell, Exception):
            raise self._tell
        return self._tell  # type: ignore[no-any-return]

    def voice(self, data: bytes, max_seconds: int) -> Heard:
        self.said.append(f"child {self.dropped}")
        return Heard(1000 + self.dropped, Voiceprint(0.0))

    def _drop(self) -> None:
        self.dropped += 1


def test_both_are_looked_at_by_one_child() -> None:
    eyes = Eyes()
    assert eyes.both(b"photo", b"voice", 10) == (SEEN, Heard(1000, Voiceprint(0.0)))
    assert eyes.said == ["child 0"] and not eyes.dropped


@pytest.mark.parametrize("lie", [ValueError("impossible"), KeyError("grey"), TypeError("text")])
def test_what_a_child_that_lied_about_the_photo_says_of_the_clip_counts_for_nothing(
    lie: Exception,
) -> None:
    eyes = Eyes(told=lie)
    seen, heard = eyes.both(b"photo", b"voice", 10)
    assert "broke" in seen.problems[0] and seen.vector is None
    assert heard == Heard(1001, Voiceprint(0.0)), "another child was asked"


def test_a_child_that_dies_over_the_photo_says_nothing_of_the_clip() -> None:
    eyes = Eyes(photo=EngineError("gone"))
    seen, heard = eyes.both(b"photo", b"voice", 10)
    assert "broke" in seen.problems[0] and eyes.said == ["child 1"]
    assert heard == Heard(1001, Voiceprint(0.0))


def test_a_search_that_breaks_off_ends_the_road() -> None:
    """A photo in which our mark could not be looked for is no photo without one."""
    with pytest.raises(RuntimeError):
        Eyes(told=RuntimeError("a defect")).both(b"photo", b"voice", 10)


# --- frames, while others are drawn ---------------------------------------------------------------


def watching() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("onlooker")]


def first_pixels(frames: Iterable[Any]) -> list[Any]:
    return [np.full(1, frame[0, 0, 0], np.float32) for frame in frames]


def test_every_frame_is_seen_in_its_turn() -> None:
    onlooker = Onlooker(first_pixels)
    for frame in FRAMES:
        onlooker.show(frame)
    assert [int(v[0]) for v in onlooker.seen() if v is not None] == [0, 1, 2, 3]
    onlooker.leave()
    assert not watching()


def test_what_breaks_the_look_breaks_the_answer() -> None:
    def broken(frames: Iterable[Any]) -> Any:
        next(iter(frames))
        raise FaceError("the frames broke the program that looks at them")

    onlooker = Onlooker(broken)
    onlooker.show(FRAMES[0])
    with pytest.raises(FaceError):
        onlooker.seen()
    onlooker.leave()


@pytest.mark.parametrize("taken", [1, 30])
def test_a_seal_that_breaks_off_among_the_frames_leaves_nobody_looking(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[Any] = []

    def seal(gate: Any, *_: Any) -> None:
        frames = gate._watched(facts, iter([FRAMES[0]] * 60), 60)
        for _ in range(taken):
            next(frames)
        assert watching()
        raise GeneratorError("the disk is full")

    facts: Any = SimpleNamespace(request=SimpleNamespace(consent_id="c"))
    gate: Any = object.__new__(Gate)
    gate.inspector = SimpleNamespace(
        rest=lambda: None, model="m", drawn=lambda f: looked.extend(f) or []
    )
    gate._studio = SimpleNamespace(let_go=lambda: None, warm=lambda: None)
    gate._journal = SimpleNamespace(stage=lambda *_: None, record=lambda *_: None)
    gate._consents = SimpleNamespace(find=lambda _: SimpleNamespace(state="active"))
    for step in ("_look", "_facts", "_decide", "_intent", "_issue", "_perform"):
        monkeypatch.setattr(Gate, step, lambda *_: (None, None))
    monkeypatch.setattr(Gate, "_sealed", seal)
    monkeypatch.setattr(Gate, "_failed", lambda self, request, error: GateError(str(error)))
    monkeypatch.setattr("primafacie.safeguards.gate.ConsentState", SimpleNamespace(ACTIVE="active"))
    with pytest.raises(GateError, match="disk"):
        gate.produce(SimpleNamespace())
    assert not watching() and len(looked) <= 5


class Stock(Inspector):
    """An inspector that counts the children it starts and ends."""

    def __init__(self, fails: bool = False) -> None:
        self._child = self._spare = None
        self._used = self._greeted = False
        self.started: list[Any] = []
        self._fails = fails

    def _spawn(self) -> Any:
        if self._fails:
            raise OSError("no more processes")
        child = SimpleNamespace(alive=True)
        child.stop = lambda: setattr(child, "alive", False)
        self.started.append(child)
        return child

    def look(self) -> Any:
        self._used = True
        return self._child


def test_at_rest_a_child_for_the_uploads_and_one_for_the_frames_are_loaded() -> None:
    stock = Stock()
    stock.rest()
    stock.rest()
    uploads, frames = stock.started
    assert stock.look() is uploads
    stock.renew()  # as `drawn` does
    assert stock.look() is frames and not uploads.alive
    assert len(stock.started) == 2, "nothing loads while a request is on its road"
    stock.rest()
    assert not frames.alive and len(stock.started) == 4
    assert stock.look() not in (uploads, frames), "no child looks twice"


def test_a_spare_that_died_is_replaced() -> None:
    stock = Stock()
    stock.rest()
    stock.started[1].stop()
    stock.rest()
    stock.look()
    stock.renew()
    assert stock.look() is stock.started[2]


def test_a_child_that_cannot_be_started_does_not_undo_what_was_released() -> None:
    gate: Any = object.__new__(Gate)
    gate._onlooker = None
    gate._studio = SimpleNamespace(let_go=lambda: None)
    gate.inspector = Stock(fails=True)
    gate._let_go()
