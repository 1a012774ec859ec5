"""Movement as data: what goes in comes out, and the signed word survives only whole."""

from __future__ import annotations

import csv
import io
import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primafacie.audit import dsse
from primafacie.audit.digest import sha256_hex
from primafacie.generator.controls import Controls
from primafacie.generator.errors import EngineError
from primafacie.generator.exports import export, gltf, live_link, motion_json
from primafacie.generator.exports.timecode import timecode
from primafacie.generator.head import head_template, head_triangles
from primafacie.generator.motion import ARKIT_52, COLUMN, MotionTrack
from primafacie.safeguards.errors import SealError
from primafacie.safeguards.motion_file import MotionClaims, read_motion, seal_motion

FRAMES = 30
KEY = Ed25519PrivateKey.from_private_bytes(b"m" * 32)
KEYS = {dsse.key_id(dsse.public_bytes(KEY)): dsse.public_bytes(KEY)}


@pytest.fixture(scope="module")
def track() -> MotionTrack:
    rng = np.random.default_rng(1)
    pose = rng.normal(0, 1, (FRAMES, 6)) * [5, 3, 2, 0.02, 0.02, 0.01] + [0, 0, 0, 0, 0, 1]
    gaze, coeffs = rng.normal(0, 3, (FRAMES, 2)), rng.random((FRAMES, len(ARKIT_52)))
    return MotionTrack(25.0, *(a.astype(np.float32) for a in (pose, gaze, coeffs)))


def claims(content: bytes) -> MotionClaims:
    return MotionClaims(1, "0" * 13 + "7", sha256_hex(content), "b" * 64, "d" * 32, "e" * 64,
                        "https://test.invalid/7", 1)  # fmt: skip


def chunks(data: bytes) -> dict[int, bytes]:
    found, at = {}, 12
    while at < len(data):
        length, kind = struct.unpack_from("<II", data, at)
        found[kind] = data[at + 8 : at + 8 + length]
        at += 8 + length
    return found


#: The first line of a recording of the app, as its importers for Blender, Maya and games print it.
LIVE_LINK_FACE = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,"
    "EyeLookUpLeft,EyeSquintLeft,EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,"
    "EyeLookOutRight,EyeLookUpRight,EyeSquintRight,EyeWideRight,JawForward,JawRight,JawLeft,"
    "JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,MouthSmileLeft,"
    "MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,"
    "MouthStretchLeft,MouthStretchRight,MouthRollLower,MouthRollUpper,MouthShrugLower,"
    "MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,MouthLowerDownRight,"
    "MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,"
    "BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,"
    "TongueOut,HeadYaw,HeadPitch,HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,"
    "RightEyePitch,RightEyeRoll"
)


def test_json_gives_every_number_back(track: MotionTrack) -> None:
    again = motion_json.read(motion_json.write(track))
    assert again.fps == track.fps
    for name in ("pose", "gaze", "coeffs"):
        assert np.abs(getattr(again, name) - getattr(track, name)).max() < 1e-4


def test_the_csv_is_live_link_faces(track: MotionTrack) -> None:
    rows = list(csv.reader(io.StringIO(live_link.write(track).decode())))
    assert ",".join(rows[0][:-1]) == LIVE_LINK_FACE
    assert rows[0][54:63] == list(live_link.ANGLES) and rows[1][1] == "61"
    assert sorted(n[0].lower() + n[1:] for n in live_link.LIVE_LINK) == sorted(ARKIT_52)
    assert rows[26][0] == "00:00:01:00.000"
    column = rows[0].index("JawOpen")
    assert float(rows[5][column]) == pytest.approx(track.column("jawOpen")[4], abs=1e-4)
    again = live_link.read(live_link.write(track), 25.0)
    assert np.abs(again.pose[:, :3] - track.pose[:, :3]).max() < 1e-3
    assert np.abs(again.gaze - track.gaze).max() < 1e-3


def test_a_csv_of_ours_with_the_older_spelling_is_still_read(track: MotionTrack) -> None:
    older = live_link.write(track).replace(b"BlendShapeCount", b"BlendshapeCount", 1)
    assert export.detach(older) == ("csv", older, b"")
    assert len(live_link.read(older, 25.0)) == len(track)


