"""primafacie bench face: how good the face is, measured on frames that nobody sees."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from primafacie.platform.cli import answer

if TYPE_CHECKING:
    from primafacie.generator.benchmark import Sitting, Utterance
    from primafacie.platform.walkthrough import Walkthrough

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
@click.option("--device", type=click.Choice(("cpu", "cuda")), help="Also time the torch engine "
              "there, alone and with marking, encoding and signing.")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for face.md "
              "and its pictures.")  # fmt: skip
@answer.json_option
def face(
    portraits: Path | None,
    voices: Path | None,
    size: int,
    each: int,
    minutes: int,
    device: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure the face on portraits and voices. No frame leaves: figures do, and small pictures of
    sitters that this program drew."""
    from primafacie.generator import benchmark, benchmark_report, benchmark_speed
    from primafacie.generator.benchmark_conditions import conditions

    tell = (lambda text: click.echo(text, err=True)) if as_json else click.echo
    sittings = list(_pictures(portraits)) if portraits else list(_drawn())
    said = benchmark.recorded(voices) if voices else benchmark.spoken()
    report = benchmark.run(sittings, said, tell, size, each)
    command = "primafacie bench face --out DIR" + (f" --long {minutes}" if minutes else "")
    command += f" --device {device}" if device else ""
    first, one, other = sittings[0], said[0], said[1 % len(said)]
    asked: list[str] = []
    speed: list[str] = []
    parts: list[tuple[list[str], Iterable[str]]] = [
        (asked, (line for sitting in sittings for line in conditions(sitting, size))),
        (speed, benchmark_speed.speed(first, one, size)),
        (speed, benchmark_speed.live(first, one, other, size)),
        (speed, _road(tell)),
    ]
    if device:
        parts.append((speed, benchmark_speed.on_device(first, one, size, device)))
        parts.append((speed, _on_device(first, one, size, device)))
    if minutes:
        parts.append((speed, benchmark_speed.long_run(first, minutes, size, tell)))
    for found, part in [(asked, ()), *parts]:  # what was measured is kept, whatever comes later
        found += part
        if out is not None:
            benchmark_report.write(report, out, command, asked, speed)
    lines = [f"{x.number} {x.name}: {x.value:.3g} {x.unit}, target {x.target}, {x.portraits} of "
             f"{x.of} portraits{'' if x.reached else ' NOT REACHED'}; {x.control_name} "
             f"{x.control:.3g}{'' if x.control_red else ' CONTROL PASSES'}"
             for x in report.lines]  # fmt: skip
    document = {"lines": report.lines, "motion": report.motion, "notes": report.notes,
                "conditions": asked, "speed": speed}  # fmt: skip
    answer.say(as_json, document, *lines, *report.notes, *asked, *speed)


def _drawn() -> Iterator[Sitting]:
    """The sitters of this program, and a photograph in the public domain as a technical picture."""
    from skimage import data

    from primafacie.generator.benchmark import Sitting
    from primafacie.platform import sitter
    from primafacie.platform.drawn import png

    for one in sitter.SITTERS:
        yield Sitting(one.name, png(one.picture(768)), drawn=True)
    yield Sitting("technical", png(data.astronaut()))


def _pictures(folder: Path) -> Iterator[Sitting]:
    from primafacie.generator.benchmark import Sitting

    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in _PICTURES)
    for number, file in enumerate(files):
        yield Sitting(f"portrait-{number:02d}", file.read_bytes())


#: Said over and over until a clip is about so long; then asked for as anybody asks for a video.
_TEXT = "My neighbour Barbara paints maps of empty villages, because people might move back. "
_CLIPS = (8, 30)
#: Seconds before each request: a worker's children are loaded by then, as they usually are.
_REST: Final = 15.0


def _road(tell: Callable[[str], None]) -> Iterator[str]:
    """Request to released file through the real gate, studio, seal and log, in a folder that is
    deleted; beside it, in the same minutes, a plain x264 encoding of the same frames."""
    import tempfile

    from primafacie.platform.errors import PlatformError
    from primafacie.platform.settings import Settings
    from primafacie.platform.walkthrough import Walkthrough
    from primafacie.platform.wiring import Services

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "road"
        place.mkdir()
        with Services.open(Settings(data_dir=place / "data")) as services, services.gate() as gate:
            walk = Walkthrough(services, place, longest=60, gate=gate, tell=lambda text: None)
            try:
                walk.people()
                walk.consent()
                for seconds in _CLIPS:
                    tell(f"the whole road, {seconds} s")
                    time.sleep(_REST)
                    walk.sentence = (_TEXT * max(1, round(seconds / 5.1))).strip()
                    yield from _walked(walk)
            except PlatformError as error:
                yield f"the whole road: not measured: {error}"


