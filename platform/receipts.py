"""Receipts: what a subject takes away, and how anybody checks one offline.

A receipt is JSON: the signed record, a DSSE statement of the platform about its state, and the log
leaf of the last step with its tlog-proof. It verifies with public keys alone.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from primafacie.audit import canonical, dsse
from primafacie.audit.errors import AuditError
from primafacie.audit.proof import verify_leaf
from primafacie.platform.clock import rfc3339
from primafacie.platform.consent_book import ConsentTools, ReceiptFile
from primafacie.platform.errors import InputError
from primafacie.platform.tables import subject_keys
from primafacie.safeguards.consent import ConsentRecord, open_consent
from primafacie.safeguards.errors import ConsentError

FORMAT: Final = "primafacie.consent-receipt/1"
PAYLOAD_TYPE: Final = "application/vnd.primafacie.consent-receipt.v1+json"
MAX_RECEIPT: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class ReceiptCheck:
    """A receipt that held. log_index: the leaf that tells of the last step."""

    record: ConsentRecord
    state: str
    at: str
    log_index: int
    log_size: int


def write_receipt(
    tools: ConsentTools,
    record: ConsentRecord,
    envelope: bytes,
    state: str,
    log_index: int,
    token: str,
) -> ReceiptFile:
    """The receipt for this state. Call after the commit: the proof is of a durable leaf."""
    journal = tools.journal
    with journal.database.read() as tx:
        leaf = journal.log.leaf_bytes(tx, log_index)
        subject_public = _subject_key(tx, record)
    statement = {
        "at": rfc3339(journal.clock()),
        "consent": record.consent_id,
        "record_sha256": record.sha256,
        "state": state,
        "text": _text(record, state),
    }
    body: dict[str, Any] = {
        "format": FORMAT,
        "record": envelope.decode(),
        "statement": dsse.sign(
            canonical.encode(statement), PAYLOAD_TYPE, tools.platform_key
        ).decode(),
        "leaf": leaf.decode(),
        "proof": journal.proof_of(log_index),
        "log_keys": list(journal.log.vkeys),
        "platform_key": base64.b64encode(dsse.public_bytes(tools.platform_key)).decode(),
        "subject_key": base64.b64encode(subject_public).decode(),
    }
    if token:
        body["your_page"] = f"{tools.settings.public_url}/me/{token}"
        body["token"] = token
    name = f"consent-receipt-{record.consent_id[:8]}.json"
    return ReceiptFile(name, json.dumps(body, indent=1).encode(), token)


def verify_receipt(
    data: bytes, *, platform_key: bytes | None = None, log_vkeys: Sequence[str] | None = None
) -> ReceiptCheck:
    """What the receipt says, if every part of it holds together.

    1. The record: signed by the subject and by the platform.
    2. The platform's statement about exactly this record.
    3. The leaf: in the log, about this record's consent, in the stated state.
    platform_key and log_vkeys: what the reader trusts. Where they are None, the receipt's own are
    used, which shows that the receipt is whole, not who made it. Raises InputError.
    """
    body = _parse(data)
    try:
        own = base64.b64decode(body["platform_key"], validate=True)
        trusted = platform_key or own
        subject = base64.b64decode(body["subject_key"], validate=True)
        ids = {dsse.key_id(trusted): trusted, dsse.key_id(subject): subject}
        record = open_consent(body["record"].encode(), ids, dsse.key_id(trusted))  # 1
        said = dsse.verify(
            body["statement"].encode(), PAYLOAD_TYPE, {dsse.key_id(trusted): trusted}
        )
        statement = canonical.decode_object(said.payload)  # 2
        keys = list(log_vkeys or body["log_keys"])
        leaf, head = verify_leaf(body["proof"], body["leaf"].encode(), keys)  # 3
    except (AuditError, ConsentError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"the receipt does not hold: {error}") from error
    matches = (
        statement.get("record_sha256") == record.sha256
        and statement.get("consent") == record.consent_id
        and leaf.fact("state") == statement.get("state")
        and leaf.fact("record_sha256") == record.sha256
    )
    if not matches:
        raise InputError("the receipt's parts speak of different things")
    return ReceiptCheck(
        record, str(statement["state"]), str(statement.get("at")), leaf.index, head.size
    )


def _parse(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_RECEIPT:
        raise InputError("this is no receipt: it is too large")
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError("this is no receipt: it is not JSON") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise InputError("this is no receipt of a format this version knows")
    return body


def _text(record: ConsentRecord, state: str) -> str:
    return (
        f"Your consent {record.consent_id} to {record.controller} is {state}. It ends on "
        f"{record.not_after[:10]}. You can look at every use, pause, withdraw or have everything "
        "erased at any time on your own page; its address stands in this file."
    )


def _subject_key(tx: sa.Connection, record: ConsentRecord) -> bytes:
    chosen = sa.select(subject_keys.c.public).where(subject_keys.c.id == record.subject_key)
    public: bytes = tx.execute(chosen).scalar_one()
    return public
