"""A small house: an installation in a temporary folder, its people, and a clock that can be moved.

What is fake here is what is heavy: the gate's inspector and studio. State, log, queue, consents and
files are the real ones.
"""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, LogEntry, Outcome
from primafacie.generator.controls import Controls
from primafacie.platform.accounts import Account
from primafacie.platform.consents import Choices, ConsentView, Offer, ReceiptFile
from primafacie.platform.requests import RequestView, Submission
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services
from primafacie.safeguards.asset import AssetNumber, AssetRecord
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import FaceTemplate
from primafacie.safeguards.liveness import MOVES, Finding, Footage
from primafacie.safeguards.speaker import Voiceprint

PASSWORD = "correct horse battery staple"


def picture(seed: int) -> bytes:
    """A small PNG of noise, never the same for two seeds."""
    from PIL import Image

    pixels = np.random.default_rng(seed).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@dataclass
class Watch:
    """A clock that stands still until it is moved."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.at

    def move(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Faces:
    """A FaceGate whose templates are chosen by the test."""

    vector: Any = None
    problem: str = ""
    model: str = "fake@" + "0" * 64

    def renew(self) -> None:
        """There is no child to renew."""

    rest = renew

    def enrol(self, photos: Sequence[bytes], least: int = 5) -> FaceTemplate:
        if self.problem:
            raise FaceError(self.problem)
        if self.vector is None:
            seed = sum(photos[0]) % 2**31
            self.vector = np.random.default_rng(seed).normal(size=128).astype(np.float32)
        return FaceTemplate(self.model, len(photos), self.vector)

    moves: tuple[str, ...] = ()
    seen: dict[str, Any] = field(default_factory=dict)

    def watch(self, data: bytes, words: Sequence[str]) -> Footage:
        """A recording in which everything is as asked, but for `seen`."""
        axes = {"left": (20, 0, 0), "right": (-20, 0, 0), "up": (0, -12, 0), "down": (0, 12, 0),
                "tilt-left": (0, 0, 20), "tilt-right": (0, 0, -20)}  # fmt: skip
        rest = np.zeros((40, 3))
        turns = [row for move in self.moves
                 for row in (*rest[:3], *[np.array(axes[MOVES[move]], float)] * 4)]  # fmt: skip
        dice = np.random.default_rng(list(hashlib.sha256(data).digest()))
        good: dict[str, Any] = {
            "seconds": 40.0, "faces": (1,) * 160, "model": "seen@" + "0" * 64,
            "attitude": np.asarray([*rest, *turns], np.float32), "heard": True,
            "portraits": np.full((8, 128), 0.1, np.float32), "words": tuple(words),
            "voice": Voiceprint(12.0, "voice@" + "1" * 64, np.eye(256, dtype=np.float32)[0]),
            "trace": dice.normal(size=(160, 3)).astype(np.float32),
            "turned": np.full((3, 128), 0.1, np.float32),
        }  # fmt: skip
        return Footage(**(good | self.seen))


@dataclass
class House:
    """An open installation and the people in it."""

    services: Services
    watch: Watch
    admin: Account
    steward: Account
    reviewer: Account
    researcher: Account
    other: Account
    auditor: Account
    seed: int = 0

    @property
    def kinds(self) -> list[str]:
        """The kinds of every entry in the log, in order."""
        with self.services.database.read() as tx:
            log = self.services.log
            return [log.leaf(tx, i).kind.value for i in range(log.size(tx))]

    def leaves(self, rid: str) -> list[str]:
        """The kinds of one request's entries."""
        with self.services.database.read() as tx:
            log = self.services.log
            found = (log.leaf(tx, i) for i in range(log.size(tx)))
            return [leaf.kind.value for leaf in found if leaf.rid == rid]

    @staticmethod
    def faces(**given: Any) -> Faces:
        """A fake of what looks at faces."""
        return Faces(**given)

    def list_never_me(self, name: str, face: Faces) -> None:
        """Somebody stands on the never-me list, by a letter say, with the face that `face` sees."""
        s, template = self.services, face.enrol([b"x"])
        with s.journal.writing() as tx:
            s.likenesses.list_never_me(tx, s.subjects.add(tx, "living", name, ""), template)

    def project(self, **changes: Any) -> str:
        """An approved project of the researcher."""
        now = self.watch()
        view = self.services.projects.apply(
            self.researcher,
            **{
                "title": "Lip reading",
                "summary": "How well do people read lips from drawn faces?",
                "ethics_reference": "EC-2026-17",
                "purposes": ("research", "education"),
                "principal": self.researcher.user_id,
                "members": (),
                "starts_at": now - timedelta(days=1),
                "ends_at": now + timedelta(days=300),
                **changes,
            },
        )
        self.services.projects.decide(self.reviewer, view.project_id, approve=True)
        return view.project_id

    def offer(self, project_id: str, **changes: Any) -> Offer:
        return replace(
            Offer(
                purposes=("research", "education"),
                purpose_text="Videos for a study of lip reading at our lab.",
                projects=(project_id,),
            ),
            **changes,
        )

    def draft(self, **changes: Any) -> tuple[ConsentView, str]:
        project_id = changes.pop("project_id", None) or self.project()
        return self.services.consents.draft(
            self.steward, "Ada Drawn", "ada@example.org", self.offer(project_id, **changes)
        )

    def fill(self, link: str, photos: int = 5) -> None:
        """What a subject adds before choosing."""
        for _ in range(photos):
            self.seed += 1
            self.services.consents.add_photo(link, picture(self.seed))
        if self.services.consents.invitation(link).needs_video:
            self.record(link)

    def record(self, link: str, **seen: Any) -> tuple[Finding, ...]:
        """What a subject does in front of the camera, and the worker behind it."""
        consents = self.services.consents
        challenge = consents.begin(link)
        self.seed += 1
        consents.add_video(link, b"a recording %d" % self.seed)
        consent_id = consents.invitation(link).view.consent_id
        return consents.measure(
            consent_id,
            Faces(np.full(128, 0.1, np.float32), model="seen@" + "0" * 64, moves=challenge.moves,
                  seen=seen),
        )  # fmt: skip

    def choices(self, link: str, **changes: Any) -> Choices:
        notice = self.services.consents.invitation(link).notice
        return replace(Choices(("research",), "adult", notice.sha256, 30, "internal"), **changes)

    def sign(self, link: str, **changes: Any) -> ReceiptFile:
        key = Ed25519PrivateKey.generate()
        prepared = self.services.consents.prepare(
            link, self.choices(link, **changes), dsse.public_bytes(key)
        )
        return self.services.consents.confirm(link, key.sign(prepared.tbs))

    def captured(self, **changes: Any) -> tuple[str, str]:
        """(consent id, receipt token) of a signed consent."""
        view, link = self.draft(**changes)
        self.fill(link)
        return view.consent_id, self.sign(link).token

    def active(self, **changes: Any) -> tuple[str, str]:
        """(consent id, receipt token) of a consent in force."""
        consent_id, token = self.captured(**changes)
        assert self.services.consents.enrol(consent_id, Faces()) == ""
        self.services.consents.activate(self.reviewer, consent_id, watched=True)
        return consent_id, token

    def submission(self, consent_id: str, **changes: Any) -> Submission:
        view = self.services.consents.show(self.steward, consent_id)
        photo = self.services.vault.get(view.photos[0].sha256)
        return replace(
            Submission(
                project_id=view.projects[0],
                consent_id=consent_id,
                purpose="research",
                audience="internal",
                photo=photo,
                voice=b"a clip of the voice",
                controls=Controls(),
            ),
            **changes,
        )

    def submit(self, consent_id: str, **changes: Any) -> RequestView:
        return self.services.requests.submit(
            self.researcher, self.submission(consent_id, **changes)
        )

    def release(self, consent_id: str, *, movement: bytes = b"", **asked: Any) -> RequestView:
        """A released video, by the queue's own steps; the request's view."""
        s, view = self.services, self.submit(consent_id, **asked)
        request = s.queue.claim("w", "cpu")
        assert request is not None and request.rid == view.rid
        consent = s.likenesses.find(consent_id)
        assert consent is not None
        said: dict[str, Any] = {
            "rid": view.rid, "at": self.watch(), "actor": request.requester_id,
            "subject": consent.record.subject_id, "out": Outcome.ALLOW,
        }  # fmt: skip
        s.queue.record(LogEntry(Kind.PERMIT_ISSUED, **said))
        film = b"a film " + view.rid.encode()
        s.vault.staged(request.rid, request.claim).write_bytes(film)
        self.seed += 1
        number, digest = AssetNumber(self.seed + 1000), sha256_hex(film)
        record = AssetRecord(
            number, view.rid, digest, digest, consent_id, "active", -1, b"", "",
            fingerprint=b"small pictures of the person",
        )  # fmt: skip
        facts = (("asset", f"{number:014x}"), ("file_sha256", digest), ("manifest_sha256", digest))
        facts += (("motion_sha256", sha256_hex(movement)),) if movement else ()
        s.queue.release(
            request, consent.epoch, record, LogEntry(Kind.OUTPUT_RELEASED, facts=facts, **said)
        )
        return s.requests.show(self.researcher, view.rid)


