"""primafacie audit: verify, search, prove and export the log."""

from __future__ import annotations

from pathlib import Path

import click

from primafacie.platform.cli import answer, opened
from primafacie.platform.cli.witness import witness


@click.group("audit")
def audit() -> None:
    """The log."""


audit.add_command(witness)


@audit.command("verify")
@click.option("--bundle", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="An exported log, verified offline.")  # fmt: skip
@click.option("--vkey", "vkeys", multiple=True, help="The log's public key, for a bundle.")
@click.option("--witness", "others", multiple=True, help="A witness's public key, for a bundle.")
@click.option("--quorum", default=0, type=click.IntRange(0), help="So many must have cosigned.")
@answer.json_option
def verify(
    bundle: Path | None, vkeys: tuple[str, ...], others: tuple[str, ...], quorum: int, as_json: bool
) -> None:
    """Read the whole log again and compare everything. Exit code 4 if anything differs."""
    if bundle is not None:
        _verify_bundle(bundle, vkeys, others, quorum, as_json)
        return
    with opened.services() as services:
        found = services.logbook.verify(None)
    word = "SOUND" if found.ok else "NOT SOUND"
    answer.say(
        as_json,
        {
            "ok": found.ok,
            "size": found.size,
            "problems": found.problems,
            "not_compared": found.not_compared,
            "report": found.report,
        },
        f"{word}: {found.size} entries in {found.seconds:.2f} s",
        *(f"  {problem}" for problem in found.problems),
        *(f"  note: {note}" for note in found.not_compared),
    )
    if not found.ok:
        raise answer.Unverified


def _verify_bundle(
    bundle: Path, vkeys: tuple[str, ...], others: tuple[str, ...], quorum: int, as_json: bool
) -> None:
    from primafacie.audit.bundle import verify_bundle
    from primafacie.audit.errors import AuditError

    if not vkeys:
        raise click.UsageError("a bundle is verified with the log's public key: give --vkey")
    try:
        report = verify_bundle(bundle, vkeys, witnesses=others, quorum=quorum)
        report.require_sound()
    except AuditError as error:
        answer.say(as_json, {"ok": False, "problems": [str(error)]}, f"NOT SOUND: {error}")
        raise answer.Unverified from error
    answer.say(as_json, {"ok": True, "size": report.size, "report": report},
               f"SOUND: {report.size} entries of {report.origin}")  # fmt: skip


@audit.command("query")
@click.argument("text", default="")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 500))
@click.option("--before", default=None, type=int, help="Only entries below this index.")
@opened.token_option
@answer.json_option
def query(
    text: str, limit: int, before: int | None, token_file: Path | None, as_json: bool
) -> None:
    """Search the log: `kind:decision.refused at:>=2026-11-01 -kind:http.request words`."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "audit")
        page = services.logbook.query(actor, text, before=before, limit=limit)
    lines = [
        f"{e.index:>8}  {e.at:%Y-%m-%d %H:%M:%S}  {e.kind:<22} {e.out:<6} {','.join(e.why)}"
        for e in page.entries
    ]
    answer.say(as_json, {"entries": page.entries, "next_before": page.next_before,
                         "as_of": page.as_of}, *lines)  # fmt: skip


@audit.command("show")
@click.argument("index", type=click.IntRange(0))
@opened.token_option
@answer.json_option
def show(index: int, token_file: Path | None, as_json: bool) -> None:
    """One entry."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "audit")
        entry = services.logbook.show(actor, index)
    lines = [f"{name}: {value}" for name, value in answer.plain(entry).items()]
    answer.say(as_json, {"entry": entry}, *lines)


@audit.command("prove")
@click.argument("index", type=click.IntRange(0))
@click.option("--leaf-out", type=click.Path(dir_okay=False, path_type=Path),
              help="Also write the entry's bytes there.")  # fmt: skip
@opened.token_option
@answer.json_option
def prove(index: int, leaf_out: Path | None, token_file: Path | None, as_json: bool) -> None:
    """The C2SP tlog-proof of one entry, on stdout."""
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "audit")
        proof = services.logbook.prove(actor, index)
        if leaf_out is not None:
            opened.write(leaf_out, services.logbook.leaf(actor, index))
        keys = services.log.vkeys
    answer.say(as_json, {"index": index, "proof": proof, "log_keys": keys}, proof.rstrip("\n"))


@audit.command("export")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@opened.token_option
@answer.json_option
def export(out: Path, token_file: Path | None, as_json: bool) -> None:
    """Write the whole log to one file that anybody verifies offline. The export is logged."""
    from primafacie.platform.errors import InputError

    if out.exists():
        raise InputError(f"{out} is there already")
    with opened.services() as services:
        actor = opened.signed_in(services, token_file, "audit")
        index = services.logbook.bundle(actor, out)
        keys = services.log.vkeys
    answer.say(as_json, {"file": out, "log_index": index, "log_keys": keys},
               f"{out}: logged as entry {index}", *(f"  --vkey {key}" for key in keys))  # fmt: skip


@audit.command("cosign")
@answer.json_option
def cosign(as_json: bool) -> None:
    """Sign the log as it stands and ask the witnesses now; the worker does it by itself.

    Exit code 4 unless so many cosigned as `witness_quorum` asks for.
    """
    with opened.services() as services:
        services.journal.publish()
        services.witnesses.cosign()
        seen, enough = services.witnesses.seen(), services.witnesses.enough()
    lines = [f"{one.name}  {one.size} entries  {one.at or 'never'}" for one in seen]
    lines = lines or ["no witnesses are named"]
    answer.say(as_json, {"enough": enough, "witnesses": seen}, *lines)
    if not enough:
        raise answer.Unverified


@audit.command("tiles")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@answer.json_option
def tiles(folder: Path, as_json: bool) -> None:
    """Write the log as static files (C2SP tlog-tiles) into FOLDER, for mirrors and monitors. What
    is there already stays."""
    from primafacie.audit.tiles import export as write

    with opened.services() as services:
        opened.acted(services, "tiles")
        services.journal.publish()
        with services.database.read() as tx:
            head = write(tx, services.log, folder)
    answer.say(as_json, {"folder": folder, "size": head.size}, f"{folder}: {head.size} entries")


@audit.command("remember")
@click.argument("checkpoint", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@answer.json_option
def remember(checkpoint: Path, as_json: bool) -> None:
    """Give a lost memory the newest CHECKPOINT that somebody kept: a witness, an auditor, a proof.

    The memory tells a restored older database from the newest one. Logged.
    """
    from primafacie.audit.entry import Kind
    from primafacie.platform.journal import OPERATOR
    from primafacie.platform.memory import remember as give
    from primafacie.platform.settings import Settings

    head = give(Settings.read(), checkpoint.read_text("utf-8", errors="replace"))
    with opened.services() as services:
        facts = (("size", head.size),)
        services.journal.record(services.journal.event(Kind.MEMORY_GIVEN, OPERATOR, facts=facts))
    answer.say(as_json, {"origin": head.origin, "size": head.size},
               f"Remembered: {head.origin} had {head.size} entries.")  # fmt: skip
