"""Landmarks: where they come from, and how near they are to a modelled head's own."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from primafacie.generator.errors import EngineError
from primafacie.generator.faces import FaceBox, find_faces
from primafacie.generator.head import (
    MESH_OF_68,
    angles_of,
    fit_mesh,
    fit_pose,
    fit_pose_to_mesh,
    head_template,
    rotation,
)
from primafacie.generator.landmarks import (
    FACE_MESH,
    DlibLandmarker,
    MeshLandmarker,
    check_agreement,
)
from primafacie.generator.registry import Chosen, Ensemble, landmarker
from primafacie.generator.studio import Studio, StudioTrust
from primafacie.platform import sitter

SIZE = 512
SITTERS = ("Ilse", "Amara")


@pytest.fixture(scope="module", params=SITTERS)
def scene(request: pytest.FixtureRequest) -> tuple[str, NDArray[np.uint8], FaceBox]:
    picture = sitter.draw(request.param, SIZE)
    return request.param, picture, find_faces(picture)[0]


def test_the_face_is_found_where_it_is(scene: tuple[str, NDArray[np.uint8], FaceBox]) -> None:
    name, _, face = scene
    truth = sitter.landmarks(name, SIZE)
    x, y = truth["nose_tip"]
    assert face.probability > 0.97
    assert face.left < x < face.right and face.top < y < face.bottom


def test_landmarks_lie_where_the_head_was_modelled(
    scene: tuple[str, NDArray[np.uint8], FaceBox],
) -> None:
    name, picture, face = scene
    truth = sitter.landmarks(name, SIZE)
    found = DlibLandmarker().find(picture, face).points
    width = float(np.hypot(*(found[16] - found[0])))
    pairs = {"left_eye_outer": 36, "left_eye_inner": 39, "right_eye_inner": 42,
             "right_eye_outer": 45, "mouth_left": 48, "mouth_right": 54, "chin": 8}  # fmt: skip
    errors = [np.hypot(*(found[i] - truth[key])) / width for key, i in pairs.items()]
    assert np.mean(errors) < 0.06


def test_landmarks_agree_with_the_detector(
    scene: tuple[str, NDArray[np.uint8], FaceBox],
) -> None:
    _, picture, face = scene
    assert check_agreement(face, DlibLandmarker().find(picture, face)) < 0.075


def test_landmarks_are_the_same_every_time(
    scene: tuple[str, NDArray[np.uint8], FaceBox],
) -> None:
    _, picture, face = scene
    first, second = (DlibLandmarker().find(picture, face).points for _ in range(2))
    assert (first == second).all()


def test_the_licence_of_the_points_is_said() -> None:
    assert "research only" in DlibLandmarker().info.licence
    assert len(DlibLandmarker().info.sha256) == 64


def test_the_package_with_the_points_is_located_not_imported() -> None:
    code = (
        "import sys; from primafacie.generator.landmarks import DlibLandmarker; DlibLandmarker();"
        "assert 'face_recognition_models' not in sys.modules; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_foreign_landmark_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mesh.tflite"
    file.write_bytes(b"not the one")
    with pytest.raises(EngineError, match="not the one that was registered"):
        Chosen(FACE_MESH, str(file), "0" * 64, "Apache-2.0").read()


def test_a_registered_file_that_is_no_model_is_refused() -> None:
    with pytest.raises(EngineError):
        MeshLandmarker(bytes(2000), "Apache-2.0")


@pytest.mark.parametrize("name", ["face-mesh", "dlib-81", "photo-warp"])
def test_landmarks_are_found_by_what_is_known_and_nothing_else(name: str) -> None:
    with pytest.raises(EngineError, match="landmarks are found by"):
        landmarker(Chosen(name), b"")


@pytest.mark.parametrize("angles", [(0, 0, 0), (15, 0, 0), (-20, 8, 5), (6, -12, -9)])
def test_a_known_pose_is_recovered_from_68_points(angles: tuple[float, float, float]) -> None:
    turned = 9.0 * head_template() @ rotation(*angles).T + (200, 150, 0)
    pose = fit_pose(turned[MESH_OF_68, :2])
    assert np.abs(np.subtract(pose.angles, angles)).max() < 0.01
    assert pose.scale == pytest.approx(9.0, rel=1e-3)


def test_a_known_pose_is_recovered_under_noise() -> None:
    rng = np.random.default_rng(5)
    turned = 9.0 * head_template() @ rotation(-14, 7, 4).T + (200, 150, 0)
    noisy = turned[MESH_OF_68, :2] + rng.normal(0, 1.0, (68, 2))
    assert np.abs(np.subtract(fit_pose(noisy).angles, (-14, 7, 4))).max() < 3.0


def test_a_known_pose_is_recovered_from_a_mesh() -> None:
    turned = 5.0 * head_template() @ rotation(12, -6, 3).T + (50, 60, 7)
    assert np.abs(np.subtract(fit_pose_to_mesh(turned).angles, (12, -6, 3))).max() < 0.01


def test_angles_and_rotation_undo_each_other() -> None:
    assert np.allclose(angles_of(rotation(17, -9, 6)), (17, -9, 6))


def test_positive_yaw_turns_the_nose_to_the_viewers_right_and_pitch_down() -> None:
    nose = np.array([0.0, 0.0, 7.0])
    assert (rotation(10, 0, 0) @ nose)[0] > 0
    assert (rotation(0, 10, 0) @ nose)[1] > 0
    assert (rotation(0, 0, 10) @ np.array([1.0, 0, 0]))[1] > 0  # clockwise, as y points down


def test_the_bent_mesh_passes_through_the_points() -> None:
    rng = np.random.default_rng(2)
    turned = 9.0 * head_template() @ rotation(5, 2, 1).T + (200, 150, 0)
    seen = turned[MESH_OF_68, :2] + rng.normal(0, 2.0, (68, 2))
    bent = fit_mesh(seen, fit_pose(seen))
    assert np.hypot(*(bent[MESH_OF_68, :2] - seen).T).mean() < 0.8


# ---- the operator's mesh file ------------------------------------------------------------------


def constant_mesh_file(mesh: NDArray[np.float32]) -> bytes:
    """A TensorFlow Lite model made here, after the public schema: whatever it sees in 192 x 192
    pixels, it answers with these 468 points. One convolution whose weights are 0."""
    import flatbuffers

    b = flatbuffers.Builder(0)

    def ints(values: Sequence[int]) -> int:
        return int(b.CreateNumpyVector(np.asarray(values, np.int32)))

    def offsets(values: Sequence[int]) -> int:
        b.StartVector(4, len(values), 4)
        for value in reversed(values):
            b.PrependUOffsetTRelative(value)
        return int(b.EndVector())

    def table(fields: int, *slots: tuple[int, str, int]) -> int:
        b.StartObject(fields)
        for slot, kind, value in slots:
            getattr(b, f"Prepend{kind}Slot")(slot, value, 0)
        return int(b.EndObject())

    def tensor(name: str, shape: Sequence[int], buffer: int) -> int:
        text, size, exact = b.CreateString(name), ints(shape), table(4)
        return table(5, (0, "UOffsetTRelative", size), (2, "Uint32", buffer),
                     (3, "UOffsetTRelative", text), (4, "UOffsetTRelative", exact))  # fmt: skip

    def buffer(values: NDArray[np.float32] | None) -> int:
        if values is None:
            return table(1)
        data = b.CreateByteVector(values.astype("<f4").tobytes())
        return table(1, (0, "UOffsetTRelative", data))

    count = mesh.size
    bias = np.ascontiguousarray(mesh, np.float32).reshape(-1)
    buffers = offsets([buffer(None), buffer(np.zeros(3 * count, np.float32)), buffer(bias)])
    tensors = offsets([
        tensor("input", (1, 192, 192, 3), 0), tensor("weights", (count, 1, 1, 3), 1),
        tensor("bias", (count,), 2), tensor("points", (1, 1, 1, count), 0),
    ])  # fmt: skip
    options = table(6, (0, "Int8", 1), (1, "Int32", 192), (2, "Int32", 192), (4, "Int32", 1),
                    (5, "Int32", 1))  # fmt: skip
    reads, writes = ints((0, 1, 2)), ints((3,))
    convolution = table(5, (1, "UOffsetTRelative", reads), (2, "UOffsetTRelative", writes),
                        (3, "Uint8", 1), (4, "UOffsetTRelative", options))  # fmt: skip
    operators, first, last = offsets([convolution]), ints((0,)), ints((3,))
    main, about = b.CreateString("main"), b.CreateString("a constant face")
    graph = table(5, (4, "UOffsetTRelative", main), (0, "UOffsetTRelative", tensors),
                  (1, "UOffsetTRelative", first), (2, "UOffsetTRelative", last),
                  (3, "UOffsetTRelative", operators))  # fmt: skip
    codes = offsets([table(4, (0, "Int8", 3), (2, "Int32", 1), (3, "Int32", 3))])
    graphs = offsets([graph])
    model = table(5, (3, "UOffsetTRelative", about), (0, "Uint32", 3),
                  (1, "UOffsetTRelative", codes), (2, "UOffsetTRelative", graphs),
                  (4, "UOffsetTRelative", buffers))  # fmt: skip
    b.Finish(model, b"TFL3")
    return bytes(b.Output())


@pytest.fixture(scope="module")
def mesh_landmarker() -> MeshLandmarker:
    return MeshLandmarker(constant_mesh_file(upright()), "Apache-2.0")


def upright() -> NDArray[np.float32]:
    """A head in the middle of the network's square."""
    flat = head_template() * (8.0, 8.0, -8.0) + (96.0, 96.0, 0.0)
    return flat.astype(np.float32)