PEOPLE = {
    "admin": ("admin",),
    "steward": ("steward",),
    "reviewer": ("reviewer",),
    "researcher": ("researcher",),
    "other": ("researcher", "reviewer"),
    "auditor": ("auditor",),
}


def furnish(folder: Path, watch: Watch, **settings: Any) -> None:
    """Make an installation in this folder, with one person of every role."""
    with Services.open(Settings.read(data_dir=folder, **settings), watch) as services:
        for name, roles in PEOPLE.items():
            services.accounts.add(
                None, email=f"{name}@example.org", name=name.title(), password=PASSWORD,
                roles=roles,
            )  # fmt: skip
        until = watch() + timedelta(days=90)
        reviewer, researcher = (
            services.accounts.by_email(f"{n}@example.org") for n in ("reviewer", "researcher")
        )
        services.accounts.grant(reviewer, researcher.user_id, until)


def enter(folder: Path, watch: Watch, **settings: Any) -> House:
    """The house in this folder."""
    services = Services.open(Settings.read(data_dir=folder, **settings), watch)
    people = {name: services.accounts.by_email(f"{name}@example.org") for name in PEOPLE}
    return House(services=services, watch=watch, **people)  # type: ignore[arg-type]


@pytest.fixture(autouse=True, scope="session")
def quick_passwords() -> Iterator[None]:
    """Argon2 with the least work: what is tested is not how slow it is."""
    from argon2 import PasswordHasher

    from primafacie.platform import accounts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            accounts, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        )
        yield


