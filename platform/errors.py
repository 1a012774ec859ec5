"""Everything the platform raises.

PlatformError
├── SettingsError      the installation may not start like this
├── KeyringError       the keys cannot be read, opened or created
├── UnavailableError   it cannot be logged or stored now, so it is not done
├── InputError         bad input: the message names the thing and the limit
│   └── TooLargeError  more bytes than allowed
├── SignInError        nobody is signed in: wrong name, password or token
├── AccessError        signed in, but not allowed to do this
├── NotFoundError      there is no such thing, or it is not yours to see
├── ConflictError      the thing is in a state that does not allow it
└── LinkError          the one-time link is unknown, used or expired

`status` is the HTTP status that tells the same.
"""

from __future__ import annotations

from typing import ClassVar


class PlatformError(Exception):
    """Base of the family; its text is fit to show to the person who asked."""

    status: ClassVar[int] = 500


class SettingsError(PlatformError):
    """The installation may not start like this."""


class KeyringError(PlatformError):
    """The keys cannot be read, opened or created."""


class UnavailableError(PlatformError):
    """It cannot be logged or stored now, so it is not done."""

    status = 503


class InputError(PlatformError):
    """Bad input; the message names the thing and the limit."""

    status = 400


class TooLargeError(InputError):
    """More bytes than allowed."""

    status = 413


class SignInError(PlatformError):
    """Nobody is signed in: wrong name, password or token. The text is the same for all causes."""

    status = 401


class AccessError(PlatformError):
    """Signed in, but not allowed to do this."""

    status = 403


class NotFoundError(PlatformError):
    """There is no such thing, or it is not yours to see."""

    status = 404


class ConflictError(PlatformError):
    """The thing is in a state that does not allow it."""

    status = 409


class LinkError(PlatformError):
    """The one-time link is unknown, used or expired."""

    status = 410
