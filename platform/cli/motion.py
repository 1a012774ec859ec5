"""primafacie motion: whether a found motion file is ours, and what it belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from primafacie.platform.cli import answer, opened

if TYPE_CHECKING:
    from primafacie.safeguards.asset import AssetRecord
    from primafacie.safeguards.motion_file import MotionReading


@click.command("motion")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@answer.json_option
def motion(file: Path, as_json: bool) -> None:
    """Examine a motion FILE (.json, .csv, .glb): its signature, its numbers, the release it
    belongs to. Exit code 4 unless it is ours, whole, and its consent stands."""
    from primafacie.generator.errors import EngineError
    from primafacie.platform.errors import InputError

    data = opened.read(file)
    with opened.services() as services:
        try:
            reading, record = services.examiner.motion(data)
        except EngineError as error:
            raise InputError(str(error)) from error
        consent = services.likenesses.find(record.consent_id) if record else None
        allowed = consent is not None and consent.record.motion
    word, sentence = _verdict(reading, record, allowed)
    claims = reading.claims
    document = {
        "verdict": word,
        "sentence": sentence,
        "format": reading.form,
        "sha256": reading.sha256,
        "asset": claims.asset if claims else None,
        "consent": record.consent_status if record else None,
    }
    answer.say(as_json, document, f"{word.lower().replace('_', ' ')}: {sentence}")
    if word != "EXACT":
        raise answer.Unverified


def _verdict(reading: MotionReading, record: AssetRecord | None, allowed: bool) -> tuple[str, str]:
    """A word and a sentence. EXACT alone says that all is well. allowed: the newest version of the
    consent lets movement leave as data."""
    if record is not None and record.revoked_at is not None:
        return "REVOKED", "The video it belongs to was called back."
    if record is not None and record.consent_status != "active":
        return "REVOKED", f"It is ours, but the consent behind it is {record.consent_status}."
    if record is not None and not allowed:
        return "REVOKED", "The person no longer allows their movement to leave as data."
    if reading.signed and not reading.whole:
        return "ALTERED", "It carries our statement, but these are not the numbers we signed."
    if not reading.signed:
        return "NO_CREDENTIAL", "It carries no statement of ours."
    if record is None:
        return "AUTHENTIC", "We signed it, but the register knows no release of it."
    number = f"{record.asset_number:014x}"
    return "EXACT", f"It is ours, unchanged, released beside video {number}."
