"""SealOrder: what the gate tells the seal about a clip. Everything in it ends up in public.

Whatever stands here is written into a file that strangers read, so the type has no place for a
name, a photo, a digest of either, a file name or a position; `check` refuses what only looks like
an innocent field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Final, Literal

from primafacie.safeguards.asset import ASSET_NUMBER_BITS, AssetNumber
from primafacie.safeguards.errors import ManifestError

Preset = Literal["robust", "standard", "hd"]
LabelPosition = Literal["bottom", "top", "top-left", "top-right", "bottom-left", "bottom-right"]
CaptionAt = Literal["start", "end", "both"]
POSITIONS: Final = ("bottom", "top", "top-left", "top-right", "bottom-left", "bottom-right")
CAPTIONS: Final = ("start", "end", "both")
CAPTION_SECONDS: Final = 3.0

_ID = re.compile(r"[0-9a-f]{32}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMITMENT = re.compile(r"hmac-sha256:[0-9a-f]{64}")
_WORD = re.compile(r"[a-z0-9][a-z0-9.:-]{0,63}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+()-]{0,79}")
_KEY = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")
_MODEL_TYPE = re.compile(r"c2pa\.types\.(model|generator|classifier)(\.[a-z0-9]+)?")
_ROUNDING = 1e-6  # seconds: a frame's time is a quotient
MAX_PROOF = 16_384
MAX_LEAF = 8_192
MAX_TEXT = 100  # characters of a label or caption

#: What the credential says made the file.
VERSION: Final = metadata.version("primafacie")


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The log's word that this work was authorised before it began.

    leaf: the canonical bytes of the permit's leaf; proof: its C2SP tlog-proof, whose checkpoint
    the log signed; so the file alone, with the log's public key, shows the decision it rests on.
    """

    origin: str
    leaf_index: int
    leaf: bytes
    proof: str


@dataclass(frozen=True, slots=True)
class Words:
    """Visible words, where they lie, and in which frames: from `start` until before `end`, in
    seconds of the film."""

    text: str
    position: LabelPosition
    start: float
    end: float

    def at(self, when: float) -> bool:
        """Are they in the frame shown at `when`?"""
        return self.start - _ROUNDING <= when < self.end - _ROUNDING


@dataclass(frozen=True, slots=True)
class SealOrder:
    """How a clip is to be sealed, and what its credential says.

    when: time of generation, UTC. voice_is_real: a person's recorded voice is muxed unchanged;
    the credential then calls the film a composite. engines: (name, version), the renderer first.
    report: what made it, as (key, value). consent_commitment: `hmac-sha256:` and 64 hex digits
    under the platform's key. scope: purpose words. liveness: 0, 1 or 2. label: the visible text,
    or None where the law and the consent need none; label_position: where it lies, below the chin
    in the middle unless said otherwise. caption: more words for the first or the last seconds, or
    None; caption_at: which. out_path: where the sealed file goes.
    """

    asset_number: AssetNumber
    asset_uuid: str
    rid: str
    when: datetime
    voice_is_real: bool
    engines: tuple[tuple[str, str], ...]
    report: tuple[tuple[str, str], ...]
    consent_commitment: str
    consent_status_url: str
    scope: tuple[str, ...]
    not_after: datetime
    liveness: int
    decision_id: str
    policy_sha256: str
    evidence: LogEvidence
    out_path: Path
    label: str | None = None
    label_position: LabelPosition = "bottom"
    caption: str | None = None
    caption_at: CaptionAt = "start"
    preset: Preset = "robust"
    model_type: str = "c2pa.types.model"
    producer: str = "Primafacie"
    version: str = VERSION

    def words(self, duration: float) -> tuple[Words, ...]:
        """The visible words of a film of `duration` seconds, the label first."""
        words = []
        if self.label is not None:
            words.append(Words(self.label, self.label_position, 0.0, duration))
        if self.caption is not None:
            place: LabelPosition = "top"  # the edge that the label leaves free
            if self.label is None or self.label_position.startswith("top"):
                place = "bottom"
            long = min(CAPTION_SECONDS, duration)
            if self.caption_at in ("start", "both"):
                words.append(Words(self.caption, place, 0.0, long))
            if self.caption_at in ("end", "both"):
                words.append(Words(self.caption, place, duration - long, duration))
        return tuple(words)

    def check(self) -> None:
        """Return if every field has its shape; ManifestError names the first that has not."""
        wrong = _first_wrong(self)
        if wrong:
            raise ManifestError(f"the seal order's {wrong} does not have the shape it must have")


def _first_wrong(order: SealOrder) -> str:
    checks = {
        "asset number": 0 < order.asset_number < 2**ASSET_NUMBER_BITS,
        "asset id": _full(_ID, order.asset_uuid),
        "request id": _full(_ID, order.rid),
        "time": _is_aware(order.when) and _is_aware(order.not_after),
        "engines": bool(order.engines) and all(_is_engine(*engine) for engine in order.engines),
        "report": all(_full(_KEY, k) and _is_note(v) for k, v in order.report),
        "consent commitment": _full(_COMMITMENT, order.consent_commitment),
        "consent status address": _is_address(order.consent_status_url),
        "scope": bool(order.scope) and all(_full(_WORD, word) for word in order.scope),
        "liveness": order.liveness in (0, 1, 2),
        "decision id": _full(_ID, order.decision_id),
        "policy digest": _full(_SHA256, order.policy_sha256),
        "log evidence": _is_evidence(order.evidence),
        "label": order.label is None or _is_visible(order.label),
        "label position": order.label_position in POSITIONS,
        "caption": order.caption is None or _is_visible(order.caption),
        "caption's place": order.caption_at in CAPTIONS,
        "model type": _full(_MODEL_TYPE, order.model_type),
        "producer": _is_engine(order.producer, order.version),
    }
    return next((name for name, right in checks.items() if not right), "")


def _full(pattern: re.Pattern[str], text: str) -> bool:
    return pattern.fullmatch(text) is not None


def _is_aware(when: datetime) -> bool:
    return when.utcoffset() is not None


def _is_engine(name: str, version: str) -> bool:
    return _full(_NAME, name) and _full(_NAME, version)


def _is_visible(text: str) -> bool:
    return bool(text.strip()) and len(text) <= MAX_TEXT and text.isprintable()


def _is_note(text: str) -> bool:
    return len(text) <= 200 and text.isascii() and (not text or text.isprintable())


def _is_address(url: str) -> bool:
    return len(url) <= 300 and re.fullmatch(r"https?://[!-~]+", url) is not None


def _is_evidence(evidence: LogEvidence) -> bool:
    return (
        bool(evidence.origin)
        and evidence.origin.isprintable()
        and evidence.leaf_index >= 0
        and 0 < len(evidence.leaf) <= MAX_LEAF
        and 0 < len(evidence.proof) <= MAX_PROOF
    )
