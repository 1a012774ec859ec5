"""Minors, invented and painted people: who needs more than their own word."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.platform.consents import Change
from primafacie.platform.drawn import Exposure, evidence, redrawn
from primafacie.platform.errors import ConflictError, InputError
from primafacie.platform.sitter import SITTERS
from primafacie.platform.tables import consents
from primafacie.platform.walkthrough import Own, Walkthrough
from primafacie.safeguards.consent import ConsentRecord
from primafacie.safeguards.errors import ConsentError

VECTOR = np.full(128, 0.1, np.float32)
INVENTED = next(s for s in SITTERS if s.name == "Kofi")  # cropped hair is drawn soonest
SHOTS = [Exposure(256, yaw=yaw) for yaw in (0, 2, 4, 6, 8)]
NOTE = "The catalogue of the museum dates it to 1652."


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
    assert s.activate(house.reviewer, consent_id, watched=True, note=NOTE).state == "under_review"
    assert s.activate(house.reviewer, consent_id, watched=True, note=NOTE).state == "under_review"
    assert "consent.approved" in house.kinds and "consent.activated" not in house.kinds
    second = house.services.accounts.add(
        None, email="curator@example.org", name="C", password="p" * 12, roles=("reviewer",)
    )
    assert s.activate(second, consent_id, watched=True, note=NOTE).state == "active"


def test_the_demonstration_with_a_painting_has_two_curators_who_note_how_they_know(
    house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the house's own people have the addresses of the demonstration's
    add = house.services.accounts.add
    monkeypatch.setattr(
        type(house.services.accounts), "add",
        lambda self, by, *, email, **more: add.__func__(self, by, email=f"demo-{email}", **more),
    )  # fmt: skip
    own = Own(house.submission(house.active()[0]).photo, None, NOTE, "artwork")
    walk = Walkthrough(house.services, tmp_path, own)
    walk.gate = SimpleNamespace(inspector=house.faces(vector=VECTOR + 1))  # type: ignore[assignment]
    walk.people()
    walk.consent()
    assert walk.steps[-1].note == "consent active"
    assert house.kinds.count("consent.approved") == 1


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
    s.activate(house.reviewer, consent_id, watched=True, note=NOTE)
    assert s.activate(second, consent_id, watched=True, note=NOTE).state == "active"
    s.forget_biometrics(token)
    s.resume(token)
    s.enrol(consent_id, house.faces(vector=VECTOR))
    assert s.activate(house.reviewer, consent_id, watched=True, note=NOTE).state == "under_review"


def drawn(house: Any, source: bytes, photo: bytes) -> str:
    """An invented person whose only picture is this, with this source, enrolled."""
    view, link = house.draft(kind="synthetic", photo_mode="matched")
    s = house.services.consents
    s.attach(house.steward, view.consent_id, "provenance", source)
    for number in range(5):
        s.add_photo(link, photo if number == 0 else shots()[number])
    house.sign(link)
    assert s.enrol(view.consent_id, house.faces(vector=VECTOR)) == ""
    return str(view.consent_id)


@cache
def shots() -> tuple[bytes, ...]:
    return tuple(one.png(INVENTED.seed) for one in SHOTS)


def source() -> bytes:
    return evidence(INVENTED, SHOTS)


def test_an_invented_person_whom_a_machine_draws_again_needs_one_reviewer(house: Any) -> None:
    consent_id = drawn(house, source(), shots()[0])
    view = house.services.consents.activate(house.reviewer, consent_id, watched=True)
    assert view.state == "active"
    assert (view.photo_mode, view.label) == ("registered", "AI-generated"), "whatever was asked"


@pytest.mark.parametrize("said", [b"x", b"{}", b"made with seed 7", source(), source()[:-1]])
def test_a_real_person_called_synthetic_passes_no_machine_and_no_single_reviewer(
    house: Any, pictures: Any, said: bytes
) -> None:
    consent_id, s = drawn(house, said, pictures(1)[0]), house.services.consents
    with pytest.raises(ConflictError, match="note how you checked"):
        s.activate(house.reviewer, consent_id, watched=True)
    assert s.activate(house.reviewer, consent_id, watched=True, note=NOTE).state == "under_review"
    assert house.services.likenesses.find(consent_id).record.photo_mode == "registered"


def test_a_picture_of_another_sitter_is_not_what_the_source_says() -> None:
    digests = [sha256_hex(one) for one in shots()]
    assert redrawn(source(), digests[:2])
    assert not redrawn(source(), [*digests, sha256_hex(SHOTS[0].png(SITTERS[1].seed))])
    assert not redrawn(source(), [])


def test_an_invented_person_signs_nothing_without_a_label_or_for_any_photo(house: Any) -> None:
    record = house.services.likenesses.find(drawn(house, source(), shots()[0])).record
    for wrong in ({"label": ""}, {"photo_mode": "matched"}):
        with pytest.raises(ConsentError, match="carries a label"):
            replace(record, **wrong).check()


@pytest.fixture
def of_0_2_0(house: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str, Any]:
    """(consent, token, key) of an invented person, given when any photo and no label would do."""
    view, link = house.draft(kind="synthetic")
    s, key = house.services.consents, Ed25519PrivateKey.generate()
    with house.services.journal.writing() as tx:
        offer = tx.execute(sa.select(consents.c.offer)).scalar_one()
        tx.execute(consents.update().values(offer=offer | {"label": "", "photo_mode": "matched"}))
    s.attach(house.steward, view.consent_id, "provenance", source())
    for photo in shots():
        s.add_photo(link, photo)
    with monkeypatch.context() as then:
        then.setattr(ConsentRecord, "_later_rules", lambda self: ())
        prepared = s.prepare(link, house.choices(link), dsse.public_bytes(key))
        token = s.confirm(link, key.sign(prepared.tbs)).token
    assert s.enrol(view.consent_id, house.faces(vector=VECTOR)) == ""
    s.activate(house.reviewer, view.consent_id, watched=True)
    return view.consent_id, token, key


class TestARecordFromBeforeTheLabel:
    def test_takes_no_list_down_and_can_be_withdrawn(self, house: Any, of_0_2_0: Any) -> None:
        consent_id, token, _ = of_0_2_0
        s = house.services
        assert s.likenesses.find(consent_id).record.label == ""
        assert [one.consent_id for one in s.consents.listed(house.steward)] == [consent_id]
        s.consents.withdraw(token)
        assert s.consents.show(house.steward, consent_id).state == "withdrawn"

    def test_is_brought_up_to_date_by_any_change_that_is_signed(
        self, house: Any, of_0_2_0: Any
    ) -> None:
        consent_id, token, key = of_0_2_0
        s = house.services.consents
        prepared = s.prepare_change(token, Change(max_outputs=1))
        assert "the words in the picture" in prepared.text
        s.sign_change(token, key.sign(prepared.tbs))
        record = house.services.likenesses.find(consent_id).record
        assert (record.photo_mode, record.label) == ("registered", "AI-generated")
        assert s.show(house.steward, consent_id).state == "active", "it allows less"

    def test_is_not_signed_any_more(self, house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Prepared before the upgrade, signed after it."""
        view, link = house.draft(kind="synthetic")
        s, key = house.services.consents, Ed25519PrivateKey.generate()
        with house.services.journal.writing() as tx:
            offer = tx.execute(sa.select(consents.c.offer)).scalar_one()
            tx.execute(consents.update().values(offer=offer | {"label": ""}))
        s.attach(house.steward, view.consent_id, "provenance", source())
        for photo in shots():
            s.add_photo(link, photo)
        with pytest.raises(ConsentError, match="carries a label"):
            s.prepare(link, house.choices(link), dsse.public_bytes(key))
        with monkeypatch.context() as then:
            then.setattr(ConsentRecord, "_later_rules", lambda self: ())
            prepared = s.prepare(link, house.choices(link), dsse.public_bytes(key))
        with pytest.raises(ConsentError, match="carries a label"):
            s.confirm(link, key.sign(prepared.tbs))


@pytest.mark.parametrize(
    "broken",
    [
        b'{"size": Infinity}', b'{"size": 1e999}', b'{"size": NaN}', b'{"size": 256, "yaw": NaN}',
        b'{"size": 1.7e308}', b'{"size": 99999999999}', b'{"size": {}}', b'[]', b'null',
    ],
)  # fmt: skip
def test_evidence_made_to_break_the_worker_proves_nothing_and_does_not_break_it(
    broken: bytes,
) -> None:
    said = source()
    start, end = said.index(b'{"pitch"'), said.index(b"}") + 1
    digests = [sha256_hex(one) for one in shots()]
    assert redrawn(said, digests)
    assert not redrawn(said[:start] + broken + said[end:], digests)


def test_evidence_that_asks_for_hours_of_drawing_is_not_drawn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(self: Exposure, seed: int) -> bytes:
        raise AssertionError("drawn")

    monkeypatch.setattr(Exposure, "png", never)
    assert not redrawn(evidence(INVENTED, [Exposure(1536, yaw=y) for y in range(20)]), ["0" * 64])


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


def test_nobody_consents_for_a_pet(house: Any) -> None:
    with pytest.raises(InputError):
        house.draft(kind="pet")
