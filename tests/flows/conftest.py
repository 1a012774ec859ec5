"""One installation with an active consent, built once and copied for every test that changes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.entry import TERMINAL
from primafacie.generator.controls import Controls
from primafacie.platform.requests import Submission
from primafacie.platform.settings import Settings
from primafacie.platform.walkthrough import Walkthrough, speak
from primafacie.platform.wiring import Services

SAID = "Mum may be home by five, and maybe Bob will bring some bread for all of us."


@dataclass
class World:
    """An installation on disk and what a researcher needs to ask it for a video."""

    folder: Path
    researcher_id: str
    reviewer_id: str
    auditor_id: str
    project_id: str
    consent_id: str
    consent_token: str
    portrait: bytes = field(repr=False)
    voice: bytes = field(repr=False)

    @property
    def settings(self) -> Settings:
        return Settings(data_dir=self.folder / "data", lease_seconds=1.0)

    def open(self) -> Services:
        return Services.open(self.settings)

    def copy(self, folder: Path) -> World:
        shutil.copytree(self.folder / "data", folder / "data")
        return replace(self, folder=folder)

    def submission(self, **changes: Any) -> Submission:
        base = Submission(
            project_id=self.project_id,
            consent_id=self.consent_id,
            purpose="demonstration",
            audience="public",
            photo=self.portrait,
            voice=self.voice,
            controls=Controls(size=256, transcript=SAID, seed=3),
            voice_synthetic=True,
        )
        return replace(base, **changes)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    with Services.open(Settings(data_dir=folder / "data", lease_seconds=1.0)) as services:
        walk = Walkthrough(services, folder)
        with services.gate() as gate:
            walk.gate = gate
            walk.people()
            walk.consent()
        assert walk.cast is not None
        return World(
            folder=folder,
            researcher_id=walk.cast.researcher.user_id,
            reviewer_id=walk.cast.reviewer.user_id,
            auditor_id=walk.cast.auditor.user_id,
            project_id=walk.cast.project_id,
            consent_id=walk.consent_id,
            consent_token=walk.consent_token,
            portrait=walk.portrait,
            voice=speak(SAID),
        )


@pytest.fixture
def world(built: World, tmp_path: Path) -> World:
    return built.copy(tmp_path)


@pytest.fixture
def services(world: World) -> Iterator[Services]:
    with world.open() as services:
        yield services


@pytest.fixture
def ask(world: World, services: Services) -> Callable[..., str]:
    """Submit a request; returns its id."""

    def submit(**changes: Any) -> str:
        researcher = services.accounts.find(world.researcher_id)
        assert researcher is not None
        return services.requests.submit(researcher, world.submission(**changes)).rid

    return submit


@pytest.fixture
def outcomes() -> Callable[[Services, str], list[str]]:
    """The terminal entries of a request, read from the leaves themselves."""

    def read(services: Services, rid: str) -> list[str]:
        with services.database.read() as tx:
            size = services.log.size(tx)
            leaves = [json.loads(services.log.leaf_bytes(tx, index)) for index in range(size)]
        return [leaf["e"] for leaf in leaves if leaf["rid"] == rid and leaf["e"] in set(TERMINAL)]

    return read
