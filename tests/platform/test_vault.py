"""Files by digest: encrypted, bounded, and gone when nothing needs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.errors import InputError, NotFoundError, TooLargeError


def put(house: Any, data: bytes, kind: str = "photo") -> str:
    with house.services.database.write() as tx:
        return house.services.vault.put(tx, kind, data)


def where(house: Any, digest: str) -> Path:
    return house.services.settings.data_dir / "uploads" / digest[:2] / digest


def test_what_goes_in_comes_out_and_lies_encrypted(house: Any) -> None:
    digest = put(house, b"a face that nobody else may see")
    assert house.services.vault.get(digest) == b"a face that nobody else may see"
    assert b"nobody else" not in where(house, digest).read_bytes()
    assert oct(where(house, digest).stat().st_mode)[-3:] == "600"
    assert put(house, b"a face that nobody else may see") == digest


def test_a_file_moved_to_another_name_does_not_open(house: Any) -> None:
    first, second = put(house, b"first"), put(house, b"second")
    where(house, second).write_bytes(where(house, first).read_bytes())
    with pytest.raises(NotFoundError):
        house.services.vault.get(second)


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "a" * 63, "A" * 64, "g" * 64])
def test_a_name_that_is_no_digest_leads_nowhere(house: Any, digest: str) -> None:
    with pytest.raises(NotFoundError):
        house.services.vault.get(digest)


def test_sizes_are_limited(house: Any) -> None:
    limit = house.services.vault.limits["photo"]
    with pytest.raises(TooLargeError):
        put(house, b"x" * (limit + 1))
    with pytest.raises(InputError):
        put(house, b"")


def test_a_lost_file_can_be_given_again(house: Any) -> None:
    digest = put(house, b"data")
    where(house, digest).unlink()
    assert put(house, b"data") == digest
    assert house.services.vault.get(digest) == b"data"


def test_what_a_consent_names_is_not_dropped(house: Any) -> None:
    _, link = house.draft()
    house.fill(link, photos=1)
    photo = house.services.consents.invitation(link).view.photos[0].sha256
    free = put(house, b"nobody names this")
    house.services.vault.drop([photo, free])
    assert house.services.vault.get(photo)
    with pytest.raises(NotFoundError):
        house.services.vault.get(free)


def test_the_sweep_takes_orphans_and_only_old_ones(house: Any) -> None:
    kept = put(house, b"has a row")
    orphan, torn = where(house, "ab" + "0" * 62), where(house, kept).parent / "draft.part"
    staged = house.services.vault.staged("c" * 32, 1)
    for file in (orphan, torn, staged):
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"left behind")
    assert house.services.vault.sweep() == 0
    for file in (orphan, torn, staged, where(house, kept)):
        os.utime(file, (0, 0))
    assert house.services.vault.sweep() == 3
    assert house.services.vault.get(kept) == b"has a row"


def test_the_sweep_leaves_what_is_being_made(house: Any) -> None:
    rid = house.submit(house.active()[0]).rid
    request = house.services.queue.claim("w", "cpu")
    mine = house.services.vault.staged(rid, request.claim)
    old = house.services.vault.staged(rid, request.claim - 1)
    for file in (mine, old):
        file.write_bytes(b"sealed")
        os.utime(file, (0, 0))
    assert house.services.vault.sweep() == 1
    assert mine.exists() and not old.exists()


def test_uploads_of_ended_requests_are_forgotten_in_time(house: Any) -> None:
    consent_id, _ = house.active()
    view = house.submit(consent_id)
    house.services.requests.cancel(house.researcher, view.rid)
    house.watch.move(days=31)
    assert house.services.requests.forget_uploads(house.watch()) == 1
    with pytest.raises(NotFoundError):
        house.services.vault.get(view.voice_sha256)
    assert house.services.vault.get(view.photo_sha256)  # the consent still names it
    assert house.services.requests.forget_uploads(house.watch()) == 0
