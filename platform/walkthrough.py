"""Walkthrough: the whole road once, with a sitter who does not exist, and four tries to leave it.

Nothing here is staged: it uses the same services, the same worker and the same gate as the
console, and everything it prints was done and logged a moment before.
"""

from __future__ import annotations

import io
import json
import secrets
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind
from primafacie.generator.controls import Controls
from primafacie.generator.permit import MAX_LIFE, PAYLOAD_TYPE, Permit, PermitClaims
from primafacie.platform.accounts import Account
from primafacie.platform.clock import now
from primafacie.platform.consents import Choices, Offer
from primafacie.platform.drawn import Exposure, evidence, png
from primafacie.platform.errors import PlatformError
from primafacie.platform.jobs import Worker
from primafacie.platform.requests import RequestView, Submission
from primafacie.platform.sitter import SITTERS, Sitter
from primafacie.platform.wiring import STUDIO, Services
from primafacie.safeguards.gate import Gate
from primafacie.safeguards.request import Request

SENTENCE: Final = (
    "Hello. I am a person who does not exist. My face was drawn, my voice is synthetic, "
    "and this video could only be made because my consent says so."
)
SHORT_SENTENCE: Final = "Hello. I agreed to this video myself, and nobody has verified that."
OLD_SENTENCE: Final = "Hello. I was painted long ago, and I never said any of this."
PORTRAIT_SIDE: Final = 512
ENROLMENT_SIDE: Final = 384
TURNS: Final = ((7.0, 0.0), (-7.0, 0.0), (0.0, 4.0), (4.0, -4.0))
EXPOSURES: Final = (
    Exposure(PORTRAIT_SIDE),
    *(Exposure(ENROLMENT_SIDE, yaw, pitch) for yaw, pitch in TURNS),
)


class WalkthroughError(PlatformError):
    """A step did not end as it must."""


@dataclass(slots=True)
class Step:
    """One line of the table: what was done, how long it took, where the log says so."""

    name: str
    seconds: float = 0.0
    log_index: int | None = None
    note: str = ""


@dataclass(slots=True)
class Cast:
    """The people of the walkthrough. All of them are made up."""

    steward: Account
    reviewer: Account
    researcher: Account
    auditor: Account
    curator: Account
    project_id: str


@dataclass(frozen=True, slots=True)
class Own:
    """A picture brought along instead of the drawn sitter's.

    kind `self-declared`: a person's own photo and voice under typed words that nobody verified:
    ten seconds, a label in every frame, in development alone. kind `artwork`: a picture of
    somebody long dead, admitted by exact digest; statement is the curators' entry.
    """

    photo: bytes = field(repr=False)
    voice: bytes | None = field(repr=False)
    statement: str
    kind: str = "self-declared"


