"""Checklist: what the policies would say to a request as far as it is known before it is sent.

The rules are not written a second time here: the policy set itself is asked, with the facts known
so far, and with the best case for those only the gate can measure (whose face, how good a photo,
how clear a voice). A rule the best case already breaks is `unmet`; one that rests on something
still unknown is `later`; the others are `met`. Nothing follows from a list of ticks: the gate
decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from primafacie.generator.controls import Controls
from primafacie.platform.accounts import Account
from primafacie.platform.wiring import Services
from primafacie.safeguards.decision import Refused
from primafacie.safeguards.face import Likeness
from primafacie.safeguards.facts import Facts, Utterance
from primafacie.safeguards.policy import PERMITS, PolicySet
from primafacie.safeguards.request import Request

BEST: Final = Likeness(1, 1, (), distance=0.0, best=True, margin=1.0)


@dataclass(frozen=True, slots=True)
class Draft:
    """A request as far as it is filled in; "" or 0 stands for what is not known yet."""

    project_id: str
    consent_id: str
    purpose: str
    audience: str
    controls: Controls
    photo_digest: str = ""
    voice_digest: str = ""
    voice_ms: int = 0
    voice_synthetic: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One rule and how it stands: `met`, `unmet` or `later`."""

    rule: str
    title: str
    sentence: str
    state: str


@dataclass(frozen=True, slots=True)
class _Foretold(Request):
    """A request whose files are known by digest alone."""

    photo_digest: str = ""
    voice_digest: str = ""

    @property
    def photo_sha256(self) -> str:
        return self.photo_digest or "0" * 64

    @property
    def voice_sha256(self) -> str:
        return self.voice_digest or "0" * 64


#: rule -> what is asked, in the order a person fills in the form; a rule not here comes last.
TITLES: Final = {
    "researcher_approved": "Your access is approved",
    "auditors_never_generate": "You are not an auditor",
    "project_in_force": "The project is in force and you are a member",
    "project_covers_purpose": "The project covers this purpose",
    "consent_in_force": "The consent is in force",
    "requester_in_scope": "The consent names you or your project",
    "purpose_in_scope": "The person agreed to this purpose",
    "audience_in_scope": "The person agreed to this audience",
    "language_in_scope": "The person agreed to this language",
    "length_within_limits": "Length and size are within what was agreed",
    "voice_usable": "The voice clip can be used",
    "voice_allowed": "The voice is one the person agreed to",
    "face_is_consenting_subject": "The face is the person who agreed",
    "face_is_nobody_else": "The face is nobody else's",
    "strict_distance": "The face is near enough, where more is asked for",
    "match_confirmed": "A reviewer has compared the faces, where that is asked for",
    "one_face": "The photo shows exactly one face",
    "photo_good_enough": "The photo is good enough",
    "source_not_generated": "The photo was not made by a generator",
    "source_not_ours": "The photo does not come from a video made here",
    "voice_not_ours": "The voice does not come from a video made here",
    "not_on_never_me_list": "Nobody asked never to be animated",
    "subject_kind_admitted": "This kind of person is admitted here",
    "nobody_alive": "Invented or painted people: registered photos and a label",
    "adult_subject": "The person is an adult",
    "consent_quota": "The number of videos agreed is not used up",
    "requester_quota": "Your daily number is not used up",
    "motion_in_scope": "Movement as data is agreed to, if asked for",
    "label_shown": "The visible label stands where it must",
    "label_in_place": "The label lies where the person agreed",
    "caption_shown": "The caption stands where the person asked",
    "engine_approved": "The engines here are approved",
    "log_writable": "The log can be written",
}
#: Rules on what only the gate measures.
_MEASURED: Final = frozenset({
    "face_is_nobody_else", "one_face", "photo_good_enough", "source_not_generated",
    "source_not_ours", "not_on_never_me_list", "voice_not_ours", "voice_usable",
    "strict_distance", "match_confirmed",
})  # fmt: skip
_UNKNOWN: Final[dict[str, Callable[[Draft], bool]]] = {
    "project_in_force": lambda d: not d.project_id,
    "project_covers_purpose": lambda d: not (d.project_id and d.purpose),
    "consent_in_force": lambda d: not d.consent_id,
    "requester_in_scope": lambda d: not (d.consent_id and d.project_id),
    "purpose_in_scope": lambda d: not (d.consent_id and d.purpose),
    "audience_in_scope": lambda d: not (d.consent_id and d.audience),
    "language_in_scope": lambda d: not d.consent_id,
    "motion_in_scope": lambda d: bool(d.controls.motion) and not d.consent_id,
    "label_shown": lambda d: d.controls.label == "none" and not (d.consent_id and d.audience),
    "label_in_place": lambda d: not d.consent_id,
    "caption_shown": lambda d: d.controls.caption != "" and not d.consent_id,
    "adult_subject": lambda d: not d.consent_id,
    "consent_quota": lambda d: not d.consent_id,
    "subject_kind_admitted": lambda d: not d.consent_id,
    "nobody_alive": lambda d: not d.consent_id,
}


