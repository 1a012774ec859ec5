"""The seal: all of it or nothing, and never a byte on disk that is not signed."""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from primafacie.audit.digest import sha256_file
from primafacie.safeguards.errors import ManifestError, MarkError, SealError
from primafacie.safeguards.provenance import seal as seal_module
from primafacie.safeguards.provenance.certificates import certificate_serials, make_pki
from primafacie.safeguards.provenance.label import Label
from primafacie.safeguards.provenance.manifest import Credentials, TrustList
from primafacie.safeguards.provenance.media import (
    FilmLimits,
    read_film,
    read_implicit_label,
)
from primafacie.safeguards.provenance.seal import Seal
from primafacie.safeguards.provenance.watermark import parse_soft_binding


@pytest.fixture
def order(newsroom: Any, tmp_path: Path) -> Any:
    return newsroom.order("x", out_path=tmp_path / "sealed.mp4")


@pytest.fixture(scope="module")
def draft(newsroom: Any) -> Any:
    """One labelled, marked, encoded and unsigned film, so that tests of later steps start there."""
    sealer = Seal(newsroom.signer(), newsroom.trust, newsroom.keys, newsroom.revocations)
    return sealer._draft(newsroom.clip(), newsroom.order("draft"))


@pytest.fixture
def from_draft(draft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Seal, "_draft", lambda self, clip, order: draft)
    monkeypatch.setattr(seal_module, "_PAUSES", (0.0, 0.0))


def leftovers(order: Any) -> list[str]:
    return sorted(p.name for p in order.out_path.parent.iterdir())


# what comes out --------------------------------------------------------------------------------


def test_the_sealed_asset_is_the_file_on_disk(newsroom: Any) -> None:
    sealed, order = newsroom.film
    assert sealed.path == order.out_path
    assert sha256_file(sealed.path) == sealed.file_sha256
    assert sealed.path.stat().st_size == sealed.size
    assert sealed.path.stat().st_mode & 0o077 == 0
    assert (sealed.width, sealed.height, sealed.fps, sealed.frame_count) == (320, 320, 25.0, 60)
    assert len(sealed.fingerprint) > 1000
    assert f"{order.asset_uuid}" in read_implicit_label(io.BytesIO(sealed.path.read_bytes()))


def test_the_credential_binds_both_marks_to_the_asset_number(newsroom: Any) -> None:
    claims = Credentials(newsroom.trust).read(newsroom.data).claims
    assert claims is not None
    assert [alg for alg, _ in claims.bindings] == [
        "org.primafacie.lattice.1", "org.primafacie.lattice-sound.1",
    ]  # fmt: skip
    for _, value in claims.bindings:
        assert parse_soft_binding(value) == (newsroom.film[1].asset_number, newsroom.keys.epoch)


def test_the_label_is_on_every_frame(newsroom: Any, make_scene: Any) -> None:
    label = Label("AI-generated", "bottom", 320, 320)
    plain = list(make_scene(1))
    film = read_film(io.BytesIO(newsroom.data))
    stride = len(plain) // len(film.frames)
    for number, frame in enumerate(film.frames):
        wanted = label.burn(plain[number * stride])[label.area].astype(float)
        assert np.corrcoef(wanted.ravel(), frame[label.area].astype(float).ravel())[0, 1] > 0.9


def test_picture_and_sound_stay_in_step(newsroom: Any, make_voice: Any) -> None:
    film = read_film(io.BytesIO(newsroom.data))
    voice = make_voice(1)
    length = 2 * len(voice)
    spectrum = np.fft.rfft(voice, length) * np.conj(np.fft.rfft(film.sound[: len(voice)], length))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    assert min(lag, length - lag) <= 1


# nothing comes out -----------------------------------------------------------------------------


@pytest.mark.usefixtures("from_draft")
def test_a_dead_clock_leaves_nothing(newsroom: Any, order: Any) -> None:
    with pytest.raises(SealError, match="time-stamp"):
        newsroom.seal(newsroom.clip(), order, newsroom.signer(tsa_url="http://127.0.0.1:9/"))
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_a_clock_that_wakes_up_is_waited_for(newsroom: Any, order: Any) -> None:
    asked: list[str] = []

    class Sleepy:
        def __init__(self) -> None:
            self.real = newsroom.signer()
            self.chain_pem, self.sign = self.real.chain_pem, self.real.sign

        @property
        def tsa_url(self) -> str:
            asked.append("?")
            return "http://127.0.0.1:9/" if len(asked) <= 2 else str(newsroom.tsa.url)

    assert newsroom.seal(newsroom.clip(), order, Sleepy()).path.exists()
    assert leftovers(order) == ["sealed.mp4"]


