"""Takedown by a stranger: locked away at once, decided by a person, hard to abuse."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.platform import takedown
from primafacie.platform.errors import AccessError, ConflictError, InputError, LinkError
from primafacie.platform.tables import project_members, user_roles
from primafacie.platform.takedown import A_DAY, Plea
from primafacie.safeguards.asset import AssetRecord

PLEA = Plea(
    name="Grace Seen", contact="grace@example.net", signature="grace  seen",
    where_seen="https://video.example.com/42", statement="It shows me, and I never agreed to it.",
    in_good_faith=True,
)  # fmt: skip
FILM = b"the very bytes that were released"


@pytest.fixture
def film(house: Any) -> Any:
    """A released video: the request's view."""
    consent_id, house.token = house.active()
    view = house.submit(consent_id)
    queue, request = house.services.queue, house.services.queue.claim("w", "cpu")
    consent = house.services.likenesses.find(consent_id)
    said = {"rid": view.rid, "at": house.watch(), "actor": request.requester_id,
            "subject": consent.record.subject_id, "out": Outcome.ALLOW}  # fmt: skip
    queue.record(LogEntry(Kind.PERMIT_ISSUED, **said))
    house.services.vault.staged(request.rid, request.claim).write_bytes(FILM)
    record = AssetRecord(
        77, view.rid, sha256_hex(FILM), "b" * 64, consent_id, "active", -1, b"", ""
    )
    named = (("file_sha256", sha256_hex(FILM)),)
    entry = LogEntry(Kind.OUTPUT_RELEASED, facts=named, **said)
    queue.release(request, consent.epoch, record, entry)
    return house.services.requests.show(house.researcher, view.rid)


def deliver(house: Any, film: Any) -> bytes:
    data: bytes = house.services.requests.deliver(house.researcher, film.rid).read()
    return data


class TestAStrangerAsks:
    @pytest.mark.parametrize("by", ["bytes", "digest"])
    def test_a_video_of_ours_is_locked_away_before_the_answer(
        self, house: Any, film: Any, by: str
    ) -> None:
        assert deliver(house, film) == FILM
        given = {"data": FILM} if by == "bytes" else {"sha256": sha256_hex(FILM)}
        filed = house.services.takedowns.submit(PLEA, **given)
        assert filed.asset == f"{77:014x}" and filed.found_by == "file"
        with pytest.raises(AccessError):
            deliver(house, film)
        assert house.services.assets.by_asset_number(77).revoked_at
        assert {"takedown.received", "output.quarantined"} <= set(house.kinds)

    def test_a_copy_is_found_by_its_mark(
        self, house: Any, film: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Asset:
            asset_number, by, content_percent = 77, "picture mark", 97

        class Verdict:
            asset = Asset

        examined = []
        examine = lambda self, actor, data, **more: examined.append(data) or Verdict  # noqa: E731
        monkeypatch.setattr(type(house.services.examiner), "examine", examine)
        filed = house.services.takedowns.submit(PLEA, data=b"a re-encoded copy")
        assert examined == [b"a re-encoded copy"] and filed.found_by == "picture mark"
        with pytest.raises(AccessError):
            deliver(house, film)

    @pytest.mark.parametrize("percent", [None, 12])
    def test_a_mark_moved_onto_another_film_locks_no_innocent_video(
        self, house: Any, film: Any, monkeypatch: pytest.MonkeyPatch, percent: Any
    ) -> None:
        asset = SimpleNamespace(asset_number=77, by="picture mark", content_percent=percent)
        verdict = SimpleNamespace(asset=asset)
        monkeypatch.setattr(type(house.services.examiner), "examine", lambda *_, **__: verdict)
        filed = house.services.takedowns.submit(PLEA, data=b"another film with our mark")
        assert (filed.asset, filed.found_by) == ("", "mark alone")
        assert deliver(house, film) == FILM
        assert "takedown.received" in house.kinds, "a person looks at it all the same"

    def test_a_strangers_video_is_taken_in_all_the_same(self, house: Any) -> None:
        filed = house.services.takedowns.submit(PLEA, sha256="0" * 64)
        assert filed.asset == ""
        (waiting,) = house.services.takedowns.listed(house.reviewer)
        assert waiting.plea == PLEA and waiting.state == "received"
        assert waiting.due_at - waiting.received_at == timedelta(hours=48)

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            ({"signature": "Somebody Else"}, "sign with your full name"),
            ({"in_good_faith": False}, "good faith"),
            ({"contact": ""}, "reached"),
            ({"name": ""}, "who you are"),
            ({"statement": "no"}, "what the video shows"),
        ],
    )
    def test_what_the_law_asks_for_is_asked(self, change: Any, says: str) -> None:
        PLEA.check()
        with pytest.raises(InputError, match=says):
            replace(PLEA, **change).check()

    def test_without_a_file_or_its_digest_nothing_can_be_found(self, house: Any) -> None:
        for digest in ("", "x", "0" * 63, "G" * 64):
            with pytest.raises(InputError, match="SHA-256"):
                house.services.takedowns.submit(PLEA, sha256=digest)
        with pytest.raises(InputError, match="good faith"):
            house.services.takedowns.submit(replace(PLEA, in_good_faith=False), sha256="0" * 64)

    def test_what_was_written_lies_encrypted(self, house: Any) -> None:
        house.services.takedowns.submit(PLEA, sha256="0" * 64)
        for file in house.services.settings.data_dir.rglob("*"):
            if file.is_file():
                data = file.read_bytes()
                assert b"Grace" not in data and b"grace@" not in data, file


