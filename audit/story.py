"""Story: what the leaves must tell together, beyond each being genuine.

    complete      every `request.received` has exactly one outcome; those without one yet are open
    decided       a `permit.issued` follows a `decision.generate` that allowed, for the same request
    permitted     `generation.started` and `output.released` follow a `permit.issued`
    released      an `output.released` does not follow a `decision.release` that denied
    ended         nothing is decided, permitted or generated after the outcome

A log can be untouched and still tell of a gate that was passed round: that is what is found here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from primafacie.audit.entry import TERMINAL, Kind, Leaf, Outcome

_WORK = frozenset(
    {
        Kind.DECISION_GENERATE,
        Kind.PERMIT_ISSUED,
        Kind.GENERATION_STARTED,
        Kind.GENERATION_FINISHED,
        Kind.DECISION_RELEASE,
        Kind.OUTPUT_SEALED,
    }
)
_TOLD = _WORK | TERMINAL | {Kind.REQUEST_RECEIVED}


@dataclass(frozen=True, slots=True)
class Finding:
    """A sentence about a request whose leaves do not fit together, and the leaf where it shows."""

    index: int
    rid: str
    rule: str
    sentence: str


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """A request that was received and has no outcome yet."""

    index: int
    rid: str
    at: datetime


@dataclass(slots=True)
class _Request:
    received: int | None = None
    at: datetime | None = None
    allowed: bool = False
    permitted: bool = False
    withdrawn: bool = False
    outcome: Kind | None = None


@dataclass(slots=True)
class Story:
    """Reads leaves in order; keeps one small record per request."""

    findings: list[Finding] = field(default_factory=list)
    outcomes: dict[str, int] = field(default_factory=dict)
    received: int = 0
    _requests: dict[str, _Request] = field(default_factory=dict)

    def read(self, leaf: Leaf) -> None:
        """Take in the next leaf."""
        if leaf.kind not in _TOLD:
            return
        request = self._requests.setdefault(leaf.rid, _Request())
        if leaf.kind in TERMINAL:
            self._end(leaf, request)
        elif leaf.kind is Kind.REQUEST_RECEIVED:
            self._receive(leaf, request)
        else:
            self._work(leaf, request)

    def open_requests(self) -> tuple[OpenRequest, ...]:
        """The requests without an outcome, oldest first."""
        return tuple(
            OpenRequest(request.received, rid, request.at)
            for rid, request in self._requests.items()
            if request.received is not None and request.at is not None and request.outcome is None
        )

    def _receive(self, leaf: Leaf, request: _Request) -> None:
        if request.received is not None:
            self._find(leaf, "complete", "the request was received twice")
            return
        self.received += 1
        request.received, request.at = leaf.index, leaf.at

    def _end(self, leaf: Leaf, request: _Request) -> None:
        if request.received is None:
            self._find(leaf, "complete", f"{leaf.kind} ends a request that was never received")
        if request.outcome is not None:
            self._find(leaf, "complete", f"{leaf.kind} comes after {request.outcome}")
            return
        if leaf.kind is Kind.OUTPUT_RELEASED:
            self._release(leaf, request)
        request.outcome = leaf.kind
        self.outcomes[leaf.kind.value] = self.outcomes.get(leaf.kind.value, 0) + 1

    def _release(self, leaf: Leaf, request: _Request) -> None:
        if not request.permitted:
            self._find(leaf, "permitted", "a video was released without a permit")
        if request.withdrawn:
            self._find(leaf, "released", "a video was released although its release was denied")

    def _work(self, leaf: Leaf, request: _Request) -> None:
        if request.outcome is not None:
            self._find(leaf, "ended", f"{leaf.kind} comes after {request.outcome}")
        if leaf.kind is Kind.DECISION_GENERATE:
            request.allowed = leaf.out is Outcome.ALLOW
        elif leaf.kind is Kind.DECISION_RELEASE:
            request.withdrawn = leaf.out is not Outcome.ALLOW
        elif leaf.kind is Kind.PERMIT_ISSUED:
            if not request.allowed:
                self._find(leaf, "decided", "a permit was issued without a decision that allowed")
            request.permitted = True
        elif leaf.kind is Kind.GENERATION_STARTED and not request.permitted:
            self._find(leaf, "permitted", "a generation started without a permit")

    def _find(self, leaf: Leaf, rule: str, sentence: str) -> None:
        self.findings.append(Finding(leaf.index, leaf.rid, rule, sentence))
