"""The report of `primafacie bench mark`: Markdown, plots and magnified differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

COMMAND: Final = "primafacie bench mark"
Figures = Mapping[str, Any]
_SUITES: Final = tuple(
    (preset, clip) for preset in ("robust", "standard") for clip in ("portrait", "cat", "cartoon")
)
_BASELINES: Final = ("dwtDct", "dwtDctSvd", "rivaGan")


def write(
    figures: Figures, older: Sequence[str], path: Path, table: Mapping[str, Any]
) -> list[str]:
    """Write the report and its pictures beside it; what could not be drawn, as sentences. Each
    part of `figures` is `{"run": ..., "found": ...}`; those in `older` were measured with other
    code than today's."""
    figures = {name: part["found"] for name, part in figures.items()}
    missing = _plots(figures, path.parent)
    _differences(path.parent / "mark-differences.png", table)
    parts = (_head(older), _targets(figures), _robustness(figures), _cost(figures), _sound(figures),
             _forging(figures), _chance(figures), _weak())  # fmt: skip
    path.write_text("\n".join(_flowing(line for part in parts for line in part)) + "\n", "utf-8")
    return missing


def _head(older: Sequence[str]) -> Iterator[str]:
    yield "# The invisible mark, measured"
    yield ""
    yield f"Made by `{COMMAND}`, which keeps its figures in `mark.json` and goes on where it was"
    yield "stopped. Machine: two shared cores; times are processor time of one thread, as ratios to"
    yield "encoding the same frames. Every clip is synthetic (a drawn portrait, a cartoon) or a"
    yield "cat; no person was filmed. A payload counts when all its 56 bits and its 40-bit tag come"
    yield "back; a share is the share of the bits of a method that has no tag, given the truth to"
    yield "compare with, which a real reader would not have."
    yield ""
    yield "Every part is kept with a digest of what lays, reads, hurts and judges in it."
    if older:
        yield f"**Measured with older code**: {', '.join(older)}; all others with this."
    else:
        yield "All of them were measured with the code beside this report."
    yield ""


def _targets(figures: Figures) -> Iterator[str]:
    yield "## Targets"
    yield ""
    yield from _rows(("target", "measured", "reached"), _target_rows(figures))


def _target_rows(figures: Figures) -> Iterator[tuple[str, str, str]]:
    for preset, clip, ours in _suites(figures):
        exact, count = _exact(ours), len(ours["read"])
        what = f">= 90 % of the suite exact, {clip}, {preset}"
        yield what, f"{exact} of {count} at {ours['psnr_db']:.1f} dB", _yes(exact >= 0.9 * count)
    if "cost" in figures:
        yield from _cost_targets(figures["cost"])
    if "sound" in figures:
        sound = figures["sound"]
        read = sound["read"]
        whole = sum(share == 1.0 for share in read.values())
        yield "sound: 22 of 24 attacks exact", f"{whole} of {len(read)}", _yes(whole >= 22)
        cut = sound["cuts"]["2.0"]
        yield "sound: two-second cuts exact", f"{cut:.0%}", _yes(cut >= 0.98)
        heard = [one for one in sound.get("pesq", ()) if one is not None]
        if heard:
            told = f"{min(heard):.2f} to {max(heard):.2f}"
            yield "sound: PESQ >= 4.35", told, _yes(min(heard) >= 4.35)
        else:
            yield "sound: PESQ >= 4.35", "the package pesq was not there", "not measured"
    if "forging" in figures:
        bound = figures["forging"]["binding"]
        moved, copies = bound["moved"], bound["copies"]
        told = f"{bound['moved_told']} of {moved}"
        yield "moved marks told from the original: 100 %", told, _yes(bound["moved_told"] == moved)
        share = bound["copies_told"] / max(1, copies)
        told = f"{bound['copies_told']} of {copies}"
        yield "legitimate copies told apart: <= 1 %", told, _yes(share <= 0.01)
    tried = _trials(figures)
    if tried:
        hits = sum(one["read"] + one["present"] for one in tried)
        total = sum(one["count"] for one in tried)
        yield (
            "0 false positives in >= 10,000",
            f"{hits} in {total:,}",
            _yes(not hits and total >= 10_000),
        )
        keys = sum(one["count"] for one in figures.get("chance-searches", {}).get("trials", ()))
        yield (
            "0 in 5,000 searches for another key",
            f"{keys:,} keys",
            _yes(not hits and keys >= 5_000),
        )
        told = "2.9e-11 a decoding; a search makes none that would bring the sum beyond 1e-9"
        yield "bound <= 1e-9 a query", told, "reached"