class TestAPersonDecides:
    def test_upheld_means_deleted(self, house: Any, film: Any) -> None:
        s = house.services
        filed = s.takedowns.submit(PLEA, data=FILM)
        assert s.assets.delete_due(house.watch() - timedelta(days=90)) == 0  # not decided yet
        (waiting,) = s.takedowns.listed(house.reviewer)
        s.takedowns.decide(house.reviewer, waiting.takedown_id, True, "it is her")
        assert s.assets.delete_due(house.watch() - timedelta(days=90)) == 1
        assert list(s.vault.outputs.iterdir()) == []
        assert s.takedowns.status(filed.reference).state == "upheld"

    def test_whoever_has_a_part_in_the_video_cannot_decide(self, house: Any, film: Any) -> None:
        s = house.services
        s.takedowns.submit(PLEA, data=FILM)
        (waiting,) = s.takedowns.listed(house.reviewer)
        with s.database.write() as tx:
            for name in ("researcher", "steward"):
                person = getattr(house, name).user_id
                tx.execute(user_roles.insert().values(user_id=person, role="reviewer"))
            tx.execute(project_members.insert().values(
                project_id=film.project_id, user_id=house.other.user_id
            ))  # fmt: skip
        for name in ("researcher", "steward", "other"):  # requester, steward, a project's member
            one = s.accounts.by_email(f"{name}@example.org")
            assert one.has("reviewer")
            with pytest.raises(AccessError, match="no part"):
                s.takedowns.decide(one, waiting.takedown_id, False, "it is fine")
        with pytest.raises(AccessError):
            deliver(house, film)
        s.takedowns.decide(house.reviewer, waiting.takedown_id, False, "not her")

    def test_a_false_request_costs_some_hours_and_no_video(self, house: Any, film: Any) -> None:
        s = house.services
        s.takedowns.submit(PLEA, data=FILM)
        (waiting,) = s.takedowns.listed(house.reviewer)
        s.takedowns.decide(house.reviewer, waiting.takedown_id, False, "not her")
        assert deliver(house, film) == FILM

    def test_declining_brings_nothing_back_whose_consent_has_ended(
        self, house: Any, film: Any
    ) -> None:
        s = house.services
        s.takedowns.submit(PLEA, data=FILM)
        s.consents.withdraw(house.token)
        (waiting,) = s.takedowns.listed(house.reviewer)
        s.takedowns.decide(house.reviewer, waiting.takedown_id, False, "not her")
        with pytest.raises(AccessError):
            deliver(house, film)
        assert s.assets.delete_due(house.watch() - timedelta(days=90)) == 1

    def test_two_requests_hold_a_video_apart(self, house: Any, film: Any) -> None:
        s = house.services
        s.takedowns.submit(PLEA, data=FILM)
        s.takedowns.submit(replace(PLEA, name="Ann", signature="Ann"), data=FILM)
        first, second = s.takedowns.listed(house.reviewer)
        s.takedowns.decide(house.reviewer, first.takedown_id, False, "not her")
        with pytest.raises(AccessError):
            deliver(house, film)
        s.takedowns.decide(house.reviewer, second.takedown_id, False, "nor her")
        deliver(house, film)

    def test_it_is_decided_once_by_a_reviewer_with_a_reason(self, house: Any) -> None:
        s = house.services
        s.takedowns.submit(PLEA, sha256="0" * 64)
        (waiting,) = s.takedowns.listed(house.reviewer)
        with pytest.raises(AccessError):
            s.takedowns.decide(house.researcher, waiting.takedown_id, False, "no")
        with pytest.raises(InputError):
            s.takedowns.decide(house.reviewer, waiting.takedown_id, True, " ")
        s.takedowns.decide(house.reviewer, waiting.takedown_id, True, "yes")
        with pytest.raises(ConflictError):
            s.takedowns.decide(house.reviewer, waiting.takedown_id, False, "no")


