"""The rules: one test per way to refuse, and an oracle that never heard of Cedar."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from primafacie.generator.controls import Controls
from primafacie.safeguards.consent import AUDIENCES, ESTATE, ConsentState
from primafacie.safeguards.decision import Allowed, Refused
from primafacie.safeguards.errors import PolicyError
from primafacie.safeguards.face import FaceWeights
from primafacie.safeguards.facts import Facts
from primafacie.safeguards.policy import PERMITS, PolicySet

RULES = PolicySet.shipped()
Make = Callable[..., Facts]


def broken(facts: Facts, rules: PolicySet = RULES) -> set[str]:
    decision = rules.decide(facts, "generate", rules.sha256)
    return set() if isinstance(decision, Allowed) else {r.rule for r in decision.reasons}


def test_good_facts_are_allowed(make_facts: Make) -> None:
    for action in ("generate", "release"):
        decision = RULES.decide(make_facts(), action, RULES.sha256)  # type: ignore[arg-type]
        assert isinstance(decision, Allowed)
        assert decision.policy_sha256 == RULES.sha256


#: (rule, what is changed, does the change break that rule)
WAYS: list[tuple[str, dict[str, Any]]] = [
    ("researcher_approved", {"requester_roles": frozenset({"steward"})}),
    ("researcher_approved", {"requester_approved": False}),
    ("researcher_approved", {"requester": None}),
    ("auditors_never_generate", {"requester_roles": frozenset({"researcher", "auditor"})}),
    ("project_in_force", {"project": None}),
    ("project_in_force", {"project_in_force": False}),
    ("project_in_force", {"project_members": frozenset({"somebody-else"})}),
    ("project_covers_purpose", {"project_purposes": frozenset({"education"})}),
    ("consent_in_force", {"consent": None}),
    *[("consent_in_force", {"consent_state": s}) for s in ConsentState if s != "active"],
    ("consent_in_force", {"record_not_before": "2026-11-24T12:00:00.001+00:00"}),
    ("consent_in_force", {"record_not_after": "2026-11-24T12:00:00+00:00"}),
    ("consent_in_force", {"record_not_after": "2026-11-24T13:59:59.999+02:00"}),
    ("purpose_in_scope", {"record_purposes": ("education",)}),
    ("purpose_in_scope", {"request_purpose": "reseаrch"}),
    ("purpose_in_scope", {"request_purpose": "Research"}),
    ("requester_in_scope", {"record_requesters": ("other",), "record_projects": ("other",)}),
    ("requester_in_scope", {"record_requesters": (), "record_projects": ()}),
    ("audience_in_scope", {"request_audience": "publication"}),
    ("audience_in_scope", {"request_audience": "the moon"}),
    ("language_in_scope", {"request_controls": Controls(language="fr")}),
    ("one_face", {"likeness_faces_a": 0, "likeness_faces_b": 0}),
    ("one_face", {"likeness_faces_a": 2}),
    ("one_face", {"likeness_faces_b": 2}),
    ("one_face", {"likeness_faces_b": 0}),
    ("photo_good_enough", {"likeness_problems": ("blurred",)}),
    ("face_is_consenting_subject", {"request_photo": b"the same pixels in other bytes"}),
    ("face_is_consenting_subject", {"likeness_distance": 0.50001}),
    ("face_is_consenting_subject",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_distance": 0.50001}),
    ("face_is_consenting_subject",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_best": False}),
    ("face_is_consenting_subject",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_margin": 0.04999}),
    ("face_is_consenting_subject",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_distance": float("nan")}),
    ("face_is_consenting_subject",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_margin": float("nan")}),
    ("face_is_nobody_else", {"likeness_best": False, "likeness_other_distance": 0.5}),
    ("face_is_nobody_else",
     {"record_subject_kind": "synthetic", "likeness_other_distance": 0.49}),
    ("face_is_nobody_else",
     {"record_subject_kind": "deceased", "likeness_other_distance": 0.49}),
    ("not_on_never_me_list", {"likeness_deny_distance": 0.60}),
    ("not_on_never_me_list", {"likeness_deny_distance": float("nan")}),
    ("adult_subject", {"record_adult": "minor"}),
    ("adult_subject", {"record_adult": "unknown"}),
    ("subject_kind_admitted", {"record_liveness": 0}),
    ("subject_kind_admitted", {"record_subject_kind": "deceased"}),
    ("subject_kind_admitted", {"record_subject_kind": "deceased", "record_liveness": 2}),
    *[("subject_kind_admitted", {
        "record_subject_kind": "deceased", "record_estate": "child",
        "record_evidence": tuple(f"{kind}:{'e' * 64}" for kind in ESTATE if kind != missing)})
      for missing in ESTATE],
    ("subject_kind_admitted",
     {"record_subject_kind": "deceased",
      "record_evidence": tuple(f"{kind}:{'e' * 64}" for kind in ESTATE)}),
    ("strict_distance", {"record_strict": True, "likeness_distance": 0.40001}),
    ("strict_distance", {"strict": True, "likeness_distance": 0.40001}),
    ("strict_distance", {"record_strict": True, "likeness_distance": float("nan")}),
    ("match_confirmed",
     {"request_photo": b"x", "record_photo_mode": "matched", "likeness_other_distance": 0.6}),
    *[("match_confirmed", {which: True, "confirmation": said})
      for which in ("record_strict", "strict")
      for said in ("none", "asked", "refused", "expired", "", "CONFIRMED", "сonfirmed")],
    ("subject_kind_admitted", {"record_subject_kind": "synthetic", "record_evidence": ()}),
    ("subject_kind_admitted", {"record_subject_kind": "artwork", "record_evidence": ()}),
    ("subject_kind_admitted",
     {"record_subject_kind": "synthetic", "record_evidence": ("video:" + "e" * 64,)}),
    ("subject_kind_admitted", {"record_subject_kind": "self-declared", "record_liveness": 0}),
    *[("nobody_alive", {"record_subject_kind": kind, "record_photo_mode": mode,
                        "record_label": label})
      for kind in ("synthetic", "artwork")
      for mode, label in (("registered", ""), ("matched", "AI-generated"))],
    ("source_not_generated", {"likeness_generator_mark": "SDXL"}),
    ("source_not_ours", {"likeness_own_mark": "5eed0fa55e7123"}),
    ("voice_not_ours", {"utterance_own_mark": "a55e7123"}),
    ("voice_not_ours", {"utterance_own_mark": "present", "request_voice_synthetic": True}),
    ("source_not_ours", {"likeness_own_mark": "present", "record_subject_kind": "synthetic"}),
    ("voice_allowed", {"request_voice": b"another clip"}),
    ("voice_allowed", {"request_voice": b"y", "record_voice_source": "own"}),
    ("voice_allowed",
     {"request_voice": b"y", "record_voice_source": "own", "utterance_speaker": "review"}),
    ("voice_allowed",
     {"request_voice": b"y", "record_voice_source": "own", "utterance_speaker": "match",
      "request_voice_synthetic": True}),
    ("voice_allowed", {"request_voice": b"y", "record_voice_source": "synthetic"}),
    *[("voice_allowed",
       {"request_voice": b"y", "record_voice_source": "synthetic",
        "request_voice_synthetic": True, "utterance_speaker": heard})
      for heard in ("match", "review")],  # their own voice, passed off as a machine's
    ("voice_usable", {"utterance_problems": ("silent",)}),
    ("length_within_limits", {"utterance_milliseconds": 30001}),
    ("length_within_limits", {"request_controls": Controls(size=722)}),
    ("length_within_limits", {"request_controls": Controls(size=512, crop="portrait")}),
    ("length_within_limits",
     {"request_controls": Controls(size=512, crop="full"), "likeness_aspect": 1.5}),
    ("requester_quota", {"requester_used_today": 5}),
    ("consent_quota", {"consent_outputs": 10}),
    ("consent_quota", {"consent_outputs_today": 5}),
    ("log_writable", {"log_ready": False}),
    ("motion_in_scope", {"request_controls": Controls(motion="json")}),
    ("label_shown", {"request_controls": Controls(label="none"), "record_label": "AI-made"}),
    ("label_shown",
     {"request_controls": Controls(label="none"), "record_label_position": "bottom"}),
    *[("label_shown", {"request_controls": Controls(label="none"), "request_audience": audience,
                       "record_audience": "public"})
      for audience in ("publication", "public", "the moon")],
    ("label_in_place",
     {"request_controls": Controls(label="bottom"), "record_label_position": "top-right"}),
    ("label_in_place",
     {"request_controls": Controls(label="none"), "record_label_position": "top-right"}),
    ("caption_shown", {"request_controls": Controls(caption="end"), "record_caption": "start"}),
    ("caption_shown", {"request_controls": Controls(caption="start"), "record_caption": "both"}),
    ("engine_approved", {"engines": ()}),
    ("engine_approved", {"engines": ("photo-warp", "speech-motion", "another")}),
    ("engine_approved", {"engines": ("photo-warp@" + "e" * 64, "speech-motion")}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "change"), WAYS, ids=lambda v: v if isinstance(v, str) else "")
def test_each_way_to_refuse_is_refused_by_its_rule(
    rule: str, change: dict[str, Any], make_facts: Make
) -> None:
    assert rule in broken(make_facts(**change))


def test_every_rule_has_a_way_to_refuse() -> None:
    assert {rule for rule, _ in WAYS} | PERMITS == set(RULES.sources)


def test_one_fault_is_one_reason_and_many_faults_are_many(make_facts: Make) -> None:
    assert broken(make_facts(record_adult="minor")) == {"adult_subject"}
    many = make_facts(record_adult="minor", log_ready=False, likeness_faces_a=2)
    assert broken(many) == {"adult_subject", "log_writable", "one_face"}


def test_matched_mode_allows_a_near_clear_best_match(make_facts: Make) -> None:
    assert not broken(
        make_facts(
            request_photo=b"a new photo",
            record_photo_mode="matched",
            likeness_distance=0.5,
            likeness_margin=0.05,
        )
    )


def test_a_photo_like_two_people_is_compared_by_a_person_unless_it_is_registered(
    make_facts: Make,
) -> None:
    near = {"likeness_other_distance": 0.55, "record_photo_mode": "matched"}
    assert broken(make_facts(**near, request_photo=b"new")) == {"match_confirmed"}
    assert not broken(make_facts(**near, request_photo=b"new", confirmation="confirmed"))
    assert not broken(make_facts(**near)), "the person signed for this very file"


def test_an_estate_with_every_piece_of_evidence_is_admitted(make_facts: Make) -> None:
    pieces = tuple(f"{kind}:{'e' * 64}" for kind in ESTATE)
    change = {"record_subject_kind": "deceased", "record_estate": "spouse", "record_liveness": 0,
              "record_evidence": pieces}  # fmt: skip
    assert not broken(make_facts(**change))


@pytest.mark.parametrize("which", ["record_strict", "strict"])
def test_a_confirmed_match_within_0_40_is_allowed(make_facts: Make, which: str) -> None:
    assert not broken(make_facts(**{which: True}, confirmation="confirmed", likeness_distance=0.4))


def test_self_declared_subjects_are_admitted_in_development_only(make_facts: Make) -> None:
    change = {"record_subject_kind": "self-declared", "record_liveness": 0}
    assert not broken(make_facts(**change, production=False))
    assert broken(make_facts(**change, production=True)) == {"subject_kind_admitted"}


def test_every_sentence_tells_a_person_what_to_do() -> None:
    for reason in RULES.reasons.values():
        assert reason.sentence.endswith(".") and len(reason.sentence) > 20


# --- the set itself ---


def test_another_set_than_the_activated_one_decides_nothing(make_facts: Make) -> None:
    decision = RULES.decide(make_facts(), "generate", "0" * 64)
    assert isinstance(decision, Refused)
    assert [r.rule for r in decision.reasons] == ["policy_set_activated"]


def test_an_edited_rule_changes_the_digest() -> None:
    edited = {**RULES.sources}
    edited["adult_subject"] = edited["adult_subject"].replace('== "adult"', '!= "minor"')
    assert PolicySet.parse(edited, RULES.schema_text).sha256 != RULES.sha256


def test_a_removed_rule_changes_the_digest() -> None:
    fewer = {k: v for k, v in RULES.sources.items() if k != "adult_subject"}
    assert PolicySet.parse(fewer, RULES.schema_text).sha256 != RULES.sha256


def test_distances_of_another_recogniser_are_other_rules(make_facts: Make) -> None:
    """A setting that widens the match distance decides nothing until it is put in force."""
    one = FaceWeights(Path("weights"), "0" * 64, 0.8)
    wide = PolicySet.shipped(replace(one, match_distance=1.0).model)
    assert len({RULES.sha256, PolicySet.shipped(one.model).sha256, wide.sha256}) == 3
    answer = wide.decide(make_facts(), "generate", PolicySet.shipped(one.model).sha256)
    assert isinstance(answer, Refused)
    assert [reason.rule for reason in answer.reasons] == ["policy_set_activated"]


def test_no_rules_mean_no(make_facts: Make) -> None:
    forbids = {k: v for k, v in RULES.sources.items() if k not in PERMITS}
    assert broken(make_facts(), PolicySet.parse(forbids, RULES.schema_text)) == {"undecided"}


@pytest.mark.parametrize(
    "text",
    [
        "forbid (principal, action, resource) when { context.nonesuch == 1 };",
        '@id("x") @says("A sentence.") forbid (principal, action, resource) '
        "when { context.nonesuch == 1 };",
        '@id("x") @says("A sentence.") permit (principal, action, resource);',
        '@id("y") @says("A sentence.") forbid (principal, action, resource);',
        '@id("x") forbid (principal, action, resource);',
        "this is not Cedar",
    ],
)
def test_a_rule_that_is_not_sound_is_not_loaded(text: str) -> None:
    with pytest.raises(PolicyError):
        PolicySet.parse({**RULES.sources, "x": text}, RULES.schema_text)


def test_a_rule_that_errs_at_run_time_refuses(make_facts: Make) -> None:
    """Cedar skips it and would allow: integer overflow is such an error."""
    text = (
        '@id("x") @says("A sentence that says what to do.")\n'
        "forbid (principal, action, resource)\n"
        "when { context.now * 9223372036854775807 == 1 };"
    )
    rules = PolicySet.parse({**RULES.sources, "x": text}, RULES.schema_text)
    decision = rules.decide(make_facts(), "generate", rules.sha256)
    assert isinstance(decision, Refused)
    assert [r.rule for r in decision.reasons] == ["undecided"]


@pytest.mark.parametrize(
    "change",
    [
        {"requester_used_today": 2**70},
        {"utterance_milliseconds": "4000"},
        {"likeness_faces_a": None},
        {"likeness_distance": "0.1"},
        {"log_ready": 1},
    ],
)
def test_mistyped_and_monstrous_facts_are_refused(change: dict[str, Any], make_facts: Make) -> None:
    assert broken(make_facts(**change))


def test_facts_too_broken_to_digest_are_refused(make_facts: Make) -> None:
    facts = make_facts(request_purpose="\ud800")
    assert isinstance(RULES.decide(facts, "generate", RULES.sha256), Refused)


# --- the oracle ---


def oracle(f: Facts) -> set[str]:
    """The rules once more, in plain Python, written from their sentences."""
    r, c, face = f.request, f.consent, f.likeness
    rec = c.record
    days = (rec.not_before, rec.not_after)
    found = {
        "researcher_approved": not (f.requester.approved and "researcher" in f.requester.roles),
        "auditors_never_generate": "auditor" in f.requester.roles,
        "project_in_force": not f.project.in_force or r.requester_id not in f.project.members,
        "project_covers_purpose": r.purpose not in f.project.purposes,
        "consent_in_force": c.state != "active"
        or not days[0] <= f.now.isoformat() < days[1],
        "purpose_in_scope": r.purpose not in rec.purposes,
        "requester_in_scope": r.requester_id not in rec.requesters
        and r.project_id not in rec.projects,
        "audience_in_scope": AUDIENCES.index(r.audience) > AUDIENCES.index(rec.audience),
        "language_in_scope": bool(rec.languages) and r.controls.language not in rec.languages,
        "one_face": (face.faces_a, face.faces_b) != (1, 1),
        "photo_good_enough": bool(face.problems),
        "face_is_consenting_subject": not face.distance <= 0.5
        or (r.photo_sha256 not in rec.photos
            and not (rec.photo_mode == "matched" and face.best and face.margin >= 0.05)),
        "face_is_nobody_else": face.other_distance <= 0.5
        and (not face.best or rec.subject_kind in ("synthetic", "artwork", "deceased")),
        "not_on_never_me_list": face.deny_distance <= 0.6,
        "adult_subject": rec.adult != "adult",
        "subject_kind_admitted": {
            "living": rec.liveness < 1,
            "synthetic": not any("provenance" in e for e in rec.evidence),
            "artwork": not any("provenance" in e for e in rec.evidence),
            "self-declared": f.production,
            "deceased": not (
                rec.estate
                and all(any(e.startswith(kind + ":") for e in rec.evidence) for kind in ESTATE)
            ),
        }[rec.subject_kind],
        "nobody_alive": rec.subject_kind in ("synthetic", "artwork")
        and (rec.photo_mode != "registered" or not rec.label + rec.label_position),
        "source_not_generated": face.generator_mark != "" and rec.subject_kind != "synthetic",
        "source_not_ours": face.own_mark != "",
        "voice_not_ours": f.utterance.own_mark != "",
        "voice_allowed": r.voice_sha256 not in rec.voices
        and not (rec.voice_source == "own" and not r.voice_synthetic
                 and f.utterance.speaker == "match")
        and not (rec.voice_source == "synthetic" and r.voice_synthetic
                 and f.utterance.speaker not in ("match", "review")),
        "voice_usable": bool(f.utterance.problems),
        "length_within_limits": f.utterance.milliseconds > rec.max_seconds * 1000
        or r.controls.size > rec.max_side,
        "requester_quota": f.requester.used_today >= f.requester.daily_quota,
        "consent_quota": c.outputs >= rec.max_outputs or c.outputs_today >= rec.max_per_day,
        "log_writable": not f.log_ready,
        "strict_distance": (rec.strict or f.strict) and not face.distance <= 0.4,
        "match_confirmed": (
            rec.strict or f.strict
            or (rec.photo_mode == "matched" and r.photo_sha256 not in rec.photos
                and face.other_distance <= 0.6)
        ) and f.confirmation != "confirmed",
        "motion_in_scope": bool(r.controls.motion) and not rec.motion,
        "label_shown": r.controls.label == "none"
        and (bool(rec.label + rec.label_position) or r.audience in ("publication", "public")),
        "label_in_place": bool(rec.label_position)
        and r.controls.label not in ("", rec.label_position),
        "caption_shown": bool(rec.caption) and r.controls.caption not in ("", "both", rec.caption),
        "engine_approved": not f.engines or not set(f.engines) <= {"photo-warp", "speech-motion"},
    }  # fmt: skip
    return {rule for rule, is_broken in found.items() if is_broken}


def random_facts(dice: random.Random, make: Make) -> Facts:
    """Mostly good facts with a few random changes, so that allows are common, too."""
    odd = lambda good, *bad: good if dice.random() < 0.94 else dice.choice(bad)  # noqa: E731
    now = make().now
    edge = timedelta(milliseconds=dice.choice([0, 1, 1000, 10**7]))
    return replace(
        make(
            request_purpose=odd("research", "education", "dubbing"),
            request_audience=dice.choice(AUDIENCES[:2]) if dice.random() < 0.9 else "public",
            request_photo=odd(b"a registered photo", b"x"),
            request_voice=odd(b"a voice clip", b"y"),
            request_voice_synthetic=dice.random() < 0.3,
            request_controls=Controls(size=odd(512, 720, 722, 1080), language=odd("en", "fr"),
                                      motion=odd("", "json", "glb"),
                                      label=odd("", "none", "top", "bottom"),
                                      caption=odd("", "start", "end", "both")),
            record_label=odd("", "AI-generated"),
            record_label_position=odd("", "bottom", "top"),
            record_caption=odd("", "start", "end", "both"),
            record_motion=dice.random() < 0.5,
            requester_roles=odd(frozenset({"researcher"}), frozenset(), frozenset({"auditor"}),
                                frozenset({"researcher", "auditor"})),
            requester_approved=odd(True, False),
            requester_used_today=odd(0, 4, 5, 6),
            project_in_force=odd(True, False),
            project_members=odd(frozenset({"researcher-1"}), frozenset()),
            project_purposes=odd(frozenset({"research"}), frozenset({"education"})),
            consent_state=odd(ConsentState.ACTIVE, *ConsentState),
            consent_outputs=odd(0, 9, 10, 11),
            consent_outputs_today=odd(0, 4, 5, 6),
            record_adult=odd("adult", "minor", "unknown"),
            record_subject_kind=odd("living", "synthetic", "artwork", "self-declared", "deceased"),
            record_liveness=odd(1, 0, 2),
            record_evidence=odd(("provenance:" + "e" * 64,), (), ("video:" + "e" * 64,),
                                tuple(f"{kind}:{'e' * 64}" for kind in ESTATE)),
            record_estate=odd("", "child"),
            record_strict=odd(False, True),
            record_not_before=odd((now - timedelta(days=1)).isoformat(), now.isoformat(),
                                  (now + edge).isoformat()),
            record_not_after=odd((now + timedelta(days=9)).isoformat(), now.isoformat(),
                                 (now + edge).isoformat()),
            record_requesters=odd(("researcher-1",), ()),
            record_projects=odd(("project-1",), ()),
            record_audience=dice.choice(AUDIENCES[1:]),
            record_languages=odd((), ("en",), ("de",)),
            record_photo_mode=dice.choice(["registered", "matched"]),
            record_voice_source=dice.choice(["own", "synthetic", "clips"]),
            record_max_seconds=odd(30, 3, 4),
            likeness_faces_a=odd(1, 0, 2),
            likeness_faces_b=odd(1, 0, 2),
            likeness_problems=odd((), ("blurred",)),
            likeness_distance=odd(0.3, 0.4, 0.40001, 0.5, 0.50001, 0.51, 2.0),
            likeness_best=odd(True, False),
            likeness_margin=odd(0.3, 0.05, 0.04999, 0.0),
            likeness_other_distance=odd(0.8, 0.5, 0.49, 0.5002, 0.6, 0.6002),
            likeness_deny_distance=odd(2.0, 0.6, 0.59, 0.6002),
            likeness_generator_mark=odd("", "FLUX"),
            likeness_own_mark=odd("", "present"),
            utterance_milliseconds=odd(4000, 4001, 30000, 30001, 3000),
            utterance_speaker=odd("unknown", "match", "mismatch", "review"),
            utterance_problems=odd((), ("silent",)),
        ),
        production=dice.random() < 0.5,
        log_ready=odd(True, False),
        strict=odd(False, True),
        confirmation=odd("confirmed", "none", "asked", "refused", "expired"),
        engines=odd(("photo-warp", "speech-motion"), (), ("photo-warp", "recorded-motion@1")),
    )  # fmt: skip


def test_an_independent_oracle_agrees_on_ten_thousand_random_facts(make_facts: Make) -> None:
    dice = random.Random(20261124)
    allowed = 0
    for _ in range(10_000):
        facts = random_facts(dice, make_facts)
        expected = oracle(facts)
        assert broken(facts) == expected, facts
        allowed += not expected
    assert allowed > 500, "the random facts must reach both answers"


def test_the_label_and_the_caption_follow_the_consent_unless_asked_otherwise(
    make_facts: Make,
) -> None:
    """Nothing asked for breaks nothing, whatever the consent demands."""
    for label in ("", "AI-made"):
        for position in ("", "top-left"):
            for caption in ("", "start", "end", "both"):
                facts = make_facts(
                    record_label=label, record_label_position=position, record_caption=caption
                )
                assert not broken(facts)
                assert facts.context()["label"] == (position or "bottom")
                assert facts.context()["caption"] == (caption or "none")
    assert not broken(make_facts(request_controls=Controls(label="none")))


def test_an_institution_demands_a_caption_with_a_rule_of_its_own(make_facts: Make) -> None:
    rule = (
        '@id("caption_first")\n@says("Here every video opens with a caption.")\n'
        "forbid (principal, action, resource)\n"
        'unless { ["start", "both"].contains(context.caption) };\n'
    )
    strict = PolicySet.parse({**RULES.sources, "caption_first": rule}, RULES.schema_text)
    assert broken(make_facts(), strict) == {"caption_first"}
    assert not broken(make_facts(request_controls=Controls(caption="start")), strict)
    assert not broken(make_facts(record_caption="both"), strict)
