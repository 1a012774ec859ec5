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
        for check in ("length", "one face", "one person", "face and photos", "movements", "new"):
            assert found[check] == "passed", (check, found, movements(seen.attitude))
        assert found["words"] in ("passed", "doubtful"), seen.words
        other = Ask(("tiger", "piano", "lemon", "soldier", "window"), ASK.moves[::-1])
        wrong = {f.check: f.verdict for f in judge(seen, other, template)}
        assert wrong["words"] == "failed" and wrong["movements"] == "failed"
    finally:
        inspector.close()
