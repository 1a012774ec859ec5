"""Wiring: Services, where every object of one installation is put together, once.

What is heavy (the gate with its studio, the seal, the examiner's libraries) is put together when it
is first asked for: the console and the command line start without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.entry import Kind, Outcome
from primafacie.audit.errors import AuditError
from primafacie.audit.log import Log, Receipt
from primafacie.audit.memory import Memory
from primafacie.audit.vault import LogSecrets
from primafacie.generator.errors import EngineError
from primafacie.generator.registry import Chosen, Ensemble
from primafacie.platform.accounts import Account, Accounts
from primafacie.platform.assets import Assets
from primafacie.platform.authority import Authority
from primafacie.platform.clock import Clock, now
from primafacie.platform.confirmations import Confirmations
from primafacie.platform.consents import Consents, ConsentTools
from primafacie.platform.database import Database
from primafacie.platform.errors import SettingsError, UnavailableError
from primafacie.platform.examiner import Examiner
from primafacie.platform.invitations import Invitations
from primafacie.platform.journal import SYSTEM, Journal
from primafacie.platform.keys import (
    Keyring,
    certificate_ends,
    issued_here,
    open_gate,
    open_keyring,
)
from primafacie.platform.likenesses import Likenesses
from primafacie.platform.logbook import Logbook
from primafacie.platform.manifests import Manifests
from primafacie.platform.notifications import Notifications
from primafacie.platform.opt_outs import OptOuts
from primafacie.platform.passkeys import Passkeys, named_host
from primafacie.platform.people import People
from primafacie.platform.policies import Policies
from primafacie.platform.projects import Projects
from primafacie.platform.queue import Queue
from primafacie.platform.requests import Requests
from primafacie.platform.revocations import RevocationList
from primafacie.platform.sessions import Sessions
from primafacie.platform.settings import Settings
from primafacie.platform.signing import WorkerSigner, read_pem
from primafacie.platform.subjects import Subjects
from primafacie.platform.takedown import Takedowns
from primafacie.platform.vault import Vault
from primafacie.platform.verdict_statement import PURPOSE
from primafacie.platform.witnesses import Witnesses
from primafacie.safeguards.face import FaceWeights
from primafacie.safeguards.policy import PolicySet

if TYPE_CHECKING:
    from primafacie.safeguards.gate import Gate
    from primafacie.safeguards.inspector import Inspector

STUDIO: Final = "studio-1"


@dataclass(frozen=True, slots=True)
class HealthLine:
    """One thing that was tried, and how it went."""

    name: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Health:
    """Everything that was tried. ok: nothing failed."""

    lines: tuple[HealthLine, ...]

    @property
    def ok(self) -> bool:
        """Did everything work?"""
        return all(line.ok for line in self.lines)


@dataclass(frozen=True, slots=True)
class Services:
    """One installation, open. Thread-safe; open another after a fork."""

    settings: Settings
    keys: Keyring = field(repr=False)
    database: Database = field(repr=False)
    journal: Journal = field(repr=False)
    accounts: Accounts = field(repr=False)
    sessions: Sessions = field(repr=False)
    passkeys: Passkeys = field(repr=False)
    invitations: Invitations = field(repr=False)
    projects: Projects = field(repr=False)
    subjects: Subjects = field(repr=False)
    likenesses: Likenesses = field(repr=False)
    consents: Consents = field(repr=False)
    confirmations: Confirmations = field(repr=False)
    vault: Vault = field(repr=False)
    queue: Queue = field(repr=False)
    requests: Requests = field(repr=False)
    assets: Assets = field(repr=False)
    people: People = field(repr=False)
    policies: Policies = field(repr=False)
    logbook: Logbook = field(repr=False)
    witnesses: Witnesses = field(repr=False)
    examiner: Examiner = field(repr=False)
    takedowns: Takedowns = field(repr=False)
    opt_outs: OptOuts = field(repr=False)
    notifications: Notifications = field(repr=False)
    revocations: RevocationList = field(repr=False)
    manifests: Manifests = field(repr=False)

    @classmethod
    def open(cls, settings: Settings, clock: Clock = now) -> Services:
        """Open the installation: keys and tables are made on first use, the schema brought up to
        date, and in development the shipped rules put in force.

        Raises SettingsError when production may not start like this, KeyringError, and
        UnavailableError when the log cannot be written.
        """
        _check_settings(settings)
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        keys = open_keyring(settings)
        if settings.production and keys.development:
            raise SettingsError("these are development keys; production needs keys of its own")
        if keys.development != (not settings.production):
            raise SettingsError("this installation is in production and opens in no other mode")
        database = Database.open(settings.url)
        database.upgrade()
        settings.memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        services = cls._put_together(settings, keys, database, clock)
        services._check_memory()
        if not services.journal.writable():
            raise SettingsError("the log cannot be written; nothing may happen without it")
        if not settings.production:
            services.policies.ensure()
        return services

    @classmethod
    def _put_together(
        cls, settings: Settings, keys: Keyring, database: Database, clock: Clock
    ) -> Services:
        log = Log(
            settings.log_origin,
            keys.log_keys(settings.log_origin),
            LogSecrets.derive(keys.derive("log")),
            clock,
        )
        memory = Memory(settings.memory)
        journal = Journal(database, log, memory, settings.data_dir, keys.derive("sources"), clock)
        limits = {
            "photo": settings.max_photo_bytes,
            "voice": settings.max_voice_bytes,
            "video": settings.max_video_bytes,
        }
        vault = Vault(journal, keys.derive("uploads"), limits)
        assets = Assets(journal, vault)
        queue = Queue(journal, vault, settings.lease_seconds)
        accounts = Accounts(journal, settings.daily_quota, settings.production)
        passkeys = Passkeys(
            journal, accounts, settings.public_url, settings.production, settings.controller
        )
        projects = Projects(journal)
        subjects = Subjects(journal, keys.derive("subjects"))
        platform_key = keys.signer("consent_key")
        likenesses = Likenesses(journal, subjects, dsse.public_bytes(platform_key))
        requests = Requests(journal, vault, queue, assets, likenesses, settings.queue)
        tools = ConsentTools(
            settings=settings,
            journal=journal,
            vault=vault,
            subjects=subjects,
            likenesses=likenesses,
            projects=projects,
            queue=queue,
            assets=assets,
            platform_key=platform_key,
        )
        revocations = RevocationList(journal, _authority(settings, keys, clock))
        examiner = Examiner(
            journal=journal,
            assets=assets,
            keys=keys.mark_keys(),
            roots=_roots(settings, keys),
            most_bytes=settings.max_video_bytes,
            statement_key=Ed25519PrivateKey.from_private_bytes(keys.derive(PURPOSE)),
            public_url=settings.public_url,
            revocations=revocations,
            motion_key=keys.permit_public,
        )
        return cls(
            settings=settings,
            keys=keys,
            database=database,
            journal=journal,
            accounts=accounts,
            sessions=Sessions(journal),
            passkeys=passkeys,
            invitations=Invitations(journal, accounts, passkeys, settings),
            projects=projects,
            subjects=subjects,
            likenesses=likenesses,
            consents=Consents(tools),
            confirmations=Confirmations(tools),
            vault=vault,
            queue=queue,
            requests=requests,
            assets=assets,
            people=People(accounts, projects, requests),
            policies=Policies(journal, PolicySet.shipped(_matcher(settings))),
            logbook=_logbook(journal, settings),
            witnesses=Witnesses(journal, settings.witnesses, settings.witness_quorum),
            examiner=examiner,
            takedowns=Takedowns(journal, subjects, assets, examiner),
            opt_outs=OptOuts(journal, subjects, likenesses, vault),
            notifications=Notifications(journal, subjects, settings),
            revocations=revocations,
            manifests=Manifests(journal, assets, examiner),
        )

    def _check_memory(self) -> None:
        """The database must be the newest there was: an older copy revives withdrawn consents."""
        try:
            known = self.journal.memory.known(self.log.origin)
            with self.database.read() as tx:
                signed = self.log.checkpoint(tx)
            if self.settings.production and known is None and signed is not None:
                raise SettingsError(
                    "the memory of checkpoints is gone; give it one that somebody kept, "
                    "with `primafacie audit remember FILE`"
                )
            self.journal.follow()
        except (AuditError, UnavailableError) as error:
            raise SettingsError(f"{error}. Restore the newest copy") from error

    @property
    def log(self) -> Log:
        """The log itself."""
        return self.journal.log

    @property
    def registry(self) -> Likenesses:
        """The gate's ConsentRegistry."""
        return self.likenesses

    @property
    def engines(self) -> Ensemble:
        """The engines this installation performs with, and its landmarker. Raises SettingsError
        for a file without digest or licence."""
        s = self.settings
        chosen = s.motion_engine, s.render_engine, s.face_points
        try:
            return Ensemble(*(Chosen(**one.model_dump()) for one in chosen))
        except EngineError as error:
            raise SettingsError(str(error)) from error

    @property
    def face_weights(self) -> FaceWeights | None:
        """The recogniser the operator named instead of dlib's."""
        return _face_weights(self.settings)

    @property
    def former_faces(self) -> tuple[FaceWeights, ...]:
        """Recognisers that were in use before; dlib's is always compared with."""
        return tuple(
            FaceWeights(one.file, one.sha256, one.match_distance)
            for one in self.settings.former_faces
        )

    @contextlib.contextmanager
    def inspector(self) -> Iterator[Inspector]:
        """What looks at photos, without the rest of the gate. Ends its child on leaving."""
        from primafacie.safeguards.inspector import Inspector

        made = Inspector(
            self.settings.production,
            self.keys.mark_keys(),
            self.face_weights,
            self.former_faces,
            self.engines.landmarks,
        )
        try:
            yield made
        finally:
            made.close()

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def __enter__(self) -> Services:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # what the web layer and the worker need beside the stores ------------------------------------

    def note_http(
        self,
        method: str,
        path: str,
        status: int,
        *,
        actor: Account | None = None,
        why: Sequence[str] = (),
        source: str = "",
    ) -> Receipt:
        """Log an HTTP request: every refused, malformed or unauthenticated one above all.

        path must hold no secret. The client's address is kept as a keyed hash that changes daily.
        Raises UnavailableError when it cannot be logged: answer 503 and do nothing.
        """
        out = Outcome.OK if status < 400 else Outcome.DENY if status < 500 else Outcome.ERROR
        facts: list[tuple[str, str | int]] = [
            ("method", _short(method, 12)),
            ("path", _short(path, 200)),
            ("status", status),
        ]
        if source:
            facts.append(("source", self.journal.source(source)))
        return self.journal.record(
            self.journal.event(
                Kind.HTTP_REQUEST,
                actor.user_id if actor else "",
                out=out,
                why=tuple(_short(reason, 80) for reason in why if reason),
                facts=facts,
            )
        )

    def health(self) -> Health:
        """Try what the console depends on."""
        lines = [
            HealthLine("database", self.database.version == self.database.newest,
                       f"schema {self.database.version}"),
            HealthLine("log", self.journal.ready(), self.log.origin),
            HealthLine("policies", self.policies.activated() == self.policies.shipped.sha256,
                       f"rule set {self.policies.shipped.sha256[:12]}"),
            HealthLine("keys", not (self.settings.production and self.keys.development),
                       "development" if self.keys.development else "operator's own"),
            self._certificate(),
            *self._witnesses(),
        ]  # fmt: skip
        return Health(tuple(lines))

    def _witnesses(self) -> list[HealthLine]:
        """Only where a quorum is asked for can they fail; without any, doctor and page say so."""
        wanted = self.settings.witness_quorum
        if not wanted:
            return []
        text = f"{wanted} of {len(self.witnesses.vkeys)} must have cosigned within the last hour"
        return [HealthLine("witnesses", self.witnesses.enough(), text)]

    def _certificate(self) -> HealthLine:
        chain = read_pem(self.settings.claim_chain) or self.keys.claim_chain
        days = (certificate_ends(chain) - self.journal.clock()).days
        return HealthLine("certificate", days >= 0, f"signing certificate ends in {days} days")

    @contextlib.contextmanager
    def gate(self) -> Iterator[Gate]:
        """The gate with its studio, for one worker. Heavy; ends its child processes on leaving.

        In production raises SettingsError unless the studio's sandbox is enforced.
        """
        from primafacie.safeguards.gate import Gate, Post, StudioTrust
        from primafacie.safeguards.provenance.manifest import TrustList
        from primafacie.safeguards.provenance.seal import Seal

        held = open_gate(self.settings)
        permit_key = held.permit_signer()
        public = dsse.public_bytes(permit_key)
        post = Post(
            now=self.journal.clock,
            activated=self.policies.activated,
            permit_key=permit_key,
            commitment_key=held.commitment_key,
            log_origin=self.log.origin,
            staging=self.vault.outputs,
            status_url=lambda number: f"{self.settings.public_url}/api/v1/assets/{number}/consent",
            marks=self.keys.mark_keys(),
            production=self.settings.production,
            face_weights=self.face_weights,
            former_faces=self.former_faces,
            strict=self.settings.strict_faces,
        )
        trust = StudioTrust(
            permit_keys=((dsse.key_id(public), public),),
            log_vkeys=self.log.vkeys,
            audience=STUDIO,
            ledger=self.settings.ledger,
            engines=self.engines,
        )
        with WorkerSigner(self.settings, self._note_signature) as signer:
            marks = self.keys.mark_keys()[0]
            anchors = TrustList.of(*_roots(self.settings, self.keys))
            seal = Seal(signer, anchors, marks, self.revocations)
            gate = Gate(
                post, self.people, self.likenesses, self.policies.shipped, self.queue, trust, seal
            )
            try:
                self._require_sandbox(gate)
                yield gate
            finally:
                gate.close()

    def _require_sandbox(self, gate: Gate) -> None:
        if self.settings.production and gate.warm() != "enforced":
            raise SettingsError("production needs a kernel that enforces the studio's sandbox")

    def _note_signature(self, digest: str, rid: str) -> None:
        """Every C2PA signature stands in the log, under its request, before it is made."""
        self.journal.record(
            self.journal.event(
                Kind.SIGNATURE_MADE, SYSTEM, rid=rid, facts=(("tbs_sha256", digest),)
            )
        )


