"""Examine a found file: credential, marks, registry, log; then say one thing about it.

1. the file's digest (in this process; the one thing a hostile parser cannot touch)
2. the credential, by the library and by our own checks (in a child process)
3. the marks in picture and sound (here: keys never enter the child)
4. the registry: by file, by manifest, by picture mark, by sound mark
5. the content: does the picture show what the mark's asset showed, or was the mark moved here
6. the log: the release's leaf under its proof, and the authorisation carried in the credential
7. the verdict

Nothing about a file makes this raise. Whatever could not be done is named in `not_checked`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from primafacie.audit.digest import sha256_hex
from primafacie.audit.entry import Kind, Leaf
from primafacie.audit.errors import ProofError
from primafacie.audit.proof import verify_leaf
from primafacie.safeguards.asset import SOUND_NUMBER_MASK, AssetRecord, format_asset_number
from primafacie.safeguards.errors import MarkError, MediaError, RevocationError
from primafacie.safeguards.provenance.fingerprint import THRESHOLD, Fingerprint
from primafacie.safeguards.provenance.jumbf import C2PA_BOX
from primafacie.safeguards.provenance.manifest import (
    Claims,
    ManifestReading,
    Presence,
    TrustList,
    interpret,
)
from primafacie.safeguards.provenance.media import SOUND_RATE, Film, FilmLimits, sniff
from primafacie.safeguards.provenance.quarantine import MAX_FILE, inspect
from primafacie.safeguards.provenance.resolve import Resolver, Revocations
from primafacie.safeguards.provenance.verdict import (
    Agreement,
    AssetFinding,
    Level,
    Line,
    LogStanding,
    Marks,
    Technique,
    Verdict,
)
from primafacie.safeguards.provenance.watermark import (
    SCHEME,
    MarkKeys,
    MarkStatus,
    PictureReading,
    SoundReading,
    parse_soft_binding,
    read_picture,
    read_sound,
)

DEADLINE = 30.0
LEAST_SOUND = 0.8  # seconds below which nothing can be read
WITHDRAWN = frozenset({"withdrawn", "revoked", "erased"})
_MARK_SECONDS = 10.0  # what reading the marks of an unmarked film may take
_PARTS = 4  # a film is compared in quarters
_STRUCTURAL = frozenset(
    {
        "the file's own structure",
        "nothing hides in unsigned bytes",
        "the file type is a film's",
        "no bytes outside known boxes",
    }
)
_BY_DIGEST = frozenset({"file", "manifest"})  # a mark can be carried over, a digest cannot
_OF_TIME = frozenset({"trusted time-stamp", "time list vouches for the clock"})
_NOTHING = Marks(PictureReading(MarkStatus.NONE), SoundReading(MarkStatus.NONE), Agreement.UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Match:
    """A registered asset and what led to it."""

    record: AssetRecord
    by: str


@dataclass(slots=True)
class _Case:
    """Everything found out about one file so far."""

    data: bytes
    sha256: str
    manifest: ManifestReading = field(default_factory=lambda: ManifestReading(Presence.ABSENT))
    film: Film | None = None
    marks: Marks = _NOTHING
    searched: bool = False  # for marks, in picture or sound
    match: _Match | None = None
    content: float | None = None
    foreign_parts: int = 0
    log: LogStanding = LogStanding.NOT_CHECKED
    authorisation: LogStanding = LogStanding.NOT_CHECKED
    asked_registry: bool = False
    certificate_revoked: bool = False
    not_checked: list[str] = field(default_factory=list)


def examine(
    source: Path | bytes,
    *,
    trust: TrustList,
    keys: Sequence[MarkKeys] = (),
    resolver: Resolver | None = None,
    log_vkeys: Sequence[str] = (),
    revocations: Revocations | None = None,
    deadline: float = DEADLINE,
    deep: bool = False,
    now: datetime | None = None,
) -> Verdict:
    """What can be said about a file, within about `deadline` seconds.

    `deep` also searches for turned and partial pictures, which takes longer. Raises OSError if a
    path cannot be read, and nothing else; errors of resolver and revocations come through.
    """
    ends = time.monotonic() + deadline
    data = _load(source)
    case = _Case(data, sha256_hex(data))  # 1
    _open(case, trust, ends)  # 2
    _read_marks(case, keys, ends, deep)  # 3
    _resolve(case, resolver)  # 4
    _compare(case)  # 5
    _ask_log(case, log_vkeys)  # 6
    _ask_revocations(case, revocations)
    return _verdict(case, now or datetime.now(UTC))  # 7


def _load(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        return source
    with source.open("rb") as file:
        return file.read(MAX_FILE + 1)


# 2 the credential ------------------------------------------------------------------------------


def _open(case: _Case, trust: TrustList, ends: float) -> None:
    try:
        found = inspect(case.data, trust, FilmLimits(), max(1.0, ends - time.monotonic()))
    except MediaError as error:
        case.manifest = ManifestReading(Presence.UNREADABLE, problem=str(error))
        case.not_checked.append(f"picture and sound: {error}")
        return
    case.manifest, case.film = interpret(found.raw, trust), found.film
    if found.film is None:
        case.not_checked.append(f"picture and sound: {found.why}")
    else:
        case.not_checked.extend(found.film.notes)
    if found.sandbox != "enforced":
        case.not_checked.append(f"the file was opened with the sandbox only {found.sandbox}")


def _carries_credential(data: bytes) -> bool:
    """Whether bytes of a credential are there even if nobody can read them."""
    return C2PA_BOX in data or (b"jumb" in data and b"c2pa" in data)


def _ask_revocations(case: _Case, revocations: Revocations | None) -> None:
    """Whether a certificate of the signer was revoked when the file was signed, or since for good.

    The list is asked here; no address that stands in the file is ever visited.
    """
    if case.manifest.presence is not Presence.PRESENT:
        return
    if revocations is None or not case.manifest.serials:
        case.not_checked.append("whether the signer's certificate was revoked: no list is here")
        return
    signed = case.manifest.signed_at
    since = []
    for serial in case.manifest.serials:
        try:
            since.append(revocations.revoked(serial))
        except RevocationError as error:
            case.not_checked.append(f"whether the signer's certificate was revoked: {error}")
    case.certificate_revoked = any(r and (signed is None or r <= signed) for r in since)


# 3 the marks -----------------------------------------------------------------------------------


def _read_marks(case: _Case, keys: Sequence[MarkKeys], ends: float, deep: bool) -> None:
    if case.film is None:
        return
    if not keys:
        case.not_checked.append("marks in picture and sound: the keys are not here")
        return
    if ends - time.monotonic() < _MARK_SECONDS / 2:
        case.not_checked.append("marks in picture and sound: no time was left")
        return
    film = case.film
    picture = _NOTHING.picture
    if film.frames:
        picture, case.searched = read_picture(film.frames, keys, deep=deep), True
    sound = _NOTHING.sound
    if len(film.sound) >= LEAST_SOUND * SOUND_RATE:
        # Where the picture is ours, the sound is worth the search for a changed speed.
        deep = deep or picture.status is not MarkStatus.NONE
        sound, case.searched = read_sound(film.sound, SOUND_RATE, keys, deep=deep), True
    elif film.has_sound:
        case.not_checked.append("the sound's mark: too little sound")
    case.marks = Marks(picture, sound, _agreement(film, picture, sound))


def _agreement(film: Film, picture: PictureReading, sound: SoundReading) -> Agreement:
    number, low = picture.asset_number, sound.sound_number
    if number is not None and low is not None:
        same = number & SOUND_NUMBER_MASK == low
        return Agreement.AGREE if same else Agreement.OTHER_SOUND
    if number is not None:
        return Agreement.SOUND_UNMARKED if film.has_sound else Agreement.NO_SOUND
    if low is not None:
        return Agreement.OTHER_PICTURE if film.frames else Agreement.UNKNOWN
    return Agreement.UNKNOWN


# 4 the registry --------------------------------------------------------------------------------


def _resolve(case: _Case, resolver: Resolver | None) -> None:
    if resolver is None:
        case.not_checked.append("the registry of released videos")
        return
    case.asked_registry = True
    case.match = (
        _matched(resolver.by_file(case.sha256), "file")
        or _by_manifest(case, resolver)
        or _by_picture(case, resolver)
        or _by_sound(case, resolver)
    )


def _matched(record: AssetRecord | None, by: str) -> _Match | None:
    return None if record is None else _Match(record, by)


def _by_manifest(case: _Case, resolver: Resolver) -> _Match | None:
    """A manifest names its asset only while it holds: a copied one must not drag it along."""
    if not case.manifest.sound:
        return None
    return _matched(resolver.by_manifest(case.manifest.manifest_sha256), "manifest")


def _by_picture(case: _Case, resolver: Resolver) -> _Match | None:
    number = case.marks.picture.asset_number
    return None if number is None else _matched(resolver.by_asset_number(number), "picture mark")


def _by_sound(case: _Case, resolver: Resolver) -> _Match | None:
    low = case.marks.sound.sound_number
    found = () if low is None else resolver.by_sound_number(low)
    return _Match(found[0], "sound mark") if len(found) == 1 else None


# 5 the content ---------------------------------------------------------------------------------


def _compare(case: _Case) -> None:
    """A mark can be moved onto other pictures by someone who holds the unmarked original."""
    if case.match is None or case.match.by != "picture mark" or case.film is None:
        return
    try:
        fingerprint = Fingerprint.from_bytes(case.match.record.fingerprint)
    except MarkError:
        case.not_checked.append("whether the picture is the registered one: no fingerprint is kept")
        return
    frames, geometry = case.film.frames, case.marks.picture.geometry
    case.content = float(np.clip(fingerprint.agreement(frames, geometry), -1.0, 1.0))
    if len(frames) < 2 * _PARTS:
        case.not_checked.append("whether a part of the film was replaced: too few frames")
        return
    parts = (
        frames[len(frames) * i // _PARTS : len(frames) * (i + 1) // _PARTS] for i in range(_PARTS)
    )
    case.foreign_parts = sum(fingerprint.agreement(p, geometry) < THRESHOLD for p in parts)


# 6 the log -------------------------------------------------------------------------------------


def _ask_log(case: _Case, vkeys: Sequence[str]) -> None:
    if not vkeys:
        case.not_checked.append("the log: none of its keys is here")
        return
    claims = case.manifest.claims
    if claims is not None and case.manifest.sound and claims.evidence_proof:
        case.authorisation = _authorisation(claims, vkeys)
    if case.match is not None:
        case.log = _release(case.match.record, vkeys)


def _authorisation(claims: Claims, vkeys: Sequence[str]) -> LogStanding:
    """The permit's leaf, carried in the credential, must be this request's permit."""
    try:
        leaf, _ = verify_leaf(claims.evidence_proof, claims.evidence_leaf, vkeys)
    except ProofError:
        return LogStanding.REFUTED
    right = leaf.kind is Kind.PERMIT_ISSUED and leaf.rid == claims.request_id
    return LogStanding.PROVEN if right else LogStanding.REFUTED


def _release(record: AssetRecord, vkeys: Sequence[str]) -> LogStanding:
    """The release's leaf must name this asset, this file and this manifest."""
    if not record.proof or not record.leaf:
        return LogStanding.NOT_PUBLISHED
    try:
        leaf, _ = verify_leaf(record.proof, record.leaf, vkeys)
    except ProofError:
        return LogStanding.REFUTED
    return LogStanding.PROVEN if _is_release(leaf, record) else LogStanding.REFUTED


