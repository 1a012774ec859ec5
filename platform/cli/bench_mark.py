"""primafacie bench mark: what the watermark survives, costs and allows, beside other marks.

Each part writes its figures into mark.json as soon as it has them, with the run it belongs to: a
digest of the code that lays and reads, and of the attacks. One command makes everything, and after
an interruption it goes on where it stopped: parts of the same run are not measured again.
"""

from __future__ import annotations

import hashlib
import json
import runpy
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import numpy as np

from primafacie.platform.cli import answer

if TYPE_CHECKING:
    from primafacie.safeguards.provenance.benchmark import Method
    from primafacie.safeguards.provenance.watermark import Preset

FIGURES: Final = "mark.json"
REPORT: Final = "mark.md"
Tell = Callable[[str], object]


@click.command("mark")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              default=Path("docs/benchmarks"), show_default=True,
              help="Folder of the report, its figures and pictures.")  # fmt: skip
@click.option("--attacks", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              default=Path("tests/robustness/attacks.py"), show_default=True,
              help="The attack table: Python, which is run.")  # fmt: skip
@click.option("--part", "parts", multiple=True,
              help="Measure this part alone, also if it was measured before; more than one may "
              "be named. Without: all that this run lacks, some forty minutes.")  # fmt: skip
@click.option("--report-only", is_flag=True, help="Measure nothing; write the report anew.")
@answer.json_option
def mark(
    out: Path, attacks: Path, parts: tuple[str, ...], report_only: bool, as_json: bool
) -> None:
    """Measure the invisible marks, and write a report with plots."""
    from primafacie.platform.cli import mark_report

    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        raise click.UsageError(f"no part {unknown[0]}; there are: {', '.join(PARTS)}")
    out.mkdir(parents=True, exist_ok=True)
    path = out / FIGURES
    figures: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    tell: Tell = (lambda line: None) if as_json else click.echo
    run = run_of(attacks)
    lacking = [name for name in PARTS if figures.get(name, {}).get("run") != run]
    for name in () if report_only else parts or lacking:
        tell(f"{name} ...")
        figures[name] = {"run": run, "found": PARTS[name](attacks, tell)}
        path.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    drawn = mark_report.write(figures, out / REPORT, runpy.run_path(str(attacks)))
    answer.say(as_json, {"figures": figures, "report": out / REPORT}, *drawn, str(out / REPORT))


def run_of(attacks: Path) -> str:
    """The run that a measurement made now belongs to: what lays, reads, hurts and judges."""
    from primafacie.safeguards import provenance

    folder = Path(provenance.__path__[0])
    digest = hashlib.sha256()
    for path in (*(folder / name for name in MEASURED), attacks):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _hosts(table: dict[str, Any]) -> dict[str, Any]:
    """The three pictures the clips are made of; without scikit-image there is no cat."""
    import cv2

    hosts = {"portrait": table["drawn_portrait"](1)}
    try:
        from skimage import data

        middle = data.chelsea()[:, 75:375]
        hosts["cat"] = cv2.resize(middle, (512, 512), interpolation=cv2.INTER_CUBIC)
    except ImportError:
        click.echo("scikit-image is not installed: no photograph among the clips", err=True)
    hosts["cartoon"] = table["posterised"]([table["drawn_portrait"](2)], 3)[0]
    return hosts


def _suite(name: str, preset: Preset) -> Callable[[Path, Tell], dict[str, Any]]:
    """The whole suite on one clip under one preset."""

    def part(attacks: Path, tell: Tell) -> dict[str, Any]:
        from primafacie.safeguards.provenance import benchmark

        table = runpy.run_path(str(attacks))
        picture = _hosts(table).get(name)
        if picture is None:
            raise click.ClickException(f"the clip {name} needs scikit-image")
        frames = table["talking"](picture, FRAMES)
        report = benchmark.run(
            name, frames, benchmark.load_attacks(attacks), preset=preset, baselines=()
        )
        tell(f"{name}, {preset}: {report.methods[0].exact}")
        return _plain(report)

    return part


def _baseline(method: Method) -> Callable[[Path, Tell], dict[str, Any]]:
    """One method of invisible-watermark on the portrait."""

    def part(attacks: Path, tell: Tell) -> dict[str, Any]:
        from primafacie.safeguards.provenance import benchmark

        table = runpy.run_path(str(attacks))
        frames = table["talking"](table["drawn_portrait"](1), FRAMES)
        return _plain(benchmark.baseline(frames, benchmark.load_attacks(attacks), method))

    return part