def _cost_targets(cost: Figures) -> Iterator[tuple[str, str, str]]:
    for one in cost["quality"]:
        if one["preset"] != "standard":
            continue
        name = f"standard, {one['clip']}"
        yield f"PSNR >= 45 dB, {name}", f"{one['psnr_db']:.1f} dB", _yes(one["psnr_db"] >= 45)
        yield f"SSIM >= .995, {name}", f"{one['ssim']:.4f}", _yes(one["ssim"] >= 0.995)
        if one["vmaf_plain"] is not None:
            drop = one["vmaf_plain"] - one["vmaf_marked"]
            yield f"VMAF drop <= 2, {name}", f"{drop:.1f}", _yes(drop <= 2)
        yield f"file + <= 10 %, {name}", f"{one['growth']:+.0%}", _yes(one["growth"] <= 0.10)
    small = cost["times"][0]
    ratio = small["lay_ms"] / small["encode_ms"]
    yield "laying <= 1.0 x x264 veryfast", f"{ratio:.2f} x", _yes(ratio <= 1.0)
    if small["svd_ms"] is not None:
        times = small["svd_ms"] / small["lay_ms"]
        yield ">= 3 x faster than dwtDctSvd", f"{times:.0f} x", _yes(times >= 3)
    yield "fast reading <= 0.3 s", f"{small['read_ms'] / 1e3:.2f} s", _yes(small["read_ms"] <= 300)
    scaled = small["read_scaled_ms"]
    yield "with scale search <= 1.5 s", f"{scaled / 1e3:.2f} s", _yes(scaled <= 1500)
    nothing = small["read_nothing_ms"]
    yield "full search of an unmarked clip <= 10 s", f"{nothing / 1e3:.2f} s", _yes(nothing <= 1e4)
    hd = cost["hd"]
    ok = hd["read"]["38"] == "read" and hd["psnr_db"] >= 46
    yield "1080p after CRF 38 at 46 dB", f"{hd['read']['38']} at {hd['psnr_db']:.1f} dB", _yes(ok)


def _suites(figures: Figures) -> Iterator[tuple[str, str, Figures]]:
    """Preset, clip and what was read, for every suite that was measured."""
    for preset, clip in _SUITES:
        if f"{preset}-{clip}" in figures:
            yield preset, clip, figures[f"{preset}-{clip}"]["methods"][0]


def _methods(figures: Figures) -> list[tuple[str, Figures]]:
    """Our suites and the baselines, each with the name of its column."""
    ours = [(f"ours, {clip}, {preset}", one) for preset, clip, one in _suites(figures)]
    return ours + [(figures[n]["method"], figures[n]) for n in _BASELINES if n in figures]


def _robustness(figures: Figures) -> Iterator[str]:
    columns = _methods(figures)
    if not columns:
        return
    yield "## What it survives"
    yield ""
    yield "Clips of 50 frames, delivered at x264 CRF 20, then the attack. The baselines are the"
    yield "methods of `invisible-watermark` 0.2.0 on the portrait, 32 bits each; rivaGan needs"
    yield "a second and more for a frame and was given five frames and one vote."
    yield ""
    yield "![exact payloads by kind of attack](mark-robustness.png)"
    yield ""
    rows = [
        (attack, *(_cell(method["read"].get(attack)) for _, method in columns))
        for attack in columns[0][1]["read"]
    ]
    rows.append(("**exact**", *(f"**{_exact(m)} of {len(m['read'])}**" for _, m in columns)))
    rows.append(("PSNR, dB", *(f"{m['psnr_db']:.1f}" for _, m in columns)))
    rows.append(("SSIM", *(f"{m['ssim']:.4f}" for _, m in columns)))
    yield from _rows(("attack", *(name for name, _ in columns)), rows)