@dataclass(slots=True)
class Walkthrough:
    """Runs in order: `people`, `consent`, `request`, `verify`, `keepsakes`, `refusals`."""

    services: Services
    folder: Path
    own: Own | None = None
    sitter: Sitter = SITTERS[0]
    stranger: Sitter = SITTERS[1]
    sentence: str = SENTENCE
    longest: int = 20
    tell: Callable[[str], None] = lambda text: None
    steps: list[Step] = field(default_factory=list)
    gate: Gate | None = None
    cast: Cast | None = None
    consent_id: str = ""
    consent_token: str = ""
    portrait: bytes = b""
    voice: bytes = b""
    video: RequestView | None = None
    file: Path | None = None
    verdict: dict[str, Any] = field(default_factory=dict)

    def run(self) -> list[Step]:
        """Everything. Raises WalkthroughError as soon as one step does not end as it must."""
        with self.services.gate() as gate:
            self.gate = gate
            self.people()
            self.consent()
            self.request()
            self.verify()
            self.keepsakes()
            self.refusals()
        return self.steps

    # --- the road -------------------------------------------------------------------------------

    def people(self) -> None:
        """A steward, a reviewer, a researcher with an approved project, and an auditor."""
        with self._step("Accounts and an approved project", "two people, four eyes") as step:
            accounts, projects = self.services.accounts, self.services.projects
            made = {
                role: accounts.add(
                    None,
                    email=f"{role}@example.org",
                    name=f"Demo {role}",
                    password=_password(),
                    roles={"reviewer" if role == "curator" else role},
                )
                for role in ("steward", "reviewer", "researcher", "auditor", "curator")
            }
            accounts.grant(made["reviewer"], made["researcher"].user_id, now() + timedelta(days=30))
            project = projects.apply(
                made["researcher"],
                title="How a consented talking face is made",
                summary="A demonstration with a sitter who does not exist.",
                ethics_reference="none needed: no person takes part",
                purposes=("demonstration",),
                principal=made["researcher"].user_id,
                members=(made["researcher"].user_id,),
                starts_at=now() - timedelta(minutes=1),
                ends_at=now() + timedelta(days=30),
            )
            projects.decide(made["reviewer"], project.project_id, approve=True)
            self.cast = Cast(
                made["steward"], made["reviewer"], made["researcher"], made["auditor"],
                made["curator"], project.project_id,
            )  # fmt: skip
            step.log_index = self._log_size() - 1

    def consent(self) -> None:
        """A sitter is drawn (or a person shows their own photo), the notice is read, one purpose
        ticked, the record signed, and a second person reviews it."""
        cast = self._cast()
        pictures = [self.own.photo] if self.own else self._draw()
        self.portrait = pictures[0]
        consents = self.services.consents
        with self._step("Consent: drafted, read, ticked and signed with the subject's key") as step:
            name = self.own.kind.capitalize() if self.own else self.sitter.name
            view, link = consents.draft(cast.steward, name, "nobody@example.org", self._offer())
            self.consent_id = view.consent_id
            consents.attach(cast.steward, self.consent_id, *self._evidence())
            for picture in pictures:
                consents.add_photo(link, picture)
            if self.own and self.own.voice:
                consents.add_voice(link, self.own.voice)
            self._sign(link)
            step.log_index = self._log_size() - 1
        with self._step("Enrolment and review by a second person") as step:
            self._work()
            view = consents.show(cast.steward, self.consent_id)
            if not view.enrolled:
                raise WalkthroughError(f"the photo cannot be used: {view.enrolment}")
            artwork = self.own is not None and self.own.kind == "artwork"
            note = self.own.statement if self.own and artwork else ""
            consents.activate(cast.reviewer, self.consent_id, watched=True, note=note)
            if artwork:  # it needs two, each with a note of how they know
                consents.activate(cast.curator, self.consent_id, watched=True, note=note)
            view = consents.show(cast.steward, self.consent_id)
            step.log_index = self._log_size() - 1
            step.note = f"consent {view.state}"

    def _draw(self) -> list[bytes]:
        with self._step(f"Drawing {self.sitter.name}, who does not exist") as step:
            pictures = [exposure.png(self.sitter.seed) for exposure in EXPOSURES]
            step.note = f"{len(pictures)} pictures, seed {self.sitter.seed}"
        return pictures

    def _offer(self) -> Offer:
        own = self.own
        return Offer(
            kind=own.kind if own else "synthetic",
            purposes=("demonstration",),
            purpose_text="Showing the whole road of this platform.",
            projects=(self._cast().project_id,),
            requesters=(),
            audience="public",
            max_seconds=10 if own else self.longest,
            max_side=512,
            voice_source="clips" if own and own.voice else "synthetic",
            languages=() if own else ("en",),
            label="" if own and own.kind == "self-declared" else "AI-generated",
            days=30,
        )

    def _evidence(self) -> tuple[str, bytes]:
        if self.own:
            kind = "provenance" if self.own.kind == "artwork" else "written-release"
            return kind, self.own.statement.encode()
        return "provenance", evidence(self.sitter, EXPOSURES)

    def _sign(self, link: str) -> None:
        consents = self.services.consents
        invitation = consents.invitation(link)
        key = Ed25519PrivateKey.generate()  # the sitter's own; nobody keeps it
        choices = Choices(
            purposes=("demonstration",),
            adult="adult",
            notice_sha256=invitation.notice.sha256,
            days=30,
            audience="public",
        )
        prepared = consents.prepare(link, choices, dsse.public_bytes(key))
        receipt = consents.confirm(link, key.sign(prepared.tbs))
        self.consent_token = receipt.token
        (self.folder / "consent-receipt.json").write_bytes(receipt.data)

    def request(self) -> None:
        """The researcher asks; the worker takes it down the road."""
        if self.own and self.own.voice:
            self.voice = self.own.voice
        else:
            with self._step("A synthetic voice speaks the sentence") as step:
                self.voice = speak(self.sentence)
                step.note = f"{_seconds(self.voice):.1f} s"
        with self._step("The gate: decide, log, permit, draw, mark, sign, log") as step:
            self.video = self._ask()
            if self.video.state != "released" or self.video.asset is None:
                raise WalkthroughError(
                    f"the request is {self.video.state}: {self._why(self.video)}"
                )
            step.log_index = self.video.asset.log_index
            step.note = (
                f"{self.video.asset.width}x{self.video.asset.height}, "
                f"{self.video.asset.duration:.1f} s, asset {self.video.asset.asset_number:014x}"
            )
        with self._step("Delivery") as step:
            delivered = self.services.requests.deliver(self._cast().researcher, self.video.rid)
            self.file = self.folder / "talking-face.mp4"
            self.file.write_bytes(delivered.read())
            step.log_index = self._log_size() - 1
            step.note = f"{delivered.size / 1e6:.2f} MB"

    def verify(self) -> None:
        """The delivered file, from its bytes alone."""
        with self._step("Verifying the delivered file from its bytes alone") as step:
            assert self.file is not None
            found = self.services.examiner.examine(None, self.file.read_bytes())
            self.verdict = found.to_json()
            step.note = f"{self.verdict['verdict']}: {self.verdict['sentence']}"
            step.log_index = self._log_size() - 1
            if self.verdict["verdict"] != "EXACT":
                raise WalkthroughError(f"the delivered file is {self.verdict['verdict']}")

    def refusals(self) -> None:
        """Four ways to leave the road, each refused and logged."""
        other = png(self.stranger.picture(PORTRAIT_SIDE))
        self._refused("Refused: another person's face", "face_is_consenting_subject", photo=other)
        self._refused("Refused: a purpose nobody ticked", "purpose_in_scope", purpose="dubbing")
        self._forged()
        with self._step("The subject withdraws the consent") as step:
            self.services.consents.withdraw(self.consent_token)
            step.log_index = self._log_size() - 1
        self._refused("Refused: the consent is withdrawn", "consent_in_force")
        with self._step("The same file, verified again") as step:
            assert self.file is not None
            found = self.services.examiner.examine(None, self.file.read_bytes()).to_json()
            step.note = f"{found['verdict']}: {found['sentence']}"
            step.log_index = self._log_size() - 1
            if found["verdict"] != "REVOKED":
                raise WalkthroughError("a withdrawn consent must show")

    def _refused(self, name: str, rule: str, **changes: Any) -> None:
        with self._step(name) as step:
            view = self._ask(**changes)
            rules = [reason.rule for reason in view.reasons]
            if view.state != "refused" or rule not in rules:
                raise WalkthroughError(f"{name}: the request is {view.state}, reasons {rules}")
            step.log_index = view.entries[-1][0]
            said = next(r.sentence for r in view.reasons if r.rule == rule)
            step.note = said if len(rules) == 1 else f"{said} (and {len(rules) - 1} more)"

    def _forged(self) -> None:
        """An attacker with everything but the gate's key: real log entries, real digests."""
        with self._step("Refused: a forged permit straight at the studio") as step:
            request = self._attack()
            permit = self._forge(request)
            assert self.gate is not None
            error, receipt = self.gate.lock_holds(permit, request)
            step.log_index, step.note = receipt.index, str(error)

    def _attack(self) -> Request:
        return Request(
            rid=uuid.uuid4().hex,
            requester_id=self._cast().researcher.user_id,
            project_id=self._cast().project_id,
            consent_id=self.consent_id,
            purpose="demonstration",
            audience="public",
            photo=self.portrait,
            voice=self.voice,
            controls=Controls(),
            received_at=now(),
            voice_synthetic=True,
        )

    def _forge(self, request: Request) -> Permit:
        """As good a permit as can be had without the key: the honest claims, another signature,
        and the log entry and proof of the permit that was really issued."""
        assert self.video is not None
        issued = int(now().timestamp())
        claims = PermitClaims(
            v=1, permitId=uuid.uuid4().hex, nonce=secrets.token_hex(32), aud=STUDIO,
            iat=issued, nbf=issued, exp=issued + MAX_LIFE,
            photoSha256=request.photo_sha256, audioSha256=request.voice_sha256,
            paramsSha256=sha256_hex(request.controls.to_params()),
            consentId=self.consent_id, consentVersion=1, consentSha256="0" * 64,
            decisionId=uuid.uuid4().hex, decisionLeafIndex=0,
            policySetSha256=self.services.policies.shipped.sha256,
            subjectKind="synthetic", maxSeconds=20, maxWidth=512,
        )  # fmt: skip
        envelope = dsse.sign(claims.to_bytes(), PAYLOAD_TYPE, Ed25519PrivateKey.generate())
        index = next(i for i, kind, _ in self.video.entries if kind == Kind.PERMIT_ISSUED)
        with self.services.database.read() as tx:
            leaf, proof = (
                self.services.log.leaf_bytes(tx, index),
                self.services.log.prove(tx, index),
            )
        return Permit(envelope, leaf, proof)

    # --- what stays -----------------------------------------------------------------------------

    def keepsakes(self) -> None:
        """Contact sheet, manifest, verdict and proof, beside the video."""
        assert self.file is not None and self.video is not None
        with self._step("Contact sheet, manifest, verdict and proof"):
            sheet(frames_of(self.file, 20)).save(self.folder / "contact-sheet.png")
            write_json(self.folder / "manifest.json", self.verdict["manifest"])
            write_json(self.folder / "verdict.json", self.verdict)
            proof = self.services.requests.receipt(self._cast().researcher, self.video.rid)
            (self.folder / "release-proof.json").write_bytes(proof)
            keys = "\n".join(self.services.log.vkeys) + "\n"
            (self.folder / "log-key.txt").write_text(keys)

    # --- how ------------------------------------------------------------------------------------

    def _ask(self, **changes: Any) -> RequestView:
        cast = self._cast()
        submission = Submission(
            project_id=cast.project_id,
            consent_id=self.consent_id,
            purpose="demonstration",
            audience="public",
            photo=self.portrait,
            voice=self.voice,
            controls=self._controls(),
            voice_synthetic=not (self.own and self.own.voice),
        )
        view = self.services.requests.submit(cast.researcher, replace(submission, **changes))
        self._work()
        return self.services.requests.show(cast.researcher, view.rid)

    def _controls(self) -> Controls:
        known = not (self.own and self.own.voice)
        return Controls(size=512, transcript=self.sentence if known else "", seed=7)

    def _work(self) -> None:
        gate = self.gate
        assert gate is not None, "the gate comes first"
        Worker(self.services, lambda: nullcontext(gate)).run(once=True)

    def _why(self, view: RequestView) -> str:
        return "; ".join(reason.sentence for reason in view.reasons) or view.message

    def _cast(self) -> Cast:
        assert self.cast is not None, "the people come first"
        return self.cast

    def _log_size(self) -> int:
        with self.services.database.read() as tx:
            return self.services.log.size(tx)

    @contextmanager
    def _step(self, name: str, note: str = "") -> Iterator[Step]:
        self.tell(name)
        step, start = Step(name, note=note), time.perf_counter()
        yield step
        step.seconds = time.perf_counter() - start
        self.steps.append(step)


