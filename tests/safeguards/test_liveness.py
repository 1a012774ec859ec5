"""Recordings of the challenge: what follows from numbers, then one recording from end to end."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.safeguards import liveness
from primafacie.safeguards.errors import CaptureError
from primafacie.safeguards.face import FaceTemplate
from primafacie.safeguards.liveness import MOVES, Ask, Footage, judge, movements
from primafacie.safeguards.speaker import Voiceprint

MODEL = "test@" + "0" * 64
WORDS = ("apple", "river", "camera", "orchard", "velvet")
ASK = Ask(WORDS, tuple(k for k, v in MOVES.items() if v in ("left", "up", "tilt-right")))
TEMPLATE = FaceTemplate(MODEL, 5, np.zeros(128, np.float32))


def attitude(*steps: tuple[float, float, float]) -> Any:
    rows = [(0.0, 0.0, 0.0)] * 40
    for step in steps:
        rows += [(0.0, 0.0, 0.0)] * 3 + [step] * 5
    return np.asarray(rows, np.float32)


DONE = attitude((18, 0, 0), (0, -10, 0), (0, 0, -18))


def footage(**changes: Any) -> Footage:
    good = Footage(
        seconds=30.0, faces=(1,) * 90, attitude=DONE, model=MODEL,
        portraits=np.full((8, 128), 0.01, np.float32), heard=True, words=("clock", *WORDS),
        voice=Voiceprint(9.0, "voice@" + "1" * 64, np.eye(256, dtype=np.float32)[0]),
        trace=np.random.default_rng(1).normal(size=(120, 3)).astype(np.float32),
        turned=np.full((3, 128), 0.02, np.float32),
    )  # fmt: skip
    return replace(good, **changes)


def verdicts(seen: Footage, earlier: Any = ()) -> dict[str, str]:
    return {f.check: f.verdict for f in judge(seen, ASK, TEMPLATE, earlier)}


def test_a_recording_that_answers_passes_every_check() -> None:
    found = verdicts(footage())
    assert found.pop("lips and words") == "unmeasured", "nobody compares lips and sound"
    assert set(found.values()) == {"passed"}
    assert not liveness.open_question(judge(footage(), ASK, TEMPLATE))


def test_a_head_that_wiggles_until_the_movements_are_among_its_own_fails() -> None:
    every = [(18, 0, 0), (-18, 0, 0), (0, 10, 0), (0, -10, 0), (0, 0, 18), (0, 0, -18)] * 2
    seen = attitude(*every)
    assert len(movements(seen)) > len(ASK.moves) + 6
    assert verdicts(footage(attitude=seen))["movements"] == "failed"


@pytest.mark.parametrize(
    ("changes", "check", "verdict"),
    [
        ({"seconds": 5.0}, "length", "failed"),
        ({"faces": (1,) * 80 + (2,) * 10}, "one face", "failed"),
        ({"faces": (0,) * 30 + (1,) * 60}, "one face", "failed"),
        ({"faces": (0,) * 90}, "one face", "failed"),
        ({"faces": (1,) * 89 + (2,)}, "one face", "passed"),
        ({"portraits": np.full((8, 128), 0.06, np.float32)}, "face and photos", "failed"),
        ({"portraits": np.zeros((0, 128), np.float32)}, "face and photos", "failed"),
        ({"model": "other@" + "2" * 64}, "face and photos", "unmeasured"),
        ({"words": WORDS[:4]}, "words", "passed"),
        ({"words": WORDS[:3]}, "words", "doubtful"),
        ({"words": WORDS[::-1]}, "words", "failed"),
        ({"words": ()}, "words", "failed"),
        ({"heard": False, "words": ()}, "words", "failed"),
        ({"attitude": attitude((18, 0, 0), (0, -10, 0))}, "movements", "doubtful"),
        ({"attitude": attitude((-18, 0, 0), (0, 10, 0))}, "movements", "failed"),
        ({"attitude": attitude()}, "movements", "failed"),
        ({"voice": Voiceprint(3.0)}, "voice", "unmeasured"),
    ],
)  # fmt: skip
def test_each_check_says_what_it_saw(changes: dict[str, Any], check: str, verdict: str) -> None:
    assert verdicts(footage(**changes))[check] == verdict


def test_another_person_halfway_through_is_noticed() -> None:
    portraits = np.zeros((8, 128), np.float32)
    portraits[5:] = 0.12
    assert verdicts(footage(portraits=portraits))["one person"] == "failed"


def test_another_head_cut_in_for_the_movements_is_noticed() -> None:
    turned = np.full((3, 128), 0.02, np.float32)
    turned[1] = 0.08
    assert verdicts(footage(turned=turned))["who moves"] == "failed"
    assert verdicts(footage(turned=None))["who moves"] == "failed"


def test_a_photo_between_the_movements_is_not_taken_for_somebody_who_sits_still() -> None:
    still = footage().trace.copy()
    still[:90, :2] = 0.5
    assert verdicts(footage(trace=still))["at rest"] == "failed"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_still_photo_with_three_cut_ins_of_another_head_fails() -> None:
    """Forty seconds of a photo of the victim, three cut-ins of 1.5 s of somebody else's turned
    head, anybody's voice: what a video editor on a phone makes."""
    from primafacie.safeguards.identify import DlibEmbedder

    scene = _scene()
    photo, length = scene.head(0), round(40 * scene.FPS)
    frames = [photo] * length
    for number, move in enumerate(("left", "up", "tilt-right")):
        start = round((8 + 10 * number) * scene.FPS)
        cut = round(1.5 * scene.FPS)
        frames[start : start + cut] = [scene.head(1, move)] * cut
    pcm = scene.sound(WORDS)
    film = scene.film(frames, pcm)
    embedder = DlibEmbedder()
    seen = liveness.look(film, WORDS, pcm, Voiceprint(0.0), embedder)
    own = FaceTemplate(embedder.model, 5, seen.portraits.mean(0))
    found = {f.check: f.verdict for f in judge(seen, ASK, own)}
    assert found["face and photos"] == "passed", "the attack is what it says it is"
    assert found["movements"] == "passed", movements(seen.attitude)
    assert (found["who moves"], found["at rest"]) == ("failed", "failed"), found


