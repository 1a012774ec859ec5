"""Movement as data takes the road of every output: asked for, consented to, logged, signed."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.generator.controls import Controls
from primafacie.generator.exports import motion_json
from primafacie.generator.motion import still
from primafacie.platform import walkthrough
from primafacie.platform.errors import NotFoundError
from primafacie.platform.jobs import Worker
from primafacie.platform.requests import Submission
from primafacie.platform.settings import Settings
from primafacie.platform.wiring import Services

SAID = "Mum may be home by five."


class Ticked(walkthrough.Walkthrough):
    """A demonstration whose subject agrees to movement as data."""

    def _offer(self) -> Any:
        return replace(super()._offer(), motion=True)


@pytest.fixture(scope="module")
def agreed(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Services, Any, Any]]:
    patch = pytest.MonkeyPatch()
    patch.setattr(walkthrough, "Choices", functools.partial(walkthrough.Choices, motion=True))
    folder = tmp_path_factory.mktemp("motion")
    with (
        Services.open(Settings(data_dir=folder / "data", lease_seconds=5.0)) as services,
        services.gate() as gate,
    ):
        walk = Ticked(services, folder)
        walk.gate = gate
        walk.people()
        walk.consent()
        patch.undo()
        yield services, walk, gate


def ask(services: Services, walk: Any, gate: Any, form: str) -> Any:
    cast = walk.cast
    view = services.requests.submit(
        cast.researcher,
        Submission(
            project_id=cast.project_id, consent_id=walk.consent_id, purpose="demonstration",
            audience="public", photo=walk.portrait, voice=walkthrough.speak(SAID),
            controls=Controls(size=256, transcript=SAID, motion=form), voice_synthetic=True,
        ),
    )  # fmt: skip
    Worker(services, lambda: nullcontext(gate)).run(once=True)
    return services.requests.show(cast.researcher, view.rid)


@pytest.mark.slow
def test_movement_leaves_with_its_video_and_is_found_again(agreed: Any, tmp_path: Path) -> None:
    services, walk, gate = agreed
    view = ask(services, walk, gate, "json")
    assert view.state == "released", (view.message, view.reasons)
    file = services.requests.motion(walk.cast.researcher, view.rid)
    data = file.read()
    reading, record = services.examiner.motion(data)
    assert reading.signed and reading.whole and record is not None
    assert reading.claims.asset == view.asset.name
    assert record.asset_number == view.asset.asset_number
    assert len(motion_json.read(data)) == round(view.asset.duration * view.asset.fps)
    with services.database.read() as tx:
        leaf = json.loads(services.log.leaf_bytes(tx, view.asset.log_index))
    assert dict(leaf["facts"])["motion_sha256"] == reading.sha256 == file.sha256
    changed, _ = services.examiner.motion(data.replace(b'"fps":25.0', b'"fps":30.0'))
    assert changed.signed and not changed.whole
    services.assets.delete_due(services.journal.clock())
    assert not list(services.vault.outputs.iterdir())


@pytest.mark.slow
def test_a_video_without_movement_hands_out_none(agreed: Any) -> None:
    services, walk, gate = agreed
    view = ask(services, walk, gate, "")
    assert view.state == "released"
    with pytest.raises(NotFoundError):
        services.requests.motion(walk.cast.researcher, view.rid)


@pytest.mark.slow
def test_movement_nobody_agreed_to_is_refused_before_anything_is_made(
    world: Any, services: Services
) -> None:
    researcher = services.accounts.find(world.researcher_id)
    submission = world.submission(controls=Controls(size=256, motion="glb"))
    rid = services.requests.submit(researcher, submission).rid
    Worker(services).run(once=True)
    view = services.requests.show(researcher, rid)
    assert view.state == "refused"
    assert [r.rule for r in view.reasons] == ["motion_in_scope"]
    assert not any(kind == "permit.issued" for _, kind, _ in view.entries)


@pytest.mark.slow
def test_an_engine_no_rule_approves_is_refused(world: Any, tmp_path: Path) -> None:
    recording = motion_json.write(still(25))
    file = tmp_path / "still.json"
    file.write_bytes(recording)
    engine = {"name": "recorded-motion", "file": str(file), "sha256": sha256_hex(recording),
              "licence": "ours"}  # fmt: skip
    settings = Settings(data_dir=world.folder / "data", lease_seconds=1.0, motion_engine=engine)
    with Services.open(settings) as services:
        researcher = services.accounts.find(world.researcher_id)
        rid = services.requests.submit(researcher, world.submission()).rid
        Worker(services).run(once=True)
        view = services.requests.show(researcher, rid)
    assert view.state == "refused"
    assert [r.rule for r in view.reasons] == ["engine_approved"]
