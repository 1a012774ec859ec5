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
from primafacie.audit.log import Log
from primafacie.platform.errors import KeyringError, NotFoundError
from primafacie.platform.journal import Journal, told_of
from primafacie.platform.queue import outputs_of
from primafacie.platform.subjects import Subjects
from primafacie.platform.tables import (
    assets,
    challenge_checks,
    consent_moves,
    consent_versions,
    consents,
    never_me,
    subject_keys,
    subject_links,
    subjects,
    templates,
)
from primafacie.safeguards.consent import Consent, ConsentRecord, ConsentState, open_consent
from primafacie.safeguards.errors import ConsentError, FaceError, VoiceprintError
from primafacie.safeguards.face import FaceTemplate, Gallery
from primafacie.safeguards.liveness import Footage
from primafacie.safeguards.speaker import VoiceTemplate

ENROLLED = (ConsentState.ACTIVE, ConsentState.SUSPENDED)


class FaceGate(Protocol):
    """Makes templates. Promises: raises FaceError, with a sentence, for photos that will not do."""

    @property
    def model(self) -> str:
        """The recogniser in use; every template it makes names it."""

    def enrol(self, photos: Sequence[bytes], least: int = 5) -> FaceTemplate:
        """The mean template of several good photos of one person."""

    def watch(self, data: bytes, words: Sequence[str]) -> Footage:
        """What a recording of the challenge shows. Raises CaptureError for one that will not do."""


def not_anew(model: str) -> str:
    """How a consent's note begins when this model could make no template of its photos."""
    return f"no template could be made anew by {model}: "


def last_told(tx: sa.Connection, log: Log, subject_id: str) -> tuple[int, str] | None:
    """(epoch, state) that the log was told last of this subject's consent; None where it never
    heard of one that was signed. Each consent has a subject of its own."""
    for leaf in told_of(tx, log, subject_id, "consent."):
        facts = dict(leaf.facts)
        if "epoch" in facts:
            return int(facts["epoch"]), str(facts["state"])
    return None


