"""Facts that every rule agrees with; each test breaks one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.generator.controls import Controls
from primafacie.safeguards.consent import PROHIBITED, Consent, ConsentRecord, ConsentState
from primafacie.safeguards.face import Likeness
from primafacie.safeguards.facts import Facts, Utterance
from primafacie.safeguards.request import Project, Request, Requester

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
PHOTO, VOICE = b"a registered photo", b"a voice clip"


def record(**changes: Any) -> ConsentRecord:
    base = ConsentRecord(
        consent_id="c" * 32,
        version=1,
        prev_sha256="",
        subject_id="subject-1",
        subject_kind="living",
        adult="adult",
        jurisdiction="DE-BE",
        subject_key="5" * 64,
        controller="Institute for Testing",
        notice_sha256=sha256_hex(b"notice"),
        notice_language="en",
        lawful_basis="GDPR-6.1.a+9.2.a",
        purposes=("research", "education"),
        purpose_text="A study of lip reading.",
        prohibited=PROHIBITED,
        requesters=("researcher-1",),
        projects=("project-1",),
        audience="review-panel",
        max_seconds=30,
        max_side=720,
        max_outputs=10,
        max_per_day=5,
        languages=("en", "de"),
        photo_mode="registered",
        photos=(sha256_hex(PHOTO),),
        voice_source="clips",
        voices=(sha256_hex(VOICE),),
        label="",
        not_before=(NOW - timedelta(days=1)).isoformat(),
        not_after=(NOW + timedelta(days=100)).isoformat(),
        liveness=1,
        evidence=("video:" + sha256_hex(b"video"), "provenance:" + sha256_hex(b"seed")),
    )
    return replace(base, **changes)


def facts(**changes: Any) -> Facts:
    """Allowed facts; keyword names of Facts, or of a part with its name in front (consent_state,
    record_adult, request_purpose, requester_roles, project_in_force, likeness_best ...)."""
    names = ("record", "consent", "request", "requester", "project", "likeness", "utterance")
    parts: dict[str, dict[str, Any]] = {name: {} for name in names}
    whole: dict[str, Any] = {}
    for name, value in changes.items():
        part, _, rest = name.partition("_")
        if part in parts and rest:
            parts[part][rest] = value
        else:
            whole[name] = value
    request = Request(
        rid="1" * 32, requester_id="researcher-1", project_id="project-1", consent_id="c" * 32,
        purpose="research", audience="internal", photo=PHOTO, voice=VOICE, controls=Controls(),
        received_at=NOW,
    )  # fmt: skip
    consent = Consent(record(**parts["record"]), b"", ConsentState.ACTIVE, epoch=3)
    base = Facts(
        request=replace(request, **parts["request"]),
        requester=replace(
            Requester("researcher-1", frozenset({"researcher"}), True, 0, 5), **parts["requester"]
        ),
        project=replace(
            Project("project-1", True, frozenset({"researcher-1"}), frozenset({"research"})),
            **parts["project"],
        ),
        consent=replace(consent, **parts["consent"]),
        likeness=replace(Likeness(1, 1, (), 0.31, True, 0.4, 0.71), **parts["likeness"]),
        utterance=replace(Utterance(4000), **parts["utterance"]),
        now=NOW,
        production=True,
        log_ready=True,
        engines=("photo-warp", "speech-motion"),
    )
    return replace(base, **whole)


@pytest.fixture
def make_facts() -> Callable[..., Facts]:
    return facts


@pytest.fixture
def make_record() -> Callable[..., ConsentRecord]:
    return record
