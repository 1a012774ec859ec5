"""Recordings of the challenge in the house: tries, time, what blocks, what a reviewer may do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from primafacie.platform.errors import AccessError, ConflictError, InputError
from primafacie.platform.tables import challenge_checks, outbox, subject_links
from primafacie.safeguards.consent import ConsentState


@pytest.fixture
def draft(house: Any) -> Any:
    """(consent id, link) of a living person's draft with its photos, nothing recorded."""
    view, link = house.draft()
    for seed in range(5):
        house.services.consents.add_photo(link, _photo(seed))
    return view.consent_id, link


def _photo(seed: int) -> bytes:
    import io

    from PIL import Image

    stream = io.BytesIO()
    pixels = np.random.default_rng(900 + seed).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_words_are_new_each_time_and_shown_only_when_the_recording_begins(
    house: Any, draft: Any
) -> None:
    consents = house.services.consents
    first, second = consents.begin(draft[1]), consents.begin(draft[1])
    assert first.words != second.words and len(set(second.words)) == 5
    assert second.tries_left == 1


def test_a_pre_recorded_capture_is_refused_without_a_challenge(house: Any, draft: Any) -> None:
    with pytest.raises(InputError, match="expired"):
        house.services.consents.add_video(draft[1], b"made yesterday")


def test_a_capture_that_comes_too_late_is_refused(house: Any, draft: Any) -> None:
    house.services.consents.begin(draft[1])
    house.watch.move(seconds=181)
    with pytest.raises(InputError, match="expired"):
        house.services.consents.add_video(draft[1], b"late")


def test_one_challenge_is_answered_once(house: Any, draft: Any) -> None:
    house.services.consents.begin(draft[1])
    house.services.consents.add_video(draft[1], b"first")
    with pytest.raises(InputError, match="expired"):
        house.services.consents.add_video(draft[1], b"second")


def test_a_replayed_capture_video_is_refused_by_its_bytes(house: Any, draft: Any) -> None:
    _, link = draft
    house.record(link)
    _, other = house.draft()
    house.services.consents.begin(other)
    with pytest.raises(InputError, match="earlier recording"):
        house.services.consents.add_video(other, b"a recording %d" % house.seed)


@pytest.mark.parametrize(
    "seen",
    [{"words": ("clock", "piano")}, {"faces": (2,) * 100}, {"heard": False, "words": ()},
     {"portraits": np.full((8, 128), 0.9, np.float32)}, {"seconds": 200.0}],
)  # fmt: skip
def test_what_fails_is_deleted_costs_a_try_and_cannot_be_signed(
    house: Any, draft: Any, seen: dict[str, Any]
) -> None:
    consent_id, link = draft
    house.record(link, **seen)
    invitation = house.services.consents.invitation(link)
    assert invitation.recording == "failed" and invitation.view.liveness == 0
    assert any(f.verdict == "failed" for f in invitation.findings)
    assert not house.services.consents.evidence(house.reviewer, consent_id)
    with pytest.raises(InputError, match="record the statement"):
        house.sign(link)


def test_after_three_tries_only_a_live_call_or_a_new_link_helps(house: Any, draft: Any) -> None:
    consent_id, link = draft
    for _ in range(3):
        house.record(link, words=())
    with pytest.raises(ConflictError, match="no try is left"):
        house.services.consents.begin(link)
    link = house.services.consents.new_link(house.steward, consent_id)
    assert house.services.consents.begin(link).tries_left == 2


def test_other_photos_make_the_recording_wait_again(house: Any, draft: Any) -> None:
    consent_id, link = draft
    house.record(link)
    consents = house.services.consents
    assert consents.invitation(link).recording == "passed"
    consents.add_photo(link, _photo(50))
    assert consents.invitation(link).recording == "waiting"
    assert consents.invitation(link).view.liveness == 0
    assert consent_id in consents.unmeasured()


def test_an_open_question_needs_the_reviewers_own_words(house: Any, draft: Any) -> None:
    consent_id, link = draft
    invited = house.services.consents.invitation
    house.record(link, voice=_silent())
    assert invited(link).recording == "open" and invited(link).view.liveness == 1
    house.sign(link)
    house.services.consents.enrol(consent_id, house.faces())
    with pytest.raises(ConflictError, match="note what you saw"):
        house.services.consents.activate(house.reviewer, consent_id, watched=True)
    view = house.services.consents.activate(
        house.reviewer, consent_id, watched=True, note="All five words are said, same person."
    )
    assert view.state == "active"
    findings = house.services.consents.findings(house.reviewer, consent_id)
    found = {f.check: f.verdict for f in findings}
    assert found["voice"] == found["lips and words"] == "unmeasured"
    with pytest.raises(AccessError):
        house.services.consents.findings(house.researcher, consent_id)


def test_the_voice_of_the_statement_becomes_the_template_and_goes_with_the_consent(
    house: Any, draft: Any
) -> None:
    consent_id, link = draft
    house.record(link)
    token = house.sign(link).token
    house.services.consents.enrol(consent_id, house.faces())
    house.services.consents.activate(house.reviewer, consent_id, watched=True)
    found = house.services.likenesses.find(consent_id)
    assert found.voice is not None and found.voice.seconds == 12.0
    assert found.voice.vector.shape == (256,)
    house.services.consents.withdraw(token)
    with house.services.database.read() as tx:
        assert tx.execute(sa.select(challenge_checks)).first() is None
    assert house.services.likenesses.find(consent_id).voice is None


