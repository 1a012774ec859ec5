"""Plain words: a consent record as its giver reads it, before signing and ever after.

Whatever the record allows is named here, in one place for every page and export: what is not told
was not agreed to.
"""

from __future__ import annotations

from typing import Final

from primafacie.safeguards.consent import (
    MOTION_WORDS,
    PURPOSES,
    RELATIONS,
    ConsentRecord,
    SubjectKind,
)

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
ESTATE_VOICES: Final = VOICES | {
    "synthetic": "a synthetic voice, which is not theirs: they can be shown saying words that they "
    "never said, in a voice that they never had",
}
STRICT: Final = (
    "the system recognises the face under a stricter measure, and each time a reviewer, who did "
    "not ask for the video, compares the photos before it is made"
)
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
        ("Who speaks", f"you, for an estate, as {RELATIONS.get(record.estate, record.estate)}"
         if record.estate else "you, for yourself"),
        ("Who may ask", _asking(record)),
        ("What for", " ".join(PURPOSES[p] for p in record.purposes)),
        ("In detail", record.purpose_text),
        ("Who may see them", AUDIENCES[record.audience]),
        ("How many", f"at most {record.max_outputs}, {record.max_per_day} a day"),
        ("How long and how large", f"at most {record.max_seconds} seconds and {record.max_side} "
         "pixels on the longer side"),
        ("Languages", ", ".join(record.languages) or "any"),
        ("Which photos", mode),
        ("How sure it must be", STRICT if record.strict else "the system recognises the face"),
        ("Whose voice", (ESTATE_VOICES if record.estate else VOICES)[record.voice_source]
         + (f" ({len(record.voices)} clips registered)" if record.voices else "")),
        ("Movement as data", MOTION_WORDS if record.motion else "no: the movement of the face may "
         "not be handed out as data"),
        ("Written in every picture", written(record)),
        *((("Caption", _CAPTIONS[record.caption]),) if record.caption else ()),
        ("In force", f"from {record.not_before[:10]} to {record.not_after[:10]} (UTC), or until "
         "it is withdrawn"),
        ("Never", ", ".join(record.prohibited)),
        ("Age", _age(record)),
        ("Law", f"of {record.jurisdiction}" if record.jurisdiction else "no country was named"),
        ("How strongly given", ("typed; two reviewers look at what the estate shows"
                                if record.estate else LIVENESS[record.liveness])
         + (f"; {len(record.evidence)} documents or recordings" if record.evidence else "")),
        ("Notice", f"in the language {record.notice_language}, as you read it"),
        ("Version", str(record.version)),
    )  # fmt: skip


def sentence(record: ConsentRecord) -> str:
    """The same as one text."""
    return " ".join(f"{what}: {how}." for what, how in plain_words(record))


_CAPTIONS = {
    place: f"a sentence in {where}: that it is AI-generated, and by whose consent"
    for place, where in (
        ("start", "the first three seconds"), ("end", "the last three seconds"),
        ("both", "the first and the last three seconds"),
    )
}  # fmt: skip


def written(record: ConsentRecord) -> str:
    """What a viewer reads all the time, and where."""
    words = f"“{record.label}”" if record.label else "that it is AI-generated"
    if record.label_position:
        return f"{words}, {record.label_position.replace('-', ' ')}"
    if record.label:
        return f"{words}, along the lower edge unless the requester moves it"
    return f"{words}; it may be left out of a video for the research group and its reviewers alone"


def _kind(record: ConsentRecord) -> str:
    return {
        SubjectKind.LIVING: "a living person's",
        SubjectKind.SELF_DECLARED: "a living person's, by their own word alone",
        SubjectKind.SYNTHETIC: "that of somebody who does not exist",
        SubjectKind.ARTWORK: "that of a work of art",
        SubjectKind.DECEASED: "that of somebody who has died",
    }.get(SubjectKind(record.subject_kind), record.subject_kind)


def _age(record: ConsentRecord) -> str:
    if record.subject_kind == SubjectKind.DECEASED:
        return "you say that they were an adult"
    return "you say that you are an adult" if record.adult == "adult" else record.adult


def _asking(record: ConsentRecord) -> str:
    parts = []
    if record.projects:
        parts.append(f"approved researchers of {len(record.projects)} named project(s)")
    if record.requesters:
        parts.append(f"{len(record.requesters)} named person(s)")
    return " and ".join(parts) or "nobody"
