"""primafacie generate: ask for a video, wait for it, fetch it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from primafacie.platform.cli import BAD_INPUT, FAILED, answer, opened

if TYPE_CHECKING:
    from primafacie.platform.accounts import Account
    from primafacie.platform.requests import RequestView
    from primafacie.platform.wiring import Services

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("generate")
@click.option("--photo", required=True, type=_FILE, help="A registered photo of the person.")
@click.option("--voice", required=True, type=_FILE, help="What shall be said: a sound file.")
@click.option("--consent", "consent_id", required=True, help="Whose consent it rests on.")
@click.option(
    "--project",
    "project_id",
    default="",
    help="Which project it is for; needed only where more than one of yours fits the consent.",
)
@click.option("--purpose", required=True, help="What for: one of the consent's purposes.")
@click.option("--audience", default="internal", show_default=True, help="Who may see it.")
@click.option("--synthetic-voice", is_flag=True, help="Declare the clip a synthetic voice.")
@click.option("--size", default=512, show_default=True, help="Shorter side in pixels.")
@click.option("--crop", default="square", show_default=True, help="face, square, portrait or full.")
@click.option("--background", default="photo", show_default=True, help="photo, or green.")
@click.option("--emotion", default="neutral", show_default=True)
@click.option("--intensity", default=0.5, show_default=True, help="Of the emotion, 0 to 1.")
@click.option("--amplitude", default=1.0, show_default=True, help="Of the head, 0 to 1.5.")
@click.option("--distance", default=1.0, show_default=True, help="Of the camera, 0.8 to 1.25.")
@click.option("--gaze", nargs=2, type=float, default=(0.0, 0.0), show_default=True,
              help="Main direction: degrees to the sitter's left, degrees down.")  # fmt: skip
@click.option("--pose", nargs=4, type=float, multiple=True, metavar="T YAW PITCH ROLL",
              help="The head at second T, in degrees; may be given again and again.")  # fmt: skip
@click.option("--region", "regions", multiple=True, help="What may move: lips, expression, pose, "
              "eyes; may be given again. All, if none is named.")  # fmt: skip
@click.option("--fps", default=25, show_default=True, help="25, 30, 50 or 60.")
@click.option("--seed", default=0, show_default=True)
@click.option("--text", "--transcript", "transcript", default="", help="What the clip says, if "
              "known: it sharpens the lips.")  # fmt: skip
@click.option("--language", default="en", show_default=True, help="Language of the clip.")
@click.option(
    "--motion",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the movement "
    "shall go as data: a name that ends in .json, .csv or .glb. The consent must allow it.",
)
@click.option("--label", default="", help="Where the visible label lies: bottom, top, top-left, "
              "top-right, bottom-left, bottom-right, or none where nobody asks for one. Default: "
              "as the consent has it.")  # fmt: skip
@click.option("--caption", default="", help="More words in the first or last seconds: start, end "
              "or both. Default: as the consent asks.")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where it shall go.")
@click.option("--poster", type=click.Path(dir_okay=False, path_type=Path),
              help="Where a still of it shall go: a name that ends in .png or .jpg.")  # fmt: skip
@click.option("--sound", type=click.Path(dir_okay=False, path_type=Path),
              help="Where its sound shall go (WAV), if its voice is synthetic.")  # fmt: skip
@click.option("--here/--queue", default=True, show_default=True,
              help="Work on it in this process, or leave it to a running worker.")  # fmt: skip
@click.option("--wait/--no-wait", default=True, show_default=True, help="Wait until it is done.")
@opened.token_option
@answer.json_option
@click.pass_context
def generate(
    ctx: click.Context,
    photo: Path,
    voice: Path,
    consent_id: str,
    project_id: str,
    purpose: str,
    audience: str,
    synthetic_voice: bool,
    size: int,
    crop: str,
    background: str,
    emotion: str,
    intensity: float,
    amplitude: float,
    distance: float,
    gaze: tuple[float, float],
    pose: tuple[tuple[float, float, float, float], ...],
    regions: tuple[str, ...],
    fps: int,
    seed: int,
    transcript: str,
    language: str,
    motion: Path | None,
    label: str,
    caption: str,
    out: Path | None,
    poster: Path | None,
    sound: Path | None,
    here: bool,
    wait: bool,
    token_file: Path | None,
    as_json: bool,
) -> None:
    """Ask for a video as the owner of the token. Every request is logged, whatever comes of it."""
    from primafacie.generator.controls import REGIONS, Controls, PoseKey
    from primafacie.generator.errors import EngineError
    from primafacie.platform.errors import InputError
    from primafacie.platform.jobs import Worker
    from primafacie.platform.queue import COMPARING
    from primafacie.platform.requests import Submission
    from primafacie.safeguards.decision import Reason, is_bad_input

    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "generate")
        try:
            controls = Controls(size=size, crop=crop, background=background,  # type: ignore[arg-type]
                                emotion=emotion, seed=seed,  # type: ignore[arg-type]
                                intensity=intensity, amplitude=amplitude, distance=distance,
                                gaze=gaze, pose=tuple(PoseKey(*key) for key in pose),
                                regions=regions or REGIONS, fps=fps,  # type: ignore[arg-type]
                                transcript=transcript, language=language,
                                motion=motion.suffix[1:] if motion else "",
                                label=label, caption=caption)  # fmt: skip
            form = _picture_form(poster)
        except EngineError as error:
            services.note_http("CLI", "generate", 400, actor=actor, why=("malformed_request",))
            raise InputError(str(error)) from error
        view = services.requests.submit(
            actor,
            Submission(
                project_id=project_id or _project(services, actor, consent_id),
                consent_id=consent_id,
                purpose=purpose,
                audience=audience,
                photo=opened.read(photo),
                voice=opened.read(voice),
                controls=controls,
                voice_synthetic=synthetic_voice,
            ),
        )
        if here and wait:
            Worker(services).run(once=True)
        while wait and not view.done and view.stage != COMPARING:
            view = services.requests.show(actor, view.rid)
            if not view.done and view.stage != COMPARING:
                time.sleep(0.3)
        if out is not None and view.state == "released":
            file = services.requests.deliver(actor, view.rid, "downloaded")
            opened.write(out, file.read())
        if motion is not None and view.state == "released":
            opened.write(motion, services.requests.motion(actor, view.rid).read())
        for kind, place in ((form, poster), ("wav", sound)):
            if place is not None and view.state == "released":
                opened.write(place, services.requests.companion(actor, view.rid, kind).data)
        known = services.policies.shipped.reasons
        unfit = is_bad_input(known.get(r.rule, Reason(r.rule, r.sentence)) for r in view.reasons)
    _report(view, out, as_json)
    if view.state == "refused" and unfit:
        ctx.exit(BAD_INPUT)
    if view.state in ("refused", "withheld"):
        raise answer.Refusal
    ctx.exit(0 if view.state in ("released", "queued", "running") else FAILED)


def _picture_form(poster: Path | None) -> str:
    """`png` or `jpg`, by the name's ending. Raises EngineError for another."""
    from primafacie.generator.errors import EngineError

    ending = poster.suffix.lower() if poster else ".png"
    if ending not in (".png", ".jpg", ".jpeg"):
        raise EngineError("a still is a .png or a .jpg")
    return "png" if ending == ".png" else "jpg"


