"""The words before signing: whatever a record allows is named in them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from primafacie.platform.plain_words import NOT_TOLD, plain_words, sentence
from primafacie.safeguards.consent import ConsentRecord

OTHER: dict[str, Any] = {
    "version": 2, "subject_kind": "artwork", "adult": "unknown", "jurisdiction": "DE-BE",
    "controller": "Somebody Else", "notice_language": "de", "purposes": ("dubbing",),
    "purpose_text": "Something quite different.", "prohibited": ("everything",),
    "requesters": ("a", "b", "c"), "projects": (), "audience": "public", "max_seconds": 7,
    "max_side": 333, "max_outputs": 3, "max_per_day": 2, "languages": ("fr",),
    "photo_mode": "matched", "photos": ("0" * 64,), "voice_source": "clips",
    "label_position": "top-left", "caption": "end",
    "voices": ("1" * 64,), "label": "AI", "not_before": "2020-01-01T00:00:00Z",
    "not_after": "2021-01-01T00:00:00Z", "liveness": 2, "evidence": (), "motion": True,
    "strict": True, "estate": "child",
}  # fmt: skip


@pytest.fixture
def record(house: Any) -> ConsentRecord:
    consent_id, _ = house.active()
    found: ConsentRecord = house.services.likenesses.find(consent_id).record
    return found


def test_every_field_is_told_or_is_no_permission() -> None:
    assert set(OTHER) | NOT_TOLD == {f.name for f in fields(ConsentRecord)}


def test_whatever_changes_what_is_allowed_changes_the_words(record: ConsentRecord) -> None:
    for name, value in OTHER.items():
        assert sentence(replace(record, **{name: value})) != sentence(record), name


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"photo_mode": "matched"}, "any other photo in which the system is sure"),
        ({"voice_source": "synthetic"}, "a synthetic voice, which is not yours"),
        ({"label": ""}, "AI-generated; it may be left out of a video for the research group"),
        ({"label": "AI-generated"}, "“AI-generated”, along the lower edge unless the requester"),
        ({"label": "AI-made", "label_position": "top-left"}, "“AI-made”, top left"),
        ({"label": "", "label_position": "bottom"}, "that it is AI-generated, bottom"),
        ({"caption": "both"}, "the first and the last three seconds"),
        ({"audience": "public"}, "anybody"),
        ({"motion": True}, "Movement can drive other faces"),
        ({"strict": True}, "each time a reviewer, who did not ask for the video, compares"),
        ({"estate": "executor"}, "for an estate, as executor"),
    ],
)
def test_the_words_name_it(record: ConsentRecord, change: dict[str, Any], says: str) -> None:
    assert says in sentence(replace(record, **change))


def test_no_word_is_empty(record: ConsentRecord) -> None:
    assert all(what and how for what, how in plain_words(record))
