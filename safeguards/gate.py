"""Gate.produce(request): the whole road from a request to a delivery, on one screen.

A video exists only after a decision, a log entry and a permit; it leaves only after a mark, a
signature and a second log entry. Each step takes what only the step before can give: a permit
needs an Allowed and a Receipt, a Delivery needs a SealedAsset and the outcome's Receipt.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, cast

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, LogEntry, Outcome, read_leaf
from primafacie.audit.errors import AuditError
from primafacie.audit.log import Receipt
from primafacie.generator.clip import SOUND_RATE, UnsealedClip
from primafacie.generator.errors import GeneratorError, PermitError
from primafacie.generator.permit import MAX_LIFE, PAYLOAD_TYPE, Permit, PermitClaims
from primafacie.generator.registry import Ensemble
from primafacie.generator.studio import Studio
from primafacie.generator.studio import StudioTrust as StudioTrust  # what a gate is told
from primafacie.safeguards.asset import AssetRecord, Delivery, SealedAsset, fresh_asset_number
from primafacie.safeguards.consent import Consent, ConsentRegistry, ConsentState, parse_time
from primafacie.safeguards.decision import Allowed, Decision, Reason, Refused
from primafacie.safeguards.errors import GateError, SafeguardError, WrongFaceError
from primafacie.safeguards.face import MATCH, STALE, FaceWeights
from primafacie.safeguards.facts import Facts, Utterance, caption_at, label_at, longer_side
from primafacie.safeguards.inspector import Heard, Inspector, Onlooker, Seen
from primafacie.safeguards.motion_file import MotionClaims, seal_motion
from primafacie.safeguards.policy import Action, PolicySet
from primafacie.safeguards.provenance.label import caption_text, label_text
from primafacie.safeguards.provenance.mark_keys import MarkKeys
from primafacie.safeguards.provenance.order import (
    CaptionAt,
    LabelPosition,
    LogEvidence,
    SealOrder,
)
from primafacie.safeguards.provenance.schemes.lattice_sound import LEAST_SECONDS
from primafacie.safeguards.provenance.seal import Seal
from primafacie.safeguards.request import Project, Request, Requester
from primafacie.safeguards.speaker import verdict

LONGEST_CLIP: Final = 600  # seconds; consents allow far less
TOO_SHORT: Final = (
    f"it is shorter than {LEAST_SECONDS} seconds, too short to carry the mark every video gets"
)
SEVERAL: Final = (
    "two people seem to speak in it, and the consent is for one person's own voice: cut it to "
    "theirs, or let them register the clip"
)
WATCH_EVERY: Final = 25  # frames between two looks at cancellation and consent
FACES_SEEN: Final = 5  # frames of each clip that are held against the template
CONFIRMED: Final = "match_confirmed"  # the rule that a person's answer alone can satisfy
_UNCONFIRMED: Final = {
    "refused": ("a reviewer compared them and said no",),
    "expired": ("no reviewer answered in time",),
}


class People(Protocol):
    """Knows who asks. Promises: reads its store at each call."""

    def requester(self, user_id: str) -> Requester | None:
        """The person, or None."""

    def project(self, project_id: str) -> Project | None:
        """The project, or None."""


class Journal(Protocol):
    """The log and the state it speaks of. Promises: each method is one durable transaction, and
    raises AuditError or GateError when it could not be committed whole."""

    def ready(self) -> bool:
        """Can an entry be written now? Tried, not assumed."""

    def record(self, entry: LogEntry) -> Receipt:
        """Append an entry."""

    def prove(self, receipt: Receipt) -> str:
        """The tlog-proof of an entry under a checkpoint signed now or before."""

    def stage(self, request: Request, stage: str) -> None:
        """Note how far the request has come. Raises GateError when it was cancelled or when
        another worker holds it."""

    def release(
        self, request: Request, consent_epoch: int, asset: AssetRecord, entry: LogEntry
    ) -> Receipt:
        """If the request is still ours and the consent still active in this epoch: store the
        asset, append the entry, end the request. Otherwise raise GateError and change nothing."""

    def confirmation(self, request: Request, consent_epoch: int) -> str:
        """What a person said of this photo under this epoch of the consent: `none`, `asked`,
        `confirmed`, `refused`, or `expired` where nobody answered in time or the answer is old."""

    def ask_to_confirm(self, request: Request, consent_epoch: int, entry: LogEntry) -> Receipt:
        """Put the request aside until a person has compared the faces, or their time is over; with
        its entry."""

    def finish(self, request: Request, state: str, entry: LogEntry) -> Receipt:
        """End the request as refused, withheld, failed or cancelled, with its entry."""


@dataclass(frozen=True, slots=True)
class Post:
    """What a gate knows about its own place and keys.

    now: the clock. activated: digest of the policy set in force. commitment_key: blinds what
    would otherwise be guessable. staging: folder for sealed files that are not released yet.
    status_url: asset number (hex) -> address where the consent's status can be asked. marks: the
    watermark keys of every epoch, to know our own videos among uploads.
    """

    now: Callable[[], datetime]
    activated: Callable[[], str]
    permit_key: Ed25519PrivateKey = field(repr=False)
    commitment_key: bytes = field(repr=False)
    log_origin: str
    staging: Path
    status_url: Callable[[str], str]
    marks: tuple[MarkKeys, ...] = field(repr=False)
    production: bool
    face_weights: FaceWeights | None = None  # a recogniser instead of dlib's
    former_faces: tuple[FaceWeights, ...] = ()  # recognisers whose never-me entries are compared
    strict: bool = False  # a person confirms every match, whatever the consent says


class Gate:
    """Everything on the road, put together once. Not thread-safe: one gate per worker."""

    _onlooker: Onlooker | None = None

    def __init__(
        self,
        post: Post,
        people: People,
        consents: ConsentRegistry,
        policies: PolicySet,
        journal: Journal,
        studio: StudioTrust,
        seal: Seal,
    ) -> None:
        self._post, self._people, self._consents = post, people, consents
        self._policies, self._journal, self._seal = policies, journal, seal
        self._studio = Studio(studio, must_hold=post.production)
        self._audience, self._engines = studio.audience, studio.engines
        self.inspector = Inspector(
            post.production,
            post.marks,
            post.face_weights,
            post.former_faces,
            self._engines.landmarks,
        )
        self._studio.start()
        self.inspector.rest()

    def produce(self, request: Request) -> Delivery | Refused:
        """The nine steps. Returns a Delivery or a Refused; both are logged before they return. One
        that lacks a person's confirmation alone is put aside: Refused, but not ended.

        Raises GateError when the road breaks off; the log then says `request.failed`, unless the
        log itself is what broke. Whatever happens, no unmarked, unsigned or unlogged video stays.
        """
        try:
            self._journal.stage(request, "looking")
            seen, heard = self._look(request)  # 1 whose face, which voice
            facts = self._facts(request, seen, heard)
            decision = self._decide(facts, "generate")  # 2 may this be made?
            if isinstance(decision, Refused):
                return self._turn_away(facts, decision)
            receipt = self._journal.record(self._intent(facts, decision))  # 3 say so first
            self._studio.warm()  # a permit lives two minutes: none is made for one that still loads
            permit = self._issue(facts, decision, receipt)  # 4 the one key
            self._journal.stage(request, "drawing")
            clip = self._perform(facts, permit)  # 5 frames, seen by nobody
            sealed = self._sealed(facts, decision, permit, clip)  # 6 marked, signed, read back
            return self._release(request, seen, heard, facts, sealed)  # 7, 8, 9
        except Exception as error:  # whatever breaks, the road ends here, and the log says so
            raise self._failed(request, error) from error
        finally:
            self._let_go()  # also where the seal broke off before it asked for a frame

    def _let_go(self) -> None:
        """Nothing of this request goes on; the children of the next one load meanwhile."""
        if self._onlooker is not None:
            self._onlooker.leave()
        self._onlooker = None
        self._studio.let_go()
        self.inspector.rest()

    def _turn_away(self, facts: Facts, decision: Refused) -> Refused:
        """End the request, unless all it lacks is that a person compares two faces."""
        waits = facts.confirmation in ("none", "asked")
        if waits and {reason.rule for reason in decision.reasons} == {CONFIRMED}:
            entry = _outcome(Kind.MATCH_ASKED, Outcome.INFO, facts, decision)
            epoch = _known(facts.consent).epoch
            self._journal.ask_to_confirm(facts.request, epoch, entry)
            return replace(decision, waits=True)
        self._journal.finish(facts.request, "refused", _refusal(facts, decision))
        return decision

    def _release(
        self, request: Request, seen: Seen, heard: Heard | str, facts: Facts, sealed: SealedAsset
    ) -> Delivery | Refused:
        try:
            again = self._facts(request, seen, heard)
            decision = self._decide(again, "release")  # 7 does it still hold?
            if isinstance(decision, Refused):
                self._journal.finish(request, "withheld", _withheld(again, decision))
                sealed.discard()
                return decision
            consent = _known(again.consent)
            if consent.epoch != _known(facts.consent).epoch:
                raise GateError("the consent changed while the video was made")
            record = _record(request, consent, sealed)
            entry = _released(again, decision, sealed)
            receipt = self._journal.release(request, consent.epoch, record, entry)  # 8
            return Delivery(sealed, receipt)  # 9
        except BaseException:
            sealed.discard()
            raise

    # 1 ------------------------------------------------------------------------------------------

    def _look(self, request: Request) -> tuple[Seen, Heard | str]:
        self.inspector.renew()  # one request, one child: what it saw before cannot speak now
        return self.inspector.both(request.photo, request.voice, LONGEST_CLIP)

    def _facts(self, request: Request, seen: Seen, heard: Heard | str) -> Facts:
        consent = self._consents.find(request.consent_id)
        subject = consent.record.subject_id if consent else ""
        gallery = self._consents.gallery(seen.model)
        same = self._consents.same_person(subject) if subject else frozenset()
        likeness = seen.likeness(subject, gallery, self._consents.never_me(seen.model), same)
        if consent and consent.template and consent.template.model != seen.model:
            likeness = replace(likeness, problems=(*likeness.problems, STALE))
        return Facts(
            request=request,
            requester=self._people.requester(request.requester_id),
            project=self._people.project(request.project_id),
            consent=consent,
            likeness=likeness,
            utterance=_utterance(heard, consent, _alone(request, consent)),
            now=self._post.now(),
            production=self._post.production,
            log_ready=self._journal.ready(),
            engines=self._engines.identities,
            strict=self._post.strict,
            confirmation=self._journal.confirmation(request, consent.epoch) if consent else "none",
        )

    # 2, 7 ---------------------------------------------------------------------------------------

    def _decide(self, facts: Facts, action: Action) -> Decision:
        decision = self._policies.decide(facts, action, self._post.activated())
        if isinstance(decision, Allowed):
            return decision
        notes = {
            "photo_good_enough": facts.likeness.problems,
            "voice_usable": facts.utterance.problems,
            "voice_allowed": _about_speaker(facts),
            CONFIRMED: _UNCONFIRMED.get(facts.confirmation, ()),
        }
        return replace(decision, reasons=tuple(_noted(r, notes) for r in decision.reasons))

    # 3, 4 ---------------------------------------------------------------------------------------

    def _intent(self, facts: Facts, decision: Allowed) -> LogEntry:
        request, consent = facts.request, _known(facts.consent)
        return LogEntry(
            kind=Kind.DECISION_GENERATE,
            rid=request.rid,
            at=decision.at,
            actor=request.requester_id,
            subject=consent.record.subject_id,
            out=Outcome.ALLOW,
            facts=(
                ("consent_commitment", self._commitment(consent)),
                ("decision", decision.decision_id),
                ("facts_sha256", decision.facts_sha256),
                *((("label", "none"),) if request.controls.label == "none" else ()),
                *((("motion", request.controls.motion),) if request.controls.motion else ()),
                ("params_sha256", sha256_hex(request.controls.to_params())),
                ("photo_commitment", self._blind(b"photo", request.photo_sha256)),
                ("policy_sha256", decision.policy_sha256),
                ("purpose", request.purpose),
                ("voice_commitment", self._blind(b"voice", request.voice_sha256)),
                ("voice_declared", "synthetic" if request.voice_synthetic else "recorded"),
                *_speaker(facts),
            ),
            payload={
                "audience": request.audience,
                "consent": consent.record.consent_id,
                "consent_version": consent.record.version,
                "language": request.controls.language[:40],
                "project": request.project_id,
                "transcript": request.controls.transcript[:500],
            },
        )

    def _issue(self, facts: Facts, decision: Allowed, receipt: Receipt) -> Permit:
        request, consent = facts.request, _known(facts.consent)
        issued = int(self._post.now().timestamp())
        claims = PermitClaims(
            v=1,
            permitId=uuid.uuid4().hex,
            nonce=secrets.token_hex(32),
            aud=self._audience,
            iat=issued,
            nbf=issued,
            exp=issued + MAX_LIFE,
            photoSha256=request.photo_sha256,
            audioSha256=request.voice_sha256,
            paramsSha256=sha256_hex(request.controls.to_params()),
            consentId=consent.record.consent_id,
            consentVersion=consent.record.version,
            consentSha256=consent.record.sha256,
            decisionId=decision.decision_id,
            decisionLeafIndex=receipt.index,
            policySetSha256=decision.policy_sha256,
            subjectKind=consent.record.subject_kind,
            maxSeconds=consent.record.max_seconds,
            maxWidth=consent.record.max_side,
        )
        envelope = dsse.sign(claims.to_bytes(), PAYLOAD_TYPE, self._post.permit_key)
        logged = self._journal.record(
            LogEntry(
                kind=Kind.PERMIT_ISSUED,
                rid=request.rid,
                at=self._post.now(),
                actor=request.requester_id,
                subject=consent.record.subject_id,
                out=Outcome.ALLOW,
                facts=(
                    ("decision", decision.decision_id),
                    ("decision_leaf", receipt.index),
                    ("expires", claims.exp),
                    ("nonce", claims.nonce),
                    ("permit_sha256", sha256_hex(envelope)),
                    ("policy_sha256", decision.policy_sha256),
                ),
            )
        )
        return Permit(envelope, logged.leaf, self._journal.prove(logged))

    # 5, 6 ---------------------------------------------------------------------------------------

    def _perform(self, facts: Facts, permit: Permit) -> UnsealedClip:
        request = facts.request
        params = request.controls.to_params()
        clip = self._studio.perform(permit, request.photo, request.voice, params)
        _as_asked(clip, facts, self._engines)
        clip.frames = self._watched(facts, clip.frames, clip.frame_count)
        return clip

    def _watched(
        self, facts: Facts, frames: Iterator[NDArray[np.uint8]], count: int
    ) -> Iterator[NDArray[np.uint8]]:
        """The frames, as long as nobody cancels and the consent stays active; some of them, which
        the studio cannot foresee, must show the person who consented."""
        request = facts.request
        chosen = set(secrets.SystemRandom().sample(range(count), min(FACES_SEEN, count)))
        self._onlooker = onlooker = Onlooker(self.inspector.drawn)
        for number, frame in enumerate(frames):
            if number % WATCH_EVERY == 0:
                self._journal.stage(request, f"drawing {number} of {count}")
                consent = self._consents.find(request.consent_id)
                if consent is None or consent.state is not ConsentState.ACTIVE:
                    raise GateError("the consent ended while the video was made")
            if number in chosen:
                onlooker.show(frame.copy())
            yield frame
        self._require_person(_known(facts.consent), onlooker)
        self._journal.stage(request, "sealing")

    def _require_person(self, consent: Consent, onlooker: Onlooker) -> None:
        """Return if each of the frames shown shows the person of the template; raise otherwise. A
        studio that was taken over can draw anybody; this is asked of another child."""
        template, model = consent.template, self.inspector.model
        if template is None:  # the policies refuse before this
            raise WrongFaceError("there is no template to hold the picture made against")
        for vector in onlooker.seen():
            if vector is None or template.distance(vector, model) > MATCH:
                raise WrongFaceError("the picture made does not show the person who consented")

    def _sealed(
        self, facts: Facts, decision: Allowed, permit: Permit, clip: UnsealedClip
    ) -> SealedAsset:
        request, consent = facts.request, _known(facts.consent)
        number = fresh_asset_number()
        place, caption = label_at(request, consent), caption_at(request, consent)
        order = SealOrder(
            asset_number=number,
            rid=request.rid,
            asset_uuid=uuid.uuid4().hex,
            when=self._post.now(),
            voice_is_real=not request.voice_synthetic or facts.utterance.like_the_person,
            engines=clip.engines,
            report=clip.report,
            consent_commitment=self._commitment(consent),
            consent_status_url=self._post.status_url(f"{number:014x}"),
            scope=(request.purpose, request.audience),
            not_after=parse_time(consent.record.not_after),
            liveness=consent.record.liveness,
            decision_id=decision.decision_id,
            policy_sha256=decision.policy_sha256,
            evidence=LogEvidence(
                self._post.log_origin, read_leaf(permit.leaf).index, permit.leaf, permit.proof
            ),
            label=None
            if place == "none"
            else label_text(request.controls.language, consent.record.label),
            label_position="bottom" if place == "none" else cast(LabelPosition, place),
            caption=None
            if caption == "none"
            else caption_text(request.controls.language, consent.record.subject_kind),
            caption_at="start" if caption == "none" else cast(CaptionAt, caption),
            out_path=self._post.staging / f"{request.rid}.{request.claim}.mp4",
        )
        sealed = self._seal.seal(clip, order)
        return self._with_motion(clip, order, sealed, request) if clip.motion else sealed

    def _with_motion(
        self, clip: UnsealedClip, order: SealOrder, sealed: SealedAsset, request: Request
    ) -> SealedAsset:
        """The movement beside the film it belongs to, signed; neither without the other."""
        form = request.controls.motion
        claims = MotionClaims(
            v=1,
            asset=f"{sealed.asset_number:014x}",
            content=sha256_hex(clip.motion),
            video=sealed.file_sha256,
            decision=order.decision_id,
            policy=order.policy_sha256,
            status=order.consent_status_url,
            issued=int(self._post.now().timestamp()),
        )
        try:
            path = order.out_path.with_suffix(f".{form}")
            motion = seal_motion(clip.motion, form, claims, self._post.permit_key, path)
        except BaseException:
            sealed.discard()
            raise
        return replace(sealed, motion=motion)

    # when the road breaks off -------------------------------------------------------------------

    def _failed(self, request: Request, error: Exception) -> GateError:
        known = isinstance(error, (AuditError, GeneratorError, SafeguardError))
        sentence = str(error) if known else f"the road broke off: {type(error).__name__}"
        entry = LogEntry(
            kind=Kind.REQUEST_FAILED,
            rid=request.rid,
            at=self._post.now(),
            actor=request.requester_id,
            out=Outcome.ERROR,
            why=(type(error).__name__,),
            payload={"message": sentence[:500]},
        )
        try:
            self._journal.finish(request, "failed", entry)
        except GateError as lost:  # somebody else holds it, and says how it ends
            return lost
        except Exception:  # a log that cannot be written is the one thing it cannot tell
            return GateError("the log could not be written; nothing was made")
        return GateError(sentence)

    def lock_holds(self, permit: Permit, request: Request) -> tuple[PermitError, Receipt]:
        """Show any permit to the studio's door, as an attacker inside this process would.

        Returns the PermitError it answered with and the log entry of it. If the door opens, the
        performance is thrown away unseen and GateError raised: a drill, never a way to a video.
        """
        params = request.controls.to_params()
        try:
            self._studio.perform(permit, request.photo, request.voice, params)
        except PermitError as error:
            entry = LogEntry(
                kind=Kind.PERMIT_REFUSED,
                rid=request.rid,
                at=self._post.now(),
                actor=request.requester_id,
                out=Outcome.DENY,
                why=(type(error).__name__,),
                facts=(("permit_sha256", permit.sha256),),
                payload={"message": str(error)},
            )
            return error, self._journal.record(entry)
        self._studio.close()
        raise GateError("the studio opened to a permit it should have refused")

    def warm(self) -> str:
        """Start the studio now; the level of its sandbox."""
        return self._studio.warm()

    def close(self) -> None:
        """Stop the child processes."""
        self._studio.close()
        self.inspector.close()

    def _commitment(self, consent: Consent) -> str:
        return self._blind(b"consent", consent.record.sha256)

    def _blind(self, purpose: bytes, text: str) -> str:
        """A commitment only this deployment can open: a plain digest could be guessed."""
        mac = hmac.new(self._post.commitment_key, purpose + b"\0" + text.encode(), hashlib.sha256)
        return f"hmac-sha256:{mac.hexdigest()}"


def _as_asked(clip: UnsealedClip, facts: Facts, engines: Ensemble) -> None:
    """Return if the studio announced what was asked for and nothing larger; raise otherwise."""
    controls, heard = facts.request.controls, facts.utterance.milliseconds
    frames = math.ceil(heard * clip.fps / 1000)
    limits = (
        clip.fps == controls.fps,
        abs(clip.frame_count - frames) <= 1,
        min(clip.width, clip.height) == controls.size,
        max(clip.width, clip.height) <= longer_side(facts.request, facts.likeness.aspect),
        abs(len(clip.sound) / SOUND_RATE * 1000 - heard) <= 50,
        bool(np.isfinite(clip.sound).all()),
        len(clip.report) <= 64,
        tuple(name for name, _ in clip.engines) == (engines.render.name, engines.motion.name),
        bool(clip.motion) == bool(controls.motion),
    )
    if not all(limits):
        raise GateError("the studio announced another clip than the one asked for")


def _known(consent: Consent | None) -> Consent:
    if consent is None:  # the policies refuse before this; the type needs to hear it
        raise GateError("there is no consent")
    return consent


def _alone(request: Request, consent: Consent | None) -> bool:
    """Whether the clip must be one person's: their own voice, in a clip not registered by them."""
    if consent is None or consent.record.voice_source != "own" or request.voice_synthetic:
        return False
    return request.voice_sha256 not in consent.record.voices


