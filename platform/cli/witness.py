"""primafacie audit witness: be a witness for somebody else's log; C2SP tlog-witness over HTTP."""

from __future__ import annotations

import secrets
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from primafacie.platform.cli import opened

if TYPE_CHECKING:
    from primafacie.audit.witness import Witness

TIMEOUT: Final = 10  # seconds a caller may stay silent


@click.command("witness")
@click.option(
    "--name", required=True, help="The witness's name, like witness.example.org; for ever."
)
@click.option("--log", "logs", multiple=True, required=True,
              help="Public key (vkey) of a log to witness; all of one log's.")  # fmt: skip
@click.option("--key-file", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="Its own key: 32 random bytes, made when there is no such file.")  # fmt: skip
@click.option("--state", required=True, type=click.Path(dir_okay=False, path_type=Path),
              help="What it remembers. Never put an older copy of it back.")  # fmt: skip
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8100, show_default=True, type=click.IntRange(0, 65535))
def witness(
    name: str, logs: tuple[str, ...], key_file: Path, state: Path, host: str, port: int
) -> None:
    """Remember the last checkpoint of each log and cosign the next one only if it extends it.

    On a machine that the log's owner does not control; needs no installation of ours beside it.
    Put TLS in front. Prints its public key, for the log's setting `witnesses`.
    """
    from primafacie.audit.errors import AuditError
    from primafacie.audit.note import Algorithm, NoteSigner, parse_vkey
    from primafacie.audit.witness import Witness
    from primafacie.platform.clock import now
    from primafacie.platform.errors import InputError

    try:
        known: dict[str, list[str]] = {}
        for vkey in logs:
            known.setdefault(parse_vkey(vkey).name, []).append(vkey)
        signer = NoteSigner.from_seed(name, _seed(key_file), Algorithm.ED25519_COSIGNATURE)
        made = Witness(signer, known, state, now)
    except AuditError as error:
        raise InputError(str(error)) from error
    server = ThreadingHTTPServer((host, port), _desk(made))
    click.echo(f"{made.vkeys[0]}\nhttp://{host}:{server.server_port}")
    try:
        server.serve_forever()
    finally:
        server.server_close()


def _seed(file: Path) -> bytes:
    if not file.exists():
        opened.write(file, secrets.token_bytes(32))
        file.chmod(0o600)
    return opened.read(file)


def _desk(made: Witness) -> type[BaseHTTPRequestHandler]:
    """Answers add-checkpoint, and nothing else."""
    from primafacie.audit.errors import WitnessError
    from primafacie.audit.witness import MAX_BODY_BYTES

    one_at_a_time = threading.Lock()

    class Desk(BaseHTTPRequestHandler):
        timeout = TIMEOUT
        server_version, sys_version = "witness", ""

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/add-checkpoint":
                self._say(404, "there is nothing at this address\n")
            elif not length.isdecimal() or int(length) > MAX_BODY_BYTES:
                self._say(413, "too long, or of no length\n")
            else:
                self._add(self.rfile.read(int(length)))

        def _add(self, body: bytes) -> None:
            try:
                with one_at_a_time:
                    lines = made.add_checkpoint(body)
            except WitnessError as error:
                if error.status == 409 and error.known_size is not None:
                    self._say(409, f"{error.known_size}\n", "text/x.tlog.size")
                else:
                    self._say(error.status, f"{error}\n")
            else:
                self._say(200, lines)

        def _say(self, status: int, text: str, kind: str = "text/plain; charset=utf-8") -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            click.echo(f"{self.address_string()} {format % args}", err=True)

    return Desk
