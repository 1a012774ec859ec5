"""Subjects: names and contacts of the people depicted, under a key of their own.

Each subject has a random data key, wrapped under the keyring. Destroying it erases what lies under
it, wherever a copy of the ciphertext may still be.
"""

from __future__ import annotations

import secrets
import uuid
from typing import Any, Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from primafacie.platform.errors import KeyringError, NotFoundError
from primafacie.platform.journal import Journal
from primafacie.platform.tables import (
    complaints,
    consents,
    subject_hooks,
    subject_keys,
    subjects,
)

_NONCE: Final = 12


class Subjects:
    """The people depicted. Every method works in the caller's transaction."""

    def __init__(self, journal: Journal, master: bytes) -> None:
        self._journal, self._master = journal, AESGCM(master)

    def add(self, tx: sa.Connection, kind: str, name: str, contact: str) -> str:
        """A new subject; the id is a pseudonym that says nothing."""
        subject_id = uuid.uuid4().hex
        key = AESGCM.generate_key(256)
        tx.execute(
            subjects.insert().values(
                id=subject_id,
                kind=kind,
                key_wrapped=_seal(self._master, key, f"key|{subject_id}"),
                name_ct=_seal(AESGCM(key), name.encode(), f"name|{subject_id}"),
                contact_ct=_seal(AESGCM(key), contact.encode(), f"contact|{subject_id}"),
                created_at=self._journal.clock(),
            )
        )
        return subject_id

    def name(self, tx: sa.Connection, subject_id: str) -> str:
        """The name; "" once it was erased."""
        row = tx.execute(sa.select(subjects).where(subjects.c.id == subject_id)).first()
        if row is None or row.key_wrapped is None or row.name_ct is None:
            return ""
        return self.open(tx, subject_id, row.name_ct, f"name|{subject_id}").decode()

    def contact(self, tx: sa.Connection, subject_id: str) -> str:
        """Where to reach the subject; "" once it was erased."""
        row = tx.execute(sa.select(subjects).where(subjects.c.id == subject_id)).first()
        if row is None or row.key_wrapped is None or row.contact_ct is None:
            return ""
        return self.open(tx, subject_id, row.contact_ct, f"contact|{subject_id}").decode()

    def hook(self, tx: sa.Connection, subject_id: str) -> tuple[str, bytes]:
        """(address, secret) where the subject wants to be told by webhook; ("", b"") for none."""
        chosen = sa.select(subject_hooks).where(subject_hooks.c.subject_id == subject_id)
        row = tx.execute(chosen).first()
        if row is None:
            return "", b""
        url = self.open(tx, subject_id, row.url_ct, f"hook|{subject_id}").decode()
        return url, self.open(tx, subject_id, row.secret_ct, f"hook-secret|{subject_id}")

    def set_hook(self, tx: sa.Connection, subject_id: str, url: str) -> str:
        """Keep this address in place of any other, "" for none; the new secret."""
        tx.execute(subject_hooks.delete().where(subject_hooks.c.subject_id == subject_id))
        if not url:
            return ""
        secret = secrets.token_urlsafe(32)
        tx.execute(
            subject_hooks.insert().values(
                subject_id=subject_id,
                url_ct=self.seal(tx, subject_id, url.encode(), f"hook|{subject_id}"),
                secret_ct=self.seal(tx, subject_id, secret.encode(), f"hook-secret|{subject_id}"),
                added_at=self._journal.clock(),
            )
        )
        return secret

    def seal(self, tx: sa.Connection, subject_id: str, plain: bytes, about: str) -> bytes:
        """Encrypt for this subject; `about` must be given again to open it."""
        return _seal(AESGCM(self._key(tx, subject_id)), plain, about)

    def open(self, tx: sa.Connection, subject_id: str, sealed: bytes, about: str) -> bytes:
        """What `seal` sealed. Raises KeyringError when it was moved, altered or erased."""
        return _open(AESGCM(self._key(tx, subject_id)), sealed, about)

    def open_by(self, wrapped: bytes, subject_id: str, sealed: bytes, about: str) -> bytes:
        """The same for many at once: `wrapped` is the subject's key as its row holds it now."""
        key = _open(self._master, wrapped, f"key|{subject_id}")
        return _open(AESGCM(key), sealed, about)

    def rekey(self, tx: sa.Connection, subject_id: str) -> None:
        """Change the subject's key: what describes the face or the voice is lost with the old one.
        Name, contact, complaints and the address for notices are sealed again."""
        name, contact = self.name(tx, subject_id), self.contact(tx, subject_id)
        kept = self._kept(tx, subject_id)
        key = AESGCM.generate_key(256)
        tx.execute(
            subjects.update()
            .where(subjects.c.id == subject_id)
            .values(
                key_wrapped=_seal(self._master, key, f"key|{subject_id}"),
                name_ct=_seal(AESGCM(key), name.encode(), f"name|{subject_id}"),
                contact_ct=_seal(AESGCM(key), contact.encode(), f"contact|{subject_id}"),
            )
        )

        for column, where, plain, about in kept:
            tx.execute(
                column.table.update()
                .where(where)
                .values({column.name: _seal(AESGCM(key), plain, about)})
            )

    def _kept(self, tx: sa.Connection, subject_id: str) -> list[tuple[Any, Any, bytes, str]]:
        """What outlives a change of key, opened: complaints, their answers, where to be told."""
        mine = sa.select(consents.c.id).where(consents.c.subject_id == subject_id)
        c, h = complaints.c, subject_hooks.c
        found: list[tuple[Any, Any, bytes, str]] = []
        for row in tx.execute(sa.select(complaints).where(c.consent_id.in_(mine))).all():
            found.append((c.text_ct, c.id == row.id, row.text_ct, f"complaint|{row.id}"))
            if row.answer_ct is not None:
                found.append((c.answer_ct, c.id == row.id, row.answer_ct, f"answer|{row.id}"))
        for row in tx.execute(sa.select(subject_hooks).where(h.subject_id == subject_id)).all():
            where = h.subject_id == subject_id
            found.append((h.url_ct, where, row.url_ct, f"hook|{subject_id}"))
            found.append((h.secret_ct, where, row.secret_ct, f"hook-secret|{subject_id}"))
        return [
            (column, where, self.open(tx, subject_id, sealed, about), about)
            for column, where, sealed, about in found
        ]

    def erase(self, tx: sa.Connection, subject_id: str) -> None:
        """Forget the person: key, name, contact and signing keys."""
        tx.execute(
            subjects.update()
            .where(subjects.c.id == subject_id)
            .values(
                key_wrapped=None, name_ct=None, contact_ct=None, erased_at=self._journal.clock()
            )
        )
        tx.execute(subject_keys.delete().where(subject_keys.c.subject_id == subject_id))

    def _key(self, tx: sa.Connection, subject_id: str) -> bytes:
        row = tx.execute(sa.select(subjects.c.key_wrapped).where(subjects.c.id == subject_id))
        wrapped = row.scalar()
        if wrapped is None:
            raise NotFoundError("there is no such subject, or it was erased")
        return _open(self._master, wrapped, f"key|{subject_id}")


def _seal(box: AESGCM, plain: bytes, about: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + box.encrypt(nonce, plain, about.encode())


def _open(box: AESGCM, sealed: bytes, about: str) -> bytes:
    try:
        return box.decrypt(sealed[:_NONCE], sealed[_NONCE:], about.encode())
    except (InvalidTag, ValueError) as error:
        raise KeyringError("a sealed value was moved, altered, or belongs to other keys") from error