def check(services: Services, account: Account, draft: Draft) -> tuple[Check, ...]:
    """Every rule of the set in force, in the order of the form."""
    policies = services.policies.shipped
    broken = _broken(policies, services.policies.activated(), _facts(services, account, draft))
    rules = sorted(set(policies.reasons) - PERMITS, key=_place)
    return tuple(
        Check(
            rule,
            TITLES.get(rule, rule.replace("_", " ").capitalize()),
            policies.reasons[rule].sentence,
            _state(services, rule, rule in broken, draft),
        )
        for rule in rules
    )


def _place(rule: str) -> tuple[int, str]:
    return (list(TITLES).index(rule) if rule in TITLES else len(TITLES), rule)


def _broken(policies: PolicySet, activated: str, facts: Facts) -> frozenset[str]:
    decision = policies.decide(facts, "generate", activated)
    if not isinstance(decision, Refused):
        return frozenset()
    rules = frozenset(reason.rule for reason in decision.reasons)
    if rules <= set(policies.reasons):
        return rules
    return frozenset(policies.reasons)  # the engine could not decide: nothing counts as met


def _state(services: Services, rule: str, broken: bool, draft: Draft) -> str:
    if rule in _UNKNOWN and _UNKNOWN[rule](draft):
        return "later"
    if rule == "length_within_limits" and not (draft.consent_id and draft.voice_ms):
        return "unmet" if broken and draft.consent_id else "later"
    if rule == "match_confirmed":  # a reviewer is asked when the gate has looked
        return "later"
    if rule == "face_is_consenting_subject":
        return _face_state(services, broken, draft)
    if rule == "voice_allowed":
        return _voice_state(services, broken, draft)
    if broken:
        return "unmet"
    return "later" if rule in _MEASURED else "met"


def _face_state(services: Services, broken: bool, draft: Draft) -> str:
    """A registered photo is known to be theirs before the gate; any other is not."""
    if not (draft.consent_id and draft.photo_digest):
        return "later"
    consent = services.likenesses.find(draft.consent_id)
    registered = consent is not None and draft.photo_digest in consent.record.photos
    return "met" if registered else "unmet" if broken else "later"


def _voice_state(services: Services, broken: bool, draft: Draft) -> str:
    """Registered clips and declared synthetic voices are known; whose voice it is, is not."""
    consent = services.likenesses.find(draft.consent_id) if draft.consent_id else None
    if consent is None or (consent.record.voice_source != "synthetic" and not draft.voice_digest):
        return "later"
    return "unmet" if broken else "met"


def _facts(services: Services, account: Account, draft: Draft) -> Facts:
    now = datetime.now(UTC)
    request = _Foretold(
        rid="0" * 32, requester_id=account.user_id, project_id=draft.project_id,
        consent_id=draft.consent_id, purpose=draft.purpose, audience=draft.audience or "internal",
        photo=b"", voice=b"", controls=draft.controls, received_at=now,
        voice_synthetic=draft.voice_synthetic, photo_digest=draft.photo_digest,
        voice_digest=draft.voice_digest,
    )  # fmt: skip
    return Facts(
        request=request,
        requester=services.people.requester(account.user_id),
        project=services.people.project(draft.project_id),
        consent=services.likenesses.find(draft.consent_id) if draft.consent_id else None,
        likeness=BEST,
        utterance=Utterance(draft.voice_ms or 1000),
        now=now,
        production=services.settings.production,
        log_ready=True,
        engines=services.engines.identities,
        strict=services.settings.strict_faces,
    )