@pytest.mark.parametrize("fps", [25.0, 30.0, 50.0, 60.0])
def test_timecode_counts_every_frame_once_at_every_rate_that_can_be_asked_for(fps: float) -> None:
    codes = [timecode(n, fps) for n in range(round(fps) * 61)]
    assert len(set(codes)) == len(codes) and codes == sorted(codes)
    for n, code in enumerate(codes):
        hours, minutes, seconds, frames = map(int, code.split(":"))
        assert ((hours * 60 + minutes) * 60 + seconds) * fps + frames == n


def test_timecode_of_a_television_rate_is_non_drop() -> None:
    """29.97 counts thirty frames a second; the label falls behind the clock by 3.6 s an hour."""
    assert timecode(30, 30000 / 1001) == "00:00:01:00"
    assert timecode(107_892, 30000 / 1001) == "00:59:56:12"


def test_timecode_counts_frames() -> None:
    assert timecode(25 * 3661 + 7, 25.0) == "01:01:01:07"
    assert timecode(59, 60.0) == "00:00:00:59"


def test_the_glb_holds_52_named_targets_and_the_movement(track: MotionTrack) -> None:
    parts = chunks(gltf.write(track))
    document, binary = json.loads(parts[0x4E4F534A]), parts[0x004E4942]
    assert document["buffers"][0]["byteLength"] == len(binary)
    mesh = document["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(ARKIT_52)
    assert len(mesh["primitives"][0]["targets"]) == 52

    def values(accessor: int) -> np.ndarray:
        entry = document["accessors"][accessor]
        view = document["bufferViews"][entry["bufferView"]]
        raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        return np.frombuffer(raw, np.uint16 if entry["componentType"] == 5123 else np.float32)

    animation = document["animations"][0]
    outputs = {c["target"]["path"]: animation["samplers"][c["sampler"]]["output"]
               for c in animation["channels"]}  # fmt: skip
    weights = values(outputs["weights"]).reshape(FRAMES, 52)
    assert np.array_equal(weights, track.coeffs)
    turns = values(outputs["rotation"]).reshape(FRAMES, 4)
    assert np.allclose(np.linalg.norm(turns, axis=1), 1, atol=1e-5)
    # a head that turns to its own left (+x) turns about +y
    assert (
        np.sign(turns[:, 1] * turns[:, 3])[np.abs(track.pose[:, 0]) > 1].tolist()
        == np.sign(track.pose[:, 0])[np.abs(track.pose[:, 0]) > 1].tolist()
    )
    triangles = values(mesh["primitives"][0]["indices"])
    assert triangles.max() < 468 and len(triangles) % 3 == 0


_VALIDATE = """
const chunks = [];
process.stdin.on('data', (c) => chunks.push(c)).on('end', () =>
  require('gltf-validator').validateBytes(new Uint8Array(Buffer.concat(chunks)))
    .then((r) => console.log(JSON.stringify(r.issues))));
"""


def test_the_validator_of_khronos_finds_nothing_wrong_with_a_glb(track: MotionTrack) -> None:
    """In a signed one it names the chunk that it does not know, which the format allows."""
    if shutil.which("node") is None:
        pytest.skip("NOT CHECKED against gltf-validator: there is no node")
    known = subprocess.run(["node", "-e", "require('gltf-validator')"], capture_output=True)
    if known.returncode:
        pytest.skip("NOT CHECKED: put the npm package gltf-validator where NODE_PATH finds it")
    plain = gltf.write(track)
    for data, names in ((plain, []), (gltf.attach(plain, b'{"a":1}'), ["GLB_UNKNOWN_CHUNK_TYPE"])):
        ran = subprocess.run(["node", "-e", _VALIDATE], input=data, capture_output=True, check=True)
        issues = json.loads(ran.stdout)
        assert issues["numErrors"] == 0
        assert [m["code"] for m in issues["messages"]] == names


def test_the_glb_jaw_opens_the_lips_and_mouth_close_shuts_them() -> None:
    shape, targets = gltf._turned(head_template()) / 100, gltf._targets()
    opened = shape + targets[COLUMN["jawOpen"]]
    rest = shape[13, 1] - shape[14, 1]
    gap = opened[13, 1] - opened[14, 1] - rest
    wide = abs(shape[61, 0] - shape[291, 0])
    assert gap == pytest.approx(0.35 * wide, rel=0.02)
    closed = opened + targets[COLUMN["mouthClose"]]
    assert abs(closed[13, 1] - closed[14, 1] - rest) < 0.01 * wide
    blinking = shape + targets[COLUMN["eyeBlinkLeft"]]
    assert abs(blinking[386, 1] - blinking[374, 1]) < 0.3 * abs(shape[386, 1] - shape[374, 1])
    assert np.array_equal(blinking[159], shape[159])


def test_the_glb_face_is_one_skin_with_a_mouth_and_two_eyes_open() -> None:
    triangles = head_triangles().astype(int)
    edges = {(int(t[i]), int(t[(i + 1) % 3])) for t in triangles for i in range(3)}
    assert len(edges) == 3 * len(triangles)  # every triangle lies the same way round
    rims = {a for a, b in edges if (b, a) not in edges}
    assert {13, 14, 159, 145, 386, 374, 10, 152} <= rims and len(rims) == 88


def test_the_glb_face_does_not_crumple_when_its_jaw_drops() -> None:
    """Front triangles go on looking forward; a flat set of triangles would turn some of them."""
    rest, targets = gltf._turned(head_template()) / 100, gltf._targets()
    before, after = (_forward(s) for s in (rest, rest + targets[COLUMN["jawOpen"]]))
    assert ((before > 0.3) & (after < 0)).sum() == 0


def _forward(shape: np.ndarray) -> np.ndarray:
    a, b, c = (shape[head_triangles()[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)
    return facing[:, 2] / np.linalg.norm(facing, axis=1)


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_signed_file_reads_back_and_gives_the_signed_bytes(
    track: MotionTrack, form: str, tmp_path: Path
) -> None:
    content = export.write(track, form)
    said = claims(content)
    sealed = seal_motion(content, form, said, KEY, tmp_path / f"motion.{form}")
    data = sealed.path.read_bytes()
    reading = read_motion(data, KEYS)
    assert (reading.form, reading.claims, reading.signed, reading.whole) == (form, said, True, True)
    assert sealed.sha256 == sha256_hex(data) and sealed.size == len(data)
    assert export.detach(data)[1] == content


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_changed_number_is_not_whole_any_more(
    track: MotionTrack, form: str, tmp_path: Path
) -> None:
    content = export.write(track, form)
    data = seal_motion(content, form, claims(content), KEY, tmp_path / "m").path.read_bytes()
    near = {"json": b'"pose":[[', "csv": b"00:00:00:00.000,61,0.", "glb": b"}  "}[form]
    at = data.rindex(near) + len(near) if form != "glb" else len(content) - 40
    changed = data[:at] + (b"7" if data[at : at + 1] != b"7" else b"8") + data[at + 1 :]
    reading = read_motion(changed, KEYS)
    assert reading.signed and not reading.whole


@pytest.mark.parametrize("form", export.FORMATS)
def test_a_statement_by_an_unknown_key_says_nothing(
    track: MotionTrack, form: str, tmp_path: Path
) -> None:
    content = export.write(track, form)
    data = seal_motion(content, form, claims(content), KEY, tmp_path / "m").path.read_bytes()
    assert not read_motion(data, {}).signed
    assert read_motion(content, KEYS).claims is None


def test_a_statement_about_other_numbers_is_not_sealed(track: MotionTrack, tmp_path: Path) -> None:
    with pytest.raises(SealError):
        seal_motion(motion_json.write(track), "json", claims(b"others"), KEY, tmp_path / "m")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", gltf.START, motion_json.START, live_link.START, gltf.START + b"\xff" * 40],
)
def test_other_bytes_are_refused_with_one_kind_of_error(data: bytes) -> None:
    with pytest.raises(EngineError):
        motion_json.read(data) if data[:1] == b"{" else export.detach(data)


def test_parameters_written_before_there_was_motion_are_what_they_were() -> None:
    assert b'"motion"' not in Controls().to_params()
    asked = Controls(motion="glb")
    assert Controls.from_params(asked.to_params()) == asked
    with pytest.raises(EngineError):
        Controls(motion="exe")
