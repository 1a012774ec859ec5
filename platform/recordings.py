"""Recordings: what the worker measures in a recording of the challenge, and who may see it.

Everything measured lies under the subject's own key. What failed cannot be overridden: another
recording, or a reviewer who sees the person live.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

import numpy as np
import sqlalchemy as sa

from primafacie.audit.entry import Kind, Outcome
from primafacie.platform.accounts import Account
from primafacie.platform.challenge import Challenge
from primafacie.platform.consent_book import ConsentBook, Offer, is_measured, photos_digest
from primafacie.platform.errors import KeyringError, NotFoundError
from primafacie.platform.journal import SYSTEM
from primafacie.platform.likenesses import FaceGate
from primafacie.platform.tables import challenge_checks, consent_files, consents
from primafacie.safeguards.consent import ConsentState, SubjectKind
from primafacie.safeguards.errors import CaptureError, FaceError
from primafacie.safeguards.face import MATCH, FaceTemplate
from primafacie.safeguards.liveness import (
    FAILED,
    Ask,
    Finding,
    Footage,
    failed,
    judge,
    open_question,
)

Vector = np.ndarray[Any, np.dtype[np.float32]]
LEAST_PHOTOS: Final = 5  # the mean of fewer is too coarse to tell people apart
ANEW: Final = "for other photos a new consent is needed, with a new recording"
_C = consents.c


class Recordings(ConsentBook):
    """Measures recordings while the subject still waits, so that a bad one can be taken again."""

    def unmeasured(self) -> tuple[str, ...]:
        """Drafts whose recording waits to be looked at: those with photos to compare it with."""
        with_video = sa.select(consent_files.c.consent_id).where(consent_files.c.kind == "video")
        chosen = sa.select(consents).where(
            _C.state == ConsentState.DRAFT.value, _C.id.in_(with_video), _C.witness.is_(None)
        )
        with self._journal.database.read() as tx:
            return tuple(
                row.id
                for row in tx.execute(chosen.order_by(_C.created_at)).all()
                if self._waits(row, self._files(tx, row.id))
            )

    @staticmethod
    def _waits(row: Any, files: Sequence[Any]) -> bool:
        photos = sum(f.kind == "photo" for f in files)
        living = Offer.kept(row.offer).kind == SubjectKind.LIVING
        return living and photos >= LEAST_PHOTOS and not is_measured(row, files)

    def measure(self, consent_id: str, face: FaceGate) -> tuple[Finding, ...]:
        """Look at a draft's recording, keep and log what was found. One that failed is deleted, and
        a try is used up; photos that will not do are told and cost none."""
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
            files = self._files(tx, row.id)
            earlier = self._traces(tx, consent_id)
        (video,) = [f.sha256 for f in files if f.kind == "video"]
        data = self._tools.vault.get(video)
        challenge = Challenge.stored(row.challenge, "", "")
        ask = Ask(challenge.words, challenge.moves)
        try:
            template = face.enrol([self._tools.vault.get(f.sha256) for f in files
                                   if f.kind == "photo"])  # fmt: skip
        except FaceError as error:
            return self._told(consent_id, video, files, (Finding("photos", FAILED, str(error)),))
        try:
            footage = face.watch(data, challenge.words)
        except CaptureError as error:
            unreadable = (Finding("recording", FAILED, str(error)),)
            return self._told(consent_id, video, files, unreadable, drop=True)
        findings = judge(footage, ask, template, earlier)
        return self._told(consent_id, video, files, findings, footage, drop=failed(findings))

    def _look_again(
        self, row: Any, files: Sequence[Any], template: FaceTemplate, face: FaceGate
    ) -> None:
        """Measure the recording once more where the subject had what was measured forgotten. What
        fails now is not kept, and then nothing bears the claim."""
        video = str(row.challenge.get("video", ""))
        if video not in {f.sha256 for f in files if f.kind == "video"}:
            return
        with self._journal.database.read() as tx:
            if self._measured(tx, row, video) is not None:
                return
            (added,) = [f.added_at for f in files if f.kind == "video" and f.sha256 == video]
            earlier = self._traces(tx, row.id, added)  # a later copy is none of its faults
        asked = Challenge.stored(row.challenge, "", "")
        try:
            footage = face.watch(self._tools.vault.get(video), asked.words)
        except CaptureError:
            return
        findings = judge(footage, Ask(asked.words, asked.moves), template, earlier)
        if failed(findings):
            return
        with self._journal.writing() as tx:
            if self._row(tx, row.id).epoch != row.epoch:
                return  # the subject went on meanwhile
            same = row.challenge.get("photos") == photos_digest(files)
            self._keep_check(tx, row, video, files if same else (), findings, footage)

    def findings(self, actor: Account, consent_id: str) -> tuple[Finding, ...]:
        """What was measured in the recording that a consent rests on, for a reviewer."""
        actor.require("reviewer", "auditor")
        with self._journal.database.read() as tx:
            row = self._row(tx, consent_id)
            return self._found(tx, row, row.challenge.get("video", ""))

    def _found(self, tx: sa.Connection, row: Any, video: str) -> tuple[Finding, ...]:
        kept = self._measured(tx, row, video)
        return tuple(Finding(**one) for one in kept["findings"]) if kept else ()

    def _measured(self, tx: sa.Connection, row: Any, video: str) -> dict[str, Any] | None:
        checks = challenge_checks.c
        chosen = sa.select(challenge_checks).where(
            checks.consent_id == row.id, checks.video_sha256 == video
        )
        found = tx.execute(chosen).first()
        if found is None:
            return None
        about = f"measured|{row.id}|{video}"
        kept: dict[str, Any] = json.loads(
            self._tools.subjects.open(tx, row.subject_id, found.measured_ct, about)
        )
        return kept

    def _unlike_recording(
        self, row: Any, files: Sequence[Any], template: FaceTemplate, face: FaceGate
    ) -> str:
        """Why these photos cannot rest on the recording, "" where they can or need not.

        The photos it was measured against are compared by their mean; each photo that came later
        is compared by itself, or a stranger's could hide among one's own.
        """
        with self._journal.database.read() as tx:
            record, _ = self._tools.likenesses.record(tx, row)
            kept = self._measured(tx, row, row.challenge.get("video", ""))
        claimed = record.subject_kind == SubjectKind.LIVING and record.liveness == 1
        if kept is None or not kept["face"]:
            return f"no recording is kept to compare them with; {ANEW}" if claimed else ""
        shown, model = np.asarray(kept["face"], np.float32), str(kept["face_model"])
        if model == template.model and template.distance(shown, model) > MATCH:
            return "the photos do not show the person in the recording"
        if claimed:
            later = [f.sha256 for f in files
                     if f.kind == "photo" and f.sha256 not in kept.get("photos", ())]  # fmt: skip
            for digest in later:
                alone = face.enrol([self._tools.vault.get(digest)], 1)
                if alone.model != model or alone.distance(shown, model) > MATCH:
                    return f"a photo that was added is not surely the person recorded; {ANEW}"
        return ""

    def _told(
        self,
        consent_id: str,
        video: str,
        files: Sequence[Any],
        findings: tuple[Finding, ...],
        footage: Footage | None = None,
        drop: bool = False,
    ) -> tuple[Finding, ...]:
        verdict = "failed" if failed(findings) else "open" if open_question(findings) else "passed"
        with self._journal.writing() as tx:
            row = self._row(tx, consent_id)
            here = {f.sha256 for f in self._files(tx, row.id) if f.kind == "video"}
            if row.state != ConsentState.DRAFT or here != {video}:
                return findings  # the subject went on meanwhile
            self._keep_check(tx, row, video, files, findings, footage)
            if drop:
                files_of = consent_files.c
                tx.execute(
                    consent_files.delete().where(
                        files_of.consent_id == row.id, files_of.kind == "video"
                    )
                )
            measured = {"video": video, "photos": photos_digest(files), "verdict": verdict}
            self._void(tx, row.id)
            tx.execute(
                consents.update()
                .where(_C.id == row.id)
                .values(challenge={**row.challenge, **measured})
            )
            self._log(
                tx, row, Kind.CONSENT_DRAFT, SYSTEM,
                out=Outcome.DENY if verdict == "failed" else Outcome.OK,
                why=("recording_measured",),
                facts=(("verdict", verdict), *((_name(f.check), f.verdict) for f in findings)),
                payload={"sha256": video, "findings": [f.sentence for f in findings]},
            )  # fmt: skip
        if drop:
            self._tools.vault.drop([video])
        return findings

    def _keep_check(
        self,
        tx: sa.Connection,
        row: Any,
        video: str,
        files: Sequence[Any],
        findings: tuple[Finding, ...],
        footage: Footage | None,
    ) -> None:
        """Keep findings, face, trace and voice, each under the subject's key. files: with the
        photos it was measured against."""

        def seal(plain: bytes, what: str) -> bytes:
            return self._tools.subjects.seal(tx, row.subject_id, plain, f"{what}|{row.id}|{video}")

        face = footage.portraits.mean(0).tolist() if footage and len(footage.portraits) else []
        kept = {
            "findings": [asdict(f) for f in findings], "face": face,
            "face_model": footage.model if footage else "",
            "photos": [f.sha256 for f in files if f.kind == "photo"],
        }  # fmt: skip
        trace = footage.trace if footage else np.zeros((0, 3), np.float32)
        voice = footage.voice if footage else None
        sealed = None
        if voice is not None and voice.vector is not None:
            about = f"voice|{row.id}|{video}|{voice.model}"
            raw = np.asarray(voice.vector, np.float32).tobytes()
            sealed = self._tools.subjects.seal(tx, row.subject_id, raw, about)
        checks = challenge_checks.c
        tx.execute(
            challenge_checks.delete().where(
                checks.consent_id == row.id, checks.video_sha256 == video
            )
        )
        tx.execute(
            challenge_checks.insert().values(
                consent_id=row.id,
                video_sha256=video,
                measured_ct=seal(json.dumps(kept).encode(), "measured"),
                trace_ct=seal(np.asarray(trace, np.float32).tobytes(), "trace"),
                voice_ct=sealed,
                voice_model=voice.model if voice else "",
                voice_ms=round(voice.seconds * 1000) if voice else 0,
                at=self._journal.clock(),
            )
        )

    def _traces(
        self, tx: sa.Connection, consent_id: str, before: datetime | None = None
    ) -> list[Vector]:
        """How head and loudness moved in every other recording that is still on file. before: in
        those alone that were measured earlier."""
        row = self._row(tx, consent_id)
        now = {f.sha256 for f in self._files(tx, row.id) if f.kind == "video"}
        chosen = sa.select(challenge_checks, consents.c.subject_id).join(
            consents, consents.c.id == challenge_checks.c.consent_id
        )
        if before is not None:
            chosen = chosen.where(challenge_checks.c.at < before)
        found = []
        for check in tx.execute(chosen).all():
            if check.consent_id == consent_id and check.video_sha256 in now:
                continue
            about = f"trace|{check.consent_id}|{check.video_sha256}"
            try:
                raw = self._tools.subjects.open(tx, check.subject_id, check.trace_ct, about)
            except (KeyringError, NotFoundError):
                continue  # erased
            found.append(np.frombuffer(raw, np.float32).reshape(-1, 3))
        return found


def _name(check: str) -> str:
    return check.replace(" ", "_")
