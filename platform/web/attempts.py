"""Attempts: how often one address may try to come in, by sign-in or by an invitation.

Each costs a slow hash, or a place in the database.
"""

from __future__ import annotations

from typing import Final

from flask import current_app, request
from werkzeug.exceptions import TooManyRequests

from primafacie.platform.source import network
from primafacie.platform.web.limits import Limiter
from primafacie.platform.web.logged import because

MOST: Final = 20  # failed ones in a minute


def count() -> None:
    """Count this one, or raise TooManyRequests."""
    seconds = _limit().wait(network(request.remote_addr or ""))
    if seconds:
        because("too_often")
        raise TooManyRequests(retry_after=seconds)


def forgive() -> None:
    """It was right, and does not count."""
    _limit().forgive(network(request.remote_addr or ""))


def _limit() -> Limiter:
    found: Limiter = current_app.extensions["signin_limit"]
    return found
