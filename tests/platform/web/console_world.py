"""A whole installation in a folder: real services on SQLite, one account per role, and a worker
whose gate asks the real policies but looks at no picture and draws none (no model is loaded).

It is loaded by path, since tests are no package.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import secrets
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.generator.controls import Controls
from primafacie.platform.accounts import Account
from primafacie.platform.consents import Choices, ConsentView, Offer
from primafacie.platform.jobs import Worker
from primafacie.platform.projects import ProjectView
from primafacie.platform.requests import Submission
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services
from primafacie.safeguards.asset import AssetNumber, AssetRecord, Delivery, SealedAsset
from primafacie.safeguards.decision import Allowed, Refused
from primafacie.safeguards.face import FaceTemplate, Likeness
from primafacie.safeguards.facts import Facts, Utterance
from primafacie.safeguards.request import Request

PASSWORD = "a long and friendly password"
PEOPLE = {
    "admin": "Ada Admin", "reviewer": "Rita Reviewer", "steward": "Sam Steward",
    "researcher": "Robin Researcher", "auditor": "Olga Auditor",
}  # fmt: skip


def png(seed: int, side: int = 320) -> bytes:
    """A small picture of coloured waves, another one for each seed."""
    rows, columns = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(6 * (columns * (seed % 5 + 1) + rows * (k + 1)) + seed) for k in range(3)]
    pixels = (127 + 100 * np.stack(waves, -1)).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def wav(seconds: float = 2.0, pitch: float = 180.0) -> bytes:
    """A hum, 16 kHz mono."""
    t = np.arange(int(16_000 * seconds)) / 16_000
    sound = (8000 * np.sin(2 * np.pi * pitch * t) * (0.6 + 0.4 * np.sin(7 * t))).astype("<i2")
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(sound.tobytes())
    return buffer.getvalue()


class BlindInspector:
    """Makes a template out of the photos' digests: it sees nothing."""

    model = "blind@" + "0" * 64

    def enrol(self, photos: list[bytes], least: int = 5) -> FaceTemplate:
        """A template that is near to no other."""
        digest = hashlib.sha256(b"".join(photos)).digest()
        vector = np.frombuffer(digest * 4, np.uint8).astype(np.float32) / 255
        return FaceTemplate("blind@" + "0" * 64, len(photos), vector)


class BlindGate:
    """Asks the policies in earnest, with the best case for what it does not measure."""

    def __init__(self, services: Services, film: bytes) -> None:
        self._s, self._film, self.inspector = services, film, BlindInspector()

    def produce(self, request: Request) -> Delivery | Refused:
        """Refused as the policies say; else a file of the given bytes, released."""
        queue = self._s.queue
        queue.stage(request, "looking")
        decision, facts = self._decide(request)
        if isinstance(decision, Refused):
            queue.finish(request, "refused", self._refusal(request, decision))
            return decision
        self._say_so_first(request, facts, decision)
        for stage in ("drawing", "drawing 10 of 50", "sealing"):
            queue.stage(request, stage)
        return self._release(request, facts, decision)

    def _decide(self, request: Request) -> tuple[Allowed | Refused, Facts]:
        facts = Facts(
            request=request, requester=self._s.people.requester(request.requester_id),
            project=self._s.people.project(request.project_id),
            consent=self._s.likenesses.find(request.consent_id),
            likeness=Likeness(1, 1, (), distance=0.1, best=True, margin=1.0),
            utterance=Utterance(2000), now=datetime.now(UTC), production=False, log_ready=True,
            engines=("photo-warp", "speech-motion"),
        )  # fmt: skip
        policies = self._s.policies
        return policies.shipped.decide(facts, "generate", policies.activated()), facts

    def _say_so_first(self, request: Request, facts: Facts, decision: Allowed) -> None:
        """Decision and permit go into the log before anything is made, as the gate does it."""
        assert facts.consent is not None
        said: dict[str, Any] = {
            "rid": request.rid, "at": decision.at, "actor": request.requester_id,
            "subject": facts.consent.record.subject_id, "out": Outcome.ALLOW,
        }  # fmt: skip
        named = (("decision", decision.decision_id), ("policy_sha256", decision.policy_sha256))
        receipt = self._s.queue.record(LogEntry(Kind.DECISION_GENERATE, facts=named, **said))
        permit = (*named, ("decision_leaf", receipt.index), ("permit_sha256", "0" * 64),
                  ("nonce", request.rid))  # fmt: skip
        self._s.queue.record(LogEntry(Kind.PERMIT_ISSUED, facts=permit, **said))
        ledger = self._s.settings.ledger
        ledger.parent.mkdir(exist_ok=True)
        with ledger.open("a") as book:
            book.write(f"1800000000 {request.rid}\n")
        claim = hashlib.sha256(request.rid.encode()).hexdigest()
        self._s.queue.record(LogEntry(Kind.SIGNATURE_MADE, facts=(("tbs_sha256", claim),), **said))
        with self._s.settings.signatures.open("a") as book:
            book.write(json.dumps({"rid": request.rid, "sha256": claim}) + "\n")

    def _release(self, request: Request, facts: Facts, decision: Allowed) -> Delivery:
        assert facts.consent is not None
        path = self._s.vault.staged(request.rid, request.claim)
        film = self._film + b"\0\0\0\x28free" + request.rid.encode()  # no two are the same
        path.write_bytes(film)
        number, digest = secrets.randbits(55) + 1, hashlib.sha256(film).hexdigest()
        record = AssetRecord(number, request.rid, digest, digest, request.consent_id, "active",
                             -1, b"", "", duration=2.0, width=512, height=512,
                             fps=25.0)  # fmt: skip
        entry = LogEntry(
            Kind.OUTPUT_RELEASED, request.rid, datetime.now(UTC), actor=request.requester_id,
            subject=facts.consent.record.subject_id, out=Outcome.ALLOW,
            facts=(("asset", f"{number:014x}"), ("decision", decision.decision_id),
                   ("file_sha256", digest), ("policy_sha256", decision.policy_sha256)),
        )  # fmt: skip
        receipt = self._s.queue.release(request, facts.consent.epoch, record, entry)
        asset = SealedAsset(path, AssetNumber(number), "0" * 32, "urn:c2pa:test", digest, digest,
                            len(film), 2.0, 512, 512, 25.0, 50, datetime.now(UTC),
                            b"")  # fmt: skip
        return Delivery(asset, receipt)

    @staticmethod
    def _refusal(request: Request, decision: Refused) -> LogEntry:
        return LogEntry(
            Kind.DECISION_REFUSED, request.rid, decision.at, actor=request.requester_id,
            out=Outcome.DENY, why=tuple(r.rule for r in decision.reasons),
            facts=(("decision", decision.decision_id), ("policy_sha256", decision.policy_sha256)),
            payload={"reasons": [r.sentence for r in decision.reasons]},
        )  # fmt: skip


