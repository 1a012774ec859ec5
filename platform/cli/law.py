"""primafacie law: which marking duties a video meets, field by field."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened

_WORDS = {True: "yes", False: "NO", None: "  -"}


@click.command("law")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--regime", type=click.Choice(["eu", "california", "china"]), default=None,
              help="Only this one.")  # fmt: skip
@answer.json_option
def law(file: Path, regime: str | None, as_json: bool) -> None:
    """Check FILE's marking against the EU, California and China, field by field.

    Engineering, not legal advice: it says which field a text names stands in the file, and what
    stands there. Exit code 4 when one is missing.
    """
    from primafacie.platform.errors import InputError
    from primafacie.safeguards.errors import MediaError
    from primafacie.safeguards.provenance.law import LIMITS, REGIMES, duties
    from primafacie.safeguards.provenance.manifest import TrustList
    from primafacie.safeguards.provenance.quarantine import inspect

    data = opened.read(file)
    with opened.services() as services:
        verdict = services.examiner.examine(None, data, name=file.name)
        try:
            found = inspect(data, TrustList.of(*services.examiner.roots), LIMITS, 30.0)
        except MediaError as error:
            raise InputError(str(error)) from error
    every = duties(found, verdict)
    wanted = {"eu": REGIMES[:1], "california": REGIMES[1:2], "china": REGIMES[2:], None: REGIMES}
    chosen = [duty for duty in every if duty.regime in wanted[regime]]
    missing = sum(duty.met is False for duty in chosen)
    lines = []
    for name in wanted[regime]:
        lines += ["", name]
        lines += [f"  {_WORDS[d.met]:>3}  {d.clause}: {d.asks}\n         {d.found}"
                  for d in chosen if d.regime == name]  # fmt: skip
    lines += ["", f"{missing or 'none'} missing. Engineering, not legal advice."]
    document = {"file": file, "verdict": verdict.level.name, "duties": chosen, "missing": missing}
    answer.say(as_json, document, *lines)
    if missing:
        raise answer.Unverified
