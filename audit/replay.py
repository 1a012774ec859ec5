"""Replay: a whole log read again from its first leaf, with public keys alone.

    1 every leaf is canonical, names this log and its own place, and time never falls
    2 at the size of every checkpoint the recomputed root is the signed one
    3 the leaves end where the last checkpoint ends, or later if that is allowed
    4 the leaves tell a whole story (see `story.py`); what does not fit is reported

1 to 3 raise BundleError: then the log is not the one that was signed, and nothing in it counts.
4 is a report: the log is genuine, and tells of something that must not have happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from primafacie.audit import merkle
from primafacie.audit.checkpoint import Checkpoint, open_checkpoint
from primafacie.audit.entry import Leaf, read_leaf
from primafacie.audit.errors import BundleError, CheckpointError, EntryError
from primafacie.audit.story import Finding, OpenRequest, Story


@dataclass(frozen=True, slots=True)
class BundleReport:
    """What a log that verified says. `findings` empty: every request's leaves fit together.

    root: hex. unpublished: leaves after the last checkpoint (0 for a bundle).
    """

    origin: str
    size: int
    root: str
    checkpoints: int
    unpublished: int
    first: datetime | None
    last: datetime | None
    kinds: tuple[tuple[str, int], ...]
    received: int
    outcomes: tuple[tuple[str, int], ...]
    open: tuple[OpenRequest, ...]
    findings: tuple[Finding, ...]

    def require_sound(self) -> None:
        """Return if there are no findings; BundleError with the first one otherwise."""
        if self.findings:
            first = self.findings[0]
            more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
            raise BundleError(f"request {first.rid}: {first.sentence}{more}", first.index)


class Replay:
    """Takes leaves in order and compares the tree at the size of each given checkpoint."""

    def __init__(self, origin: str, heads: Iterable[Checkpoint]) -> None:
        self.origin = origin
        self._heads = sorted(heads, key=lambda head: head.size)
        self._next = 0
        self._frontier = merkle.Frontier()
        self._story = Story()
        self._kinds = dict[str, int]()
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._compare()

    def read(self, body: bytes) -> tuple[Leaf, list[bytes]]:
        """Take the next leaf's bytes; what it says, and the tree nodes it completes."""
        index = self._frontier.size
        try:
            leaf = read_leaf(body)
        except EntryError as error:
            raise BundleError(str(error), index) from error
        if leaf.index != index or leaf.log != self.origin:
            raise BundleError(f"it names itself leaf {leaf.index} of {leaf.log}", index)
        if self._last is not None and leaf.at < self._last:
            raise BundleError("time goes backwards", index)
        self._last = leaf.at
        self._first = self._first or leaf.at
        self._kinds[leaf.kind.value] = self._kinds.get(leaf.kind.value, 0) + 1
        self._story.read(leaf)
        nodes = self._frontier.push(merkle.leaf_hash(body))
        self._compare()
        return leaf, nodes

    def finish(self, *, tail: bool) -> BundleReport:
        """The report, once every checkpoint was met; `tail` allows leaves after the last one."""
        size = self._frontier.size
        if self._next < len(self._heads):
            head = self._heads[self._next]
            raise BundleError(f"{head.size} leaves were signed, {size} are here")
        signed = self._heads[-1].size if self._heads else 0
        if size != signed and not tail:
            raise BundleError(f"there are {size} leaves, but only {signed} were signed")
        story = self._story
        return BundleReport(
            origin=self.origin,
            size=size,
            root=self._frontier.root().hex(),
            checkpoints=len(self._heads),
            unpublished=size - signed,
            first=self._first,
            last=self._last,
            kinds=tuple(sorted(self._kinds.items())),
            received=story.received,
            outcomes=tuple(sorted(story.outcomes.items())),
            open=story.open_requests(),
            findings=tuple(story.findings),
        )

    def _compare(self) -> None:
        while self._next < len(self._heads) and self._heads[self._next].size == self._frontier.size:
            if self._heads[self._next].root != self._frontier.root():
                size = self._frontier.size
                raise BundleError(f"the first {size} leaves are not those that were signed")
            self._next += 1


def open_heads(
    notes: Sequence[str],
    vkeys: Sequence[str],
    origin: str,
    *,
    witnesses: Sequence[str] = (),
    quorum: int = 0,
) -> list[Checkpoint]:
    """Every note as a checkpoint of this log, its signature checked; the largest cosigned as well.

    Raises BundleError.
    """
    try:
        heads = [open_checkpoint(note, vkeys, origin=origin, witnesses=witnesses) for note in notes]
        if quorum:
            largest = max(heads, key=lambda head: head.size, default=None)
            note = "" if largest is None else largest.note
            open_checkpoint(note, vkeys, origin=origin, witnesses=witnesses, quorum=quorum)
    except CheckpointError as error:
        raise BundleError(f"a checkpoint does not hold: {error}") from error
    return heads
