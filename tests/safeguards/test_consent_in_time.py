"""A consent counts from its first millisecond to its last, whatever is tried with time or scope."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta, timezone
from typing import Any

import pytest

from primafacie.safeguards.consent import parse_time
from primafacie.safeguards.decision import Allowed, Refused
from primafacie.safeguards.facts import Facts
from primafacie.safeguards.policy import PolicySet

Make = Callable[..., Facts]
MS = timedelta(milliseconds=1)


@pytest.fixture(scope="module")
def policies() -> PolicySet:
    return PolicySet.shipped()


def decide(policies: PolicySet, facts: Facts) -> Any:
    return policies.decide(facts, "generate", policies.sha256)


def rules(answer: Any) -> set[str]:
    assert isinstance(answer, Refused)
    return {reason.rule for reason in answer.reasons}


def test_expired_1_ms_ago(policies: PolicySet, make_facts: Make) -> None:
    facts = make_facts()
    assert facts.consent is not None
    ends = parse_time(facts.consent.record.not_after)
    assert isinstance(decide(policies, make_facts(now=ends - MS)), Allowed)
    for late in (timedelta(0), MS):
        assert rules(decide(policies, make_facts(now=ends + late))) == {"consent_in_force"}


def test_not_yet_valid_for_1_ms(policies: PolicySet, make_facts: Make) -> None:
    facts = make_facts()
    assert facts.consent is not None
    begins = parse_time(facts.consent.record.not_before)
    assert isinstance(decide(policies, make_facts(now=begins)), Allowed)
    assert rules(decide(policies, make_facts(now=begins - MS))) == {"consent_in_force"}


@pytest.mark.parametrize("hours", [-12, -5, 14])
def test_a_clock_in_another_zone_moves_nothing(
    policies: PolicySet, make_facts: Make, hours: int
) -> None:
    facts = make_facts()
    assert facts.consent is not None
    zone = timezone(timedelta(hours=hours))
    ends = parse_time(facts.consent.record.not_after).astimezone(zone)
    assert isinstance(decide(policies, make_facts(now=ends - MS)), Allowed)
    assert "consent_in_force" in rules(decide(policies, make_facts(now=ends)))


@pytest.mark.parametrize(
    ("what", "rule"),
    [
        ({"request_purpose": "rese\u0430rch"}, "purpose_in_scope"),
        ({"request_purpose": "Research"}, "purpose_in_scope"),
        ({"request_purpose": "research "}, "purpose_in_scope"),
        ({"request_audience": "intern\u0430l"}, "audience_in_scope"),
        ({"request_requester_id": "researcher-\u0131"}, "requester_in_scope"),
        ({"request_requester_id": "researcher\u20111"}, "requester_in_scope"),
    ],
)
def test_what_only_looks_like_the_scope_is_not_in_it(
    policies: PolicySet, make_facts: Make, what: dict[str, Any], rule: str
) -> None:
    assert rule in rules(decide(policies, make_facts(**what, record_projects=())))
