"""Told: a verdict on a found file, in neutral words for people who know none of the techniques."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

#: The ladder, best first: level -> (tone, headline, what it means).
RUNGS: Final[dict[str, tuple[str, str, str]]] = {
    "EXACT": ("ok", "This is the very file that was issued here",
              "Its bytes are those in the public log. It was made with an AI tool."),
    "AUTHENTIC": ("ok", "Its credentials are intact",
                  "The signed credentials fit the file. It was made with an AI tool."),
    "RECOVERED": ("warn", "Made here, changed since",
                  "The credentials are gone or do not fit, but the invisible mark leads to the log."),
    "UNRECOGNISED_ISSUER": ("wait", "Signed by somebody we do not know",
                            "The credentials are whole, but this may not come from where it says."),
    "ALTERED": ("bad", "The credentials do not fit the file",
                "The file may have been tampered with. Watch with caution."),
    "REVOKED": ("bad", "The consent behind it has ended",
                "It was made here, and the person has since withdrawn. Please do not share it."),
    "NO_CREDENTIAL": ("off", "Nothing was found",
                      "That does not make it real: marks and credentials can be missing."),
}  # fmt: skip
TECHNIQUES: Final[dict[str, tuple[str, str]]] = {
    "log": ("list-check", "Public log"),
    "metadata": ("certificate", "Content Credentials"),
    "manifest": ("certificate", "Content Credentials"),
    "watermark": ("wave-square", "Invisible mark"),
    "fingerprint": ("fingerprint", "Fingerprint"),
    "consent": ("user-check", "Consent"),
    "time": ("clock", "Time stamp"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One finding and the technique it rests on."""

    icon: str
    technique: str
    text: str


@dataclass(frozen=True, slots=True)
class Told:
    """What the page shows."""

    level: str
    tone: str
    headline: str
    meaning: str
    sentence: str
    lines: tuple[Line, ...]
    raw: Any


def told(found: Any) -> Told:
    """A verdict of the examiner, for the page."""
    level = str(getattr(found.level, "value", found.level)).upper().replace("-", "_")
    tone, headline, meaning = RUNGS.get(level, ("off", level.capitalize(), ""))
    return Told(level, tone, headline, meaning, str(found.sentence), tuple(_lines(found.lines)),
                found.to_json())  # fmt: skip


def _lines(lines: Iterable[Any]) -> Iterable[Line]:
    for line in lines:
        technique, text = _parts(line)
        icon, name = TECHNIQUES.get(technique, ("info-circle", technique.capitalize()))
        yield Line(icon, name, text)


def _parts(line: Any) -> tuple[str, str]:
    if isinstance(line, str):
        head, separator, rest = line.partition(": ")
        return (head.lower(), rest) if separator else ("finding", line)
    if isinstance(line, tuple):
        return str(line[0]), str(line[-1])
    return str(line.technique), str(getattr(line, "text", getattr(line, "sentence", "")))
