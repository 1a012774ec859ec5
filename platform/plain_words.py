"""Plain words: a consent record as its giver reads it, before signing and ever after.

Whatever the record allows is named here, in one place for every page and export: what is not told
was not agreed to.
"""

from __future__ import annotations

from typing import Final

from primafacie.safeguards.consent import MOTION_WORDS, PURPOSES, ConsentRecord, SubjectKind

AUDIENCES: Final = {
    "internal": "the research group only",
    "review-panel": "the research group, reviewers and examiners",
    "publication": "readers of a scientific publication as well",
    "public": "anybody",
}
VOICES: Final = {
    "own": "your own: clips you registered, or clips in which the system is sure to hear you",
    "synthetic": "a synthetic voice, which is not yours: you can be shown saying words that you "
    "never said, in a voice that you never had",
    "clips": "only the clips you registered",
}
LIVENESS: Final = (
    "typed, and checked by nobody", "a recorded statement, looked at by a reviewer",
    "a reviewer saw you live",
)  # fmt: skip
#: Fields that are no permission: names, digests and how the record hangs together.
NOT_TOLD: Final = frozenset(
    {"consent_id", "prev_sha256", "subject_id", "subject_key", "notice_sha256", "lawful_basis",
     "schema"}
)  # fmt: skip


def plain_words(record: ConsentRecord) -> tuple[tuple[str, str], ...]:
    """(what, how) of everything the record says, in the order it is read."""
    registered = f"{len(record.photos)} registered photos"
    mode = (
        f"only the {registered}" if record.photo_mode == "registered"
        else f"the {registered}, and any other photo in which the system is sure to recognise you"
    )  # fmt: skip
    return (
        ("Who", f"{record.controller} may make videos in which this face speaks"),
        ("Whose face", _kind(record)),
        ("Who may ask", _asking(record)),
        ("What for", " ".join(PURPOSES[p] for p in record.purposes)),
        ("In detail", record.purpose_text),
        ("Who may see them", AUDIENCES[record.audience]),
        ("How many", f"at most {record.max_outputs}, {record.max_per_day} a day"),
        ("How long and how large", f"at most {record.max_seconds} seconds and {record.max_side} "
         "pixels on the longer side"),
        ("Languages", ", ".join(record.languages) or "any"),
        ("Which photos", mode),
        ("Whose voice", VOICES[record.voice_source]
         + (f" ({len(record.voices)} clips registered)" if record.voices else "")),
        ("Movement as data", MOTION_WORDS if record.motion else "no: the movement of the face may "
         "not be handed out as data"),
        ("Written in every picture", f"“{record.label}”, along the lower edge" if record.label
         else "nothing that can be seen; the mark in picture and sound is invisible"),
        ("In force", f"from {record.not_before[:10]} to {record.not_after[:10]} (UTC), or until "
         "it is withdrawn"),
        ("Never", ", ".join(record.prohibited)),
        ("Age", "you say that you are an adult" if record.adult == "adult" else record.adult),
        ("Law", f"of {record.jurisdiction}" if record.jurisdiction else "no country was named"),
        ("How strongly given", LIVENESS[record.liveness]
         + (f"; {len(record.evidence)} documents or recordings" if record.evidence else "")),
        ("Notice", f"in the language {record.notice_language}, as you read it"),
        ("Version", str(record.version)),
    )  # fmt: skip


def sentence(record: ConsentRecord) -> str:
    """The same as one text."""
    return " ".join(f"{what}: {how}." for what, how in plain_words(record))


def _kind(record: ConsentRecord) -> str:
    return {
        SubjectKind.LIVING: "a living person's",
        SubjectKind.SELF_DECLARED: "a living person's, by their own word alone",
        SubjectKind.SYNTHETIC: "that of somebody who does not exist",
        SubjectKind.ARTWORK: "that of a work of art",
    }.get(SubjectKind(record.subject_kind), record.subject_kind)


def _asking(record: ConsentRecord) -> str:
    parts = []
    if record.projects:
        parts.append(f"approved researchers of {len(record.projects)} named project(s)")
    if record.requesters:
        parts.append(f"{len(record.requesters)} named person(s)")
    return " and ".join(parts) or "nobody"
