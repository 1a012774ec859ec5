"""The console's screens, one file each."""

from __future__ import annotations

from flask import Blueprint


def all_blueprints() -> tuple[Blueprint, ...]:
    """Every screen, in the order of the menu."""
    from primafacie.platform.web.screens import (
        account, approvals, audit, capture, consents, home, integrity, jobs, likeness, people,
        policies, projects, request, signin, verify,
    )  # fmt: skip

    screens = (signin, home, request, jobs, projects, approvals, consents, capture, likeness,
               people, account, audit, integrity, verify, policies)  # fmt: skip
    return tuple(screen.blueprint for screen in screens)
