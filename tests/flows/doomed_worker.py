"""A worker that kills itself with SIGKILL at one point of the road. Run by the tests alone.

python doomed_worker.py DATA_DIR POINT
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from primafacie.audit.entry import Kind
from primafacie.platform.jobs import Worker
from primafacie.platform.queue import Queue
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services
from primafacie.safeguards.gate import Gate
from primafacie.safeguards.provenance.seal import Seal


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(owner: type, name: str, when: Callable[..., bool] = lambda *a: True) -> None:
    real = getattr(owner, name)

    def doomed(self: Any, *arguments: Any, **named: Any) -> Any:
        if when(*arguments):
            die()
        return real(self, *arguments, **named)

    setattr(owner, name, doomed)


def after(owner: type, name: str, when: Callable[..., bool] = lambda *a: True) -> None:
    real = getattr(owner, name)

    def doomed(self: Any, *arguments: Any, **named: Any) -> Any:
        result = real(self, *arguments, **named)
        if when(*arguments):
            die()
        return result

    setattr(owner, name, doomed)


def mid_frames() -> None:
    real = Gate._watched

    def doomed(self: Gate, *arguments: Any) -> Iterator[Any]:
        for number, frame in enumerate(real(self, *arguments)):
            if number == 10:
                die()
            yield frame

    Gate._watched = doomed  # type: ignore[method-assign,assignment]


POINTS: dict[str, Callable[[], None]] = {
    "1 looking": lambda: after(Gate, "_look"),
    "2 decided": lambda: after(Gate, "_decide", lambda facts, action: action == "generate"),
    "3 intent logged": lambda: after(
        Queue, "record", lambda entry: entry.kind is Kind.DECISION_GENERATE
    ),
    "4 permit logged": lambda: after(
        Queue, "record", lambda entry: entry.kind is Kind.PERMIT_ISSUED
    ),
    "4 permit issued": lambda: after(Gate, "_issue"),
    "5 drawing": mid_frames,
    "6 sealing": lambda: before(Seal, "_read_back"),
    "6 sealed": lambda: after(Gate, "_sealed"),
    "7 decided again": lambda: after(Gate, "_decide", lambda facts, action: action == "release"),
    "8 before the release": lambda: before(Queue, "release"),
    "8 after the release": lambda: after(Queue, "release"),
    "9 delivered": lambda: after(Gate, "produce"),
}

if __name__ == "__main__":
    POINTS[sys.argv[2]]()
    with Services.open(Settings(data_dir=Path(sys.argv[1]), lease_seconds=1.0)) as services:
        Worker(services).run(once=True)
    sys.exit("the worker outlived its doom")
