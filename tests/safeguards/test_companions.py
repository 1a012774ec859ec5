"""The stills and the sound beside a film: marked and signed as it is, and saying what they are."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from primafacie.audit.digest import sha256_hex
from primafacie.safeguards.asset import Companion
from primafacie.safeguards.errors import ManifestError
from primafacie.safeguards.provenance import seal as seal_module
from primafacie.safeguards.provenance.assertions import Binding, compose
from primafacie.safeguards.provenance.jumbf import read_structure
from primafacie.safeguards.provenance.manifest import Credentials
from primafacie.safeguards.provenance.media import SOUND_RATE, read_film, read_implicit_label
from primafacie.safeguards.provenance.rubric import COMPOSITE_TRAINED, TRAINED
from primafacie.safeguards.provenance.watermark import read_picture, read_sound

MIMES = {"png": "image/png", "jpg": "image/jpeg", "wav": "audio/wav"}
NUMBER = 0x0123456789ABCD


@pytest.fixture(scope="module")
def synthetic(newsroom: Any) -> Any:
    order = newsroom.order("beside", voice_is_real=False)
    return newsroom.seal(newsroom.clip(), order), order


@pytest.fixture(scope="module")
def beside(synthetic: Any) -> dict[str, Companion]:
    return {one.kind: one for one in synthetic[0].companions}


def report(newsroom: Any, one: Companion) -> Any:
    raw = Credentials(newsroom.trust).inspect(one.data, MIMES[one.kind])
    told = json.loads(raw.report)
    return told["manifests"][told["active_manifest"]]


def test_all_three_stand_beside_a_film_with_a_synthetic_voice(beside: dict[str, Companion]) -> None:
    assert set(beside) == {"png", "jpg", "wav"}
    assert all(sha256_hex(one.data) == one.sha256 for one in beside.values())


def test_a_persons_recording_is_not_given_out_alone(newsroom: Any) -> None:
    sealed, order = newsroom.film
    assert order.voice_is_real and [one.kind for one in sealed.companions] == ["png", "jpg"]
    with pytest.raises(ManifestError, match="recording"):
        compose(order, (), 0, "wav")


def test_each_has_a_sound_credential_and_its_mark(
    newsroom: Any, beside: dict[str, Companion]
) -> None:
    for kind, one in beside.items():
        reading = Credentials(newsroom.trust).read(one.data, MIMES[kind])
        assert reading.sound and reading.signed_at is not None, reading
    for kind in ("png", "jpg"):
        frames = read_film(io.BytesIO(beside[kind].data)).frames
        assert read_picture(frames, [newsroom.keys]).asset_number == NUMBER
    heard = read_sound(read_film(io.BytesIO(beside["wav"].data)).sound, SOUND_RATE, [newsroom.keys])
    assert heard.sound_number == NUMBER & 0xFFFFFFFF


def test_the_source_type_says_what_is_in_the_file(
    newsroom: Any, beside: dict[str, Companion]
) -> None:
    """A still of a film with a recorded voice holds no voice: it is no composite."""
    film = newsroom.film[0]
    cases = [
        (Credentials(newsroom.trust).read(newsroom.data), COMPOSITE_TRAINED,
         ("Source portrait (withheld)", "Voice recording")),
        (Credentials(newsroom.trust).read(film.companions[0].data, "image/png"), TRAINED,
         ("Source portrait (withheld)",)),
        *((Credentials(newsroom.trust).read(beside[kind].data, MIMES[kind]), TRAINED,
           ("Source portrait (withheld)",)) for kind in ("png", "jpg")),
        (Credentials(newsroom.trust).read(beside["wav"].data, "audio/wav"), TRAINED,
         ("Synthetic voice (withheld)",)),
    ]  # fmt: skip
    for reading, source, inputs in cases:
        assert reading.claims is not None
        assert (reading.claims.source_type, reading.claims.inputs) == (source, inputs)
    film_synthetic = newsroom.order("x", voice_is_real=False)
    created = compose(film_synthetic, (), 1)["assertions"][0]["data"]["actions"]
    assert created[0]["digitalSourceType"] == TRAINED
    assert "c2pa.placed" not in {action["action"] for action in created}


def test_actions_fit_the_file(newsroom: Any, beside: dict[str, Companion]) -> None:
    def actions(one: Companion) -> list[str]:
        label = "c2pa.actions.v2"
        data = next(a["data"] for a in report(newsroom, one)["assertions"] if a["label"] == label)
        return [action["action"] for action in data["actions"]]

    for kind in ("png", "jpg"):
        assert actions(beside[kind]) == ["c2pa.created", "c2pa.addedText", "c2pa.watermarked.bound"]
    assert actions(beside["wav"]) == ["c2pa.created", "c2pa.watermarked.bound"]


def test_each_carries_the_implicit_label(synthetic: Any, beside: dict[str, Companion]) -> None:
    for one in beside.values():
        told = json.loads(read_implicit_label(io.BytesIO(one.data)))["AIGC"]
        assert told["Label"] == "1" and told["ProduceID"] == synthetic[1].asset_uuid
    for kind in ("png", "jpg"):  # where TC260-PG-20258A has it in pictures
        assert b"http://www.tc260.org.cn/ns/AIGC/1.0/" in beside[kind].data


def test_a_still_of_an_earlier_version_still_shows_its_implicit_label() -> None:
    earlier = b"\x89PNG\r\n\x1a\n....tEXtAIGC\0" + b'{"AIGC":{"Label":"1"}}' + b"crc."
    assert read_implicit_label(io.BytesIO(earlier)) == '{"AIGC":{"Label":"1"}}'
    assert read_implicit_label(io.BytesIO(b"\xff\xd8\xff\xe0 nothing here")) == ""


def test_a_still_whose_visible_words_are_gone_is_not_given_out(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    covered, whole = [], seal_module.picture_file

    def cover(frame: Any, form: Any, tag: str) -> bytes:
        plain = frame.copy()
        plain[-len(plain) // 5 :] = 90
        covered.append(whole(plain, form, tag))
        return covered[-1]

    monkeypatch.setattr(seal_module, "picture_file", cover)
    sealed = newsroom.seal(newsroom.clip(), newsroom.order("covered"))
    assert sealed.companions == () and sealed.path.exists()
    frames = read_film(io.BytesIO(covered[0])).frames
    assert read_picture(frames, [newsroom.keys]).asset_number == NUMBER, "the mark alone stands"


@pytest.mark.parametrize("kind", ["png", "jpg", "wav"])
def test_every_changed_byte_shows(newsroom: Any, beside: dict[str, Companion], kind: str) -> None:
    """Spread over the file, the credential's own chunk included."""
    one, credentials = beside[kind], Credentials(newsroom.trust)
    for at in np.linspace(8, len(one.data) - 1, 60).astype(int):
        changed = bytearray(one.data)
        changed[at] ^= 1
        assert not credentials.read(bytes(changed), MIMES[kind]).sound, at


