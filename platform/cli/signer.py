"""primafacie signer: the process that holds the C2PA key, for workers that only ask it."""

from __future__ import annotations

import signal
import socket
from pathlib import Path
from typing import Any

import click


@click.command("signer")
@click.option("--socket", "path", type=click.Path(dir_okay=False, path_type=Path), default=None,
              help="Where to listen; signer_socket of the workers. Default: run/signer in the data "
              "folder.")  # fmt: skip
@click.option("--allow-uid", "uids", multiple=True, type=click.IntRange(0),
              help="A user id that may ask beside the signer's own.")  # fmt: skip
def signer(path: Path | None, uids: tuple[int, ...]) -> None:
    """Sign C2PA claims for workers until stopped. The key never leaves this process."""
    from primafacie.platform.cli import answer
    from primafacie.platform.settings import Settings
    from primafacie.platform.signing import Keeper, desk
    from primafacie.safeguards.provenance.signer import harden, serve

    harden()
    settings = Settings.read()
    answer.log_to_stderr(settings.log_level)
    place = path or settings.signer_socket or settings.data_dir / "run" / "signer"
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    keeper = Keeper(settings)
    over, end = socket.socketpair()

    def stop(number: int, frame: Any) -> None:
        end.close()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        serve(place, desk(settings, keeper, frozenset(uids)), over,
              lambda: click.echo(f"Signing at {place}", err=True))  # fmt: skip
    finally:
        keeper.close()
        over.close()
