"""A recogniser on weights that an operator brings: only the named file, and dlib's figures stay."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primafacie.generator.errors import EngineError
from primafacie.generator.faces import FaceBox
from primafacie.generator.info import Weights
from primafacie.generator.landmarks import DlibLandmarker, Landmarks
from primafacie.generator.registry import Chosen
from primafacie.safeguards.errors import FaceError
from primafacie.safeguards.face import (
    DENY,
    MATCH,
    STALE,
    UNCOMPARED,
    FaceTemplate,
    FaceWeights,
    Gallery,
)
from primafacie.safeguards.identify import (
    ENROL_FACE,
    DlibEmbedder,
    InceptionEmbedder,
    _inception,
    embedder_of,
    identify,
    unfit_to_enrol,
)
from primafacie.safeguards.inspector import Inspector, Seen, _seen
from primafacie.safeguards.provenance.mark_keys import MarkKeys

GREY = {"height": 64, "width": 64, "pixels": base64.b64encode(bytes(64 * 64)).decode()}
NAMED = FaceWeights(Path("faces.pt"), "a" * 64, 0.8)
BOX = FaceBox(20, 30, 120, 150, 1.0, np.zeros((5, 2), np.float32))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaceWeights]:
    """Random weights, with the classifier that real files carry too."""
    import torch
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(3)
    state = InceptionResnetV1(pretrained=None).state_dict()
    state |= {"logits.weight": torch.zeros(2, 512), "logits.bias": torch.zeros(2)}
    path = tmp_path_factory.mktemp("weights") / "faces.pt"
    torch.save(state, path)
    yield FaceWeights(path, hashlib.sha256(path.read_bytes()).hexdigest(), 0.8)
    _inception.cache_clear()
    path.unlink()


def _scene() -> Any:
    name = "recording_scene"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _picture(seed: int = 1) -> Any:
    return np.random.default_rng(seed).integers(0, 255, (200, 180, 3), dtype=np.uint8)


def test_dlib_is_the_recogniser_unless_an_operator_names_another() -> None:
    assert isinstance(embedder_of(None), DlibEmbedder)


@pytest.mark.slow
def test_the_operators_distance_becomes_the_rules_match(weights: FaceWeights) -> None:
    embedder = embedder_of(weights)
    assert isinstance(embedder, InceptionEmbedder)
    chip = embedder.chip(_picture(), BOX)
    assert chip.shape == (160, 160, 3)
    one, again = embedder.embed(chip), embedder.embed(chip)
    assert one.shape == (512,) and np.array_equal(one, again)
    assert np.linalg.norm(one) == pytest.approx(MATCH / 0.8, rel=1e-5)


def test_another_digest_or_distance_is_another_model() -> None:
    assert NAMED.scale * 0.8 == pytest.approx(MATCH)
    other = FaceWeights(NAMED.path, NAMED.sha256, 0.9)
    assert other.model != NAMED.model
    assert NAMED.sha256 in NAMED.model and len(NAMED.model) <= 160
    here = FaceTemplate(NAMED.model, 5, np.zeros(512, np.float32))
    with pytest.raises(FaceError, match="another model"):
        here.distance(here.vector, other.model)
    assert not Gallery.of(other.model, [("ann", here)]).rows


@pytest.mark.parametrize("distance", [0.0, -1.0, 1.01, 2.0, float("nan"), float("inf")])
def test_a_distance_that_would_match_strangers_is_refused(distance: float) -> None:
    with pytest.raises(FaceError, match="distance"):
        FaceWeights(Path("x"), "0" * 64, distance)


def test_swapped_weights_are_refused_before_they_are_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    swapped = tmp_path / "swapped.pt"
    swapped.write_bytes(b"\x80\x04 a pickle that would run code")
    monkeypatch.setattr(torch, "load", lambda *_a, **_k: pytest.fail("opened"))
    named = FaceWeights(swapped, NAMED.sha256, 0.8)
    with pytest.raises(FaceError, match="digest"):
        embedder_of(named)
    with pytest.raises(FaceError, match="digest"):
        Inspector(False, [MarkKeys.derive(b"k" * 32, 1)], named)
    with pytest.raises(FaceError, match="read"):
        embedder_of(FaceWeights(tmp_path / "none.pt", NAMED.sha256, 0.8))


def test_a_file_that_runs_code_when_opened_is_refused(tmp_path: Path) -> None:
    import torch

    bad = tmp_path / "bad.pt"
    torch.save({"conv2d_1a.conv.weight": Path("no tensor")}, bad)
    digest = hashlib.sha256(bad.read_bytes()).hexdigest()
    with pytest.raises(FaceError, match="none of InceptionResnetV1"):
        embedder_of(FaceWeights(bad, digest, 0.8))


def test_a_taken_over_child_cannot_send_vectors_near_everybody() -> None:
    answer = {
        "vector": [0.0] * 512, "faces_a": 1, "faces_b": 1, "aspect": 1.0, "problems": [],
        "model": NAMED.model, "generator_mark": "", "grey": GREY, "unfit": [],
    }  # fmt: skip
    with pytest.raises(ValueError, match="descriptor"):
        _seen(answer, NAMED.model, (), NAMED)
    good = [NAMED.scale] + [0.0] * 511
    assert _seen(answer | {"vector": good}, NAMED.model, (), NAMED).vector is not None
    with pytest.raises(ValueError, match="no picture"):  # then no mark was looked for
        _seen(answer | {"vector": good, "grey": None}, NAMED.model, (), NAMED)
    with pytest.raises(ValueError):
        _seen(answer | {"vector": good[:128]}, NAMED.model, (), NAMED)


def test_a_never_me_entry_of_another_model_refuses_everybody_and_says_so() -> None:
    model, other = "one@" + "0" * 64, "two@" + "0" * 64
    own = FaceTemplate(model, 5, np.zeros(128, np.float32))
    listed = FaceTemplate(other, 1, np.ones(512, np.float32))
    seen = Seen(1, 1, (), model, own.vector, "")
    likeness = seen.likeness("ann", Gallery.of(model, [("ann", own)]), [listed])
    assert likeness.deny_distance == 0.0 and UNCOMPARED in likeness.problems


@pytest.mark.parametrize(("far", "denied"), [(0.59, True), (0.61, False)])
def test_a_never_me_entry_of_a_former_model_is_compared_by_that_model(
    far: float, denied: bool
) -> None:
    model, old = "one@" + "0" * 64, "two@" + "0" * 64
    own = FaceTemplate(model, 5, np.zeros(128, np.float32))
    entry = np.zeros(512, np.float32)
    entry[0] = far
    seen = Seen(1, 1, (), model, own.vector, "", former={old: np.zeros(512, np.float32)})
    listed = [FaceTemplate(old, 1, entry), FaceTemplate(model, 1, np.full(128, 9, np.float32))]
    likeness = seen.likeness("ann", Gallery.of(model, [("ann", own)]), listed)
    assert (likeness.deny_distance <= DENY) is denied and likeness.problems == ()


def test_a_child_that_leaves_out_a_former_model_has_not_answered() -> None:
    dlib = DlibEmbedder().model
    answer = {
        "vector": [NAMED.scale] + [0.0] * 511, "faces_a": 1, "faces_b": 1, "aspect": 1.0,
        "problems": [], "model": NAMED.model, "generator_mark": "", "grey": GREY, "unfit": [],
        "former": {},
    }  # fmt: skip
    with pytest.raises(KeyError):
        _seen(answer, NAMED.model, (), NAMED, (None,))
    whole = answer | {"former": {dlib: [0.1] * 128}}
    assert set(_seen(whole, NAMED.model, (), NAMED, (None,)).former) == {dlib}
    with pytest.raises(ValueError):
        _seen(answer | {"former": {dlib: [0.1] * 64}}, NAMED.model, (), NAMED, (None,))


def test_a_template_is_made_of_better_pictures_than_one_that_is_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from primafacie.safeguards import identify

    found = SimpleNamespace(points=np.zeros((68, 2), np.float32))
    monkeypatch.setattr(identify, "DlibLandmarker", lambda: SimpleNamespace(find=lambda *_: found))
    angles = [0.0, 0.0, 0.0]
    monkeypatch.setattr(identify, "fit_pose", lambda _: SimpleNamespace(angles=angles))
    assert unfit_to_enrol(_picture(), BOX) == []
    small = FaceBox(0, 0, ENROL_FACE - 1, 100, 1.0, BOX.points)
    assert "small" in unfit_to_enrol(_picture(), small)[0]
    for angle, fit in ((21.0, True), (-23.0, False)):
        for axis in (0, 1):
            angles[:] = [0.0, 0.0, 0.0]
            angles[axis] = angle
            assert (unfit_to_enrol(_picture(), BOX) == []) is fit


def test_enrolment_refuses_what_a_comparison_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    eyes = Inspector(False, [MarkKeys.derive(b"k" * 32, 1)])
    turned = Seen(1, 1, (), eyes.model, np.zeros(128, np.float32), "", unfit=("turned",))
    for started in ("renew", "rest"):
        monkeypatch.setattr(Inspector, started, lambda self: None)
    monkeypatch.setattr(Inspector, "photo", lambda self, data: turned)
    with pytest.raises(FaceError, match="turned"):
        eyes.enrol([b"x"], least=1)
    assert turned.likeness("ann", Gallery.of(eyes.model, ()), ()).problems == ()


@pytest.mark.parametrize("stale", [True, False])
def test_a_request_for_a_template_of_another_model_is_told_so(stale: bool) -> None:
    from primafacie.safeguards.gate import Gate

    model = "one@" + "0" * 64
    seen = Seen(1, 1, (), model, np.zeros(128, np.float32), "")
    template = FaceTemplate("old@" + "1" * 64 if stale else model, 5, np.zeros(128, np.float32))
    gate: Any = Gate.__new__(Gate)
    record = SimpleNamespace(subject_id="ann", voice_source="synthetic", voices=())
    gate._consents = SimpleNamespace(
        find=lambda _: SimpleNamespace(record=record, template=template, epoch=1),
        gallery=lambda asked: Gallery.of(asked, [("ann", template)]),
        same_person=lambda _: frozenset(), never_me=lambda _: (),
    )  # fmt: skip
    gate._people = SimpleNamespace(requester=lambda _: None, project=lambda _: None)
    gate._post = SimpleNamespace(now=lambda: None, production=False, strict=False)
    gate._journal = SimpleNamespace(ready=lambda: True, confirmation=lambda *_: "none")
    gate._engines = SimpleNamespace(identities=())
    request = SimpleNamespace(
        consent_id="c", requester_id="r", project_id="p", voice_synthetic=True, voice_sha256=""
    )
    likeness = gate._facts(request, seen, "no voice").likeness
    assert (STALE in likeness.problems) is stale
    assert (likeness.distance == 2.0) is stale


@pytest.mark.slow
def test_the_sandboxed_child_reads_the_named_weights_and_describes_a_drawn_face(
    weights: FaceWeights,
) -> None:
    scene = _scene()
    inspector = Inspector(False, [MarkKeys.derive(b"k" * 32, 1)], weights)
    try:
        seen = inspector.photo(scene.photos()[0])
        assert seen.problems == () and seen.model == weights.model
        assert seen.vector is not None and seen.vector.shape == (512,)
        template = inspector.enrol(scene.photos())
        assert template.model == weights.model and template.frames == 5
        dlib = DlibEmbedder()
        assert set(seen.former) == {dlib.model}, "what dlib's described is still compared"
        (former,) = template.former
        assert former.model == dlib.model and former.vector.shape == (128,)
        plain = identify(scene.photos()[0], dlib).vector
        assert plain is not None and np.allclose(seen.former[dlib.model], plain, atol=1e-5)
    finally:
        inspector.close()


class Elsewhere:
    """A landmarker that is wrong by half a face."""

    info = Weights("elsewhere", "0" * 64, "ours")

    def find(self, picture: Any, face: Any) -> Landmarks:
        found = DlibLandmarker().find(picture, face)
        return Landmarks(found.points + np.float32(face.width / 2))


def test_a_photo_is_asked_of_the_landmarker_that_the_studio_uses() -> None:
    scene = _scene()
    photo = scene.png(scene.draw(scene.SITTERS[0].name, 512))
    assert identify(photo).problems == ()
    assert any(
        "cannot be measured" in one for one in identify(photo, None, (), Elsewhere()).problems
    )


def test_a_landmark_file_that_is_not_there_lets_nobody_look() -> None:
    gone = Chosen("face-mesh", "/nowhere/mesh.tflite", "0" * 64, "Apache-2.0")
    with pytest.raises(EngineError, match="cannot be read"):
        Inspector(False, [MarkKeys.derive(b"k" * 32, 1)], landmarks=gone)
