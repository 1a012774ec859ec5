"""The strict mode: within 0.40, and a reviewer compares the faces before anything is made.

The gate is the real one with its rules, log and queue; looking, drawing and sealing are stood in
for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind
from primafacie.platform.consents import Change
from primafacie.platform.errors import AccessError, ConflictError, InputError, NotFoundError
from primafacie.platform.tables import consent_versions, consents, matches, requests
from primafacie.safeguards.asset import AssetNumber, SealedAsset
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.gate import Gate, Post
from primafacie.safeguards.inspector import Heard, Seen
from primafacie.safeguards.speaker import Voiceprint

MODEL = "fake@" + "0" * 64
ENROLLED = np.full(128, 0.1, np.float32)


class Road(Gate):
    """The gate over a face that is so far from the enrolled one."""

    def __init__(self, house: Any, far: float = 0.3, strict: bool = False) -> None:
        s = house.services
        self._post = Post(
            now=s.journal.clock, activated=s.policies.activated,
            permit_key=Ed25519PrivateKey.generate(), commitment_key=b"c" * 32,
            log_origin=s.log.origin, staging=s.vault.outputs, status_url=str,
            marks=s.keys.mark_keys(), production=False, strict=strict,
        )  # fmt: skip
        self._people, self._consents, self._policies = s.people, s.likenesses, s.policies.shipped
        self._journal, self._audience = s.queue, "studio-1"
        self._engines = SimpleNamespace(identities=("photo-warp", "speech-motion"))
        self._studio = SimpleNamespace(warm=lambda: None, let_go=lambda: None)
        self.inspector: Any = SimpleNamespace(rest=lambda: None)
        self._vector = ENROLLED.copy()
        self._vector[0] += far
        self.before_release: Callable[[], None] = lambda: None

    def _look(self, request: Any) -> Any:
        return Seen(1, 1, (), MODEL, self._vector, ""), Heard(2000, Voiceprint(0.0))

    def _perform(self, facts: Any, permit: Any) -> Any:
        return SimpleNamespace(frames=iter(()))

    def _sealed(self, facts: Any, decision: Any, permit: Any, clip: Any) -> SealedAsset:
        path = self._post.staging / f"{facts.request.rid}.{facts.request.claim}.mp4"
        path.write_bytes(b"sealed")
        self.before_release()
        digest = sha256_hex(path.read_bytes())
        return SealedAsset(path, AssetNumber(99), "0" * 32, "urn:c2pa:test", digest, digest, 1,
                           2.0, 512, 512, 25.0, 50, self._post.now(), b"")  # fmt: skip


@pytest.fixture
def strict(house: Any) -> Iterator[tuple[str, str]]:
    """(consent, token) of a strict consent in force."""
    consent_id, token = house.captured(voice_source="synthetic", strict=True)
    consents = house.services.consents
    assert consents.enrol(consent_id, house.faces(vector=ENROLLED)) == ""
    consents.activate(house.reviewer, consent_id, watched=True)
    yield consent_id, token


def ask(house: Any, consent_id: str, **road: Any) -> tuple[Any, str]:
    """(what the gate said, the request) of a new request."""
    view = house.submit(consent_id, voice_synthetic=True)
    return go_on(house, **road), view.rid


def go_on(house: Any, **road: Any) -> Any:
    request = house.services.queue.claim("w", "cpu")
    return None if request is None else Road(house, **road).produce(request)


def state(house: Any, rid: str) -> str:
    return str(house.services.requests.show(house.researcher, rid).state)


def test_nothing_is_made_until_a_reviewer_has_compared_the_faces(house: Any, strict: Any) -> None:
    said, rid = ask(house, strict[0])
    assert isinstance(said, Refused) and said.waits
    assert go_on(house) is None, "no worker takes it up before somebody has answered"
    assert house.leaves(rid) == ["request.received", "match.asked"]
    assert list(house.services.vault.outputs.iterdir()) == []

    (match,) = house.services.confirmations.waiting(house.reviewer)
    assert match.rid == rid and match.known
    house.services.confirmations.answer(house.reviewer, rid, same=True)
    go_on(house)
    assert state(house, rid) == "released"
    assert house.leaves(rid) == [
        "request.received", "match.asked", "match.answered", "decision.generate", "permit.issued",
        "output.released",
    ]  # fmt: skip


def test_a_reviewers_no_is_the_end_of_it(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    house.services.confirmations.answer(house.reviewer, rid, same=False)
    said = go_on(house)
    assert isinstance(said, Refused) and not said.waits
    (reason,) = said.reasons
    assert reason.rule == "match_confirmed" and "said no" in reason.sentence
    assert state(house, rid) == "refused"
    assert house.leaves(rid)[-2:] == ["match.answered", "decision.refused"]
    assert house.services.confirmations.waiting(house.reviewer) == ()


def test_no_answer_in_three_days_is_a_no(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    house.watch.move(hours=73)
    with house.services.journal.writing() as tx:  # the queue's own clock cannot be moved
        tx.execute(requests.update().where(requests.c.id == rid).values(run_after=0))
    with pytest.raises(NotFoundError):
        house.services.confirmations.answer(house.reviewer, rid, same=True)
    said = go_on(house)
    assert "no reviewer answered in time" in said.reasons[0].sentence
    assert state(house, rid) == "refused"


def test_an_answer_grows_old_too(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    house.services.confirmations.answer(house.reviewer, rid, same=True)
    house.watch.move(hours=73)
    assert isinstance(go_on(house), Refused) and state(house, rid) == "refused"


def test_the_queue_brings_an_unanswered_request_back_by_itself(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    chosen = sa.select(requests.c.run_after).where(requests.c.id == rid)
    with house.services.database.read() as tx:
        from primafacie.platform.database import now_ms

        due = timedelta(milliseconds=tx.execute(chosen).scalar_one() - tx.execute(
            sa.select(now_ms())).scalar_one())  # fmt: skip
    assert timedelta(hours=71) < due <= timedelta(hours=72)


def test_whoever_has_a_part_in_it_cannot_confirm(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    confirmations = house.services.confirmations
    for nobody in (house.steward, house.researcher, house.auditor, house.admin):
        with pytest.raises(AccessError):
            confirmations.answer(nobody, rid, same=True)
    asks_too = house.services.accounts.add(
        None, email="two@example.org", name="Two", password="p" * 12,
        roles=("researcher", "reviewer"),
    )  # fmt: skip
    with house.services.journal.writing() as tx:
        tx.execute(requests.update().where(requests.c.id == rid).values(requester=asks_too.user_id))
    assert confirmations.waiting(asks_too) == ()
    with pytest.raises(AccessError, match="somebody else"):
        confirmations.answer(asks_too, rid, same=True)
    with pytest.raises(AccessError):
        confirmations.picture(asks_too, rid, "photo")


@pytest.mark.parametrize("part", ["drafted the consent", "shares a mailbox with who asks"])
def test_a_reviewer_with_a_part_in_the_consent_cannot_confirm(
    house: Any, strict: Any, part: str
) -> None:
    _, rid = ask(house, strict[0])
    box, host = house.researcher.email.split("@")
    email = f"{box}+again@{host}" if "mailbox" in part else "third@example.org"
    third = house.services.accounts.add(
        None, email=email, name="Third", password="p" * 12, roles=("reviewer",)
    )
    if part == "drafted the consent":
        with house.services.journal.writing() as tx:
            tx.execute(consents.update().values(steward=third.user_id))
    assert house.services.confirmations.waiting(third) == ()
    for same in (True, False):
        with pytest.raises(AccessError):
            house.services.confirmations.answer(third, rid, same=same)


def test_only_the_first_answer_counts(house: Any, strict: Any) -> None:
    _, rid = ask(house, strict[0])
    house.services.confirmations.answer(house.reviewer, rid, same=False)
    with pytest.raises(NotFoundError):
        house.services.confirmations.answer(house.reviewer, rid, same=True)


def test_a_face_beyond_0_40_is_refused_at_once_and_nobody_is_asked(house: Any, strict: Any) -> None:
    said, rid = ask(house, strict[0], far=0.41)
    assert {r.rule for r in said.reasons} == {"strict_distance", "match_confirmed"}
    assert state(house, rid) == "refused" and house.leaves(rid)[-1] == "decision.refused"


def test_what_is_refused_anyway_is_not_shown_to_anybody(house: Any, strict: Any) -> None:
    view = house.submit(strict[0], voice_synthetic=True, purpose="dubbing")
    go_on(house)
    assert state(house, view.rid) == "refused"
    assert house.services.confirmations.waiting(house.reviewer) == ()


def test_an_answer_for_another_photo_or_before_a_change_counts_for_nothing(
    house: Any, strict: Any
) -> None:
    consent_id, token = strict
    _, rid = ask(house, consent_id)
    house.services.confirmations.answer(house.reviewer, rid, same=True)
    house.services.consents.pause(token)
    house.services.consents.resume(token)
    said = go_on(house)
    assert said.waits, "the consent is in another epoch: somebody is asked anew"
    house.services.confirmations.answer(house.reviewer, rid, same=True)
    with house.services.journal.writing() as tx:
        tx.execute(matches.update().values(photo_sha256="0" * 64))
    assert go_on(house).waits


def test_a_yes_written_into_the_database_is_none(house: Any, strict: Any) -> None:
    """The log, not the row, says what a reviewer said."""
    s = house.services
    _, rid = ask(house, strict[0])
    yes = {"state": "confirmed", "reviewer": house.reviewer.user_id}
    with s.journal.writing() as tx:
        tx.execute(matches.update().values(yes))
        tx.execute(requests.update().values(run_after=0))
    problems = s.logbook.verify(house.auditor).problems
    assert any("nobody confirmed in the log" in p and rid in p for p in problems)
    assert go_on(house).waits
    s.confirmations.answer(house.reviewer, rid, same=False)
    with s.journal.writing() as tx:
        tx.execute(matches.update().values(yes))
    assert go_on(house).waits, "a no is not turned into a yes"
    s.confirmations.answer(house.reviewer, rid, same=True)
    assert not any("confirmed" in p for p in s.logbook.verify(house.auditor).problems)
    go_on(house)
    assert state(house, rid) == "released"


def test_a_yes_does_not_last_longer_because_the_database_says_so(house: Any, strict: Any) -> None:
    s = house.services
    _, rid = ask(house, strict[0])
    s.confirmations.answer(house.reviewer, rid, same=True)
    house.watch.move(hours=73)
    with s.journal.writing() as tx:
        tx.execute(matches.update().values(ends_at=house.watch() + timedelta(days=9)))
    assert go_on(house).waits and state(house, rid) == "queued"


@pytest.mark.parametrize("both", [True, False])
def test_a_yes_to_one_photo_is_not_moved_to_another(house: Any, strict: Any, both: bool) -> None:
    """By hand: in the request and in the answer, or in the request alone."""
    consent_id, _ = strict
    s = house.services
    _, rid = ask(house, consent_id)
    s.confirmations.answer(house.reviewer, rid, same=True)
    other = s.consents.show(house.steward, consent_id).photos[1].sha256
    with s.journal.writing() as tx:
        if both:
            tx.execute(matches.update().values(photo_sha256=other))
        tx.execute(requests.update().where(requests.c.id == rid).values(photo_sha256=other))
    if both:
        assert any("confirmed" in p for p in s.logbook.verify(house.auditor).problems)
    assert go_on(house).waits


def test_a_question_from_before_a_change_is_asked_anew_at_once(house: Any, strict: Any) -> None:
    consent_id, token = strict
    _, rid = ask(house, consent_id)
    house.services.consents.pause(token)
    house.services.consents.resume(token)
    assert house.services.confirmations.waiting(house.reviewer) == ()
    with pytest.raises(NotFoundError):
        house.services.confirmations.answer(house.reviewer, rid, same=True)
    assert go_on(house).waits, "nobody waits three days for an answer that counts for nothing"
    assert [m.rid for m in house.services.confirmations.waiting(house.reviewer)] == [rid]


def test_one_consent_that_cannot_be_read_does_not_empty_everybodys_list(
    house: Any, strict: Any
) -> None:
    _, first = ask(house, strict[0])
    consent_id, _ = house.captured(voice_source="synthetic", strict=True)
    consents = house.services.consents
    consents.enrol(consent_id, house.faces(vector=ENROLLED + 1))
    consents.activate(house.reviewer, consent_id, watched=True)
    second = house.submit(consent_id, voice_synthetic=True).rid
    road = Road(house)
    road._vector = ENROLLED + 1
    assert road.produce(house.services.queue.claim("w", "cpu")).waits
    waiting = house.services.confirmations.waiting
    assert {m.rid for m in waiting(house.reviewer)} == {first, second}
    with house.services.journal.writing() as tx:
        tx.execute(
            consent_versions.update().where(consent_versions.c.consent_id == strict[0])
            .values(envelope=b"{}")
        )  # fmt: skip
    assert [m.rid for m in waiting(house.reviewer)] == [second]


def test_a_withdrawal_ends_what_waits_for_a_comparison(house: Any, strict: Any) -> None:
    consent_id, token = strict
    _, rid = ask(house, consent_id)
    house.services.consents.withdraw(token)
    assert state(house, rid) == "cancelled"
    with pytest.raises(NotFoundError):
        house.services.confirmations.answer(house.reviewer, rid, same=True)


def test_a_confirmation_taken_away_while_it_is_drawn_withholds_the_video(
    house: Any, strict: Any
) -> None:
    _, rid = ask(house, strict[0])
    house.services.confirmations.answer(house.reviewer, rid, same=True)
    road = Road(house)
    road.before_release = lambda: house.watch.move(hours=73)
    said = road.produce(house.services.queue.claim("w", "cpu"))
    assert isinstance(said, Refused) and state(house, rid) == "withheld"
    assert list(house.services.vault.outputs.iterdir()) == []


def test_whoever_looks_is_logged_and_sees_photos_alone(house: Any, strict: Any) -> None:
    consent_id, _ = strict
    _, rid = ask(house, consent_id)
    confirmations = house.services.confirmations
    match = confirmations.show(house.reviewer, rid)
    assert {f for f in match.__dataclass_fields__} == {
        "rid", "registered", "known", "asked_at", "ends_at",
    }  # fmt: skip
    before = house.leaves(rid).count("log.read")
    photo = confirmations.picture(house.reviewer, rid, "photo")
    assert photo == house.submission(consent_id).photo
    assert all(confirmations.picture(house.reviewer, rid, one) for one in match.registered)
    assert house.leaves(rid).count("log.read") == before + 1 + len(match.registered)
    with pytest.raises(NotFoundError):
        confirmations.picture(house.reviewer, rid, "e" * 64)


def test_an_installation_can_ask_for_it_whatever_the_consent_says(house: Any) -> None:
    consent_id, _ = house.captured(voice_source="synthetic")
    consents = house.services.consents
    consents.enrol(consent_id, house.faces(vector=ENROLLED))
    consents.activate(house.reviewer, consent_id, watched=True)
    said, rid = ask(house, consent_id, strict=True)
    assert said.waits and state(house, rid) == "queued"
    _, other = ask(house, consent_id)
    assert state(house, other) == "released"


class TestOnePhotoAlone:
    """A reviewer compares nothing with itself."""

    @pytest.mark.parametrize("who", ["the offer", "the subject", "the installation"])
    def test_it_cannot_be_signed_for_where_a_consent_is_strict(
        self, house: Any, who: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        s = house.services
        settings = s.settings.model_copy(update={"strict_faces": who == "the installation"})
        tools = replace(s.consents._tools, settings=settings)
        monkeypatch.setattr(s.consents, "_tools", tools)
        view, link = house.draft(kind="artwork", strict=who == "the offer")
        s.consents.attach(house.steward, view.consent_id, "provenance", b"an oil painting")
        house.fill(link, photos=1)
        asked = {"strict": True} if who == "the subject" else {}
        with pytest.raises(InputError, match="at least 2 photos"):
            house.sign(link, **asked)
        house.fill(link, photos=1)
        assert house.sign(link, **asked).token

    def test_strict_cannot_be_asked_for_later_nor_the_second_photo_dropped(
        self, house: Any
    ) -> None:
        consents = house.services.consents
        view, link = house.draft(kind="self-declared", max_seconds=10, voice_source="synthetic")
        house.fill(link, photos=1)
        token = house.sign(link).token
        assert consents.enrol(view.consent_id, house.faces(vector=ENROLLED)) == ""
        consents.activate(house.reviewer, view.consent_id, watched=True)
        with pytest.raises(InputError, match="nothing with itself"):
            consents.prepare_change(token, Change(strict=True))

        view, link = house.draft(kind="self-declared", max_seconds=10, strict=True)
        house.fill(link, photos=2)
        token = house.sign(link).token
        consents.enrol(view.consent_id, house.faces(vector=ENROLLED + 1))
        consents.activate(house.reviewer, view.consent_id, watched=True)
        first = consents.show(house.steward, view.consent_id).photos[0].sha256
        with pytest.raises(InputError, match="keep 2 to"):
            consents.prepare_change(token, Change(photos=(first,)))

    def test_a_yes_counts_for_nothing_where_the_house_became_strict_afterwards(
        self, house: Any
    ) -> None:
        consents = house.services.consents
        view, link = house.draft(kind="self-declared", max_seconds=10, voice_source="synthetic")
        house.fill(link, photos=1)
        house.sign(link)
        consents.enrol(view.consent_id, house.faces(vector=ENROLLED))
        consents.activate(house.reviewer, view.consent_id, watched=True)
        said, rid = ask(house, view.consent_id, strict=True)
        assert said.waits
        with pytest.raises(ConflictError, match="nothing to compare"):
            house.services.confirmations.answer(house.reviewer, rid, same=True)
        house.services.confirmations.answer(house.reviewer, rid, same=False)
        go_on(house, strict=True)
        assert state(house, rid) == "refused"


class TestTheConsent:
    def test_a_subject_may_ask_for_it_where_the_house_did_not(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link)
        consents = house.services.consents
        consent_id = consents.invitation(link).view.consent_id
        house.sign(link, strict=True)
        assert consents.show(house.steward, consent_id).strict

    def test_asking_for_it_later_allows_less_and_holds_at_once(self, house: Any) -> None:
        consents = house.services.consents
        _, link = house.draft()
        house.fill(link)
        key = Ed25519PrivateKey.generate()
        consent_id = consents.invitation(link).view.consent_id
        prepared = consents.prepare(link, house.choices(link), dsse.public_bytes(key))
        token = consents.confirm(link, key.sign(prepared.tbs)).token
        consents.enrol(consent_id, house.faces())
        consents.activate(house.reviewer, consent_id, watched=True)
        prepared = consents.prepare_change(token, Change(strict=True))
        consents.sign_change(token, key.sign(prepared.tbs))
        assert consents.show(house.steward, consent_id).state == "active"
        prepared = consents.prepare_change(token, Change(strict=False))
        consents.sign_change(token, key.sign(prepared.tbs))
        assert consents.show(house.steward, consent_id).state == "captured", "more: reviewed anew"

    def test_what_the_house_asked_for_cannot_be_dropped(self, house: Any, strict: Any) -> None:
        with pytest.raises(InputError, match="confirms each match"):
            house.services.consents.prepare_change(strict[1], Change(strict=False))

    def test_records_from_before_it_keep_their_digest(self, house: Any) -> None:
        consent_id, _ = house.active()
        record = house.services.likenesses.find(consent_id).record
        assert b'"strict"' not in record.to_bytes() and b'"estate"' not in record.to_bytes()


def test_the_worker_says_that_it_waits_not_that_it_was_refused(house: Any, strict: Any) -> None:
    from contextlib import contextmanager

    from primafacie.platform.jobs import Worker

    @contextmanager
    def gate() -> Iterator[Any]:
        road = Road(house)
        road.inspector = house.faces(vector=ENROLLED)
        yield road

    house.submit(strict[0], voice_synthetic=True)
    (done,) = Worker(house.services, gate).run(once=True)
    assert done.state == "queued"
    assert Kind.MATCH_ASKED.value in house.kinds
