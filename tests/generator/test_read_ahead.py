"""ReadAhead: what is drawn while nobody reads is there when somebody does, and never too much."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from primafacie.generator import read_ahead
from primafacie.generator.child import Wire
from primafacie.generator.errors import EngineError, GeneratorError
from primafacie.generator.read_ahead import ReadAhead
from primafacie.generator.studio import Studio


def until(true: object) -> None:
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:  # type: ignore[operator]
        time.sleep(0.002)
    assert true()  # type: ignore[operator]


def test_messages_come_in_order_and_before_they_are_asked_for() -> None:
    drawn: list[int] = []

    def fetch() -> bytearray:
        drawn.append(len(drawn))
        return bytearray([drawn[-1]])

    ahead = ReadAhead(fetch, 20)
    until(lambda: len(drawn) == 20)
    assert [m[0] for m in ahead] == list(range(20))


def test_no_more_waits_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "LARGEST", 3000)
    drawn: list[bytearray] = []

    def fetch() -> bytearray:
        drawn.append(bytearray(1000))
        return drawn[-1]

    ahead = ReadAhead(fetch, 50)
    until(lambda: len(drawn) == 3)
    time.sleep(0.05)
    assert len(drawn) == 3
    assert sum(1 for _ in ahead) == 50


def test_an_error_comes_in_the_place_of_its_frame_and_ends_it() -> None:
    left = [bytearray(b"a"), bytearray(b"b")]

    def fetch() -> bytearray:
        if not left:
            raise EngineError("the other process is gone")
        return left.pop(0)

    seen = []
    with pytest.raises(EngineError, match="gone"):
        for message in ReadAhead(fetch, 5):
            seen.append(bytes(message))
    assert seen == [b"a", b"b"]


def test_a_stopped_one_fetches_no_more_and_its_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "LARGEST", 1)
    before = threading.active_count()
    ahead = ReadAhead(lambda: bytearray(10), 10**6)
    ahead.stop()
    until(lambda: threading.active_count() == before)


def test_whoever_reads_on_after_a_stop_is_told_and_does_not_wait_for_ever() -> None:
    ahead = ReadAhead(lambda: bytearray(10), 3)
    frames = iter(ahead)
    next(frames)
    ahead.stop()
    with pytest.raises(EngineError, match="stopped"):
        next(frames)


def shown(messages: list[bytes], count: int, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What the gate's side of a studio makes of what its child sends."""
    ours, theirs = socket.socketpair()
    studio = object.__new__(Studio)
    ended: list[bool] = []
    monkeypatch.setattr(Studio, "_over", lambda self, wire: ended.append(True))
    frames = studio._frames(Wire(ours), (2, 2, 3), count)
    with ours, theirs:
        for message in messages:
            Wire(theirs).send(message)
        try:
            return [frame.tobytes() for frame in frames]
        finally:
            assert ended == [True], "a child that has drawn draws for nobody else"


def test_a_studios_frames_end_with_its_word(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = [bytes([n] * 12) for n in range(3)]
    assert shown([*drawn, b'{"end":true}'], 3, monkeypatch) == drawn


@pytest.mark.parametrize(
    ("last", "why"),
    [(b'{"error":"PortraitError","message":"no face"}', "no face"), (b"x", "wrong size"),
     (b'{"end":1}', "wrong size")],
)  # fmt: skip
def test_a_studio_that_breaks_off_gives_no_film(
    last: bytes, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(GeneratorError, match=why):
        shown([bytes(12), last], 2, monkeypatch)


def test_a_studio_that_ends_without_its_word_gives_no_film(monkeypatch: pytest.MonkeyPatch) -> None:
    for word in (b"x", b'{"error":"EngineError","message":"the studio failed"}'):
        with pytest.raises(GeneratorError):
            shown([bytes(12), bytes(12), word], 2, monkeypatch)