def speak(text: str, language: str = "en") -> bytes:
    """The text as a 16-bit WAV file in a synthetic voice that is nobody's."""
    from primafacie.generator import espeak

    speech = espeak.speak(text, language)
    pcm = (np.clip(speech.pcm, -1, 1) * 32767).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(int(speech.rate))
        out.writeframes(pcm.tobytes())
    return buffer.getvalue()


def frames_of(video: Path, count: int) -> list[Image.Image]:
    """`count` frames, evenly spread over the video."""
    import av

    with av.open(str(video)) as container:
        pictures = [frame.to_image() for frame in container.decode(video=0)]
    picked = np.linspace(0, len(pictures) - 1, count).round().astype(int)
    return [pictures[i] for i in picked]


def sheet(frames: list[Image.Image], columns: int = 5, side: int = 256) -> Image.Image:
    """The frames as one picture."""
    rows = -(-len(frames) // columns)
    page = Image.new("RGB", (columns * side, rows * side), "white")
    for place, frame in enumerate(frames):
        small = frame.resize((side, side), Image.Resampling.LANCZOS)
        page.paste(small, (place % columns * side, place // columns * side))
    return page


def write_json(path: Path, value: Any) -> None:
    """Readable JSON."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _password() -> str:
    return secrets.token_urlsafe(24)


def _seconds(clip: bytes) -> float:
    with wave.open(io.BytesIO(clip)) as reader:
        return reader.getnframes() / reader.getframerate()
