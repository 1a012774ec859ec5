"""The signer: a key nobody else holds, a ledger nobody can skip, and no video without it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from primafacie.platform.keys import open_keyring, rotate_claim
from primafacie.platform.settings import Settings
from primafacie.platform.signing import WorkerSigner
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.manifest import Credentials, TrustList
from primafacie.safeguards.provenance.media import FilmWriter, implicit_label
from primafacie.safeguards.provenance.signer import PemKey, SocketSigner

HSM = Path("/usr/lib/softhsm/libsofthsm2.so")
TOKEN_PIN = "1234"


class Told(list[tuple[str, str]]):
    """What the signer's user was told of each signature."""

    def __call__(self, digest: str, rid: str) -> None:
        self.append((digest, rid))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = Settings(data_dir=tmp_path_factory.mktemp("signing"))
    open_keyring(settings)
    return settings


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def signer(place: Settings, told: Told) -> Iterator[WorkerSigner]:
    with WorkerSigner(place, told) as running:
        yield running


@pytest.fixture(scope="module")
def film(make_scene: Any, make_voice: Any) -> bytes:
    writer = FilmWriter(320, 320, 25.0, make_voice(1, 0.4), implicit_label("Primafacie", "x"))
    for frame in make_scene(1, 10):
        writer.add(frame)
    return writer.finish()


def ledger(settings: Settings) -> list[dict[str, Any]]:
    path = settings.data_dir / "ledger" / "signatures"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def trust(settings: Settings) -> TrustList:
    ring = open_keyring(settings)
    return TrustList.of(ring.claim_roots, ring.time_roots)


def sign(newsroom: Any, settings: Settings, film: bytes, signer: Any) -> bytes:
    binding = Binding("org.primafacie.lattice.1", "picture", b"0123456789")
    order = newsroom.order("x")
    definition = compose(order, (binding,), 400)
    return Credentials(trust(settings)).sign(film, definition, signer, order.rid).data


def test_a_claim_is_signed_from_afar_and_written_down_under_its_request(
    newsroom: Any, place: Settings, signer: WorkerSigner, told: Told, film: bytes
) -> None:
    before = len(ledger(place))
    data = sign(newsroom, place, film, signer)
    assert Credentials(trust(place)).read(data).state == "Trusted"
    lines = ledger(place)
    assert len(lines) == before + 1
    assert (lines[-1]["sha256"], lines[-1]["rid"]) == told[-1] and len(told[-1][1]) == 32
    assert lines[-1]["pid"] == os.getpid() and lines[-1]["uid"] == os.getuid()


@pytest.mark.parametrize("tbs", [b"", b"a contract", b"\x84" + b"\x60" * 4], ids=len)
def test_what_is_no_claim_is_not_signed(place: Settings, signer: WorkerSigner, tbs: bytes) -> None:
    assert signer.chain_pem
    before = len(ledger(place))
    with pytest.raises(ManifestError, match="refused"):
        signer.sign(tbs)
    assert len(ledger(place)) == before


def test_a_claim_under_another_certificate_is_not_signed(signer: WorkerSigner) -> None:
    import cbor2

    assert signer.chain_pem
    protected = cbor2.dumps({1: -7, 33: [b"another certificate"]})
    claim = cbor2.dumps({"claim_generator_info": {}, "created_assertions": []})
    with pytest.raises(ManifestError, match="refused"):
        signer.sign(cbor2.dumps(["Signature1", protected, b"", claim]))


def test_a_log_that_fails_stops_the_signature(
    newsroom: Any, place: Settings, signer: WorkerSigner, film: bytes
) -> None:
    def fail(digest: str, rid: str) -> None:
        raise OSError("no log")

    assert signer.chain_pem and signer._folder is not None
    before = len(ledger(place))
    with pytest.raises(ManifestError, match="no log"):
        sign(newsroom, place, film, SocketSigner(signer._folder / "signer", fail))
    assert len(ledger(place)) == before


def test_socket_and_ledger_are_closed_to_others(
    newsroom: Any, place: Settings, signer: WorkerSigner, film: bytes
) -> None:
    assert sign(newsroom, place, film, signer) and signer._folder is not None
    assert signer._folder.stat().st_mode & 0o077 == 0
    assert (signer._folder / "signer").stat().st_mode & 0o077 == 0
    assert (place.data_dir / "ledger" / "signatures").stat().st_mode & 0o077 == 0


