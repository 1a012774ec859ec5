"""Decision: Allowed or Refused, with every reason."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reason:
    """Why not. rule: the policy's id. sentence: what to do about it, in plain words. about:
    `material` when the photo or clip itself is unfit, `rule` otherwise."""

    rule: str
    sentence: str
    about: str = "rule"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The policy said yes, at this moment, to exactly these facts."""

    decision_id: str
    at: datetime
    policy_sha256: str
    facts_sha256: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The policy said no. `reasons` is never empty and names every rule that was broken."""

    decision_id: str
    at: datetime
    policy_sha256: str
    facts_sha256: str
    reasons: tuple[Reason, ...]

    @property
    def bad_input(self) -> bool:
        """Nothing but the material stands in the way: better material may be asked with again."""
        return all(reason.about == "material" for reason in self.reasons)


Decision = Allowed | Refused
