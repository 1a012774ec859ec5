"""primafacie keys: what there is, making it, rotating it, and certificates from elsewhere."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from primafacie.platform.cli import answer, opened

if TYPE_CHECKING:
    from primafacie.platform.wiring import Services

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("keys")
def keys() -> None:
    """The keyring."""


@keys.command("create")
@answer.json_option
def create(as_json: bool) -> None:
    """Make the keyring of a NEW installation. Copy it, and what opens it, to safe places.

    Never where there was one before: what the lost one sealed stays lost, and a restored copy is
    the only way to continue the log.
    """
    from primafacie.platform.database import Database
    from primafacie.platform.errors import ConflictError
    from primafacie.platform.keys import create_keyring
    from primafacie.platform.settings import Settings

    settings = Settings.read()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database.open(settings.url)
    try:
        if database.version:
            raise ConflictError("this database belongs to an installation; restore its keyring")
    finally:
        database.close()
    ring = create_keyring(settings)
    answer.say(as_json, {"created_at": ring.created_at}, f"made at {ring.created_at}")


@keys.command("list")
@answer.json_option
def listed(as_json: bool) -> None:
    """Public halves and dates; never a secret."""
    from primafacie.audit import dsse
    from primafacie.platform.keys import certificate_ends

    with opened.services() as services:
        ring = services.keys
        log = ring.log_keys(services.log.origin)
        document = {
            "development": ring.development,
            "created_at": ring.created_at,
            "log": list(log.current.vkeys),
            "log_retired": list(log.retired),
            "permit": dsse.key_id(ring.permit_public),
            "consent": dsse.key_id(dsse.public_bytes(ring.signer("consent_key"))),
            "mark_epoch": ring.mark_epoch,
            "claim_certificate_serial": _serial(ring.claim_chain),
            "claim_certificate_ends": certificate_ends(ring.claim_chain),
            "time_certificate_ends": certificate_ends(ring.time_chain),
        }
    shown = answer.plain(document)
    answer.say(as_json, document, *(f"{name}: {value}" for name, value in shown.items()))


# rotating --------------------------------------------------------------------------------------


@keys.group("rotate")
def rotate() -> None:
    """Fresh keys. What was made under the old ones stays verifiable; the log says when."""


@rotate.command("c2pa")
@answer.json_option
def rotate_c2pa(as_json: bool) -> None:
    """A fresh signing key and certificate from the keyring's own CA; signers use it at once."""
    from primafacie.platform.errors import ConflictError
    from primafacie.platform.keys import certificate_ends, rotate_claim

    with opened.services() as services:
        settings = services.settings
        if settings.claim_chain:
            raise ConflictError(
                "claim_chain names the operator's own certificate; replace it there"
            )
        _note(services, "claim_certificate", ())
        public = _public(services) if settings.pkcs11_module else None
        ring = rotate_claim(settings, public)
        leaf = _serial(ring.claim_chain)
        _note(services, "claim_certificate_in_use", (("serial", leaf),))
    ends = certificate_ends(ring.claim_chain)
    document = {"claim_certificate_ends": ends, "claim_certificate_serial": leaf}
    answer.say(as_json, document, f"valid until {ends:%Y-%m-%d}, serial {leaf}")


@rotate.command("log")
@answer.json_option
def rotate_log(as_json: bool) -> None:
    """Fresh log signers. The old ones sign that they end; restart console and workers after it."""
    from primafacie.platform.keys import rotate_log as fresh

    with opened.services() as services:
        _note(services, "log_signer", ())
        services.journal.publish()
        ring = fresh(services.settings)
        log = ring.log_keys(services.log.origin)
        ids = [vkey.split("+")[1] for vkey in log.current.vkeys]
    with opened.services() as services:  # by the new keys
        _note(services, "log_signer_in_use", tuple(zip(("ed25519", "mldsa44"), ids, strict=True)))
        services.journal.publish()
    answer.say(as_json, {"log": list(log.current.vkeys), "retired": list(log.retired)},
               *log.current.vkeys)  # fmt: skip


@rotate.command("mark")
@answer.json_option
def rotate_mark(as_json: bool) -> None:
    """A fresh watermark secret under the next epoch. Readers try every epoch, so each costs time;
    restart console and workers after it."""
    from primafacie.platform.keys import rotate_mark as fresh

    with opened.services() as services:
        _note(services, "mark_epoch", (("epoch", services.keys.mark_epoch + 1),))
        ring = fresh(services.settings)
    answer.say(as_json, {"mark_epoch": ring.mark_epoch}, f"epoch {ring.mark_epoch}")


# certificates from elsewhere -------------------------------------------------------------------