def _walked(walk: Walkthrough) -> Iterator[str]:
    cpu = _spent()
    walk.request()
    cpu, load = _spent() - cpu, os.getloadavg()[0]
    assert walk.video is not None and walk.video.asset is not None and walk.file is not None
    wall = next(s.seconds for s in reversed(walk.steps) if s.name.startswith("The gate"))
    length, (plain, alone) = walk.video.asset.duration, _encoded(walk.file)
    reached = "reached" if wall <= length else "not reached"
    yield (f"request to released file, {length:.1f} s of video: {wall:.1f} s, {wall / length:.2f} "
           f"of its length (target <= 1 on two free cores: {reached}, at a load of {load:.1f}); "
           f"{cpu:.1f} s of CPU in all processes; the worker had rested {_REST:.0f} s before. "
           f"Plain x264 of the same frames at the same settings, right after: {alone:.1f} s, "
           f"{plain:.1f} s of CPU; the road takes {wall / alone:.1f} times as long and "
           f"{cpu / plain:.1f} times the CPU")  # fmt: skip
    yield from _container(walk.file)


def _spent() -> float:
    """Seconds of CPU of this process and of every child alive or gone."""
    mine, gone = os.times(), 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == os.getpid():
                gone += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return mine.user + mine.system + mine.children_user + mine.children_system + gone


def _encoded(file: Path) -> tuple[float, float]:
    """Seconds of CPU and of time that x264 takes for a film's frames and sound."""
    import av
    import numpy as np

    from primafacie.safeguards.provenance.media import SOUND_RATE, FilmWriter

    with av.open(str(file)) as film:
        rate = float(film.streams.video[0].average_rate or 25)
        frames = [f.to_ndarray(format="rgb24") for f in film.decode(video=0)]
    tall, wide = frames[0].shape[:2]
    sound = np.zeros(round(len(frames) / rate * SOUND_RATE), np.float32)
    cpu, wall = time.process_time(), time.perf_counter()
    writer = FilmWriter(wide, tall, rate, sound, "")
    for frame in frames:
        writer.add(frame)
    writer.finish()
    return time.process_time() - cpu, time.perf_counter() - wall


def _on_device(sitting: Sitting, said: Utterance, size: int, device: str) -> Iterator[str]:
    """Voice to sealed file with the torch engine, by batch: marked, encoded, signed, read back,
    with keys made for this run, in a folder that is deleted."""
    import tempfile
    from datetime import UTC, datetime

    from primafacie.generator.benchmark_speed import BATCHES, batched, has, performance
    from primafacie.safeguards.provenance.certificates import make_pki
    from primafacie.safeguards.provenance.manifest import LocalSigner, TrustList
    from primafacie.safeguards.provenance.mark_keys import MarkKeys
    from primafacie.safeguards.provenance.seal import Seal
    from primafacie.safeguards.provenance.timestamp import LocalTsa

    if not has(device):
        return
    pki = make_pki(datetime.now(UTC))
    with LocalTsa(pki.time) as tsa, tempfile.TemporaryDirectory() as folder:
        signer = LocalSigner(pki.claim.chain_pem, pki.claim.key_pem, tsa.url)
        trust = TrustList.of(pki.root_pem, pki.time_root_pem)
        keys = MarkKeys.derive(b"a key of this run alone, 32 bytes", 0)
        seal = Seal(signer, trust, keys, _NothingRevoked())
        for batch in BATCHES:
            engine = batched(device, batch)
            begun = time.perf_counter()
            clip = performance(sitting, said, size, engine)
            sealed = seal.seal(clip, _order(Path(folder), batch))
            took = time.perf_counter() - begun
            yield (f"voice to sealed file with the torch engine on {device}, batches of {batch}: "
                   f"{sealed.frame_count / took:.1f} frames a second at {size} x {size}, the "
                   "portrait made ready in that time")  # fmt: skip


class _NothingRevoked:
    """The certificates of this run are minutes old."""

    def revoked(self, serial: str) -> None:
        return None


def _order(folder: Path, number: int) -> Any:
    """What the seal is told; nothing in it is anybody's."""
    import uuid
    from datetime import UTC, datetime, timedelta

    from primafacie.safeguards.asset import fresh_asset_number
    from primafacie.safeguards.provenance.order import LogEvidence, SealOrder

    now = datetime.now(UTC)
    return SealOrder(
        asset_number=fresh_asset_number(), asset_uuid=uuid.uuid4().hex, rid="0" * 32, when=now,
        voice_is_real=False, engines=(("photo-warp", "1.0"), ("speech-motion", "1.0")), report=(),
        consent_commitment="hmac-sha256:" + "0" * 64, consent_status_url="http://bench.invalid/",
        scope=("research", "internal"), not_after=now + timedelta(days=1), liveness=0,
        decision_id="0" * 32, policy_sha256="0" * 64,
        evidence=LogEvidence("bench.invalid", 0, b"{}", "none"),
        out_path=folder / f"sealed-{number}.mp4",
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
