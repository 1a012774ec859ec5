"""Anybody may ask where a file comes from; nothing of it is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.web import verdict
from primafacie.safeguards.provenance.verdict import Level, Technique


@pytest.fixture
def picture(png: Callable[..., bytes]) -> Callable[[int], bytes]:
    """Pictures so small that examining them takes no time."""
    return lambda seed: png(seed, 96)


def files_of(world: Any) -> set[Path]:
    folder = world.services.settings.data_dir
    return {p for p in folder.rglob("*") if p.is_file() and "primafacie.db" not in p.name}


def test_a_file_that_carries_nothing_is_not_called_real(
    world: Any, visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    before = files_of(world)
    answer = visit().post("/verify", {"file": (io.BytesIO(picture(3)), "holiday.png")})
    assert answer.status_code == 200
    assert "Nothing was found" in answer.text
    assert "does not make it real" in answer.text and "holiday.png" in answer.text
    assert files_of(world) == before


def test_the_question_is_logged_by_digest_alone(
    world: Any, visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    import hashlib

    visit().post("/verify", {"file": (io.BytesIO(picture(4)), "private-name.png")})
    page = world.services.logbook.query(world.account("auditor"), "kind:verify.query")
    assert page.entries[0].facts["file_sha256"] == hashlib.sha256(picture(4)).hexdigest()
    assert "private-name" not in str(page.entries)


@pytest.mark.parametrize("data", [b"x", b"\0" * 5000, b"\0\0\0\x18ftypmp42" + b"\xff" * 300])
def test_a_hostile_file_gets_an_answer_and_no_crash(visit: Callable[..., Any], data: bytes) -> None:
    answer = visit().post("/verify", {"file": (io.BytesIO(data), "<b>.mp4")})
    assert answer.status_code in (200, 400)
    assert "<b>.mp4" not in answer.text


def test_no_file_is_told(visit: Callable[..., Any]) -> None:
    answer = visit().post("/verify")
    assert answer.status_code == 400 and "choose a file" in answer.text


def test_programs_get_the_same_answer(
    visit: Callable[..., Any], picture: Callable[[int], bytes]
) -> None:
    answer = visit().client.post("/api/v1/verify", data={"file": (io.BytesIO(picture(3)), "x.png")})
    assert answer.status_code == 200
    assert answer.json["level"] == "no credential"
    assert answer.json["details"]["file"]["size"] == len(picture(3))


def test_too_many_at_once_are_asked_to_come_back(
    visit: Callable[..., Any], picture: Callable[[int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdict, "PATIENCE", 0.01)
    for _ in range(verdict.AT_ONCE):
        assert verdict._turns.acquire(timeout=1)
    try:
        answer = visit().post("/verify", {"file": (io.BytesIO(picture(5)), "x.png")})
    finally:
        for _ in range(verdict.AT_ONCE):
            verdict._turns.release()
    assert answer.status_code == 429 and "Wait a minute" in answer.text


def test_every_level_and_technique_has_words() -> None:
    assert set(verdict.RUNGS) == set(Level)
    assert set(verdict.TECHNIQUES) == set(Technique)