def _is_release(leaf: Leaf, record: AssetRecord) -> bool:
    return (
        leaf.kind is Kind.OUTPUT_RELEASED
        and leaf.rid == record.rid
        and leaf.fact("asset") == format_asset_number(record.asset_number)
        and leaf.fact("file_sha256") == record.file_sha256
        and leaf.fact("manifest_sha256") == record.manifest_sha256
    )


# 7 the verdict ---------------------------------------------------------------------------------


def _verdict(case: _Case, now: datetime) -> Verdict:
    level, sentence = _judge(case)
    match = case.match
    return Verdict(
        level=level,
        sentence=sentence,
        file_sha256=case.sha256,
        size=len(case.data),
        media=sniff(case.data) or (case.film.format if case.film else ""),
        examined_at=now,
        manifest=case.manifest,
        relied=case.manifest.sound and level is not Level.UNRECOGNISED_ISSUER,
        marks=case.marks,
        asset=None
        if match is None
        else AssetFinding(
            asset_number=match.record.asset_number,
            by=match.by,
            content_percent=None if case.content is None else round(case.content * 100),
            consent_status=match.record.consent_status,
            revoked=_is_revoked(match.record),
            log=case.log,
            log_index=match.record.log_index,
        ),
        authorisation=case.authorisation,
        lines=_lines(case),
        not_checked=tuple(dict.fromkeys(case.not_checked)),
    )


