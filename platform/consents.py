"""Consents: a person's permission from the invitation to its end, every side of it in one object.

- the subject, by a one-time link: capture.py
- stewards, reviewers, the worker: review.py
- the subject, by the token on the receipt: portal.py
"""

from __future__ import annotations

from primafacie.platform.capture import Capture, Choices, Invitation, Prepared
from primafacie.platform.consent_book import (
    ConsentTools,
    ConsentView,
    Evidence,
    Offer,
    PhotoView,
    ReceiptFile,
    Transition,
)
from primafacie.platform.portal import MyConsent, Portal, Use

__all__ = [
    "Choices",
    "ConsentTools",
    "ConsentView",
    "Consents",
    "Evidence",
    "Invitation",
    "MyConsent",
    "Offer",
    "PhotoView",
    "Prepared",
    "ReceiptFile",
    "Transition",
    "Use",
]


class Consents(Capture, Portal):
    """The consents of one installation."""
