"""decide(facts) -> Decision: the door to Cedar. Default deny, every reason, no way to skip a rule.

Cedar skips a policy that errors and may still allow. So the answer counts as Allowed only if it
is Allow AND no policy erred AND the schema was given AND the set's digest is the activated one.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final, Literal

import cedarpy

from primafacie.audit.digest import sha256_hex
from primafacie.safeguards.decision import Allowed, Decision, Reason, Refused
from primafacie.safeguards.errors import PolicyError
from primafacie.safeguards.facts import Facts

Action = Literal["generate", "release"]
PERMITS: Final = frozenset({"consented_work"})
UNDECIDED: Final = Reason("undecided", "The rules could not be evaluated, so the answer is no.")


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The rules in force, parsed once. reasons: rule id -> what to tell the person refused.

    matcher: the face recogniser whose distances the rules mean, where it is not the one that comes
    with this package. The digest covers it: a setting alone changes no distance, because rules with
    another digest decide nothing until they are put in force.
    """

    sources: Mapping[str, str]  # file stem -> Cedar text
    schema_text: str
    sha256: str
    reasons: Mapping[str, Reason]
    _policies: Any = field(repr=False)
    _schema: Any = field(repr=False)
    matcher: str = ""

    @classmethod
    def parse(cls, sources: Mapping[str, str], schema: str, matcher: str = "") -> PolicySet:
        """The set made of one policy per file, validated against the schema.

        Raises PolicyError for a text Cedar rejects, a policy without id or sentence, an id that
        is not its file's name, or a permit outside PERMITS.
        """
        text = "\n".join(sources[name] for name in sorted(sources))
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(text))
            handle, types = cedarpy.PolicySet.from_str(text), cedarpy.Schema.from_str(schema)
            verdict = cedarpy.validate_policies(text, types)
        except ValueError as error:
            raise PolicyError(f"the policy set does not parse: {error}") from error
        if not verdict.validation_passed:
            problems = "; ".join(str(e) for e in verdict.errors)
            raise PolicyError(f"the policy set contradicts its schema: {problems}")
        reasons = _reasons(parsed["staticPolicies"], sources)
        spelled = json.dumps(parsed, sort_keys=True, separators=(",", ":"))
        meant = (spelled, schema, matcher) if matcher else (spelled, schema)
        digest = sha256_hex(b"\0".join(part.encode() for part in meant))
        return cls(dict(sources), schema, digest, reasons, handle, types, matcher)

    @classmethod
    def shipped(cls, matcher: str = "") -> PolicySet:
        """The set that comes with this package, applied to the distances of `matcher`."""
        folder = files("primafacie.safeguards") / "policies"
        sources = {
            entry.name.removesuffix(".cedar"): entry.read_text(encoding="utf-8")
            for entry in folder.iterdir()
            if entry.name.endswith(".cedar")
        }
        schema = (folder / "schema.cedarschema").read_text(encoding="utf-8")
        return cls.parse(sources, schema, matcher)

    def decide(self, facts: Facts, action: Action, activated: str) -> Decision:
        """Allowed, or Refused with every rule that was broken. Never raises.

        activated: digest of the set an administrator put in force; another set decides nothing.
        """
        stamp = _Stamp(uuid.uuid4().hex, facts, self.sha256)
        if activated != self.sha256:
            text = "The rules on this machine are not the ones in force. Tell the operator."
            return stamp.refuse(Reason("policy_set_activated", text))
        try:
            answer = cedarpy.is_authorized(
                {
                    "principal": {"type": "User", "id": facts.request.requester_id},
                    "action": {"type": "Action", "id": action},
                    "resource": {"type": "Consent", "id": facts.request.consent_id},
                    "context": facts.context(),
                },
                self._policies,
                facts.entities(),
                self._schema,
            )
            broken = _rules(answer)
        except Exception:  # whatever goes wrong inside the engine means no
            return stamp.refuse(UNDECIDED)
        return self._conclude(answer, broken, stamp)

    def _conclude(self, answer: Any, broken: set[str], stamp: _Stamp) -> Decision:
        if answer.diagnostics.errors:
            return stamp.refuse(UNDECIDED)
        if answer.decision == cedarpy.Decision.Allow and broken and broken <= PERMITS:
            return stamp.allow()
        rules = sorted(broken - PERMITS) or ["consented_work"]
        return stamp.refuse(*(self.reasons.get(r, UNDECIDED) for r in rules))


@dataclass(frozen=True, slots=True)
class _Stamp:
    """What every decision carries: its id, its time, the digests of rules and facts."""

    decision_id: str
    facts: Facts
    policy_sha256: str

    def allow(self) -> Allowed:
        return Allowed(self.decision_id, self.facts.now, self.policy_sha256, self.facts.sha256)

    def refuse(self, *reasons: Reason) -> Refused:
        try:
            digest = self.facts.sha256
        except Exception:  # facts too broken to digest are refused all the same
            digest = sha256_hex(b"undigestible")
        return Refused(self.decision_id, self.facts.now, self.policy_sha256, digest, reasons)


def _rules(answer: Any) -> set[str]:
    """The ids of the policies that determined the answer."""
    named: Mapping[str, str] = answer.diagnostics.id_annotations_by_reason
    return {named.get(reason, reason) for reason in answer.diagnostics.reasons}


def _reasons(policies: Mapping[str, Any], sources: Mapping[str, str]) -> dict[str, Reason]:
    reasons: dict[str, Reason] = {}
    for policy in policies.values():
        notes = policy.get("annotations", {})
        name, sentence = notes.get("id"), notes.get("says")
        if not name or not sentence or name not in sources or name in reasons:
            raise PolicyError(f"a policy needs its own file, @id and @says: {name!r}")
        if (policy["effect"] == "permit") != (name in PERMITS):
            raise PolicyError(f"{name} may not be a {policy['effect']}")
        reasons[name] = Reason(name, sentence, notes.get("about", "rule"))
    if set(reasons) != set(sources):
        raise PolicyError("a policy file holds no policy, or more than one")
    return reasons