def _judge(case: _Case) -> tuple[Level, str]:
    """The word and its sentence. A credential that is there is judged before any mark."""
    if case.manifest.presence is Presence.ABSENT:
        return _judge_marks(case)
    if case.manifest.presence is Presence.UNREADABLE and not _carries_credential(case.data):
        return _judge_marks(case)
    return _judge_credential(case)


def _judge_credential(case: _Case) -> tuple[Level, str]:
    m = case.manifest
    if "signingCredential.ocsp.revoked" in m.failures or (m.sound and case.certificate_revoked):
        return Level.REVOKED, "The certificate that signed this file's credential was revoked."
    if m.sound:
        return _judge_sound(case)
    if case.match is not None and _origin(case) and _is_revoked(case.match.record):
        return Level.REVOKED, (
            f"{_revoked_sentence(case.match.record)} Its Content Credential does not hold: the "
            "file, or the credential, was changed after signing."
        )
    failed = set(m.failed_checks)
    film = sniff(case.data).startswith("video/")
    credential_only = m.failures and all(f.startswith("signingCredential.") for f in m.failures)
    intact = m.state in ("Trusted", "Valid") or credential_only
    if m.presence is Presence.PRESENT and intact and not (film and failed & _STRUCTURAL):
        return Level.UNRECOGNISED_ISSUER, _unrecognised_sentence(failed)
    return (
        Level.ALTERED,
        "This file carries a Content Credential that no longer fits it: the file, or the "
        f"credential, was changed after signing.{_origin(case)}",
    )


