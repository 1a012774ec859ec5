"""Pace: how often one source may do something that anybody may do."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MOST_SOURCES: Final = 10_000  # remembered at once; the longest silent is forgotten first


class Pace:
    """At most `most` times in `seconds` for each source, in this process. Thread-safe."""

    def __init__(
        self, most: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._seen: OrderedDict[str, list[float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, source: str) -> bool:
        """Whether `source` may do it now; if so, it has done it once more."""
        now = self._clock()
        with self._lock:
            recent = [t for t in self._seen.pop(source, []) if t > now - self._seconds]
            allowed = len(recent) < self._most
            self._seen[source] = [*recent, now] if allowed else recent
            while len(self._seen) > MOST_SOURCES:
                self._seen.popitem(last=False)
        return allowed
