"""The signer: a key nobody else holds, a ledger nobody can skip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.manifest import Credentials
from primafacie.safeguards.provenance.media import FilmWriter, implicit_label
from primafacie.safeguards.provenance.signer import SignerProcess, SocketSigner


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signer")
    path.chmod(0o700)
    return path


@pytest.fixture(scope="module")
def process(newsroom: Any, folder: Path) -> Iterator[SignerProcess]:
    pki = newsroom.pki
    with SignerProcess(pki.claim, newsroom.tsa.url, folder / "sock", folder / "ledger") as running:
        yield running


def ledger(folder: Path) -> list[dict[str, Any]]:
    path = folder / "ledger"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def film(make_scene: Any, make_voice: Any) -> bytes:
    writer = FilmWriter(320, 320, 25.0, make_voice(1, 0.4), implicit_label("Primafacie", "x"))
    for frame in make_scene(1, 10):
        writer.add(frame)
    return writer.finish()


def sign(newsroom: Any, film: bytes, signer: SocketSigner) -> bytes:
    binding = Binding("org.primafacie.lattice.1", "picture", b"0123456789")
    definition = compose(newsroom.order("x"), (binding,), 400)
    return Credentials(newsroom.trust).sign(film, definition, signer).data


def test_a_claim_is_signed_from_afar_and_written_down(
    newsroom: Any, process: SignerProcess, folder: Path, film: bytes
) -> None:
    told: list[str] = []
    before = len(ledger(folder))
    signer = SocketSigner(process.path, told.append)
    data = sign(newsroom, film, signer)
    assert Credentials(newsroom.trust).read(data).state == "Trusted"
    lines = ledger(folder)
    assert len(lines) == before + 1 and lines[-1]["sha256"] == told[-1]
    assert lines[-1]["pid"] == os.getpid() and lines[-1]["uid"] == os.getuid()


@pytest.mark.parametrize("tbs", [b"", b"a contract", b"\x84" + b"\x60" * 4], ids=len)
def test_what_is_no_claim_is_not_signed(process: SignerProcess, folder: Path, tbs: bytes) -> None:
    before = len(ledger(folder))
    with pytest.raises(ManifestError, match="refused"):
        SocketSigner(process.path).sign(tbs)
    assert len(ledger(folder)) == before


def test_a_claim_under_another_certificate_is_not_signed(process: SignerProcess) -> None:
    import cbor2

    protected = cbor2.dumps({1: -7, 33: [b"another certificate"]})
    claim = cbor2.dumps({"claim_generator_info": {}, "created_assertions": []})
    with pytest.raises(ManifestError, match="refused"):
        SocketSigner(process.path).sign(cbor2.dumps(["Signature1", protected, b"", claim]))


def test_a_log_that_fails_stops_the_signature(
    newsroom: Any, process: SignerProcess, folder: Path, film: bytes
) -> None:
    def fail(sha256: str) -> None:
        raise OSError("no log")

    before = len(ledger(folder))
    with pytest.raises(ManifestError, match="no log"):
        sign(newsroom, film, SocketSigner(process.path, fail))
    assert len(ledger(folder)) == before


def test_socket_and_ledger_are_closed_to_others(process: SignerProcess, folder: Path) -> None:
    assert (folder / "sock").stat().st_mode & 0o077 == 0
    assert (folder / "ledger").stat().st_mode & 0o077 == 0


def test_the_key_is_on_no_command_line_and_in_no_environment(process: SignerProcess) -> None:
    proc = Path("/proc") / str(process.pid)
    if not proc.exists():
        pytest.skip("no /proc here")
    told = (proc / "cmdline").read_bytes() + (proc / "environ").read_bytes()
    assert b"PRIVATE KEY" not in told


def test_an_open_folder_is_refused(newsroom: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with pytest.raises(ManifestError, match="closed"):
        SignerProcess(newsroom.pki.claim, newsroom.tsa.url, tmp_path / "s", tmp_path / "l")


def test_the_signer_ends_with_its_launcher(newsroom: Any, folder: Path) -> None:
    program = (
        "import sys, os, pathlib\n"
        "from primafacie.safeguards.provenance.certificates import Identity\n"
        "from primafacie.safeguards.provenance.signer import SignerProcess\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "who = Identity(sys.stdin.buffer.readline().replace(b'|', b'\\n'),"
        " sys.stdin.buffer.readline().replace(b'|', b'\\n'))\n"
        "p = SignerProcess(who, 'http://127.0.0.1:9/', folder / 'sock2', folder / 'ledger2')\n"
        "print(p.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    claim = newsroom.pki.claim
    fed = b"".join(part.replace(b"\n", b"|") + b"\n" for part in (claim.chain_pem, claim.key_pem))
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], input=fed, capture_output=True, timeout=60
    )
    pid = int(done.stdout)
    for _ in range(100):
        if not _runs(pid):
            break
        import time

        time.sleep(0.05)
    assert not _runs(pid)
    with pytest.raises(ManifestError, match="reached"):
        SocketSigner(folder / "sock2")


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
