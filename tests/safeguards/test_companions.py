"""The still and the sound beside a film: marked and signed as it is, and saying what they are."""

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
from primafacie.safeguards.provenance.media import SOUND_RATE, read_film
from primafacie.safeguards.provenance.rubric import COMPOSITE_TRAINED, TRAINED
from primafacie.safeguards.provenance.watermark import read_picture, read_sound

MIMES = {"png": "image/png", "wav": "audio/wav"}
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


def test_both_stand_beside_a_film_with_a_synthetic_voice(beside: dict[str, Companion]) -> None:
    assert set(beside) == {"png", "wav"}
    assert all(sha256_hex(one.data) == one.sha256 for one in beside.values())


def test_a_persons_recording_is_not_given_out_alone(newsroom: Any) -> None:
    sealed, order = newsroom.film
    assert order.voice_is_real and [one.kind for one in sealed.companions] == ["png"]
    with pytest.raises(ManifestError, match="recording"):
        compose(order, (), 0, "sound")


def test_each_has_a_sound_credential_and_its_mark(
    newsroom: Any, beside: dict[str, Companion]
) -> None:
    for kind, one in beside.items():
        reading = Credentials(newsroom.trust).read(one.data, MIMES[kind])
        assert reading.sound and reading.signed_at is not None, reading
    picture = read_picture(read_film(io.BytesIO(beside["png"].data)).frames, [newsroom.keys])
    heard = read_sound(read_film(io.BytesIO(beside["wav"].data)).sound, SOUND_RATE, [newsroom.keys])
    assert picture.asset_number == NUMBER and heard.sound_number == NUMBER & 0xFFFFFFFF


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
        (Credentials(newsroom.trust).read(beside["png"].data, "image/png"), TRAINED,
         ("Source portrait (withheld)",)),
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

    assert actions(beside["png"]) == ["c2pa.created", "c2pa.addedText", "c2pa.watermarked.bound"]
    assert actions(beside["wav"]) == ["c2pa.created", "c2pa.watermarked.bound"]


def test_each_carries_the_implicit_label(synthetic: Any, beside: dict[str, Companion]) -> None:
    for one in beside.values():
        assert b'{"AIGC":{"Label":"1"' in one.data
        assert synthetic[1].asset_uuid.encode() in one.data


@pytest.mark.parametrize("kind", ["png", "wav"])
def test_every_changed_byte_shows(newsroom: Any, beside: dict[str, Companion], kind: str) -> None:
    """Spread over the file, the credential's own chunk included."""
    one, credentials = beside[kind], Credentials(newsroom.trust)
    for at in np.linspace(8, len(one.data) - 1, 60).astype(int):
        changed = bytearray(one.data)
        changed[at] ^= 1
        assert not credentials.read(bytes(changed), MIMES[kind]).sound, at


@pytest.mark.parametrize("kind", ["png", "wav"])
def test_what_is_appended_or_cut_is_seen(beside: dict[str, Companion], kind: str) -> None:
    data = beside[kind].data
    assert read_structure(data).brands == (kind,)
    for bad in (data + b"x", data[:-1], data[:60], data.replace(b"caBX", b"caBY")
                .replace(b"C2PA\x00", b"C2PB\x00")):  # fmt: skip
        if bad != data:
            with pytest.raises(ManifestError):
                read_structure(bad)


@pytest.mark.slow
def test_a_still_whose_mark_was_not_laid_is_not_given_out(
    newsroom: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = seal_module.picture_file
    monkeypatch.setattr(
        seal_module, "picture_file", lambda frame, tag: plain(np.full_like(frame, 90), tag)
    )
    order = newsroom.order("blank")
    assert newsroom.seal(newsroom.clip(), order).companions == ()


def test_a_companions_bindings_are_its_own(newsroom: Any, beside: dict[str, Companion]) -> None:
    for kind, alg in (
        ("png", "org.primafacie.lattice.1"),
        ("wav", "org.primafacie.lattice-sound.1"),
    ):
        claims = Credentials(newsroom.trust).read(beside[kind].data, MIMES[kind]).claims
        assert claims is not None and [name for name, _ in claims.bindings] == [alg]
    wrong = replace(newsroom.order("y"), asset_number=1)
    assert compose(wrong, (Binding("a", "b", b"c"),), 0, "still")["format"] == "image/png"