def _unrecognised_sentence(failed: set[str]) -> str:
    if failed and failed <= _OF_TIME:
        return (
            "This file carries a Content Credential of a recognised issuer without a trusted "
            "time-stamp; what it says cannot be relied on."
        )
    if failed == {"the claim makes sense"}:
        return (
            "This file carries a Content Credential that says what a credential cannot say; it "
            "cannot be relied on."
        )
    return (
        "This file carries a Content Credential, but not from an issuer recognised here; what it "
        "says cannot be relied on."
    )


def _judge_sound(case: _Case) -> tuple[Level, str]:
    """The credential holds: do marks, registry and log say the same?"""
    match = case.match
    if _contradicts(case):
        return (
            Level.ALTERED,
            "The credential holds, but the marks in picture or sound name another video.",
        )
    if match is not None and _is_revoked(match.record):
        return Level.REVOKED, _revoked_sentence(match.record)
    if match is not None and match.by == "file" and case.log is LogStanding.PROVEN:
        return (
            Level.EXACT,
            "This is, byte for byte, an AI-generated video that Primafacie released; its release "
            "is in the log.",
        )
    if case.log is LogStanding.REFUTED:
        return (
            Level.ALTERED,
            "The credential holds, but the log does not prove the release the registry claims.",
        )
    if case.asked_registry and (match is None or match.by not in _BY_DIGEST):
        return (
            Level.UNRECOGNISED_ISSUER,
            "This file carries an intact Content Credential, but the register of released videos "
            "does not know it: it was never released. What it says cannot be relied on.",
        )
    other = match is not None and match.record.file_sha256 != case.sha256
    bytes_differ = " Its bytes are not exactly those that were released." if other else ""
    return (
        Level.AUTHENTIC,
        "This AI-generated video carries an intact Content Credential from a recognised "
        f"issuer.{bytes_differ}",
    )


