"""The JSON API, one file per resource."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Blueprint


def all_blueprints() -> tuple[APIBlueprint | Blueprint, ...]:
    """Every resource of /api/v1, and the health page."""
    from primafacie.platform.web.api import consents, health, log, requests, spec, verify

    return tuple(m.blueprint for m in (requests, consents, log, verify, health, spec))
