"""primafacie bench face: how good the face is, measured on frames that nobody sees."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from primafacie.platform.cli import answer

if TYPE_CHECKING:
    from primafacie.generator.benchmark import Sitting, Utterance

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_PICTURES = (".jpg", ".jpeg", ".png", ".webp")


@click.command("face")
@click.option("--portraits", type=_FOLDER, help="Pictures to animate instead of the drawn sitters; "
              "only figures of them are written.")  # fmt: skip
@click.option("--voices", type=_FOLDER, help="NAME.wav with NAME.txt beside it, English, instead "
              "of synthetic sentences.")  # fmt: skip
@click.option("--size", default=512, show_default=True, help="Shorter side in pixels.")
@click.option("--each", default=3, show_default=True, help="Sentences for each portrait.")
@click.option("--long", "minutes", default=0, help="Also draw a clip of so many minutes.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for face.md "
              "and its pictures.")  # fmt: skip
@answer.json_option
def face(
    portraits: Path | None,
    voices: Path | None,
    size: int,
    each: int,
    minutes: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the face on portraits and voices. No frame leaves: figures do, and small pictures of
    sitters that this program drew."""
    from primafacie.generator import benchmark, benchmark_report

    tell = (lambda text: click.echo(text, err=True)) if as_json else click.echo
    sittings = list(_pictures(portraits)) if portraits else list(_drawn())
    said = benchmark.recorded(voices) if voices else benchmark.spoken()
    report = benchmark.run(sittings, said, tell, size, each)
    speed = [*benchmark.speed(sittings[0], said[0], size), *_sealed(sittings[0], said[0], size)]
    if minutes:
        speed += benchmark.long_run(sittings[0], minutes, size, tell)
    if out is not None:
        command = "primafacie bench face --out DIR" + (f" --long {minutes}" if minutes else "")
        tell(str(benchmark_report.write(report, out, command, speed)))
    lines = [f"{x.number} {x.name}: {x.value:.3g} {x.unit}, target {x.target}"
             f"{'' if x.reached else ' NOT REACHED'}; {x.control}"
             f"{'' if x.control_red else ' CONTROL PASSES'}" for x in report.lines]  # fmt: skip
    document = {"lines": report.lines, "motion": report.motion, "notes": report.notes,
                "speed": speed}  # fmt: skip
    answer.say(as_json, document, *lines, *report.notes, *speed)


def _drawn() -> Iterator[Sitting]:
    """The sitters of this program, and a photograph in the public domain as a technical picture."""
    from skimage import data

    from primafacie.generator.benchmark import Sitting
    from primafacie.platform import sitter
    from primafacie.platform.walkthrough import png

    for one in sitter.SITTERS:
        yield Sitting(one.name, png(one.picture(768)), drawn=True)
    yield Sitting("technical", png(data.astronaut()))


def _pictures(folder: Path) -> Iterator[Sitting]:
    from primafacie.generator.benchmark import Sitting

    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _PICTURES)
    for number, file in enumerate(files):
        yield Sitting(f"portrait-{number:02d}", file.read_bytes())


def _sealed(sitting: Sitting, said: Utterance, size: int) -> Iterator[str]:
    """Voice to sealed file: marked, encoded, signed, read back, with keys made for this run, in a
    folder that is deleted."""
    import tempfile
    from datetime import UTC, datetime

    from primafacie.generator.benchmark import performance
    from primafacie.safeguards.provenance.certificates import make_pki
    from primafacie.safeguards.provenance.manifest import LocalSigner, TrustList
    from primafacie.safeguards.provenance.mark_keys import MarkKeys
    from primafacie.safeguards.provenance.seal import Seal
    from primafacie.safeguards.provenance.timestamp import LocalTsa

    pki = make_pki(datetime.now(UTC))
    with LocalTsa(pki.time) as tsa, tempfile.TemporaryDirectory() as folder:
        signer = LocalSigner(pki.claim.chain_pem, pki.claim.key_pem, tsa.url)
        trust = TrustList.of(pki.root_pem, pki.time_root_pem)
        seal = Seal(signer, trust, MarkKeys.derive(b"a key of this run alone, 32 bytes", 0))
        cpu, wall = time.process_time(), time.perf_counter()
        clip = performance(sitting, said, size)
        sealed = seal.seal(clip, _order(Path(folder)))
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
        ratio = wall / sealed.duration
        yield (f"voice to sealed file: {1000 * cpu / sealed.frame_count:.0f} ms of CPU a frame, "
               f"{ratio:.2f} of the clip's length (target <= 1 on two free cores)")  # fmt: skip
        yield from _container(sealed.path)


def _order(folder: Path) -> Any:
    """What the seal is told; nothing in it is anybody's."""
    import uuid
    from datetime import UTC, datetime, timedelta

    from primafacie.safeguards.asset import fresh_asset_number
    from primafacie.safeguards.provenance.order import LogEvidence, SealOrder

    now, number = datetime.now(UTC), fresh_asset_number()
    return SealOrder(
        asset_number=number, asset_uuid=uuid.uuid4().hex, rid="0" * 32, when=now,
        voice_is_real=False, engines=(("photo-warp", "1.0"), ("speech-motion", "1.0")), report=(),
        consent_commitment="hmac-sha256:" + "0" * 64, consent_status_url="http://bench.invalid/",
        scope=("research", "internal"), not_after=now + timedelta(days=1), liveness=0,
        decision_id="0" * 32, policy_sha256="0" * 64,
        evidence=LogEvidence("bench.invalid", 0, b"{}", "none"), out_path=folder / "sealed.mp4",
    )  # fmt: skip


def _container(path: Path) -> Iterator[str]:
    """12: when picture and sound begin, how many frames there are, whether their times rise."""
    import av

    with av.open(str(path)) as film:
        video, sound = film.streams.video[0], film.streams.audio[0]
        offset = _start(video) - _start(sound)
        times = [frame.pts for frame in film.decode(video=0)]
    rising = all(a < b for a, b in pairwise(times) if a is not None and b)
    yield (f"12 container: picture starts {1000 * offset:+.0f} ms after the sound, {len(times)} "
           f"frames, times {'rise' if rising else 'DO NOT RISE'}")  # fmt: skip


def _start(stream: Any) -> float:
    return float((stream.start_time or 0) * stream.time_base)