def _contradicts(case: _Case) -> bool:
    """Whether a mark that was read names another asset than the credential does."""
    bound = _bound_number(case.manifest)
    number, low = case.marks.picture.asset_number, case.marks.sound.sound_number
    other_picture = number is not None and bound is not None and number != bound
    other_sound = low is not None and bound is not None and low != bound & SOUND_NUMBER_MASK
    return other_picture or other_sound or case.marks.agreement is Agreement.OTHER_SOUND


def _bound_number(manifest: ManifestReading) -> int | None:
    for alg, value in manifest.claims.bindings if manifest.claims else ():
        if alg == SCHEME:
            try:
                return parse_soft_binding(value)[0]
            except MarkError:
                return None
    return None


def _judge_marks(case: _Case) -> tuple[Level, str]:
    """No credential: the marks may still lead to one."""
    match, marks = case.match, case.marks
    if match is None:
        return Level.NO_CREDENTIAL, _unmatched_sentence(marks, case.searched)
    if case.content is not None and case.content < THRESHOLD:
        return (
            Level.NO_CREDENTIAL,
            "No Content Credential. The picture carries the mark of one of our videos but does "
            "not show it: the mark was moved here, or little of that video is left.",
        )
    spliced = marks.agreement in (Agreement.OTHER_SOUND, Agreement.OTHER_PICTURE)
    uncompared = match.by == "picture mark" and case.content is None
    alone = " Only its mark says so: the content can no longer be compared." if uncompared else ""
    if _is_revoked(match.record) and marks.agreement is not Agreement.OTHER_PICTURE:
        dubbed = f" {_spliced_sentence(marks.agreement)}" if spliced else ""
        return Level.REVOKED, _revoked_sentence(match.record) + dubbed + alone
    if spliced:
        return Level.ALTERED, _spliced_sentence(marks.agreement)
    if case.log is LogStanding.REFUTED:
        return (
            Level.NO_CREDENTIAL,
            "No Content Credential. A mark of ours was read, but the log does not prove the "
            "release the registry claims.",
        )
    unmarked = marks.agreement is Agreement.SOUND_UNMARKED
    doubt = " Its sound carries no readable mark and may have been replaced." if unmarked else ""
    if case.foreign_parts:
        doubt += " Part of the film shows something else."
    return (
        Level.RECOVERED,
        "The credential is gone and the file was changed, but its invisible mark identifies an "
        f"AI-generated video that Primafacie released.{doubt}{alone}",
    )


def _unmatched_sentence(marks: Marks, searched: bool) -> str:
    if marks.picture.asset_number is not None or marks.sound.sound_number is not None:
        return (
            "No Content Credential. A mark made with our keys was read, but it leads to no "
            "released video here."
        )
    if MarkStatus.PRESENT in (marks.picture.status, marks.sound.status):
        return (
            "No Content Credential. There are traces of our mark, too damaged to say which video "
            "this is."
        )
    if not searched:
        return (
            "No Content Credential was found, and nothing could be searched for our mark. That "
            "says nothing about whether the file is real."
        )
    return (
        "No Content Credential and no mark of ours was found. That says nothing about whether "
        "the file is real."
    )


def _spliced_sentence(agreement: Agreement) -> str:
    if agreement is Agreement.OTHER_SOUND:
        return "Picture and sound carry the marks of two different videos: it was dubbed."
    return "Only the sound carries the mark of one of our videos: the picture is another one."


def _is_revoked(record: AssetRecord) -> bool:
    return record.revoked_at is not None or record.consent_status in WITHDRAWN


def _revoked_sentence(record: AssetRecord) -> str:
    if record.consent_status in WITHDRAWN:
        ended = record.consent_ended_at
        day = f" on {ended.day} {ended:%B %Y}" if ended else ""
        return (
            "This is an AI-generated video of Primafacie, and the person shown has withdrawn "
            f"their consent{day}: do not share it."
        )
    return "This is an AI-generated video of Primafacie that was called back: do not share it."


