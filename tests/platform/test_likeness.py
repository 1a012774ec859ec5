"""My likeness: what a subject sees, changes, takes away and ends, by the token on the receipt."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.audit.proof import verify_leaf
from primafacie.platform.cli.motion import _verdict
from primafacie.platform.consents import Change
from primafacie.platform.errors import (
    AccessError,
    ConflictError,
    InputError,
    LinkError,
    NotFoundError,
)
from primafacie.platform.export import MANDATORY
from primafacie.platform.notifications import Notifications
from primafacie.platform.receipts import verify_receipt
from primafacie.platform.tables import (
    companions,
    consent_versions,
    consents,
    motions,
    photo_offers,
    uploads,
)
from primafacie.safeguards.asset import AssetRecord
from primafacie.safeguards.consent import ConsentState
from primafacie.safeguards.errors import ConsentError, GateError


class Ada:
    """A subject with a key of her own and a consent in force."""

    def __init__(self, house: Any, offer: Any = None, **choices: Any) -> None:
        self.house, self.key = house, Ed25519PrivateKey.generate()
        view, link = house.draft(**(offer or {}))
        house.fill(link, photos=6)
        chosen = house.choices(link, **({"purposes": ("research",)} | choices))
        s = house.services.consents
        prepared = s.prepare(link, chosen, dsse.public_bytes(self.key))
        self.token = s.confirm(link, self.key.sign(prepared.tbs)).token
        self.id = view.consent_id
        self.review()

    def review(self) -> None:
        s = self.house.services.consents
        assert s.enrol(self.id, self.faces()) == ""
        s.activate(self.house.reviewer, self.id, watched=True)

    def faces(self, **given: Any) -> Any:
        """What looks at her face, and sees in a recording the movements that were asked for."""
        with self.house.services.database.read() as tx:
            asked = tx.execute(sa.select(consents.c.challenge).where(consents.c.id == self.id))
            return self.house.faces(moves=tuple(asked.scalar_one()["moves"]), **given)

    def change(self, **what: Any) -> Any:
        s = self.house.services.consents
        prepared = s.prepare_change(self.token, Change(**what))
        return s.sign_change(self.token, self.key.sign(prepared.tbs))

    @property
    def found(self) -> Any:
        return self.house.services.likenesses.find(self.id)


@pytest.fixture
def ada(house: Any) -> Ada:
    return Ada(house)


def release(house: Any, consent_id: str, *, movement: bytes = b"", **asked: Any) -> Any:
    """A released video, by the queue's own steps; the request's view."""
    return house.release(consent_id, movement=movement, **asked)


class TestPause:
    def test_a_subject_pauses_also_while_the_house_holds(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        s.suspend(house.steward, ada.id, "a question")
        s.pause(ada.token)
        assert s.show(house.steward, ada.id).held_by == "both"
        assert s.release_hold(house.steward, ada.id).state == "suspended"
        assert ada.found.state is ConsentState.SUSPENDED
        with pytest.raises(AccessError):
            s.release_hold(house.steward, ada.id)
        s.resume(ada.token)
        assert ada.found.state is ConsentState.ACTIVE

    def test_lifting_ones_pause_leaves_the_hold_of_the_house(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        s.pause(ada.token)
        s.suspend(house.steward, ada.id, "a question")
        s.resume(ada.token)
        assert s.show(house.steward, ada.id).held_by == "platform"
        assert ada.found.state is ConsentState.SUSPENDED
        with pytest.raises(AccessError):
            s.resume(ada.token)

    def test_every_hold_is_an_epoch_and_an_entry(self, ada: Ada) -> None:
        s, before = ada.house.services.consents, ada.found.epoch
        s.pause(ada.token)
        s.suspend(ada.house.steward, ada.id, "a question")
        assert ada.found.epoch == before + 2
        assert ada.house.kinds.count("consent.suspended") == 2

    def test_a_steward_cannot_lift_a_reviewers_hold_alone(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        s.suspend(house.reviewer, ada.id, "is this the person?")
        with pytest.raises(AccessError, match="second person"):
            s.release_hold(house.steward, ada.id)
        assert ada.found.state is ConsentState.SUSPENDED
        assert s.release_hold(house.reviewer, ada.id).state == "active"

    def test_a_second_person_lifts_a_stewards_hold(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        s.suspend(house.steward, ada.id, "a question")
        assert s.release_hold(house.reviewer, ada.id).state == "active"


class TestChange:
    def test_allowing_less_holds_at_once(self, ada: Ada) -> None:
        before = ada.found
        receipt = ada.change(max_seconds=5, max_outputs=3)
        after = ada.found
        assert after.state is ConsentState.ACTIVE and after.epoch > before.epoch
        assert (after.record.version, after.record.max_seconds) == (2, 5)
        assert after.record.prev_sha256 == before.record.sha256
        assert after.template is not None
        assert (after.template.vector == before.template.vector).all()
        check = verify_receipt(receipt.data)
        assert (check.state, check.record.version) == ("active", 2)

    def test_allowing_more_waits_for_a_reviewer(self, ada: Ada) -> None:
        ada.change(purposes=("research", "education"))
        assert ada.found.state is ConsentState.CAPTURED and ada.found.template is None
        ada.review()
        assert ada.found.record.purposes == ("research", "education")
        assert ada.found.state is ConsentState.ACTIVE and ada.found.record.version == 2

    def test_the_version_before_is_superseded_in_the_log(self, ada: Ada) -> None:
        old = ada.found.record.sha256
        ada.change(max_seconds=5)
        with ada.house.services.database.read() as tx:
            log = ada.house.services.log
            leaves = [log.leaf(tx, i) for i in range(log.size(tx))]
        (told,) = [leaf for leaf in leaves if leaf.kind is Kind.CONSENT_SUPERSEDED]
        assert told.fact("record_sha256") == old
        assert told.fact("by_sha256") == ada.found.record.sha256

    def test_nothing_goes_beyond_the_offer(self, ada: Ada) -> None:
        beyond: tuple[tuple[dict[str, Any], str], ...] = (
            ({"purposes": ()}, "withdraw instead"),
            ({"purposes": ("publication",)}, "offered"),
            ({"audience": "public"}, "wider"),
            ({"max_seconds": 31}, "30 seconds"),
            ({"days": 366}, "365 days"),
            ({"motion": True}, "not asked for"),
            ({"photos": ("0" * 64,)}, "no such photo"),
            ({"photos": ()}, "withdraw instead"),
            ({}, "nothing is different"),
        )
        for what, says in beyond:
            with pytest.raises(InputError, match=says):
                ada.change(**what)
        assert ada.found.record.version == 1

    def test_another_key_cannot_change_it(self, ada: Ada) -> None:
        s = ada.house.services.consents
        prepared = s.prepare_change(ada.token, Change(max_seconds=5))
        with pytest.raises(ConsentError):
            s.sign_change(ada.token, Ed25519PrivateKey.generate().sign(prepared.tbs))
        assert ada.found.record.version == 1

    def test_a_platform_only_signature_changes_nothing(self, ada: Ada) -> None:
        s = ada.house.services.consents
        prepared = s.prepare_change(ada.token, Change(max_seconds=5))
        with pytest.raises(ConsentError):
            s.sign_change(
                ada.token, ada.house.services.keys.signer("consent_key").sign(prepared.tbs)
            )

    def test_a_change_can_be_signed_once(self, ada: Ada) -> None:
        s = ada.house.services.consents
        prepared = s.prepare_change(ada.token, Change(max_seconds=5))
        signature = ada.key.sign(prepared.tbs)
        s.sign_change(ada.token, signature)
        with pytest.raises(ConflictError):
            s.sign_change(ada.token, signature)

    def test_a_hold_of_the_house_cannot_be_left_by_allowing_more(self, ada: Ada) -> None:
        ada.house.services.consents.suspend(ada.house.steward, ada.id, "a question")
        with pytest.raises(ConflictError, match="house holds"):
            ada.change(purposes=("research", "education"))
        ada.change(max_seconds=5)
        assert ada.found.state is ConsentState.SUSPENDED

    def test_a_permit_of_the_version_before_dies(self, ada: Ada) -> None:
        house, view = ada.house, ada.house.submit(ada.id)
        request, epoch = house.services.queue.claim("w", "cpu"), ada.found.epoch
        house.services.queue.record(
            LogEntry(Kind.PERMIT_ISSUED, view.rid, house.watch(), actor=request.requester_id)
        )
        ada.change(max_seconds=5)
        record = AssetRecord(7, view.rid, "a" * 64, "b" * 64, ada.id, "active", -1, b"", "")
        entry = LogEntry(Kind.OUTPUT_RELEASED, view.rid, house.watch())
        with pytest.raises(GateError, match="changed"):
            house.services.queue.release(request, epoch, record, entry)


class TestVersionRollback:
    """Somebody who can write to the database puts an old, wider version back in its place."""

    def rolled(self, ada: Ada, **values: Any) -> None:
        with ada.house.services.database.write() as tx:
            tx.execute(consents.update().where(consents.c.id == ada.id).values(version=1, **values))

    def test_an_older_version_is_not_believed_beside_a_newer_one(self, ada: Ada) -> None:
        ada.change(max_seconds=5)
        self.rolled(ada)
        with pytest.raises(ConsentError, match="newer"):
            _ = ada.found

    def test_a_newer_version_in_an_older_ones_place_is_not_believed(self, ada: Ada) -> None:
        ada.change(max_seconds=5)
        kept = consent_versions.c
        with ada.house.services.database.write() as tx:
            newer = tx.execute(sa.select(consent_versions).where(kept.version == 2)).one()
            tx.execute(consent_versions.delete().where(kept.version == 1))
            tx.execute(consent_versions.insert().values(**(newer._asdict() | {"version": 1})))
        with pytest.raises(ConsentError):
            _ = ada.found

    def test_a_link_missing_in_the_chain_is_noticed(self, ada: Ada) -> None:
        ada.change(max_seconds=5)
        with ada.house.services.database.write() as tx:
            tx.execute(consent_versions.delete().where(consent_versions.c.version == 1))
        with pytest.raises(ConsentError, match="not all there"):
            _ = ada.found


class TestPhotos:
    def test_a_photo_counts_once_it_is_signed_for(self, ada: Ada, pictures: Any) -> None:
        s, (one,) = ada.house.services.consents, pictures(1)
        offered = s.offer_photo(ada.house.steward, ada.id, one)
        assert offered.sha256 not in ada.found.record.photos
        assert s.my_photo(ada.token, offered.sha256) == one
        ada.change(photos=(*ada.found.record.photos, offered.sha256))
        assert offered.sha256 in ada.found.record.photos
        assert ada.found.state is ConsentState.CAPTURED
        assert s.mine(ada.token).photos_offered == ()

    def test_a_photo_that_is_not_wanted_is_deleted(self, ada: Ada, pictures: Any) -> None:
        s = ada.house.services.consents
        offered = s.offer_my_photo(ada.token, pictures(1)[0])
        s.decline_photo(ada.token, offered.sha256)
        with pytest.raises(NotFoundError):
            ada.house.services.vault.get(offered.sha256)

    def test_a_photo_taken_back_can_be_used_no_more(self, ada: Ada) -> None:
        gone, *kept = ada.found.record.photos
        ada.change(photos=tuple(kept))
        assert ada.found.state is ConsentState.ACTIVE
        assert gone not in ada.found.record.photos
        with pytest.raises(NotFoundError):
            ada.house.services.vault.get(gone)


#: The model and the face that the recording of a `House` shows.
SEEN = {"model": "seen@" + "0" * 64, "vector": np.full(128, 0.1, np.float32)}
STRANGER = np.full(128, 0.9, np.float32)


class OneStranger:
    """Sees her in every photo but one; the mean of many photos hides the stranger."""

    def __init__(self, faces: Any, photo: bytes) -> None:
        self._faces, self._photo, self.watch = faces, photo, faces.watch

    def enrol(self, photos: Any, least: int = 5) -> Any:
        seen = self._faces.enrol(photos, least)
        return replace(seen, vector=STRANGER) if photos == [self._photo] else seen


class TestPhotosOfAnotherPerson:
    """The record keeps saying "measured" or "witnessed": so it must stay true."""

    def test_photos_swapped_after_the_recording_get_no_template(
        self, ada: Ada, pictures: Any
    ) -> None:
        s = ada.house.services.consents
        new = [s.offer_my_photo(ada.token, one).sha256 for one in pictures(5)]
        ada.change(photos=tuple(new))
        problem = s.enrol(ada.id, ada.faces(**(SEEN | {"vector": STRANGER})))
        assert "do not show the person" in problem and ada.found.template is None
        with pytest.raises(ConflictError, match="no face template"):
            s.activate(ada.house.reviewer, ada.id, watched=True)

    def test_one_strangers_photo_hidden_in_a_mean_gets_no_template(
        self, ada: Ada, pictures: Any
    ) -> None:
        s, (one,) = ada.house.services.consents, pictures(1)
        new = s.offer_my_photo(ada.token, one).sha256
        ada.change(photos=(*ada.found.record.photos, new))
        problem = s.enrol(ada.id, OneStranger(ada.faces(**SEEN), one))
        assert "a new consent is needed" in problem and ada.found.template is None

    def test_a_new_photo_of_the_person_recorded_is_taken(self, ada: Ada, pictures: Any) -> None:
        s, (one,) = ada.house.services.consents, pictures(1)
        new = s.offer_my_photo(ada.token, one).sha256
        ada.change(photos=(*ada.found.record.photos, new))
        assert s.enrol(ada.id, ada.faces(**SEEN)) == ""
        s.activate(ada.house.reviewer, ada.id, watched=True)
        assert new in ada.found.record.photos and ada.found.template is not None

    def test_a_new_photo_measured_by_another_model_is_not_taken(
        self, ada: Ada, pictures: Any
    ) -> None:
        s, (one,) = ada.house.services.consents, pictures(1)
        new = s.offer_my_photo(ada.token, one).sha256
        ada.change(photos=(*ada.found.record.photos, new))
        assert "a new consent is needed" in s.enrol(ada.id, ada.faces())

    def test_photos_swapped_after_forgetting_the_face_get_no_template(
        self, ada: Ada, pictures: Any
    ) -> None:
        s = ada.house.services.consents
        s.forget_biometrics(ada.token)
        new = [s.offer_my_photo(ada.token, one).sha256 for one in pictures(5)]
        ada.change(photos=tuple(new))
        problem = s.enrol(ada.id, ada.faces(**(SEEN | {"vector": STRANGER})))
        assert "no recording is kept" in problem and ada.found.template is None

    def test_a_record_that_claims_a_recording_needs_one(self, ada: Ada) -> None:
        s = ada.house.services.consents
        s.forget_biometrics(ada.token)
        s.resume(ada.token)
        unlike = ada.faces(seen={"portraits": np.full((8, 128), 0.9, np.float32)}, **SEEN)
        assert "no recording is kept" in s.enrol(ada.id, unlike)

    def test_a_witnessed_record_takes_no_photo_the_witness_did_not_see(
        self, house: Any, pictures: Any
    ) -> None:
        s, key = house.services.consents, Ed25519PrivateKey.generate()
        view, link = house.draft()
        for one in pictures(5):
            s.add_photo(link, one)
        s.witness(house.reviewer, view.consent_id)
        prepared = s.prepare(link, house.choices(link), dsse.public_bytes(key))
        token = s.confirm(link, key.sign(prepared.tbs)).token
        s.enrol(view.consent_id, house.faces())
        s.activate(house.reviewer, view.consent_id, watched=True)
        record = house.services.likenesses.find(view.consent_id).record
        assert record.liveness == 2
        another = pictures(6)[5]
        for offer in (
            lambda: s.offer_my_photo(token, another),
            lambda: s.offer_photo(house.steward, view.consent_id, another),
        ):
            with pytest.raises(ConflictError, match="a new consent is needed"):
                offer()
        with house.services.database.write() as tx:  # one that was offered before this was refused
            tx.execute(photo_offers.insert().values(
                consent_id=view.consent_id, sha256="a" * 64, width=1, height=1,
                offered_by="subject", added_at=house.watch(),
            ))  # fmt: skip
        with pytest.raises(ConflictError, match="a new consent is needed"):
            s.prepare_change(token, Change(photos=(*record.photos, "a" * 64)))


class TestWhatWasPrepared:
    def test_a_photo_declined_after_preparing_cannot_be_signed(
        self, ada: Ada, pictures: Any
    ) -> None:
        s, (one,) = ada.house.services.consents, pictures(1)
        offered = s.offer_my_photo(ada.token, one).sha256
        prepared = s.prepare_change(ada.token, Change(photos=(*ada.found.record.photos, offered)))
        s.decline_photo(ada.token, offered)
        with pytest.raises(ConflictError, match="nothing to sign"):
            s.sign_change(ada.token, ada.key.sign(prepared.tbs))
        with ada.house.services.database.write() as tx:  # and where it was prepared in between
            tx.execute(consents.update().where(consents.c.id == ada.id).values(
                prepared=prepared.record, prepared_public=dsse.public_bytes(ada.key)
            ))  # fmt: skip
        with pytest.raises(ConflictError, match="no longer here"):
            s.sign_change(ada.token, ada.key.sign(prepared.tbs))
        assert ada.found.record.version == 1

    def test_what_was_prepared_long_ago_cannot_be_signed(self, ada: Ada) -> None:
        s = ada.house.services.consents
        prepared = s.prepare_change(ada.token, Change(max_seconds=5))
        ada.house.watch.move(minutes=61)
        with pytest.raises(ConflictError, match="too old"):
            s.sign_change(ada.token, ada.key.sign(prepared.tbs))


class TestNarrowingReachesWhatWasMade:
    """A video is handed out for 90 days; what the subject takes back holds at once."""

    def test_a_purpose_taken_back_closes_video_still_and_sound(self, house: Any) -> None:
        ada = Ada(house, purposes=("research", "education"))
        view, requests = release(house, ada.id), house.services.requests
        with house.services.database.write() as tx:
            for kind in ("png", "wav"):
                tx.execute(companions.insert().values(
                    rid=view.rid, kind=kind, sha256=kind[0] * 64, data=b"beside"
                ))  # fmt: skip
        assert requests.deliver(house.researcher, view.rid).read()
        ada.change(purposes=("education",))
        asked = (
            lambda: requests.deliver(house.researcher, view.rid),
            lambda: requests.companion(house.researcher, view.rid, "png"),
            lambda: requests.companion(house.researcher, view.rid, "wav"),
        )
        for one in asked:
            with pytest.raises(AccessError, match="no longer allows this purpose"):
                one()
        assert not requests.show(house.researcher, view.rid).asset.available
        with house.services.database.read() as tx:
            log = house.services.log
            last = log.leaf(tx, log.size(tx) - 1)
        assert (last.kind.value, last.out, last.why) == (
            "output.downloaded", Outcome.DENY, ("purpose_narrowed",)
        )  # fmt: skip

    def test_an_audience_taken_back_closes_the_video(self, house: Any) -> None:
        ada = Ada(house, offer={"audience": "publication"}, audience="publication")
        made = release(house, ada.id, audience="publication")
        assert house.services.requests.deliver(house.researcher, made.rid).read()
        ada.change(audience="internal")
        with pytest.raises(AccessError, match="so wide an audience"):
            house.services.requests.deliver(house.researcher, made.rid)

    def test_movement_taken_back_leaves_no_more_and_the_video_stays(self, house: Any) -> None:
        ada = Ada(house, offer={"motion": True}, motion=True)
        view = release(house, ada.id, movement=b"{}")
        requests = house.services.requests
        number, name = view.asset.asset_number, f"{view.rid}.1.json"
        (house.services.vault.outputs / name).write_bytes(b"{}")
        with house.services.database.write() as tx:
            tx.execute(motions.insert().values(
                asset_number=number, form="json", sha256=sha256_hex(b"{}"), path=name, size=2
            ))  # fmt: skip
        assert requests.motion(house.researcher, view.rid).read() == b"{}"
        ada.change(motion=False)
        with pytest.raises(AccessError, match="movement"):
            requests.motion(house.researcher, view.rid)
        shown = requests.show(house.researcher, view.rid).asset
        assert shown.available and shown.motion is None
        assert requests.deliver(house.researcher, view.rid).read()

    def test_a_found_motion_file_says_that_it_is_no_longer_allowed(self) -> None:
        reading: Any = SimpleNamespace(signed=True, whole=True)
        record = AssetRecord(7, "r" * 32, "a" * 64, "b" * 64, "c" * 32, "active", 1, b"", "")
        assert _verdict(reading, record, allowed=True)[0] == "EXACT"
        word, sentence = _verdict(reading, record, allowed=False)
        assert word == "REVOKED" and "no longer allows" in sentence

    def test_a_motion_row_that_the_log_does_not_name_is_not_believed(self, ada: Ada) -> None:
        view = release(ada.house, ada.id)
        with ada.house.services.database.write() as tx:
            tx.execute(motions.insert().values(
                asset_number=view.asset.asset_number, form="json", sha256="d" * 64,
                path="forged.json", size=2,
            ))  # fmt: skip
        assert ada.house.services.assets.by_motion("d" * 64) is None


class TestForgettingTheFace:
    def test_it_is_refused_while_the_house_looks_at_the_face(self, house: Any) -> None:
        consent_id, token = house.captured()
        s = house.services.consents
        with pytest.raises(ConflictError, match="withdraw the consent instead"):
            s.forget_biometrics(token)
        s.enrol(consent_id, house.faces())
        with pytest.raises(ConflictError, match="withdraw the consent instead"):
            s.forget_biometrics(token)
        assert s.show(house.steward, consent_id).enrolled

    def test_two_holds_lifted_do_not_bring_it_back_without_a_template(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        s.suspend(house.steward, ada.id, "a question")
        s.forget_biometrics(ada.token)
        s.resume(ada.token)
        assert ada.found.state is ConsentState.SUSPENDED
        assert s.release_hold(house.steward, ada.id).state == "captured"
        assert ada.found.template is None

    def test_a_later_copy_of_ones_recording_takes_nothing_from_who_is_measured_again(
        self, ada: Ada
    ) -> None:
        house, s = ada.house, ada.house.services.consents
        own = np.random.default_rng(3).normal(size=(160, 3)).astype(np.float32)
        _, link = house.draft()
        house.watch.move(seconds=1)
        house.fill(link)
        assert not any(f.verdict == "failed" for f in house.record(link, trace=own))
        s.forget_biometrics(ada.token)
        s.resume(ada.token)
        assert s.enrol(ada.id, ada.faces(seen={"trace": own}, **SEEN)) == ""

    def test_the_template_and_its_key_go_and_the_consent_rests(self, ada: Ada) -> None:
        s = ada.house.services.consents
        s.complain(ada.token, "What do you know of me?")
        s.forget_biometrics(ada.token)
        assert ada.found.template is None and ada.found.state is ConsentState.SUSPENDED
        assert s.my_complaints(ada.token)[0].text == "What do you know of me?"
        s.resume(ada.token)
        assert ada.found.state is ConsentState.CAPTURED
        ada.review()
        assert ada.found.template is not None


class TestComplaints:
    def test_a_complaint_is_answered_and_both_are_logged(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services.consents
        complaint_id = s.complain(ada.token, "Who is Robin?")
        (waiting,) = s.complaints(house.reviewer)
        assert waiting.text == "Who is Robin?" and waiting.state == "open"
        s.answer(house.reviewer, complaint_id, "A researcher of our group.")
        (mine,) = s.my_complaints(ada.token)
        assert (mine.state, mine.answer) == ("answered", "A researcher of our group.")
        assert {"complaint.received", "complaint.answered"} <= set(house.kinds)
        with pytest.raises(ConflictError):
            s.answer(house.reviewer, complaint_id, "Once more.")

    def test_a_steward_cannot_answer_for_the_reviewers(self, ada: Ada) -> None:
        s = ada.house.services.consents
        with pytest.raises(AccessError):
            s.complaints(ada.house.steward)


class TestUses:
    def test_each_use_comes_with_proofs_that_verify_by_public_keys(self, ada: Ada) -> None:
        view = release(ada.house, ada.id)
        (use,) = ada.house.services.consents.mine(ada.token).uses
        assert (use.what, use.who, use.rid) == ("released", "Researcher", view.rid)
        body = json.loads(ada.house.services.consents.use_proof(ada.token, use.rid))
        kinds = []
        for entry in body["entries"]:
            leaf, _ = verify_leaf(entry["proof"], entry["leaf"].encode(), body["log_keys"])
            kinds.append(leaf.kind.value)
        assert kinds == ["request.received", "permit.issued", "output.released"]

    def test_the_uses_of_another_person_are_not_shown(self, ada: Ada) -> None:
        other = Ada(ada.house)
        view = release(ada.house, other.id)
        assert ada.house.services.consents.mine(ada.token).uses == ()
        with pytest.raises(InputError):
            ada.house.services.consents.use_proof(ada.token, view.rid)
        with pytest.raises(NotFoundError):
            ada.house.services.consents.use_picture(ada.token, view.rid)

    def test_a_picture_of_the_video_lies_under_the_subjects_key(self, ada: Ada) -> None:
        view, s = release(ada.house, ada.id), ada.house.services.consents
        s.keep_picture(view.asset.asset_number, b"\xff\xd8\xff a small picture")
        assert s.mine(ada.token).uses[0].pictured
        assert s.use_picture(ada.token, view.rid) == b"\xff\xd8\xff a small picture"
        database = ada.house.services.settings.data_dir / "primafacie.db"
        assert b"a small picture" not in database.read_bytes()
        s.withdraw(ada.token)
        with pytest.raises(NotFoundError):
            s.use_picture(ada.token, view.rid)


class TestTakingAway:
    def test_everything_is_in_it_but_the_template(self, ada: Ada) -> None:
        s = ada.house.services.consents
        release(ada.house, ada.id)
        ada.change(max_seconds=5)
        s.complain(ada.token, "Who is Robin?")
        with zipfile.ZipFile(io.BytesIO(s.take_away(ada.token))) as archive:
            names = archive.namelist()
            record = json.loads(archive.read("consent.jsonld"))
            page = archive.read("consent.html").decode()
            uses = json.loads(archive.read("uses.json"))
            assert "Who is Robin?" in archive.read("complaints.json").decode()
            assert verify_receipt(archive.read("receipt.json")).record.version == 2
        assert sum(name.startswith("files/") for name in names) == 7  # six photos, a recording
        assert {"record/version-1.dsse.json", "record/version-2.dsse.json"} <= set(names)
        assert set(MANDATORY) <= set(record) and record["@type"] == "dpv:ConsentRecord"
        assert record["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentGiven"}
        assert uses[0]["what"] == "released" and "Ada Drawn" in page
        assert "log.exported" in ada.house.kinds

    def test_every_prefix_of_the_record_is_in_its_context(self, ada: Ada) -> None:
        record = ada.house.services.consents.exported(ada.house.steward, ada.id)
        used = set()

        def walk(value: Any) -> None:
            if isinstance(value, dict):
                for key, inner in value.items():
                    if key != "@context":
                        used.update({key.partition(":")[0]} if ":" in key else set())
                        if key in ("@id", "@type") and isinstance(inner, str) and ":" in inner:
                            used.add(inner.partition(":")[0])
                        walk(inner)
            elif isinstance(value, list):
                for inner in value:
                    walk(inner)

        walk(record)
        assert used - {"https", "urn"} <= set(record["@context"])

    def test_a_page_cannot_be_made_to_run_anything(self, house: Any) -> None:
        from primafacie.platform.consents import Consents

        _, link = house.services.consents.draft(
            house.steward, "<script>alert(1)</script>", "", house.offer(house.project())
        )
        house.fill(link)
        token = house.sign(link).token
        data = Consents.take_away(house.services.consents, token)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert "<script" not in archive.read("consent.html").decode()


def everything_on_disk(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


class TestErasure:
    def test_no_byte_of_the_person_is_left_in_the_database_or_the_files(self, ada: Ada) -> None:
        """Everything that names, shows or links the person is looked for in every file."""
        house, s = ada.house, ada.house.services
        view = release(house, ada.id)
        s.consents.keep_picture(view.asset.asset_number, b"\xff\xd8\xff a small picture of Ada")
        house.submit(ada.id)
        s.consents.complain(ada.token, "Ada complains loudly")
        s.consents.tell_me_at(ada.token, "https://hooks.ada.example.org/told")
        ada.change(max_seconds=5)
        Notifications(s.journal, s.subjects, s.settings, lambda *_: None).deliver()
        record, shown = ada.found.record, s.consents.show(house.steward, ada.id)
        with s.database.read() as tx:
            pseudonym = s.log.pseudonym(tx, record.subject_id, "subject")
            actor = s.log.pseudonym(tx, record.subject_id, "actor")
            vectors = tx.execute(sa.text("SELECT vector_ct FROM templates")).scalars().all()
            keys = tx.execute(sa.text("SELECT key_wrapped FROM subjects")).scalars().all()
            files = tx.execute(sa.select(uploads.c.sha256, uploads.c.key_wrapped)).all()
        proofs = {i: s.journal.proof_of(i) for i in range(len(house.kinds))}
        with s.database.read() as tx:
            leaves = {i: s.log.leaf_bytes(tx, i) for i in proofs}
        before = everything_on_disk(s.settings.data_dir)
        assert any(b"ada@example.org" in data for data in before.values())  # a mail, not fetched

        told = s.logbook.verify(house.auditor).problems
        s.consents.erase(ada.token)

        data = everything_on_disk(s.settings.data_dir)
        needles = [
            b"Ada Drawn", b"ada@example.org", b"Ada complains", b"hooks.ada", b"a film ",
            b"small picture of Ada", ada.token.encode(), *vectors, *keys,
            dsse.public_bytes(ada.key), record.subject_key.encode(), record.purpose_text.encode(),
            view.photo_sha256.encode(), view.voice_sha256.encode(),
            *(p.sha256.encode() for p in shown.photos), *(f.key_wrapped for f in files),
        ]  # fmt: skip
        for file, content in data.items():
            for needle in needles:
                assert needle not in content, (file.name, needle[:40])
        with s.database.read() as tx:
            for role in ("subject", "actor"):
                assert s.log.pseudonym(tx, record.subject_id, role) is None
        assert pseudonym and actor  # they were there, and lead to nobody now
        for index, text in proofs.items():  # every proof holds as it did
            assert verify_leaf(text, leaves[index], s.log.vkeys)[0].index == index
        assert s.logbook.verify(house.auditor).problems == told

    def test_what_happens_later_makes_no_new_key_for_the_forgotten(self, ada: Ada) -> None:
        house, s = ada.house, ada.house.services
        release(house, ada.id)
        s.consents.withdraw(ada.token)
        subject = ada.found.record.subject_id
        s.consents.erase(ada.token)
        s.assets.delete_due(house.watch() + timedelta(days=1000))
        with s.database.read() as tx:
            assert s.log.pseudonym(tx, subject, "subject") is None

    def test_the_video_is_gone_with_the_person(self, ada: Ada) -> None:
        view = release(ada.house, ada.id)
        folder = ada.house.services.vault.outputs
        assert len(list(folder.iterdir())) == 1
        ada.house.services.consents.erase(ada.token)
        assert list(folder.iterdir()) == []
        assert "output.deleted" in ada.house.leaves(view.rid)

    def test_a_busy_reader_puts_the_scrubbing_off_and_loses_nothing(self, ada: Ada) -> None:
        s = ada.house.services
        with s.database.read() as tx:
            tx.execute(sa.select(consents)).first()
            s.consents.erase(ada.token)  # raises nothing
        assert s.consents.scrub()
        with pytest.raises(LinkError):
            s.consents.mine(ada.token)

    def test_an_upload_stored_again_while_it_is_dropped_stays(self, house: Any) -> None:
        vault, database = house.services.vault, house.services.database
        with database.write() as tx:
            digest = vault.put(tx, "photo", b"bytes of two people")
        vault.drop([digest])
        with database.write() as tx:
            vault.put(tx, "photo", b"bytes of two people")
        assert vault.get(digest) == b"bytes of two people"

    def test_each_upload_has_a_key_that_goes_with_its_row(self, house: Any) -> None:
        vault, database = house.services.vault, house.services.database
        with database.write() as tx:
            digest = vault.put(tx, "photo", b"a photo")
        file = house.services.settings.data_dir / "uploads" / digest[:2] / digest
        copy = file.read_bytes()
        vault.drop([digest])
        file.write_bytes(copy)  # a copy that somebody had made
        with pytest.raises(NotFoundError):
            vault.get(digest)
