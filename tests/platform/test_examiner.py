"""The examiner over real records: what was revoked a moment ago shows with the next question."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any


def test_a_revoked_certificate_shows_with_the_next_question(house: Any, newsroom: Any) -> None:
    services = house.services
    data = newsroom.data
    unproven = replace(newsroom.registry.records[0], leaf=b"", proof="")  # of another log
    examiner = replace(
        services.examiner,
        roots=(newsroom.pki.root_pem, newsroom.pki.time_root_pem),
        keys=(),
        assets=type(newsroom.registry)([unproven]),
    )
    found = examiner.examine(None, data)
    assert found.level.name == "AUTHENTIC"
    assert not any("certificate was revoked" in text for text in found.not_checked)
    since = datetime.now(UTC) - timedelta(days=1)
    services.revocations.revoke("operator", found.manifest.serials[0], since)
    assert examiner.examine(None, data).level.name == "REVOKED"
    offline = examiner.examine(None, data, offline=True)
    assert offline.level.name == "AUTHENTIC"
    assert any("certificate was revoked" in text for text in offline.not_checked)
