"""Vault: uploads and sealed files, by digest.

Uploads (photos, voice clips, consent evidence) lie encrypted: AES-256-GCM under a key of their
own, the digest as associated data, so that a file moved to another name does not open. The key
stands in the file's row, wrapped under the keyring: with the row goes every copy of the file,
wherever one may still be. Sealed videos lie as they are: they are meant to be given out, marked
and signed.
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from primafacie.audit.digest import sha256_hex
from primafacie.platform.errors import (
    InputError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from primafacie.platform.journal import Journal
from primafacie.platform.keys import sync_folder
from primafacie.platform.tables import (
    assets,
    consent_files,
    motions,
    opt_out_photos,
    photo_offers,
    requests,
    uploads,
)

GRACE: Final = timedelta(hours=1)  # a file younger than this may belong to a running transaction
_DIGEST = re.compile(r"[0-9a-f]{64}")
_STAGED = re.compile(r"([0-9a-f]{32})\.(\d+)\.(?:mp4|json|csv|glb)")


class Vault:
    """The files of one installation."""

    def __init__(self, journal: Journal, key: bytes, limits: dict[str, int]) -> None:
        self._journal, self._seal, self.limits = journal, AESGCM(key), dict(limits)
        self.outputs = journal.folder / "outputs"
        self._uploads = journal.folder / "uploads"
        for folder in (self.outputs, self._uploads):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def check(self, kind: str, data: bytes) -> None:
        """Return if the upload has an allowed size; raise InputError or TooLargeError."""
        limit = self.limits[kind]
        if not data:
            raise InputError(f"the {kind} is empty")
        if len(data) > limit:
            raise TooLargeError(f"the {kind} has {len(data)} bytes; at most {limit} are allowed")

    def put(self, tx: sa.Connection, kind: str, data: bytes) -> str:
        """Store an upload and return its sha256. The file is durable before the row commits; a
        row that never commits leaves an orphan for `sweep`."""
        self.check(kind, data)
        digest = sha256_hex(data)
        file = self._file(digest)
        _alone_with(tx, digest)
        if tx.execute(sa.select(uploads.c.sha256).where(uploads.c.sha256 == digest)).first():
            if file.exists():
                return digest
            tx.execute(uploads.delete().where(uploads.c.sha256 == digest))
        key, about = AESGCM.generate_key(256), digest.encode()
        _write(file, _sealed(AESGCM(key), data, about))
        tx.execute(
            uploads.insert().values(
                sha256=digest,
                kind=kind,
                size=len(data),
                key_wrapped=_sealed(self._seal, key, b"key|" + about),
                created_at=self._journal.clock(),
            )
        )
        return digest

    def get(self, digest: str) -> bytes:
        """An upload's bytes. Raises NotFoundError when it is gone or damaged."""
        chosen = sa.select(uploads.c.key_wrapped).where(uploads.c.sha256 == digest)
        with self._journal.database.read() as tx:
            row = tx.execute(chosen).first()
        if row is None:
            raise NotFoundError("the upload is no longer there")
        try:
            raw, box = self._file(digest).read_bytes(), self._seal
            if row.key_wrapped is not None:
                box = AESGCM(_opened(self._seal, row.key_wrapped, b"key|" + digest.encode()))
            return _opened(box, raw, digest.encode())
        except (OSError, InvalidTag, ValueError) as error:
            raise NotFoundError("the upload is no longer there") from error

    def staged(self, rid: str, claim: int) -> Path:
        """Where the file of this attempt lies, before and after its release."""
        return self.outputs / f"{rid}.{claim}.mp4"

    def discard(self, rid: str, claim: int) -> None:
        """Delete what an attempt left that was never released."""
        for suffix in (".mp4", ".json", ".csv", ".glb"):
            self.staged(rid, claim).with_suffix(suffix).unlink(missing_ok=True)

    def sealed(self, name: str) -> Path:
        """A released file. Raises NotFoundError when it is not there."""
        if not _STAGED.fullmatch(name) or not (self.outputs / name).is_file():
            raise NotFoundError("the file is no longer there")
        return self.outputs / name

    def drop(self, digests: Iterable[str]) -> None:
        """Delete uploads that nothing refers to any more.

        The file goes before the row's deletion commits, while nobody else can store the same bytes:
        deleted after it, a file that was stored anew in between would be lost. A crash in between
        leaves a row without its file, which `put` mends.
        """
        for digest in set(digests) - {""}:
            with self._journal.writing() as tx:
                _alone_with(tx, digest)
                if not _wanted(tx, digest):
                    tx.execute(uploads.delete().where(uploads.c.sha256 == digest))
                    self._file(digest).unlink(missing_ok=True)

    def drop_unwanted(self) -> int:
        """Delete every upload that nothing refers to any more. Returns how many."""
        before = self._journal.clock() - GRACE
        with self._journal.database.read() as tx:
            old = sa.select(uploads.c.sha256).where(uploads.c.created_at < before)
            gone = [d for d in tx.execute(old).scalars().all() if not _wanted(tx, d)]
        self.drop(gone)
        return len(gone)

    def sweep(self) -> int:
        """Delete what no row speaks of: torn uploads, sealed files that were never released.
        Returns how many files went. Files of running requests and young ones stay."""
        gone = 0
        for file in [*self._uploads.glob("*/*"), *self.outputs.iterdir()]:
            young = _age(file, self._journal.clock()) < GRACE
            if not young and self._orphan(file):
                file.unlink(missing_ok=True)
                gone += 1
        return gone

    def _orphan(self, file: Path) -> bool:
        with self._journal.database.read() as tx:
            if file.parent != self.outputs:
                known = sa.select(uploads.c.sha256).where(uploads.c.sha256 == file.name)
                return tx.execute(known).first() is None
            parts = _STAGED.fullmatch(file.name)
            if not parts:
                return True
            beside = sa.select(motions.c.asset_number).where(motions.c.path == file.name)
            kept = sa.select(assets.c.rid).where(
                sa.or_(assets.c.path == file.name, assets.c.asset_number.in_(beside)),
                assets.c.deleted_at.is_(None),
            )
            running = sa.select(requests.c.id).where(
                requests.c.id == parts[1],
                requests.c.state == "running",
                requests.c.claim == int(parts[2]),
            )
            return tx.execute(kept).first() is None and tx.execute(running).first() is None

    def _file(self, digest: str) -> Path:
        if not _DIGEST.fullmatch(digest):
            raise NotFoundError("there is no such upload")
        return self._uploads / digest[:2] / digest


