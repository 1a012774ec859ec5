"""The face model changes: no entry of the never-me list is dropped, and its person is asked."""

from __future__ import annotations

import mailbox
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError
from primafacie.platform.jobs import Worker
from primafacie.safeguards.face import FaceTemplate

OLD = "fake@" + "0" * 64
NEW = "new@" + "1" * 64
VECTOR = np.full(128, 0.1, np.float32)


class BothFaces:
    """A gate that describes every photo by the new model and by the former one."""

    model = NEW

    def __init__(self, former: Any, problem: str = "") -> None:
        self._former, self._problem = former, problem

    def enrol(self, photos: Any, least: int = 5) -> FaceTemplate:
        if self._problem:
            from primafacie.safeguards.errors import FaceError

            raise FaceError(self._problem)
        former = FaceTemplate(OLD, len(photos), self._former)
        return FaceTemplate(NEW, len(photos), np.full(512, 3.0, np.float32), (former,))


@pytest.fixture
def listed(house: Any, pictures: Any) -> str:
    """The reference of somebody on the list, described by the old model."""
    s = house.services.opt_outs
    reference = s.ask("Nina Never", "nina@example.net", pictures(2), True)
    (one,) = s.listed(house.reviewer)
    s.decide(house.reviewer, one.opt_out_id, yes=True)
    s.enrol(one.opt_out_id, house.faces(vector=VECTOR))
    return str(reference)


def renewed(house: Any, reference: str, pictures: Any, face: Any, yes: bool = True) -> None:
    s = house.services.opt_outs
    s.ask_to_renew(NEW)
    s.renew(reference, pictures(3), True)
    (one,) = s.listed(house.reviewer)
    s.decide(house.reviewer, one.opt_out_id, yes=yes)
    if yes:
        s.enrol(one.opt_out_id, face)


def test_the_operator_is_told_exactly_which_entries_cannot_be_carried_over(
    house: Any, listed: str
) -> None:
    s = house.services
    house.list_never_me("By Letter", house.faces(model=NEW))
    assert s.opt_outs.outdated(house.reviewer, OLD)[0].name == "By Letter"
    (one,) = s.opt_outs.outdated(house.reviewer, NEW)
    assert (one.name, one.model, one.written, one.asked_at) == ("Nina Never", OLD, True, None)
    with pytest.raises(AccessError):
        s.opt_outs.outdated(house.researcher, NEW)


def test_each_person_is_asked_once_and_it_is_logged(house: Any, listed: str) -> None:
    s = house.services
    assert s.opt_outs.ask_to_renew(OLD) == 0
    assert s.opt_outs.ask_to_renew(NEW) == 1 and s.opt_outs.ask_to_renew(NEW) == 0
    assert house.kinds.count("opt_out.renewal") == 1
    s.notifications.deliver()
    (mail,) = mailbox.Maildir(s.notifications.folder)
    text = mail.get_payload(decode=True).decode()
    assert mail["To"] == "nina@example.net" and "never to be shown" in mail["Subject"]
    assert "new photos" in text and listed not in text and "consent" not in text.lower()


def test_going_back_to_the_model_asks_nobody_any_more(house: Any, listed: str) -> None:
    s = house.services.opt_outs
    s.ask_to_renew(NEW)
    assert s.outdated(house.reviewer, "") != ()
    s.ask_to_renew(OLD)
    assert s.outdated(house.reviewer, "") == () and s.status(listed).renewal_asked_at is None


def test_until_it_is_renewed_an_entry_is_compared_by_its_own_model(house: Any, listed: str) -> None:
    consent_id, _ = house.captured()
    problem = house.services.consents.enrol(consent_id, BothFaces(VECTOR + 0.001))
    assert "never to be animated" in problem
    other, _ = house.captured()
    assert "never" not in house.services.consents.enrol(other, BothFaces(VECTOR + 1.0))


def test_an_entry_whose_model_nobody_has_any_more_lets_nobody_in(house: Any, listed: str) -> None:
    consent_id, _ = house.captured()
    problem = house.services.consents.enrol(consent_id, house.faces(model=NEW))
    assert "another model" in problem
    assert not house.services.consents.show(house.reviewer, consent_id).enrolled


