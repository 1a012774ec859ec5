"""primafacie serve: the console and the API, with a worker beside them if wanted."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import click


@click.command("serve")
@click.option("--worker/--no-worker", default=True, show_default=True,
              help="Also run a worker in a process of its own.")  # fmt: skip
@click.option("--host", default=None, help="Address to listen on.")
@click.option("--port", default=None, type=click.IntRange(1, 65535), help="Port to listen on.")
def serve(worker: bool, host: str | None, port: int | None) -> None:
    """Serve the console and the API until stopped."""
    from primafacie.platform.cli import answer
    from primafacie.platform.settings import Settings
    from primafacie.platform.wiring import Services

    for name, value in (("PRIMAFACIE_HOST", host), ("PRIMAFACIE_PORT", port)):
        if value is not None:
            os.environ[name] = str(value)  # for the worker beside it as well
    settings = Settings.read()
    answer.log_to_stderr(settings.log_level)
    with Services.open(settings) as services:  # says what is wrong before anything listens
        empty = not services.accounts.everybody()
    click.echo(f"Serving on http://{settings.host}:{settings.port}", err=True)
    click.echo(f"Open {settings.public_url}", err=True)
    if empty:
        click.echo("Nobody has an account yet. Make the first one in another terminal:\n"
                   '  ./run user add --email you@example.org --name "Your Name" --role admin',
                   err=True)  # fmt: skip
    with _beside(worker):
        _server(settings)().run()


@contextlib.contextmanager
def _beside(wanted: bool) -> Iterator[None]:
    """A worker for as long as the block lasts."""
    if not wanted:
        yield
        return
    child = subprocess.Popen([sys.executable, "-m", "primafacie.platform.cli", "worker"])
    try:
        yield
    finally:
        child.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(timeout=20)
        if child.poll() is None:
            child.kill()
            child.wait()


def _server(settings: Any) -> Any:
    """gunicorn with one process of many threads: a thread per open stream."""
    from gunicorn.app.base import BaseApplication  # type: ignore[import-untyped]

    from primafacie.audit.entry import Kind
    from primafacie.platform.web.app import create_app
    from primafacie.platform.wiring import Services

    class Server(BaseApplication):  # type: ignore[misc]
        def load_config(self) -> None:
            for name, value in {
                "bind": f"{settings.host}:{settings.port}",
                "worker_class": "gthread",
                "workers": 1,
                "threads": settings.web_threads,
                "timeout": 120,
                "graceful_timeout": 10,
                "accesslog": None,
                "control_socket_disable": True,
                "worker_exit": lambda _server, _worker: self._stopped(),
                "limit_request_line": 4094,
            }.items():
                if name in self.cfg.settings:
                    self.cfg.set(name, value)

        def load(self) -> Any:
            self._services = Services.open(settings)  # after the fork: connections of its own
            self._services.journal.note(Kind.SERVICE_STARTED, "console")
            return create_app(self._services)

        def _stopped(self) -> None:
            if opened := getattr(self, "_services", None):
                opened.journal.note(Kind.SERVICE_STOPPED, "console")
                opened.close()

    return Server
