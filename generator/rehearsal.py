"""Rehearsal: an admission for benchmarks and conformance checks, from a source checkout alone.

Every callable that makes motion or pictures needs an Admission, and only PermitLock makes one. A
lock with throw-away keys would be a road for any photo, so what is installed holds none: it lies
among the tests, and this finds it there or gives up.
"""

from __future__ import annotations

import runpy
from functools import cache
from pathlib import Path
from typing import Any, Final, Protocol

from primafacie.generator.controls import Controls
from primafacie.generator.errors import PermitError
from primafacie.generator.permit import Admission

_LOCK: Final = Path(__file__).resolve().parents[1] / "tests" / "rehearsal.py"


class Rehearsal(Protocol):
    """Keys, a log and a lock that no studio knows."""

    def admit(self, photo: bytes, voice: bytes, controls: Controls) -> Admission:
        """Issue a permit and spend it at once."""


def rehearse() -> Rehearsal:
    """A fresh rehearsal. Raises PermitError where the tests are not beside the program."""
    made: Rehearsal = _lock()()
    return made


@cache
def _lock() -> Any:
    if not _LOCK.is_file():
        raise PermitError("this runs from a source checkout alone; nothing installed opens engines")
    return runpy.run_path(str(_LOCK))["Rehearsal"]