def _project(services: Services, actor: Account, consent_id: str) -> str:
    """The one project of this person that the consent names, or "" for the gate to refuse."""
    usable = [v for v in services.consents.usable(actor) if v.consent_id == consent_id]
    named = {project for view in usable for project in view.projects}
    mine = [p.project_id for p in services.projects.listed(actor) if actor.user_id in p.members]
    fitting = [p for p in mine if p in named] or mine
    return fitting[0] if len(fitting) == 1 else ""


def _report(view: RequestView, out: Path | None, as_json: bool) -> None:
    lines = [f"{view.rid}  {view.state}"]
    lines += [f"  {reason.rule}: {reason.sentence}" for reason in view.reasons]
    if view.stage == "comparing":
        lines.append("  a reviewer compares the faces first; ask again for the file afterwards")
    if view.message:
        lines.append(f"  {view.message}")
    if view.asset is not None:
        lines.append(f"  asset {view.asset.name}, sha256 {view.asset.file_sha256}")
        if out is not None:
            lines.append(f"  {out}")
    document = {
        "rid": view.rid,
        "state": view.state,
        "reasons": [{"rule": r.rule, "sentence": r.sentence} for r in view.reasons],
        "message": view.message,
        "decision": view.decision_id,
        "asset": view.asset,
        "log": [{"index": i, "kind": kind, "at": at} for i, kind, at in view.entries],
        "file": out if view.state == "released" else None,
    }
    answer.say(as_json, document, *lines)
