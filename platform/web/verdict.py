"""Told: a verdict on a found file, in neutral words for people who know none of the techniques."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

from flask import abort, request

from primafacie.platform.accounts import Account
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
    Level.UNRECOGNISED_ISSUER: ("wait", "Signed by somebody we do not know",
                                "The credentials are whole, but it may come from elsewhere."),
    Level.ALTERED: ("bad", "The credentials do not fit the file",
                    "The file may have been tampered with. Watch with caution."),
    Level.REVOKED: ("bad", "The consent behind it has ended",
                    "It was made here, and may not be used any more. Please do not share it."),
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
#: Examining takes seconds of a core; more than this at once would starve everybody else.
AT_ONCE: Final = 2
PATIENCE: Final = 20.0  # seconds to wait for one's turn
_turns = threading.BoundedSemaphore(AT_ONCE)
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
class Told:
    """What the page shows."""

    level: str
    tone: str
    headline: str
    meaning: str
    sentence: str
    lines: tuple[Line, ...]
    not_checked: tuple[str, ...]
    raw: dict[str, Any]


def examined(services: Services, account: Account | None, data: bytes, name: str) -> Told:
    """Examine a file and tell. 429 when too many are being examined at this moment."""
    if not _turns.acquire(timeout=PATIENCE):
        abort(429)
    try:
        source = request.remote_addr or ""
        return told(services.examiner.examine(account, data, name=name, source=source))
    finally:
        _turns.release()


def told(found: Verdict) -> Told:
    """A verdict of the examiner, for the page."""
    tone, headline, meaning = RUNGS[found.level]
    lines = tuple(
        Line(*TECHNIQUES[line.technique], line.title, line.text, _MARKS[line.good])
        for line in found.lines
    )
    return Told(found.level.value, tone, headline, meaning, found.sentence, lines,
                found.not_checked, dict(found.to_json()))  # fmt: skip
