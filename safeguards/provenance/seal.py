"""The seal: a clip nobody may see becomes a file that says what it is, or nothing at all.

Frames come in one by one, get their visible label and their mark, and go straight into the
encoder; the sound is marked before that. The film exists in memory only until it is signed and
time-stamped and everything has been read back from its final bytes: a trusted credential that
passes every check, the picture's number, the sound's number. Then, and only then, bytes are
written, beside their place, and moved there in one step.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

import numpy as np

from primafacie.audit.digest import sha256_file, sha256_hex
from primafacie.generator.clip import UnsealedClip
from primafacie.safeguards.asset import SOUND_NUMBER_MASK, Companion, SealedAsset
from primafacie.safeguards.errors import SealError, TimestampError
from primafacie.safeguards.provenance.assertions import FORMATS, Binding, Part, compose
from primafacie.safeguards.provenance.certificates import certificate_serials
from primafacie.safeguards.provenance.fingerprint import Fingerprint
from primafacie.safeguards.provenance.label import Label
from primafacie.safeguards.provenance.manifest import (
    ClaimSigner,
    Credentials,
    ManifestReading,
    Signed,
    TrustList,
)
from primafacie.safeguards.provenance.media import (
    SOUND_RATE,
    Film,
    FilmWriter,
    Frame,
    PictureForm,
    Sound,
    implicit_label,
    last_frame,
    picture_file,
    read_film,
    sound_file,
)
from primafacie.safeguards.provenance.order import LogEvidence, SealOrder, Words
from primafacie.safeguards.provenance.resolve import Revocations
from primafacie.safeguards.provenance.watermark import (
    SCHEME,
    SOUND_SCHEME,
    MarkKeys,
    MarkStatus,
    PictureMarker,
    PicturePlan,
    mark_sound,
    read_picture,
    read_sound,
    soft_binding_value,
)

__all__ = ["LogEvidence", "Seal", "SealOrder"]

PLAN_FRAMES = 6
STAMP_ATTEMPTS = 3
STILLS: tuple[PictureForm, ...] = ("png", "jpg")
LONGEST_SOUND = 60.0  # seconds of sound that are also given out by themselves
_PAUSES = (0.5, 2.0)  # seconds between attempts to get a time-stamp


@dataclass(frozen=True, slots=True)
class _Draft:
    """A marked film in memory, not signed yet, how its picture was marked, and what may stand
    beside it: one marked frame, the visible words that lie in it, and the marked sound."""

    data: bytes
    plan: PicturePlan
    still: Frame
    words: tuple[Label, ...]
    sound: Sound


class Seal:
    """Seals clips with one signer, one trust list and the mark keys of one epoch. Thread-safe.

    `revocations` is asked before each signature and of each finished file: a certificate that it
    names signs nothing and delivers nothing.
    """

    def __init__(
        self, signer: ClaimSigner, trust: TrustList, keys: MarkKeys, revocations: Revocations
    ) -> None:
        self._signer = signer
        self._credentials = Credentials(trust)
        self._keys = keys
        self._revocations = revocations

    def seal(self, clip: UnsealedClip, order: SealOrder) -> SealedAsset:
        """The sealed film at `order.out_path`, which did not exist before.

        Raises MarkError, MediaError or ManifestError when a step cannot be done, SealError when no
        time-stamp could be had, the signer's certificate is revoked or the result does not read
        back. In every such case, and when the
        clip's own frames raise, no file and no unsigned byte is left on any disk.
        """
        order.check()
        if order.out_path.exists():
            raise SealError("there is already a file where the sealed one should go")
        self._refuse_revoked(certificate_serials(self._signer.chain_pem))
        draft = self._draft(clip, order)
        bindings = self._bindings(order)
        milliseconds = round(clip.frame_count / clip.fps * 1000)
        signed = self._sign(draft.data, compose(order, bindings, milliseconds), order.rid)
        reading, film = self._read_back(signed, order, bindings)
        _read_words(signed.data, film, order.words(clip.frame_count / clip.fps))
        companions = self._companions(draft, order, bindings, milliseconds)
        self._refuse_revoked(reading.serials)
        _publish(signed.data, order.out_path)
        return SealedAsset(
            path=order.out_path,
            asset_number=order.asset_number,
            asset_uuid=order.asset_uuid,
            manifest_label=reading.label,
            file_sha256=sha256_hex(signed.data),
            manifest_sha256=sha256_hex(signed.store),
            size=len(signed.data),
            duration=clip.frame_count / clip.fps,
            width=clip.width,
            height=clip.height,
            fps=clip.fps,
            frame_count=clip.frame_count,
            sealed_at=datetime.now(UTC),
            fingerprint=Fingerprint.of(film.frames).to_bytes(),
            manifest=signed.store,
            companions=companions,
            notes=(
                ("mark_psnr_db", f"{draft.plan.psnr_db:.1f}"),
                ("manifest_bytes", str(len(signed.store))),
            ),
        )

    def _draft(self, clip: UnsealedClip, order: SealOrder) -> _Draft:
        """Label, mark and encode; the sound first, because it fails fastest."""
        sound = _fitted(clip.sound, clip.frame_count, clip.fps)
        sound = mark_sound(sound, SOUND_RATE, self._keys, order.asset_number)
        tag = implicit_label(order.producer, order.asset_uuid)
        writer = FilmWriter(clip.width, clip.height, clip.fps, sound, tag)
        frames = _labelled(clip, order)
        first = list(islice(frames, PLAN_FRAMES))
        if not first:
            raise SealError("the clip has no frames")
        marker = PictureMarker(self._keys, order.asset_number, order.preset)
        plan = marker.plan(first)
        count = 0
        still, middle = first[0], clip.frame_count // 2
        for frame in chain(first, frames):
            marked = marker.apply(frame)
            writer.add(marked)
            if count == middle:
                still = marked.copy()
            count += 1
        if count != clip.frame_count:
            raise SealError(f"the clip promised {clip.frame_count} frames and gave {count}")
        words = tuple(_laid_out(w, clip.width, clip.height)
                      for w in order.words(clip.frame_count / clip.fps)
                      if w.at(middle / clip.fps))  # fmt: skip
        return _Draft(writer.finish(), plan, still, words, sound)

    def _bindings(self, order: SealOrder) -> tuple[Binding, ...]:
        value = soft_binding_value(order.asset_number, self._keys.epoch)
        return (
            Binding(SCHEME, "Primafacie lattice watermark, picture", value),
            Binding(SOUND_SCHEME, "Primafacie lattice watermark, sound", value),
        )

    def _companions(
        self, draft: _Draft, order: SealOrder, bindings: tuple[Binding, ...], milliseconds: int
    ) -> tuple[Companion, ...]:
        """A still as PNG and as JPEG and, where the voice is synthetic and short, the sound: marked
        and signed as the film is. One whose mark or visible words do not read back from its final
        bytes is not made."""
        tag = implicit_label(order.producer, order.asset_uuid)
        made = []
        for form in STILLS:
            still = self._companion(
                picture_file(draft.still, form, tag), form, order, bindings[:1], milliseconds
            )
            made += [still] if self._carries_picture(still, draft.words, order) else []
        if not order.voice_is_real and len(draft.sound) <= LONGEST_SOUND * SOUND_RATE:
            sound = self._companion(
                sound_file(draft.sound, tag), "wav", order, bindings[1:], milliseconds
            )
            made += [sound] if self._carries_sound(sound, order) else []
        return tuple(made)

    def _companion(
        self, media: bytes, part: Part, order: SealOrder, bindings: tuple[Binding, ...],
        milliseconds: int,
    ) -> Companion:  # fmt: skip
        """Signed; SealError when its credential does not hold."""
        mime = FORMATS[part]
        definition = compose(order, bindings, milliseconds, part)
        signed = self._sign(media, definition, order.rid, mime)
        reading = self._credentials.read(signed.data, mime)
        named = reading.claims.bindings if reading.claims else ()
        if not reading.sound or named != tuple((b.alg, b.value) for b in bindings):
            why = ", ".join((reading.state, *reading.failures, *reading.failed_checks))
            raise SealError(f"the credential of the {part} does not hold: {why}")
        return Companion(part, sha256_hex(signed.data), signed.data)

    def _carries_picture(
        self, still: Companion, words: tuple[Label, ...], order: SealOrder
    ) -> bool:
        (frame,) = read_film(io.BytesIO(still.data)).frames
        seen = read_picture([frame], [self._keys])
        return seen.asset_number == order.asset_number and all(w.seen(frame) for w in words)

    def _carries_sound(self, sound: Companion, order: SealOrder) -> bool:
        heard = read_sound(read_film(io.BytesIO(sound.data)).sound, SOUND_RATE, [self._keys])
        return heard.sound_number == order.asset_number & SOUND_NUMBER_MASK

    def _sign(
        self, film: bytes, definition: dict[str, object], rid: str, mime: str = "video/mp4"
    ) -> Signed:
        """Sign; a silent time-stamp authority is asked again, never done without."""
        for attempt in range(STAMP_ATTEMPTS):
            try:
                return self._credentials.sign(film, definition, self._signer, rid, mime)
            except TimestampError as error:
                if attempt == STAMP_ATTEMPTS - 1:
                    raise SealError("no time-stamp could be had; nothing was kept") from error
                time.sleep(_PAUSES[attempt])
        raise AssertionError("unreachable")

    def _read_back(
        self, signed: Signed, order: SealOrder, bindings: tuple[Binding, ...]
    ) -> tuple[ManifestReading, Film]:
        """Read everything again from the final bytes; SealError names what does not stand there."""
        reading = self._credentials.read(signed.data)
        claims = reading.claims
        if not reading.sound or claims is None:
            why = ", ".join((reading.state, *reading.failures, *reading.failed_checks))
            raise SealError(f"the credential does not hold: {why}")
        if reading.manifest_sha256 != sha256_hex(signed.store):
            raise SealError("the manifest in the file is not the one that was signed")
        if claims.bindings != tuple((b.alg, b.value) for b in bindings):
            raise SealError("the credential names other watermarks than were laid")
        film = read_film(io.BytesIO(signed.data))
        picture = read_picture(film.frames, [self._keys])
        if picture.status is not MarkStatus.READ or picture.asset_number != order.asset_number:
            raise SealError("the picture's mark does not read back from the final file")
        heard = read_sound(film.sound, SOUND_RATE, [self._keys])
        if heard.sound_number != order.asset_number & SOUND_NUMBER_MASK:
            raise SealError("the sound's mark does not read back from the final file")
        return reading, film

    def _refuse_revoked(self, serials: tuple[str, ...]) -> None:
        if not serials or any(self._revocations.revoked(serial) for serial in serials):
            raise SealError("the signer's certificate was revoked; nothing was kept")


def _fitted(sound: Sound, frame_count: int, fps: float) -> Sound:
    """The sound cut or padded to the frames' length, so that the mark covers what is heard."""
    wanted = round(frame_count / fps * SOUND_RATE)
    fitted = np.zeros(wanted, np.float32)
    fitted[: min(wanted, len(sound))] = sound[:wanted]
    return fitted