@keys.command("csr")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Where to write the request (PKCS #10, PEM).")  # fmt: skip
@click.option("--record", default="", help="The product's UUID on the C2PA products list.")
@answer.json_option
def csr(out: Path, record: str, as_json: bool) -> None:
    """A request for a claim-signing certificate, for a CA of the C2PA programme.

    Assurance level 1. The key is made for it and waits in the keyring, or in the PKCS #11 module
    where one is named; the certificate in use stays until `keys install`.
    """
    from primafacie.audit.digest import sha256_hex
    from primafacie.platform.errors import InputError
    from primafacie.platform.keys import pending_key
    from primafacie.platform.signing import claim_key
    from primafacie.safeguards.provenance.certificates import Subject, claim_request
    from primafacie.safeguards.provenance.signer import PemKey

    with opened.services() as services:
        settings = services.settings
        if settings.country == "ZZ":
            raise InputError("say which country the organisation is in: the setting country")
        _note(services, "claim_certificate_requested", ())
        key = claim_key(settings) if settings.pkcs11_module else PemKey(pending_key(settings))
        who = Subject(settings.controller, settings.country)
        who = Subject(who.organisation, who.country, record or who.product_record)
        try:
            request = claim_request(who, _load(key.public_pem), key.sign)
        except ValueError as error:
            raise InputError(f"the request cannot be made: {error}") from error
    opened.write(out, _pem("CERTIFICATE REQUEST", request))
    answer.say(as_json, {"request": out, "sha256": sha256_hex(request)}, f"request: {out}")


@keys.command("generate")
@answer.json_option
def generate(as_json: bool) -> None:
    """Make the signing key pair in the PKCS #11 module; its private half cannot be taken out."""
    from primafacie.platform.errors import InputError
    from primafacie.platform.signing import claim_key
    from primafacie.safeguards.provenance.hsm import ModuleKey

    with opened.services() as services:
        key = claim_key(services.settings) if services.settings.pkcs11_module else None
        if not isinstance(key, ModuleKey):
            raise InputError("name a module first: pkcs11_module, pkcs11_token, pkcs11_pin_file")
        _note(services, "module_key", ())
        key.generate()
        public = key.public_pem
    answer.say(as_json, {"public": public.decode()}, public.decode().rstrip("\n"))


@keys.command("install")
@click.argument("chain", type=FILE)
@click.option("--root", required=True, type=FILE, help="The CA's root certificate (PEM).")
@answer.json_option
def install(chain: Path, root: Path, as_json: bool) -> None:
    """Use the certificate a CA issued for the request. CHAIN: PEM, leaf first, without the root.

    Everything about it is checked first; what verifiers here trust is extended by ROOT.
    """
    from primafacie.platform.clock import now
    from primafacie.platform.errors import ConflictError
    from primafacie.platform.keys import certificate_ends, install_claim, open_signer
    from primafacie.platform.signing import claim_key
    from primafacie.safeguards.provenance.certificates import check_claim_chain
    from primafacie.safeguards.provenance.signer import PemKey

    chain_pem, root_pem = opened.read(chain), opened.read(root)
    with opened.services() as services:
        settings = services.settings
        module = settings.pkcs11_module is not None
        waiting = b"" if module else open_signer(settings).pending_key
        if not module and not waiting:
            raise ConflictError("no key is waiting for a certificate; see `primafacie keys csr`")
        key = claim_key(settings) if module else PemKey(waiting)
        check_claim_chain(chain_pem, root_pem, now(), _load(key.public_pem))
        leaf = _serial(chain_pem)
        _note(services, "claim_certificate", (("serial", leaf),))
        ring = install_claim(settings, chain_pem, root_pem, module)
    ends = certificate_ends(ring.claim_chain)
    document = {"claim_certificate_ends": ends, "claim_certificate_serial": leaf}
    answer.say(as_json, document, f"in use until {ends:%Y-%m-%d}, serial {leaf}")


@keys.command("revoke")
@click.argument("serial")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), default=None,
              help="Signatures from then on count no more; default: none ever did.")  # fmt: skip
@answer.json_option
def revoke(serial: str, since: datetime | None, as_json: bool) -> None:
    """Let the verifier here say of every video signed under a certificate that it was revoked.

    SERIAL: its serial number in hex, as `keys list` shows it. It shows at once. Revoke it with its
    CA as well: other verifiers ask there.
    """
    from datetime import UTC

    from primafacie.platform.errors import InputError
    from primafacie.platform.journal import OPERATOR
    from primafacie.platform.signing import read_pem

    with opened.services() as services:
        chain = read_pem(services.settings.claim_chain) or services.keys.claim_chain
        if serial == _serial(chain):
            raise InputError("this certificate signs now: give the signer another one first")
        moment = (since or datetime(1970, 1, 1)).replace(tzinfo=UTC)
        services.revocations.revoke(OPERATOR, serial, moment)
    document = {"serial": serial, "since": moment}
    answer.say(as_json, document, f"{serial}: revoked since {moment:%Y-%m-%d}")


@keys.command("anchors")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def anchors(out: Path) -> None:
    """Write what verifiers elsewhere need: roots, and the public keys of log and verdicts."""
    with opened.services() as services:
        out.mkdir(parents=True, exist_ok=True)
        opened.write(out / "claim-root.pem", services.examiner.roots[0])
        opened.write(out / "time-root.pem", services.examiner.roots[1])
        opened.write(out / "log-keys.txt", "\n".join([*services.log.vkeys, ""]).encode())
        key = services.examiner.anchors()["verdictKey"]
        opened.write(out / "verdict-key.txt", f"{key}\n".encode())


def _note(services: Services, what: str, facts: tuple[tuple[str, str | int], ...]) -> None:
    """Said in the log before it is done."""
    from primafacie.audit.entry import Kind
    from primafacie.platform.journal import OPERATOR

    entry = services.journal.event(Kind.KEY_ROTATED, OPERATOR, why=(what,), facts=facts)
    services.journal.record(entry)


def _public(services: Services):  # type: ignore[no-untyped-def]
    from primafacie.platform.signing import claim_key

    return _load(claim_key(services.settings).public_pem)


def _load(public_pem: bytes):  # type: ignore[no-untyped-def]
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    return load_pem_public_key(public_pem)


def _serial(chain_pem: bytes) -> str:
    from cryptography.x509 import load_pem_x509_certificate

    return f"{load_pem_x509_certificate(chain_pem).serial_number:x}"


def _pem(label: str, der: bytes) -> bytes:
    import base64

    body = base64.encodebytes(der).decode().replace("\n", "")
    lines = [body[i : i + 64] for i in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()