@dataclass
class World:
    """The installation and the people in it."""

    services: Services
    film: bytes = b"\0\0\0\x18ftypmp42" + b"\0" * 4000
    people: dict[str, Account] = field(default_factory=dict)

    def account(self, role: str) -> Account:
        """The person with this role, as the accounts know them now."""
        found = self.services.accounts.find(self.people[role].user_id)
        assert found is not None
        return found

    def email(self, role: str) -> str:
        """Their e-mail address."""
        return self.people[role].email

    def grant(self) -> None:
        """The researcher's access, granted by the reviewer."""
        until = datetime.now(UTC) + timedelta(days=90)
        researcher = self.people["researcher"].user_id
        self.services.accounts.grant(self.account("reviewer"), researcher, until)

    def project(self, title: str = "How lips help listeners") -> ProjectView:
        """An approved project of the researcher's."""
        me = self.account("researcher")
        now = datetime.now(UTC)
        view = self.services.projects.apply(
            me, title=title, summary="Does a talking face help to follow speech in noise?",
            ethics_reference="EC 2026/114", purposes=("research", "perception-study"),
            principal=me.user_id, members={me.user_id}, starts_at=now - timedelta(days=1),
            ends_at=now + timedelta(days=300),
        )  # fmt: skip
        return self.services.projects.decide(self.account("reviewer"), view.project_id, True)

    def invite(
        self, project: ProjectView, name: str = "Mira Vance", **more: Any
    ) -> tuple[str, str]:
        """(consent id, link) of a fresh invitation."""
        offer = Offer(**({
            "kind": "self-declared", "purposes": ("research", "perception-study"),
            "purpose_text": "Short clips for a listening study in our laboratory.",
            "projects": (project.project_id,), "max_seconds": 10, "voice_source": "synthetic",
            "label": "AI-generated demonstration",
        } | more))  # fmt: skip
        view, link = self.services.consents.draft(
            self.account("steward"), name, "mira@example.org", offer
        )
        return view.consent_id, link

    def photos(self, link: str, pictures: list[bytes] | None = None) -> list[bytes]:
        """Five photos, registered behind the link."""
        pictures = pictures or [png(seed) for seed in range(5)]
        for picture in pictures:
            self.services.consents.add_photo(link, picture)
        return pictures

    def sign(self, link: str, key: Ed25519PrivateKey | None = None) -> str:
        """Say yes behind the link, with this key or a fresh one; the token of the receipt."""
        consents = self.services.consents
        invitation, key = consents.invitation(link), key or Ed25519PrivateKey.generate()
        choices = Choices(
            purposes=("research",), adult="adult", notice_sha256=invitation.notice.sha256,
            days=90, audience="internal",
        )  # fmt: skip
        prepared = consents.prepare(link, choices, key.public_key().public_bytes_raw())
        return consents.confirm(link, key.sign(prepared.tbs)).token

    def consent(
        self, project: ProjectView, key: Ed25519PrivateKey | None = None, **more: Any
    ) -> tuple[ConsentView, str, list[bytes]]:
        """(consent in force, signed with this key or a fresh one; token of the receipt; photos)."""
        consent_id, link = self.invite(project, **more)
        pictures = self.photos(link)
        token = self.sign(link, key)
        self.work()
        view = self.services.consents.activate(self.account("reviewer"), consent_id, watched=True)
        return view, token, pictures

    def work(self) -> None:
        """Let the worker do all that waits."""
        Worker(self.services, self.gate).run(once=True)

    @contextlib.contextmanager
    def gate(self) -> Iterator[BlindGate]:
        """The blind gate."""
        yield BlindGate(self.services, self.film)


def make_world(folder: Path, **settings: Any) -> World:
    """A fresh world in `folder`."""
    services = Services.open(Settings(data_dir=folder, **settings))
    world = World(services)
    for role, name in PEOPLE.items():
        world.people[role] = services.accounts.add(
            None, email=f"{role}@example.org", name=name, password=PASSWORD, roles=[role]
        )
    return world


def order(project: ProjectView, consent: ConsentView, photo: bytes, **more: Any) -> Submission:
    """A request that everything speaks for, unless `more` says otherwise."""
    return Submission(**({
        "project_id": project.project_id, "consent_id": consent.consent_id, "purpose": "research",
        "audience": "internal", "photo": photo, "voice": wav(), "controls": Controls(),
        "voice_synthetic": True,
    } | more))  # fmt: skip
