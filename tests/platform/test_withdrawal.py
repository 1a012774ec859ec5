"""A withdrawal wins, wherever on the road the request is; and what follows it, in order.

The gate is the real one with its real policies, log and queue. Looking at pictures, drawing and
sealing are stood in for: nothing here depends on what a model sees.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind
from primafacie.platform.errors import AccessError, KeyringError, NotFoundError
from primafacie.platform.receipts import verify_receipt
from primafacie.platform.tables import templates
from primafacie.safeguards.asset import AssetNumber, SealedAsset
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.errors import GateError
from primafacie.safeguards.face import Likeness
from primafacie.safeguards.facts import Facts, Utterance
from primafacie.safeguards.gate import Gate, Post

FRAMES = 60


class Road(Gate):
    """The gate, with a hook at each point of the road."""

    def __init__(self, house: Any, at: str, act: Callable[[], None]) -> None:
        s = house.services
        self._at, self._act, self._queue, self._house = at, act, s.queue, house
        self._post = Post(
            now=s.journal.clock, activated=s.policies.activated,
            permit_key=Ed25519PrivateKey.generate(), commitment_key=b"c" * 32,
            log_origin=s.log.origin, staging=s.vault.outputs, status_url=str,
            marks=s.keys.mark_keys(), production=False,
        )  # fmt: skip
        self._people, self._consents, self._policies = s.people, s.likenesses, s.policies.shipped
        self._journal, self._audience = self, "studio-1"
        self._studio: Any = SimpleNamespace(warm=lambda: None, let_go=lambda: None)
        self.drawn = 0
        self.shows: Any = lambda own: own  # whom the frames show, by the face of the template
        self.inspector: Any = SimpleNamespace(
            model="fake@" + "0" * 64, drawn=self._seen_in, rest=lambda: None
        )

    def _seen_in(self, frames: Any) -> list[Any]:
        """What another child sees in the frames that the gate chose."""
        (consent_id,) = [one.consent_id for one in self._house.services.consents.listed(
            self._house.steward)]  # fmt: skip
        own = self._consents.find(consent_id).template.vector
        return [self.shows(own) for _ in frames]

    def _reach(self, point: str) -> None:
        if self._at == point:
            self._act()

    # what is stood in for ----------------------------------------------------------------------

    def _look(self, request: Any) -> Any:
        self._reach("before the decision")
        return None, None

    def _facts(self, request: Any, seen: Any, heard: Any) -> Facts:
        return Facts(
            request=request, requester=self._people.requester(request.requester_id),
            project=self._people.project(request.project_id),
            consent=self._consents.find(request.consent_id),
            likeness=Likeness(1, 1, (), distance=0.1, best=True, margin=1.0),
            utterance=Utterance(2000), now=self._post.now(), production=False, log_ready=True,
            engines=("photo-warp", "speech-motion"),
        )  # fmt: skip

    def _perform(self, facts: Any, permit: Any) -> Any:
        self._reach("before the work")
        return SimpleNamespace(frames=self._watched(facts, self._drawing(), FRAMES))

    def _drawing(self) -> Iterator[Any]:
        for _ in range(FRAMES):
            self.drawn += 1
            if self.drawn == 30:
                self._reach("while it is drawn")
            yield np.zeros((2, 2, 3), np.uint8)

    def _sealed(self, facts: Any, decision: Any, permit: Any, clip: Any) -> SealedAsset:
        for _ in clip.frames:
            pass
        request = facts.request
        path = self._post.staging / f"{request.rid}.{request.claim}.mp4"
        path.write_bytes(b"sealed " + request.rid.encode())
        self._reach("when it is sealed")
        digest = sha256_hex(path.read_bytes())
        return SealedAsset(path, AssetNumber(99), "0" * 32, "urn:c2pa:test", digest, digest, 1,
                           2.0, 512, 512, 25.0, FRAMES, self._post.now(), b"")  # fmt: skip

    # the journal, with a hook on either side -----------------------------------------------------

    def record(self, entry: Any) -> Any:
        receipt = self._queue.record(entry)
        if entry.kind is Kind.DECISION_GENERATE:
            self._reach("between decision and permit")
        if entry.kind is Kind.PERMIT_ISSUED:
            self._reach("between permit and work")
        return receipt

    def release(self, *given: Any) -> Any:
        self._reach("between second decision and release")
        return self._queue.release(*given)

    def ready(self) -> bool:
        return True

    def prove(self, receipt: Any) -> str:
        return self._queue.prove(receipt)

    def stage(self, *given: Any) -> None:
        self._queue.stage(*given)

    def finish(self, *given: Any) -> Any:
        return self._queue.finish(*given)


def drive(house: Any, token: str, consent_id: str, at: str, how: str = "withdraw") -> Any:
    """(what the gate gave back or raised, the road, the request's view)"""
    view = house.submit(consent_id, voice_synthetic=True)
    request = house.services.queue.claim("w", "cpu")
    road = Road(house, at, lambda: getattr(house.services.consents, how)(token))
    try:
        answer = road.produce(request)
    except GateError as error:
        answer = error
    return answer, road, house.services.requests.show(house.researcher, view.rid)


@pytest.fixture
def given(house: Any) -> tuple[str, str]:
    return house.active(voice_source="synthetic")


@pytest.mark.parametrize(
    ("shows", "why"),
    [
        (lambda own: own + np.float32(0.05), "does not show the person"),  # 0.57 away
        (lambda own: None, "does not show the person"),
    ],
    ids=["somebody else", "no face"],
)
def test_a_studio_that_was_taken_over_and_draws_somebody_else_delivers_nothing(
    house: Any, given: Any, shows: Any, why: str
) -> None:
    consent_id, _ = given
    view = house.submit(consent_id, voice_synthetic=True)
    request = house.services.queue.claim("w", "cpu")
    road = Road(house, "never", lambda: None)
    road.shows = shows
    with pytest.raises(GateError, match=why):
        road.produce(request)
    assert road.drawn == FRAMES
    shown = house.services.requests.show(house.researcher, view.rid)
    assert (shown.state, shown.asset) == ("failed", None)
    assert house.leaves(view.rid)[-1] == "request.failed"
    assert not list(house.services.vault.outputs.glob("*.mp4"))


def test_without_a_withdrawal_a_video_is_released(house: Any, given: Any) -> None:
    consent_id, token = given
    _, road, view = drive(house, token, consent_id, "never")
    assert view.state == "released" and road.drawn == FRAMES, view.reasons


POINTS = {
    "before the decision": ("refused", 0),
    "between decision and permit": ("cancelled", 0),
    "between permit and work": ("cancelled", 0),
    "before the work": ("cancelled", 1),
    "while it is drawn": ("cancelled", 51),
    "when it is sealed": ("withheld", FRAMES),
    "between second decision and release": ("cancelled", FRAMES),
}


@pytest.mark.parametrize("at", POINTS)
def test_withdrawn_on_the_road(house: Any, given: Any, at: str) -> None:
    consent_id, token = given
    answer, road, view = drive(house, token, consent_id, at)
    state, drawn = POINTS[at]
    assert isinstance(answer, (Refused, GateError))
    assert view.state == state and road.drawn == drawn
    assert view.asset is None
    assert list(house.services.vault.outputs.iterdir()) == []
    assert house.leaves(view.rid).count("output.released") == 0


@pytest.mark.parametrize("at", ["between permit and work", "when it is sealed"])
def test_paused_on_the_road(house: Any, given: Any, at: str) -> None:
    consent_id, token = given
    _, _, view = drive(house, token, consent_id, at, how="pause")
    assert view.state != "released" and view.asset is None
    assert list(house.services.vault.outputs.iterdir()) == []


def test_paused_and_resumed_in_between_is_another_consent_to_a_permit(
    house: Any, given: Any
) -> None:
    consent_id, token = given
    s = house.services.consents
    view = house.submit(consent_id, voice_synthetic=True)

    def blink() -> None:
        s.pause(token)
        s.resume(token)

    road = Road(house, "when it is sealed", blink)
    with pytest.raises(GateError, match="changed"):
        road.produce(house.services.queue.claim("w", "cpu"))
    assert house.services.requests.show(house.researcher, view.rid).state == "failed"


class TestWhatFollows:
    def test_in_one_transaction_and_in_this_order(self, house: Any, given: Any) -> None:
        consent_id, token = given
        s = house.services
        drive(house, token, consent_id, "never")
        house.submit(consent_id)
        with s.database.read() as tx:
            sealed = tx.execute(templates.select()).one()
        before = len(house.kinds)
        s.consents.withdraw(token)
        assert house.kinds[before:] == [
            "consent.withdrawn", "request.cancelled", "output.quarantined",
        ]  # fmt: skip
        subject = s.likenesses.find(consent_id).record.subject_id
        about = f"{consent_id}|{sealed.version}|{sealed.model}"
        with s.database.read() as tx, pytest.raises(KeyringError):  # a copy opens no more
            s.subjects.open(tx, subject, sealed.vector_ct, about)

    def test_a_new_request_is_refused(self, house: Any, given: Any) -> None:
        consent_id, token = given
        submission = house.submission(consent_id, voice_synthetic=True)
        house.services.consents.withdraw(token)
        house.services.requests.submit(house.researcher, submission)
        answer = Road(house, "never", lambda: None).produce(house.services.queue.claim("w", "cpu"))
        assert isinstance(answer, Refused)
        assert "consent_in_force" in {reason.rule for reason in answer.reasons}

    def test_the_video_is_away_at_once_and_deleted_within_two_days(
        self, house: Any, given: Any
    ) -> None:
        consent_id, token = given
        s = house.services
        _, _, view = drive(house, token, consent_id, "never")
        s.consents.withdraw(token)
        with pytest.raises(AccessError):
            s.requests.deliver(house.researcher, view.rid)
        house.watch.move(hours=1)
        assert s.assets.delete_due(house.watch() - timedelta(days=90)) == 1
        assert list(s.vault.outputs.iterdir()) == []
        with pytest.raises(NotFoundError):
            s.requests.deliver(house.researcher, view.rid)

    def test_whoever_asks_about_a_copy_is_told_since_when(self, house: Any, given: Any) -> None:
        from primafacie.safeguards.provenance.examine import _revoked_sentence

        consent_id, token = given
        drive(house, token, consent_id, "never")
        house.services.consents.withdraw(token)
        house.watch.move(days=400)
        record = house.services.assets.by_asset_number(99)
        then = house.watch() - timedelta(days=400)
        assert f"withdrawn their consent on {then.day} {then:%B %Y}" in _revoked_sentence(record)
        assert house.services.assets.by_asset_number(99).revoked_at

    def test_the_receipt_says_so_and_verifies(self, house: Any, given: Any) -> None:
        _, token = given
        house.services.consents.withdraw(token)
        assert verify_receipt(house.services.consents.receipt(token).data).state == "withdrawn"
