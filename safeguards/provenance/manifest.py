"""The one door to the C2PA library: sign a film's credential, read a file's credential.

Always a context of our own: remote manifests, OCSP and thumbnails off, no host reachable, free
boxes covered by the hash, trust from the caller's list alone. The library calls a file `Trusted`
where it should not (see `ManifestReading.checks`), so a reading adds checks to its word.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from primafacie.audit.digest import sha256_hex
from primafacie.safeguards.errors import ManifestError, SafeguardError, TimestampError
from primafacie.safeguards.provenance import assertions, rubric
from primafacie.safeguards.provenance.jumbf import Structure, read_structure

if TYPE_CHECKING:
    from c2pa import Context
    from cryptography.hazmat.primitives.asymmetric import ec

EKU_CLAIM_SIGNING = "1.3.6.1.4.1.62558.2.1"
_EKU_ACCEPTED = (EKU_CLAIM_SIGNING, "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.36")
_EKU_FORBIDDEN = frozenset({"1.3.6.1.5.5.7.3.8", "1.3.6.1.5.5.7.3.9"})  # time stamping, OCSP
_FILM_BOXES = (frozenset({"ftyp", "c2pa", "moov", "free", "mdat"}), ("ftyp", "moov", "c2pa"))
_BOXES = {  # what may stand there, and what exactly once
    "png": (frozenset({"IHDR", "c2pa", "tEXt", "iTXt", "IDAT", "IEND"}), ("IHDR", "c2pa", "IEND")),
    "jpg": (
        frozenset({"SOI", "APP0", "APP1", "c2pa", "DQT", "SOF0", "DHT", "SOS", "EOI"}),
        ("SOI", "c2pa", "SOF0", "SOS", "EOI"),
    ),
    "wav": (frozenset({"fmt ", "LIST", "data", "c2pa"}), ("fmt ", "data", "c2pa")),
}
#: Brands of the files we issue, whole: no hash covers them, and one bit makes `iso2` an `iso6`.
_FILE_TYPES = frozenset({("isom", "isom", "iso2", "avc1", "mp41"), ("png",), ("jpg",), ("wav",)})
_TIME_LIST = re.compile(r"trust list: (\S+)")


# trust -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Anchor:
    """A certificate to trust, and the name of the list it comes from."""

    uri: str
    pem: bytes


@dataclass(frozen=True, slots=True)
class TrustList:
    """Whose claims are believed and whose clocks are; the two never stand in for each other."""

    claim: tuple[Anchor, ...]
    time: tuple[Anchor, ...]

    @classmethod
    def of(cls, claim_root_pem: bytes, time_root_pem: bytes) -> TrustList:
        """The list of one installation: its own two roots."""
        return cls(
            (Anchor("urn:primafacie:claim", claim_root_pem),),
            (Anchor("urn:primafacie:time", time_root_pem),),
        )


class ClaimSigner(Protocol):
    """Signs claims with a key that may live elsewhere.

    Promises: chain_pem is leaf first without the root; sign() answers the ES256 signature of the
    bytes (DER or r||s) or raises; every signature it makes is recorded, with the request `rid` it
    is for, before it is returned. tsa_url is the time-stamp authority asked right after signing.
    """

    @property
    def chain_pem(self) -> bytes: ...

    @property
    def tsa_url(self) -> str: ...

    def sign(self, tbs: bytes, rid: str = "") -> bytes: ...


class LocalSigner:
    """A signer whose key lies in this process: for development and tests.

    `on_signature` is told the sha256 of what is about to be signed and the request it is for; if
    it raises, nothing is.
    """

    def __init__(
        self,
        chain_pem: bytes,
        key_pem: bytes,
        tsa_url: str,
        on_signature: Callable[[str, str], None] | None = None,
    ) -> None:
        self._chain_pem = chain_pem
        self._tsa_url = tsa_url
        self._sign = es256(key_pem)
        self._on_signature = on_signature

    @property
    def chain_pem(self) -> bytes:
        """The certificates, leaf first."""
        return self._chain_pem

    @property
    def tsa_url(self) -> str:
        """The time-stamp authority."""
        return self._tsa_url

    def sign(self, tbs: bytes, rid: str = "") -> bytes:
        """DER signature of `tbs`."""
        if self._on_signature is not None:
            self._on_signature(sha256_hex(tbs), rid)
        return self._sign(tbs)


def es256(key_pem: bytes) -> Callable[[bytes], bytes]:
    """A function that signs with this P-256 key; ManifestError for any other key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = p256(key_pem)
    return lambda tbs: key.sign(tbs, ec.ECDSA(hashes.SHA256()))


