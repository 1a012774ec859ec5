"""The verifier that is one file: the same verdicts as the log's own, by other code."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import standalone_verifier as alone
from primafacie.audit.bundle import export_bundle, verify_bundle
from primafacie.audit.note import Algorithm, NoteSigner, SignerGroup

FILE = Path(__file__).resolve().parents[2] / "audit" / "standalone_verifier.py"


def test_it_uses_nothing_but_the_standard_library() -> None:
    import ast

    tree = ast.parse(FILE.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {str(n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_rfc_8032_test_1_verifies() -> None:
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701c"
        "f9b46bd25bf5f0595bbe24655141438e7a100b"
    )
    alone.verify_ed25519(public, b"", signature)
    with pytest.raises(alone.Refused):
        alone.verify_ed25519(public, b"x", signature)


def test_its_signatures_agree_with_the_library() -> None:
    for i in range(12):
        key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"%d" % i).digest())
        message, public = b"m" * i, key.public_key().public_bytes_raw()
        signature = bytearray(key.sign(message))
        alone.verify_ed25519(public, message, bytes(signature))
        signature[5 * i] ^= 1
        with pytest.raises(alone.Refused):
            alone.verify_ed25519(public, message, bytes(signature))


def test_a_signature_is_not_malleable() -> None:
    key = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
    signature, public = key.sign(b"m"), key.public_key().public_bytes_raw()
    larger = int.from_bytes(signature[32:], "little") + alone.Q
    with pytest.raises(alone.Refused):
        alone.verify_ed25519(public, b"m", signature[:32] + larger.to_bytes(32, "little"))


@pytest.mark.parametrize("many", [0, 1, 2, 7, 20])
def test_it_reads_a_bundle_as_the_log_does(room: Any, tmp_path: Path, many: int) -> None:
    room.fill(many)
    room.publish()
    room.released("good")
    room.append(rid="late", at=room.clock.now.replace(hour=3))
    path = tmp_path / "log.jsonl"
    export_bundle(room.engine, room.log, path, room.clock())
    report, other = verify_bundle(path, room.vkeys), alone.verify(path, room.vkeys[0], [])
    assert (other["leaves"], other["root"]) == (report.size, report.root)
    assert other["kinds"] == dict(report.kinds) and other["open"] == []


def test_it_passes_over_ml_dsa_lines(room: Any, tmp_path: Path) -> None:
    pq = NoteSigner.from_seed(room.log.origin, b"\x09" * 32, Algorithm.ML_DSA_44)
    room.log._signer = SignerGroup((room.signer, pq))
    room.fill(3)
    export_bundle(room.engine, room.log, tmp_path / "b", room.clock())
    assert alone.verify(tmp_path / "b", room.vkeys[0], [])["leaves"] == 3
    with pytest.raises(alone.Refused, match="Ed25519"):
        alone.verify(tmp_path / "b", room.vkeys[1], [])


def test_it_runs_as_a_program(room: Any, tmp_path: Path) -> None:
    room.released("good")
    path, kept = tmp_path / "b", tmp_path / "kept"
    kept.write_text(room.publish().note, encoding="utf-8")
    export_bundle(room.engine, room.log, path, room.clock())

    def run(*arguments: str) -> int:
        command = [sys.executable, "-I", "-S", str(FILE), *arguments]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode

    assert run(str(path), room.vkeys[0], str(kept)) == 0
    path.write_bytes(path.read_bytes().replace(b"allow", b"abhor"))
    assert run(str(path), room.vkeys[0]) == 1
    assert run() == 64