def test_movements_in_another_order_are_not_the_ones_asked_for() -> None:
    assert movements(DONE) == ["left", "up", "tilt-right"]
    swapped = attitude((0, 0, -18), (0, -10, 0), (18, 0, 0))
    assert verdicts(footage(attitude=swapped))["movements"] == "failed"


def test_a_head_that_does_everything_is_not_taken_for_one_that_obeys() -> None:
    every = [(18, 0, 0), (-18, 0, 0), (0, 10, 0), (0, -10, 0), (0, 0, 18), (0, 0, -18)] * 2
    assert verdicts(footage(attitude=attitude(*every)))["movements"] != "passed"


def test_a_replayed_capture_in_other_bytes_is_known_by_how_it_moves() -> None:
    seen = footage()
    noise = np.random.default_rng(2).normal(size=seen.trace.shape).astype(np.float32)
    copied = np.roll(seen.trace + 0.1 * noise, 2, axis=0)[4:]
    assert verdicts(footage(trace=copied), [seen.trace])["new"] == "failed"
    assert verdicts(footage(trace=noise), [seen.trace])["new"] == "passed"


def take(dice_of: int, share: float = 1.0) -> Any:
    """A trace of three movements at their prompted seconds by a head that stirs by itself."""
    stir = 0.005 * np.random.default_rng(dice_of).normal(size=(120, 3)).astype(np.float32)
    stir[:, 2] = np.random.default_rng(7).normal(size=120)  # the same words
    path = np.zeros((120, 3), np.float32)
    path[70:78, 0], path[85:93, 1], path[100:108, :2] = 0.10, 0.08, -0.07
    return path + share * stir


def test_who_does_the_same_movements_again_is_a_question_with_its_numbers() -> None:
    asked = judge(footage(trace=take(2)), ASK, TEMPLATE, [take(1)])
    (new,) = [f for f in asked if f.check == "new"]
    assert new.verdict == "doubtful" and not liveness.failed(asked)
    assert liveness.open_question(asked), "a reviewer must write about it"
    moved, stirred = liveness.alike(take(2), take(1))
    assert f"{moved:.2f}" in new.sentence and f"{stirred:.2f}" in new.sentence
    assert moved >= 0.9 and stirred < 0.3


def test_a_copy_of_the_same_movements_fails_and_names_its_numbers() -> None:
    grain = 0.001 * np.random.default_rng(5).normal(size=(120, 3)).astype(np.float32)
    found = judge(footage(trace=take(1) + grain), ASK, TEMPLATE, [take(2), take(1)])
    (new,) = [f for f in found if f.check == "new"]
    assert new.verdict == "failed" and liveness.failed(found)
    assert "0.9" in new.sentence


def test_a_copy_that_is_shaken_until_it_stirs_otherwise_is_never_taken_for_new() -> None:
    shaken = take(1)
    shaken[:, :2] += 0.012 * np.random.default_rng(6).normal(size=(120, 2))
    assert liveness.alike(shaken, take(1))[0] >= 0.9
    assert verdicts(footage(trace=shaken), [take(1)])["new"] != "passed"


def test_where_nothing_stirs_moving_alike_is_enough_to_be_a_copy() -> None:
    calm = take(1)
    calm[:, :2] = take(1, 0.0)[:, :2]
    assert verdicts(footage(trace=calm), [calm])["new"] == "failed"


@pytest.mark.parametrize("data", [b"", b"no film", b"\x1aE\xdf\xa3" + b"\0" * 500,
                                  b"\0\0\0\x18ftypmp42" + b"\0" * 500])  # fmt: skip
def test_bytes_that_are_no_recording_are_refused_in_one_way(data: bytes) -> None:
    with pytest.raises(CaptureError):
        liveness.look(data, WORDS, None, Voiceprint(0.0), None)


def _scene() -> Any:
    name = "recording_scene"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parent / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_recording_is_measured_in_the_sandbox() -> None:
    from primafacie.safeguards.inspector import Inspector
    from primafacie.safeguards.provenance.watermark import MarkKeys

    scene = _scene()
    film = scene.recording(WORDS, ("left", "up", "tilt-right"))
    inspector = Inspector(False, [MarkKeys.derive(b"k" * 32, 1)])
    try:
        template = inspector.enrol(scene.photos())
        seen = inspector.watch(film, WORDS)
        found = {f.check: f.verdict for f in judge(seen, ASK, template)}
        for check in ("length", "one face", "one person", "who moves", "at rest", "face and photos",
                      "movements", "new"):  # fmt: skip
            assert found[check] == "passed", (check, found, movements(seen.attitude))
        assert found["words"] in ("passed", "doubtful"), seen.words
        other = Ask(("tiger", "piano", "lemon", "soldier", "window"), ASK.moves[::-1])
        wrong = {f.check: f.verdict for f in judge(seen, other, template)}
        assert wrong["words"] == "failed" and wrong["movements"] == "failed"
    finally:
        inspector.close()