def _utterance(heard: Heard | str, consent: Consent | None, alone: bool = False) -> Utterance:
    """What was heard, held against the voice of the person who consented."""
    if isinstance(heard, str):
        return Utterance(0, problems=(heard,))
    voice = consent.voice if consent else None
    alike = voice.similarity(heard.voice) if voice else None
    problems: tuple[str, ...] = ()
    problems += (TOO_SHORT,) if heard.milliseconds < 1000 * LEAST_SECONDS else ()
    problems += (SEVERAL,) if alone and heard.voice.several else ()
    return Utterance(heard.milliseconds, verdict(alike), problems, alike, heard.own_mark)


def _about_speaker(facts: Facts) -> tuple[str, ...]:
    """Why the voice was not taken for the person's own; () where that was not the question."""
    consent = facts.consent
    if consent is not None and facts.request.voice_synthetic and facts.utterance.like_the_person:
        return ("it is said to be synthetic, but sounds like the person's own recorded voice",)
    if consent is None or consent.record.voice_source != "own" or facts.request.voice_synthetic:
        return ()
    return {
        "review": ("it resembles the person's voice, but not surely; they can register the clip",),
        "mismatch": ("it is not the person's voice",),
        "unknown": ("whose voice it is could not be told: too little speech, or nothing to compare",
                    ),
    }.get(facts.utterance.speaker, ())  # fmt: skip