@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_a_mesh_file_is_read_and_its_points_come_back_in_the_picture(
    mesh_landmarker: MeshLandmarker, roll: float
) -> None:
    """The model sees a head in the middle of its square, upright: so it must lie on the face, as
    large as the square says and turned as the eyes are."""
    c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    five = np.array([(-30, -20), (30, -20), (0, 0), (-20, 25), (20, 25)]) @ [[c, s], [-s, c]]
    face = FaceBox(140.0, 130.0, 260.0, 270.0, 1.0, np.add(five, 200).astype(np.float32))
    found = mesh_landmarker.find(np.zeros((400, 400, 3), np.uint8), face)
    assert found.points.shape == (68, 2) and found.mesh is not None
    pose = fit_pose_to_mesh(found.mesh.astype(np.float64))
    assert pose.angles == pytest.approx((0, 0, roll), abs=0.1)
    middle = (head_template()[:, :2].min(0) + head_template()[:, :2].max(0)) / 2
    assert found.mesh[:, :2].mean(0) == pytest.approx((200, 200), abs=25)
    assert abs(middle[0]) < 0.2
    nose, chin = found.mesh[4], found.mesh[152]
    assert nose[2] > found.mesh[234, 2] + 10  # depth grows towards the viewer
    down = np.array([-s, c])
    assert float((chin - nose)[:2] @ down) > 20


