"""primafacie keys: what there is, and renewing the signing certificate."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened


@click.group("keys")
def keys() -> None:
    """The keyring."""


@keys.command("list")
@answer.json_option
def listed(as_json: bool) -> None:
    """Public halves and dates; never a secret."""
    from primafacie.audit import dsse
    from primafacie.platform.keys import certificate_ends

    with opened.services() as services:
        ring = services.keys
        document = {
            "development": ring.development,
            "created_at": ring.created_at,
            "log": list(services.log.vkeys),
            "permit": dsse.key_id(dsse.public_bytes(ring.signer("permit_key"))),
            "consent": dsse.key_id(dsse.public_bytes(ring.signer("consent_key"))),
            "claim_certificate_ends": certificate_ends(ring.credential.claim.chain_pem),
            "time_certificate_ends": certificate_ends(ring.credential.time.chain_pem),
        }
    shown = answer.plain(document)
    answer.say(as_json, document, *(f"{name}: {value}" for name, value in shown.items()))


@keys.command("renew")
@answer.json_option
def renew(as_json: bool) -> None:
    """A fresh signing certificate from the keyring's own issuing CA. Restart workers after it."""
    from primafacie.audit.entry import Kind
    from primafacie.platform.journal import OPERATOR
    from primafacie.platform.keys import certificate_ends, renew_claim

    with opened.services() as services:
        services.journal.record(
            services.journal.event(Kind.KEY_ROTATED, OPERATOR, why=("claim_certificate",))
        )
        ring = renew_claim(services.settings)
    ends = certificate_ends(ring.credential.claim.chain_pem)
    answer.say(as_json, {"claim_certificate_ends": ends}, f"valid until {ends:%Y-%m-%d}")


@keys.command("anchors")
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path))
def anchors(out: Path) -> None:
    """Write what verifiers elsewhere need: root certificates and the log's public keys."""
    with opened.services() as services:
        out.mkdir(parents=True, exist_ok=True)
        opened.write(out / "claim-root.pem", services.examiner.roots[0])
        opened.write(out / "time-root.pem", services.examiner.roots[1])
        opened.write(out / "log-keys.txt", "\n".join([*services.log.vkeys, ""]).encode())