class Likenesses:
    """Who consented, and what their faces are like."""

    def __init__(self, journal: Journal, subjects: Subjects, platform_key: bytes) -> None:
        self._journal, self._subjects = journal, subjects
        self._platform_key = platform_key  # raw public half
        self._gallery: tuple[tuple[Any, ...], Gallery] | None = None
        self._opened: dict[tuple[str, int, str, bytes], FaceTemplate] = {}

    def find(self, consent_id: str) -> Consent | None:
        """The consent's newest signed version and its state now; None when nothing was signed.

        Raises ConsentError when the stored record is not validly signed.
        """
        with self._journal.database.read() as tx:
            row = tx.execute(sa.select(consents).where(consents.c.id == consent_id)).first()
            if row is None or row.version == 0:
                return None
            record, envelope = self.record(tx, row)
            self.require_logged(tx, row)
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
                voice=self._voice(tx, row, record),
            )

    def require_logged(self, tx: sa.Connection, row: Any) -> None:
        """The log, not the row, says what last happened to a consent: rows put back by hand, or
        from an older copy, revive nothing. Raises ConsentError where they disagree."""
        if last_told(tx, self._journal.log, row.subject_id) != (row.epoch, row.state):
            raise ConsentError("the consent's state in the database is not that of the log")

    def templates(self, model: str) -> Sequence[tuple[str, FaceTemplate]]:
        """(subject id, template) of everybody whose consent is active or suspended."""
        return self._templates(model, ENROLLED)

    def reviewed(self, model: str) -> Sequence[tuple[str, FaceTemplate]]:
        """(subject id, template) of everybody enrolled, and of those who wait for a reviewer."""
        return self._templates(model, (*ENROLLED, ConsentState.UNDER_REVIEW))

    def _templates(
        self, model: str, states: Sequence[ConsentState]
    ) -> Sequence[tuple[str, FaceTemplate]]:
        with self._journal.database.read() as tx:
            rows = tx.execute(self._chosen(model, states)).all()
            return tuple((r.subject_id, self._unseal(tx, r, r.key_wrapped)) for r in rows)

    @staticmethod
    def _chosen(model: str, states: Sequence[ConsentState]) -> sa.Select[Any]:
        return (
            sa.select(templates, consents.c.subject_id, subjects.c.key_wrapped)
            .join(consents, consents.c.id == templates.c.consent_id)
            .join(subjects, subjects.c.id == consents.c.subject_id)
            .where(templates.c.model == model, consents.c.state.in_(states))
        )

    def stale(self, model: str, tried: bool = False) -> tuple[str, ...]:
        """Consents, enrolled or under review, whose only template is another model's: the oldest
        first. tried: also those of which this model could make none."""
        fresh = sa.select(templates.c.consent_id).where(
            templates.c.consent_id == consents.c.id, templates.c.version == consents.c.version,
            templates.c.model == model,
        )  # fmt: skip
        other = sa.select(templates.c.consent_id).where(
            templates.c.consent_id == consents.c.id, templates.c.version == consents.c.version
        )
        states = (*ENROLLED, ConsentState.UNDER_REVIEW)
        chosen = sa.select(consents.c.id, consents.c.enrolment).where(
            consents.c.state.in_(states), other.exists(), ~fresh.exists()
        )
        with self._journal.database.read() as tx:
            rows = tx.execute(chosen.order_by(consents.c.created_at)).all()
        return tuple(r.id for r in rows if tried or not r.enrolment.startswith(not_anew(model)))

    def gallery(self, model: str) -> Gallery:
        """Everybody whose consent is active or suspended, as one matrix.

        It is built anew whenever a template came or went or a consent moved; the store is asked at
        every call whether that happened. What was opened for the one before and still stands there,
        byte for byte, is not opened again; what no longer stands there is forgotten.
        """
        state = self._gallery_state(model)
        if self._gallery is None or self._gallery[0] != state:
            with self._journal.database.read() as tx:
                rows = tx.execute(self._chosen(model, ENROLLED)).all()
                keys = [(r.consent_id, r.version, r.model, r.vector_ct) for r in rows]
                self._opened = {
                    key: self._opened.get(key) or self._unseal(tx, row, row.key_wrapped)
                    for key, row in zip(keys, rows, strict=True)
                }
            owned = [(r.subject_id, self._opened[key]) for key, r in zip(keys, rows, strict=True)]
            self._gallery = (state, Gallery.of(model, owned))
        return self._gallery[1]

    def _gallery_state(self, model: str) -> tuple[Any, ...]:
        """Changes with every move of a consent, and with every template that comes or goes."""
        newest = sa.select(sa.func.max(consent_moves.c.log_index)).scalar_subquery()
        made = sa.select(sa.func.count(), sa.func.max(templates.c.created_at), newest)
        with self._journal.database.read() as tx:
            rows = made.select_from(templates).where(templates.c.model == model)
            return (model, *tx.execute(rows).one())

    def same_person(self, subject_id: str) -> frozenset[str]:
        """Other subjects that a reviewer compared with this one and found to be the same person.
        No chain is followed: two whom nobody compared are two."""
        linked = subject_links.c
        chosen = sa.select(linked.one, linked.other).where(
            sa.or_(linked.one == subject_id, linked.other == subject_id)
        )
        with self._journal.database.read() as tx:
            found = {subject for pair in tx.execute(chosen).all() for subject in pair}
        return frozenset(found - {subject_id})

    def link(self, tx: sa.Connection, one: str, other: str, reviewer: str) -> None:
        """Note that two subjects are one person."""
        first, second = sorted((one, other))
        known = (subject_links.c.one == first, subject_links.c.other == second)
        if tx.execute(sa.select(subject_links).where(*known)).first() is None:
            tx.execute(
                subject_links.insert().values(
                    one=first, other=second, reviewer=reviewer, at=self._journal.clock()
                )
            )

    def unlink(self, tx: sa.Connection, one: str, other: str) -> bool:
        """Take that back. False where nobody had found it."""
        first, second = sorted((one, other))
        gone = tx.execute(
            subject_links.delete().where(
                subject_links.c.one == first, subject_links.c.other == second
            )
        )
        return gone.rowcount == 1

    def never_me(self, model: str) -> Sequence[FaceTemplate]:
        """Templates of people who asked never to be animated; those by other models than `model`
        too, for an entry that nobody can be compared with must not look like none."""
        with self._journal.database.read() as tx:
            rows = tx.execute(sa.select(never_me)).all()
            return tuple(
                self._vector(tx, r.subject_id, r.vector_ct, f"never|{r.id}|{r.model}",
                             r.model, r.frames)
                for r in rows
            )  # fmt: skip

    # writing, in the caller's transaction ---------------------------------------------------------

    def record(self, tx: sa.Connection, row: Any) -> tuple[ConsentRecord, bytes]:
        """The signed record of a consent's newest version, verified, and its envelope.

        Raises ConsentError where a later version was signed, or one of the chain is missing or is
        not the one that the next names: nobody goes back to what was superseded.
        """
        kept = consent_versions.c
        chain = tx.execute(
            sa.select(kept.version, kept.record_sha256, kept.envelope)
            .where(kept.consent_id == row.id)
            .order_by(kept.version)
        ).all()
        if [one.version for one in chain] != list(range(1, row.version + 1)):
            raise ConsentError("the versions of this consent are not all there, or one is newer")
        envelope = chain[-1].envelope
        if not envelope:
            raise ConsentError("the consent was erased")
        chosen = sa.select(subject_keys).where(subject_keys.c.subject_id == row.subject_id)
        keys = {k.id: k.public for k in tx.execute(chosen)}
        own = dsse.key_id(self._platform_key)
        record = open_consent(envelope, {**keys, own: self._platform_key}, own)
        if record.consent_id != row.id or record.version != row.version:
            raise ConsentError("the stored record belongs to another consent")
        before = chain[-2].record_sha256 if len(chain) > 1 else ""
        if (record.prev_sha256, record.sha256) != (before, chain[-1].record_sha256):
            raise ConsentError("the stored record is not the one that follows its predecessor")
        return record, envelope

    def store(self, tx: sa.Connection, row: Any, template: FaceTemplate) -> None:
        """Keep the template of this version of this consent, sealed."""
        self._store(tx, row.id, row.subject_id, row.version, template)

    def _store(
        self,
        tx: sa.Connection,
        consent_id: str,
        subject_id: str,
        version: int,
        template: FaceTemplate,
    ) -> None:
        about = f"{consent_id}|{version}|{template.model}"
        tx.execute(
            templates.insert().values(
                consent_id=consent_id,
                version=version,
                created_at=self._journal.clock(),
                **self._sealed(tx, subject_id, template, about),
            )
        )

    def _sealed(
        self, tx: sa.Connection, subject_id: str, template: FaceTemplate, about: str
    ) -> dict[str, Any]:
        """The columns of a template, its vector under the subject's key."""
        raw = np.asarray(template.vector, np.float32).tobytes()
        return {
            "model": template.model,
            "frames": template.frames,
            "vector_ct": self._subjects.seal(tx, subject_id, raw, about),
        }

    def enrolled(self, tx: sa.Connection, row: Any) -> bool:
        """Is there a template of this version?"""
        chosen = sa.select(templates.c.model).where(
            templates.c.consent_id == row.id, templates.c.version == row.version
        )
        return tx.execute(chosen.limit(1)).first() is not None

    def unenrol(self, tx: sa.Connection, row: Any) -> None:
        """Delete the face templates of a consent that will be enrolled anew."""
        tx.execute(templates.delete().where(templates.c.consent_id == row.id))

    def carry(self, tx: sa.Connection, row: Any, version: int) -> None:
        """Seal the templates of the version in `row` again for a later one that allows less."""
        chosen = sa.select(templates, sa.literal(row.subject_id).label("subject_id")).where(
            templates.c.consent_id == row.id, templates.c.version == row.version
        )
        found = [self._unseal(tx, one) for one in tx.execute(chosen).all()]
        tx.execute(templates.delete().where(templates.c.consent_id == row.id))
        for template in found:
            self._store(tx, row.id, row.subject_id, version, template)

    def forget(self, tx: sa.Connection, row: Any) -> None:
        """Destroy the templates of a consent, and the key they were sealed under."""
        tx.execute(templates.delete().where(templates.c.consent_id == row.id))
        tx.execute(challenge_checks.delete().where(challenge_checks.c.consent_id == row.id))
        linked = subject_links.c
        tx.execute(
            subject_links.delete().where(
                sa.or_(linked.one == row.subject_id, linked.other == row.subject_id)
            )
        )
        self._subjects.rekey(tx, row.subject_id)

    def list_never_me(self, tx: sa.Connection, subject_id: str, template: FaceTemplate) -> str:
        """Put this template on the never-me list; the entry's id."""
        entry_id = uuid.uuid4().hex
        about = f"never|{entry_id}|{template.model}"
        tx.execute(
            never_me.insert().values(
                id=entry_id,
                subject_id=subject_id,
                added_at=self._journal.clock(),
                **self._sealed(tx, subject_id, template, about),
            )
        )
        return entry_id

    # -------------------------------------------------------------------------------------------

    def enrolled_template(self, tx: sa.Connection, row: Any) -> FaceTemplate | None:
        """The newest template of this version of this consent, in any state."""
        return self._template(tx, row)

    def _template(self, tx: sa.Connection, row: Any) -> FaceTemplate | None:
        chosen = sa.select(templates, sa.literal(row.subject_id).label("subject_id")).where(
            templates.c.consent_id == row.id, templates.c.version == row.version
        )
        found = tx.execute(chosen.order_by(templates.c.created_at.desc()).limit(1)).first()
        return self._unseal(tx, found) if found else None

    def _voice(self, tx: sa.Connection, row: Any, record: ConsentRecord) -> VoiceTemplate | None:
        """The voice that read the statement, in the recording the record rests on."""
        videos = [e.removeprefix("video:") for e in record.evidence if e.startswith("video:")]
        kept = challenge_checks.c
        chosen = sa.select(challenge_checks).where(
            kept.consent_id == row.id, kept.video_sha256.in_(videos), kept.voice_ct.is_not(None)
        )
        found = tx.execute(chosen.limit(1)).first()
        if found is None:
            return None
        about = f"voice|{row.id}|{found.video_sha256}|{found.voice_model}"
        try:
            raw = self._subjects.open(tx, row.subject_id, found.voice_ct, about)
        except (KeyringError, NotFoundError) as error:
            raise VoiceprintError("a voice template was moved, altered or erased") from error
        vector = np.frombuffer(raw, np.float32).copy()
        return VoiceTemplate(found.voice_model, found.voice_ms / 1000, vector)

    def _unseal(self, tx: sa.Connection, row: Any, wrapped: bytes | None = None) -> FaceTemplate:
        about = f"{row.consent_id}|{row.version}|{row.model}"
        return self._vector(tx, row.subject_id, row.vector_ct, about, row.model, row.frames,
                            wrapped)  # fmt: skip

    def _vector(
        self, tx: sa.Connection, subject_id: str, sealed: bytes, about: str, model: str,
        frames: int, wrapped: bytes | None = None,
    ) -> FaceTemplate:  # fmt: skip
        try:
            raw = (
                self._subjects.open(tx, subject_id, sealed, about) if wrapped is None
                else self._subjects.open_by(wrapped, subject_id, sealed, about)
            )  # fmt: skip
        except (KeyringError, NotFoundError) as error:
            raise FaceError("a face template was moved, altered or erased") from error
        return FaceTemplate(model, frames, np.frombuffer(raw, np.float32).copy())
