"""Likenesses: consents and face templates as the gate sees them. Its ConsentRegistry over SQL.

Nothing is cached: a withdrawal committed before a call is seen by it. A record counts only with the
subject's signature and the platform's, checked at every reading; a template opens only for the
consent, version and model it was sealed for.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa

from primafacie.audit import dsse
from primafacie.audit.entry import Kind
from primafacie.platform.accounts import Account
from primafacie.platform.errors import KeyringError, NotFoundError
from primafacie.platform.journal import Journal
from primafacie.platform.queue import outputs_of
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import (
    assets,
    consent_versions,
    consents,
    never_me,
    subject_keys,
    templates,
)
from primafacie.safeguards.consent import Consent, ConsentRecord, ConsentState, open_consent
from primafacie.safeguards.errors import ConsentError, FaceError
from primafacie.safeguards.face import FaceTemplate

ENROLLED = (ConsentState.ACTIVE, ConsentState.SUSPENDED)


class FaceGate(Protocol):
    """Makes templates. Promises: raises FaceError, with a sentence, for photos that will not do."""

    def enrol(self, photos: Sequence[bytes], least: int = 5) -> FaceTemplate:
        """The mean template of several good photos of one person."""


class Likenesses:
    """Who consented, and what their faces are like."""

    def __init__(self, journal: Journal, subjects: Subjects, platform_key: bytes) -> None:
        self._journal, self._subjects = journal, subjects
        self._platform_key = platform_key  # raw public half

    def find(self, consent_id: str) -> Consent | None:
        """The consent's newest signed version and its state now; None when nothing was signed.

        Raises ConsentError when the stored record is not validly signed.
        """
        with self._journal.database.read() as tx:
            row = tx.execute(sa.select(consents).where(consents.c.id == consent_id)).first()
            if row is None or row.version == 0:
                return None
            record, envelope = self.record(tx, row)
            midnight = self._journal.clock().replace(hour=0, minute=0, second=0, microsecond=0)
            total, today = outputs_of(tx, assets.c.consent_id == consent_id, midnight)
            return Consent(
                record=record,
                envelope=envelope,
                state=ConsentState(row.state),
                epoch=row.epoch,
                outputs=total,
                outputs_today=today,
                template=self._template(tx, row),
            )

    def templates(self, model: str) -> Sequence[tuple[str, FaceTemplate]]:
        """(subject id, template) of everybody whose consent is active or suspended."""
        chosen = (
            sa.select(templates, consents.c.subject_id)
            .join(consents, consents.c.id == templates.c.consent_id)
            .where(templates.c.model == model, consents.c.state.in_(ENROLLED))
        )
        with self._journal.database.read() as tx:
            rows = tx.execute(chosen).all()
            return tuple((r.subject_id, self._unseal(tx, r)) for r in rows)

    def never_me(self, model: str) -> Sequence[FaceTemplate]:
        """Templates of people who asked never to be animated."""
        with self._journal.database.read() as tx:
            rows = tx.execute(sa.select(never_me).where(never_me.c.model == model)).all()
            return tuple(
                self._vector(tx, r.subject_id, r.vector_ct, f"never|{r.id}|{r.model}",
                             r.model, r.frames)
                for r in rows
            )  # fmt: skip

    # writing, in the caller's transaction ---------------------------------------------------------

    def record(self, tx: sa.Connection, row: Any) -> tuple[ConsentRecord, bytes]:
        """The signed record of a consent's row, verified, and its envelope."""
        envelope = tx.execute(
            sa.select(consent_versions.c.envelope).where(
                consent_versions.c.consent_id == row.id,
                consent_versions.c.version == row.version,
            )
        ).scalar()
        if not envelope:
            raise ConsentError("the consent was erased")
        chosen = sa.select(subject_keys).where(subject_keys.c.subject_id == row.subject_id)
        keys = {k.id: k.public for k in tx.execute(chosen)}
        own = dsse.key_id(self._platform_key)
        record = open_consent(envelope, {**keys, own: self._platform_key}, own)
        if record.consent_id != row.id or record.version != row.version:
            raise ConsentError("the stored record belongs to another consent")
        return record, envelope

    def store(self, tx: sa.Connection, row: Any, template: FaceTemplate) -> None:
        """Keep the template of this version of this consent, sealed."""
        about = f"{row.id}|{row.version}|{template.model}"
        raw = np.asarray(template.vector, np.float32).tobytes()
        tx.execute(
            templates.insert().values(
                consent_id=row.id,
                version=row.version,
                model=template.model,
                frames=template.frames,
                vector_ct=self._subjects.seal(tx, row.subject_id, raw, about),
                created_at=self._journal.clock(),
            )
        )

    def forget(self, tx: sa.Connection, row: Any) -> None:
        """Destroy the templates of a consent, and the key they were sealed under."""
        tx.execute(templates.delete().where(templates.c.consent_id == row.id))
        self._subjects.rekey(tx, row.subject_id)

    def add_never_me(
        self, actor: Account, name: str, photos: Sequence[bytes], face: FaceGate
    ) -> str:
        """Somebody asks never to be animated: a template and a name, nothing else. Returns the id.

        Raises FaceError for photos that will not do.
        """
        actor.require("steward", "admin")
        template = face.enrol(photos)
        entry_id = uuid.uuid4().hex
        with self._journal.writing() as tx:
            subject_id = self._subjects.add(tx, "living", name, "")
            about = f"never|{entry_id}|{template.model}"
            raw = np.asarray(template.vector, np.float32).tobytes()
            tx.execute(
                never_me.insert().values(
                    id=entry_id,
                    subject_id=subject_id,
                    model=template.model,
                    frames=template.frames,
                    vector_ct=self._subjects.seal(tx, subject_id, raw, about),
                    added_at=self._journal.clock(),
                )
            )
            self._journal.append(
                tx,
                self._journal.event(
                    Kind.PHOTO_ADDED, actor.user_id, subject=subject_id, why=("never_me",)
                ),
            )
        return entry_id

    # -------------------------------------------------------------------------------------------

    def _template(self, tx: sa.Connection, row: Any) -> FaceTemplate | None:
        chosen = sa.select(templates, sa.literal(row.subject_id).label("subject_id")).where(
            templates.c.consent_id == row.id, templates.c.version == row.version
        )
        found = tx.execute(chosen.order_by(templates.c.created_at.desc()).limit(1)).first()
        return self._unseal(tx, found) if found else None

    def _unseal(self, tx: sa.Connection, row: Any) -> FaceTemplate:
        about = f"{row.consent_id}|{row.version}|{row.model}"
        return self._vector(tx, row.subject_id, row.vector_ct, about, row.model, row.frames)

    def _vector(
        self, tx: sa.Connection, subject_id: str, sealed: bytes, about: str, model: str, frames: int
    ) -> FaceTemplate:
        try:
            raw = self._subjects.open(tx, subject_id, sealed, about)
        except (KeyringError, NotFoundError) as error:
            raise FaceError("a face template was moved, altered or erased") from error
        return FaceTemplate(model, frames, np.frombuffer(raw, np.float32).copy())
