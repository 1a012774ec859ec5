"""Told: a verdict on a found file, in neutral words for people who know none of the techniques."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from flask import current_app, request
from werkzeug.exceptions import TooManyRequests

from primafacie.platform.accounts import Account
from primafacie.platform.source import network
from primafacie.platform.web.limits import Limiter
from primafacie.platform.wiring import Services
from primafacie.safeguards.provenance.verdict import Level, Technique, Verdict

#: The ladder, best first: level -> (tone, headline, what it means).
RUNGS: Final[dict[Level, tuple[str, str, str]]] = {
    Level.EXACT: ("ok", "This is the very file that was issued here",
                  "Its bytes are those in the public log. It was made with an AI tool."),
    Level.AUTHENTIC: ("ok", "Its credentials are intact",
                      "The signed credentials fit the file. It was made with an AI tool."),
    Level.RECOVERED: ("warn", "Made here, changed since",
                      "The credentials are gone or do not fit; the mark leads to the log."),
    Level.UNRECOGNISED_ISSUER: ("wait", "Signed, but nobody here vouches for it",
                                "The credentials are whole, but come from elsewhere, or from a "
                                "file that was never released."),
    Level.ALTERED: ("bad", "The credentials do not fit the file",
                    "The file may have been tampered with. Watch with caution."),
    Level.REVOKED: ("bad", "Called back: please do not share it",
                    "Consent was withdrawn, or the video or the key that signed it was called "
                    "back."),
    Level.NO_CREDENTIAL: ("off", "Nothing was found",
                          "That does not make it real: marks and credentials can be missing."),
}  # fmt: skip
TECHNIQUES: Final[dict[Technique, tuple[str, str]]] = {
    Technique.CREDENTIAL: ("certificate", "Content Credentials"),
    Technique.WATERMARK: ("wave-square", "Invisible mark"),
    Technique.FINGERPRINT: ("fingerprint", "Fingerprint"),
    Technique.LOG: ("binary-tree", "Log"),
    Technique.REGISTRY: ("database", "Register of videos made here"),
    Technique.FILE: ("file-text", "The file itself"),
}
#: What the steps in a credential are called; the browser's own check uses the same words.
ACTIONS: Final[dict[str, str]] = {
    "c2pa.created": "Made with an AI tool",
    "c2pa.opened": "Begun from an existing file",
    "c2pa.placed": "A recording was placed in it",
    "c2pa.dubbed": "The voice was replaced",
    "c2pa.edited": "Edited",
    "c2pa.addedText": "A visible label was added",
    "c2pa.watermarked.bound": "An invisible mark was added",
    "c2pa.transcoded": "Converted to another format",
    "c2pa.redacted": "Something was taken out of the credentials",
}
SOURCES: Final[dict[str, str]] = {
    "trainedAlgorithmicMedia": "Generated with an AI tool, incorporating a separate reference",
    "compositeWithTrainedAlgorithmicMedia": "Combines AI-generated and recorded material",
}
#: Examining takes seconds of a core; more than this at once would starve everybody else.
AT_ONCE: Final = 2
PATIENCE: Final = 20.0  # seconds to wait for one's turn
QUEUE: Final = 4  # who may wait; each holds a thread that others need
_turns = threading.BoundedSemaphore(AT_ONCE)
_places = threading.BoundedSemaphore(AT_ONCE + QUEUE)
FILES: Final = 30  # a minute and address
_MARKS: Final = {True: "met", False: "unmet", None: "later"}


@dataclass(frozen=True, slots=True)
class Line:
    """One finding and the technique it rests on. standing: met, unmet, or later for neither."""

    icon: str
    technique: str
    title: str
    text: str
    standing: str


@dataclass(frozen=True, slots=True)
class Fact:
    """A thing the credential or the log says, and the technique it rests on."""

    title: str
    text: str
    icon: str
    technique: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows, by how deep one looks: the word; who, with what and when (`summary`);
    how and under which rules (`story`, `lines`); everything, signed (`raw`, `statement`)."""

    level: str
    tone: str
    headline: str
    meaning: str
    sentence: str
    summary: tuple[Fact, ...]
    story: tuple[Fact, ...]
    lines: tuple[Line, ...]
    not_checked: tuple[str, ...]
    raw: dict[str, Any]
    statement: str


def examined(services: Services, account: Account | None, data: bytes, name: str) -> Told:
    """Examine a file and tell. 429 when too many are being examined at this moment, or when one
    address asked too often."""
    source = request.remote_addr or ""
    limiter: Limiter = current_app.extensions["verify_limit"]
    limiter.count(network(source))
    with turn():
        found = services.examiner.examine(account, data, name=name, source=source)
        return told(found, services.examiner.statement(found).decode())


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """One's turn to have a file examined. 429 when too many are at it: at once when too many wait
    for their turn already."""
    if not _places.acquire(blocking=False):
        raise TooManyRequests(retry_after=int(PATIENCE) + 1)
    try:
        if not _turns.acquire(timeout=PATIENCE):
            raise TooManyRequests(retry_after=int(PATIENCE) + 1)
        try:
            yield
        finally:
            _turns.release()
    finally:
        _places.release()


def told(found: Verdict, statement: str) -> Told:
    """A verdict of the examiner and its signed statement, for the page."""
    tone, headline, meaning = RUNGS[found.level]
    lines = tuple(
        Line(*TECHNIQUES[line.technique], line.title, line.text, _MARKS[line.good])
        for line in found.lines
    )
    return Told(found.level.value, tone, headline, meaning, found.sentence, _summary(found),
                _story(found), lines, found.not_checked, dict(found.to_json()),
                statement)  # fmt: skip


def _fact(title: str, text: str, technique: Technique = Technique.CREDENTIAL) -> Fact:
    return Fact(title, text, *TECHNIQUES[technique])


def _summary(found: Verdict) -> tuple[Fact, ...]:
    """Who issued it, with what and when; nothing of a credential that cannot be relied on."""
    claims = found.manifest.claims if found.relied else None
    if claims is None:
        return ()
    signed = found.manifest.signed_at
    source = claims.source_type.rpartition("/")[2]
    facts = (
        ("Issued by", found.manifest.issuer),
        ("Made with", claims.generator),
        ("Signed", f"{signed:%-d %B %Y, %H:%M} UTC" if signed else ""),
        ("What it is", SOURCES.get(source, source)),
    )
    return tuple(_fact(title, text) for title, text in facts if text)


def _story(found: Verdict) -> tuple[Fact, ...]:
    """How it was made and under which rules; where the sources were withheld it says so."""
    claims = found.manifest.claims if found.relied else None
    facts = []
    if claims is not None:
        facts += [_fact("Step", ACTIONS.get(action, action)) for action in claims.actions]
        facts += [_fact("Went in", title) for title in claims.inputs]
        facts += [
            _fact(title, text)
            for title, text in (
                ("Engine", claims.agent),
                ("Consent covers", ", ".join(claims.consent_scope)),
                ("Consent ends", claims.consent_not_after[:10]),
                ("Rule set", claims.policy_sha256[:16]),
                ("Decision", claims.decision_id),
            )
            if text
        ]
    if found.asset is not None:
        facts.append(_fact("Consent now", found.asset.consent_status, Technique.REGISTRY))
        if found.asset.log_index >= 0:
            text = f"entry {found.asset.log_index}: {found.asset.log.value}"
            facts.append(_fact("Release", text, Technique.LOG))
    return tuple(facts)
