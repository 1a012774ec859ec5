"""Words: how states, stages, kinds and numbers are told to people. Templates get them from here."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from flask import Flask, current_app, g, url_for
from markupsafe import Markup

from primafacie.audit.errors import AuditError
from primafacie.platform.errors import PlatformError
from primafacie.platform.web import access, checkpoints, headers
from primafacie.platform.wiring import Services
from primafacie.safeguards.consent import AUDIENCES, MOTION_WORDS, PURPOSES

#: What an HTTP error means for the person who sees it.
STATUS: Final[Mapping[int, str]] = {
    400: "The server could not read what was sent.",
    401: "Please sign in first.",
    403: "Your account may not do this.",
    404: "There is nothing at this address.",
    405: "This address does not take that kind of request.",
    413: "What was sent is larger than allowed.",
    415: "This kind of content is not accepted here.",
    429: "Too many requests at once. Wait a minute.",
    500: "Something went wrong on our side. It has been noted.",
    503: "The service cannot answer now. Try again later.",
}
#: state -> (tone, words). Tones: ok, busy, wait, warn, bad, off.
STATES: Final[Mapping[str, tuple[str, str]]] = {
    "queued": ("wait", "Waiting"), "running": ("busy", "Running"),
    "released": ("ok", "Released"), "refused": ("bad", "Refused"),
    "withheld": ("bad", "Withheld"), "failed": ("bad", "Failed"),
    "aborted": ("off", "Aborted"), "cancelled": ("off", "Cancelled"),
    "draft": ("wait", "Waiting for the person"), "captured": ("busy", "Signed, being checked"),
    "under_review": ("warn", "Ready for review"), "active": ("ok", "In force"),
    "suspended": ("warn", "Paused"), "withdrawn": ("off", "Withdrawn"),
    "expired": ("off", "Expired"), "revoked": ("off", "Revoked"),
    "superseded": ("off", "Replaced"), "rejected": ("bad", "Rejected"), "erased": ("off", "Erased"),
    "applied": ("warn", "Waiting for approval"), "approved": ("ok", "Approved"),
    "received": ("warn", "Waiting for a decision"), "upheld": ("ok", "Upheld"),
    "declined": ("off", "Declined"), "listed": ("ok", "On the list"), "open": ("warn", "Open"),
    "answered": ("ok", "Answered"), "removed": ("off", "Removed"),
    "ended": ("off", "Ended"), "met": ("ok", "Met"), "unmet": ("bad", "Not met"),
    "later": ("wait", "Asked at the gate"), "yes": ("ok", "Yes"), "no": ("off", "No"),
}  # fmt: skip
#: Languages of the notices, by their own names.
LANGUAGES: Final[Mapping[str, str]] = {
    "en": "English", "de": "Deutsch", "fr": "Français", "es": "Español", "it": "Italiano",
}  # fmt: skip
#: The stages of a request, in order: the word the worker reports begins with the key.
STAGES: Final[Mapping[str, str]] = {
    "queued": "Waiting for a worker",
    "looking": "Looking whose face it is, asking the policies",
    "drawing": "Moving the face to the voice",
    "sealing": "Marking, signing, asking the policies once more",
}
ROLES: Final[Mapping[str, str]] = {
    "researcher": "asks for videos", "reviewer": "approves people, projects and consents",
    "steward": "invites people and looks after their consents", "auditor": "reads the log",
    "admin": "looks after accounts",
}  # fmt: skip
AUDIENCE_WORDS: Final[Mapping[str, str]] = {
    "internal": "the research group only",
    "review-panel": "reviewers and examiners as well",
    "publication": "readers of a scientific publication",
    "public": "anybody",
}
LABEL_WORDS: Final[Mapping[str, str]] = {
    "": "As the consent has it",
    "bottom": "Below", "top": "Above", "top-left": "Above, left", "top-right": "Above, right",
    "bottom-left": "Below, left", "bottom-right": "Below, right",
    "none": "None, where nobody asks for one",
}  # fmt: skip
CAPTION_WORDS: Final[Mapping[str, str]] = {
    "": "As the consent asks", "start": "First three seconds", "end": "Last three seconds",
    "both": "First and last three seconds",
}  # fmt: skip
KINDS: Final[Mapping[str, str]] = {
    "http.request": "Page or API call",
    "request.received": "Request received",
    "decision.generate": "Policies said yes",
    "decision.refused": "Policies said no",
    "decision.release": "Policies said yes to the release",
    "permit.issued": "Permit issued",
    "generation.started": "Generation started",
    "output.released": "Video released",
    "output.withheld": "Video withheld",
    "output.viewed": "Video handed out",
    "output.quarantined": "Video locked away",
    "output.deleted": "Video deleted",
    "request.failed": "Request failed",
    "request.aborted": "Request broke off",
    "request.cancelled": "Request cancelled",
    "request.cancel_asked": "Somebody asked to stop the request",
    "consent.draft": "Consent drafted",
    "consent.captured": "Consent signed by the person",
    "consent.activated": "Consent put in force",
    "consent.suspended": "Consent paused",
    "consent.resumed": "Consent resumed",
    "consent.withdrawn": "Consent withdrawn",
    "consent.expired": "Consent expired",
    "consent.rejected": "Consent rejected",
    "consent.superseded": "Consent replaced",
    "consent.erased": "Personal data erased",
    "photo.added": "Photo added",
    "evidence.added": "Recording, voice or document added",
    "consent.linked": "Two consents found to be one person's, or no longer",
    "photo.removed": "Photo removed",
    "consent.approved": "Consent approved by one of two",
    "takedown.received": "Takedown asked for",
    "takedown.closed": "Takedown decided",
    "opt_out.received": "Somebody asks never to be shown",
    "opt_out.closed": "Opt-out decided",
    "opt_out.renewal": "Somebody on the never-me list is asked for new photos",
    "match.asked": "A reviewer is asked to compare two faces",
    "match.answered": "A reviewer has compared them",
    "complaint.received": "Complaint received",
    "complaint.answered": "Complaint answered",
    "verify.query": "File checked",
    "verify.feedback": "Answer about a file judged",
    "user.created": "Account made",
    "user.changed": "Account changed",
    "user.approved": "Researcher's access approved",
    "user.suspended": "Account or access closed",
    "user.signed_in": "Signed in",
    "user.sign_in_failed": "Sign-in failed",
    "user.signed_out": "Signed out",
    "project.created": "Project applied for",
    "project.changed": "Project changed",
    "project.approved": "Project approved",
    "project.rejected": "Project rejected",
    "project.closed": "Project ended",
    "policy.activated": "Policies proposed or put in force",
    "key.rotated": "Key changed",
    "certificate.revoked": "Certificate revoked",
    "memory.given": "Memory of the log given back",
    "service.started": "A part of the platform started",
    "service.stopped": "A part of the platform stopped",
    "signature.made": "Credential signed",
    "operator.acted": "The operator acted at the machine",
    "witness.cosigned": "Checkpoint shown to a witness",
    "log.read": "Log read",
    "log.exported": "Log exported",
}
_TONES: Final = {"released": "ok", "activated": "ok", "generate": "ok", "release": "ok",
                 "refused": "bad", "withheld": "bad", "failed": "bad", "rejected": "bad",
                 "withdrawn": "off", "aborted": "off"}  # fmt: skip


def register(app: Flask) -> None:
    """Give every template these words, the signed-in account and the log badge."""
    app.jinja_env.filters.update(
        when=when, day=day, ago=ago, size=size, short=short, state=state_badge, kind=kind,
        tone=kind_tone, plural=plural, pretty=pretty, stamp=stamp, paragraphs=paragraphs,
        moment=moment_text,
    )  # fmt: skip

    @app.context_processor
    def shared() -> dict[str, Any]:
        services: Services = current_app.extensions["primafacie"]
        return {
            "nonce": headers.nonce, "asset": asset, "icon": icon,
            "may": access.may, "me": g.get("account"),
            "settings": services.settings, "STATES": STATES, "STAGES": STAGES, "ROLES": ROLES,
            "PURPOSES": PURPOSES, "AUDIENCES": AUDIENCES, "AUDIENCE_WORDS": AUDIENCE_WORDS,
            "MOTION_WORDS": MOTION_WORDS,
            "LABEL_WORDS": LABEL_WORDS, "CAPTION_WORDS": CAPTION_WORDS,
            "LANGUAGES": LANGUAGES,
            "log_badge": functools.partial(log_badge, services), "now": datetime.now(UTC),
        }  # fmt: skip


def log_badge(services: Services) -> Any:
    """The last checkpoint for the badge on every page, or None when there is none to show."""
    try:
        return checkpoints.told(services.logbook.checkpoint(), tuple(services.log.vkeys))
    except (PlatformError, AuditError):
        return None


@functools.cache
def _digest(name: str) -> str:
    path = Path(__file__).parent / "static" / name
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def asset(name: str) -> str:
    """Address of a static file; its digest is in it, so browsers may keep it for a year."""
    return url_for("static", filename=name, v=_digest(name))


def icon(name: str, label: str = "") -> Markup:
    """One icon of the sprite; decoration unless a label is given."""
    role = (
        Markup('role="img" aria-label="{}"').format(label)
        if label
        else Markup('aria-hidden="true"')
    )
    return Markup('<svg class="icon" {}><use href="{}#{}"></use></svg>').format(
        role, asset("vendor/icons.svg"), name
    )


def moment_of(value: datetime | str | None) -> datetime | None:
    """A time as views give it: aware, as RFC 3339 text, or not there yet."""
    if isinstance(value, str):
        return datetime.fromisoformat(value) if value else None
    return value


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC, for machines."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def when(value: datetime | str | None) -> Markup:
    """A time for people, with the exact one for machines."""
    moment = moment_of(value)
    if moment is None:
        return Markup('<span class="text-secondary">not yet</span>')
    text = moment.astimezone(UTC).strftime("%-d %b %Y, %H:%M")
    return Markup('<time datetime="{}" title="{}">{} UTC</time>').format(
        stamp(moment), stamp(moment), text
    )


def moment_text(value: datetime) -> Markup:
    """A time in a table: short, to the second, in UTC."""
    text = value.astimezone(UTC).strftime("%-d %b, %H:%M:%S")
    return Markup('<time datetime="{}">{}</time>').format(stamp(value), text)


def day(value: datetime | str | None) -> Markup:
    """A date for people."""
    moment = moment_of(value)
    if moment is None:
        return Markup('<span class="text-secondary">none</span>')
    text = moment.astimezone(UTC).strftime("%-d %B %Y")
    return Markup('<time datetime="{}">{}</time>').format(stamp(moment), text)


def ago(value: datetime | str | None) -> str:
    """How long ago, or in how long, in one unit."""
    moment = moment_of(value)
    if moment is None:
        return "never"
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(abs(seconds) // length)
        if count:
            text = plural(count, unit)
            return f"{text} ago" if seconds > 0 else f"in {text}"
    return "just now" if seconds >= 0 else "in a moment"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """`3 videos`, `1 video`, `no videos`."""
    many = nouns or noun + "s"
    return f"{count or 'no'} {noun if count == 1 else many}"


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a text that was wrapped at some width."""
    return [" ".join(part.split()) for part in text.split("\n\n") if part.strip()]


