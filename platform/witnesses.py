"""Witnesses: others who remember the log's last checkpoint and cosign the next one that extends it.

C2SP tlog-witness, the log's side of it. A log that shows two histories must show one of them to a
witness it does not control. The worker asks them whenever a newer checkpoint was signed; what they
answer travels with the checkpoint and in every later proof.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog

from primafacie.audit.entry import Kind, Leaf, Outcome
from primafacie.audit.errors import AuditError, MerkleError
from primafacie.audit.note import open_note, parse_vkey
from primafacie.audit.store import Tx, cosigned, last_checkpoint
from primafacie.audit.tables import log_index
from primafacie.audit.witness import write_request
from primafacie.platform import asking
from primafacie.platform.errors import UnavailableError
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.settings import WitnessSetting

TIMEOUT: Final = 10.0  # seconds for a witness's whole answer
LONGEST: Final = 64 * 1024  # bytes of it
FRESH: Final = timedelta(hours=1)  # a cosignature older than that says nothing of today's entries
AHEAD: Final = timedelta(minutes=5)  # what a witness's clock may be before ours
_SIZE: Final = re.compile(rb"[0-9]{1,18}\n?\Z")
_log = structlog.get_logger("witnesses")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a witness last cosigned: entries, and when; 0 and None before the first time."""

    name: str
    url: str
    size: int
    at: datetime | None


class Witnesses:
    """The witnesses of one log. quorum: so many must have cosigned lately, or nothing is made."""

    def __init__(self, journal: Journal, known: Sequence[WitnessSetting], quorum: int) -> None:
        self._journal, self._known, self.quorum = journal, tuple(known), quorum
        self._agreed: dict[str, datetime] = {}  # name -> when it last answered us as it should

    @property
    def vkeys(self) -> tuple[str, ...]:
        """Their public keys."""
        return tuple(one.vkey for one in self._known)

    def seen(self) -> tuple[Seen, ...]:
        """What each last cosigned."""
        with self._journal.database.read() as tx:
            return tuple(self._seen(tx, one) for one in self._known)

    def enough(self) -> bool:
        """Did the quorum cosign within the last hour, or the newest checkpoint there is? On a
        machine where nothing happens that one grows old, and nothing is hidden behind it."""
        if not self.quorum:
            return True
        now = self._journal.clock()
        with self._journal.database.read() as tx:
            newest = (last_checkpoint(tx) or (0, ""))[0]
        return sum(_counts(one, newest, now) for one in self.seen()) >= self.quorum

    def cosign(self) -> int:
        """Ask each that has not cosigned the newest checkpoint yet, and where nothing is new, twice
        an hour; how many did so now. Who failed is asked again next time.

        What is logged is that a witness's state changed, and no more often than it matters: the
        log does not grow by being witnessed, nor as much as a witness likes.
        """
        done = 0
        for one in self._known:
            name = parse_vkey(one.vkey).name
            try:
                size = self._ask(one)
            except (AuditError, UnavailableError) as error:
                self._failed(name, str(error))
                continue
            if size:
                self._agreed[name] = self._journal.clock()
                self._note(name, Outcome.OK, size)
                done += 1
        return done

    def _ask(self, one: WitnessSetting) -> int:
        """The size it cosigned; 0 when it had done so a short while before."""
        with self._journal.database.read() as tx:
            last, seen = last_checkpoint(tx), self._seen(tx, one)
            old = seen.size
            if last is None or (last[0] <= old and not self._due(seen)):
                return 0
            body = write_request(tx, self._journal.log, old)
        status, answer = _post(one.url, body)
        if status == 409 and _SIZE.match(answer):
            old = int(answer)
            with self._journal.database.read() as tx:
                body = self._again(tx, old)
            status, answer = _post(one.url, body)
        if status != 200:
            raise UnavailableError(f"it answers {status}")
        size = int(body.split("\n\n", 1)[1].split("\n")[1])
        with self._journal.writing() as tx:
            text = answer.decode("utf-8", "replace")
            self._journal.log.add_cosignatures(tx, size, text, [one.vkey])
        return size

    def _due(self, seen: Seen) -> bool:
        """Was it long silent, though nothing is new? An older copy of the database learns here
        that it is one."""
        heard = [at for at in (seen.at, self._agreed.get(seen.name)) if at is not None]
        return bool(heard) and max(heard) < self._journal.clock() - FRESH / 2

    def _again(self, tx: Tx, old: int) -> str:
        """The request from the size the witness remembers."""
        try:
            return write_request(tx, self._journal.log, old)
        except (AuditError, MerkleError) as error:
            raise UnavailableError(
                f"it remembers {old} entries, more than this database holds: an older copy?"
            ) from error

    def _seen(self, tx: Tx, one: WitnessSetting) -> Seen:
        key = parse_vkey(one.vkey)
        size, note = cosigned(tx, key.name, key.key_id.hex()) or (0, "")
        at = None
        if note:
            _, held = open_note(note, [key])
            at = datetime.fromtimestamp(held[0].timestamp, UTC)
        return Seen(key.name, one.url, size, at)

    def _failed(self, name: str, text: str) -> None:
        _log.warning("not cosigned", witness=name, error=text)
        self._note(name, Outcome.ERROR, 0, text)

    def _note(self, name: str, out: Outcome, size: int, text: str = "") -> None:
        """Log that this witness cosigns, or no longer; not what it says each time. That it cosigns
        again is told an hour after it failed at the earliest: else one that does both by turns
        fills the log."""
        facts: list[tuple[str, str | int]] = [("witness", name[:100])]
        if size:
            facts.append(("size", size))
        entry = self._journal.event(
            Kind.WITNESS_COSIGNED, SYSTEM, out=out, why=(text[:120],) if text else (), facts=facts
        )
        with self._journal.writing() as tx:
            told = self._told(tx, name[:100])
            if told is not None and told.out == out:
                return
            if told is not None and out == Outcome.OK and told.at > entry.at - FRESH:
                return
            self._journal.append(tx, entry)

    def _told(self, tx: Tx, name: str) -> Leaf | None:
        """What the log was last told of this witness, by whichever worker."""
        row = log_index.c
        which = sa.select(row.seq).where(row.kind == Kind.WITNESS_COSIGNED.value)
        for seq in tx.execute(which.order_by(row.seq.desc())).scalars():
            leaf = self._journal.log.leaf(tx, seq)
            if ("witness", name) in leaf.facts:
                return leaf
        return None


def _counts(seen: Seen, newest: int, now: datetime) -> bool:
    """A cosignature from the future would stay fresh for ever, and counts for nothing."""
    if seen.at is None or seen.at > now + AHEAD:
        return False
    return seen.at > now - FRESH or seen.size == newest


def _post(url: str, body: str) -> tuple[int, bytes]:
    """(status, answer) of the witness's add-checkpoint."""
    parts = urlsplit(url)
    door = parts._replace(path=f"{parts.path.rstrip('/')}/add-checkpoint", fragment="").geturl()
    try:
        return asking.post(
            door, body.encode(), "text/plain; charset=utf-8", deadline=TIMEOUT, longest=LONGEST
        )
    except (OSError, http.client.HTTPException) as error:
        raise UnavailableError(f"it does not answer: {type(error).__name__}") from error
