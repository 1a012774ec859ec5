"""The keyring: made once, sealed, and opened by what the operator names."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.errors import KeyringError
from primafacie.platform.keys import certificate_ends, open_keyring, renew_claim
from primafacie.platform.settings import Settings


def settings(folder: Path, **more: Any) -> Settings:
    return Settings.read(data_dir=folder, **more)


def private(file: Path, data: bytes) -> Path:
    file.write_bytes(data)
    file.chmod(0o600)
    return file


def test_it_is_made_once_and_opened_again(tmp_path: Path) -> None:
    assert open_keyring(settings(tmp_path)) == open_keyring(settings(tmp_path))


def test_of_many_that_start_together_all_open_the_same(tmp_path: Path) -> None:
    found = []

    def start() -> None:
        found.append(open_keyring(settings(tmp_path)))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and all(ring == found[0] for ring in found)
    assert {f.name for f in (tmp_path / "keys").iterdir()} == {"keyring.json", "development.key"}


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path))
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    for file in (tmp_path / "keys").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (tmp_path / "keys" / "keyring.json").chmod(0o644)
    with pytest.raises(KeyringError, match="owner alone"):
        open_keyring(settings(tmp_path))


def test_no_secret_stands_in_the_file_or_in_a_repr(tmp_path: Path) -> None:
    ring = open_keyring(settings(tmp_path))
    text = (tmp_path / "keys" / "keyring.json").read_text()
    for secret in (ring.log_signer, ring.vault_master, ring.session_secret):
        assert secret.hex() not in text and secret.hex() not in repr(ring)
        assert repr(secret) not in repr(ring)
    assert "PRIVATE KEY" not in text and "PRIVATE KEY" not in repr(ring)


@pytest.mark.parametrize("kind", ["key_file", "passphrase_file"])
def test_only_what_the_operator_named_opens_it(tmp_path: Path, kind: str) -> None:
    right = private(tmp_path / "right", b"a passphrase that is long enough\n")
    wrong = private(tmp_path / "wrong", b"another passphrase, long enough \n")
    ring = open_keyring(settings(tmp_path / "data", **{kind: right}))
    assert open_keyring(settings(tmp_path / "data", **{kind: right})) == ring
    with pytest.raises(KeyringError, match="does not open"):
        open_keyring(settings(tmp_path / "data", **{kind: wrong}))
    other = "passphrase_file" if kind == "key_file" else "key_file"
    with pytest.raises(KeyringError, match="opened by a"):
        open_keyring(settings(tmp_path / "data", **{other: right}))


@pytest.mark.parametrize(
    ("kind", "data", "says"),
    [("key_file", b"short", "32 random bytes"), ("passphrase_file", b"short\n", "12 characters"),
     ("passphrase_file", b"", "12 characters")],
)  # fmt: skip
def test_a_weak_opener_is_refused(tmp_path: Path, kind: str, data: bytes, says: str) -> None:
    file = private(tmp_path / "weak", data)
    with pytest.raises(KeyringError, match=says):
        open_keyring(settings(tmp_path / "data", **{kind: file}))


def test_an_opener_others_may_read_is_refused(tmp_path: Path) -> None:
    file = private(tmp_path / "key", b"x" * 32)
    file.chmod(0o640)
    with pytest.raises(KeyringError, match="owner alone"):
        open_keyring(settings(tmp_path / "data", key_file=file))


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path))
    file = tmp_path / "keys" / "keyring.json"
    body = json.loads(file.read_text())
    for name in body:
        value = body[name]
        letter = "0" if value[len(value) // 2] != "0" else "1"
        changed = value[: len(value) // 2] + letter + value[len(value) // 2 + 1 :]
        file.write_text(json.dumps({**body, name: changed}))
        with pytest.raises(KeyringError):
            open_keyring(settings(tmp_path))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff\xfe", b'{"sealed": 3}'])
def test_a_damaged_file_is_a_keyring_error(tmp_path: Path, data: bytes) -> None:
    open_keyring(settings(tmp_path))
    (tmp_path / "keys" / "keyring.json").write_bytes(data)
    with pytest.raises(KeyringError):
        open_keyring(settings(tmp_path))


def test_a_renewed_certificate_has_the_same_root(tmp_path: Path) -> None:
    old = open_keyring(settings(tmp_path))
    new = renew_claim(settings(tmp_path))
    assert open_keyring(settings(tmp_path)) == new
    assert new.credential.root_pem == old.credential.root_pem
    assert new.credential.claim != old.credential.claim
    assert certificate_ends(new.credential.claim.chain_pem) >= certificate_ends(
        old.credential.claim.chain_pem
    )
    assert (new.log_signer, new.mark_master) == (old.log_signer, old.mark_master)


def test_derived_keys_differ_by_purpose(tmp_path: Path) -> None:
    ring = open_keyring(settings(tmp_path))
    assert len({ring.derive(p) for p in ("log", "uploads", "subjects", "sources")}) == 4
    with pytest.raises(KeyringError):
        ring.signer("vault_master")