class TestAbuse:
    def test_one_address_asks_a_few_times_a_day(self, house: Any) -> None:
        s = house.services
        for _ in range(A_DAY):
            s.takedowns.submit(PLEA, sha256="0" * 64, source="203.0.113.7")
        with pytest.raises(ConflictError, match="too many"):
            s.takedowns.submit(PLEA, sha256="0" * 64, source="203.0.113.7")
        s.takedowns.submit(PLEA, sha256="0" * 64, source="203.0.113.8")
        house.watch.move(days=1, seconds=1)
        s.takedowns.submit(PLEA, sha256="0" * 64, source="203.0.113.7")

    def test_a_flood_of_requests_does_not_shut_the_door(
        self, house: Any, film: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nothing is examined any more, but what the digest finds is still locked away."""
        s = house.services
        monkeypatch.setattr(takedown, "IN_ALL", 1)
        s.takedowns.submit(PLEA, sha256="0" * 64)
        examine = lambda *_, **__: pytest.fail("examined")  # noqa: E731
        monkeypatch.setattr(type(s.examiner), "examine", examine)
        copy = s.takedowns.submit(PLEA, data=b"a re-encoded copy")
        assert (copy.asset, copy.found_by) == ("", "not examined")
        assert s.takedowns.submit(PLEA, data=FILM).asset == f"{77:014x}"
        with pytest.raises(AccessError):
            deliver(house, film)

    def test_a_guessed_reference_leads_nowhere(self, house: Any) -> None:
        house.services.takedowns.submit(PLEA, sha256="0" * 64)
        for reference in ("", "x", "../etc", "a" * 43):
            with pytest.raises(LinkError):
                house.services.takedowns.status(reference)

    def test_who_asked_is_forgotten_in_time(self, house: Any) -> None:
        s = house.services
        filed = s.takedowns.submit(PLEA, sha256="0" * 64)
        (waiting,) = s.takedowns.listed(house.reviewer)
        s.takedowns.decide(house.reviewer, waiting.takedown_id, True, "yes")
        house.watch.move(days=1)
        assert s.takedowns.forget(house.watch()) == 1
        assert s.takedowns.forget(house.watch()) == 0
        assert s.takedowns.status(filed.reference).plea is None