def test_two_consents_of_one_person_are_linked_by_a_reviewer_alone(house: Any) -> None:
    consents, likenesses = house.services.consents, house.services.likenesses
    near = np.zeros(128, np.float32)
    first, _ = house.captured()
    consents.enrol(first, house.faces(vector=near))
    second, _ = house.captured()
    problem = consents.enrol(second, house.faces(vector=near + 0.01))
    assert "close to 1 other" in problem, "a consent under review is a neighbour too"
    assert consents.alike(house.reviewer, second) == (first,)
    subject = consents.show(house.steward, second).subject_id
    assert likenesses.same_person(subject) == frozenset()
    with pytest.raises(AccessError):
        consents.same_person(house.steward, second, first)
    consents.same_person(house.reviewer, second, first)
    other = consents.show(house.steward, first).subject_id
    assert likenesses.same_person(subject) == {other}
    assert consents.alike(house.reviewer, second) == ()
    consents.reject(house.reviewer, first, "withdrawn by word of mouth")
    with house.services.database.read() as tx:
        assert tx.execute(sa.select(subject_links)).first() is None


def told(house: Any, consent_id: str) -> list[str]:
    chosen = sa.select(outbox.c.event).where(outbox.c.consent_id == consent_id)
    with house.services.database.read() as tx:
        return list(tx.execute(chosen).scalars())


def test_two_faces_nobody_compared_are_not_one_person_by_way_of_a_third(house: Any) -> None:
    consents, likenesses = house.services.consents, house.services.likenesses
    ids = []
    for far in (0.0, 0.4, 0.8):  # the first and the last are 0.8 apart
        vector = np.zeros(128, np.float32)
        vector[0] = far
        ids.append(house.captured()[0])
        consents.enrol(ids[-1], house.faces(vector=vector))
    a, b, c = ids
    consents.same_person(house.reviewer, b, a)
    consents.same_person(house.reviewer, b, c)
    subject = {i: consents.show(house.steward, i).subject_id for i in ids}
    assert likenesses.same_person(subject[b]) == {subject[a], subject[c]}
    assert likenesses.same_person(subject[a]) == {subject[b]}
    with pytest.raises(ConflictError, match="not near enough"):
        consents.same_person(house.reviewer, a, c)


def test_a_link_is_told_to_both_and_can_be_taken_back(house: Any) -> None:
    consents, likenesses = house.services.consents, house.services.likenesses
    first, second = house.captured()[0], house.captured()[0]
    for one in (first, second):
        consents.enrol(one, house.faces(vector=np.zeros(128, np.float32)))
    consents.same_person(house.reviewer, second, first)
    assert consents.linked(house.reviewer, first) == (second,)
    with pytest.raises(AccessError):
        consents.not_same_person(house.steward, first, second)
    consents.not_same_person(house.reviewer, first, second)
    assert consents.linked(house.reviewer, first) == ()
    assert likenesses.same_person(consents.show(house.steward, first).subject_id) == frozenset()
    for one in (first, second):
        assert {"consent.same_person", "consent.not_same_person"} <= set(told(house, one))
    assert house.kinds.count("consent.linked") == 4
    with pytest.raises(ConflictError, match="nobody found"):
        consents.not_same_person(house.reviewer, first, second)


def test_two_faces_that_are_apart_are_never_one_person(house: Any) -> None:
    consents = house.services.consents
    first, _ = house.captured()
    consents.enrol(first, house.faces(vector=np.zeros(128, np.float32)))
    second, _ = house.captured()
    consents.enrol(second, house.faces(vector=np.full(128, 0.05, np.float32)))  # 0.57 apart
    with pytest.raises(ConflictError, match="not near enough"):
        consents.same_person(house.reviewer, second, first)


def test_photos_of_somebody_else_than_in_the_recording_get_no_template(
    house: Any, draft: Any
) -> None:
    consent_id, link = draft
    house.record(link)
    house.sign(link)
    stranger = house.faces(vector=np.full(128, 0.9, np.float32), model="seen@" + "0" * 64)
    assert "do not show the person in the recording" in house.services.consents.enrol(
        consent_id, stranger
    )
    view = house.services.consents.show(house.steward, consent_id)
    assert not view.enrolled and view.state == ConsentState.UNDER_REVIEW


def test_the_gallery_is_built_anew_when_somebody_leaves(house: Any, draft: Any) -> None:
    consent_id, link = draft
    house.record(link)
    token = house.sign(link).token
    faces = house.faces()
    house.services.consents.enrol(consent_id, faces)
    house.services.consents.activate(house.reviewer, consent_id, watched=True)
    likenesses = house.services.likenesses
    assert len(likenesses.gallery(faces.model).rows) == 1
    assert likenesses.gallery(faces.model) is likenesses.gallery(faces.model)
    house.services.consents.withdraw(token)
    assert not likenesses.gallery(faces.model).rows


def test_the_gallery_opens_each_template_once_and_forgets_who_left(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, token = house.active()
    two, _ = house.active()
    likenesses, subjects = house.services.likenesses, house.services.subjects
    model = house.faces().model
    opened: list[str] = []
    known = subjects.open_by
    monkeypatch.setattr(
        type(subjects), "open_by",
        lambda self, wrapped, subject, *rest: opened.append(subject)
        or known(wrapped, subject, *rest),
    )  # fmt: skip
    assert len(likenesses.gallery(model).rows) == 2 and len(opened) == 2
    three, _ = house.active()
    opened.clear()  # putting a consent in force compares it with its neighbours
    assert len(likenesses.gallery(model).rows) == 3 and len(opened) == 1, "the new one alone"
    house.services.consents.withdraw(token)
    assert len(likenesses.gallery(model).rows) == 2 and len(opened) == 1
    assert {consent for consent, *_ in likenesses._opened} == {two, three}, one


def _silent() -> Any:
    from primafacie.safeguards.speaker import Voiceprint

    return Voiceprint(2.0)