def test_another_user_gets_no_answer(place: Settings) -> None:
    import socket

    from primafacie.generator.child import Wire
    from primafacie.platform.signing import Keeper, desk

    keeper = Keeper(place)
    table = desk(place, keeper)
    table._uids = frozenset({os.getuid() + 1})
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    wire.send_json({"ask": "identity"})
    table.attend(theirs)
    assert "only for" in wire.receive_json(5.0)["refused"]
    wire.close()
    keeper.close()


OPENED = """
import sys
from pathlib import Path
from primafacie.platform.settings import Settings
from primafacie.platform.signing import WorkerSigner
from primafacie.platform.wiring import Services

services = Services.open(Settings(data_dir=Path(sys.argv[1])))
signer = WorkerSigner(services.settings, lambda digest, rid: None)
assert signer.chain_pem
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no /proc here")
def test_the_key_is_in_no_process_but_the_signers(place: Settings) -> None:
    """An installation is opened as console and worker open it, and its memory searched."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    from primafacie.platform.keys import open_gate, open_signer

    held = open_signer(place)
    private = [load_pem_private_key(pem, None) for pem in (held.claim_key, held.time_key)]
    needles = [held.claim_key[60:140], open_gate(place).permit_key]
    for key in private:
        value = key.private_numbers().private_value  # type: ignore[union-attr]
        needles += [value.to_bytes(32, order) for order in ("big", "little")]
    control = open_keyring(place).vault_master  # has to be found, or nothing was searched
    with subprocess.Popen(
        [sys.executable, "-c", OPENED, str(place.data_dir)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        try:
            found = searched(process.pid, [*needles, control])
        except PermissionError:
            pytest.skip("LOUD: this machine lets no process look into another; not searched")
        finally:
            process.kill()
    assert found == {len(needles)}, "only the house's own secret may be there"


def searched(pid: int, needles: list[bytes]) -> set[int]:
    """Which needles stand in the writable memory of a process."""
    found = set()
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, mode = line.split()[:2]
            if not mode.startswith("rw"):
                continue
            start, end = (int(part, 16) for part in span.split("-"))
            try:
                memory.seek(start)
                block = memory.read(end - start)
            except (OSError, OverflowError, ValueError):
                continue
            found |= {i for i, needle in enumerate(needles) if needle in block}
    return found


def test_a_rotated_key_is_used_at_once_and_old_files_still_verify(
    newsroom: Any, place: Settings, signer: WorkerSigner, film: bytes
) -> None:
    old = sign(newsroom, place, film, signer)
    before = signer.chain_pem
    ring = rotate_claim(place)
    assert signer.chain_pem == ring.claim_chain != before
    new = sign(newsroom, place, film, signer)
    readings = [Credentials(trust(place)).read(data) for data in (old, new)]
    assert [r.sound for r in readings] == [True, True]
    assert readings[0].serials[0] != readings[1].serials[0]


def test_a_signer_that_died_is_started_again(place: Settings) -> None:
    with WorkerSigner(place, Told()) as signer:
        assert signer.chain_pem
        first = signer.pid
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: not signer._child.alive)  # type: ignore[union-attr]
        assert signer.chain_pem and signer.pid != first


def test_without_a_signer_nothing_is_signed(newsroom: Any, place: Settings, film: bytes) -> None:
    away = place.model_copy(update={"signer_socket": place.data_dir / "nobody"})
    with pytest.raises(ManifestError, match="cannot be reached"):
        sign(newsroom, place, film, WorkerSigner(away, Told()))


def test_a_signer_without_its_keyring_says_so(tmp_path: Path) -> None:
    with (
        WorkerSigner(Settings(data_dir=tmp_path), Told()) as signer,
        pytest.raises(ManifestError, match="did not start"),
    ):
        _ = signer.chain_pem


@pytest.mark.slow
def test_a_signer_of_somebody_else_is_used(newsroom: Any, place: Settings, film: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        command = [sys.executable, "-m", "primafacie.platform.cli", "signer", "--socket", str(path)]
        environment = {**os.environ, "PRIMAFACIE_DATA_DIR": str(place.data_dir)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            wait_for(path.exists, 60)
            asked = place.model_copy(update={"signer_socket": path})
            data = sign(newsroom, place, film, WorkerSigner(asked, Told()))
            assert Credentials(trust(place)).read(data).sound
        finally:
            process.terminate()
            assert process.wait(20) == 0
        assert not path.exists()


ASK = """
import os, sys
from pathlib import Path
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance.signer import SocketSigner
signer = SocketSigner(Path(sys.argv[1]))
os.setgid(65534)
os.setuid(int(sys.argv[2]))
try:
    print(signer.chain_pem.startswith(b"-----BEGIN"))
except ManifestError as error:
    print(error)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="LOUD: only root can ask as another user; not tested")
def test_of_other_users_only_a_named_one_is_answered(place: Settings) -> None:
    import socket
    import tempfile
    import threading

    from primafacie.platform.signing import Keeper, desk
    from primafacie.safeguards.provenance.signer import serve

    keeper, listening = Keeper(place), threading.Event()
    over, end = socket.socketpair()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        path = Path(folder) / "s"
        table = desk(place, keeper, frozenset({65534}))
        server = threading.Thread(target=serve, args=(path, table, over, listening.set))
        server.start()
        assert listening.wait(20)
        said = [
            subprocess.run([sys.executable, "-c", ASK, str(path), uid], capture_output=True,
                           text=True, timeout=60).stdout.strip()
            for uid in ("65534", "65533")
        ]  # fmt: skip
        end.close()
        server.join(20)
    over.close()
    keeper.close()
    assert said[0] == "True" and "only for" in said[1], said


def test_a_stranger_whose_question_comes_in_pieces_is_told_so_too(
    place: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket
    import threading

    from primafacie.generator.child import Wire
    from primafacie.platform.signing import Keeper, desk
    from primafacie.safeguards.provenance import signer

    monkeypatch.setattr(signer, "_peer", lambda _: {"pid": 1, "uid": 65533})
    keeper, (ours, theirs) = Keeper(place), socket.socketpair()
    attending = threading.Thread(
        target=desk(place, keeper, frozenset({65534})).attend, args=(ours,)
    )
    attending.start()
    question = b'{"ask": "identity"}'
    for part in (len(question).to_bytes(8, "big"), question):
        theirs.sendall(part)
        time.sleep(0.2)
    with theirs:
        assert "only for" in Wire(theirs).receive_json(20)["refused"]
    attending.join(20)
    keeper.close()


def test_the_signer_ends_with_its_worker(place: Settings) -> None:
    program = (
        "import sys, os\n"
        "from pathlib import Path\n"
        "from primafacie.platform.settings import Settings\n"
        "from primafacie.platform.signing import WorkerSigner\n"
        "signer = WorkerSigner(Settings(data_dir=Path(sys.argv[1])), print)\n"
        "assert signer.chain_pem\n"
        "print(signer.pid, flush=True)\n"
        "os._exit(1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(place.data_dir)], capture_output=True, timeout=60
    )
    pid = int(done.stdout)
    wait_for(lambda: not runs(pid))


def test_a_signer_key_file_keeps_the_key_from_whoever_has_the_houses(tmp_path: Path) -> None:
    from primafacie.platform.errors import KeyringError
    from primafacie.platform.keys import open_gate, open_signer

    for name in ("house", "signer"):
        (tmp_path / name).write_bytes(os.urandom(32))
        (tmp_path / name).chmod(0o600)
    both = Settings(
        data_dir=tmp_path / "data", key_file=tmp_path / "house", signer_key_file=tmp_path / "signer"
    )
    open_keyring(both)
    assert open_signer(both).claim_key
    house = both.model_copy(update={"signer_key_file": None})
    assert open_gate(house).permit_key
    with pytest.raises(KeyringError, match="does not open"):
        open_signer(house)


# a module that holds the key -------------------------------------------------------------------


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A fresh SoftHSM2 token."""
    pytest.importorskip("pkcs11", reason="LOUD: python-pkcs11 is not installed; no module tested")
    if not HSM.exists():
        pytest.skip("LOUD: SoftHSM2 is not on this machine; the PKCS #11 door was not tested")
    (tmp_path / "tokens").mkdir()
    config = tmp_path / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {tmp_path / 'tokens'}\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(config))
    tool = ["softhsm2-util", "--init-token", "--free", "--label", "here", "--so-pin", "5678"]
    subprocess.run([*tool, "--pin", TOKEN_PIN], check=True, capture_output=True)
    pin = tmp_path / "pin"
    pin.write_text(TOKEN_PIN + "\n")
    return {"pkcs11_module": HSM, "pkcs11_token": "here", "pkcs11_pin_file": pin}


MODULE = """
import sys, json
from pathlib import Path
from primafacie.platform.keys import open_keyring, open_signer, rotate_claim
from primafacie.platform.settings import Settings
from primafacie.platform.signing import Keeper, claim_key
from primafacie.safeguards.errors import ManifestError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from primafacie.safeguards.provenance.certificates import Subject, claim_request, der_signature

settings = Settings(**json.loads(sys.stdin.read()))
open_keyring(settings)
key = claim_key(settings)
try:
    key.sign(b"too early")
except ManifestError as error:
    print("early:", error)
try:
    Keeper(settings)
except ManifestError as error:
    print("no key:", error)
key.generate()
public = load_pem_public_key(key.public_pem)
public.verify(der_signature(key.sign(b"words")), b"words", ec.ECDSA(hashes.SHA256()))
try:
    Keeper(settings)
except ManifestError as error:
    print("another:", error)
rotate_claim(settings, public)
keeper = Keeper(settings)
standing = keeper.standing()
standing.check()
assert open_signer(settings).claim_key == b""
from cryptography import x509
request = x509.load_der_x509_csr(claim_request(Subject("A", "DE"), public, key.sign))
assert request.is_signature_valid and request.public_key() == public
wrong = claim_key(settings.model_copy(update={"pkcs11_token": "elsewhere"}))
try:
    wrong.sign(b"x")
except ManifestError as error:
    print("elsewhere:", error)
print("done")
keeper.close()
"""


def test_a_key_in_a_module_signs_and_never_leaves_it(
    module: dict[str, Any], tmp_path: Path
) -> None:
    """In a process of its own: a PKCS #11 library reads its configuration once."""
    settings = Settings(data_dir=tmp_path / "data", **module)
    done = subprocess.run(
        [sys.executable, "-c", MODULE], input=settings.model_dump_json(), text=True,
        capture_output=True, timeout=120, env={**os.environ},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1] == "done", done.stdout + done.stderr[-3000:]
    assert [line.split(":")[0] for line in lines[:-1]] == [
        "early",
        "no key",
        "another",
        "elsewhere",
    ]


# certificates from elsewhere -------------------------------------------------------------------


def test_a_request_has_the_programmes_profile() -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from primafacie.safeguards.provenance.certificates import (
        ASSURANCE_LEVEL,
        CLAIM_SIGNING,
        DOCUMENT_SIGNING,
        PRODUCT_RECORD,
        Subject,
        claim_request,
        fresh_key_pem,
    )

    key = PemKey(fresh_key_pem())
    public = load_pem_public_key(key.public_pem)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    who = Subject("An Institute", "DE", "11111111-2222-4333-8444-555555555555")
    request = x509.load_der_x509_csr(claim_request(who, public, key.sign))
    assert request.is_signature_valid and request.public_key() == public
    assert request.subject.rfc4514_string().startswith(
        "CN=An Institute Claim Signer,O=An Institute"
    )
    usage = request.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical and usage.value.digital_signature and usage.value.content_commitment
    extended = request.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(extended) == {CLAIM_SIGNING, DOCUMENT_SIGNING}
    for oid, tail in ((ASSURANCE_LEVEL, b"\x03\x0a"), (PRODUCT_RECORD, b"444-555555555555")):
        assert request.extensions.get_extension_for_oid(oid).value.value.endswith(tail)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [("", ""), ("key", "another key"), ("root", "not issued by"), ("late", "not in force"),
     ("rooted", "must not hold the root"), ("time", "may not sign claims"),
     ("order", "authority|key"), ("junk", "cannot be used")],
)  # fmt: skip
def test_a_chain_is_checked_before_it_is_used(wrong: str, says: str) -> None:
    from datetime import timedelta

    from cryptography import x509

    from primafacie.safeguards.provenance.certificates import check_claim_chain, make_pki

    now = datetime.now(UTC)
    pki, other = make_pki(now), make_pki(now)
    leaf, _ = x509.load_pem_x509_certificates(pki.claim.chain_pem)
    chain, root, when, public = pki.claim.chain_pem, pki.root_pem, now, leaf.public_key()
    if wrong == "key":
        public = x509.load_pem_x509_certificate(other.claim.chain_pem).public_key()
    if wrong == "root":
        root = other.root_pem
    if wrong == "late":
        when = now + timedelta(days=91)
    if wrong == "rooted":
        chain += pki.root_pem
    if wrong == "time":
        chain = pki.time.chain_pem.split(b"-----END CERTIFICATE-----\n")[0]
        chain += b"-----END CERTIFICATE-----\n"
        root, public = pki.time_root_pem, x509.load_pem_x509_certificate(chain).public_key()
    if wrong == "order":
        parts = chain.split(b"-----END CERTIFICATE-----\n")
        chain = b"".join(p + b"-----END CERTIFICATE-----\n" for p in (parts[1], parts[0]))
    if wrong == "junk":
        chain = b"no certificates"
    if not wrong:
        check_claim_chain(chain, root, when, public)  # type: ignore[arg-type]
        return
    with pytest.raises(ManifestError, match=says):
        check_claim_chain(chain, root, when, public)  # type: ignore[arg-type]


def wait_for(true: Any, seconds: float = 20.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
