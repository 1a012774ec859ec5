"""What is handed out is what was released, to whoever may have it; the log has it first."""

from __future__ import annotations

from typing import Any

import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Outcome
from primafacie.platform.errors import AccessError, NotFoundError
from primafacie.platform.tables import companions, motions


@pytest.fixture
def film(house: Any) -> Any:
    """A released video with its movement beside it: the request's view."""
    consent, link = house.draft(motion=True)
    house.fill(link)
    house.sign(link, motion=True)
    assert house.services.consents.enrol(consent.consent_id, house.faces()) == ""
    house.services.consents.activate(house.reviewer, consent.consent_id, watched=True)
    return house.release(consent.consent_id, movement=b"{}")


def last(house: Any, back: int = 1) -> Any:
    """A leaf from the log's end."""
    with house.services.database.read() as tx:
        return house.services.log.leaf(tx, house.services.log.size(tx) - back)


def refused(house: Any, film: Any, error: type[Exception], why: str) -> None:
    """It is not handed out, and the log says why."""
    before = len(house.kinds)
    with pytest.raises(error):
        house.services.requests.deliver(house.researcher, film.rid)
    with house.services.database.read() as tx:
        told = house.services.log.leaf(tx, before)
    assert (told.kind.value, told.out, told.why) == ("output.viewed", Outcome.DENY, (why,))


def test_a_film_swapped_on_the_disk_is_locked_away_and_not_handed_out(
    house: Any, film: Any
) -> None:
    (house.services.vault.outputs / film.asset.path).write_bytes(b"an unmarked other film")
    refused(house, film, NotFoundError, "file_changed")
    assert last(house).kind.value == "output.quarantined"
    assert last(house, 2).fact("file_sha256") == sha256_hex(b"an unmarked other film")
    assert house.services.requests.show(house.researcher, film.rid).asset.quarantined_at


def test_a_film_swapped_after_it_was_compared_is_not_what_leaves(house: Any, film: Any) -> None:
    place = house.services.vault.outputs / film.asset.path
    released = place.read_bytes()
    handed_out = house.services.requests.deliver(house.researcher, film.rid)
    other = place.with_name("other")
    other.write_bytes(b"an unmarked other film")
    other.replace(place)
    assert handed_out.read() == released


def test_a_film_that_is_gone_is_said_to_be_gone(house: Any, film: Any) -> None:
    (house.services.vault.outputs / film.asset.path).unlink()
    refused(house, film, NotFoundError, "file_changed")
    assert last(house).kind.value == "output.viewed", "nothing is locked away that is not there"


def test_a_still_put_beside_a_film_afterwards_is_not_handed_out(house: Any, film: Any) -> None:
    """Row, bytes and digest agree with each other, but the release's entry never named it."""
    with house.services.database.write() as tx:
        tx.execute(companions.insert().values(
            rid=film.rid, kind="png", sha256=sha256_hex(b"any picture"), data=b"any picture"
        ))  # fmt: skip
    with pytest.raises(NotFoundError, match="not the one that was released"):
        house.services.requests.companion(house.researcher, film.rid, "png")
    assert last(house).kind.value == "output.quarantined"


def test_movement_swapped_on_the_disk_is_not_handed_out(house: Any, film: Any) -> None:
    name = f"{film.rid}.1.json"
    (house.services.vault.outputs / name).write_bytes(b"{} ")
    with house.services.database.write() as tx:
        tx.execute(motions.insert().values(
            asset_number=film.asset.asset_number, form="json", sha256=sha256_hex(b"{}"),
            path=name, size=2,
        ))  # fmt: skip
    with pytest.raises(NotFoundError, match="not the one that was released"):
        house.services.requests.motion(house.researcher, film.rid)


def test_whose_access_was_revoked_fetches_nothing_more(house: Any, film: Any) -> None:
    assert house.services.requests.deliver(house.researcher, film.rid).read()
    house.services.accounts.revoke_access(house.reviewer, house.researcher.user_id)
    refused(house, film, AccessError, "access_ended")


def test_nothing_of_a_project_that_ended_is_fetched(house: Any, film: Any) -> None:
    house.services.projects.end(house.reviewer, film.project_id)
    refused(house, film, AccessError, "project_ended")


@pytest.mark.parametrize("who", ["auditor", "steward", "admin"])
def test_who_oversees_does_not_fetch_what_the_consent_gave_to_others(
    house: Any, film: Any, who: str
) -> None:
    with pytest.raises(AccessError, match="a reviewer"):
        house.services.requests.deliver(getattr(house, who), film.rid)
    assert last(house).why == ("not_the_requester",)
    assert house.services.requests.deliver(house.reviewer, film.rid).read()


def test_who_asked_to_stop_a_running_request_stands_in_the_log(house: Any) -> None:
    rid = house.submit(house.active()[0]).rid
    house.services.queue.claim("w", "cpu")
    house.services.requests.cancel(house.admin, rid)
    told = last(house)
    with house.services.database.read() as tx:
        admin = house.services.log.pseudonym(tx, house.admin.user_id, "actor")
    assert (told.kind.value, told.rid, told.actor) == ("request.cancel_asked", rid, admin)