@pytest.mark.usefixtures("from_draft")
def test_a_signer_that_fails_leaves_nothing(newsroom: Any, order: Any) -> None:
    def fail(digest: str, rid: str) -> None:
        raise RuntimeError("the log is full")

    with pytest.raises(ManifestError, match="the log is full"):
        newsroom.seal(newsroom.clip(), order, newsroom.signer(on_signature=fail))
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_a_signature_under_an_untrusted_root_leaves_nothing(newsroom: Any, order: Any) -> None:
    other = make_pki(newsroom.now)
    trust = TrustList.of(other.root_pem, newsroom.pki.time_root_pem)
    with pytest.raises((SealError, ManifestError)):
        seal = Seal(newsroom.signer(), trust, newsroom.keys, newsroom.revocations)
        seal.seal(newsroom.clip(), order)
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_leaves_nothing(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, step, full)
    with pytest.raises(SealError, match="No space left"):
        newsroom.seal(newsroom.clip(), order)
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_a_disk_that_changes_bytes_leaves_nothing(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_module, "sha256_file", lambda path: "0" * 64)
    with pytest.raises(SealError, match="the disk"):
        newsroom.seal(newsroom.clip(), order)
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_the_number_that_is_read_back_must_be_the_number_that_was_ordered(
    newsroom: Any, order: Any
) -> None:
    """The draft carries its own number; an order for another one does not get that file."""
    other = replace(order, asset_number=order.asset_number ^ (1 << 40))
    with pytest.raises(SealError, match="picture's mark"):
        newsroom.seal(newsroom.clip(), other)
    assert leftovers(order) == []


def test_a_picture_whose_mark_was_not_laid_leaves_nothing(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_module.PictureMarker, "apply", lambda self, frame: frame)
    with pytest.raises(SealError, match="picture's mark"):
        newsroom.seal(newsroom.clip(), order)
    assert leftovers(order) == []


def test_a_sound_whose_mark_was_not_laid_leaves_nothing(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seal_module, "mark_sound", lambda pcm, rate, keys, number: pcm)
    with pytest.raises(SealError, match="sound's mark"):
        newsroom.seal(newsroom.clip(), order)
    assert leftovers(order) == []


def test_silence_cannot_be_sealed(newsroom: Any, order: Any) -> None:
    clip = newsroom.clip(sound=np.zeros(115_200, np.float32))
    with pytest.raises(MarkError):
        newsroom.seal(clip, order)
    assert leftovers(order) == []


def test_frames_that_break_off_leave_nothing(newsroom: Any, order: Any, make_scene: Any) -> None:
    def broken() -> Iterator[Any]:
        yield from make_scene(1, 9)
        raise RuntimeError("the studio died")

    with pytest.raises(RuntimeError, match="the studio died"):
        newsroom.seal(newsroom.clip(frames=broken()), order)
    assert leftovers(order) == []


def test_missing_frames_leave_nothing(newsroom: Any, order: Any, make_scene: Any) -> None:
    with pytest.raises(SealError, match="promised 60 frames and gave 9"):
        newsroom.seal(newsroom.clip(frames=make_scene(1, 9)), order)
    assert leftovers(order) == []


def test_a_marked_film_is_not_marked_again(newsroom: Any, order: Any) -> None:
    frames = read_film(io.BytesIO(newsroom.data)).frames
    clip = newsroom.clip(frames=iter(frames), frame_count=len(frames), sound=newsroom.clip().sound)
    with pytest.raises((MarkError, SealError)):
        newsroom.seal(clip, replace(order, label=None))
    assert leftovers(order) == []


def test_nothing_is_overwritten(newsroom: Any, order: Any) -> None:
    order.out_path.write_bytes(b"already here")
    with pytest.raises(SealError, match="already"):
        newsroom.seal(newsroom.clip(), order)
    assert order.out_path.read_bytes() == b"already here"


_WATCHED: list[str] | None = None


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _WATCHED is not None and event == "open":
        path, mode, flags = arguments
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or (isinstance(mode, str) and set(mode) & set("wax+")):
            _WATCHED.append(str(path))


