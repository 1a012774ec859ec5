"""A consent from invitation to erasure: who may do what, in which order, and what follows."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.entry import Kind
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.receipts import verify_receipt
from primafacie.platform.tables import consents
from primafacie.safeguards.consent import ConsentState
from primafacie.safeguards.errors import ConsentError, FaceError


class TestCapture:
    def test_the_subject_signs_and_the_record_says_what_was_chosen(self, house: Any) -> None:
        view, link = house.draft()
        house.fill(link)
        receipt = house.sign(link, purposes=("education",), days=10)
        found = house.services.likenesses.find(view.consent_id)
        assert found.state is ConsentState.CAPTURED
        assert found.record.purposes == ("education",)
        assert len(found.record.photos) == 5 and found.record.liveness == 1
        assert receipt.token and house.kinds.count("consent.captured") == 1

    def test_a_link_works_once(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link)
        house.sign(link)
        for attempt in (
            lambda: house.services.consents.invitation(link),
            lambda: house.services.consents.confirm(link, b"x" * 64),
            lambda: house.services.consents.decline(link),
        ):
            with pytest.raises(LinkError):
                attempt()

    def test_a_link_dies_after_its_days(self, house: Any) -> None:
        _, link = house.draft()
        house.watch.move(days=house.services.settings.link_days)
        with pytest.raises(LinkError):
            house.services.consents.invitation(link)

    def test_a_new_link_kills_the_old_one(self, house: Any) -> None:
        view, link = house.draft()
        newer = house.services.consents.new_link(house.steward, view.consent_id)
        with pytest.raises(LinkError):
            house.services.consents.invitation(link)
        assert house.services.consents.invitation(newer).display_name == "Ada Drawn"

    @pytest.mark.parametrize("link", ["", "x", "../etc", "a" * 43, "\0" * 40, "é" * 43])
    def test_a_guessed_link_leads_nowhere(self, house: Any, link: str) -> None:
        house.draft()
        with pytest.raises(LinkError):
            house.services.consents.invitation(link)

    def test_the_signature_of_another_key_is_refused(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link)
        key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
        prepared = house.services.consents.prepare(
            link, house.choices(link), dsse.public_bytes(key)
        )
        with pytest.raises(ConsentError):
            house.services.consents.confirm(link, other.sign(prepared.tbs))
        assert "consent.captured" not in house.kinds

    def test_the_platform_cannot_sign_as_the_subject(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link)
        key = house.services.keys.signer("consent_key")
        prepared = house.services.consents.prepare(
            link, house.choices(link), dsse.public_bytes(key)
        )
        with pytest.raises(ConsentError):
            house.services.consents.confirm(link, key.sign(prepared.tbs))

    def test_a_photo_added_after_the_last_look_voids_it(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link)
        key = Ed25519PrivateKey.generate()
        prepared = house.services.consents.prepare(
            link, house.choices(link), dsse.public_bytes(key)
        )
        house.fill(link, photos=1)
        with pytest.raises(ConflictError):
            house.services.consents.confirm(link, key.sign(prepared.tbs))

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"purposes": ()}, "at least one purpose"),
            ({"purposes": ("publication",)}, "offered purposes"),
            ({"adult": "unknown"}, "adult"),
            ({"audience": "public"}, "wider"),
            ({"days": 400}, "days"),
            ({"notice_sha256": "0" * 64}, "notice"),
        ],
    )
    def test_nobody_gives_more_than_was_offered(self, house: Any, change: Any, says: str) -> None:
        _, link = house.draft()
        house.fill(link)
        with pytest.raises(InputError, match=says):
            house.sign(link, **change)

    def test_too_few_photos_are_refused(self, house: Any) -> None:
        _, link = house.draft()
        house.fill(link, photos=4)
        with pytest.raises(InputError, match="at least 5 photos"):
            house.sign(link)

    def test_a_living_person_must_have_been_seen(self, house: Any, pictures: Any) -> None:
        view, link = house.draft()
        for one in pictures(5):
            house.services.consents.add_photo(link, one)
        with pytest.raises(InputError, match="record the statement"):
            house.sign(link)
        house.services.consents.witness(house.reviewer, view.consent_id)
        house.sign(link)
        assert house.services.likenesses.find(view.consent_id).record.liveness == 2

    def test_an_invented_person_needs_a_source_on_record(self, house: Any) -> None:
        view, link = house.draft(kind="synthetic")
        house.fill(link)
        with pytest.raises(InputError, match="where the picture comes from"):
            house.sign(link)
        source = house.services.consents.attach(
            house.steward, view.consent_id, "provenance", b"drawn by a program, seed 7"
        )
        house.sign(link)
        record = house.services.likenesses.find(view.consent_id).record
        assert f"provenance:{source}" in record.evidence

    def test_a_minor_is_turned_away_and_nothing_is_kept(self, house: Any) -> None:
        view, link = house.draft()
        house.fill(link)
        photo = house.services.consents.invitation(link).view.photos[0].sha256
        with pytest.raises(InputError, match="Only adults"):
            house.sign(link, adult="minor")
        shown = house.services.consents.show(house.steward, view.consent_id)
        assert shown.state == "withdrawn" and shown.photos == () and shown.display_name == ""
        with pytest.raises(NotFoundError):
            house.services.vault.get(photo)

    @pytest.mark.parametrize(
        "data", [b"", b"not a picture", b"GIF89a" + b"\0" * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50]
    )
    def test_a_photo_is_a_picture(self, house: Any, data: bytes) -> None:
        _, link = house.draft()
        with pytest.raises(InputError):
            house.services.consents.add_photo(link, data)

    def test_a_removed_photo_is_deleted(self, house: Any, pictures: Any) -> None:
        _, link = house.draft()
        (one,) = pictures(1)
        photo = house.services.consents.add_photo(link, one)
        assert house.services.consents.link_photo(link, photo.sha256) == one
        house.services.consents.remove_photo(link, photo.sha256)
        with pytest.raises(NotFoundError):
            house.services.vault.get(photo.sha256)

    def test_nothing_personal_lies_in_the_open(self, house: Any, pictures: Any) -> None:
        _, link = house.draft()
        (one,) = pictures(1)
        house.services.consents.add_photo(link, one)
        folder = house.services.settings.data_dir
        for file in folder.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert b"Ada Drawn" not in data and b"ada@example.org" not in data, file
                assert one not in data and link.encode() not in data, file


class TestReview:
    def test_four_eyes_hold_for_everybody_with_a_part_in_it(self, house: Any) -> None:
        project = house.project(members=(house.other.user_id,))
        consent_id, _ = house.captured(project_id=project)
        house.services.consents.enrol(consent_id, house.faces())
        both = house.services.accounts.set_roles(
            None, house.steward.user_id, ("steward", "reviewer")
        )
        for actor in (both, house.other):  # the steward who asked, a member of the project
            with pytest.raises(AccessError, match="second person"):
                house.services.consents.activate(actor, consent_id, watched=True)
        with pytest.raises(AccessError):
            house.services.consents.activate(house.researcher, consent_id, watched=True)
        view = house.services.consents.activate(house.reviewer, consent_id, watched=True)
        assert view.state == "active" and view.reviewer == house.reviewer.user_id

    def test_a_recording_nobody_watched_puts_nothing_in_force(self, house: Any) -> None:
        consent_id, _ = house.captured()
        house.services.consents.enrol(consent_id, house.faces())
        with pytest.raises(ConflictError, match="look at all the evidence"):
            house.services.consents.activate(house.reviewer, consent_id, watched=False)

    def test_photos_that_will_not_do_leave_only_rejection(self, house: Any) -> None:
        consent_id, _ = house.captured()
        problem = house.services.consents.enrol(
            consent_id, house.faces(problem="photo 2 cannot be used: blurred")
        )
        assert "blurred" in problem
        with pytest.raises(ConflictError, match="no face template"):
            house.services.consents.activate(house.reviewer, consent_id, watched=True)
        assert house.services.consents.reject(house.reviewer, consent_id, "blurred").state == (
            "rejected"
        )

    def test_somebody_on_the_never_me_list_cannot_be_enrolled(self, house: Any) -> None:
        vector = np.full(128, 0.1, np.float32)
        house.list_never_me("Somebody", house.faces(vector=vector))
        consent_id, _ = house.captured()
        problem = house.services.consents.enrol(consent_id, house.faces(vector=vector + 0.01))
        assert "never to be animated" in problem
        assert not house.services.consents.show(house.reviewer, consent_id).enrolled

    def test_a_look_alike_is_shown_to_the_reviewer(self, house: Any) -> None:
        vector = np.full(128, 0.1, np.float32)
        first, _ = house.captured()
        house.services.consents.enrol(first, house.faces(vector=vector))
        house.services.consents.activate(house.reviewer, first, watched=True)
        second, _ = house.captured()
        assert "close to 1 other" in house.services.consents.enrol(
            second, house.faces(vector=vector + 0.01)
        )

    def test_only_what_waits_for_review_can_be_activated(self, house: Any) -> None:
        consent_id, _ = house.captured()
        with pytest.raises(ConflictError):
            house.services.consents.activate(house.reviewer, consent_id, watched=True)

    def test_evidence_is_fixed_once_it_was_signed(self, house: Any) -> None:
        consent_id, _ = house.captured()
        with pytest.raises(ConflictError):
            house.services.consents.attach(house.steward, consent_id, "id-check", b"a card")

    def test_what_a_reviewer_opened_stands_beside_their_word(self, house: Any) -> None:
        s = house.services.consents
        consent_id, _ = house.captured()
        s.enrol(consent_id, house.faces())
        photos = s.show(house.reviewer, consent_id).photos
        for photo in (photos[0], photos[1], photos[0]):
            s.photo(house.reviewer, consent_id, photo.sha256)
        s.photo(house.steward, consent_id, photos[2].sha256)  # somebody else's look
        s.activate(house.reviewer, consent_id, watched=True)
        with house.services.database.read() as tx:
            log = house.services.log
            leaves = [log.leaf(tx, i) for i in range(log.size(tx))]
        (leaf,) = [leaf for leaf in leaves if leaf.kind is Kind.CONSENT_ACTIVATED]
        files = len(photos) + len(s.evidence(house.reviewer, consent_id))
        assert (leaf.fact("opened"), leaf.fact("files")) == (2, files)

    def test_looking_at_evidence_is_logged(self, house: Any) -> None:
        consent_id, _ = house.captured()
        (video,) = house.services.consents.evidence(house.reviewer, consent_id)
        before = house.kinds.count("log.read")
        data = house.services.consents.evidence_bytes(house.reviewer, consent_id, video.sha256)
        assert data.startswith(b"a recording")
        assert house.kinds.count("log.read") == before + 1

    def test_an_outsider_sees_no_consent(self, house: Any) -> None:
        consent_id, _ = house.active()
        stranger = house.services.accounts.add(
            None, email="s@example.org", name="S", password="p" * 12, roles=("researcher",)
        )
        with pytest.raises(NotFoundError):
            house.services.consents.show(stranger, consent_id)
        assert house.services.consents.listed(stranger) == ()
        assert [v.consent_id for v in house.services.consents.usable(house.researcher)] == [
            consent_id
        ]


class TestEnds:
    def test_pausing_is_the_subjects_and_only_the_subject_resumes(self, house: Any) -> None:
        consent_id, token = house.active()
        house.services.consents.pause(token)
        assert house.services.likenesses.find(consent_id).state is ConsentState.SUSPENDED
        with pytest.raises(AccessError):
            house.services.consents.release_hold(house.steward, consent_id)
        house.services.consents.resume(token)
        house.services.consents.suspend(house.steward, consent_id, "complaint")
        with pytest.raises(AccessError):
            house.services.consents.resume(token)
        assert house.services.consents.release_hold(house.steward, consent_id).state == "active"

    def test_withdrawing_ends_everything_at_once(self, house: Any) -> None:
        consent_id, token = house.active()
        waiting = house.submit(consent_id)
        running = house.submit(consent_id)
        claimed = house.services.queue.claim("w", "cpu")
        before = house.services.likenesses.find(consent_id)
        house.services.consents.withdraw(token, "I changed my mind")
        after = house.services.likenesses.find(consent_id)
        assert after.state is ConsentState.WITHDRAWN and after.epoch == before.epoch + 1
        assert after.template is None and before.template is not None
        show = house.services.requests.show
        ours, theirs = claimed.rid, ({waiting.rid, running.rid} - {claimed.rid}).pop()
        assert show(house.researcher, theirs).state == "cancelled"
        assert show(house.researcher, ours).cancel_asked
        assert house.services.likenesses.templates(before.template.model) == ()

    def test_withdrawn_is_terminal(self, house: Any) -> None:
        consent_id, token = house.active()
        house.services.consents.withdraw(token)
        for attempt in (
            lambda: house.services.consents.withdraw(token),
            lambda: house.services.consents.pause(token),
            lambda: house.services.consents.suspend(house.steward, consent_id, "x"),
            lambda: house.services.consents.activate(house.reviewer, consent_id, watched=True),
        ):
            with pytest.raises(ConflictError):
                attempt()

    def test_a_steward_withdraws_for_whoever_wrote_a_letter(self, house: Any) -> None:
        consent_id, _ = house.active()
        with pytest.raises(InputError):
            house.services.consents.withdraw_on_paper(house.steward, consent_id, " ")
        view = house.services.consents.withdraw_on_paper(house.steward, consent_id, "a letter")
        assert view.state == "withdrawn"

    def test_a_consent_runs_out(self, house: Any) -> None:
        consent_id, _ = house.active()
        house.watch.move(days=29)
        assert house.services.consents.expire() == 0
        house.watch.move(days=2)
        assert house.services.consents.expire() == 1
        assert house.services.likenesses.find(consent_id).state is ConsentState.EXPIRED

    def test_a_draft_nobody_answered_runs_out(self, house: Any) -> None:
        view, _ = house.draft()
        house.watch.move(days=30)
        assert house.services.consents.expire() == 1
        assert house.services.consents.show(house.steward, view.consent_id).state == "expired"

    def test_biometrics_do_not_outlive_three_idle_years(self, house: Any) -> None:
        consent_id, _ = house.active()
        with house.services.database.write() as tx:  # as if ten years had been agreed
            far = house.watch.at.replace(year=house.watch.at.year + 9)
            tx.execute(consents.update().values(not_after=far))
        house.watch.move(days=3 * 365 - 1)
        assert house.services.consents.expire() == 0
        house.watch.move(days=2)
        assert house.services.consents.expire() == 1
        assert house.services.likenesses.find(consent_id).template is None

    def test_erasing_takes_the_uploads_of_requests_too(self, house: Any) -> None:
        consent_id, token = house.active()
        view = house.submit(consent_id)
        house.services.consents.erase(token)
        for digest in (view.photo_sha256, view.voice_sha256):
            with pytest.raises(NotFoundError):
                house.services.vault.get(digest)

    def test_after_a_withdrawal_the_next_sweep_takes_them(self, house: Any) -> None:
        consent_id, token = house.active()
        view = house.submit(consent_id)
        house.services.consents.withdraw(token)
        assert house.services.requests.forget_uploads(house.watch()) == 1
        with pytest.raises(NotFoundError):
            house.services.vault.get(view.voice_sha256)

    def test_erasing_leaves_nothing_that_speaks_of_the_person(self, house: Any) -> None:
        consent_id, token = house.active()
        view = house.services.consents.show(house.steward, consent_id)
        pseudonym = self.pseudonym(house, view.subject_id)
        assert pseudonym
        house.services.consents.erase(token)
        shown = house.services.consents.show(house.steward, consent_id)
        assert shown.state == "erased" and shown.display_name == "" and shown.photos == ()
        assert self.pseudonym(house, view.subject_id) is None
        with pytest.raises(LinkError):
            house.services.consents.mine(token)
        with pytest.raises(NotFoundError):
            house.services.vault.get(view.photos[0].sha256)
        with pytest.raises(ConsentError):
            house.services.likenesses.find(consent_id)
        report = house.services.logbook.verify(house.auditor)
        assert report.ok, report.problems

    @staticmethod
    def pseudonym(house: Any, subject_id: str) -> str | None:
        with house.services.database.read() as tx:
            return house.services.log.pseudonym(tx, subject_id, "subject")

    def test_every_step_is_in_the_log_and_in_the_history(self, house: Any) -> None:
        consent_id, token = house.active()
        house.services.consents.pause(token)
        house.services.consents.resume(token)
        house.services.consents.withdraw(token)
        history = house.services.consents.show(house.steward, consent_id).history
        assert [step.state for step in history] == [
            "draft", "captured", "under_review", "active", "suspended", "active", "withdrawn",
        ]  # fmt: skip
        with house.services.database.read() as tx:
            kinds = [house.services.log.leaf(tx, step.log_index).kind.value for step in history]
        assert kinds == [
            "consent.draft", "consent.captured", "consent.captured", "consent.activated",
            "consent.suspended", "consent.resumed", "consent.withdrawn",
        ]  # fmt: skip


class TestReceipt:
    def test_it_verifies_offline_with_public_keys_alone(self, house: Any) -> None:
        _, token = house.active()
        receipt = house.services.consents.receipt(token)
        own = dsse.public_bytes(house.services.keys.signer("consent_key"))
        check = verify_receipt(receipt.data, platform_key=own, log_vkeys=house.services.log.vkeys)
        assert check.state == "active"
        assert json.loads(receipt.data)["your_page"].endswith(token)

    def test_the_house_copy_carries_no_token(self, house: Any) -> None:
        consent_id, token = house.active()
        copy = house.services.consents.current_receipt(house.steward, consent_id)
        assert token.encode() not in copy.data
        assert verify_receipt(copy.data).record.consent_id == consent_id

    @pytest.mark.parametrize("field", ["record", "statement", "leaf", "proof"])
    def test_any_changed_part_is_noticed(self, house: Any, field: str) -> None:
        _, token = house.active()
        body = json.loads(house.services.consents.receipt(token).data)
        middle = len(body[field]) // 2
        for at in (middle, middle + 1, middle + 2):
            letter = "A" if body[field][at] != "A" else "B"
            changed = {**body, field: body[field][:at] + letter + body[field][at + 1 :]}
            with pytest.raises(InputError):
                verify_receipt(json.dumps(changed).encode())

    def test_parts_of_two_receipts_do_not_mix(self, house: Any) -> None:
        first = json.loads(house.services.consents.receipt(house.active()[1]).data)
        second = json.loads(house.services.consents.receipt(house.active()[1]).data)
        for field in ("statement", "leaf"):
            mixed = {**first, field: second[field]}
            if field == "leaf":
                mixed["proof"] = second["proof"]
            with pytest.raises(InputError):
                verify_receipt(json.dumps(mixed).encode())

    @pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b'{"format":1}', b"[" * 10_000])
    def test_hostile_bytes_are_bad_input(self, data: bytes) -> None:
        with pytest.raises(InputError):
            verify_receipt(data)


class TestRegistry:
    def test_a_record_changed_in_the_database_is_not_believed(self, house: Any) -> None:
        from primafacie.platform.tables import consent_versions

        consent_id, _ = house.active()
        with house.services.database.write() as tx:
            envelope = tx.execute(consent_versions.select()).first().envelope
            body = json.loads(envelope)
            body["payload"] = body["payload"][:-8] + "AAAAAAA="
            tx.execute(consent_versions.update().values(envelope=json.dumps(body).encode()))
        with pytest.raises(ConsentError):
            house.services.likenesses.find(consent_id)

    def test_a_template_moved_to_another_consent_does_not_open(self, house: Any) -> None:
        from primafacie.platform.tables import templates

        first, _ = house.active()
        second, _ = house.active()
        with house.services.database.write() as tx:
            stolen = tx.execute(templates.select().where(templates.c.consent_id == first)).first()
            tx.execute(
                templates.update()
                .where(templates.c.consent_id == second)
                .values(vector_ct=stolen.vector_ct)
            )
        with pytest.raises(FaceError):
            house.services.likenesses.find(second)

    def test_suspended_people_stay_in_the_gallery(self, house: Any) -> None:
        consent_id, token = house.active()
        house.services.consents.pause(token)
        found = house.services.likenesses.find(consent_id)
        gallery = house.services.likenesses.templates(found.template.model)
        assert [owner for owner, _ in gallery] == [found.record.subject_id]

    def test_a_draft_is_no_consent(self, house: Any) -> None:
        view, _ = house.draft()
        assert house.services.likenesses.find(view.consent_id) is None
        assert house.services.likenesses.find("0" * 32) is None