def _speaker(facts: Facts) -> tuple[tuple[str, str | int], ...]:
    """The speaker check for the log: what it said, and the similarity in hundredths."""
    alike = facts.utterance.similarity
    score = () if alike is None else (("speaker_hundredths", round(alike * 100)),)
    return (("speaker", facts.utterance.speaker), *score)


def _noted(reason: Reason, notes: dict[str, tuple[str, ...]]) -> Reason:
    found = notes.get(reason.rule, ())
    if not found:
        return reason
    return replace(reason, sentence=f"{reason.sentence} ({'; '.join(found)})")


def _refusal(facts: Facts, decision: Refused) -> LogEntry:
    return _outcome(Kind.DECISION_REFUSED, Outcome.DENY, facts, decision)


def _marks_seen(facts: Facts) -> tuple[tuple[str, str], ...]:
    """The marks the photo and the voice carried: a generator's, or ours, with the asset it leads
    to."""
    face = facts.likeness
    seen = (("photo_generator", face.generator_mark), ("photo_mark", face.own_mark),
            ("voice_mark", facts.utterance.own_mark))  # fmt: skip
    return tuple((name, value) for name, value in seen if value)


def _withheld(facts: Facts, decision: Refused) -> LogEntry:
    return _outcome(Kind.OUTPUT_WITHHELD, Outcome.DENY, facts, decision)


