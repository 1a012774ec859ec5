"""Jobs: the worker. Takes requests up one by one and hands them to the gate; sweeps between them.

The lease is renewed by a thread of its own while the gate works. A worker that loses its lease
changes nothing any more: every write of the gate carries the claim it was made under.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

import structlog

from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.errors import AuditError
from primafacie.platform.errors import PlatformError
from primafacie.platform.likenesses import FaceGate
from primafacie.platform.wiring import Services
from primafacie.safeguards.asset import Delivery
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.errors import GateError, SafeguardError
from primafacie.safeguards.request import Request

FIRST_PAUSE: Final = 0.02  # seconds between looks into an empty queue, growing to LAST_PAUSE
LAST_PAUSE: Final = 0.5
HOUSEKEEPING: Final = 300.0  # seconds between the slow sweeps

_log = structlog.get_logger("worker")


class AnyGate(Protocol):
    """What a worker needs of a gate; safeguards.gate.Gate is the one there is."""

    @property
    def inspector(self) -> FaceGate:
        """Makes face templates."""

    def produce(self, request: Request) -> Delivery | Refused:
        """The whole road."""


GateFactory = Callable[[], contextlib.AbstractContextManager[AnyGate]]


@dataclass(frozen=True, slots=True)
class Done:
    """What came of one request."""

    rid: str
    state: str


class Worker:
    """Serves one queue. Not thread-safe: one worker per process."""

    def __init__(self, services: Services, gate: GateFactory | None = None) -> None:
        self._services, self._factory = services, gate or services.gate
        self.name = f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(4)}"
        self._stop = threading.Event()
        self._next_sweep = self._next_housekeeping = 0.0

    def run(self, once: bool = False) -> tuple[Done, ...]:
        """Work until stopped; with `once` until nothing is waiting. Returns what `once` did."""
        done: list[Done] = []
        pause = FIRST_PAUSE
        with self._factory() as gate:
            _log.info("worker ready", worker=self.name, queue=self._services.settings.queue)
            while not self._stop.is_set():
                self._sweep()
                worked = self._one(gate, done) or self._enrol(gate)
                if worked:
                    pause = FIRST_PAUSE
                elif once:
                    break
                else:
                    self._stop.wait(pause)
                    pause = min(pause * 1.5, LAST_PAUSE)
                if not once:
                    done.clear()
        return tuple(done)

    def stop(self) -> None:
        """Finish what is at hand and leave. Safe in a signal handler."""
        self._stop.set()

    def _one(self, gate: AnyGate, done: list[Done]) -> bool:
        request = self._services.queue.claim(self.name, self._services.settings.queue)
        if request is None:
            return False
        log = _log.bind(rid=request.rid, claim=request.claim)
        with _kept_alive(self._services, request):
            try:
                answer = gate.produce(request)
                state = "refused" if isinstance(answer, Refused) else "released"
                if isinstance(answer, Delivery):
                    self._services.assets.describe(answer.asset)
            except GateError as error:
                state = "failed"
                log.warning("the road broke off", error=str(error))
            except PlatformError as error:  # the log or database cannot be written: fail closed
                state = "failed"
                log.error("the request could not be recorded", error=str(error))
            except Exception:  # a defect of ours: this request fails, the next one is served
                state = "failed"
                log.exception("unexpected")
                self._fail(request)
        log.info("request done", state=state)
        done.append(Done(request.rid, state))
        return True

    def _fail(self, request: Request) -> None:
        journal = self._services.journal
        entry = journal.event(
            Kind.REQUEST_FAILED,
            request.requester_id,
            rid=request.rid,
            out=Outcome.ERROR,
            why=("unexpected",),
            payload={"message": "Something unexpected happened. The operator can see what."},
        )
        with contextlib.suppress(PlatformError, SafeguardError, AuditError):  # then the sweep does
            self._services.queue.finish(request, "failed", entry)

    def _enrol(self, gate: AnyGate) -> bool:
        waiting = self._services.consents.captured()
        for consent_id in waiting[:1]:
            try:
                self._services.consents.enrol(consent_id, gate.inspector)
            except PlatformError as error:  # somebody else was quicker, or withdrew it
                _log.info("not enrolled", error=str(error))
                return False
            except Exception:  # it stays captured and is tried again after a pause
                _log.exception("not enrolled")
                return False
        return bool(waiting)

    def _sweep(self) -> None:
        """Take back what dead workers held; now and then, end what has run out."""
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + self._services.settings.lease_seconds / 3
            for rid in self._services.queue.sweep():
                _log.warning("taken back from a lost worker", rid=rid)
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + HOUSEKEEPING
            self.tidy()

    def tidy(self) -> None:
        """Expire consents, delete due files and orphans, publish a checkpoint."""
        services, clock = self._services, self._services.journal.clock
        services.consents.expire()
        services.assets.delete_due(clock() - timedelta(days=services.settings.output_days))
        services.requests.forget_uploads(clock() - timedelta(days=services.settings.upload_days))
        services.vault.sweep()
        services.journal.publish()


@contextlib.contextmanager
def _kept_alive(services: Services, request: Request) -> Iterator[None]:
    """Renew the lease from a thread until the block ends or the request is lost."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(services.settings.lease_seconds / 3):
            try:
                if not services.queue.heartbeat(request.rid, request.claim):
                    return
            except PlatformError:
                continue  # the database is busy; the lease still runs

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
