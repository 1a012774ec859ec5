"""A project is asked for by one, approved by another, and ends by itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError


@pytest.fixture
def given(house: Any) -> dict[str, Any]:
    now = house.watch()
    return {
        "title": "Lip reading",
        "summary": "How well do people read lips from drawn faces?",
        "ethics_reference": "EC-2026-17",
        "purposes": ("research",),
        "principal": house.researcher.user_id,
        "members": (house.other.user_id,),
        "starts_at": now,
        "ends_at": now + timedelta(days=30),
    }


def test_it_allows_nothing_until_a_second_person_approves(house: Any, given: Any) -> None:
    projects = house.services.projects
    view = projects.apply(house.researcher, **given)
    assert not house.services.people.project(view.project_id).in_force
    with pytest.raises(AccessError, match="second person"):  # a reviewer, but a member
        projects.decide(house.other, view.project_id, approve=True)
    with pytest.raises(AccessError):  # no reviewer
        projects.decide(house.steward, view.project_id, approve=True)
    decided = projects.decide(house.reviewer, view.project_id, approve=True, note="fine")
    assert decided.in_force and decided.decided_by == house.reviewer.user_id
    fact = house.services.people.project(view.project_id)
    assert fact.in_force and fact.purposes == {"research"}
    assert fact.members == {house.researcher.user_id, house.other.user_id}
    with pytest.raises(ConflictError):
        projects.decide(house.reviewer, view.project_id, approve=False)


def test_neither_the_applicant_nor_the_principal_approves(house: Any, given: Any) -> None:
    projects, accounts = house.services.projects, house.services.accounts
    both = accounts.set_roles(None, house.researcher.user_id, ("researcher", "reviewer"))
    view = projects.apply(both, **{**given, "principal": house.other.user_id, "members": ()})
    for actor in (both, house.other):
        with pytest.raises(AccessError):
            projects.decide(actor, view.project_id, approve=True)


def test_it_ends_by_itself_and_by_hand(house: Any, given: Any) -> None:
    projects = house.services.projects
    first = projects.apply(house.researcher, **given).project_id
    projects.decide(house.reviewer, first, approve=True)
    house.watch.move(days=31)
    assert not projects.get(first).in_force and projects.get(first).state == "approved"
    later = {**given, "starts_at": house.watch(), "ends_at": house.watch() + timedelta(days=9)}
    second = projects.apply(house.researcher, **later).project_id
    projects.decide(house.reviewer, second, approve=True)
    assert projects.end(house.researcher, second).state == "ended"
    with pytest.raises(ConflictError):
        projects.end(house.researcher, second)


def test_a_rejected_project_stays_rejected(house: Any, given: Any) -> None:
    projects = house.services.projects
    project_id = projects.apply(house.researcher, **given).project_id
    assert projects.decide(house.reviewer, project_id, approve=False, note="no").note == "no"
    assert not projects.get(project_id).in_force
    assert house.kinds[-1] == "project.rejected"


def test_members_change_only_through_a_reviewer_without_a_part(house: Any, given: Any) -> None:
    projects = house.services.projects
    project_id = projects.apply(house.researcher, **{**given, "members": ()}).project_id
    with pytest.raises(AccessError):
        projects.set_members(house.researcher, project_id, [house.other.user_id])
    with pytest.raises(AccessError):
        projects.set_members(house.other, project_id, [house.other.user_id])
    changed = projects.set_members(house.reviewer, project_id, [house.other.user_id])
    assert changed.members == {house.researcher.user_id, house.other.user_id}


@pytest.mark.parametrize(
    "change",
    [
        {"purposes": ()}, {"purposes": ("fun",)}, {"title": "x"}, {"summary": "short"},
        {"ethics_reference": " "}, {"members": ("0" * 32,)}, {"principal": "0" * 32},
    ],
)  # fmt: skip
def test_bad_applications_are_bad_input(house: Any, given: Any, change: Any) -> None:
    with pytest.raises(InputError):
        house.services.projects.apply(house.researcher, **{**given, **change})


def test_a_project_cannot_last_for_ever(house: Any, given: Any) -> None:
    for ends in (given["starts_at"], given["starts_at"] + timedelta(days=4000)):
        with pytest.raises(InputError):
            house.services.projects.apply(house.researcher, **{**given, "ends_at": ends})


def test_outsiders_see_nothing(house: Any, given: Any) -> None:
    projects = house.services.projects
    project_id = projects.apply(house.researcher, **{**given, "members": ()}).project_id
    stranger = house.services.accounts.add(
        None, email="s@example.org", name="S", password="p" * 12, roles=("researcher",)
    )
    with pytest.raises(NotFoundError):
        projects.show(stranger, project_id)
    assert projects.listed(stranger) == ()
    assert [v.project_id for v in projects.listed(house.auditor)] == [project_id]
    assert house.services.people.project("0" * 32) is None
