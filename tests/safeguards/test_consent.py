"""The consent record: what it must say, who must sign it, and how its state may move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from primafacie.audit import dsse
from primafacie.safeguards.consent import (
    LIFE_CYCLE,
    PAYLOAD_TYPE,
    PROHIBITED,
    ConsentRecord,
    ConsentState,
    check_move,
    check_successor,
    is_within,
    open_consent,
    sign_consent,
)
from primafacie.safeguards.errors import ConsentError

Make = Callable[..., ConsentRecord]
SUBJECT = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
PLATFORM = Ed25519PrivateKey.from_private_bytes(b"p" * 32)
STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)


def name(key: Ed25519PrivateKey) -> str:
    return dsse.key_id(dsse.public_bytes(key))


KEYS = {name(k): dsse.public_bytes(k) for k in (SUBJECT, PLATFORM, STRANGER)}


def test_a_record_survives_the_round_trip(make_record: Make) -> None:
    record = make_record(subject_key=name(SUBJECT))
    assert ConsentRecord.from_bytes(record.to_bytes()) == record
    assert open_consent(sign_consent(record, SUBJECT, PLATFORM), KEYS, name(PLATFORM)) == record


def test_a_platform_alone_cannot_speak_for_a_subject(make_record: Make) -> None:
    record = make_record(subject_key=name(SUBJECT))
    with pytest.raises(ConsentError):
        open_consent(sign_consent(record, PLATFORM), KEYS, name(PLATFORM))
    twice = sign_consent(record, PLATFORM, PLATFORM)
    with pytest.raises(ConsentError):
        open_consent(twice, KEYS, name(PLATFORM))


def test_a_platform_cannot_be_its_own_subject(make_record: Make) -> None:
    record = make_record(subject_key=name(PLATFORM))
    with pytest.raises(ConsentError):
        open_consent(sign_consent(record, PLATFORM, STRANGER), KEYS, name(PLATFORM))


def test_somebody_else_cannot_sign_for_the_subject(make_record: Make) -> None:
    record = make_record(subject_key=name(SUBJECT))
    with pytest.raises(ConsentError):
        open_consent(sign_consent(record, STRANGER, PLATFORM), KEYS, name(PLATFORM))


def test_one_changed_byte_is_noticed(make_record: Make) -> None:
    record = make_record(subject_key=name(SUBJECT))
    envelope = bytearray(sign_consent(record, SUBJECT, PLATFORM))
    for place in range(20, len(envelope), 37):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(ConsentError):
            open_consent(bytes(changed), KEYS, name(PLATFORM))


def test_a_statement_of_another_kind_is_not_a_consent(make_record: Make) -> None:
    body = make_record(subject_key=name(SUBJECT)).to_bytes()
    permit = dsse.sign(body, PAYLOAD_TYPE.replace("consent", "permit"), SUBJECT, PLATFORM)
    with pytest.raises(ConsentError):
        open_consent(permit, KEYS, name(PLATFORM))


@pytest.mark.parametrize(
    "change",
    [
        {"purposes": ()},
        {"purposes": ("advertising",)},
        {"prohibited": PROHIBITED[1:]},
        {"audience": "everybody"},
        {"photo_mode": "any"},
        {"voice_source": "anybody"},
        {"not_after": "2026-11-01T00:00:00+00:00"},
        {"not_after": "2037-11-24T00:00:00+00:00"},
        {"not_before": "2026-11-24T12:00:00"},
        {"not_before": "yesterday"},
        {"max_seconds": 0},
        {"version": 0},
        {"version": 2},
        {"prev_sha256": "0" * 64},
        {"subject_kind": "pet"},
        {"adult": "18"},
        {"subject_kind": "self-declared", "liveness": 1, "max_seconds": 10, "label": "x"},
        {"subject_kind": "self-declared", "liveness": 0, "max_seconds": 11, "label": "x"},
        {"subject_kind": "self-declared", "liveness": 0, "max_seconds": 10, "label": ""},
        {"schema": "primafacie.consent/2"},
        {"not_after": "2027-01-01T00:00:00-12:00"},  # the time-zone trick: half a day more
        {"not_before": "2026-11-24T00:00:00+14:00"},
        {"purposes": ("rese\u0430rch",)},  # scope look-alikes: a Cyrillic a
        {"requesters": ("rese\u0430rcher-1",)},
        {"projects": ("project-1\u200b",)},  # and a blank of no width
        {"languages": ("\uff45n",)},
        {"audience": "internal\u00a0"},
        {"purpose_text": "A study \u202eof lip reading"},  # text that reads backwards
        {"purpose_text": "A study of lip\u200breading"},
        {"controller": "Institute\x00"},
    ],
    ids=str,
)
def test_a_record_nobody_could_have_given_is_refused(
    change: dict[str, Any], make_record: Make
) -> None:
    with pytest.raises(ConsentError):
        make_record(**change).check()


def test_bytes_that_are_not_canonical_are_refused(make_record: Make) -> None:
    body = make_record().to_bytes()
    with pytest.raises(ConsentError):
        ConsentRecord.from_bytes(body.replace(b'":', b'": ', 1))
    with pytest.raises(ConsentError):
        ConsentRecord.from_bytes(body[:-1] + b',"extra":1}')


@given(st.binary(max_size=300))
def test_foreign_bytes_raise_the_consent_error_only(data: bytes) -> None:
    with pytest.raises(ConsentError):
        ConsentRecord.from_bytes(data)


def test_a_withdrawn_consent_never_comes_back() -> None:
    reachable, frontier = set(), {ConsentState.WITHDRAWN}
    while frontier:
        reachable |= frontier
        frontier = {n for s in frontier for n in LIFE_CYCLE[s]} - reachable
    assert reachable == {ConsentState.WITHDRAWN, ConsentState.ERASED}


def test_only_a_review_makes_a_consent_active() -> None:
    sources = {s for s, targets in LIFE_CYCLE.items() if ConsentState.ACTIVE in targets}
    assert sources == {ConsentState.UNDER_REVIEW, ConsentState.SUSPENDED}


def test_every_move_outside_the_life_cycle_raises() -> None:
    for old in ConsentState:
        for new in ConsentState:
            if new not in LIFE_CYCLE[old]:
                with pytest.raises(ConsentError):
                    check_move(old, new)


def test_a_new_version_names_the_one_before(make_record: Make) -> None:
    first = make_record()
    second = replace(first, version=2, prev_sha256=first.sha256)
    second.check()
    assert second.sha256 != first.sha256


class TestNewVersions:
    def successor(self, make_record: Make, **changes: Any) -> tuple[ConsentRecord, ConsentRecord]:
        old = make_record()
        return replace(old, version=2, prev_sha256=old.sha256, **changes), old

    @pytest.mark.parametrize(
        "change",
        [
            {"purposes": ("research",)},
            {"audience": "internal"},
            {"max_seconds": 5, "max_side": 512, "max_outputs": 1, "max_per_day": 1},
            {"languages": ("en",)},
            {"photos": ()},
            {"voices": ()},
            {"requesters": ()},
            {"not_after": "2026-12-01T00:00:00Z"},
            {"label": "AI-generated"},
            {"prohibited": (*PROHIBITED, "religion")},
        ],
        ids=str,
    )
    def test_less_is_within_what_was_allowed(
        self, change: dict[str, Any], make_record: Make
    ) -> None:
        new, old = self.successor(make_record, **change)
        check_successor(new, old)
        assert is_within(new, old) and (new == old or not is_within(old, new))

    @pytest.mark.parametrize(
        "change",
        [
            {"purposes": ("research", "education", "dubbing")},
            {"audience": "public"},
            {"max_seconds": 31},
            {"languages": ()},
            {"languages": ("en", "fr")},
            {"photos": ("0" * 64,)},
            {"photo_mode": "matched"},
            {"voice_source": "synthetic"},
            {"projects": ("project-1", "project-2")},
            {"not_after": "2029-01-01T00:00:00Z"},
            {"not_before": "2025-01-01T00:00:00Z"},
            {"purpose_text": "A study of something else."},
            {"jurisdiction": "US"},
            {"liveness": 2},
        ],
        ids=str,
    )
    def test_anything_more_is_not(self, change: dict[str, Any], make_record: Make) -> None:
        new, old = self.successor(make_record, **change)
        assert not is_within(new, old)

    @pytest.mark.parametrize(
        "change",
        [
            {"version": 3},
            {"version": 1},
            {"prev_sha256": "0" * 64},
            {"subject_key": "6" * 64},
            {"subject_id": "subject-2"},
            {"consent_id": "d" * 32},
            {"adult": "unknown"},
            {"subject_kind": "artwork"},
        ],
        ids=str,
    )
    def test_a_version_that_does_not_follow_is_refused(
        self, change: dict[str, Any], make_record: Make
    ) -> None:
        new, old = self.successor(make_record)
        with pytest.raises(ConsentError):
            check_successor(replace(new, **change), old)


def test_records_from_before_the_label_kept_its_place_keep_their_digest(
    make_record: Make,
) -> None:
    """Fields that came later stand in no bytes while nobody uses them."""
    plain = make_record()
    assert b"label_position" not in plain.to_bytes() and b"caption" not in plain.to_bytes()
    assert ConsentRecord.from_bytes(plain.to_bytes()) == plain
    asked = make_record(label_position="top-left", caption="start")
    assert ConsentRecord.from_bytes(asked.to_bytes()) == asked
    for wrong in ({"label_position": "middle"}, {"caption": "always"}, {"label_position": None}):
        with pytest.raises(ConsentError):
            make_record(**wrong).check()


def test_a_label_or_a_caption_once_demanded_is_not_narrowed_away(make_record: Make) -> None:
    asked = make_record(label_position="top-left", caption="start")
    more = {"version": 2, "prev_sha256": asked.sha256}
    assert is_within(replace(asked, **more, caption="both"), asked)
    assert is_within(replace(asked, **more), replace(asked, label_position="", caption=""))
    for less in ({"label_position": ""}, {"label_position": "bottom"}, {"caption": ""},
                 {"caption": "end"}):  # fmt: skip
        assert not is_within(replace(asked, **more, **less), asked)


#: As 0.2.0 wrote it: an invented person, any photo that matches, and no label.
OF_0_2_0 = (
    b'{"adult":"adult","audience":"review-panel","consent_id":"cccccccccccccccccccccccccccccccc",'
    b'"controller":"Institute for Testing","evidence":["provenance:'
    b'19b25856e1c150ca834cffc8b59b23adbd0ec0389e58eb22b3b64768098d002b"],"jurisdiction":"DE-BE",'
    b'"label":"","languages":["en","de"],"lawful_basis":"GDPR-6.1.a+9.2.a","liveness":1,'
    b'"max_outputs":10,"max_per_day":5,"max_seconds":30,"max_side":720,'
    b'"not_after":"2027-03-04T12:00:00+00:00","not_before":"2026-11-23T12:00:00+00:00",'
    b'"notice_language":"en",'
    b'"notice_sha256":"39ee8bb7afbcbd37fbdf9f33cd0a0b4f6a4bd0ba8f4a3c3ba2ea5b64cf9cf3e5",'
    b'"photo_mode":"matched","photos":[],"prev_sha256":"","prohibited":["sexual content",'
    b'"political persuasion","fraud or impersonation","endorsement","medical or legal advice",'
    b'"content addressed to children"],"projects":["project-1"],"purpose_text":"A study.",'
    b'"purposes":["research"],"requesters":[],"schema":"primafacie.consent/1",'
    b'"subject_id":"subject-1","subject_key":"%s","subject_kind":"synthetic","version":1,'
    b'"voice_source":"clips","voices":[]}'
) % name(SUBJECT).encode()


def test_a_record_of_0_2_0_without_a_label_still_opens_though_nobody_can_sign_it_now() -> None:
    envelope = dsse.sign(OF_0_2_0, PAYLOAD_TYPE, SUBJECT, PLATFORM)
    record = open_consent(envelope, KEYS, name(PLATFORM))
    assert (record.subject_kind, record.label, record.photo_mode) == ("synthetic", "", "matched")
    assert record.to_bytes() == OF_0_2_0
    with pytest.raises(ConsentError, match="carries a label"):
        record.check()
    with pytest.raises(ConsentError, match="carries a label"):
        sign_consent(record, SUBJECT, PLATFORM)