def p256(key_pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key of this PEM; ManifestError for any other key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as error:
        raise ManifestError("the claim-signing key cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
        raise ManifestError("the claim-signing key is not a P-256 key")
    return key


# signing ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed film, and the manifest store that stands in it."""

    data: bytes
    store: bytes


class Credentials:
    """Signs and reads under one trust list. Thread-safe; after a fork or spawn it starts anew."""

    def __init__(self, trust: TrustList) -> None:
        self._trust = trust
        self._settings = settings(trust)
        self._context: tuple[int, Context] | None = None

    def sign(
        self,
        media: bytes,
        definition: Mapping[str, Any],
        signer: ClaimSigner,
        rid: str = "",
        mime: str = "video/mp4",
    ) -> Signed:
        """The file with its time-stamped credential, in memory; `rid` is the request it is for.

        Raises TimestampError when the authority does not answer, ManifestError for all else; what
        the signer raises comes through when it is of our own family. There is no unstamped result.
        """
        import c2pa

        clock = signer.tsa_url
        if not clock:
            raise TimestampError("no time-stamp authority is configured")
        capture = _Capture(signer, rid)
        target = io.BytesIO()
        try:
            with c2pa.Signer.from_callback(
                capture, c2pa.C2paSigningAlg.ES256, signer.chain_pem.decode(), clock
            ) as native:
                builder = c2pa.Builder(json.dumps(definition), context=self._open())
                store = builder.sign(native, mime, io.BytesIO(media), target)
        except (c2pa.C2paError, UnicodeError) as error:
            raise capture.explain(error) from (capture.error or error)
        return Signed(target.getvalue(), bytes(store))

    def read(self, data: bytes, mime: str = "video/mp4") -> ManifestReading:
        """What the file's credential says and whether it holds; never raises on foreign bytes."""
        return interpret(self.inspect(data, mime), self._trust)

    def inspect(self, data: bytes, mime: str = "video/mp4") -> RawReading:
        """The libraries' words about a file, to be judged by `interpret`, maybe elsewhere."""
        import c2pa

        try:
            with c2pa.Reader(mime, io.BytesIO(data), context=self._open()) as reader:
                state = str(reader.get_validation_state() or "")
                report, crjson = reader.json(), reader.crjson()
        except c2pa.C2paError.ManifestNotFound:
            return RawReading(Presence.ABSENT)
        except c2pa.C2paError.RemoteManifest:
            return RawReading(Presence.ABSENT, problem="it points to a credential elsewhere")
        except c2pa.C2paError.NotSupported:
            return RawReading(Presence.ABSENT, problem="this kind of file carries no credential")
        except (c2pa.C2paError, UnicodeError, ValueError) as error:
            return RawReading(Presence.UNREADABLE, problem=str(error)[:300])
        try:
            structure = read_structure(data)
        except ManifestError as error:
            return RawReading(Presence.PRESENT, state, report, crjson, problem=str(error))
        return RawReading(Presence.PRESENT, state, report, crjson, structure)

    def _open(self) -> Context:
        import c2pa

        here = os.getpid()
        if self._context is None or self._context[0] != here:
            self._context = here, c2pa.Context.from_dict(self._settings)
        return self._context[1]


def settings(trust: TrustList) -> dict[str, Any]:
    """The library's settings. Misspelt keys would be ignored: a test shows each has its effect."""
    anchors = [_anchor(a, "manifest") for a in trust.claim]
    anchors += [_anchor(a, "tsa") for a in trust.time]
    return {
        "trust": {"trust_config": "\n".join(_EKU_ACCEPTED), "anchors": anchors},
        "verify": {
            "verify_after_sign": True,
            "remote_manifest_fetch": False,
            "ocsp_fetch": False,
        },
        "core": {"allowed_network_hosts": []},
        "builder": {
            "thumbnail": {"enabled": False},
            "bmff_hash_exclude_free_and_skip_boxes": False,
        },
    }


def _anchor(anchor: Anchor, kind: str) -> dict[str, str]:
    pem = anchor.pem.decode()
    return {"trust_anchors": pem, "trust_uri": anchor.uri, "trust_kind": kind}


class _Capture:
    """The signing callback. The library swallows what it raises, so it is kept here."""

    def __init__(self, signer: ClaimSigner, rid: str) -> None:
        self._signer, self._rid = signer, rid
        self.error: BaseException | None = None
        self.signed = False

    def __call__(self, tbs: bytes) -> bytes:
        try:
            signature = self._signer.sign(tbs, self._rid)
        except BaseException as error:
            self.error = error
            raise
        self.signed = True
        return signature

    def explain(self, error: Exception) -> SafeguardError:
        """What really went wrong."""
        if isinstance(self.error, SafeguardError):
            return self.error
        if self.error is not None:
            return ManifestError(f"the claim could not be signed: {self.error}")
        text = str(error).lower()
        if self.signed and ("http" in text or "time" in text):
            return TimestampError("the time-stamp authority gave no usable answer; try again later")
        return ManifestError(f"the credential could not be written: {str(error)[:200]}")


# reading ---------------------------------------------------------------------------------------


class Presence(StrEnum):
    """Whether a file carries a credential at all."""

    ABSENT = "absent"
    PRESENT = "present"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class RawReading:
    """What the libraries said, as text; it may come from another process, not believed yet."""

    presence: Presence
    state: str = ""
    report: str = "{}"
    crjson: str = "{}"
    structure: Structure | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One of our own checks, in words."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Claims:
    """What the active manifest says; facts only while the reading is `sound`.

    bindings: (scheme, value) of each watermark. inputs: titles of what went in. evidence_leaf and
    evidence_proof: the log's leaf and tlog-proof carried along, empty when there are none.
    """

    title: str
    instance_id: str
    generator: str
    when: str
    source_type: str
    agent: str
    actions: tuple[str, ...]
    inputs: tuple[str, ...]
    bindings: tuple[tuple[str, bytes], ...]
    consent_commitment: str
    consent_status_url: str
    consent_scope: tuple[str, ...]
    consent_not_after: str
    policy_sha256: str
    decision_id: str
    request_id: str
    evidence_leaf: bytes
    evidence_proof: str


@dataclass(frozen=True, slots=True)
class ManifestReading:
    """A file's credential. state is the library's word: Trusted, Valid, Invalid or empty.

    signed_at is set only by a trusted time-stamp. serials: serial numbers of the signer's chain,
    hex, leaf first. failures and notices are C2PA codes. checks are
    our own: the library also says Trusted when a time-stamping certificate signs the claim, when
    an anchor of one kind vouches for the other, when padding, flags or the file type are rewritten,
    when the time-stamp is broken, and when the claim says nonsense.
    """

    presence: Presence
    state: str = ""
    label: str = ""
    manifest_sha256: str = ""
    signed_at: datetime | None = None
    issuer: str = ""
    signer: str = ""
    serials: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    claims: Claims | None = None
    problem: str = ""

    @property
    def sound(self) -> bool:
        """Trusted by the library, and every check of ours passed."""
        return self.state == "Trusted" and bool(self.checks) and all(c.passed for c in self.checks)

    @property
    def failed_checks(self) -> tuple[str, ...]:
        """Names of our checks that did not pass."""
        return tuple(c.name for c in self.checks if not c.passed)


def interpret(raw: RawReading, trust: TrustList) -> ManifestReading:
    """Judge the libraries' words. Never raises: what cannot be understood is unreadable."""
    if raw.presence is not Presence.PRESENT:
        return ManifestReading(raw.presence, problem=raw.problem)
    try:
        return _interpret(raw, trust)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return ManifestReading(Presence.UNREADABLE, problem=f"malformed: {type(error).__name__}")


def _interpret(raw: RawReading, trust: TrustList) -> ManifestReading:
    report = json.loads(raw.report)
    label = _text(report.get("active_manifest"))
    manifest = report["manifests"][label]
    results = report.get("validation_results") or {}
    active = results.get("activeManifest") or {}
    signature = manifest.get("signature_info") or {}
    stamped = "timeStamp.trusted" in _codes(active, "success")
    return ManifestReading(
        presence=Presence.PRESENT,
        state=raw.state if raw.state in ("Trusted", "Valid", "Invalid") else "Invalid",
        label=label,
        manifest_sha256=raw.structure.manifest_sha256 if raw.structure else "",
        signed_at=_time(signature.get("time")) if stamped else None,
        issuer=_text(signature.get("issuer")),
        signer=_text(signature.get("common_name")),
        serials=raw.structure.serials if raw.structure else (),
        failures=_codes(active, "failure") + _delta_failures(results),
        notices=_codes(active, "informational"),
        checks=_checks(raw, results, signature, trust),
        claims=_claims(manifest),
        problem=raw.problem,
    )


def _checks(
    raw: RawReading, results: Mapping[str, Any], signature: Mapping[str, Any], trust: TrustList
) -> tuple[Check, ...]:
    """Eight checks; the registry's, which needs the log, is the examiner's."""
    active = results.get("activeManifest") or {}
    stamped = "timeStamp.trusted" in _codes(active, "success")
    clock = _time_list(active)
    broken = rubric.breaches(json.loads(raw.crjson))
    judged = [
        Check(
            "claim list vouches for the signer",
            results.get("trustListUri") in {a.uri for a in trust.claim},
            _text(results.get("trustListUri")),
        ),
        Check("trusted time-stamp", stamped and _time(signature.get("time")) is not None),
        Check("time list vouches for the clock", clock in {a.uri for a in trust.time}, clock),
        Check(
            "the claim makes sense",
            not broken,
            "; ".join(f"{b.rule}: {b.found}" for b in broken)[:500],
        ),
    ]
    if raw.structure is None:
        return (*judged, Check("the file's own structure", False, raw.problem))
    return (*judged, *_structure_checks(raw.structure))


def _structure_checks(structure: Structure) -> tuple[Check, ...]:
    usages = set(structure.leaf_usages)
    boxes = structure.boxes
    known, once = _BOXES.get(structure.brands[0] if structure.brands else "", _FILM_BOXES)
    return (
        Check(
            "the certificate may sign claims",
            bool(usages & set(_EKU_ACCEPTED)) and not usages & _EKU_FORBIDDEN,
            " ".join(structure.leaf_usages),
        ),
        Check(
            "nothing hides in unsigned bytes",
            not structure.oddities,
            "; ".join(structure.oddities),
        ),
        Check(
            "the file type is a film's",  # or that of the still or the sound beside it
            structure.brands in _FILE_TYPES,
        ),
        Check(
            "no bytes outside known boxes",
            set(boxes) <= known and all(boxes.count(b) == 1 for b in once),
            " ".join(boxes)[:200],
        ),
    )


def _claims(manifest: Mapping[str, Any]) -> Claims:
    found = [(_text(a["label"]), a["data"]) for a in manifest.get("assertions") or ()]
    by_label = {label: data for label, data in found if isinstance(data, Mapping)}
    actions = (by_label.get("c2pa.actions.v2") or {}).get("actions") or []
    created = actions[0] if actions and actions[0].get("action") == "c2pa.created" else {}
    consent = by_label.get(assertions.CONSENT) or {}
    policy = by_label.get(assertions.POLICY) or {}
    log = by_label.get(assertions.TRANSPARENCY) or {}
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    return Claims(
        title=_text(manifest.get("title")),
        instance_id=_text(manifest.get("instance_id")),
        generator=f"{_text(generator.get('name'))} {_text(generator.get('version'))}".strip(),
        when=_text(created.get("when")),
        source_type=_text(created.get("digitalSourceType")),
        agent=_agent(created.get("softwareAgent")),
        actions=tuple(_text(a.get("action")) for a in actions),
        inputs=tuple(_text(i.get("title")) for i in manifest.get("ingredients") or ()),
        bindings=tuple(_bindings(found)),
        consent_commitment=_text(consent.get("commitment")),
        consent_status_url=_text(consent.get("statusUrl")),
        consent_scope=tuple(_text(w) for w in consent.get("scope") or ()),
        consent_not_after=_text(consent.get("notAfter")),
        policy_sha256=_text(policy.get("policySha256")),
        decision_id=_text(policy.get("decisionId")),
        request_id=_text(policy.get("requestId")),
        evidence_leaf=_bytes(log.get("leaf")),
        evidence_proof=_text(log.get("proof"), 16_384),
    )


def _bindings(found: list[tuple[str, Any]]) -> list[tuple[str, bytes]]:
    """Values may be base64 text, a list of numbers or a marked string, by producer."""
    bindings = []
    for label, data in found:
        if label.split("__")[0] == assertions.SOFT_BINDING and isinstance(data, Mapping):
            for block in data.get("blocks") or ():
                bindings.append((_text(data.get("alg")), _bytes(block.get("value"))))
    return bindings


def _codes(results: Mapping[str, Any], kind: str) -> tuple[str, ...]:
    return tuple(_text(item.get("code")) for item in results.get(kind) or ())


def _delta_failures(results: Mapping[str, Any]) -> tuple[str, ...]:
    """Failures inside ingredients that their own records do not explain."""
    deltas = results.get("ingredientDeltas") or ()
    return tuple(
        code for d in deltas for code in _codes(d.get("validationDeltas") or {}, "failure")
    )


def _time_list(active: Mapping[str, Any]) -> str:
    """Which list vouched for the clock: the library says it in the explanation only."""
    for item in active.get("success") or ():
        if item.get("code") == "timeStamp.trusted":
            match = _TIME_LIST.search(_text(item.get("explanation")))
            return match.group(1) if match else ""
    return ""


def _agent(agent: object) -> str:
    if isinstance(agent, Mapping):
        return f"{_text(agent.get('name'))} {_text(agent.get('version'))}".strip()
    return _text(agent)


def _text(value: object, limit: int = 500) -> str:
    return value[:limit] if isinstance(value, str) else ""


def _bytes(value: object) -> bytes:
    if isinstance(value, list):
        return bytes(value[:16_384])
    text = _text(value, 16_384).removeprefix("b64'").removesuffix("'")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _time(value: object) -> datetime | None:
    try:
        when = datetime.fromisoformat(_text(value))
    except ValueError:
        return None
    return when if when.tzinfo else None
