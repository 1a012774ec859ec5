"""Another face model comes into use: old templates match nothing, consents live on unsigned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from primafacie.audit.entry import Kind
from primafacie.platform.errors import AccessError, ConflictError

NEW = "new@" + "1" * 64


def _facts(house: Any, kind: Kind) -> list[tuple[tuple[str, ...], dict[str, Any]]]:
    with house.services.database.read() as tx:
        log = house.services.log
        leaves = [log.leaf(tx, i) for i in range(log.size(tx))]
    return [(tuple(leaf.why), dict(leaf.facts)) for leaf in leaves if leaf.kind is kind]


def test_a_consent_is_enrolled_anew_without_a_new_signature(house: Any) -> None:
    s = house.services
    consent_id, _ = house.active()
    before = s.likenesses.find(consent_id)
    new = house.faces(model=NEW)
    assert s.consents.stale(new) == (consent_id,) and s.consents.stale(house.faces()) == ()
    assert not s.likenesses.gallery(NEW).rows, "the old template is in no gallery of the new model"
    assert s.consents.reenrol(consent_id, new) == ""
    after = s.likenesses.find(consent_id)
    assert after.template.model == NEW and after.record == before.record
    assert (after.state, after.epoch) == (before.state, before.epoch)
    assert s.likenesses.templates(before.template.model) == () and s.consents.stale(new) == ()
    assert set(s.likenesses.gallery(NEW).rows) == {before.record.subject_id}
    why, facts = _facts(house, Kind.CONSENT_CAPTURED)[-1]
    assert why == ("enrolled_anew",) and facts["face_model"] == NEW


def test_photos_that_will_not_do_leave_no_usable_template_and_are_tried_once(house: Any) -> None:
    s = house.services
    consent_id, _ = house.active()
    bad = house.faces(model=NEW, problem="photo 1 cannot be used: it is blurred")
    assert "blurred" in s.consents.reenrol(consent_id, bad)
    assert s.consents.stale(bad) == (), "the worker does not try for ever"
    view = s.consents.show(house.steward, consent_id)
    assert NEW in view.enrolment and "blurred" in view.enrolment
    assert s.likenesses.templates(NEW) == ()
    assert _facts(house, Kind.CONSENT_CAPTURED)[-1][0] == ("not_enrolled_anew",)
    assert s.consents.reenrol_all(house.steward, house.faces(model=NEW)) == ((consent_id, ""),)
    assert s.consents.show(house.steward, consent_id).enrolment == ""


def test_nobody_who_asked_never_to_be_animated_is_enrolled_by_another_model(house: Any) -> None:
    s = house.services
    consent_id, _ = house.active()
    vector = np.full(128, 9.0, np.float32)
    house.list_never_me("Nobody", house.faces(vector=vector))
    problem = s.consents.reenrol(consent_id, house.faces(model=NEW))
    assert "another model" in problem and s.likenesses.templates(NEW) == ()
    assert len(s.likenesses.never_me(NEW)) == 1, "it is handed over, so that everybody is refused"


def test_a_withdrawn_consent_is_not_enrolled_anew(house: Any) -> None:
    s = house.services
    consent_id, _ = house.active()
    s.consents.withdraw_on_paper(house.steward, consent_id, "a letter")
    new = house.faces(model=NEW)
    assert s.consents.stale(new) == ()
    with pytest.raises(ConflictError):
        s.consents.reenrol(consent_id, new)


def test_withdrawn_while_it_is_enrolled_anew_leaves_no_template(house: Any) -> None:
    s = house.services
    consent_id, _ = house.active()
    new = house.faces(model=NEW)
    made = new.enrol

    def slow(photos: Any, least: int = 5) -> Any:
        s.consents.withdraw_on_paper(house.steward, consent_id, "a letter")
        return made(photos, least)

    new.enrol = slow
    with pytest.raises(ConflictError, match="meanwhile"):
        s.consents.reenrol(consent_id, new)
    assert s.likenesses.templates(NEW) == ()


def test_only_the_house_enrols_everybody_anew(house: Any) -> None:
    with pytest.raises(AccessError):
        house.services.consents.reenrol_all(house.researcher, house.faces(model=NEW))
