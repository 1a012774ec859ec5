"""primafacie bench voice: how well speech is heard, against two rivals in the same run."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from primafacie.platform.cli import answer

if TYPE_CHECKING:
    from primafacie.generator.speech.benchmark import Findings, Heard, Score

COMMAND: Final = "primafacie bench voice"
FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
#: The sitter who speaks, and the clips she is shown with: number of the sentence, first second.
SITTER: Final = "Ilse"
SHOWN: Final = ((0, 0.0), (3, 0.0), (5, 0.0))
EVERY: Final = 2
#: A jaw this far open is taken for shut.
_SHUT: Final = 0.05
SHOWN_FRAMES: Final = 36


@click.command("voice")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--nonspeech", type=FOLDER, help="Folder of recorded music and noise without voices.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=None,
              help="Folder for voice.md and its pictures.")  # fmt: skip
@click.option("--chosen", multiple=True, help="Name of a folder in FOLDER on whose clips a setting "
              "was chosen; the report says so. Repeatable.")  # fmt: skip
@click.option("--aside", multiple=True, help="Name of a folder in FOLDER that is shown but not "
              "held against the targets; the report says so. Repeatable.")  # fmt: skip
@answer.json_option
def voice(
    folder: Path | None,
    nonspeech: Path | None,
    out: Path | None,
    chosen: tuple[str, ...],
    aside: tuple[str, ...],
    as_json: bool,
) -> None:
    """Measure hearing and lips on synthetic speech and on FOLDER.

    FOLDER holds clips with a TextGrid, labels (.lab, .phn) or a text (NAME.txt in English,
    NAME.es.txt and so on) beside each, also in folders of their own; they are only listened to.
    """
    from primafacie.generator.speech import benchmark

    tell: Callable[[str], None] = (lambda line: None) if as_json else click.echo
    found = benchmark.benchmark(folder, nonspeech, tell)
    tell("first frame")
    frames = _first_frame()
    text = report(found, frames, chosen, folder is not None, aside)
    if out is not None:
        tell("pictures")
        out.mkdir(parents=True, exist_ok=True)
        (out / "voice.md").write_text(text, encoding="utf-8")
        for name, png in _pictures(found).items():
            (out / name).write_bytes(png)
    if as_json:
        answer.say(True, {"findings": found, "first_frame_ms": frames[0], "frame_ms": frames[1]})
    else:
        click.echo(text)


def _portrait() -> bytes:
    from PIL import Image

    from primafacie.platform import sitter

    out = io.BytesIO()
    Image.fromarray(sitter.draw(SITTER)).save(out, "PNG")
    return out.getvalue()


def _first_frame() -> tuple[float, float]:
    from primafacie.generator import spoken
    from primafacie.generator.speech import truth

    return spoken.first_frame(_portrait(), truth.synthetic()[0])


def _pictures(found: Findings) -> dict[str, bytes]:
    """File name -> PNG. Only synthetic voices and the drawn sitter are shown."""
    from primafacie.generator import spoken
    from primafacie.generator.speech import figures, truth

    out = {"voice-accuracy.png": figures.accuracy(found), "voice-noise.png": figures.noise(found)}
    clips, portrait = truth.synthetic(), _portrait()
    out["voice-track.png"] = figures.clip(clips[SHOWN[0][0]])
    for number, start in SHOWN:
        frames = spoken.spoken(portrait, clips[number], start, EVERY, SHOWN_FRAMES)
        sheet = figures.talking(clips[number], frames, 25 / EVERY)
        out[f"voice-talking-{clips[number].language}.png"] = sheet
    return out


# ---- the report --------------------------------------------------------------------------------


class Target(NamedTuple):
    """What was asked for, what was found, and whether that is enough (None: not measured)."""

    what: str
    found: str
    reached: bool | None


def report(
    found: Findings, frames: tuple[float, float], chosen: Sequence[str], recordings: bool,
    aside: Sequence[str] = (),
) -> str:  # fmt: skip
    """Everything as Markdown."""
    lines = [
        "# Hearing a voice, and the lips that follow",
        "",
        f"Two shared cores, one thread. Made by `{COMMAND}{' FOLDER' if recordings else ''} --out "
        "docs/benchmarks`; times are CPU seconds, rivals ran on the same clips in the same run.",
        "",
        "Accuracy: share of 10 ms frames whose viseme (of 15) is right; F1 its mean over visemes. "
        "p b m: closures found within 60 ms. Offset: median of found minus true onset. jaw, round: "
        "correlation of the tracks that the labels alone give. RTF: seconds of computing per "
        "second of sound; live hearing is asked for lips 100 times a second, as often as there are "
        "labels.",
        "",
    ]  # fmt: skip
    for heard in found.sets:
        lines += [*_set(heard, chosen, aside), ""]
    lines += ["## Targets", "", "| target | found | |", "|---|---|---|"]
    for target in targets(found, frames, (*chosen, *aside)):
        word = {True: "reached", False: "**not reached**", None: "not measured"}[target.reached]
        lines.append(f"| {target.what} | {target.found} | {word} |")
    lines += ["", *_noise(found), "", *_rest(found, frames), "", *_WEAKNESSES, "", *_FIGURES]
    return "\n".join(lines) + "\n"


def _set(heard: Heard, chosen: Sequence[str], aside: Sequence[str]) -> list[str]:
    said = " A setting was chosen on these very clips." if _named(heard, chosen) else ""
    said += " Not held against the targets." if _named(heard, aside) else ""
    lines = [
        f"## {heard.name[0].upper()}{heard.name[1:]}",
        "",
        f"{heard.count} clips, {heard.seconds:.0f} s, {heard.closures} p b m; truth: "
        f"{', '.join(heard.judges)}.{said}",
        "",
        "| method | accuracy | F1 | p b m recall | precision | offset ms | jaw r | round r | RTF |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_row(s) for s in heard.scores]
    (believed, right), (refused, wrong) = heard.believed, heard.refused
    if right:
        lines += ["", f"Right texts believed: {believed} of {right}; wrong texts of similar length "
                  f"noticed: {refused} of {wrong}."]  # fmt: skip
    return lines


def _row(s: Score) -> str:
    offset = "–" if math.isnan(s.offset) else f"{s.offset:+.0f}"
    return (
        f"| {s.method} | {s.accuracy:.3f} | {s.f1:.3f} | {s.recall:.2f} | {s.precision:.2f} | "
        f"{offset} | {s.jaw:.2f} | {s.rounding:.2f} | {s.speed:.4f} |"
    )


def _named(heard: Heard, folders: Sequence[str]) -> bool:
    return any(f"recordings {name}," in heard.name for name in folders)


def targets(found: Findings, frames: tuple[float, float], without: Sequence[str]) -> list[Target]:
    """Every target beside what was found: on recorded English where there is any, the folders
    `without` left out; the worst of several sets decides."""
    from primafacie.generator.speech import benchmark as b
    from primafacie.generator.speech import net, truth
    from primafacie.generator.speech.stream import LOOK_AHEAD

    judged = [h for h in found.sets if h.judges != (truth.OURSELVES,)]
    apart = [h for h in judged[1:] if not _named(h, without)] or judged[:1]
    out = [
        _reach("15 visemes along the text ≥ .80", apart, b.ALONG, accuracy=0.80),
        _reach("15 visemes, English words guessed ≥ .75", apart, b.GUESSED, accuracy=0.75),
        _reach("15 visemes from the sound alone ≥ .70", apart, b.ALONE, accuracy=0.70),
        _reach("15 visemes live ≥ .68", apart, b.LIVE, accuracy=0.68),
        _reach("p b m along the text ≥ .97 / .93", apart, b.ALONG, recall=0.97, precision=0.93),
        _reach("p b m, words guessed ≥ .93 / .85", apart, b.GUESSED, recall=0.93, precision=0.85),
        _reach("p b m from the sound alone ≥ .85 / .70", apart, b.ALONE, recall=0.85,
               precision=0.70),
        _reach("jaw r ≥ .90, rounding r ≥ .88 along the text", apart, b.ALONG, jaw=0.90,
               rounding=0.88),
    ]  # fmt: skip
    offsets = [h.score(m).offset for h in apart for m in (b.ALONG, b.ALONE)]
    out.append(Target("median offset of p b m within 10 ms", f"{_worst(offsets):+.0f} ms",
                      abs(_worst(offsets)) <= 10))  # fmt: skip
    real = [n for n in found.noisy if n.kind == "recorded" and n.snr == 10]
    value = real[0].scores[0].accuracy if real else math.nan
    out.append(Target("15 visemes along the text in recorded noise at 10 dB ≥ .72",
                      f"{value:.3f}" if real else "no recorded noise given",
                      value >= 0.72 if real else None))  # fmt: skip
    out.append(Target("r ≥ .60 with the lips of filmed speakers", "no films at hand", None))
    jaws = [width for _, width in found.openings]
    opened = sum(jaw > _SHUT for jaw in jaws)
    out.append(Target("jaw ≤ .05 on silence, noise, music",
                      f"{max(jaws):.3f}, wider on {opened} of {len(jaws)} sounds",
                      not opened))  # fmt: skip
    refused = sum(h.refused[0] for h in judged)
    tried = max(sum(h.refused[1] for h in judged), 1)
    out.append(Target("wrong texts noticed ≥ 95 %", f"{refused} of {tried}",
                      refused / tried >= 0.95))  # fmt: skip
    r = min(r for _, r, _ in found.formats)
    off = _worst([o for _, _, o in found.formats])
    out.append(Target("every file format: r ≥ .98, offset ≤ 10 ms", f"{r:.4f}, {off:+.1f} ms",
                      r >= 0.98 and abs(off) <= 10))  # fmt: skip
    out.append(Target("sound 200 ms later, lips 200 ± 10 ms later", f"{found.delay:.1f} ms",
                      abs(found.delay - 200) <= 10))  # fmt: skip
    speeds = dict(found.speeds)
    out.append(Target("network alone ≤ .01 of real time", f"{speeds['network alone']:.4f}",
                      speeds["network alone"] <= 0.01))  # fmt: skip
    size = net.PATH.stat().st_size
    out.append(Target("weights ≤ 1 MB", f"{size / 1000:.0f} kB", size <= 1_000_000))
    out.append(_retrained())
    ahead = LOOK_AHEAD * 1000
    out.append(Target("live: look-ahead ≤ 170 ms", f"{ahead:.0f} ms", ahead <= 170))
    out.append(Target("first frame ≤ 400 ms after the first sound",
                      f"{ahead:.0f} ms of sound + {frames[0]:.0f} ms of computing",
                      ahead + frames[0] <= 400))  # fmt: skip
    return out


def _retrained() -> Target:
    """What generator/training/compare.py found, if it was of these very weights."""
    from primafacie.generator.speech import net

    what = "retraining ≤ 20 CPU minutes, within 2 points"
    path = net.PATH.with_name("retrained.json")
    told = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    if told.get("sha256") != net.default().sha256:
        return Target(what, "these weights were not trained twice", None)
    minutes, points = told["cpu_minutes"], told["points"]
    return Target(
        what,
        f"{minutes:.1f} minutes, at most {points:.1f} points apart (measured by training/compare, "
        "not in this run)",
        minutes <= 20 and points <= 2,
    )


def _worst(values: Sequence[float]) -> float:
    return max((v for v in values if not math.isnan(v)), key=abs, default=math.nan)


def _reach(what: str, sets: Sequence[Heard], method: str, **least: float) -> Target:
    """The worst of several sets in which the method was measured."""
    scores = [s for h in sets for s in h.scores if s.method == method]
    if not scores:
        return Target(what, "–", None)
    worst = {name: min(getattr(s, name) for s in scores) for name in least}
    found = " / ".join(f"{value:.3f}" for value in worst.values())
    return Target(what, found, all(worst[name] >= value for name, value in least.items()))


def _noise(found: Findings) -> list[str]:
    lines = [
        f"## Noise, on {found.noisy_clips}",
        "",
        "Babble is eight synthetic voices at once; recorded noise, where given, the sounds of "
        "`--nonspeech`. Each cell: accuracy (p b m recall / precision).",
        "",
        "| method | " + " | ".join(f"{n.kind} {n.snr} dB" for n in found.noisy) + " |",
        "|---" * (len(found.noisy) + 1) + "|",
    ]
    for i, first in enumerate(found.noisy[0].scores):
        cells = [replace(n.scores[i]) for n in found.noisy]
        lines.append(f"| {first.method} | " + " | ".join(
            f"{c.accuracy:.2f} ({c.recall:.2f} / {c.precision:.2f})" for c in cells) + " |"
        )  # fmt: skip
    return lines


def _rest(found: Findings, frames: tuple[float, float]) -> list[str]:
    wide = [(kind, width) for kind, width in found.openings if width > _SHUT]
    lines = [
        "## No speech, song, whisper",
        "",
        f"Of {len(found.openings)} sounds in which nobody speaks, "
        f"{len(found.openings) - len(wide)} keep the jaw at or below {_SHUT}."
        + (" The others:" if wide else ""),
        *(["", "| no speech | widest jaw |", "|---|---|"] if wide else []),
        *(f"| {kind} | {width:.3f} |" for kind, width in wide),
    ]
    accuracy, noticed = found.whisper
    lines += [
        "",
        f"A synthetic phrase sung on five notes opens the mouth in {found.sung:.0%} of its time. "
        f"Of whispered synthetic clips {noticed:.0%} are noticed as speech, with a viseme accuracy "
        f"of {accuracy:.2f}.",
        "",
        "## Files", "", "| format | r of the jaw | offset ms |", "|---|---|---|",
        *(f"| {kind} | {r:.4f} | {off:+.1f} |" for kind, r, off in found.formats),
        "",
        "## Speed", "", "| part | share of real time |", "|---|---|",
        *(f"| {name} | {share:.4f} |" for name, share in found.speeds),
        "",
        f"Live, in pieces of 20 ms: {found.first:.1f} ms of computing for the first frame's lips, "
        f"{frames[0]:.0f} ms until it is drawn in 512 x 512, {frames[1]:.0f} ms for each frame "
        "after it.",
    ]  # fmt: skip
    return lines


_WEAKNESSES: Final = (
    "## Weak",
    "",
    "- From the sound alone one to three p, b or m in ten are missed on real speech, and of the "
    "closures shown one in five to more than four in ten are none. Along a text that is believed "
    "nearly all are right.",
    "- A telephone's band (8 kHz) is shown and may be set aside: it lacks all above 3.4 kHz, "
    "where s, f and th differ, while the sound a face is made from comes from a microphone or a "
    "studio file, which has it.",
    "- A cry close to speech, and rarely an animal or some music, is taken for a voice; so is "
    "singing within music, as it should be.",
    "- A clip whose judge fails is left out. Clips that were looked at when a setting was settled "
    "are named in the model card; `--chosen` says so here.",
    "- pocketsphinx judges recorded English: it is right about four times in five, and favours the "
    "three methods that ask it (words guessed, sound alone and live in English), whose sounds come "
    "from the same acoustic model.",
    "- Other languages are judged by this engine's own alignment, which can only tell how the "
    "sound alone compares with the text.",
    "- Song was measured on a synthetic phrase; whisper on clips whose voice was replaced by "
    "noise. No film of a real mouth was at hand.",
    "- Live hearing hears less of what follows and knows the recording's colour only by and by: it "
    "loses up to five points. Where it splits: generator/weights/MODEL_CARD.md.",
)
_FIGURES: Final = (
    "## Pictures",
    "",
    "Synthetic voices and a drawn sitter only; nobody's recording is shown.",
    "",
    "![methods](voice-accuracy.png)",
    "![noise](voice-noise.png)",
    "![a clip](voice-track.png)",
    "![English](voice-talking-en.png)",
    "![Spanish](voice-talking-es.png)",
    "![German](voice-talking-de.png)",
)
