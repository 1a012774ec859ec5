"""Policies: which rule set is in force. The gate refuses everything under any other.

In production a set is proposed by one admin and activated by another. In development the shipped
set is put in force at start, and the log says that the operator did it. Every set that was ever in
force is kept, so that an old decision can be replayed.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from primafacie.audit.entry import Kind
from primafacie.platform.accounts import Account
from primafacie.platform.errors import AccessError, ConflictError
from primafacie.platform.four_eyes import require_apart
from primafacie.platform.journal import OPERATOR, Journal
from primafacie.platform.tables import policy_activations
from primafacie.safeguards.policy import PolicySet

_P = policy_activations.c


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy: its id, what it tells a person refused, its Cedar text."""

    rule: str
    sentence: str
    text: str


@dataclass(frozen=True, slots=True)
class Activation:
    """A set that was proposed, and by whom it was put in force (None: it was not yet)."""

    policy_sha256: str
    proposed_by: str
    activated_by: str | None
    proposed_at: datetime
    activated_at: datetime | None


class Policies:
    """The rule sets of one installation."""

    def __init__(self, journal: Journal, shipped: PolicySet) -> None:
        self._journal, self.shipped = journal, shipped

    def activated(self) -> str:
        """Digest of the set in force, read now; "" when there is none."""
        newest = (
            sa.select(_P.policy_sha256)
            .where(_P.activated_at.is_not(None))
            .order_by(_P.activated_at.desc(), _P.id)
        )
        with self._journal.database.read() as tx:
            return tx.execute(newest.limit(1)).scalar() or ""

    def rules(self) -> tuple[Rule, ...]:
        """The rules this machine would apply."""
        return tuple(
            Rule(name, self.shipped.reasons[name].sentence, self.shipped.sources[name])
            for name in sorted(self.shipped.sources)
        )

    def history(self) -> tuple[Activation, ...]:
        """Every set, newest first."""
        with self._journal.database.read() as tx:
            rows = tx.execute(sa.select(policy_activations).order_by(_P.proposed_at.desc()))
            return tuple(
                Activation(r.policy_sha256, r.proposed_by, r.activated_by, r.proposed_at,
                           r.activated_at)
                for r in rows
            )  # fmt: skip

    def propose(self, actor: Account) -> None:
        """Propose the shipped set; another admin puts it in force."""
        actor.require("admin")
        with self._journal.writing() as tx:
            tx.execute(policy_activations.insert().values(self._row(actor.user_id)))
            self._log(tx, actor.user_id, "proposed")

    def activate(self, actor: Account) -> None:
        """Put the proposed shipped set in force. Raises AccessError for whoever proposed it."""
        actor.require("admin")
        with self._journal.writing() as tx:
            waiting = (
                sa.select(policy_activations)
                .where(_P.policy_sha256 == self.shipped.sha256, _P.activated_at.is_(None))
                .order_by(_P.proposed_at.desc())
            )
            row = tx.execute(waiting.limit(1)).first()
            if row is None:
                raise ConflictError("nobody proposed the rule set of this machine")
            if row.proposed_by == actor.user_id:
                raise AccessError("a second admin must put the rules in force")
            require_apart(tx, actor.user_id, *({row.proposed_by} - {OPERATOR}))
            tx.execute(
                policy_activations.update()
                .where(_P.id == row.id)
                .values(activated_by=actor.user_id, activated_at=self._journal.clock())
            )
            self._log(tx, actor.user_id, "activated")

    def ensure(self) -> None:
        """In development: put the shipped set in force if it is not."""
        if self.activated() == self.shipped.sha256:
            return
        with self._journal.writing() as tx:
            row = self._row(OPERATOR)
            row |= {"activated_by": OPERATOR, "activated_at": row["proposed_at"]}
            tx.execute(policy_activations.insert().values(row))
            self._log(tx, OPERATOR, "development")

    def _row(self, actor: str) -> dict[str, Any]:
        return {
            "id": uuid.uuid4().hex,
            "policy_sha256": self.shipped.sha256,
            "sources": dict(self.shipped.sources),
            "schema_text": self.shipped.schema_text,
            "proposed_by": actor,
            "proposed_at": self._journal.clock(),
        }

    def _log(self, tx: sa.Connection, actor: str, why: str) -> None:
        facts = [("policy", self.shipped.sha256)]
        if self.shipped.matcher:
            facts.append(("matcher", self.shipped.matcher))
        self._journal.append(
            tx, self._journal.event(Kind.POLICY_ACTIVATED, actor, why=(why,), facts=facts)
        )
