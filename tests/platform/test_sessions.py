"""A session ends for every copy of its cookie."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def sessions(house: Any) -> Any:
    return house.services.sessions


def test_signing_out_ends_it_for_a_copied_cookie_too(house: Any, sessions: Any) -> None:
    here, elsewhere = sessions.begin(house.researcher), sessions.begin(house.researcher)
    sessions.end(here)
    assert not sessions.stands(here, house.researcher)
    assert sessions.stands(elsewhere, house.researcher)


def test_it_is_one_persons(house: Any, sessions: Any) -> None:
    text = sessions.begin(house.researcher)
    assert not sessions.stands(text, house.auditor)
    assert not sessions.stands("", house.researcher)


def test_new_roles_or_a_new_password_end_it(house: Any, sessions: Any) -> None:
    text = sessions.begin(house.researcher)
    changed = house.services.accounts.set_roles(
        house.admin, house.researcher.user_id, ["researcher", "reviewer"]
    )
    assert not sessions.stands(text, changed)


def test_it_ends_after_half_a_day_and_is_forgotten(house: Any, sessions: Any) -> None:
    text = sessions.begin(house.researcher)
    house.watch.move(hours=12, seconds=1)
    assert not sessions.stands(text, house.researcher)
    sessions.begin(house.auditor)
    with house.services.database.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one() == 1


def test_the_secret_of_the_cookie_is_not_stored(house: Any, sessions: Any) -> None:
    text = sessions.begin(house.researcher)
    for file in house.services.settings.data_dir.rglob("*"):
        assert not file.is_file() or text.encode() not in file.read_bytes()