def _outcome(kind: Kind, out: Outcome, facts: Facts, decision: Refused) -> LogEntry:
    request = facts.request
    return LogEntry(
        kind=kind,
        rid=request.rid,
        at=decision.at,
        actor=request.requester_id,
        subject=facts.consent.record.subject_id if facts.consent else "",
        out=out,
        why=tuple(reason.rule for reason in decision.reasons),
        facts=(
            ("decision", decision.decision_id),
            ("facts_sha256", decision.facts_sha256),
            ("policy_sha256", decision.policy_sha256),
            ("purpose", request.purpose[:64]),
            *_marks_seen(facts),
            *_speaker(facts),
        ),
        payload={
            "consent": request.consent_id,
            "project": request.project_id,
            "reasons": [reason.sentence for reason in decision.reasons],
        },
    )


def _released(facts: Facts, decision: Allowed, sealed: SealedAsset) -> LogEntry:
    request, consent = facts.request, _known(facts.consent)
    return LogEntry(
        kind=Kind.OUTPUT_RELEASED,
        rid=request.rid,
        at=facts.now,
        actor=request.requester_id,
        subject=consent.record.subject_id,
        out=Outcome.ALLOW,
        facts=(
            ("asset", f"{sealed.asset_number:014x}"),
            ("decision", decision.decision_id),
            ("file_sha256", sealed.file_sha256),
            ("manifest_sha256", sealed.manifest_sha256),
            *((("motion_sha256", sealed.motion.sha256),) if sealed.motion else ()),
            ("policy_sha256", decision.policy_sha256),
            *((f"{one.kind}_sha256", one.sha256) for one in sealed.companions),
        ),
        payload={"consent": consent.record.consent_id, "purpose": request.purpose},
    )


def _record(request: Request, consent: Consent, sealed: SealedAsset) -> AssetRecord:
    return AssetRecord(
        asset_number=sealed.asset_number,
        rid=request.rid,
        file_sha256=sealed.file_sha256,
        manifest_sha256=sealed.manifest_sha256,
        consent_id=consent.record.consent_id,
        consent_status=str(consent.state),
        log_index=-1,
        leaf=b"",
        proof="",
        revoked_at=None,
        fingerprint=sealed.fingerprint,
        manifest=(sealed.manifest_label, sealed.manifest),
        companions=sealed.companions,
        motion=sealed.motion,
        asset_uuid=sealed.asset_uuid,
        duration=sealed.duration,
        width=sealed.width,
        height=sealed.height,
        fps=sealed.fps,
    )