def _cost(figures: Figures) -> Iterator[str]:
    if "cost" not in figures:
        return
    yield "## What it costs"
    yield ""
    yield "Four seconds, delivered as films are (x264 CRF 18 medium, AAC 128 kbit/s); growth"
    yield "with the "
    yield "sound and of the picture stream alone. VMAF of the unmarked clip against itself is"
    yield "below 100."
    yield ""
    rows = [
        (one["clip"], one["preset"], f"{one['psnr_db']:.1f}", f"{one['ssim']:.4f}",
         *(_number(one[key]) for key in ("vmaf_plain", "vmaf_marked")),
         f"{one['growth']:+.0%}", f"{one['picture_growth']:+.0%}")
        for one in figures["cost"]["quality"]
    ]  # fmt: skip
    head = ("clip", "preset", "PSNR, dB", "SSIM", "VMAF unmarked", "VMAF marked", "file",
            "picture stream")  # fmt: skip
    yield from _rows(head, rows)
    rows = [
        (f"{one['side']}", f"{one['lay_ms'] / one['encode_ms']:.2f}",
         _number(one["svd_ms"] and one["svd_ms"] / one["encode_ms"]),
         *(f"{one[key] / 1e3:.2f}" for key in ("plan_ms", "read_one_ms", "read_ms",
                                               "read_scaled_ms", "read_nothing_ms")))
        for one in figures["cost"]["times"]
    ]  # fmt: skip
    head = ("short side", "lay / x264 veryfast", "dwtDctSvd / the same", "plan a clip, s",
            "read 1 frame, s", "read 16 frames, s", "moved, s", "unmarked, s")  # fmt: skip
    yield from _rows(head, rows)
    hd = figures["cost"]["hd"]
    found = ", ".join(f"CRF {crf}: {status}" for crf, status in hd["read"].items())
    yield f"A drawn 1080p portrait at {hd['psnr_db']:.1f} dB (preset hd), delivered, again:"
    yield f"{found}."
    yield ""
    yield "Unmarked, marked (robust), and the difference ten times as large around middle grey:"
    yield "a flat "
    yield "sky, a dark room, skin."
    yield ""
    yield "![differences](mark-differences.png)"
    yield ""
    yield "Looked at: `robust` is a faint still mottle in the flat sky and on the drawn skin, and"
    yield "a fainter grain in the dark room, seen by who looks for it. `standard` and `hd` are"
    yield "fainter by five decibels and not shown here."
    yield ""


def _sound(figures: Figures) -> Iterator[str]:
    if "sound" not in figures:
        return
    sound = figures["sound"]
    yield "## Sound"
    yield ""
    yield "Three synthetic voices of eight seconds (harder than human ones: they fill fewer bins), "
    levels = ", ".join(f"{level:.1f}" for level in sound["levels_db"])
    yield f"marked {levels} dB below the voice by the closed loop."
    yield ""
    yield from _rows(("attack", "exact"), [(k, f"{v:.0%}") for k, v in sound["read"].items()])
    rows = [(f"{k} s", f"{v:.0%}") for k, v in sound["cuts"].items()]
    yield from _rows(("cut of the unharmed sound", "exact"), rows)


def _forging(figures: Figures) -> Iterator[str]:
    if "forging" not in figures:
        return
    forging = figures["forging"]
    yield "## Removing and moving it"
    yield ""
    yield "The weakest damage of its kind that took the number away, and the PSNR then left"
    yield "against "
    yield "the unmarked picture. Whoever owns the unmarked original removes the mark at no cost,"
    yield "and a "
    yield "model that draws the picture anew was not at hand: assume that it removes the mark."
    yield ""
    yield "![removal](mark-removal.png)"
    yield ""
    rows = [
        (one["damage"], "none tried" if one["strength"] is None else f"{one['strength']:g}",
         f"{one['psnr_db']:.1f}")
        for one in forging["removals"]
    ]  # fmt: skip
    yield from _rows(("damage", "removed from", "PSNR left, dB"), rows)
    mixed = [
        (one["attack"], one["status"], "yes" if one["one_of_theirs"] else "**no**",
         "-" if one["agreement"] is None else f"{one['agreement']:.2f}", _number(one["psnr_db"]))
        for one in forging["mixtures"]
    ]  # fmt: skip
    head = ("averaging", "reads", "no number but theirs", "content agrees by", "PSNR, dB")
    yield from _rows(head, mixed)
    b = forging["binding"]
    yield f"Content binding, threshold 0.6: {b['moved']} marks moved onto another video read"
    yield "there; "
    yield f"{b['moved_told']} were told (highest agreement {b['highest_moved']:.2f}). Of"
    yield f"{b['copies']} "
    yield f"legitimate copies {b['copies_told']} were told wrongly (lowest {b['lowest_copy']:.2f})."
    yield ""


