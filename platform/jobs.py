"""Jobs: the worker. Takes requests up one by one and hands them to the gate; sweeps between them.

The lease is renewed by a thread of its own while the gate works. A worker that loses its lease
changes nothing any more: every write of the gate carries the claim it was made under.

Requests, recordings and templates take turns, so that many of one kind do not keep the others
waiting; messages to subjects are sent by another thread, because strangers' servers may be slow.
Nothing that goes wrong with one thing ends the worker.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.errors import AuditError
from primafacie.platform import retention
from primafacie.platform.errors import PlatformError
from primafacie.platform.likenesses import FaceGate
from primafacie.platform.thumbnail import thumbnail
from primafacie.platform.wiring import Services
from primafacie.safeguards.asset import Delivery
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.errors import GateError, SafeguardError
from primafacie.safeguards.request import Request

FIRST_PAUSE: Final = 0.02  # seconds between looks into an empty queue, growing to LAST_PAUSE
LAST_PAUSE: Final = 0.5
HOUSEKEEPING: Final = 300.0  # seconds between the slow sweeps
REST: Final = 20.0  # seconds until something that failed is tried again

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
        self._failed: dict[str, float] = {}  # id -> when, by time.monotonic()
        self._messenger: threading.Thread | None = None
        self._cosigner: threading.Thread | None = None
        self._unwitnessed = False

    def run(self, once: bool = False) -> tuple[Done, ...]:
        """Work until stopped; with `once` until nothing is waiting. Returns what `once` did."""
        done: list[Done] = []
        pause = FIRST_PAUSE
        with self._factory() as gate, self._last_messages():
            _log.info("worker ready", worker=self.name, queue=self._services.settings.queue)
            while not self._stop.is_set():
                if self._round(gate, done):
                    pause = FIRST_PAUSE
                elif once:
                    break
                else:
                    self._stop.wait(pause)
                    pause = min(pause * 1.5, LAST_PAUSE)
                if not once:
                    done.clear()
        return tuple(done)

    def _round(self, gate: AnyGate, done: list[Done]) -> bool:
        """One request, one recording, one never-me template, one consent's: was there any?"""
        worked = False
        for job in (self._reenrol, self._one, self._measure, self._list_never_me, self._enrol,
                    self._renew):  # fmt: skip
            self._sweep()
            if self._stop.is_set():
                break
            try:
                worked = job(gate, done) or worked
            except Exception:  # the database is busy, or a defect of ours
                _log.exception("unexpected", job=job.__name__)
        return worked

    def stop(self) -> None:
        """Finish what is at hand and leave. Safe in a signal handler."""
        self._stop.set()

    def _one(self, gate: AnyGate, done: list[Done]) -> bool:
        """Serve the request that is next. Without the witnesses that are asked for none is: it
        waits until they are back."""
        if not self._services.witnesses.enough():
            self._log_once("not enough witnesses cosigned lately; requests wait")
            return False
        self._unwitnessed = False
        request = self._services.queue.claim(self.name, self._services.settings.queue)
        if request is None:
            return False
        log = _log.bind(rid=request.rid, claim=request.claim)
        with _kept_alive(self._services, request):
            try:
                answer = gate.produce(request)
                state = "released"
                if isinstance(answer, Refused):
                    state = "queued" if answer.waits else "refused"
                if isinstance(answer, Delivery):
                    self._services.consents.keep_picture(
                        answer.asset.asset_number, thumbnail(answer.asset.path)
                    )
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

    def _measure(self, gate: AnyGate, _done: list[Done]) -> bool:
        """Look at one recording of the challenge, while its subject waits."""
        consents = self._services.consents
        return self._first(consents.unmeasured(), lambda c: consents.measure(c, gate.inspector))

    def _list_never_me(self, gate: AnyGate, _done: list[Done]) -> bool:
        opt_outs = self._services.opt_outs
        return self._first(opt_outs.approved(), lambda o: opt_outs.enrol(o, gate.inspector))

    def _renew(self, gate: AnyGate, _done: list[Done]) -> bool:
        """Another model than the one in use made a never-me entry: its person is asked, once. Which
        is in use say the rules in force, which name it: of two workers with different ones, as in
        an upgrade, one asks."""
        policies = self._services.policies
        if policies.activated() != policies.shipped.sha256:
            return False
        return self._services.opt_outs.ask_to_renew(gate.inspector.model) > 0

    def _enrol(self, gate: AnyGate, _done: list[Done]) -> bool:
        consents = self._services.consents
        return self._first(consents.captured(), lambda c: consents.enrol(c, gate.inspector))

    def _reenrol(self, gate: AnyGate, _done: list[Done]) -> bool:
        """Another model than the one in use made a template: have this one make it anew. Before
        any request, so that few are refused for it."""
        consents = self._services.consents
        waiting = consents.stale(gate.inspector)
        return self._first(waiting, lambda c: consents.reenrol(c, gate.inspector))

    def _first(self, waiting: Sequence[str], work: Callable[[str], object]) -> bool:
        """Do the oldest that has not failed, else the one that failed longest ago, after a rest:
        what cannot be done does not keep the rest from being done."""
        never = float("-inf")
        rested = time.monotonic() - REST
        ready = [one for one in waiting if self._failed.get(one, never) <= rested]
        if not ready:
            return False
        chosen = min(ready, key=lambda one: self._failed.get(one, never))
        try:
            work(chosen)
        except PlatformError as error:  # somebody else was quicker, or it was taken back
            _log.info("not done", id=chosen, error=str(error))
        except Exception:  # it stays as it is and is tried again
            _log.exception("not done", id=chosen)
        else:
            self._failed.pop(chosen, None)
            return True
        self._failed[chosen] = time.monotonic()
        return False

    def _sweep(self) -> None:
        """Take back what dead workers held; now and then, end what has run out."""
        now = time.monotonic()
        if now >= self._next_housekeeping:
            self._next_housekeeping = now + HOUSEKEEPING
            self.tidy()
        if now >= self._next_sweep:
            self._next_sweep = now + self._services.settings.lease_seconds / 3
            _apart("queue", self._take_back)
            _apart("messages", self._send_messages)
            _apart("witnesses", self._ask_witnesses)

    def tidy(self) -> None:
        """Keep to the retention schedule, note who is to be told, publish a checkpoint."""
        services = self._services
        oldest = time.monotonic() - 3600
        self._failed = {one: at for one, at in self._failed.items() if at > oldest}
        _apart("retention", lambda: retention.enforce(services))
        _apart("reminders", services.notifications.remind)
        _apart("checkpoint", services.journal.publish)

    def _take_back(self) -> None:
        for rid in self._services.queue.sweep():
            _log.warning("taken back from a lost worker", rid=rid)

    def _send_messages(self) -> None:
        """Begin to send what is due, unless the thread that does is still at it."""
        if self._messenger is not None and self._messenger.is_alive():
            return
        deliver = self._services.notifications.deliver
        self._messenger = threading.Thread(
            target=lambda: _apart("messages", lambda: deliver(self._stop.is_set)),
            name="messenger", daemon=True,
        )  # fmt: skip
        self._messenger.start()

    def _ask_witnesses(self) -> None:
        """Have the newest checkpoint cosigned, in a thread of its own like the messages."""
        if not self._services.witnesses.vkeys:
            return
        if self._cosigner is not None and self._cosigner.is_alive():
            return
        cosign = self._services.witnesses.cosign
        self._cosigner = threading.Thread(
            target=lambda: _apart("witnesses", cosign), name="cosigner", daemon=True
        )
        self._cosigner.start()

    def _log_once(self, text: str) -> None:
        if not self._unwitnessed:
            _log.warning(text)
        self._unwitnessed = True

    @contextlib.contextmanager
    def _last_messages(self) -> Iterator[None]:
        """Leave when the message at hand is sent; its deadline is short."""
        try:
            yield
        finally:
            for thread in (self._messenger, self._cosigner):
                if thread is not None:
                    thread.join()


def _apart(part: str, work: Callable[[], object]) -> None:
    """Do one part of the sweep; if it fails, say so and let the others be done."""
    try:
        work()
    except Exception:
        _log.exception("a part of the sweep failed", part=part)


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
