"""The keyring: made once, sealed, and opened by what the operator names."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.errors import KeyringError
from primafacie.platform.keys import (
    certificate_ends,
    create_keyring,
    install_claim,
    open_gate,
    open_keyring,
    open_signer,
    pending_key,
    rotate_claim,
    rotate_log,
    rotate_mark,
)
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
    house = body["parts"]["house"]
    for where, name in [(body, "format"), (body, "ring"), *((house, name) for name in house)]:
        value = where[name]
        letter = "0" if value[len(value) // 2] != "0" else "1"
        where[name] = value[: len(value) // 2] + letter + value[len(value) // 2 + 1 :]
        file.write_text(json.dumps(body))
        with pytest.raises(KeyringError):
            open_keyring(settings(tmp_path))
        where[name] = value


def test_a_part_of_another_keyring_or_another_name_does_not_open(tmp_path: Path) -> None:
    opener = private(tmp_path / "opener", b"x" * 32)
    one, two = (settings(tmp_path / name, key_file=opener) for name in ("one", "two"))
    open_keyring(one)
    open_keyring(two)
    files = [place.data_dir / "keys" / "keyring.json" for place in (one, two)]
    mine, theirs = (json.loads(file.read_text()) for file in files)
    for other in (theirs["parts"]["signer"], mine["parts"]["authority"]):
        files[0].write_text(json.dumps({**mine, "parts": {**mine["parts"], "signer": other}}))
        with pytest.raises(KeyringError):
            open_signer(one)
        assert open_keyring(one)


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff\xfe", b'{"sealed": 3}'])
def test_a_damaged_file_is_a_keyring_error(tmp_path: Path, data: bytes) -> None:
    open_keyring(settings(tmp_path))
    (tmp_path / "keys" / "keyring.json").write_bytes(data)
    with pytest.raises(KeyringError):
        open_keyring(settings(tmp_path))


def test_a_rotated_certificate_has_the_same_root(tmp_path: Path) -> None:
    old, before = open_keyring(settings(tmp_path)), open_signer(settings(tmp_path))
    new = rotate_claim(settings(tmp_path))
    after = open_signer(settings(tmp_path))
    assert open_keyring(settings(tmp_path)) == new
    assert new.claim_roots == old.claim_roots
    assert new.claim_chain == after.claim_chain != before.claim_chain == old.claim_chain
    assert after.claim_key != before.claim_key and after.time_key == before.time_key
    assert certificate_ends(new.claim_chain) >= certificate_ends(old.claim_chain)
    assert (new.log_signer, new.mark_masters) == (old.log_signer, old.mark_masters)


def test_a_rotated_log_signer_leaves_its_public_half(tmp_path: Path) -> None:
    origin = settings(tmp_path).log_origin
    old = open_keyring(settings(tmp_path)).log_keys(origin)
    new = rotate_log(settings(tmp_path)).log_keys(origin)
    assert not set(new.current.vkeys) & set(old.vkeys)
    assert set(old.vkeys) < set(new.vkeys)
    again = rotate_log(settings(tmp_path)).log_keys(origin)
    assert set(new.vkeys) < set(again.vkeys)
    assert len(again.sign(f"{origin}\n0\n{'A' * 43}=\n", 1)) == 2, "the retired sign no more"


def test_a_rotated_mark_reads_all_epochs(tmp_path: Path) -> None:
    old = open_keyring(settings(tmp_path)).mark_keys()
    new = rotate_mark(settings(tmp_path)).mark_keys()
    assert [keys.epoch for keys in new] == [1, 0] and new[1] == old[0]
    assert new[0].picture != old[0].picture and new[0].mac != old[0].mac


def test_rotations_at_once_lose_nothing(tmp_path: Path) -> None:
    open_keyring(settings(tmp_path))
    threads = [threading.Thread(target=rotate_mark, args=(settings(tmp_path),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert open_keyring(settings(tmp_path)).mark_epoch == 6


def test_a_certificate_from_elsewhere_joins_what_is_trusted(tmp_path: Path) -> None:
    old = open_keyring(settings(tmp_path))
    with pytest.raises(KeyringError, match="no key is waiting"):
        install_claim(settings(tmp_path), b"chain", b"root\n", in_module=False)
    key = pending_key(settings(tmp_path))
    assert open_signer(settings(tmp_path)).claim_chain == old.claim_chain
    new = install_claim(settings(tmp_path), b"chain", b"root\n", in_module=False)
    held = open_signer(settings(tmp_path))
    assert (held.claim_chain, held.claim_key, held.pending_key) == (b"chain", key, b"")
    assert new.claim_roots == b"root\n" + old.claim_roots


def test_a_lost_keyring_is_not_made_again_in_silence(tmp_path: Path) -> None:
    opener = private(tmp_path / "opener", b"x" * 32)
    real = settings(tmp_path / "real", mode="production", key_file=opener,
                    public_url="https://faces.example")  # fmt: skip
    with pytest.raises(KeyringError, match="keys create"):
        open_keyring(real)
    made = create_keyring(real)
    assert open_keyring(real) == made and not made.development
    with pytest.raises(KeyringError, match="already"):
        create_keyring(real)
    home = settings(tmp_path / "home")
    open_keyring(home)
    (home.data_dir / "primafacie.db").touch()
    (home.data_dir / "keys" / "keyring.json").unlink()
    with pytest.raises(KeyringError, match="gone"):
        open_keyring(home)


def test_a_keyring_of_the_first_format_is_split(tmp_path: Path) -> None:
    """Where everything was one part: all secrets are kept, and each goes to its own."""
    import base64
    import secrets
    from datetime import UTC, datetime

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from primafacie.platform.keys import _hkdf
    from primafacie.safeguards.provenance.certificates import make_pki

    names = ("log_signer", "log_signer_pq", "permit_key", "consent_key", "mark_master",
             "vault_master", "commitment_key", "session_secret")  # fmt: skip
    held = {name: secrets.token_bytes(32) for name in names}
    pki = make_pki(datetime.now(UTC))
    pem = {
        name: getattr(pki, name).decode()
        for name in ("root_pem", "root_key_pem", "issuing_pem", "issuing_key_pem",
                     "time_root_pem", "time_root_key_pem")
    }  # fmt: skip
    pairs = {
        name: {"chain_pem": one.chain_pem.decode(), "key_pem": one.key_pem.decode()}
        for name, one in (("claim", pki.claim), ("time", pki.time))
    }
    body = {"development": True, "created_at": "2026-11-24T12:00:00.000Z",
            "secrets": {k: v.hex() for k, v in held.items()},
            "credential": pem | pairs}  # fmt: skip
    opener = private(tmp_path / "opener", b"y" * 32)
    salt, nonce = b"s" * 16, b"n" * 12
    head = {"format": "primafacie.keyring/1", "opened_by": "key", "salt": salt.hex(),
            "nonce": nonce.hex()}  # fmt: skip
    key = _hkdf(b"y" * 32, b"primafacie/keyring", salt)
    bound = json.dumps(head, sort_keys=True).encode()
    sealed = AESGCM(key).encrypt(nonce, json.dumps(body).encode(), bound)
    (tmp_path / "data" / "keys").mkdir(parents=True)
    private(tmp_path / "data" / "keys" / "keyring.json",
            json.dumps({**head, "sealed": base64.b64encode(sealed).decode()}).encode())  # fmt: skip
    place = settings(tmp_path / "data", key_file=opener)
    ring = open_keyring(place)
    assert (ring.log_signer, ring.vault_master) == (held["log_signer"], held["vault_master"])
    assert ring.mark_masters == (held["mark_master"],) and ring.claim_roots == pki.root_pem
    assert open_gate(place).permit_key == held["permit_key"]
    assert open_signer(place).claim_key == pki.claim.key_pem
    assert json.loads((tmp_path / "data/keys/keyring.json").read_text())["format"].endswith("/2")


def test_derived_keys_differ_by_purpose(tmp_path: Path) -> None:
    ring = open_keyring(settings(tmp_path))
    assert len({ring.derive(p) for p in ("log", "uploads", "subjects", "sources")}) == 4
    with pytest.raises(KeyringError):
        ring.signer("vault_master")