def size(count: int) -> str:
    """Bytes in decimal units."""
    value = float(count)
    for unit in ("bytes", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


def short(digest: str, keep: int = 10) -> Markup:
    """The beginning of a digest, with the whole of it to copy."""
    if not digest:
        return Markup('<span class="text-secondary">none</span>')
    return Markup(
        '<span class="pf-hash" title="{0}"><code>{1}…</code>'
        '<button type="button" class="pf-copy" data-copy="{0}" aria-label="Copy {0}">{2}</button>'
        "</span>"
    ).format(digest, digest[:keep], icon("copy"))


def state_badge(name: str) -> Markup:
    """The state in a badge whose words, not only its colour, tell it."""
    tone, text = STATES.get(str(name), ("off", str(name).replace("_", " ").capitalize()))
    return Markup('<span class="pf-badge pf-{}">{}</span>').format(tone, text)


def kind(name: str) -> str:
    """A log entry's kind in words."""
    plain = str(name).replace(".", ": ").replace("_", " ").replace("-", " ")
    return KINDS.get(str(name), plain[:1].upper() + plain[1:])


def kind_tone(name: str) -> str:
    """The tone of a log entry's kind."""
    return _TONES.get(str(name).rpartition(".")[2], "wait")


def pretty(value: Any) -> str:
    """JSON for people."""
    if isinstance(value, Mapping):
        value = dict(value)
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)
