"""Decision: Allowed or Refused, with every reason."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

#: Rules that cannot hold for a photo without a face or a clip without a voice.
CONSEQUENCES: Final = frozenset({"face_is_consenting_subject", "face_is_nobody_else",
                                 "not_on_never_me_list", "voice_allowed", "strict_distance",
                                 "match_confirmed"})  # fmt: skip


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
    """The policy said no. `reasons` is never empty and names every rule that was broken. waits: all
    that is missing is that a person compares two faces, so the request is not ended."""

    decision_id: str
    at: datetime
    policy_sha256: str
    facts_sha256: str
    reasons: tuple[Reason, ...]
    waits: bool = False


def is_bad_input(reasons: Iterable[Reason]) -> bool:
    """Is the photo or clip itself unfit, and every other reason a consequence of that?"""
    kept = tuple(reasons)
    unfit = [reason for reason in kept if reason.about == "material"]
    rest = {reason.rule for reason in kept if reason.about != "material"}
    return bool(unfit) and rest <= CONSEQUENCES


Decision = Allowed | Refused
