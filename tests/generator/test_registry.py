"""Engines plug in: by name, with a file that is the registered one, and as their interface says."""

from __future__ import annotations

import inspect
import io
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.generator import registry
from primafacie.generator.conformance import conformance
from primafacie.generator.controls import Controls
from primafacie.generator.engines.onnx_animation import onnx_animation
from primafacie.generator.engines.recorded_motion import recorded_motion
from primafacie.generator.errors import EngineError, PermitError
from primafacie.generator.exports import live_link, motion_json
from primafacie.generator.motion import ARKIT_52, MotionTrack, still
from primafacie.generator.registry import Chosen, Ensemble
from primafacie.generator.rehearsal import rehearse
from primafacie.generator.voice import from_pcm

SIDE = 32


@pytest.fixture(scope="module")
def model() -> bytes:
    """A tiny image-animation model: the source, brighter as the jaw opens."""
    from onnx import TensorProto, helper, numpy_helper

    one = numpy_helper.from_array
    nodes = [
        helper.make_node("Slice", ["motion", "from", "to", "axis"], ["jaw"]),
        helper.make_node("Mul", ["jaw", "share"], ["light"]),
        helper.make_node("Unsqueeze", ["light", "last"], ["column"]),
        helper.make_node("Unsqueeze", ["column", "last"], ["corner"]),
        helper.make_node("Add", ["source", "corner"], ["frames"]),
    ]
    graph = helper.make_graph(
        nodes, "tiny",
        [helper.make_tensor_value_info("source", TensorProto.FLOAT, [1, 3, SIDE, SIDE]),
         helper.make_tensor_value_info("motion", TensorProto.FLOAT, ["n", 60])],
        [helper.make_tensor_value_info("frames", TensorProto.FLOAT, ["n", 3, SIDE, SIDE])],
        [one(np.array([32], np.int64), "from"), one(np.array([33], np.int64), "to"),
         one(np.array([1], np.int64), "axis"), one(np.array([0.5], np.float32), "share"),
         one(np.array([2], np.int64), "last")],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 17)]
    data: bytes = helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    return data


@pytest.fixture(scope="module")
def portrait() -> bytes:
    from PIL import Image

    from primafacie.platform import sitter

    buffer = io.BytesIO()
    Image.fromarray(sitter.draw("Ilse", 512)).save(buffer, "PNG")
    return buffer.getvalue()


def registered(folder: Path, name: str, data: bytes) -> Chosen:
    file = folder / "file"
    file.write_bytes(data)
    return Chosen(name, str(file), sha256_hex(data), "made by a test")


def talking(frames: int = 50) -> MotionTrack:
    track = still(frames)
    track.coeffs[:, 24] = np.abs(np.sin(np.arange(frames) / 3))
    track.pose[:, 0] = 5 * np.sin(np.arange(frames) / 9)
    return track


def test_a_file_other_than_the_registered_one_is_not_used(tmp_path: Path) -> None:
    chosen = registered(tmp_path, "recorded-motion", motion_json.write(still(3)))
    assert chosen.identity == f"recorded-motion@{chosen.sha256}"
    (tmp_path / "file").write_bytes(motion_json.write(still(4)))
    with pytest.raises(EngineError, match="not the one that was registered"):
        chosen.read()


@pytest.mark.parametrize(
    "given",
    [("x", "f", "", "mine"), ("x", "f", "a" * 64, ""), ("x", "", "a" * 64, ""), ("X y",), ("",)],
)
def test_a_file_without_digest_or_licence_cannot_be_chosen(given: tuple[str, ...]) -> None:
    with pytest.raises(EngineError):
        Chosen(*given)


def test_an_engine_nobody_installed_is_not_made() -> None:
    with pytest.raises(EngineError, match="no engine named"):
        registry.motion_engine(Chosen("nonesuch"), b"")


def test_another_packages_engine_is_found_by_its_entry_point(
    monkeypatch: pytest.MonkeyPatch, model: bytes
) -> None:
    """And must call itself what the operator chose, and own up to its file."""
    point = EntryPoint(
        "animator", "primafacie.generator.engines.onnx_animation:onnx_animation", registry.GROUP
    )
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    assert "animator" in registry.known() and "photo-warp" in registry.known()
    with pytest.raises(EngineError, match="calls itself"):
        registry.render_engine(Chosen("animator"), model)


def test_half_an_engine_does_not_pass_for_the_other_half() -> None:
    with pytest.raises(EngineError, match="cannot drive"):
        registry.motion_engine(Chosen("photo-warp"), b"")


