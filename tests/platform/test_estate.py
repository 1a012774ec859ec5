"""Somebody who has died: an estate may speak for them, and by default the answer is no.

The sitter is drawn and never lived.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.platform.consents import Estate
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.notice import Notice
from primafacie.platform.plain_words import plain_words
from primafacie.safeguards.consent import ESTATE
from primafacie.safeguards.errors import ConsentError

VECTOR = np.full(128, 0.1, np.float32)
NOTE = "The certificate names the same person, born and dead on the days of the register."
WHO = Estate("Bea Drawn", "child", 2011, "I am the only heir, as the certificate says.", True)


def invited(house: Any, **more: Any) -> tuple[str, str]:
    """(consent id, link) of a draft for somebody who has died."""
    view, link = house.draft(**{"kind": "deceased", "voice_source": "synthetic", **more})
    return view.consent_id, link


def fill(house: Any, link: str, *documents: str) -> None:
    house.fill(link, photos=1)
    for kind in documents or ("death-record", "estate-proof"):
        house.services.consents.add_document(link, kind, b"%PDF-1.7 " + kind.encode())


def sign(house: Any, link: str, estate: Estate | None = WHO, **more: Any) -> str:
    """The token of the receipt."""
    return str(house.sign(link, estate=estate, **more).token)


def signed(house: Any) -> tuple[str, str]:
    """(consent id, token) of an estate's consent that waits for its reviewers."""
    consent_id, link = invited(house)
    fill(house, link)
    token = sign(house, link)
    assert house.services.consents.enrol(consent_id, house.faces(vector=VECTOR)) == ""
    return consent_id, token


def second(house: Any) -> Any:
    return house.services.accounts.add(
        None, email="second@example.org", name="S", password="p" * 12, roles=("reviewer",)
    )


def test_an_estate_with_every_document_and_two_reviewers_is_heard(house: Any) -> None:
    consent_id, _ = signed(house)
    s = house.services.consents
    assert s.activate(house.reviewer, consent_id, True, NOTE).state == "under_review"
    assert s.activate(house.reviewer, consent_id, True, NOTE).state == "under_review"
    assert s.activate(second(house), consent_id, True, NOTE).state == "active"
    record = house.services.likenesses.find(consent_id).record
    assert record.estate == "child" and record.photo_mode == "registered"
    assert {e.split(":")[0] for e in record.evidence} == set(ESTATE)


def test_the_statement_is_kept_word_for_word_and_signed_by_the_representatives_own_key(
    house: Any,
) -> None:
    consent_id, _ = signed(house)
    s = house.services.consents
    record = house.services.likenesses.find(consent_id).record
    (said,) = [e for e in s.evidence(house.reviewer, consent_id) if e.kind == "estate-statement"]
    assert f"estate-statement:{said.sha256}" in record.evidence
    text = s.evidence_bytes(house.reviewer, consent_id, said.sha256).decode()
    assert text.startswith("I, Bea Drawn, speak for Ada Drawn, who died in 2011. I am their child.")
    assert "I am the only heir, as the certificate says." in text
    assert record.subject_key != dsse.key_id(dsse.public_bytes(s._tools.platform_key))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "  "}, "who you are"),
        ({"relation": "admirer"}, "related"),
        ({"relation": ""}, "related"),
        ({"died": 1500}, "year"),
        ({"died": 3000}, "year"),
        ({"right": "I want to"}, "what makes it yours"),
        ({"right": "I am the only heir, believe me\u202e."}, "nobody can see"),
        ({"honest": False}, "true"),
    ],
)
def test_a_statement_that_lacks_something_is_refused(
    house: Any, change: dict[str, Any], told: str
) -> None:
    _, link = invited(house)
    fill(house, link)
    with pytest.raises(InputError, match=told):
        sign(house, link, replace(WHO, **change))


@pytest.mark.parametrize("missing", ["death-record", "estate-proof"])
def test_without_a_document_nobody_speaks_for_the_dead(house: Any, missing: str) -> None:
    _, link = invited(house)
    fill(house, link, *{"death-record", "estate-proof"} - {missing})
    with pytest.raises(InputError, match="add a document"):
        sign(house, link)


def test_nobody_signs_for_the_dead_as_if_for_themselves(house: Any) -> None:
    _, link = invited(house)
    fill(house, link)
    with pytest.raises(InputError, match="why you may decide"):
        sign(house, link, None)


def test_nobody_speaks_as_an_estate_for_the_living(house: Any) -> None:
    _, link = house.draft()
    house.fill(link)
    with pytest.raises(InputError, match="somebody who has died alone"):
        sign(house, link)
    with pytest.raises(ConflictError):
        house.services.consents.add_document(link, "death-record", b"%PDF-1.7")


