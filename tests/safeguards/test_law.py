"""The marking duties: met where the field stands in the file, missing where it does not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primafacie.safeguards.provenance import law
from primafacie.safeguards.provenance.law import CALIFORNIA, CHINA, EU, Duty, duties
from primafacie.safeguards.provenance.manifest import Credentials, RawReading


@pytest.fixture(scope="module")
def raw(newsroom: Any) -> RawReading:
    return Credentials(newsroom.trust).inspect(newsroom.data)


@pytest.fixture(scope="module")
def verdict(newsroom: Any) -> Any:
    return newsroom.examine(newsroom.data)


def named(found: tuple[Duty, ...], regime: str, asks: str) -> Duty:
    (one,) = [d for d in found if d.regime == regime and d.asks.startswith(asks)]
    return one


def test_a_released_video_meets_all_but_the_chinese_wording(
    newsroom: Any, raw: RawReading, verdict: Any
) -> None:
    found = duties(newsroom.data, raw, verdict)
    missing = [(d.regime, d.asks) for d in found if d.met is False]
    assert missing == [(CHINA, "the wording, at the start and for two seconds")]
    assert {d.regime for d in found} == {EU, CALIFORNIA, CHINA}
    assert named(found, EU, "machine-readable").found == "compositeWithTrainedAlgorithmicMedia"
    assert newsroom.film[1].asset_uuid == named(found, CHINA, "ProduceID").found
    open_questions = [d for d in found if d.met is None]
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
    newsroom: Any, raw: RawReading, verdict: Any, part: str, regime: str, asks: str
) -> None:
    assert named(duties(newsroom.data, raw, verdict), regime, asks).met is True
    renamed = part.replace('"', '"x', 1) if "urn" not in part else '"other": "urn:uuid:'
    assert part in raw.report
    without = replace(raw, report=raw.report.replace(part, renamed))
    assert named(duties(newsroom.data, without, verdict), regime, asks).met is False


def test_what_was_left_of_the_source_is_seen(newsroom: Any, raw: RawReading, verdict: Any) -> None:
    leaky = replace(raw, report=raw.report.replace('"relationship"', '"hash": "x", "relationship"'))
    for regime in (EU, CALIFORNIA):
        assert named(duties(newsroom.data, leaky, verdict), regime, "no p").met is False


def test_no_watermark_is_missed(newsroom: Any, raw: RawReading) -> None:
    blind = newsroom.examine(newsroom.data, keys=[])
    assert named(duties(newsroom.data, raw, blind), EU, "an imperceptible").met is False


def test_the_chinese_tag_is_read_field_by_field(
    newsroom: Any, raw: RawReading, verdict: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tag = '{"AIGC":{"Label":"2","ContentProducer":"a\\"b","ProduceID":"","ReservedCode1":""}}'
    monkeypatch.setattr(law, "read_implicit_label", lambda source: tag)
    found = duties(newsroom.data, raw, verdict)
    bad = [
        d.asks for d in found if d.regime == CHINA and d.clause == "implicit label" and not d.met
    ]
    assert bad == ["Label", "ContentProducer", "ProduceID", "ContentPropagator", "PropagateID",
                   "ReservedCode2"]  # fmt: skip
    monkeypatch.setattr(law, "read_implicit_label", lambda source: "no json")
    found = duties(newsroom.data, raw, verdict)
    assert named(found, CHINA, "stands in the file's metadata").met is False


@pytest.mark.parametrize("label", ["AI生成", "本视频由人工智能生成", "AI合成"])
def test_a_chinese_label_is_recognised(
    newsroom: Any, raw: RawReading, verdict: Any, label: str
) -> None:
    report = raw.report.replace("Visible label: AI-generated", f"Visible label: {label}")
    assert report != raw.report
    found = duties(newsroom.data, replace(raw, report=report), verdict)
    assert named(found, CHINA, "the wording").met is True


@pytest.mark.parametrize("data", [b"", b"no film", b"\0" * 500])
def test_a_strangers_file_meets_nothing_and_breaks_nothing(newsroom: Any, data: bytes) -> None:
    found = duties(data, Credentials(newsroom.trust).inspect(data), newsroom.examine(data))
    assert not any(d.met for d in found) and any(d.met is False for d in found)


def test_an_altered_video_meets_nothing(newsroom: Any) -> None:
    data = bytearray(newsroom.data)
    data[-2000] ^= 1
    found = duties(
        bytes(data), Credentials(newsroom.trust).inspect(bytes(data)), newsroom.examine(bytes(data))
    )
    assert not any(d.met for d in found)