def test_new_photos_make_the_entry_anew_and_the_old_one_goes(
    house: Any, pictures: Any, listed: str
) -> None:
    s = house.services
    renewed(house, listed, pictures, BothFaces(VECTOR))
    (entry,) = s.likenesses.never_me(NEW)
    assert entry.model == NEW and entry.frames == 3
    assert s.opt_outs.outdated(house.reviewer, NEW) == ()
    assert s.opt_outs.status(listed).state == "listed"
    assert s.opt_outs.status(listed).photos == ()


def test_the_old_entry_stands_while_the_new_photos_are_looked_at(
    house: Any, pictures: Any, listed: str
) -> None:
    s = house.services
    s.opt_outs.ask_to_renew(NEW)
    s.opt_outs.renew(listed, pictures(2), True)
    (entry,) = s.likenesses.never_me(NEW)
    assert entry.model == OLD


@pytest.mark.parametrize("yes", [True, False])
def test_new_photos_that_will_not_do_leave_the_old_entry(
    house: Any, pictures: Any, listed: str, yes: bool
) -> None:
    s = house.services
    renewed(house, listed, pictures, BothFaces(VECTOR, "photo 1 is blurred"), yes=yes)
    (entry,) = s.likenesses.never_me(NEW)
    told = s.opt_outs.status(listed)
    assert entry.model == OLD and told.state == "listed" and told.name == "Nina Never"
    assert told.problem and told.photos == ()
    s.opt_outs.renew(listed, pictures(1), True)


def test_whose_entry_is_good_needs_no_new_photos(house: Any, pictures: Any, listed: str) -> None:
    s = house.services.opt_outs
    with pytest.raises(ConflictError):
        s.renew(listed, pictures(1), True)
    s.ask_to_renew(NEW)
    for photos, honest in (((), True), (pictures(1), False), ((b"no picture",), True)):
        with pytest.raises(InputError):
            s.renew(listed, photos, honest)


def test_leaving_the_list_while_it_is_renewed_forgets_everything(
    house: Any, pictures: Any, listed: str
) -> None:
    s = house.services
    s.opt_outs.ask_to_renew(NEW)
    s.opt_outs.renew(listed, pictures(2), True)
    (one,) = s.opt_outs.listed(house.reviewer)
    s.opt_outs.leave(listed)
    assert s.likenesses.never_me(NEW) == ()
    for digest in one.photos:
        with pytest.raises(NotFoundError):
            s.vault.get(digest)


@pytest.mark.parametrize("said", ["no", "bad photos"])
def test_sending_the_photos_one_was_asked_for_never_costs_the_entry(
    house: Any, pictures: Any, listed: str, said: str
) -> None:
    """The installation goes back to the former model while the new photos are looked at."""
    s = house.services
    s.opt_outs.ask_to_renew(NEW)
    s.opt_outs.renew(listed, pictures(2), True)
    s.opt_outs.ask_to_renew(OLD)
    assert s.opt_outs.status(listed).renewal_asked_at is None
    (one,) = s.opt_outs.listed(house.reviewer)
    s.opt_outs.decide(house.reviewer, one.opt_out_id, yes=said != "no")
    if said == "bad photos":
        s.opt_outs.enrol(one.opt_out_id, house.faces(problem="photo 1 is blurred"))
    (entry,) = s.likenesses.never_me(OLD)
    told = s.opt_outs.status(listed)
    assert entry.model == OLD and (told.state, told.name) == ("listed", "Nina Never")
    house.watch.move(days=400)
    assert s.opt_outs.forget(house.watch()) == 0 and len(s.likenesses.never_me(OLD)) == 1


def test_two_workers_with_different_models_do_not_ask_in_turns(house: Any, listed: str) -> None:
    """In an upgrade, or with a setting of one machine that is another's: one rule set is in force,
    and it names the model."""
    s = house.services

    def round_of(model: str, rules: str) -> None:
        policies = SimpleNamespace(activated=s.policies.activated,
                                   shipped=SimpleNamespace(sha256=rules))  # fmt: skip
        worker = Worker(SimpleNamespace(opt_outs=s.opt_outs, policies=policies), lambda: None)
        worker._renew(SimpleNamespace(inspector=SimpleNamespace(model=model)), [])

    for _ in range(3):
        round_of(NEW, s.policies.activated())
        round_of(OLD, "f" * 64)
    assert house.kinds.count("opt_out.renewal") == 1
    assert s.opt_outs.status(listed).renewal_asked_at is not None
