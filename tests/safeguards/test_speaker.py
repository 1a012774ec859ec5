"""Whose voice it is: bands and limits, then the real network on voices that are nobody's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from primafacie.generator import espeak
from primafacie.safeguards import gate as road
from primafacie.safeguards import speaker
from primafacie.safeguards.errors import VoiceprintError
from primafacie.safeguards.gate import SEVERAL, _utterance
from primafacie.safeguards.inspector import Heard, _as_said, _voiceprint
from primafacie.safeguards.speaker import Voiceprint, VoiceTemplate, verdict

MODEL = "voice@" + "0" * 64
TEXTS = (
    "The boy went down to the river every morning to look for the small green boat that his "
    "father had built.",
    "Our train arrived late in the evening, so we walked through the empty streets and found a "
    "little place that still sold warm bread.",
)


@pytest.mark.parametrize(
    ("similarity", "said"),
    [(1.0, "match"), (0.76, "match"), (0.759, "review"), (0.65, "review"), (0.649, "mismatch"),
     (-1.0, "mismatch"), (None, "unknown"), (float("nan"), "unknown")],
)  # fmt: skip
def test_the_bands(similarity: float | None, said: str) -> None:
    assert verdict(similarity) == said


def test_templates_of_another_model_and_short_clips_say_nothing() -> None:
    vector = np.eye(256, dtype=np.float32)[0]
    template = VoiceTemplate(MODEL, 9.0, vector)
    assert template.similarity(Voiceprint(9.0, MODEL, vector)) == 1.0
    assert template.similarity(Voiceprint(9.0, "other@" + "1" * 64, vector)) is None
    assert template.similarity(Voiceprint(4.9, MODEL, vector)) is None
    assert template.similarity(Voiceprint(9.0)) is None
    assert "0." not in repr(template).replace("9.0", "")


def test_without_the_extra_nothing_is_known_of_a_voice() -> None:
    heard = speaker.listen(_speech("", TEXTS[0]), None)
    assert heard.vector is None and heard.seconds > speaker.LEAST_SPEECH


def test_other_weights_than_the_measured_ones_are_refused(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "pretrained.pt"
    path.write_bytes(b"other weights")
    with pytest.raises(VoiceprintError, match="not the ones"):
        speaker.Resemblyzer(path)


def test_the_other_speaker_is_told_from_the_one_who_consented() -> None:
    verifier = speaker.installed()
    if verifier is None:
        pytest.skip("the extra `speaker` is not installed: voices were NOT compared")
    first, again = (speaker.listen(_speech("", text), verifier) for text in TEXTS)
    other = speaker.listen(_speech("f2", TEXTS[1], pitch=80), verifier)
    assert first.vector is not None
    template = VoiceTemplate(verifier.model, first.seconds, first.vector)
    same, strange = template.similarity(again), template.similarity(other)
    assert same is not None and strange is not None
    assert verdict(same) == "match" and same - strange > 0.05
    short = speaker.listen(_speech("", "Good morning to you."), verifier)
    assert verdict(template.similarity(short)) == "unknown"
    with pytest.raises(VoiceprintError):
        verifier.embed([np.zeros(80_000, np.float32)])


def test_clips_heard_together_are_heard_as_each_alone() -> None:
    verifier = speaker.installed()
    if verifier is None:
        pytest.skip("the extra `speaker` is not installed: voices were NOT compared")
    clips = [
        _speech("", text)[:length] for text, length in zip(TEXTS, (70_000, 40_000), strict=True)
    ]
    together = verifier.embed(clips)
    for clip, heard in zip(clips, together, strict=True):
        assert np.abs(verifier.embed([clip])[0] - heard).max() < 1e-5


def test_two_people_in_one_clip_are_told_from_one() -> None:
    verifier = speaker.installed()
    if verifier is None:
        pytest.skip("the extra `speaker` is not installed: voices were NOT compared")
    first, second = (_speech("", text) for text in TEXTS)
    stranger = _speech("f5", TEXTS[1], pitch=99)  # most of espeak's voices are one to the network
    assert not speaker.listen(np.concatenate([first, second]), verifier).several
    assert speaker.listen(np.concatenate([first, stranger]), verifier).several


def test_a_second_voice_is_refused_where_the_clip_must_be_the_persons_own() -> None:
    vector = np.eye(256, dtype=np.float32)[0]
    both = Voiceprint(9.0, MODEL, vector, unity=speaker.PARTED - 0.01)
    one = Voiceprint(9.0, MODEL, vector, unity=speaker.PARTED)
    unknown = Voiceprint(9.0)
    for voice, alone, problems in (
        (both, True, (SEVERAL,)), (both, False, ()), (one, True, ()), (unknown, True, ()),
    ):  # fmt: skip
        assert _utterance(Heard(9000, voice), None, alone).problems == problems


def test_the_inspector_says_how_alike_the_voices_of_a_clip_are() -> None:
    vector = np.eye(256, dtype=np.float32)[0]
    voice = Voiceprint(9.0, MODEL, vector, unity=0.5)
    assert _voiceprint(_as_said(voice), MODEL).unity == 0.5
    with pytest.raises(ValueError, match="impossible"):
        _voiceprint(_as_said(voice) | {"unity": 7.0}, MODEL)
    assert _voiceprint(_as_said(Voiceprint(9.0)), "").unity is None


def _speech(variant: str, text: str, pitch: int = 50) -> np.ndarray:  # type: ignore[type-arg]
    from scipy.signal import resample_poly

    said = espeak.speak(text, "en-us", variant, pitch=pitch)
    return np.asarray(resample_poly(said.pcm, 16_000, said.rate), np.float32) * 0.5


@pytest.mark.parametrize(
    ("heard", "real"), [("match", True), ("review", True), ("mismatch", False), ("unknown", False)]
)
def test_the_persons_own_voice_is_never_signed_as_synthetic(
    make_facts: Any, monkeypatch: pytest.MonkeyPatch, heard: str, real: bool
) -> None:
    """Whatever the requester says it is."""
    gate: Any = road.Gate.__new__(road.Gate)
    facts = make_facts(request_voice_synthetic=True, utterance_speaker=heard)
    gate._post = SimpleNamespace(
        now=lambda: facts.now, status_url=str, log_origin="log.example", staging=Path("unused"),
        commitment_key=b"c" * 32,
    )  # fmt: skip
    gate._seal = SimpleNamespace(seal=lambda clip, order: order)
    monkeypatch.setattr(road, "read_leaf", lambda _: SimpleNamespace(index=0))
    order = gate._sealed(
        facts,
        SimpleNamespace(decision_id="d" * 32, policy_sha256="e" * 64),
        SimpleNamespace(leaf=b"", proof=""),
        SimpleNamespace(engines=(), report=(), motion=b""),
    )
    assert order.voice_is_real is real