def test_a_child_who_died_is_refused_and_what_was_given_is_deleted(house: Any) -> None:
    _, link = invited(house)
    fill(house, link)
    with pytest.raises(InputError, match="Only adults"):
        sign(house, link, adult="minor")
    with pytest.raises(LinkError):
        house.services.consents.invitation(link)


@pytest.mark.parametrize(
    "offer", [{"photo_mode": "matched"}, {"voice_source": "own"}], ids=lambda o: next(iter(o))
)
def test_only_registered_photos_and_no_recognised_voice_are_offered(
    house: Any, offer: dict[str, str]
) -> None:
    with pytest.raises(InputError, match="has died"):
        invited(house, **offer)


def test_a_living_persons_face_is_not_passed_off_as_a_dead_ones(house: Any) -> None:
    s = house.services.consents
    living, _ = house.captured()
    s.enrol(living, house.faces(vector=VECTOR))
    s.activate(house.reviewer, living, watched=True)
    consent_id, link = invited(house)
    fill(house, link)
    sign(house, link)
    assert "close to a living person" in s.enrol(consent_id, house.faces(vector=VECTOR + 0.001))
    with pytest.raises(ConflictError, match="no face template"):
        s.activate(house.reviewer, consent_id, True, NOTE)


def test_a_reviewer_says_what_the_documents_show(house: Any) -> None:
    consent_id, _ = signed(house)
    with pytest.raises(ConflictError, match="documents show"):
        house.services.consents.activate(house.reviewer, consent_id, True, "fine")


def test_whoever_invited_the_estate_does_not_review_it(house: Any) -> None:
    consent_id, _ = signed(house)
    with pytest.raises(AccessError):
        house.services.consents.activate(house.steward, consent_id, True, NOTE)


def test_a_reviewers_no_ends_it(house: Any) -> None:
    consent_id, _ = signed(house)
    assert house.services.consents.reject(house.reviewer, consent_id, NOTE).state == "rejected"


def test_a_record_without_its_evidence_is_none(house: Any) -> None:
    consent_id, _ = signed(house)
    record = house.services.likenesses.find(consent_id).record
    for broken in (
        {"estate": ""},
        {"evidence": record.evidence[:2]},
        {"photo_mode": "matched"},
        {"voice_source": "own"},
        {"adult": "unknown"},
        {"subject_kind": "living"},
    ):
        with pytest.raises(ConsentError):
            replace(record, **broken).check()


def test_the_representative_sees_uses_and_withdraws_like_anybody(house: Any) -> None:
    consent_id, token = signed(house)
    s = house.services.consents
    s.activate(house.reviewer, consent_id, True, NOTE)
    s.activate(second(house), consent_id, True, NOTE)
    house.submit(consent_id, voice_synthetic=True)
    assert len(s.mine(token).uses) == 1
    s.withdraw(token)
    assert s.show(house.steward, consent_id).state == "withdrawn"


def test_documents_and_statement_go_with_the_rest(house: Any) -> None:
    consent_id, token = signed(house)
    s = house.services.consents
    digests = [e.sha256 for e in s.evidence(house.reviewer, consent_id)]
    s.erase(token)
    for digest in digests:
        with pytest.raises(NotFoundError):
            house.services.vault.get(digest)


def test_a_change_keeps_what_the_estate_stated(house: Any) -> None:
    from primafacie.platform.consents import Change

    consent_id, link = invited(house)
    fill(house, link)
    s, key = house.services.consents, Ed25519PrivateKey.generate()
    choices = house.choices(link, estate=WHO, purposes=("research", "education"))
    prepared = s.prepare(link, choices, dsse.public_bytes(key))
    token = s.confirm(link, key.sign(prepared.tbs)).token
    s.enrol(consent_id, house.faces(vector=VECTOR))
    s.activate(house.reviewer, consent_id, True, NOTE)
    s.activate(second(house), consent_id, True, NOTE)
    prepared = s.prepare_change(token, Change(purposes=("research",)))
    s.sign_change(token, key.sign(prepared.tbs))
    assert s.show(house.steward, consent_id).state == "active"


class TestTheWords:
    def test_the_notice_is_the_estates_own(self, house: Any) -> None:
        _, link = invited(house)
        notice = house.services.consents.invitation(link).notice
        assert notice.title == "Speaking for somebody who has died"
        assert notice == Notice.of(house.services.settings, "deceased")

    def test_the_record_says_who_speaks(self, house: Any) -> None:
        consent_id, _ = signed(house)
        record = house.services.likenesses.find(consent_id).record
        told = dict(plain_words(record))
        assert "has died" in told["Whose face"] and "child" in told["Who speaks"]
        assert told["Age"] == "you say that they were an adult"
