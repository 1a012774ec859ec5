"""The marking duties: met where the field stands in the file, missing where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primafacie.safeguards.provenance.law import CALIFORNIA, CHINA, EU, LIMITS, Duty, duties
from primafacie.safeguards.provenance.manifest import Credentials
from primafacie.safeguards.provenance.quarantine import Inspection, inspect


@pytest.fixture(scope="module")
def found(newsroom: Any) -> Inspection:
    """The film, opened in the child as the command opens it."""
    return inspect(newsroom.data, newsroom.trust, LIMITS, 60.0)


def saying(found: Inspection, part: str, other: str) -> Inspection:
    """The same film under a credential that says something else."""
    assert part in found.raw.report
    report = found.raw.report.replace(part, other)
    return replace(found, raw=replace(found.raw, report=report))


@pytest.fixture(scope="module")
def verdict(newsroom: Any) -> Any:
    return newsroom.examine(newsroom.data)


def named(found: tuple[Duty, ...], regime: str, asks: str) -> Duty:
    (one,) = [d for d in found if d.regime == regime and d.asks.startswith(asks)]
    return one


def test_a_released_video_meets_all_but_the_chinese_wording(
    newsroom: Any, found: Inspection, verdict: Any
) -> None:
    every = duties(found, verdict)
    missing = [(d.regime, d.asks) for d in every if d.met is False]
    assert missing == [
        (CHINA, "the wording"), (CHINA, "from the first frame and for two seconds")
    ]  # fmt: skip
    assert {d.regime for d in every} == {EU, CALIFORNIA, CHINA}
    assert named(every, EU, "machine-readable").found == "compositeWithTrainedAlgorithmicMedia"
    assert newsroom.film[1].asset_uuid == named(every, CHINA, "ProduceID").found
    assert "in all 60 frames looked at" in named(every, EU, "a deep fake is disclosed").found
    open_questions = [d for d in every if d.met is None]
    assert open_questions and all("duty" in d.found or "not in the file" in d.found
                                  for d in open_questions)  # fmt: skip


@pytest.mark.parametrize(
    ("part", "regime", "asks"),
    [
        ('"digitalSourceType"', EU, "machine-readable"),
        ('"softwareAgent"', CALIFORNIA, "latent: the system's name"),
        ('"when"', CALIFORNIA, "latent: time and date"),
        ('"instance_id": "urn:uuid:', CALIFORNIA, "latent: a unique identifier"),
        ('"modelIdentifier"', EU, "the model's identifier"),
        ('"claim_generator_info"', EU, "the provider's name"),
        ('"c2pa.addedText"', EU, "a deep fake is disclosed"),
        ('"org.primafacie.consent"', CALIFORNIA, "the consent it rests on"),
    ],
)
def test_each_field_that_is_gone_is_missed(
    found: Inspection, verdict: Any, part: str, regime: str, asks: str
) -> None:
    assert named(duties(found, verdict), regime, asks).met is True
    renamed = part.replace('"', '"x', 1) if "urn" not in part else '"other": "urn:uuid:'
    assert named(duties(saying(found, part, renamed), verdict), regime, asks).met is False


def test_what_was_left_of_the_source_is_seen(found: Inspection, verdict: Any) -> None:
    leaky = saying(found, '"relationship"', '"hash": "x", "relationship"')
    for regime in (EU, CALIFORNIA):
        assert named(duties(leaky, verdict), regime, "no p").met is False


def test_no_watermark_is_missed(newsroom: Any, found: Inspection) -> None:
    blind = newsroom.examine(newsroom.data, keys=[])
    assert named(duties(found, blind), EU, "an imperceptible").met is False


def test_the_chinese_tag_is_read_field_by_field(found: Inspection, verdict: Any) -> None:
    tag = '{"AIGC":{"Label":"2","ContentProducer":"a\\"b","ProduceID":"","ReservedCode1":""}}'
    every = duties(replace(found, implicit_label=tag), verdict)
    bad = [
        d.asks for d in every if d.regime == CHINA and d.clause == "implicit label" and not d.met
    ]
    assert bad == ["Label", "ContentProducer", "ProduceID", "ContentPropagator", "PropagateID",
                   "ReservedCode2"]  # fmt: skip
    every = duties(replace(found, implicit_label="no json"), verdict)
    assert named(every, CHINA, "stands in the file's metadata").met is False


# what can be seen ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "other"),
    [
        ('"text": "AI-generated"', '"text": "AI生成"'),
        ('"position": "bottom"', '"position": "top-left"'),
        ('"text": "AI-generated"', '"text": "Entirely other words"'),
        ('"text": "AI-generated"', '"text": "\U0001f600"'),
    ],
)
def test_words_that_the_credential_names_and_the_frames_do_not_show_are_missed(
    found: Inspection, verdict: Any, part: str, other: str
) -> None:
    every = duties(saying(found, part, other), verdict)
    for asks in ("a deep fake is disclosed", "manifest disclosure"):
        (one,) = [d for d in every if d.asks.startswith(asks)]
        assert one.met is False and "do not show it" in one.found
    assert named(every, CHINA, "letters of 5 %").met is False


def test_one_frame_without_the_label_is_seen(
    found: Inspection, verdict: Any, make_scene: Any
) -> None:
    film = found.film
    assert film is not None
    bare = list(make_scene(1))[30]
    frames = (*film.frames[:30], bare, *film.frames[31:])
    every = duties(replace(found, film=replace(film, frames=frames)), verdict)
    assert named(every, EU, "a deep fake is disclosed").met is False


def test_what_cannot_be_looked_at_is_not_stated(found: Inspection, verdict: Any) -> None:
    every = duties(replace(found, film=None, why="damaged"), verdict)
    for regime, asks in ((EU, "a deep fake"), (CHINA, "letters of 5 %"), (CHINA, "the wording")):
        one = named(every, regime, asks)
        assert one.met is None and "not looked for" in one.found


@pytest.fixture(scope="module")
def chinese(newsroom: Any) -> tuple[Inspection, Any]:
    """A film whose speech is Chinese, with a caption; its number is its own."""
    order = newsroom.order(
        "chinese", label="AI生成", label_position="bottom-right", asset_number=0x77777,
        caption="AI生成，已获得画面中人物的同意", caption_at="both",
    )  # fmt: skip
    sealed = newsroom.seal(newsroom.clip(seed=9), order)
    data = sealed.path.read_bytes()
    newsroom.registry.records.append(newsroom.release(sealed, order.rid))
    return inspect(data, newsroom.trust, LIMITS, 60.0), newsroom.examine(data)


def test_a_chinese_label_meets_gb_45438_field_by_field(chinese: tuple[Inspection, Any]) -> None:
    every = [d for d in duties(*chinese) if d.regime == CHINA]
    assert [d.asks for d in every if d.met is not True] == []
    assert named(tuple(every), CHINA, "from the first frame").found == (
        "seen in all 50 frames looked at of the first 2 s"
    )
    assert "of the shorter side" in named(tuple(every), CHINA, "letters of 5 %").found


def test_the_opening_without_its_label_is_missed(
    chinese: tuple[Inspection, Any], make_scene: Any
) -> None:
    found, verdict = chinese
    film = found.film
    assert film is not None
    late = (next(iter(make_scene(9))), *film.frames[1:])
    every = duties(replace(found, film=replace(film, frames=late)), verdict)
    assert named(every, CHINA, "from the first frame").met is False


@pytest.mark.parametrize("data", [b"", b"no film", b"\0" * 500])
def test_a_strangers_file_meets_nothing_and_breaks_nothing(newsroom: Any, data: bytes) -> None:
    raw = Credentials(newsroom.trust).inspect(data)
    every = duties(Inspection(raw, None), newsroom.examine(data))
    assert not any(d.met for d in every) and any(d.met is False for d in every)


def test_an_altered_video_meets_nothing(newsroom: Any) -> None:
    data = bytearray(newsroom.data)
    data[-2000] ^= 1
    opened = inspect(bytes(data), newsroom.trust, LIMITS, 60.0)
    assert not any(d.met for d in duties(opened, newsroom.examine(bytes(data))))
