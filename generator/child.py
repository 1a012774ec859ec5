"""Child: a separate process that speaks in length-prefixed messages over a socket pair.

Nothing that crosses is ever unpickled: a message is JSON or raw bytes, so a child that was taken
over by a hostile file can lie to its parent but cannot run code in it.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import time
from typing import Any, Final

from primafacie.generator.errors import EngineError

MAX_MESSAGE: Final = 1 << 30
PART: Final = 1 << 18  # bytes read at once
_HEADER: Final = struct.Struct("!Q")
_KEPT_ENVIRONMENT: Final = (
    "PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE",
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "CUDA_VISIBLE_DEVICES",
)  # fmt: skip


class Wire:
    """One end of the socket pair. Raises EngineError when the other end is gone or too slow."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, message: bytes | memoryview) -> None:
        """Send one message whole."""
        view = memoryview(message).cast("B")
        try:
            self._sock.sendall(_HEADER.pack(view.nbytes))
            self._sock.sendall(view)
        except OSError as error:
            raise EngineError("the other process is gone") from error

    def send_json(self, value: Any) -> None:
        """Send one JSON value."""
        self.send(json.dumps(value).encode())

    def receive(self, deadline: float | None = None, most: int = MAX_MESSAGE) -> bytearray:
        """The next message, of at most `most` bytes; waits at most `deadline` seconds for the whole
        of it, however it drips."""
        end = None if deadline is None else time.monotonic() + deadline
        (length,) = _HEADER.unpack(self._exactly(_HEADER.size, end))
        if length > most:
            raise EngineError("the other process sent too much")
        message = self._exactly(length, end)
        self._sock.settimeout(deadline)  # what is sent next may take as long
        return message

    def receive_json(
        self, deadline: float | None = None, most: int = MAX_MESSAGE
    ) -> dict[str, Any]:
        """The next message as a JSON object."""
        try:
            value = json.loads(self.receive(deadline, most))
        except ValueError as error:
            raise EngineError("the other process sent something that is not JSON") from error
        if not isinstance(value, dict):
            raise EngineError("the other process sent something unexpected")
        return value

    def close(self) -> None:
        """Close this end."""
        self._sock.close()

    def _exactly(self, length: int, end: float | None) -> bytearray:
        """No more memory is taken than what has come: a length is only said."""
        buffer = bytearray()
        while len(buffer) < length:
            try:
                self._sock.settimeout(None if end is None else max(1e-3, end - time.monotonic()))
                part = self._sock.recv(min(PART, length - len(buffer)))
            except TimeoutError as error:
                raise EngineError("the other process took too long") from error
            except OSError as error:
                raise EngineError("the other process is gone") from error
            if not part:
                raise EngineError("the other process is gone")
            buffer += part
            if end is not None and time.monotonic() > end:
                raise EngineError("the other process took too long")
        return buffer


class Child:
    """A running `python -I -m module`, its wire, and its end. Spawned, never forked: a fork of a
    process that holds torch threads or c2pa contexts hangs."""

    def __init__(self, module: str) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-I", "-m", module, str(theirs.fileno())]
            environment = {k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}
            self._process = subprocess.Popen(
                command,
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.wire = Wire(ours)

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def stop(self) -> None:
        """End it at once and reap it."""
        self.wire.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        self._process.wait()


def wire_from_arguments() -> Wire:
    """The child's end of the wire, from its command line."""
    return Wire(socket.socket(fileno=int(sys.argv[1])))