@pytest.fixture(autouse=True, scope="session")
def read_once() -> Iterator[None]:
    """The rules and migrations that come with the package, which no test changes, read once and
    not for every house."""
    from primafacie.platform.database import Database
    from primafacie.safeguards.policy import PolicySet

    rules, newest = cache(PolicySet.shipped), Database.newest.fget
    revision = cache(lambda: newest(None))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PolicySet, "shipped", rules)
        patch.setattr(Database, "newest", property(lambda _: revision()))
        yield


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests counts."""
    for name in [n for n in os.environ if n.startswith("PRIMAFACIE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation to copy: making one takes longer than most tests."""
    folder = tmp_path_factory.mktemp("furnished")
    furnish(folder, Watch())
    return folder


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def house(watch: Watch, furnished: Path) -> Iterator[House]:
    """In memory where the machine can: every commit waits for the disk otherwise."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory, prefix="house-") as place:
        folder = Path(place) / "house"
        shutil.copytree(furnished, folder)
        built = enter(folder, watch)
        yield built
        built.services.close()


@pytest.fixture(scope="module")
def shared_house(furnished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One house for all tests of a file that leave nothing behind."""
    folder = tmp_path_factory.mktemp("shared") / "house"
    shutil.copytree(furnished, folder)
    built = enter(folder, Watch())
    yield built
    built.services.close()


@pytest.fixture
def pictures() -> Any:
    """How to get some pictures."""
    return lambda count: [picture(1_000_000 + n) for n in range(count)]