def _sealed(box: AESGCM, plain: bytes, about: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + box.encrypt(nonce, plain, about)


def _opened(box: AESGCM, raw: bytes, about: bytes) -> bytes:
    return box.decrypt(raw[:12], raw[12:], about)


def _alone_with(tx: sa.Connection, digest: str) -> None:
    """Until this transaction ends nobody else stores or deletes this upload. SQLite has one writer
    anyway."""
    if tx.dialect.name == "postgresql":
        number = int(digest[:15], 16)
        tx.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _wanted(tx: sa.Connection, digest: str) -> bool:
    waiting = sa.select(requests.c.id).where(
        requests.c.kept,
        sa.or_(requests.c.photo_sha256 == digest, requests.c.voice_sha256 == digest),
    )
    named = (
        sa.select(table.c.sha256).where(table.c.sha256 == digest)
        for table in (consent_files, photo_offers, opt_out_photos)
    )
    return any(tx.execute(one.limit(1)).first() is not None for one in (waiting, *named))


def _age(file: Path, now: datetime) -> timedelta:
    try:
        return timedelta(seconds=now.timestamp() - file.stat().st_mtime)
    except OSError:
        return timedelta(0)


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all, and durable."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=file.parent, suffix=".part")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(draft, file)
            sync_folder(file.parent)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UnavailableError(f"the file cannot be stored: {error.strerror}") from error