def test_the_only_file_ever_opened_for_writing_receives_signed_bytes(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Watched by the interpreter's own audit events, from the first frame to the last byte."""
    global _WATCHED
    moved: list[bytes] = []
    real = os.replace

    def replaced(source: Any, target: Any) -> None:
        moved.append(Path(source).read_bytes())
        real(source, target)

    monkeypatch.setattr(os, "replace", replaced)
    sys.addaudithook(_watch)
    _WATCHED = []
    try:
        newsroom.seal(newsroom.clip(seed=4), order)
        opened = [p for p in _WATCHED if not p.startswith(("/dev/", "/proc/")) and not p.isdigit()]
    finally:
        _WATCHED = None
    assert {Path(p).parent for p in opened} == {order.out_path.parent}
    assert len(opened) == 1 and opened[0].endswith(".part")
    assert len(moved) == 1 and Credentials(newsroom.trust).read(moved[0]).sound


# visible words and revoked certificates ---------------------------------------------------------


def test_a_caption_stands_at_both_ends_and_the_label_all_the_time(
    newsroom: Any, tmp_path: Path, make_scene: Any, make_voice: Any
) -> None:
    """Six seconds and a half: words in the first and last three, none of them between."""
    frames = 65  # at 10 frames a second
    order = newsroom.order(
        "captioned", out_path=tmp_path / "captioned.mp4", label_position="top-right",
        caption="AI-generated, with the consent of the person shown", caption_at="both",
    )  # fmt: skip
    clip = newsroom.clip(
        fps=10.0, frame_count=frames, frames=make_scene(4, frames), sound=make_voice(4, 6.5)
    )
    sealed = newsroom.seal(clip, order)
    film = read_film(io.BytesIO(sealed.path.read_bytes()), FilmLimits(frames=frames))
    label = Label("AI-generated", "top-right", 320, 320)
    caption = Label(order.caption, "bottom", 320, 320)
    seen = [when for when, frame in zip(film.times, film.frames, strict=True)
            if caption.seen(frame)]  # fmt: skip
    assert len(film.frames) == frames and all(label.seen(frame) for frame in film.frames)
    assert seen == pytest.approx([n / 10 for n in (*range(30), *range(35, 65))])
    claims = Credentials(newsroom.trust).read(sealed.path.read_bytes()).claims
    assert claims is not None and claims.actions.count("c2pa.addedText") == 3
    still = next(one for one in sealed.companions if one.kind == "jpg")
    told = Credentials(newsroom.trust).read(still.data, "image/jpeg").claims
    assert told is not None and told.actions.count("c2pa.addedText") == 1  # taken in between


@pytest.mark.parametrize("at", ["start", "end"])
def test_words_that_were_not_burned_in_leave_nothing(
    newsroom: Any, order: Any, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    """The credential would name words that the film does not show."""
    wordless = replace(order, label=None, caption="AI-generated", caption_at=at)
    monkeypatch.setattr(Label, "burn", lambda self, frame: frame)
    with pytest.raises(SealError, match="visible words"):
        newsroom.seal(newsroom.clip(), wordless)
    assert leftovers(order) == []


@pytest.mark.parametrize(
    "wrong",
    [{"label": " "}, {"label": "x" * 101}, {"label_position": "middle"}, {"caption": "a\nb"},
     {"caption_at": "never"}],
)  # fmt: skip
def test_visible_words_have_a_shape(newsroom: Any, order: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(ManifestError, match=r"label|caption"):
        newsroom.seal(newsroom.clip(), replace(order, **wrong))
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
@pytest.mark.parametrize("place", [0, 1])
def test_a_revoked_certificate_signs_nothing(newsroom: Any, order: Any, place: int) -> None:
    """The leaf, or the authority above it."""
    asked: list[str] = []
    serial = certificate_serials(newsroom.signer().chain_pem)[place]
    revoked = type(newsroom.revocations)({serial: newsroom.now})
    signer = newsroom.signer(on_signature=lambda digest, rid: asked.append(digest))
    with pytest.raises(SealError, match="revoked"):
        Seal(signer, newsroom.trust, newsroom.keys, revoked).seal(newsroom.clip(), order)
    assert asked == [] and leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_a_certificate_revoked_while_the_film_was_signed_delivers_nothing(
    newsroom: Any, order: Any
) -> None:
    serial = certificate_serials(newsroom.signer().chain_pem)[0]
    revoked = type(newsroom.revocations)()

    def revoke(digest: str, rid: str) -> None:
        revoked.serials[serial] = newsroom.now

    signer = newsroom.signer(on_signature=revoke)
    with pytest.raises(SealError, match="revoked"):
        Seal(signer, newsroom.trust, newsroom.keys, revoked).seal(newsroom.clip(), order)
    assert leftovers(order) == []


@pytest.mark.usefixtures("from_draft")
def test_a_list_of_revocations_that_cannot_be_asked_delivers_nothing(
    newsroom: Any, order: Any
) -> None:
    class Away:
        def revoked(self, serial: str) -> None:
            raise OSError("the database is away")

    with pytest.raises(OSError, match="away"):
        Seal(newsroom.signer(), newsroom.trust, newsroom.keys, Away()).seal(newsroom.clip(), order)
    assert leftovers(order) == []