def _sound(attacks: Path, tell: Tell) -> dict[str, Any]:
    from primafacie.safeguards.provenance import sound_benchmark

    return sound_benchmark.run(tell)


def _cost(attacks: Path, tell: Tell) -> dict[str, Any]:
    from primafacie.safeguards.provenance import cost
    from primafacie.safeguards.provenance.reencode import encode_again
    from primafacie.safeguards.provenance.watermark import read_picture

    table = runpy.run_path(str(attacks))
    ffmpeg = cost.ffmpeg_with_vmaf()
    if ffmpeg is None:
        tell("no ffmpeg with libvmaf here: install the extra `bench` for VMAF")
    hosts = _hosts(table)
    rough = np.random.default_rng(4).normal(0, 3.0, (512, 512, 1))
    hosts["portrait with grain"] = np.clip(hosts["portrait"] + rough, 0, 255).astype(np.uint8)
    qualities: list[dict[str, Any]] = []
    del hosts["cartoon"]
    for name, picture in hosts.items():
        frames = table["talking"](picture, 100)
        found = cost.quality(name, frames, ("robust", "standard", "hd"), ffmpeg)
        qualities += [asdict(one) for one in found]
        tell("\n".join(map(str, found)))
    clip = table["talking"](hosts["portrait"], 24)
    large = table["talking"](table["drawn_portrait"](1, 1080), 20)
    times = [asdict(cost.times(clip)), asdict(cost.times(large, with_svd=False))]
    tell(str(times))
    marked = cost.mark(large, "hd")
    read = {
        str(crf): read_picture(encode_again(encode_again(marked, 18), crf), [cost.KEYS]).status
        for crf in (28, 33, 38, 42)
    }
    hd = {"psnr_db": cost.psnr(large, marked), "read": {k: str(v) for k, v in read.items()}}
    return {"quality": qualities, "times": times, "hd": hd}


def _forging(attacks: Path, tell: Tell) -> dict[str, Any]:
    from primafacie.safeguards.provenance import forging

    table = runpy.run_path(str(attacks))
    clips = [table["talking"](table["drawn_portrait"](40 + i), 8) for i in range(8)]
    named = {one.name: one.apply for one in table["ATTACKS"]}
    copies = [named[name] for name in COPIES]
    return {
        "removals": [asdict(one) for one in forging.removals(clips[0])],
        "mixtures": [asdict(one) for one in forging.mixtures(clips[:6])],
        "binding": asdict(forging.binding(clips, copies)),
    }


def _chance(attacks: Path, tell: Tell) -> dict[str, Any]:
    from primafacie.safeguards.provenance import chance

    def told(done: int, count: int) -> None:
        if done % 1000 == 0:
            tell(f"{done} of {count}")

    trials = (
        chance.try_pictures(10_000, told),
        chance.try_sounds(1_000, told),
        chance.try_searches(1_000, told),
    )
    tags = chance.try_short_tags(600)
    return {"trials": [asdict(one) for one in trials], "short_tags": [asdict(one) for one in tags]}


def _plain(report: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(asdict(report), default=dict))
    return told


COPIES: Final = ("none", "scale_50", "crop_10", "flip_sideways", "brighter_30", "frame_jpeg_50",
                 "letterbox_640x360", "aspect_4_3")  # fmt: skip
FRAMES: Final = 50
#: What lays, reads and judges: a change to any of these begins a new run.
MEASURED: Final = (
    "benchmark.py", "chance.py", "cost.py", "fingerprint.py", "forging.py", "lattice_pattern.py",
    "lattice_search.py", "mark_keys.py", "payload.py", "reencode.py", "residual.py",
    "schemes/lattice.py", "schemes/lattice_sound.py", "schemes/stable_signs.py",
    "sound_benchmark.py", "spectrum.py", "watermark.py",
)  # fmt: skip
PRESETS: Final[tuple[Preset, ...]] = ("robust", "standard")
METHODS: Final[tuple[Method, ...]] = ("dwtDct", "dwtDctSvd", "rivaGan")
PARTS: Final[dict[str, Callable[[Path, Tell], Any]]] = {
    **{f"{preset}-{clip}": _suite(clip, preset)
       for preset in PRESETS for clip in ("portrait", "cat", "cartoon")},
    "cost": _cost,
    "sound": _sound,
    "forging": _forging,
    "chance": _chance,
    **{method: _baseline(method) for method in METHODS},
}  # fmt: skip
