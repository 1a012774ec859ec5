"""Retention: how long what is kept, in one table. The worker keeps to it, the public page shows it.

A rule that is not in this table is not kept to, and one that is in it is: both are made of the same
rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from primafacie.platform.review import LONGEST_IDLE
from primafacie.platform.settings import Settings

if TYPE_CHECKING:
    from primafacie.platform.wiring import Services

_log = structlog.get_logger("retention")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: what is kept, how long, why no longer. job: what ends it; how many things it ended.

    `job` is None where something else in the same transaction ends it, and `how` says what.
    """

    what: str
    period: Callable[[Settings], str]
    how: str
    job: Callable[[Services], int] | None


def schedule(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """(what, how long, how it ends), as this installation keeps it: the public page's rows."""
    return tuple((rule.what, rule.period(settings), rule.how) for rule in RULES)


def enforce(services: Services) -> dict[str, int]:
    """Keep to every rule now: what -> how many things were ended. A rule that cannot be kept to
    is logged and left out, and the others are kept to."""
    done = {}
    for rule in RULES:
        if rule.job is None:
            continue
        try:
            done[rule.what] = rule.job(services)
        except Exception:
            _log.exception("not kept to", rule=rule.what)
    return done


def _outputs(s: Services) -> int:
    return s.assets.delete_due(s.journal.clock() - timedelta(days=s.settings.output_days))


def _uploads(s: Services) -> int:
    done = s.requests.forget_uploads(s.journal.clock() - timedelta(days=s.settings.upload_days))
    return done + s.vault.drop_unwanted()


def _drafts(s: Services) -> int:
    return s.consents.erase_unanswered(s.journal.clock() - timedelta(days=s.settings.draft_days))


def _ended(s: Services) -> int:
    return s.consents.erase_ended(s.journal.clock() - timedelta(days=s.settings.record_days))


def _takedowns(s: Services) -> int:
    return s.takedowns.forget(s.journal.clock() - timedelta(days=s.settings.record_days))


def _opt_outs(s: Services) -> int:
    return s.opt_outs.forget(s.journal.clock() - timedelta(days=s.settings.draft_days))


def _days(name: str, after: str) -> Callable[[Settings], str]:
    return lambda settings: f"{getattr(settings, name)} days {after}"


#: Order counts: a consent that ends in one row is erased by a later one when its time has come.
RULES: Final[tuple[Rule, ...]] = (
    Rule("What describes a face or a voice (biometric templates)",
         lambda s: "until the purpose is fulfilled: withdrawal, the end of the consent, or "
         f"{LONGEST_IDLE.days // 365} years after the last contact, whichever comes first",
         "the rows are deleted and the person's key is replaced, in the transaction that ends the "
         "consent", lambda s: s.consents.expire()),
    Rule("Videos under a withdrawn consent, and those taken down",
         lambda s: "locked away at once, deleted within 48 hours; what a takedown request alone "
         "locked away waits for a person's decision first",
         "the file is deleted, with the still, the sound and the movement beside it, the small "
         "picture on the person's page and the fingerprint of what it shows; its number, digest "
         "and credential stay, so that a copy can still be recognised", _outputs),
    Rule("Other videos", _days("output_days", "after their release"), "the same", None),
    Rule("The credentials that were signed (manifests): digests, times, places in the log",
         lambda s: "as long as copies may be found", "nothing: they name and show nobody, and "
         "a copy that lost its credential is recognised by them", None),
    Rule("Photos and sound clips of a request", _days("upload_days", "after it ended"),
         "file, row and the file's own key are deleted", _uploads),
    Rule("An invitation that came to nothing: name, contact, photos, recording",
         _days("draft_days", "after it expired or was rejected; at once when it was declined"),
         "everything is erased with the person's key", _drafts),
    Rule("A consent that was in force: the signed record, its photos and evidence, name, contact",
         _days("record_days", "after it ended, or at once when the person asks"),
         "everything is erased with the person's key", _ended),
    Rule("Who asked to have a video taken down, and what they wrote",
         _days("record_days", "after the decision"), "erased with their key", _takedowns),
    Rule("Photos sent to the never-me list", lambda s: "until the template is made or refused",
         "file, row and key are deleted; the template stays until the person leaves the list",
         None),
    Rule("Who asked to be on the never-me list with photos that would not do",
         _days("draft_days", "after they were told; at once when a reviewer declines"),
         "erased with their key", _opt_outs),
    Rule("Notices to subjects", lambda s: "30 days", "the rows are deleted",
         lambda s: s.notifications.forget()),
    Rule("Which browsers an account was used from, as a digest of a cookie",
         lambda s: "a year; where its invitation was redeemed, as long as the account",
         "the rows are deleted", lambda s: s.invitations.forget()),
    Rule("The log's encrypted payloads", lambda s: "as long as the person they are about is known",
         "their key is destroyed with the person's; the log's leaves stay and name nobody", None),
    Rule("Files that nothing refers to", lambda s: "one hour", "the file is deleted",
         lambda s: s.vault.sweep()),
    Rule("Erased rows in the database's own files", lambda s: "until the next sweep, minutes later",
         "the write-ahead log is emptied; deleted rows are overwritten",
         lambda s: int(s.consents.scrub())),
)  # fmt: skip