def test_a_mesh_file_says_what_it_is_in_the_report(mesh_landmarker: MeshLandmarker) -> None:
    assert mesh_landmarker.info.name == FACE_MESH
    assert mesh_landmarker.info.sha256 == hashlib.sha256(constant_mesh_file(upright())).hexdigest()
    assert mesh_landmarker.info.licence == "Apache-2.0"


def test_the_box_of_the_studio_opens_a_registered_mesh(tmp_path: Path) -> None:
    """And what the rules are told then names it, with its digest."""
    file = tmp_path / "mesh.tflite"
    file.write_bytes(constant_mesh_file(upright()))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    ensemble = Ensemble(landmarks=Chosen(FACE_MESH, str(file), digest, "Apache-2.0"))
    assert ensemble.identities == ("photo-warp", "speech-motion", f"face-mesh@{digest}")
    assert Ensemble.from_json(ensemble.to_json()) == ensemble
    assert Ensemble().identities == ("photo-warp", "speech-motion")
    studio = Studio(StudioTrust((), (), "x", tmp_path / "ledger", ensemble), must_hold=False)
    try:
        assert studio.warm() in {"enforced", "partial", "none"}
        file.write_bytes(b"another file")
        studio.renew()
        with pytest.raises(EngineError, match="not the one that was registered"):
            studio.warm()
    finally:
        studio.close()


def test_looking_for_faces_does_not_load_a_compiler_and_leaves_the_real_one_to_be_had() -> None:
    """It would double the start of every child."""
    code = (
        "import sys, numpy as np; from primafacie.generator.faces import find_faces;"
        "assert find_faces(np.zeros((64, 64, 3), np.uint8)) == ();"
        "assert not [m for m in sys.modules if m.startswith('torch._dynamo')];"
        "import torch, torch._dynamo.utils as real; assert real.__file__"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
