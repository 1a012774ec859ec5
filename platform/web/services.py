"""The services this app was made with, for screens and API resources."""

from __future__ import annotations

from flask import current_app

from primafacie.platform.wiring import Services


def services() -> Services:
    """The one Services object given to create_app."""
    found: Services = current_app.extensions["primafacie"]
    return found
