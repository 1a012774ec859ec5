"""espeak-ng: the same voice every time, with phones whose times are true."""

from __future__ import annotations

import numpy as np
import pytest

from primafacie.generator import espeak
from primafacie.generator.errors import VoiceError

TEXT = "Peter bought a big, beautiful map. Why five thumbs?"


def test_the_same_text_sounds_the_same_to_the_last_bit_whatever_was_said_between():
    first = espeak.speak(TEXT)
    espeak.speak("something else", "de", "f3", 200, 80)
    again = espeak.speak(TEXT)
    assert first.pcm.tobytes() == again.pcm.tobytes()
    assert first.phones == again.phones


def test_phones_are_in_order_inside_the_sound_and_belong_to_words():
    said = espeak.speak(TEXT)
    edges = [t for phone in said.phones for t in (phone.start, phone.end)]
    assert edges == sorted(edges)
    assert edges[0] >= 0 and edges[-1] <= said.duration
    assert [TEXT[w.at : w.at + w.length] for w in said.words] == [
        "Peter", "bought", "a", "big", "beautiful", "map", "Why", "five", "thumbs",
    ]  # fmt: skip
    assert [w.first for w in said.words][1:] == [w.last for w in said.words][:-1]


@pytest.mark.parametrize("language", ["en", "en-GB", "es", "de", "zh", "ru", "hi", "pt-BR"])
def test_many_languages_are_spoken(language):
    said = espeak.speak("Papa 42", language)
    assert said.duration > 0.5
    assert float(np.abs(said.pcm).max()) > 0.05
    assert said.phones


def test_a_stop_begins_with_the_silence_of_its_closure():
    said = espeak.speak("stop a top")
    stops = [p for p in said.phones if p.ipa == "p"]
    first = said.pcm[int(stops[0].start * said.rate) :][: int(0.02 * said.rate)]
    assert stops
    assert float(np.abs(first).max()) < 0.01


def test_a_region_espeak_does_not_know_falls_back_to_its_language():
    assert espeak.phonemize("Papa", "de-AT") == espeak.phonemize("Papa", "de")


@pytest.mark.parametrize(
    "language", ["xx", "../../etc/passwd", "", "en\0", "en+../../x", "e" * 500, "en;ls"]
)
def test_a_strange_language_is_refused(language):
    with pytest.raises(VoiceError):
        espeak.speak("hello", language)


@pytest.mark.parametrize("variant", ["../../../tmp/x", "f3/../..", "nosuchvariant!"])
def test_a_variant_that_is_a_path_is_refused(variant):
    with pytest.raises(VoiceError):
        espeak.speak("hello", "en", variant)


def test_control_characters_reach_no_command_parser():
    said = espeak.speak("one\x01\x00two\x1b[31m")
    assert len(said.words) >= 2


def test_limits_are_told():
    with pytest.raises(VoiceError, match="20000"):
        espeak.speak("a" * 20_001)
    with pytest.raises(VoiceError, match="80 and 450"):
        espeak.speak("a", speed=1000)


def test_an_empty_text_says_nothing():
    assert espeak.speak("").phones == ()
