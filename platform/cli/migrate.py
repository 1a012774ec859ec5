"""primafacie migrate: bring the database to the schema this version needs."""

from __future__ import annotations

import click

from primafacie.platform.cli import answer


@click.command("migrate")
@answer.json_option
def migrate(as_json: bool) -> None:
    """Bring the schema up to date. Every other command does so too."""
    from primafacie.platform.database import Database
    from primafacie.platform.settings import Settings

    settings = Settings.read()
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    database = Database.open(settings.url)
    before = database.version
    database.upgrade()
    after = database.version
    database.close()
    answer.say(as_json, {"before": before, "after": after}, f"{before or 'empty'} -> {after}")