def test_a_recording_plays_for_as_long_as_the_voice_lasts() -> None:
    track, controls = talking(), Controls(fps=50)
    voice = from_pcm(np.full(16_000, 0.1, np.float32), 16_000)
    engine = recorded_motion(motion_json.write(track), "a" * 64, "ours")
    played = engine.drive(rehearse().admit(b"", b"", controls), voice, controls)
    assert len(played) == 50 and played.fps == 50
    assert np.allclose(played.coeffs[::2, 24], track.coeffs[:25, 24], atol=1e-4)
    assert played.notes == ("the recording is longer than the voice and was cut",)
    lips = Controls(regions=("lips",))
    played = engine.drive(rehearse().admit(b"", b"", lips), voice, lips)
    others = [n for n in ARKIT_52 if not n.startswith(("jaw", "mouth", "tongue"))]
    assert not played.pose[:, :5].any() and (played.pose[:, 5] == 1).all()
    assert not played.gaze.any() and not any(played.column(n).any() for n in others)
    assert played.coeffs[:, 24].any()
    with pytest.raises(PermitError):
        engine.drive(None, voice, controls)  # type: ignore[arg-type]


def test_a_live_link_face_recording_plays_too() -> None:
    engine = recorded_motion(live_link.write(talking()), "a" * 64, "ours")
    controls, voice = Controls(), from_pcm(np.full(16_000, 0.1, np.float32), 16_000)
    played = engine.drive(rehearse().admit(b"", b"", controls), voice, controls)
    assert len(played) == 25 and played.coeffs[:, 24].max() > 0.5


@pytest.mark.parametrize("data", [b"", b"not a recording", b"glTF\x02\0\0\0"])
def test_what_is_no_recording_makes_no_engine(data: bytes) -> None:
    with pytest.raises(EngineError):
        recorded_motion(data, "a" * 64, "ours")


def test_the_adapter_to_copy_from_is_shorter_than_a_hundred_lines() -> None:
    source = Path(inspect.getfile(onnx_animation)).read_text("utf-8")
    assert len(source.splitlines()) < 100


def test_an_onnx_model_draws(model: bytes, portrait: bytes) -> None:
    from primafacie.generator.portrait import Portrait

    engine, controls = onnx_animation(model, sha256_hex(model), "ours"), Controls(size=256)
    admission = rehearse().admit(b"", b"", controls)
    avatar = engine.prepare(admission, Portrait.from_bytes(portrait), controls)
    frames = list(engine.render(admission, avatar, talking(9)))
    assert [f.shape for f in frames] == [(256, 256, 3)] * 9
    light = [float(f.mean()) for f in frames]
    assert np.corrcoef(light, talking(9).coeffs[:, 24])[0, 1] > 0.95
    with pytest.raises(EngineError):
        onnx_animation(b"no model", "a" * 64, "ours")


@pytest.mark.slow
@pytest.mark.parametrize("which", ["built-in", "recorded and onnx"])
def test_engines_keep_their_promises_in_the_box(
    which: str, model: bytes, portrait: bytes, tmp_path: Path
) -> None:
    ensemble = Ensemble()
    if which != "built-in":
        (tmp_path / "a").mkdir()
        ensemble = Ensemble(
            registered(tmp_path, "recorded-motion", motion_json.write(talking())),
            registered(tmp_path / "a", "onnx-animation", model),
        )
    findings = conformance(ensemble, portrait)
    assert len(findings) >= 9
    assert not [f for f in findings if not f.kept]


@pytest.mark.slow
def test_an_engine_that_breaks_its_word_is_found_out(
    monkeypatch: pytest.MonkeyPatch, portrait: bytes
) -> None:
    from primafacie.generator import conformance as suite
    from primafacie.generator.engines.photo_warp.engine import PhotoWarp
    from primafacie.generator.portrait import Portrait

    class Careless(PhotoWarp):
        """Draws for anybody, and one frame too few."""

        def render(self, admission: Any, avatar: Any, track: MotionTrack) -> Any:
            for number in range(len(track) - 1):
                yield np.full((avatar.height, avatar.width, 3), number, np.uint8)

    kept = {f.promise: f.kept for f in suite._render_findings(
        Careless(), Portrait.from_bytes(portrait))}  # fmt: skip
    assert not kept["draws nothing without an admission"]
    assert not kept["ends with its admission"]
    assert not kept["gives one uint8 RGB frame of the announced size for each of the track's"]
    assert not kept["a still track gives the photo back"]
    assert kept["prepares nothing without an admission"]