def _origin(case: _Case) -> str:
    genuine = case.content is None or case.content >= THRESHOLD
    if case.match is None or case.match.by != "picture mark" or not genuine:
        return ""
    return " Its invisible mark still identifies an AI-generated video that Primafacie released."


def _lines(case: _Case) -> tuple[Line, ...]:
    lines = [*_credential_lines(case), *_mark_lines(case)]
    if case.match is not None:
        record = case.match.record
        lines.append(
            Line(
                Technique.REGISTRY,
                "Registered video",
                f"found by {case.match.by}; consent is {record.consent_status}",
                not _is_revoked(record),
            )
        )
    if case.content is not None:
        lines.append(
            Line(
                Technique.FINGERPRINT,
                "Same content as registered",
                f"{round(case.content * 100)} of 100 ({round(THRESHOLD * 100)} needed)",
                case.content >= THRESHOLD,
            )
        )
        text = f"{case.foreign_parts} of {_PARTS} parts of the film show something else"
        if case.film is not None and len(case.film.frames) >= 2 * _PARTS:
            lines.append(Line(Technique.FINGERPRINT, "All parts", text, case.foreign_parts == 0))
    lines.extend(_log_lines(case))
    return tuple(lines)


def _credential_lines(case: _Case) -> list[Line]:
    m = case.manifest
    if m.presence is Presence.ABSENT:
        text = m.problem or "none in this file"
        return [Line(Technique.CREDENTIAL, "Content Credential", text)]
    text = m.problem or f"the signature is {m.state.lower()}"
    lines = [Line(Technique.CREDENTIAL, "Content Credential", text, m.sound)]
    for code in m.failures:
        lines.append(Line(Technique.CREDENTIAL, "Library finding", code, False))
    for check in m.checks:
        text = "holds" if check.passed else f"does not hold: {check.detail}".rstrip(": ")
        lines.append(Line(Technique.CREDENTIAL, check.name.capitalize(), text, check.passed))
    if m.signed_at is not None:
        lines.append(Line(Technique.CREDENTIAL, "Signed at", m.signed_at.isoformat(), True))
    return lines


def _mark_lines(case: _Case) -> list[Line]:
    if case.film is None or "marks" in " ".join(case.not_checked):
        return []
    picture, sound = case.marks.picture, case.marks.sound
    lines = []
    if case.film.frames:
        text = _STATUS_WORDS[picture.status]
        if picture.asset_number is not None:
            text = f"asset {format_asset_number(picture.asset_number)}"
        lines.append(Line(Technique.WATERMARK, "Mark in the picture", text, _good(picture.status)))
    if case.film.has_sound:
        text = _STATUS_WORDS[sound.status]
        if sound.sound_number is not None:
            text = f"number {sound.sound_number:08x}"
        lines.append(Line(Technique.WATERMARK, "Mark in the sound", text, _good(sound.status)))
    agreement = case.marks.agreement
    if agreement is not Agreement.UNKNOWN:
        good = {Agreement.AGREE: True, Agreement.NO_SOUND: None}.get(agreement, False)
        lines.append(Line(Technique.WATERMARK, "Picture and sound", agreement.value, good))
    return lines


_STATUS_WORDS = {
    MarkStatus.READ: "read",
    MarkStatus.PRESENT: "present, unreadable",
    MarkStatus.NONE: "none found",
}


def _good(status: MarkStatus) -> bool | None:
    return True if status is MarkStatus.READ else None


def _log_lines(case: _Case) -> list[Line]:
    good = {LogStanding.PROVEN: True, LogStanding.REFUTED: False}
    lines = []
    if case.match is not None:
        lines.append(Line(Technique.LOG, "Release in the log", case.log.value, good.get(case.log)))
    if case.authorisation is not LogStanding.NOT_CHECKED:
        text = case.authorisation.value
        title = "Authorised before it was made"
        lines.append(Line(Technique.LOG, title, text, good.get(case.authorisation)))
    return lines