def _chance(figures: Figures) -> Iterator[str]:
    trials = _trials(figures)
    if not trials:
        return
    yield "## False positives"
    yield ""
    yield "A number counts only if its 40-bit HMAC verifies. One decoding tries 4 rows x 8 paths: "
    yield "2.9e-11 by chance at most; a reading says the sum over all it tried as its `bound`."
    yield "Only places where the pilots stand out are decoded: z >= 4.7 where marks are laid, 5.0"
    yield "after a scan of scales, 5.4 after one of angles, 5.6 in parts of the picture; the more"
    yield "places a scan has, the further chance goes. *Present* without a number needs z >= 8.5:"
    yield "below 1e-8 over all places of a search. The sound's tag has 24 bits: 2.4e-6 for each of"
    yield "its readings, of which a search over all speeds adds at most three for each key; its"
    yield "number must besides be that of exactly one released video."
    yield ""
    yield "A search, however deep and for however many keys, stops decoding before the sum passes"
    yield "1e-9, which is after 34 decodings; a broader one, made from z >= 6, counts as four more."
    yield "Of 15 unmarked pictures a usual search decoded 4 times in the mean and 8 at most for one"
    yield "key, 10 and 18 for eight keys."
    yield ""
    rows = [
        (one["what"], f"{one['count']:,}", str(one["present"]), str(one["read"]),
         f"{one['highest_z']:.2f}")
        for one in trials
    ]  # fmt: skip
    yield from _rows(("tried", "how many", "present", "read", "highest z"), rows)
    short = [
        (f"{one['bits']} bits", f"{one['count']:,}", str(one["read"]), f"{one['bound']:.1f}")
        for one in figures.get("chance-tags", {}).get("short_tags", ())
    ]
    if short:
        yield "With tags shortened until chance does strike, the count must stay near or below"
        yield "the bound:"
        yield ""
        yield from _rows(("tag", "decodings", "false readings", "bound"), short)


def _trials(figures: Figures) -> list[Figures]:
    """What was tried on what carries no mark, kind by kind."""
    kinds = ("chance-pictures", "chance-searches", "chance-sounds")
    return [one for kind in kinds for one in figures.get(kind, {}).get("trials", ())]


def _weak() -> Iterator[str]:
    yield "## Weaknesses"
    yield ""
    yield "- Smooth pictures pay most: where an unmarked clip is a few kilobytes, the mark is not."
    yield "Four other drawn portraits, clips of 60 frames under `standard`, grew by 12.6 to 13.3 %;"
    yield "a pattern steeper by a fifth took off half a point of three of them at most."
    yield "- Preset `standard` is fainter in busy places, so what is cut out of a busy middle may"
    yield "no longer read; `robust` does not spare busy places."
    yield "- Preset `standard` is laid to the edge of what its trial leaves, and an encoder treats"
    yield "a whole clip otherwise than the trial's twelve frames; hence two of the reader's four"
    yield "rows must read in the trial."
    yield "- `three_services` (three quarters of the size at CRF 26, a caption and HEVC CRF 28, a"
    yield "crop and CRF 28 again) leaves the pilots at chance level (z 5.6 of 50 frames). Pattern"
    yield "and wall both stand still behind a talking head, so a longer clip adds little evidence."
    yield "- Pitch and tempo changes, speeds more than two per cent off, voice conversion and"
    yield "strong reverberation remove the sound's: in `a room` the echo is 13 dB louder than the"
    yield "voice."
    yield "- Without the mark a file is of unknown origin, never authentic."


# --- drawing -------------------------------------------------------------------------------------


