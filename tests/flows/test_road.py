"""The two roads, end to end: a request becomes a sealed video, and a found file a verdict."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from primafacie.audit.bundle import verify_bundle
from primafacie.generator.controls import Controls
from primafacie.platform.jobs import Worker
from primafacie.platform.walkthrough import png, speak
from primafacie.platform.wiring import Services
from primafacie.safeguards.gate import Gate


@pytest.fixture(scope="module")
def road(built: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Any]]:
    """(world, services, gate): one installation with a warm gate for the tests of this file."""
    world = built.copy(tmp_path_factory.mktemp("road"))
    with world.open() as services, services.gate() as gate:
        yield world, services, gate


@pytest.fixture(scope="module")
def take(road: tuple[Any, Any, Any]) -> Callable[..., Any]:
    """Submit and take down the road; returns the request as it ended."""
    world, services, gate = road
    researcher = services.accounts.find(world.researcher_id)

    def run(**changes: Any) -> Any:
        rid = services.requests.submit(researcher, world.submission(**changes)).rid
        Worker(services, lambda: nullcontext(gate)).run(once=True)
        return services.requests.show(researcher, rid)

    return run


@pytest.fixture(scope="module")
def film(road: tuple[Any, Any, Any], take: Callable[..., Any]) -> bytes:
    """One released video of 512 x 512 pixels, as it is delivered."""
    world, services, _ = road
    view = take(controls=Controls(size=512, seed=3))
    assert view.state == "released", (view.message, view.reasons)
    researcher = services.accounts.find(world.researcher_id)
    data: bytes = services.requests.deliver(researcher, view.rid).read()
    return data


def kinds(services: Services, view: Any) -> list[str]:
    return [kind for _, kind, _ in view.entries]


def test_a_consented_request_becomes_an_exact_video(film: bytes, road: Any) -> None:
    verdict = road[1].examiner.examine(None, film).to_json()
    assert verdict["verdict"] == "EXACT"
    assert verdict["manifest"]["state"] == "Trusted"
    assert verdict["watermark"]["picture"]["status"] == "read"
    assert verdict["watermark"]["sound"]["status"] == "read"
    assert verdict["log"]["release"] == "proven"
    assert verdict["consent"]["status"] == "active"


def test_it_is_a_plain_mp4_with_sound_in_step(film: bytes) -> None:
    with av.open(io.BytesIO(film)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height, video.average_rate) == (512, 512, 25)
        assert abs(float((video.start_time or 0) * video.time_base)) < 0.002
        assert abs(float((sound.start_time or 0) * sound.time_base)) < 0.03
        frames = sum(1 for _ in container.decode(video=0))
    assert frames >= 25


def test_the_source_face_is_nowhere_in_the_file(film: bytes, road: Any) -> None:
    from primafacie.audit.digest import sha256_hex

    digest = sha256_hex(road[0].portrait)
    for picture in (b"JFIF\0", b"Exif\0\0", b"\x89PNG\r\n", b"WEBPVP8"):
        assert picture not in film
    assert digest.encode() not in film and bytes.fromhex(digest) not in film
    assert b"Ilse" not in film and b"GPS" not in film


def test_its_story_in_the_log_is_whole_and_in_order(road: Any, take: Callable[..., Any]) -> None:
    view = take()
    story = kinds(road[1], view)
    order = ["request.received", "decision.generate", "permit.issued", "output.released"]
    assert [k for k in story if k in order] == order


def test_the_log_leaves_as_a_bundle_and_verifies_with_public_keys_alone(
    road: Any, film: bytes, tmp_path: Path
) -> None:
    services = road[1]
    services.logbook.bundle(None, tmp_path / "log.bundle")
    verify_bundle(tmp_path / "log.bundle", services.log.vkeys).require_sound()
    assert services.logbook.verify(None).ok


def test_a_re_encoded_smaller_copy_is_recovered(film: bytes, road: Any) -> None:
    """H.264 CRF 28 at 75 % size: the credential is gone, the mark names the very asset."""
    small = reencoded(film, 0.75, 28)
    verdict = road[1].examiner.examine(None, small).to_json()
    assert verdict["watermark"]["picture"]["status"] == "read"
    original = road[1].examiner.examine(None, film).to_json()
    assert verdict["watermark"]["picture"]["asset"] == original["asset"]["number"]
    assert verdict["verdict"] == "RECOVERED"


def reencoded(film: bytes, scale: float, crf: int) -> bytes:
    out = io.BytesIO()
    with av.open(io.BytesIO(film)) as source, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream("libx264", rate=25, options={"crf": str(crf)})
        side = int(512 * scale) // 2 * 2
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for frame in source.decode(video=0):
            small = frame.reformat(side, side, "yuv420p")
            small.pts = None
            target.mux(stream.encode(small))
        target.mux(stream.encode())
    return out.getvalue()


def test_one_flipped_byte_is_never_exact(film: bytes, road: Any) -> None:
    changed = bytearray(film)
    changed[len(changed) // 2] ^= 1
    assert road[1].examiner.examine(None, bytes(changed)).level.name != "EXACT"


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"purpose": "dubbing"}, "purpose_in_scope"),
        ({"consent_id": "0" * 32}, "consent_in_force"),
        pytest.param({"voice_synthetic": False}, "voice_allowed", marks=pytest.mark.slow),
        pytest.param({"project_id": "0" * 32}, "project_in_force", marks=pytest.mark.slow),
    ],
    ids=str,
)
def test_refusals_name_their_rule_and_are_logged(
    change: dict[str, Any], rule: str, take: Callable[..., Any], road: Any
) -> None:
    view = take(**change)
    assert view.state == "refused"
    assert rule in [r.rule for r in view.reasons]
    assert kinds(road[1], view)[-1] == "decision.refused"


def pictures(portrait: bytes) -> dict[str, bytes]:
    """Photos nobody may animate, each with what is wrong in its name."""
    image = Image.open(io.BytesIO(portrait)).convert("RGB")
    side = image.width
    blank = Image.new("RGB", (side, side), (120, 120, 130))
    two = Image.new("RGB", (2 * side, side))
    two.paste(image, (0, 0))
    two.paste(image, (side, 0))
    tiny = blank.copy()
    tiny.paste(image.resize((90, 90)), (10, 10))
    blurred = image.resize((24, 24)).resize((side, side), Image.Resampling.BICUBIC)
    animated = io.BytesIO()
    image.save(animated, "WEBP", save_all=True, append_images=[blank], duration=100)
    return {
        "no face": png(np.asarray(blank)),
        "two faces": png(np.asarray(two)),
        "face under 80 px": png(np.asarray(tiny)),
        "blurred": png(np.asarray(blurred)),
        "truncated": portrait[: len(portrait) // 2],
        "not a picture": b"<svg onload=alert(1)>",
        "empty": b"\0",
        "animated": animated.getvalue(),
    }


@pytest.mark.parametrize(
    "name",
    [
        "two faces",
        "truncated",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("no face", "face under 80 px", "blurred", "not a picture", "empty",
                         "animated")
        ),
    ],
)  # fmt: skip
def test_bad_photos_are_refused_with_a_reason_and_logged(
    name: str, road: Any, take: Callable[..., Any]
) -> None:
    world, services, _ = road
    view = take(photo=pictures(world.portrait)[name])
    assert view.state == "refused"
    rules = {r.rule for r in view.reasons}
    assert rules & {"one_face", "photo_good_enough"}
    assert kinds(services, view)[-1] == "decision.refused"


@pytest.mark.parametrize(
    "voice",
    [
        pytest.param(b"RIFF\xff\xff\xff\x7fWAVE", id="2 GB header"),
        pytest.param(b"\0" * 4000, id="zeros", marks=pytest.mark.slow),
        pytest.param(b"hello", id="text", marks=pytest.mark.slow),
    ],
)
def test_bad_clips_are_refused_with_a_reason_and_logged(
    voice: bytes, road: Any, take: Callable[..., Any]
) -> None:
    view = take(voice=voice)
    assert view.state == "refused"
    said = [r.sentence for r in view.reasons if r.rule == "voice_usable"]
    assert said and "(" in said[0], "the note says what is wrong"


def test_a_clip_longer_than_the_consent_allows_is_refused(take: Callable[..., Any]) -> None:
    view = take(voice=speak("All the long words that a person can say in one breath. " * 12))
    assert "length_within_limits" in [r.rule for r in view.reasons]


def test_a_withdrawal_while_the_video_is_drawn_wins(
    built: Any, tmp_path: Path, outcomes: Callable[..., list[str]]
) -> None:
    world = built.copy(tmp_path)
    with world.open() as services, services.gate() as gate:
        researcher = services.accounts.find(world.researcher_id)
        rid = services.requests.submit(researcher, world.submission()).rid
        watched = Gate._watched

        def withdrawn(self: Gate, *arguments: Any) -> Iterator[Any]:
            for number, frame in enumerate(watched(self, *arguments)):
                if number == 5:
                    services.consents.withdraw(world.consent_token)
                yield frame

        gate._watched = withdrawn.__get__(gate)  # type: ignore[method-assign]
        Worker(services, lambda: nullcontext(gate)).run(once=True)
        view = services.requests.show(researcher, rid)
        assert view.state in ("withheld", "failed", "cancelled")
        assert len(outcomes(services, rid)) == 1
        assert not [p for p in services.vault.outputs.rglob("*") if p.is_file()]


def test_a_log_that_cannot_be_written_makes_nothing(
    built: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from primafacie.audit.errors import StoreError
    from primafacie.audit.log import Log
    from primafacie.safeguards.errors import GateError

    world = built.copy(tmp_path)
    with world.open() as services, services.gate() as gate:
        researcher = services.accounts.find(world.researcher_id)
        services.requests.submit(researcher, world.submission())
        request = services.queue.claim("test", services.settings.queue)
        assert request is not None

        def full(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr(Log, "append", full)
        with pytest.raises(GateError):
            gate.produce(request)
        assert not [p for p in services.vault.outputs.rglob("*") if p.is_file()]


def test_the_verifier_is_light() -> None:
    """A detection service needs no torch: the road's second half imports without it."""
    program = (
        "import sys; import primafacie.safeguards.provenance.examine as e; "
        "import primafacie.safeguards.provenance.watermark; "
        "import json; print(json.dumps([m for m in ('torch', 'dlib') if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert json.loads(done.stdout) == []
