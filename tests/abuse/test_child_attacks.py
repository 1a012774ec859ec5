"""What a child process that was taken over can do to its parent, and to whoever comes next."""

from __future__ import annotations

import socket
import struct
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primafacie.generator import read_ahead
from primafacie.generator.child import Wire
from primafacie.generator.errors import EngineError, PermitError
from primafacie.generator.permit import Permit
from primafacie.generator.studio import Studio, StudioTrust
from primafacie.safeguards.errors import GateError, SealError
from primafacie.safeguards.gate import Gate

PERMIT = Permit(b"", b"", "")


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    """(the parent's wire, the child's socket)."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Wire(ours), theirs


def test_a_child_that_drips_bytes_does_not_hold_its_parent(ends: Any) -> None:
    wire, theirs = ends

    def drip() -> None:
        with suppress(OSError):
            theirs.sendall(struct.pack("!Q", 1000))
            for _ in range(100):
                time.sleep(0.1)
                theirs.sendall(b"x")

    threading.Thread(target=drip, daemon=True).start()
    begun = time.monotonic()
    with pytest.raises(EngineError, match="took too long"):
        wire.receive(0.5)
    assert time.monotonic() - begun < 5


def test_a_length_that_is_only_said_takes_no_memory(ends: Any) -> None:
    wire, theirs = ends
    theirs.sendall(struct.pack("!Q", 1 << 30))
    tracemalloc.start()
    with pytest.raises(EngineError):
        wire.receive(0.2)
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_more_than_was_announced_is_not_read(ends: Any) -> None:
    wire, theirs = ends
    theirs.sendall(struct.pack("!Q", 101) + b"x" * 101)
    with pytest.raises(EngineError, match="too much"):
        wire.receive(1, 100)


class Stand:
    """A child that says what the test makes it say."""

    def __init__(self, says: Callable[[Wire], None]) -> None:
        ours, theirs = socket.socketpair()
        self.wire, self.alive = Wire(ours), True
        self._says, self._theirs = says, Wire(theirs)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(EngineError, OSError):
            self._theirs.send_json({"sandbox": "enforced"})
            for _ in range(5):  # trust, permit, photo, voice, parameters
                self._theirs.receive()
            self._says(self._theirs)
            self._theirs.receive()

    def stop(self) -> None:
        self.alive = False
        self.wire.close()
        self._theirs.close()


def draw(wire: Wire) -> None:
    """A clip of one frame."""
    wire.send_json({"width": 2, "height": 2, "fps": 25, "frames": 1, "engines": [], "report": []})
    wire.send(np.zeros(4, np.float32).tobytes())
    wire.send(b"")
    wire.send(b"\0" * 12)
    wire.send_json({"end": True})


def refuse(wire: Wire) -> None:
    """Pretend that the lock stayed shut, so as to be kept."""
    wire.send_json({"error": "PermitError", "message": "no"})


@pytest.fixture
def stands(monkeypatch: pytest.MonkeyPatch) -> list[Stand]:
    """The children that a studio starts."""
    made: list[Stand] = []

    def spawn(self: Studio) -> Stand:
        made.append(Stand(draw if len(made) != 1 else refuse))
        made[-1].wire.send_json(self._trust.lock_in())
        return made[-1]

    monkeypatch.setattr(Studio, "_spawn", spawn)
    return made


def test_who_saw_one_photo_draws_for_nobody_else(stands: list[Stand]) -> None:
    studio = Studio(StudioTrust((), (), "x", Path("unused")), must_hold=True)
    (frame,) = studio.perform(PERMIT, b"p", b"v", b"{}").frames
    assert frame.shape == (2, 2, 3)
    assert not stands[0].alive and stands[1].alive, "the next one was loading meanwhile"
    with pytest.raises(PermitError):
        studio.perform(PERMIT, b"p", b"v", b"{}")
    assert not stands[1].alive, "whatever it says: it saw a photo"
    studio.perform(PERMIT, b"p", b"v", b"{}")  # and nobody watches it
    studio.perform(PERMIT, b"p", b"v", b"{}")
    assert not stands[2].alive and stands[3].alive
    studio.close()
    assert not any(one.alive for one in stands)


def reading() -> list[threading.Thread]:
    """The threads that fetch frames."""
    return [t for t in threading.enumerate() if t.name == "frames"]


def gone() -> bool:
    end = time.monotonic() + 10
    while reading() and time.monotonic() < end:
        time.sleep(0.005)
    return not reading()


def test_a_film_whose_frames_nobody_asks_for_leaves_no_thread_and_no_child(
    stands: list[Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "LARGEST", 1)  # so that the thread waits to be read from
    studio = Studio(StudioTrust((), (), "x", Path("unused")), must_hold=True)
    clip = studio.perform(PERMIT, b"p", b"v", b"{}")
    assert reading() and stands[0].alive
    assert studio.warm() == "enforced" and stands[1].alive
    assert not stands[0].alive, "it saw a photo; no permit is made for it"
    assert gone()
    with pytest.raises(EngineError, match="stopped"):
        list(clip.frames)
    assert stands[1].alive, "its end is not the end of the next one"
    studio.close()


def test_a_seal_that_fails_before_its_first_frame_leaves_no_thread_and_no_child(
    stands: list[Stand], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a certificate that was called back: every request would cost a thread and 96 MiB."""
    monkeypatch.setattr(read_ahead, "LARGEST", 1)

    def called_back(*_: Any) -> None:
        assert reading() and stands[0].alive
        raise SealError("the certificate was called back")

    gate = object.__new__(Gate)
    gate._studio = Studio(StudioTrust((), (), "x", Path("unused")), must_hold=True)
    gate.inspector = SimpleNamespace(rest=lambda: None)
    gate._journal = SimpleNamespace(
        stage=lambda *_: None, record=lambda *_: None, finish=lambda *_: None
    )
    for step in ("_facts", "_decide", "_intent", "_issue"):
        monkeypatch.setattr(Gate, step, lambda *_: None)
    monkeypatch.setattr(Gate, "_look", lambda *_: (None, None))
    perform = lambda self, *_: self._studio.perform(PERMIT, b"p", b"v", b"{}")  # noqa: E731
    monkeypatch.setattr(Gate, "_perform", perform)
    monkeypatch.setattr(Gate, "_sealed", called_back)
    monkeypatch.setattr(Gate, "_failed", lambda self, request, error: GateError(str(error)))
    with pytest.raises(GateError, match="called back"):
        gate.produce(SimpleNamespace())
    assert not stands[0].alive and stands[1].alive and gone()
    gate._studio.close()