def _plots(figures: Figures, folder: Path) -> list[str]:
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        return ["no plots: matplotlib is not installed (extra `bench`)"]
    if _methods(figures):
        _plot_robustness(pyplot, figures, folder / "mark-robustness.png")
    if "forging" in figures:
        _plot_removal(pyplot, figures["forging"]["removals"], folder / "mark-removal.png")
    return []


def _plot_robustness(pyplot: Any, figures: Figures, path: Path) -> None:
    methods = _methods(figures)
    figure, axes = pyplot.subplots(figsize=(8, 0.5 * len(methods) + 1.2))
    shares = [_exact(m) / len(m["read"]) for _, m in methods]
    colours = ["#2f6f4f" if name.startswith("ours") else "#9a8f7f" for name, _ in methods]
    axes.barh([name for name, _ in methods][::-1], shares[::-1], color=colours[::-1])
    axes.set_xlim(0, 1)
    axes.set_xlabel("attacks after which the whole payload reads")
    for at, (_, method) in enumerate(methods[::-1]):
        axes.text(0.01, at, f"{_exact(method)} of {len(method['read'])}", va="center",
                  color="white")  # fmt: skip
    _save(pyplot, figure, path)


def _plot_removal(pyplot: Any, removals: Sequence[Figures], path: Path) -> None:
    figure, axes = pyplot.subplots(figsize=(8, 3.4))
    names = [one["damage"].split(",")[0] for one in removals][::-1]
    colours = ["#a34b3c" if one["strength"] is not None else "#2f6f4f" for one in removals]
    axes.barh(names, [one["psnr_db"] for one in removals][::-1], color=colours[::-1])
    axes.set_xlabel("PSNR (dB) left when the number is gone; green: it never went")
    _save(pyplot, figure, path)


def _save(pyplot: Any, figure: Any, path: Path) -> None:
    from PIL import Image

    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def _differences(path: Path, table: Mapping[str, Any]) -> None:
    """Three patches, each unmarked, marked and the difference times ten, in full colour."""
    from PIL import Image

    from primafacie.safeguards.provenance import cost

    rows = []
    part = (slice(156, 356), slice(156, 356))
    for picture in _patches(table).values():
        frames = table["talking"](picture, 6)
        marked = cost.mark(frames)
        shown = (frames[0], marked[0], cost.difference(frames[0], marked[0]))
        rows.append(np.concatenate([one[part] for one in shown], axis=1))
    Image.fromarray(np.concatenate(rows, axis=0)).save(path, optimize=True)


def _patches(table: Mapping[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(6)
    y, x = np.mgrid[0:512, 0:512] / 512.0
    sky = np.stack([120 + 60 * y, 160 + 50 * y, 225 + 15 * y], axis=-1)
    sky += rng.normal(0, 0.8, (512, 512, 1))
    dark = np.stack([18 + 30 * np.exp(-12 * ((y - 0.4) ** 2 + (x - 0.5) ** 2))] * 3, axis=-1)
    dark = dark * np.array([1.1, 1.0, 0.9]) + rng.normal(0, 1.5, (512, 512, 1))
    skin = table["drawn_portrait"](1)
    return {
        "sky": np.clip(sky, 0, 255).astype(np.uint8),
        "dark": np.clip(dark, 0, 255).astype(np.uint8),
        "skin": skin,
    }


# --- words ---------------------------------------------------------------------------------------


def _flowing(lines: Iterable[str]) -> Iterator[str]:
    """The lines, with those of one paragraph joined."""
    paragraph: list[str] = []
    for line in lines:
        if line and line[0] not in "#|!-":
            paragraph.append(line.strip())
            continue
        if paragraph:
            yield " ".join(paragraph)
            paragraph = []
        yield line
    if paragraph:
        yield " ".join(paragraph)


def _rows(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def _exact(method: Figures) -> int:
    return sum(share == 1.0 for share in method["read"].values())


def _cell(share: float | None) -> str:
    if share is None:
        return ""
    return "exact" if share == 1.0 else f"{share:.2f}" if share > 0.0 else "-"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"


def _yes(reached: bool) -> str:
    return "reached" if reached else "**not reached**"