def _logbook(journal: Journal, settings: Settings) -> Logbook:
    """A signer_socket may lead to a signer whose book is another user's or another machine's."""
    own, named = settings.signatures, settings.signer_book
    books = (own,) if named is None or named.absolute() == own else (own, named.absolute())
    elsewhere = settings.signer_socket is not None and named is None
    return Logbook(journal, settings.ledger, books, elsewhere)


def _face_weights(settings: Settings) -> FaceWeights | None:
    if settings.face_weights is None or settings.face_match_distance is None:
        return None
    return FaceWeights(
        settings.face_weights, settings.face_weights_sha256, settings.face_match_distance
    )


def _matcher(settings: Settings) -> str:
    weights = _face_weights(settings)
    return weights.model if weights else ""


def _check_settings(settings: Settings) -> None:
    if settings.production and settings.debug:
        raise SettingsError("production does not start in debug mode")
    if settings.production and settings.public_url.startswith("http://"):
        raise SettingsError("production needs an https:// public address")
    if settings.production and not named_host(settings.public_url):
        raise SettingsError(
            "production needs a name in public_url: browsers make no passkey for a number, and "
            "without one the roles that decide sleep for ever"
        )
    if settings.production and settings.memory.is_relative_to(settings.data_dir.absolute()):
        raise SettingsError(
            "production needs a memory_file outside the data folder, on a disk that is not "
            "restored together with it"
        )


def _roots(settings: Settings, keys: Keyring) -> tuple[bytes, bytes]:
    """What verifiers trust: the operator's anchors where named, the keyring's own otherwise."""
    return (
        read_pem(settings.trust_anchor) or keys.claim_roots,
        read_pem(settings.tsa_anchor) or keys.time_roots,
    )


def _authority(settings: Settings, keys: Keyring, clock: Clock) -> Authority | None:
    """Who is asked about the certificate in use: nobody where the keyring's own CA issued it."""
    named = read_pem(settings.claim_chain)
    if not named and issued_here(keys):
        return None
    try:
        return Authority(named or keys.claim_chain, _roots(settings, keys)[0], clock)
    except ValueError as error:
        raise SettingsError("claim_chain or trust_anchor holds no certificate") from error


def _short(text: str, most: int) -> str:
    """Printable, and not longer than the log's leaf has room for."""
    clean = "".join(c if c.isprintable() else "?" for c in text)
    return clean[:most].encode("utf-8", "replace").decode("utf-8")
