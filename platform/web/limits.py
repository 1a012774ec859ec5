"""Limits: how often one address may do something dear. Counted in this process's memory."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from werkzeug.exceptions import TooManyRequests

MOST_SOURCES: Final = 10_000  # remembered at once; beyond that the longest silent are forgotten
MINUTE: Final = 60.0


class Limiter:
    """At most `most` calls in `seconds` for each source. Thread-safe."""

    def __init__(
        self, most: int, seconds: float = MINUTE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._seconds, self._clock = most, seconds, clock
        self._calls: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def wait(self, source: str) -> int:
        """0 when the call may be made, and it is then counted; else the seconds to wait."""
        now = self._clock()
        with self._lock:
            calls = self._calls.pop(source, deque())
            self._calls[source] = calls  # the last in the dictionary: the most recent
            while len(self._calls) > MOST_SOURCES:
                del self._calls[next(iter(self._calls))]
            while calls and calls[0] <= now - self._seconds:
                calls.popleft()
            if len(calls) >= self._most:
                return max(1, round(calls[0] + self._seconds - now))
            calls.append(now)
            return 0

    def count(self, source: str) -> None:
        """Count the call, or raise TooManyRequests, which says when it may be made."""
        seconds = self.wait(source)
        if seconds:
            raise TooManyRequests(retry_after=seconds)

    def forgive(self, source: str) -> None:
        """Take the newest call back: it was none that counts."""
        with self._lock:
            if self._calls.get(source):
                self._calls[source].pop()
