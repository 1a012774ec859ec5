"""primafacie bench mark: what the watermark survives, costs and allows, beside other marks.

Each part writes its figures into mark.json as soon as it has them, with the run it belongs to: a
digest of the code that it tries, of the attacks, and of what judges. One command makes everything,
and after an interruption it goes on where it stopped: what was measured with the same code is not
measured again, and the report names what was measured with other code.
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
              "be named. Without: all whose code is another now, up to two hours.")  # fmt: skip
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
    for name in () if report_only else parts or _stale(figures, attacks):
        tell(f"{name} ...")
        figures[name] = {"run": run_of(name, attacks), "found": PARTS[name](attacks, tell)}
        path.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    known = {name: figures[name] for name in PARTS if name in figures}
    older = [name for name in _stale(figures, attacks) if name in figures]
    drawn = mark_report.write(known, older, out / REPORT, runpy.run_path(str(attacks)))
    answer.say(as_json, {"figures": figures, "report": out / REPORT}, *drawn, str(out / REPORT))


def run_of(part: str, attacks: Path) -> str:
    """The run that a measurement of `part` made now belongs to: what it lays, reads, hurts and
    judges with."""
    from primafacie.safeguards import provenance

    folder = Path(provenance.__path__[0])
    digest = hashlib.sha256()
    for path in (*(folder / name for name in MEASURED[part]), attacks):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _stale(figures: dict[str, Any], attacks: Path) -> list[str]:
    """The parts never measured, or measured with other code than today's."""
    return [name for name in PARTS if figures.get(name, {}).get("run") != run_of(name, attacks)]


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


def _chance(what: str, count: int) -> Callable[[Path, Tell], dict[str, Any]]:
    """So many trials of one kind on what carries no mark."""

    def part(attacks: Path, tell: Tell) -> dict[str, Any]:
        from primafacie.safeguards.provenance import chance

        def told(done: int, count: int) -> None:
            if done % 500 == 0:
                tell(f"{done} of {count}")

        trials = {"pictures": chance.try_pictures, "sounds": chance.try_sounds,
                  "searches": chance.try_searches}  # fmt: skip
        return {"trials": [asdict(trials[what](count, told))]}

    return part


def _short_tags(attacks: Path, tell: Tell) -> dict[str, Any]:
    from primafacie.safeguards.provenance import chance

    return {"short_tags": [asdict(one) for one in chance.try_short_tags(600)]}


def _plain(report: Any) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(json.dumps(asdict(report), default=dict))
    return told


COPIES: Final = ("none", "scale_50", "crop_10", "flip_sideways", "brighter_30", "frame_jpeg_50",
                 "letterbox_640x360", "aspect_4_3")  # fmt: skip
FRAMES: Final = 50
HOSTS: Final = ("portrait", "cat", "cartoon")
PRESETS: Final[tuple[Preset, ...]] = ("robust", "standard")
METHODS: Final[tuple[Method, ...]] = ("dwtDct", "dwtDctSvd", "rivaGan")
SUITES: Final = tuple((preset, clip) for preset in PRESETS for clip in HOSTS)
PARTS: Final[dict[str, Callable[[Path, Tell], Any]]] = {
    **{f"{preset}-{clip}": _suite(clip, preset) for preset, clip in SUITES},
    "cost": _cost,
    "sound": _sound,
    "forging": _forging,
    "chance-pictures": _chance("pictures", 10_000),
    "chance-searches": _chance("searches", 5_000),
    "chance-sounds": _chance("sounds", 1_000),
    "chance-tags": _short_tags,
    **{method: _baseline(method) for method in METHODS},
}
_BOTH: Final = ("mark_keys.py", "payload.py", "reading.py", "watermark.py")
_PICTURE: Final = (*_BOTH, "lattice_pattern.py", "lattice_search.py", "reencode.py", "residual.py",
                   "schemes/lattice.py", "spectrum.py")  # fmt: skip
_SOUND: Final = (*_BOTH, "reencode.py", "schemes/lattice_sound.py")
_BASELINES: Final = ("benchmark.py", "cost.py", "mark_keys.py", "reencode.py", "residual.py",
                     "schemes/stable_signs.py")  # fmt: skip
#: What each part lays, reads and judges with: a change to any of these files makes it old.
MEASURED: Final[dict[str, tuple[str, ...]]] = {
    **{f"{preset}-{clip}": (*_PICTURE, "benchmark.py", "cost.py") for preset, clip in SUITES},
    "cost": (*_PICTURE, "cost.py", "schemes/stable_signs.py"),
    "sound": (*_SOUND, "cost.py", "sound_benchmark.py"),
    "forging": (*_PICTURE, "cost.py", "fingerprint.py", "forging.py"),
    "chance-pictures": (*_PICTURE, "chance.py"),
    "chance-searches": (*_PICTURE, "chance.py"),
    "chance-sounds": (*_SOUND, "chance.py"),
    "chance-tags": (*_PICTURE, "chance.py"),
    **dict.fromkeys(METHODS, _BASELINES),
}
