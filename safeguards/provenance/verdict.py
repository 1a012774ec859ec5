"""Verdict: what an examiner says about a file, in one word, one sentence, and line by line.

Every line names the technique it rests on, because each proves something else: the signed
credential, the invisible mark, the fingerprint of the content, the log. What was not looked at is
listed as well. A verdict never names a person and never says that anything is real.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from primafacie.audit.canonical import Json
from primafacie.audit.entry import format_time
from primafacie.safeguards.asset import format_asset_number
from primafacie.safeguards.provenance.manifest import ManifestReading
from primafacie.safeguards.provenance.reading import PictureReading, SoundReading

VERSION = 1
MOST_CODES = 50  # a hostile credential may fail in a thousand ways


class Level(StrEnum):
    """The one word. REVOKED is said of whatever else would be true once consent is withdrawn."""

    EXACT = "exact"
    AUTHENTIC = "authentic"
    RECOVERED = "recovered"
    UNRECOGNISED_ISSUER = "unrecognised issuer"
    ALTERED = "altered"
    REVOKED = "revoked"
    NO_CREDENTIAL = "no credential"


class Technique(StrEnum):
    """What a line rests on."""

    CREDENTIAL = "credential"
    WATERMARK = "watermark"
    FINGERPRINT = "fingerprint"
    LOG = "log"
    REGISTRY = "registry"
    FILE = "file"


class Agreement(StrEnum):
    """Whether picture and sound say the same."""

    AGREE = "agree"
    OTHER_SOUND = "other sound"  # the sound carries the number of another asset: dubbed
    OTHER_PICTURE = "other picture"  # only the sound is ours
    SOUND_UNMARKED = "sound unmarked"  # replaced, or too damaged to tell
    NO_SOUND = "no sound"
    UNKNOWN = "unknown"


class LogStanding(StrEnum):
    """What the log proves about the release."""

    PROVEN = "proven"
    NOT_PUBLISHED = "not published yet"
    REFUTED = "refuted"  # a proof was shown and does not hold
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class Line:
    """One finding: technique, what was looked at, what was found; good is None when neither."""

    technique: Technique
    title: str
    text: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """What picture and sound carry, and whether they agree."""

    picture: PictureReading
    sound: SoundReading
    agreement: Agreement


@dataclass(frozen=True, slots=True)
class AssetFinding:
    """The registered asset the file belongs to, and how that was found.

    by: `file`, `manifest`, `picture mark` or `sound mark`. content_percent: agreement of the
    picture with the asset's fingerprint in -100..100, None when it could not be compared.
    """

    asset_number: int
    by: str
    content_percent: int | None
    consent_status: str
    revoked: bool
    log: LogStanding
    log_index: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The examiner's word on one file. authorisation: the log's proof inside the credential.

    relied: whether what the credential claims may be repeated as facts.
    """

    level: Level
    sentence: str
    file_sha256: str
    size: int
    media: str
    examined_at: datetime
    manifest: ManifestReading
    relied: bool
    marks: Marks
    asset: AssetFinding | None
    authorisation: LogStanding
    lines: tuple[Line, ...]
    not_checked: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """The verdict as canonical-JSON values: no floats, ASCII keys, fit to be signed."""
        return {
            "v": VERSION,
            "verdict": self.level.name,
            "sentence": self.sentence,
            "examinedAt": format_time(self.examined_at),
            "file": {"sha256": self.file_sha256, "size": self.size, "media": self.media},
            "manifest": _manifest(self.manifest, self.relied),
            "watermark": _marks(self.marks),
            "asset": _asset(self.asset),
            "log": _log(self.asset, self.authorisation),
            "consent": None if self.asset is None else {"status": self.asset.consent_status},
            "lines": [
                {"technique": x.technique.value, "title": x.title, "text": x.text, "good": x.good}
                for x in self.lines
            ],
            "notChecked": list(self.not_checked),
        }


def _manifest(m: ManifestReading, relied: bool) -> dict[str, Json]:
    """What the credential claims is repeated only while it can be relied on."""
    claims = m.claims if relied else None
    return {
        "presence": m.presence.value,
        "state": m.state,
        "sound": m.sound,
        "label": m.label,
        "sha256": m.manifest_sha256,
        "signedAt": format_time(m.signed_at) if m.signed_at else None,
        "issuer": m.issuer if relied else "",
        "failures": list(m.failures[:MOST_CODES]),
        "notices": list(m.notices[:MOST_CODES]),
        "checks": [{"name": c.name, "passed": c.passed, "detail": c.detail} for c in m.checks],
        "problem": m.problem,
        "claims": None
        if claims is None
        else {
            "title": claims.title,
            "instanceId": claims.instance_id,
            "generator": claims.generator,
            "when": claims.when,
            "digitalSourceType": claims.source_type,
            "agent": claims.agent,
            "actions": list(claims.actions),
            "inputs": list(claims.inputs),
            "consentCommitment": claims.consent_commitment,
            "consentStatusUrl": claims.consent_status_url,
            "consentScope": list(claims.consent_scope),
            "consentNotAfter": claims.consent_not_after,
            "policySha256": claims.policy_sha256,
            "decisionId": claims.decision_id,
        },
    }


def _marks(marks: Marks) -> dict[str, Json]:
    picture, sound = marks.picture, marks.sound
    number, low = picture.asset_number, sound.sound_number
    return {
        "picture": {
            "status": str(picture.status),
            "asset": None if number is None else format_asset_number(number),
            "epoch": picture.epoch,
            "confidence": f"{picture.confidence:.1f}",
            "falseAlarmBound": f"{picture.bound:.1e}",
        },
        "sound": {
            "status": str(sound.status),
            "number": None if low is None else f"{low:08x}",
            "epoch": sound.epoch,
            "confidence": f"{sound.confidence:.1f}",
            "falseAlarmBound": f"{sound.bound:.1e}",
        },
        "agreement": marks.agreement.value,
    }


def _asset(asset: AssetFinding | None) -> dict[str, Json] | None:
    if asset is None:
        return None
    return {
        "number": format_asset_number(asset.asset_number),
        "by": asset.by,
        "contentPercent": asset.content_percent,
        "revoked": asset.revoked,
    }


def _log(asset: AssetFinding | None, authorisation: LogStanding) -> dict[str, Json]:
    release = LogStanding.NOT_CHECKED if asset is None else asset.log
    return {
        "release": release.value,
        "releaseIndex": None if asset is None or asset.log_index < 0 else asset.log_index,
        "authorisation": authorisation.value,
    }
