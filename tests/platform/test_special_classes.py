"""Minors, invented and painted people, the dead: who needs more than their own word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from primafacie.platform.errors import InputError

VECTOR = np.full(128, 0.1, np.float32)


def reviewed(house: Any, kind: str, vector: Any) -> tuple[str, str]:
    """(consent id, what enrolment said) of a signed consent of this kind."""
    view, link = house.draft(kind=kind)
    s = house.services.consents
    s.attach(house.steward, view.consent_id, "provenance", b"made with seed 7")
    house.fill(link)
    house.sign(link)
    return view.consent_id, s.enrol(view.consent_id, house.faces(vector=vector))


def test_an_artwork_needs_two_reviewers(house: Any) -> None:
    s = house.services.consents
    consent_id, problem = reviewed(house, "artwork", VECTOR)
    assert problem == ""
    assert s.activate(house.reviewer, consent_id, watched=True).state == "under_review"
    assert s.activate(house.reviewer, consent_id, watched=True).state == "under_review"
    assert "consent.approved" in house.kinds and "consent.activated" not in house.kinds
    second = house.services.accounts.add(
        None, email="curator@example.org", name="C", password="p" * 12, roles=("reviewer",)
    )
    assert s.activate(second, consent_id, watched=True).state == "active"


def test_approvals_of_a_painting_do_not_survive_a_new_enrolment(house: Any) -> None:
    s = house.services.consents
    view, link = house.draft(kind="artwork")
    consent_id = view.consent_id
    s.attach(house.steward, consent_id, "provenance", b"an oil painting")
    house.fill(link)
    token = house.sign(link).token
    s.enrol(consent_id, house.faces(vector=VECTOR))
    second = house.services.accounts.add(
        None, email="curator@example.org", name="C", password="p" * 12, roles=("reviewer",)
    )
    s.activate(house.reviewer, consent_id, watched=True)
    assert s.activate(second, consent_id, watched=True).state == "active"
    s.forget_biometrics(token)
    s.resume(token)
    s.enrol(consent_id, house.faces(vector=VECTOR))
    assert s.activate(house.reviewer, consent_id, watched=True).state == "under_review"


def test_an_invented_person_needs_one(house: Any) -> None:
    consent_id, _ = reviewed(house, "synthetic", VECTOR)
    view = house.services.consents.activate(house.reviewer, consent_id, watched=True)
    assert view.state == "active"


def test_an_invented_person_must_not_be_like_a_living_one(house: Any) -> None:
    s = house.services.consents
    living, _ = house.captured()
    s.enrol(living, house.faces(vector=VECTOR))
    s.activate(house.reviewer, living, watched=True)
    for kind in ("synthetic", "artwork"):
        consent_id, problem = reviewed(house, kind, VECTOR + 0.001)
        assert "close to a living person" in problem
        assert not s.show(house.reviewer, consent_id).enrolled


def test_two_invented_people_may_be_alike(house: Any) -> None:
    reviewed(house, "synthetic", VECTOR)
    _, problem = reviewed(house, "synthetic", VECTOR + 0.001)
    assert "living" not in problem


@pytest.mark.parametrize("kind", ["deceased", "pet"])
def test_nobody_consents_for_the_dead(house: Any, kind: str) -> None:
    with pytest.raises(InputError):
        house.draft(kind=kind)
