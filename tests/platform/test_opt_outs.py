"""The never-me list: asked for by anybody, looked at by a person, left again at will."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from primafacie.platform import opt_outs
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.opt_outs import A_DAY
from primafacie.platform.retention import enforce


def ask(house: Any, pictures: Any, **more: Any) -> str:
    given = {"name": "Nina Never", "contact": "nina@example.net", "photos": pictures(2),
             "honest": True}  # fmt: skip
    return house.services.opt_outs.ask(**(given | more))


def waiting(house: Any) -> Any:
    (one,) = house.services.opt_outs.listed(house.reviewer)
    return one


def enrol(house: Any, face: Any) -> None:
    (opt_out_id,) = house.services.opt_outs.approved()
    house.services.opt_outs.enrol(opt_out_id, face)


VECTOR = np.full(128, 0.1, np.float32)


def test_from_the_question_to_the_list(house: Any, pictures: Any) -> None:
    s = house.services
    reference = ask(house, pictures)
    one = waiting(house)
    assert s.opt_outs.photo(house.reviewer, one.opt_out_id, one.photos[0])
    s.opt_outs.decide(house.reviewer, one.opt_out_id, yes=True)
    face = house.faces(vector=VECTOR)
    assert s.opt_outs.approved() == (one.opt_out_id,)
    s.opt_outs.enrol(one.opt_out_id, face)
    assert s.opt_outs.approved() == ()
    (template,) = s.likenesses.never_me(face.model)
    assert (template.vector == VECTOR).all()
    for digest in one.photos:
        with pytest.raises(NotFoundError):
            s.vault.get(digest)
    consent_id, _ = house.captured()
    problem = s.consents.enrol(consent_id, house.faces(vector=VECTOR + 0.001))
    assert "never to be animated" in problem
    assert s.opt_outs.status(reference).state == "listed"


def test_the_list_can_be_left_and_nothing_stays(house: Any, pictures: Any) -> None:
    s = house.services
    reference = ask(house, pictures)
    s.opt_outs.decide(house.reviewer, waiting(house).opt_out_id, yes=True)
    face = house.faces(vector=VECTOR)
    enrol(house, face)
    s.opt_outs.leave(reference)
    assert s.likenesses.never_me(face.model) == ()
    with pytest.raises(LinkError):
        s.opt_outs.status(reference)
    for file in s.settings.data_dir.rglob("*"):
        if file.is_file():
            assert b"Nina" not in file.read_bytes()


def test_a_declined_request_is_forgotten(house: Any, pictures: Any) -> None:
    s = house.services
    reference = ask(house, pictures)
    one = waiting(house)
    s.opt_outs.decide(house.reviewer, one.opt_out_id, yes=False)
    told = s.opt_outs.status(reference)
    assert (told.state, told.name, told.photos) == ("declined", "", ())
    with pytest.raises(NotFoundError):
        s.vault.get(one.photos[0])
    with pytest.raises(ConflictError):
        s.opt_outs.decide(house.reviewer, one.opt_out_id, yes=True)


def test_photos_that_will_not_do_are_said_to(house: Any, pictures: Any) -> None:
    s = house.services
    reference = ask(house, pictures)
    s.opt_outs.decide(house.reviewer, waiting(house).opt_out_id, yes=True)
    enrol(house, house.faces(problem="photo 1 cannot be used: blurred"))
    assert "blurred" in s.opt_outs.status(reference).problem


def test_what_is_incomplete_or_no_picture_is_refused(house: Any, pictures: Any) -> None:
    for more in ({"honest": False}, {"name": " "}, {"contact": ""}, {"photos": ()},
                 {"photos": (b"no picture",)}):  # fmt: skip
        with pytest.raises(InputError):
            ask(house, pictures, **more)


def test_one_address_asks_a_few_times_a_day(house: Any, pictures: Any) -> None:
    for _ in range(A_DAY):
        ask(house, pictures, source="203.0.113.7")
    with pytest.raises(ConflictError):
        ask(house, pictures, source="203.0.113.7")
    ask(house, pictures, source="203.0.113.8")


def test_a_researcher_does_not_see_who_asked(house: Any, pictures: Any) -> None:
    ask(house, pictures)
    with pytest.raises(AccessError):
        house.services.opt_outs.listed(house.researcher)
    with pytest.raises(AccessError):
        house.services.opt_outs.decide(house.steward, waiting(house).opt_out_id, yes=True)


@pytest.mark.parametrize("problem", ["", "photo 1 cannot be used: blurred"])
def test_who_leaves_while_the_template_is_made_has_left(
    house: Any, pictures: Any, problem: str
) -> None:
    s = house.services
    reference = ask(house, pictures)
    opt_out_id = waiting(house).opt_out_id
    s.opt_outs.decide(house.reviewer, opt_out_id, yes=True)
    face = house.faces(vector=VECTOR, problem=problem)

    class Leaving:
        def enrol(self, photos: Any, least: int) -> Any:
            s.opt_outs.leave(reference)
            return face.enrol(photos, least)

    s.opt_outs.enrol(opt_out_id, Leaving())
    assert s.likenesses.never_me(face.model) == ()
    assert [o.opt_out_id for o in s.opt_outs.listed(house.reviewer, "removed")] == [opt_out_id]
    assert s.opt_outs.listed(house.reviewer, "declined") == ()


def test_who_left_before_the_photos_were_read_has_left(house: Any, pictures: Any) -> None:
    s = house.services
    reference = ask(house, pictures)
    opt_out_id = waiting(house).opt_out_id
    s.opt_outs.decide(house.reviewer, opt_out_id, yes=True)
    s.opt_outs.leave(reference)
    s.opt_outs.enrol(opt_out_id, house.faces(vector=VECTOR))
    assert [o.state for o in s.opt_outs.listed(house.reviewer, "removed")] == ["removed"]


def test_name_and_contact_of_photos_that_would_not_do_are_forgotten_in_time(
    house: Any, pictures: Any
) -> None:
    s = house.services
    reference = ask(house, pictures)
    s.opt_outs.decide(house.reviewer, waiting(house).opt_out_id, yes=True)
    enrol(house, house.faces(problem="photo 1 cannot be used: blurred"))
    enforce(s)
    assert s.opt_outs.status(reference).contact == "nina@example.net"
    house.watch.move(days=s.settings.draft_days, seconds=1)
    enforce(s)
    told = s.opt_outs.status(reference)
    assert (told.state, told.name, told.contact) == ("declined", "", "")
    assert s.opt_outs.forget(house.watch()) == 0


def test_a_flood_of_requests_does_not_shut_the_door(
    house: Any, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opt_outs, "WAITING", 1)
    ask(house, pictures, name="Flood")
    ask(house, pictures)
    _, honest = house.services.opt_outs.listed(house.reviewer)
    assert honest.name == "Nina Never" and len(honest.photos) == 1


def test_addresses_of_one_ipv6_network_count_as_one(house: Any, pictures: Any) -> None:
    for number in range(A_DAY):
        ask(house, pictures, source=f"2001:db8:1:2::{number:x}")
    with pytest.raises(ConflictError):
        ask(house, pictures, source="2001:db8:1:2:ffff::1")
    ask(house, pictures, source="2001:db8:1:3::1")
