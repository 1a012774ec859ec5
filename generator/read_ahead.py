"""ReadAhead: frames are fetched from the studio while the seal is busy with something else.

Between frames the seal marks sound, plans its mark and encodes. Without this the studio would
stand still meanwhile, because a socket holds less than one frame; with it, drawing and sealing
have a core each. At most LARGEST bytes wait here, in memory and nowhere else.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from primafacie.generator.errors import EngineError

LARGEST: Final = 96 * 1024 * 1024


class ReadAhead:
    """`count` messages of `fetch`, fetched before they are asked for by one thread of this object.

    What fetch raises comes out of the iteration in the message's place, and ends it. The thread
    ends after the last message, after an error, or once `stop` was called and fetch returned;
    whoever still reads then is told so with an EngineError.
    """

    def __init__(self, fetch: Callable[[], bytearray], count: int) -> None:
        self._fetch, self._count = fetch, count
        self._waiting: deque[bytearray | BaseException] = deque()
        self._room = LARGEST
        self._stopped = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name="frames", daemon=True).start()

    def __iter__(self) -> Iterator[bytearray]:
        for _ in range(self._count):
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    raise EngineError("the performance was stopped")
                message = self._waiting.popleft()
                if isinstance(message, bytearray):
                    self._room += len(message)
                self._changed.notify_all()
            if isinstance(message, BaseException):
                raise message
            yield message

    def stop(self) -> None:
        """Let go of what waits; the next message is fetched for nothing, and no other."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        for _ in range(self._count):
            message: bytearray | BaseException
            try:
                message = self._fetch()
            except BaseException as error:  # whoever reads shall have it
                message = error
            with self._changed:
                if self._stopped:
                    return
                self._waiting.append(message)
                if isinstance(message, bytearray):
                    self._room -= len(message)
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._room > 0 or self._stopped)
                if isinstance(message, BaseException) or self._stopped:
                    return
