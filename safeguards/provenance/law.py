"""Which marking duties a file meets, field by field, as this project's engineers read the texts.

Engineering, not advice: it tells whether a field that a text names stands in the file and what
stands there. Whether a text applies to somebody, and whether the field satisfies it, a court says.
What a file cannot show (that a detector is free, that terms forbid removal) is listed with no
answer. Only what a credential that holds covers is taken as standing in the file, and visible words
only where they are seen in the decoded frames. The file is opened by the quarantine, never here.

Texts: Regulation (EU) 2024/1689 Art. 50 and the Code of Practice on marking and labelling (June
2026; its measures are named M1.1 and so on); California SB 942 as amended by AB 853, and SB 1000
as enrolled; GB 45438-2025 with the Measures for labelling AI-generated content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from primafacie.safeguards.errors import MediaError
from primafacie.safeguards.provenance import assertions, rubric
from primafacie.safeguards.provenance.label import LETTER_SHARE, Label, letter_height
from primafacie.safeguards.provenance.manifest import Presence, RawReading
from primafacie.safeguards.provenance.media import Film, FilmLimits
from primafacie.safeguards.provenance.order import POSITIONS
from primafacie.safeguards.provenance.quarantine import Inspection
from primafacie.safeguards.provenance.reading import MarkStatus
from primafacie.safeguards.provenance.verdict import Level, Verdict

EU = "EU AI Act Art. 50, Code of Practice"
CALIFORNIA = "California SB 942, SB 1000"
CHINA = "China GB 45438-2025"
REGIMES = (EU, CALIFORNIA, CHINA)
_AI_SOURCES = (rubric.TRAINED, rubric.COMPOSITE_TRAINED)
_DESCRIBED = re.compile(r"Visible (?:words|label): ")  # the second up to 0.2.0
#: More frames than an examiner looks at: visible words are asked for in the first seconds.
LIMITS = FilmLimits(frames=64)
OPENING = 2.0  # seconds at the start that GB 45438-2025 asks the label for
_CHINESE = re.compile(r"(AI|人工智能).*(生成|合成)")
_PRINTABLE = re.compile(r"[ !#-\[\]-~]+")  # printable ASCII without quotes and backslashes
_PERSONAL = frozenset({"thumbnail", "data", "hash", "metadata", "active_manifest"})

Answer: TypeAlias = tuple[bool | None, str]


@dataclass(frozen=True, slots=True)
class Duty:
    """One thing a text asks for. met: it stands there; None: a file cannot show it. found: what
    stands there, or what is missing."""

    regime: str
    clause: str
    asks: str
    met: bool | None
    found: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """Visible words that the credential names, and in how many of the frames looked at they are
    found: in all its time, and in the opening seconds."""

    text: str
    found: int
    looked: int
    opening_found: int
    opening_looked: int
    letters: int  # height in pixels
    short: int  # the picture's shorter side

    @property
    def throughout(self) -> bool:
        return 0 < self.found == self.looked

    @property
    def opening(self) -> bool:
        return 0 < self.opening_found == self.opening_looked


@dataclass(frozen=True, slots=True)
class _File:
    """What the rules look at."""

    verdict: Verdict
    manifest: Mapping[str, Any]
    film: Film | None
    words: tuple[_Seen, ...] = ()
    tag: Mapping[str, str] = field(default_factory=dict)

    def action(self, name: str) -> Mapping[str, Any]:
        for one in self.assertion("c2pa.actions.v2").get("actions") or ():
            if isinstance(one, Mapping) and one.get("action") == name:
                return one
        return {}

    def assertion(self, label: str) -> Mapping[str, Any]:
        for one in self.manifest.get("assertions") or ():
            if one.get("label") == label and isinstance(one.get("data"), Mapping):
                data: Mapping[str, Any] = one["data"]
                return data
        return {}


def duties(found: Inspection, verdict: Verdict) -> tuple[Duty, ...]:
    """Every duty, and whether this file meets it.

    `found` (under LIMITS) and `verdict` are what was read from the same bytes, the verdict with the
    mark keys: a watermark nobody looked for counts as missing. Never raises on foreign bytes.
    """
    holds = verdict.manifest.sound and found.raw.presence is Presence.PRESENT
    file = _file(found, verdict) if holds else None
    return tuple(Duty(r, c, a, *_asked(rule, file)) for r, c, a, rule in RULES)


def _asked(rule: Rule, file: _File | None) -> Answer:
    if isinstance(rule, str):
        return None, rule
    if file is None:
        return False, "no credential in it holds, so nothing is taken as standing there"
    try:
        return rule(file)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False, "what stands there cannot be read"


def _active(raw: RawReading) -> Mapping[str, Any]:
    report = json.loads(raw.report)
    manifest: Mapping[str, Any] = report["manifests"][report["active_manifest"]]
    return manifest


def _file(found: Inspection, verdict: Verdict) -> _File:
    manifest = _active(found.raw)
    bare = _File(verdict, manifest, found.film)
    actions = bare.assertion("c2pa.actions.v2").get("actions") or ()
    added = [a for a in actions if isinstance(a, Mapping) and a.get("action") == "c2pa.addedText"]
    words = tuple(_seen(a, found.film) for a in added) if found.film else ()
    return _File(verdict, manifest, found.film, words, _tag(found.implicit_label))


def _seen(action: Mapping[str, Any], film: Film) -> _Seen:
    """Look for the words that an action says were added, where and when it says so."""
    told = (action.get("parameters") or {}).get(assertions.WORDS) or {}
    text = str(told.get("text") or _DESCRIBED.sub("", str(action.get("description", ""))))
    start = int(told.get("startMs", 0)) / 1000
    end = int(told.get("endMs", 1000 * max(film.duration, 1.0) + 1000)) / 1000
    places = [told["position"]] if told.get("position") in POSITIONS else list(POSITIONS)
    labels = _laid_out(text, places, film)
    frames = [(t, any(x.seen(f) for x in labels))
              for t, f in zip(film.times, film.frames, strict=True)]  # fmt: skip
    during = [seen for t, seen in frames if start - 0.001 <= t < end - 0.001]
    opening = [seen for t, seen in frames if t < OPENING]
    letters = letter_height(text, film.width, film.height) if labels else 0
    return _Seen(
        text, sum(during), len(during), sum(opening), len(opening), letters,
        min(film.width, film.height),
    )  # fmt: skip


def _laid_out(text: str, places: list[Any], film: Film) -> list[Label]:
    try:
        return [Label(text, place, film.width, film.height) for place in places]
    except MediaError:
        return []  # words that were never drawn by this program


def _tag(implicit_label: str) -> Mapping[str, str]:
    try:
        told = json.loads(implicit_label)["AIGC"]
        return {str(k): str(v) for k, v in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _said(value: object, missing: str) -> Answer:
    return (True, str(value)) if value else (False, missing)


Rule: TypeAlias = Callable[[_File], Answer] | str  # a text: why no file can show it


# what a credential shows -------------------------------------------------------------------------


def _signed(f: _File) -> Answer:
    return _said(f.verdict.manifest.issuer, "no issuer") if f.verdict.manifest.sound else (
        False, "no signature that holds")  # fmt: skip


def _stamped(f: _File) -> Answer:
    when = f.verdict.manifest.signed_at
    return (True, f"RFC 3161 time-stamp of {when:%Y-%m-%d %H:%M:%S} UTC") if when else (
        False, "no trusted time-stamp")  # fmt: skip


def _says_ai(f: _File) -> Answer:
    source = str(f.action("c2pa.created").get("digitalSourceType", ""))
    return (True, source.rsplit("/", 1)[1]) if source in _AI_SOURCES else (
        False, "no digitalSourceType that says AI")  # fmt: skip


def _watermark(f: _File) -> Answer:
    picture, sound = f.verdict.marks.picture, f.verdict.marks.sound
    found = [name for name, one in (("picture", picture), ("sound", sound))
             if one.status is MarkStatus.READ]  # fmt: skip
    named = bool(f.action("c2pa.watermarked.bound"))
    if not found:
        return False, "no watermark was read from it"
    text = f"read from {' and '.join(found)}"
    return (True, f"{text}; the credential names it") if named else (True, text)


def _no_personal(f: _File) -> Answer:
    inputs = list(f.manifest.get("ingredients") or ())
    carried = sorted({key for one in inputs for key in one if key in _PERSONAL})
    if carried:
        return False, f"what went in left traces: {', '.join(carried)}"
    return True, f"{len(inputs)} inputs named without bytes, digests or metadata"


def _provider(f: _File) -> Answer:
    info = (f.manifest.get("claim_generator_info") or [{}])[0]
    made_with = f"{info.get('name', '')} {info.get('version', '')}".strip()
    issuer = f.verdict.manifest.issuer
    return (True, f"{issuer} (certificate), with {made_with}") if issuer and made_with else (
        False, "no issuer or no claim generator")  # fmt: skip


def _system(f: _File) -> Answer:
    agent = f.action("c2pa.created").get("softwareAgent") or {}
    name, version = str(agent.get("name", "")), str(agent.get("version", ""))
    return (True, f"{name} {version}") if name and version else (
        False, "no name and version of the generating system")  # fmt: skip


def _model(f: _File) -> Answer:
    said = f.assertion("c2pa.ai-disclosure")
    return _said(said.get("modelIdentifier"), "no model in an AI disclosure")


def _when(f: _File) -> Answer:
    return _said(f.action("c2pa.created").get("when"), "no time of creation")


def _unique(f: _File) -> Answer:
    return _said(f.manifest.get("instance_id"), "no unique identifier")


def _operations(f: _File) -> Answer:
    names = [str(a.get("action")) for a in f.assertion("c2pa.actions.v2").get("actions") or ()]
    return _said(", ".join(names), "no actions")


def _created(f: _File) -> Answer:
    found = [name for name in ("c2pa.created", "c2pa.edited", "c2pa.opened") if f.action(name)]
    return _said(", ".join(found), "neither created nor altered is said")


def _visible(f: _File) -> Answer:
    if f.film is None:
        return None, "not looked for: the picture could not be decoded"
    if not f.film.frames:
        return None, "not in the file: a sound shows nothing, and spoken words are not listened for"
    if not f.words:
        return False, "no visible words were burned in"
    seen = [w for w in f.words if w.throughout]
    if not seen:
        return False, f"the credential names “{f.words[0].text}”, the frames do not show it"
    return True, "; ".join(f"“{w.text}” seen in all {w.looked} frames looked at" for w in seen)


def _consent(f: _File) -> Answer:
    said = f.assertion(assertions.CONSENT)
    return (True, f"consent committed to, scope {', '.join(said.get('scope') or ())}") if said.get(
        "commitment") else (False, "no consent is named")  # fmt: skip


def _recoverable(f: _File) -> Answer:
    met, text = _watermark(f)
    return met, f"{text}; it outlives the metadata" if met else text


def _detected(f: _File) -> Answer:
    known = f.verdict.level in (Level.EXACT, Level.AUTHENTIC, Level.RECOVERED, Level.REVOKED)
    return (True, f"the detector here says: {f.verdict.level.value}") if known else (
        False, "the detector here does not know it")  # fmt: skip


# GB 45438 ----------------------------------------------------------------------------------------


def _field(name: str, may_be_empty: bool = False) -> Callable[[_File], Answer]:
    def rule(f: _File) -> Answer:
        if name not in f.tag:
            return False, f"no {name} in the AIGC tag"
        value = f.tag[name]
        if not value:
            return (True, "present, empty") if may_be_empty else (False, f"{name} is empty")
        fits = _PRINTABLE.fullmatch(value) is not None
        return (True, value) if fits else (False, f"{name} has characters it may not have")

    return rule


def _ai_label(f: _File) -> Answer:
    value = f.tag.get("Label", "")
    return (True, "1: AI-generated") if value == "1" else (False, f"Label is {value!r}, not 1")


def _covered(f: _File) -> Answer:
    return (True, "written before signing, covered by the credential's hash") if f.tag else (
        False, "no AIGC tag")  # fmt: skip


def _wording(f: _File) -> Answer:
    met, text = _visible(f)
    if not met:
        return met, text
    worded = [w for w in f.words if w.throughout and _CHINESE.search(w.text)]
    if not worded:
        shown = f.words[0].text
        return False, f"“{shown}” lacks the wording AI or 人工智能 with 生成 or 合成"
    return True, f"“{worded[0].text}”"


def _opening(f: _File) -> Answer:
    met, text = _visible(f)
    if not met or f.film is None:
        return met, text
    worded = [w for w in f.words if w.opening and _CHINESE.search(w.text)]
    if not worded:
        return False, "no such wording is seen in all of the first two seconds"
    if len(f.film.frames) == 1:
        return True, "in the picture"
    long = min(OPENING, f.film.duration)
    return True, f"seen in all {worded[0].opening_looked} frames looked at of the first {long:g} s"


def _large(f: _File) -> Answer:
    met, text = _visible(f)
    if not met:
        return met, text
    w = min((w for w in f.words if w.throughout), key=lambda w: w.letters)
    share = w.letters / w.short
    text = f"capitals of {w.letters} pixels, {share:.1%} of the shorter side"
    return share >= LETTER_SHARE, text


# what no file shows ------------------------------------------------------------------------------


_OFFERED = "a duty of the service: the verify page and its API are free and keep nothing"
_RESULT = "a duty of the service: each verdict can be had as a signed file"
_TERMS = "a duty of the operator: say it in the terms of use"
_INPUTS = "not in the file: what an input carried is looked at when it comes in"

RULES: tuple[tuple[str, str, str, Rule], ...] = (
    (EU, "Art. 50(2)", "machine-readable: says that it is AI-generated or manipulated", _says_ai),
    (EU, "Art. 50(2)", "detectable: a detector recognises it", _detected),
    (EU, "M1.1 first layer", "metadata with a digital signature", _signed),
    (EU, "M1.1 first layer", "metadata with a time-stamp", _stamped),
    (EU, "M1.1 first layer", "no privacy-sensitive data in the metadata", _no_personal),
    (EU, "M1.1 second layer", "an imperceptible watermark", _watermark),
    (EU, "M1.2", "marks of the inputs are kept", _INPUTS),
    (EU, "M1.2", "removal of marks is forbidden", _TERMS),
    (EU, "M1.3", "the provider's name", _provider),
    (EU, "M1.3", "the system's name and version", _system),
    (EU, "M1.3", "the model's identifier", _model),
    (EU, "M1.3", "the time of creation", _when),
    (EU, "M1.3", "the operations performed", _operations),
    (EU, "M2.1", "a free detector with an interface and an API", _OFFERED),
    (EU, "M2.1", "a digitally signed result", _RESULT),
    (EU, "Art. 50(4)", "a deep fake is disclosed to whoever sees it", _visible),
    (CALIFORNIA, "22757.3(a)", "manifest disclosure: a visible, clear label", _visible),
    (CALIFORNIA, "22757.3(b)(1)", "latent disclosure: the provider's name", _provider),
    (CALIFORNIA, "22757.3(b)(1)", "latent: the system's name and version", _system),
    (CALIFORNIA, "22757.3(b)(1)", "latent: time and date of creation or alteration", _when),
    (CALIFORNIA, "22757.3(b)(1)", "latent: a unique identifier", _unique),
    (CALIFORNIA, "22757.3(b)(2)", "latent: detected by the provider's own tool", _detected),
    (CALIFORNIA, "22757.3(b)(4)", "latent: permanent or very hard to remove", _recoverable),
    (CALIFORNIA, "22757.2", "a free detection tool, by upload and API", _OFFERED),
    (CALIFORNIA, "22757.3(c)", "licensees keep the disclosures", _TERMS),
    (CALIFORNIA, "SB 1000", "says whether it was created or altered", _created),
    (CALIFORNIA, "SB 1000", "no personal data without express consent", _no_personal),
    (CALIFORNIA, "SB 1000", "the consent it rests on can be asked for", _consent),
    (CHINA, "implicit label", "Label", _ai_label),
    (CHINA, "implicit label", "ContentProducer", _field("ContentProducer")),
    (CHINA, "implicit label", "ProduceID", _field("ProduceID")),
    (CHINA, "implicit label", "ReservedCode1", _field("ReservedCode1", may_be_empty=True)),
    (CHINA, "implicit label", "ContentPropagator", _field("ContentPropagator")),
    (CHINA, "implicit label", "PropagateID", _field("PropagateID")),
    (CHINA, "implicit label", "ReservedCode2", _field("ReservedCode2", may_be_empty=True)),
    (CHINA, "implicit label", "stands in the file's metadata, unalterable", _covered),
    (CHINA, "explicit label", "the wording", _wording),
    (CHINA, "explicit label", "from the first frame and for two seconds", _opening),
    (CHINA, "explicit label", "letters of 5 % of the shorter side", _large),
)
