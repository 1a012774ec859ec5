"""A photo that tells everything goes in; nothing of what it tells is in any file that leaves."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from PIL import Image

from primafacie.audit.digest import sha256_hex
from primafacie.generator.controls import Controls
from primafacie.platform.jobs import Worker
from primafacie.platform.requests import Submission
from primafacie.platform.review import Review
from primafacie.platform.settings import Settings
from primafacie.platform.walkthrough import Walkthrough, speak
from primafacie.platform.wiring import Services

NAME = "Carla Canary-Birdwhistle"
FILE = "carla_on_the_beach_0042.jpg"
PLACE = "57 deg 38 min 13 N"
SAID = "Mum may be home by five, and maybe Bob will bring some bread for all of us."


def canary(picture: bytes) -> bytes:
    """The picture as a camera with Content Credentials writes it: position, owner, thumbnail, a
    signed manifest that names its file."""
    import c2pa

    from primafacie.safeguards.provenance.certificates import make_pki
    from primafacie.safeguards.provenance.manifest import TrustList, settings
    from primafacie.safeguards.provenance.timestamp import LocalTsa

    exif = Image.Exif()
    exif[0x013B] = exif[0x8298] = NAME
    exif[0x010E] = FILE
    exif[0x8825] = {1: "N", 2: (57.0, 38.0, 13.0), 3: "E", 4: (18.0, 17.0, 42.0), 29: PLACE}
    plain = io.BytesIO()
    Image.open(io.BytesIO(picture)).convert("RGB").save(plain, "JPEG", quality=95, exif=exif)
    pki = make_pki(datetime.now(UTC))
    definition = {
        "claim_generator_info": [{"name": "Canary Camera", "version": "1"}],
        "title": FILE, "format": "image/jpeg",
        "assertions": [
            {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created",
             "digitalSourceType":
             "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"}]}},
            {"label": "org.example.owner", "data": {"name": NAME, "place": PLACE}},
        ],
    }  # fmt: skip
    signed = io.BytesIO()
    with LocalTsa(pki.time) as tsa:
        info = c2pa.C2paSignerInfo(
            b"es256", pki.claim.chain_pem, pki.claim.key_pem, tsa.url.encode()
        )
        with c2pa.Signer.from_info(info) as signer:
            config = settings(TrustList.of(pki.root_pem, pki.time_root_pem))
            del config["builder"]["thumbnail"]  # cameras put one in
            builder = c2pa.Builder(json.dumps(definition), context=c2pa.Context.from_dict(config))
            builder.sign(signer, "image/jpeg", io.BytesIO(plain.getvalue()), signed)
    return signed.getvalue()


class Telling(Walkthrough):
    """A walk whose first photo tells everything."""

    def _draw(self) -> list[bytes]:
        first, *others = super()._draw()
        return [canary(first), *others]


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[bytes, dict[str, bytes]]]:
    """The canary, and everything that was made of it and can leave."""
    folder = tmp_path_factory.mktemp("canary")
    with Services.open(Settings(data_dir=folder / "data")) as services:
        walk = Telling(services, folder)
        with services.gate() as gate:
            walk.gate = gate
            walk.people()
            with pytest.MonkeyPatch.context() as patch:
                # the drawn picture in a JPEG that tells everything: no other bytes would do here
                patch.setattr(Review, "_origin", staticmethod(lambda *_: "redrawn"))
                walk.consent()
        assert walk.cast is not None
        asked = Submission(
            project_id=walk.cast.project_id, consent_id=walk.consent_id,
            purpose="demonstration", audience="public", photo=walk.portrait, voice=speak(SAID),
            controls=Controls(size=256, transcript=SAID, seed=3), voice_synthetic=True,
        )  # fmt: skip
        researcher = walk.cast.researcher
        rid = services.requests.submit(researcher, asked).rid
        Worker(services).run(once=True)
        view = services.requests.show(researcher, rid)
        assert view.state == "released", (view.message, view.reasons)
        files = {"mp4": services.requests.deliver(researcher, rid).read()}
        for kind in ("png", "jpg", "wav"):
            files[kind] = services.requests.companion(researcher, rid, kind).data
        files["receipt"] = services.requests.receipt(researcher, rid)
        verdict = services.examiner.examine(None, files["mp4"])
        files["verdict"] = services.examiner.statement(verdict)
        services.logbook.bundle(None, folder / "log.bundle")
        files["log"] = (folder / "log.bundle").read_bytes()
        yield walk.portrait, files


@pytest.mark.slow
def test_nothing_of_the_source_photo_is_in_any_file_that_leaves(
    emitted: tuple[bytes, dict[str, bytes]],
) -> None:
    photo, files = emitted
    for needle in (NAME, FILE, PLACE, "Canary Camera", "c2pa.thumbnail"):
        assert needle.encode() in photo, "the canary no longer tells what it should"
    digest = sha256_hex(photo)
    needles = [
        NAME.encode(), FILE.encode(), PLACE.encode(), b"Canary", b"Exif\0\0",
        b"thumbnail", digest.encode(), bytes.fromhex(digest),
        base64.b64encode(bytes.fromhex(digest)), photo[2000:2064], photo[-500:-436],
    ]  # fmt: skip
    found = [(name, needle) for name, data in files.items() for needle in needles
             if needle in data]  # fmt: skip
    assert found == []


def pictures(data: bytes) -> list[int]:
    """Where in these bytes a JPEG, PNG or WebP begins that can be opened: three bytes that look
    like one's beginning are common in sound."""
    starts = re.finditer(rb"\xff\xd8\xff|\x89PNG\r\n|RIFF....WEBP", data, re.DOTALL)
    return [at.start() for at in starts if _opens(data[at.start() :])]


def _opens(data: bytes) -> bool:
    try:
        Image.open(io.BytesIO(data)).load()
    except (OSError, SyntaxError, ValueError):
        return False
    return True


@pytest.mark.slow
def test_no_picture_hides_in_a_file_but_the_one_it_shows(
    emitted: tuple[bytes, dict[str, bytes]],
) -> None:
    """One inside a film, a sound or another picture would be a copy of a face."""
    photo, files = emitted
    assert len(files["wav"]) in pictures(files["wav"] + photo), "one that hides is found"
    for name, data in files.items():
        assert pictures(data) == ([0] if name in ("jpg", "png") else []), name