@pytest.mark.parametrize("kind", ["png", "jpg", "wav"])
def test_what_is_appended_or_cut_is_seen(beside: dict[str, Companion], kind: str) -> None:
    data = beside[kind].data
    assert read_structure(data).brands == (kind,)
    carrier, other = {"png": (b"caBX", b"caBY"), "jpg": (b"\xff\xeb", b"\xff\xea"),
                      "wav": (b"C2PA", b"C2PB")}[kind]  # fmt: skip
    unnamed = data.replace(carrier, other)
    for bad in (data + b"x", data[:-1], data[:60], unnamed):
        with pytest.raises(ManifestError):
            read_structure(bad)


@pytest.mark.slow
def test_a_still_whose_mark_was_not_laid_is_not_given_out(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = seal_module.picture_file
    monkeypatch.setattr(
        seal_module,
        "picture_file",
        lambda frame, form, tag: plain(np.full_like(frame, 90), form, tag),
    )
    order = newsroom.order("blank")
    assert newsroom.seal(newsroom.clip(), order).companions == ()


def test_a_companions_bindings_are_its_own(newsroom: Any, beside: dict[str, Companion]) -> None:
    for kind, alg in (
        ("png", "org.primafacie.lattice.1"),
        ("jpg", "org.primafacie.lattice.1"),
        ("wav", "org.primafacie.lattice-sound.1"),
    ):
        claims = Credentials(newsroom.trust).read(beside[kind].data, MIMES[kind]).claims
        assert claims is not None and [name for name, _ in claims.bindings] == [alg]
    wrong = replace(newsroom.order("y"), asset_number=1)
    assert compose(wrong, (Binding("a", "b", b"c"),), 0, "jpg")["format"] == "image/jpeg"


def test_fragments_of_a_jpegs_credential_are_looked_at(
    newsroom: Any, beside: dict[str, Companion]
) -> None:
    """No hash covers the headers of the segments that carry the credential."""
    data = beside["jpg"].data
    first = data.index(b"\xff\xeb") + 4
    assert data[first : first + 2] == b"JP"
    renumbered = data[: first + 3] + bytes([data[first + 3] ^ 1]) + data[first + 4 :]
    assert "numbered" in " ".join(read_structure(renumbered).oddities)
    assert not Credentials(newsroom.trust).read(renumbered, "image/jpeg").sound
    with pytest.raises(ManifestError, match="out of its place"):
        read_structure(data[: first + 7] + b"\x02" + data[first + 8 :])
