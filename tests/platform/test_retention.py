"""The retention schedule: one table that a job keeps to and a public page shows."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from primafacie.platform.errors import LinkError, NotFoundError
from primafacie.platform.retention import RULES, enforce, schedule
from primafacie.platform.tables import assets, thumbnails


def test_the_page_shows_every_rule_there_is(house: Any) -> None:
    rows = schedule(house.services.settings)
    assert [what for what, _, _ in rows] == [rule.what for rule in RULES]
    assert all(period and how for _, period, how in rows)


def test_the_page_tells_the_periods_of_this_installation(house: Any) -> None:
    told = {what: period for what, period, _ in schedule(house.services.settings)}
    assert told["Other videos"] == "90 days after their release"


def test_the_page_says_that_a_takedown_waits_for_a_decision(house: Any) -> None:
    told = {what: period for what, period, _ in schedule(house.services.settings)}
    period = told["Videos under a withdrawn consent, and those taken down"]
    assert "waits for a person's decision" in period


def test_the_job_runs_every_rule_that_has_one(house: Any) -> None:
    done = enforce(house.services)
    assert set(done) == {rule.what for rule in RULES if rule.job is not None}


def test_an_invitation_nobody_answered_is_erased(house: Any) -> None:
    view, link = house.draft()
    house.fill(link)
    shown = house.services.consents.show(house.steward, view.consent_id)
    house.watch.move(days=house.services.settings.link_days)
    enforce(house.services)
    assert house.services.consents.show(house.steward, view.consent_id).state == "expired"
    house.watch.move(days=house.services.settings.draft_days, seconds=1)
    enforce(house.services)
    after = house.services.consents.show(house.steward, view.consent_id)
    assert (after.state, after.display_name) == ("erased", "")
    with pytest.raises(NotFoundError):
        house.services.vault.get(shown.photos[0].sha256)


def test_a_rejected_consent_is_erased(house: Any) -> None:
    consent_id, _ = house.captured()
    house.services.consents.enrol(consent_id, house.faces())
    house.services.consents.reject(house.reviewer, consent_id, "not the same person")
    enforce(house.services)
    assert house.services.consents.show(house.steward, consent_id).state == "rejected"
    house.watch.move(days=house.services.settings.draft_days, seconds=1)
    enforce(house.services)
    assert house.services.consents.show(house.steward, consent_id).state == "erased"


def test_an_ended_consent_answers_for_three_years_and_is_then_erased(house: Any) -> None:
    consent_id, token = house.active()
    house.services.consents.withdraw(token)
    house.watch.move(days=house.services.settings.record_days - 1)
    enforce(house.services)
    assert house.services.consents.mine(token).view.state == "withdrawn"
    house.watch.move(days=1, seconds=1)
    enforce(house.services)
    assert house.services.consents.show(house.steward, consent_id).state == "erased"
    with pytest.raises(LinkError):
        house.services.consents.mine(token)


def test_a_consent_in_force_is_left_alone(house: Any) -> None:
    consent_id, _ = house.active(days=300)
    house.watch.move(days=29)
    enforce(house.services)
    assert house.services.consents.show(house.steward, consent_id).state == "active"


def test_a_rule_that_cannot_be_kept_to_does_not_stop_the_others(
    house: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(house.services.takedowns), "forget", lambda *_: 1 / 0)
    done = enforce(house.services)
    kept = {rule.what for rule in RULES if rule.job is not None}
    assert kept - set(done) == {"Who asked to have a video taken down, and what they wrote"}


@pytest.mark.parametrize("end", ["withdrawal", "takedown", "age"])
def test_no_small_picture_of_the_person_outlives_the_video(house: Any, end: str) -> None:
    consent_id, token = house.active()
    view, s = house.release(consent_id), house.services
    with s.database.write() as tx:
        tx.execute(thumbnails.insert().values(
            asset_number=view.asset.asset_number, consent_id=consent_id, jpeg_ct=b"sealed",
            added_at=house.watch(),
        ))  # fmt: skip
    match end:
        case "withdrawal":
            s.consents.withdraw(token)
        case "takedown":
            with s.journal.writing() as tx:
                s.assets.quarantine(tx, assets.c.rid == view.rid, house.reviewer.user_id, "upheld")
        case "age":
            house.watch.move(days=s.settings.output_days, seconds=1)
    enforce(s)
    with s.database.read() as tx:
        kept = tx.execute(sa.select(assets.c.deleted_at, assets.c.fingerprint)).one()
        assert kept.deleted_at and kept.fingerprint == b""
        assert tx.execute(sa.select(thumbnails)).all() == []


def test_the_page_says_what_stays_of_a_video(house: Any) -> None:
    told = {what: how for what, _, how in schedule(house.services.settings)}
    assert "fingerprint" in told["Videos under a withdrawn consent, and those taken down"]
    assert any("manifests" in what for what in told)
