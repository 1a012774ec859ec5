"""The console over real services: `world` is made anew for each module, `town` has a story."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from primafacie.platform.web.app import create_app


def _load(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


console_world = _load("console_world")


class Browser:
    """A client that fills in the anti-forgery token, as a browser with the page open would."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **more: Any) -> TestResponse:
        """Load a page."""
        return self.client.get(path, buffered=True, **more)

    def token(self, page: str = "/verify") -> str:
        """The anti-forgery token of a page."""
        found = re.search(r'name="csrf_token" value="([^"]+)"', self.get(page).text)
        assert found, page
        return found[1]

    def post(self, path: str, data: dict[str, Any] | None = None, **more: Any) -> TestResponse:
        """Send a form."""
        return self.client.post(path, data={"csrf_token": self.token()} | (data or {}),
                                buffered=True, **more)  # fmt: skip

    def sign_in(self, email: str, password: str = console_world.PASSWORD) -> TestResponse:
        """Sign in."""
        return self.post("/sign-in", {"email": email, "password": password})


@dataclass
class Town:
    """A world with a story: a project, a consent in force, one video made and one refused."""

    world: Any
    project: Any
    consent: Any
    receipt: str
    photos: list[bytes]
    released: str
    refused: str
    waiting: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An installation with one account per role."""
    made = console_world.make_world(tmp_path_factory.mktemp("world"), public_url="http://localhost")
    with made.services:
        yield made


@pytest.fixture(scope="module")
def app(world: Any) -> Flask:
    """The console over it."""
    made = create_app(world.services)
    made.testing = False  # errors become pages, as for visitors
    return made


@pytest.fixture(scope="module")
def town(world: Any) -> Town:
    """The world, a little later."""
    world.grant()
    project = world.project()
    consent, receipt, photos = world.consent(project)
    submit = world.services.requests.submit
    order = lambda **more: console_world.order(project, consent, photos[0], **more)  # noqa: E731
    me = world.account("researcher")
    released = submit(me, order()).rid
    refused = submit(me, order(purpose="demonstration", audience="public")).rid
    world.work()
    return Town(world, project, consent, receipt, photos, released, refused,
                submit(me, order()).rid)  # fmt: skip


@pytest.fixture
def visit(app: Flask, world: Any) -> Callable[[str], Browser]:
    """A browser signed in with a role; "" stays a stranger."""

    def browser(role: str = "") -> Browser:
        made = Browser(app)
        if role:
            assert made.sign_in(world.email(role)).status_code == 302
        return made

    return browser


@pytest.fixture
def last_entry(world: Any) -> Callable[..., Any]:
    """The newest log leaf."""

    def read() -> Any:
        journal = world.services.journal
        with journal.database.read() as tx:
            return journal.log.leaf(tx, journal.log.size(tx) - 1)

    return read


@pytest.fixture
def png() -> Callable[[int], bytes]:
    """Small pictures, another one for each number."""
    return console_world.png  # type: ignore[no-any-return]


@pytest.fixture
def wav() -> Callable[..., bytes]:
    """A hum of some seconds."""
    return console_world.wav  # type: ignore[no-any-return]


@pytest.fixture
def order() -> Callable[..., Any]:
    """A submission that everything speaks for."""
    return console_world.order  # type: ignore[no-any-return]