def _labelled(clip: UnsealedClip, order: SealOrder) -> Iterator[Frame]:
    every = [(w, _laid_out(w, clip.width, clip.height))
             for w in order.words(clip.frame_count / clip.fps)]  # fmt: skip
    for number, frame in enumerate(clip.frames):
        for words, label in every:
            if words.at(number / clip.fps):
                frame = label.burn(frame)
        yield frame


def _laid_out(words: Words, width: int, height: int) -> Label:
    return Label(words.text, words.position, width, height)


def _read_words(data: bytes, film: Film, every: tuple[Words, ...]) -> None:
    """Return if all visible words stand out in the final film's frames; SealError otherwise."""
    frames = list(zip(film.times, film.frames, strict=True))
    if any(words.start > 0 for words in every):
        frames.append(last_frame(io.BytesIO(data)))
    for words in every:
        label = _laid_out(words, film.width, film.height)
        shown = [frame for when, frame in frames if words.at(when)]
        if not shown or not all(label.seen(frame) for frame in shown):
            raise SealError("the visible words do not read back from the final film")


def _publish(data: bytes, path: Path) -> None:
    """Put signed bytes in their place whole or not at all, and make sure they arrived."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".sealing-", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if sha256_file(temporary) != sha256_hex(data):
            raise SealError("the disk did not keep the sealed file as it was written")
        # A crash before the next line leaves a stray .part file that holds signed bytes only.
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise SealError(f"the sealed file could not be stored: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
